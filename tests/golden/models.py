"""Ten models whose text, Markdown and HTML are kept as files, each for something that a table has to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import Summary, summarize


class CNN(nn.Module):
    """Functions between layers, and a Linear whose size is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.max_pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(999, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.max_pool(F.relu(self.bn2(self.conv2(x))))
        return self.fc1(x.view(-1, 32 * 8 * 8))


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """Long enough to be folded: blocks in blocks, the first of each stage unlike the others."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 7, 2, 3, bias=False)
        self.layer1 = nn.Sequential(*(Residual(16, 16) for _ in range(4)))
        self.layer2 = nn.Sequential(Residual(16, 32, 2), *(Residual(32, 32) for _ in range(6)))
        self.layer3 = nn.Sequential(Residual(32, 64, 2), *(Residual(64, 64) for _ in range(3)))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        return self.fc(self.pool(x).flatten(1))


class UNet(nn.Module):
    """Skip connections; a picture that is not square."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(1, 4, 3, padding=1)
        self.down2 = nn.Conv2d(4, 8, 3, padding=1)
        self.bottom = nn.Conv2d(8, 8, 3, padding=1)
        self.up2 = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.merge2 = nn.Conv2d(16, 4, 3, padding=1)
        self.up1 = nn.Upsample(scale_factor=2)
        self.merge1 = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = F.relu(self.down1(x))
        second = F.relu(self.down2(F.max_pool2d(first, 2)))
        bottom = self.bottom(F.max_pool2d(second, 2))
        merged = self.merge2(torch.cat([self.up2(bottom), second], dim=1))
        return self.merge1(torch.cat([self.up1(merged), first], dim=1))


class Tagger(nn.Module):
    """Several outputs of one call, and a dict at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 16)
        self.lstm = nn.LSTM(16, 8, batch_first=True, bidirectional=True)
        self.tags = nn.Linear(16, 5)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        outputs, (hidden, _) = self.lstm(self.embedding(tokens))
        return {"tags": self.tags(outputs), "state": torch.cat(hidden.unbind(0), dim=1)}


class Tied(nn.Module):
    """A parameter under two names, a module called twice, one never called, some frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 8)
        self.mix = nn.Linear(8, 8)
        self.unused = nn.Sequential(nn.Linear(8, 3), nn.Dropout())
        self.head = nn.Linear(8, 50, bias=False)
        self.head.weight = self.embedding.weight
        self.mix.requires_grad_(False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.mix(torch.tanh(self.mix(self.embedding(tokens)))))


class Patches(nn.Module):
    """A small vision transformer: parameters of the model's own, attention, an LLM's way of stacking layers."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, 32))
        self.positions = nn.Parameter(torch.zeros(1, 65, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.positions
        return self.head(self.encoder(x)[:, 0])


class TwoInputs(nn.Module):
    """Inputs by name, and names that markup would take for its own."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("a|b", nn.Linear(6, 4))
        self.add_module("<i>_c_</i>", nn.Linear(3, 4))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return torch.cat([self.get_submodule("a|b")(left), self.get_submodule("<i>_c_</i>")(right)], dim=-1)


class TooSmall(nn.Module):
    """The pass stops: nothing that could stand in helps."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(*(nn.Sequential(nn.Conv2d(3, 3, 3), nn.MaxPool2d(2)) for _ in range(4)))
        self.head = nn.Linear(3, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(x).mean((2, 3)))


def image_classifier() -> nn.Module:
    """The CIFAR-10 network, as one Sequential."""

    def block(*channels: int) -> list[nn.Module]:
        first, second, third = channels
        return [
            nn.Conv2d(first, second, 3, padding=1),
            nn.BatchNorm2d(second),
            nn.ReLU(),
            nn.Conv2d(second, third, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, 2),
        ]

    features = nn.Sequential(*block(3, 32, 64), *block(64, 128, 128), nn.Dropout2d(0.05), *block(128, 256, 256))
    classifier = nn.Sequential(
        nn.Dropout(0.1), nn.Linear(4096, 1024), nn.ReLU(), nn.Linear(1024, 512), nn.ReLU(), nn.Dropout(0.1),
        nn.Linear(512, 10),
    )  # fmt: skip
    return nn.Sequential(features, nn.Flatten(), classifier)


def _of(build: Callable[[], nn.Module], *given: Any, **options: Any) -> Callable[[], Summary]:
    return lambda: summarize(build(), *given, **options)


GOLDEN: Mapping[str, Callable[[], Summary]] = {
    "wrong_linear": _of(CNN, (3, 32, 32)),
    "image_classifier": _of(image_classifier, (3, 32, 32)),
    "resnet": _of(ResNet, (3, 64, 64)),
    "unet": _of(
        UNet,
        (1, 16, 24),
        columns=["layer", "type", "kernel", "stride", "padding", "output", "memory", "receptive_field", "arithmetic"],
    ),
    "tagger": _of(Tagger, (12,), parameters=True),
    "tied": _of(Tied, (7,), columns=["default", "params_percent", "trainable"]),
    "patches": _of(Patches, (3, 32, 32)),
    "two_inputs": _of(TwoInputs, {"left": (6,), "right": (3,)}, depth=1),
    "too_small": _of(TooSmall, (3, 24, 24)),
    "structure": _of(ResNet),
}
