"""The models that are measured, with random weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


def resnet(depths: list[int]) -> nn.Module:
    """A bottleneck ResNet of ``transformers``: [3, 4, 6, 3] is ResNet-50, [3, 8, 36, 3] ResNet-152."""
    from transformers import ResNetConfig, ResNetForImageClassification

    model: nn.Module = ResNetForImageClassification(ResNetConfig(depths=depths, layer_type="bottleneck"))
    return model.eval()


def linears(count: int) -> nn.Module:
    """A chain of small Linears: all the time goes into what surrounds them."""
    return nn.Sequential(*(nn.Linear(8, 8) for _ in range(count))).eval()


class Residual(nn.Module):
    """A block whose arms meet in a ``+``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + x)


def convolutional(in_features: int) -> nn.Module:
    """Eight residual blocks on 32×32 images; 3600 features reach the Linear."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3),
        *(Residual(16) for _ in range(8)),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(in_features, 10),
    ).eval()


def transformer() -> nn.Module:
    """Six layers of PyTorch's own, 32 features wide."""
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    return nn.TransformerEncoder(layer, 6, enable_nested_tensor=False).eval()


def llama_405b() -> nn.Module:
    """The shape of Llama 3.1 405B, on the meta device."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=16384, intermediate_size=53248, num_hidden_layers=126, num_attention_heads=128,
        num_key_value_heads=8, vocab_size=128256, max_position_embeddings=131072, use_cache=False,
    )  # fmt: skip
    with torch.device("meta"):
        model: nn.Module = LlamaForCausalLM(config)
    return model.eval()


def llama_7b(device: str, dtype: torch.dtype) -> nn.Module:
    """The shape of Llama 2 7B, with weights of its own making."""
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        model: nn.Module = LlamaForCausalLM(LlamaConfig(use_cache=False))
    model = model.to(dtype).to_empty(device=device).eval()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.fill_(0.01)
    return model


def deepseek_v3() -> nn.Module:
    """The shape of DeepSeek-V3, 671B with its experts, on the meta device."""
    from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

    with torch.device("meta"):
        model: nn.Module = DeepseekV3ForCausalLM(DeepseekV3Config(use_cache=False))
    return model.eval()


def convnext_tiny() -> nn.Module:
    """ConvNeXt-T of ``transformers``."""
    from transformers import ConvNextConfig, ConvNextForImageClassification

    model: nn.Module = ConvNextForImageClassification(ConvNextConfig())
    return model.eval()


def with_wrong_number(model: nn.Module) -> nn.Module:
    """A ResNet of ``resnet`` whose last Linear declares a feature too many."""
    wrong: Any = copy.deepcopy(model)
    last = wrong.classifier[1]
    wrong.classifier[1] = nn.Linear(last.in_features + 1, last.out_features)
    return wrong.eval()  # type: ignore[no-any-return]


def gpt2_xl() -> nn.Module:
    """The shape of GPT-2 XL, on the meta device."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_embd=1600, n_layer=48, n_head=25, use_cache=False)
    with torch.device("meta"):
        model: nn.Module = GPT2LMHeadModel(config)
    return model.eval()


def bare(model: nn.Module, *inputs: torch.Tensor) -> Any:
    """One forward pass with nothing around it."""
    with torch.no_grad():
        return model(*inputs)
