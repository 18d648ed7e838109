"""Small models, one for each case that a tool which looks at models has to get right.

Every class is the whole of its case: what is unusual about it is in its own few lines, and ``note`` of its entry says
what to watch.  ``SMALL`` at the end lists them.
"""

from __future__ import annotations

import collections
import dataclasses
import importlib
import random
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, rnn
from torch.utils.checkpoint import checkpoint

from tests.zoo.record import ZooModel, floats, integers, keywords, positional

# Plain networks -------------------------------------------------------------------------------------------------------


class ImageClassifier(nn.Module):
    """Three blocks of two convolutions each, then three linear layers, for CIFAR-10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_layer = nn.Sequential(
            *self._block(3, 32, 64), *self._block(64, 128, 128), nn.Dropout2d(0.05), *self._block(128, 256, 256)
        )
        self.fc_layer = nn.Sequential(
            nn.Dropout(0.1),
            nn.Linear(4096, 1024),
            nn.ReLU(inplace=True),
            nn.Linear(1024, 512),
            nn.ReLU(inplace=True),
            nn.Dropout(0.1),
            nn.Linear(512, 10),
        )

    @staticmethod
    def _block(inputs: int, middle: int, outputs: int) -> list[nn.Module]:
        return [
            nn.Conv2d(inputs, middle, 3, padding=1),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, outputs, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2, 2),
        ]

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_layer(x)
        x = x.view(x.size(0), -1)
        return self.fc_layer(x)


class FunctionalClassifier(nn.Module):
    """Two convolutions; the activations and the flatten are functions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.max_pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(2048, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.max_pool(F.relu(self.bn2(self.conv2(x))))
        return self.fc1(x.view(-1, 32 * 8 * 8))


class UNet(nn.Module):
    """Two levels with a skip connection each."""

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


class WindowAttention(nn.Module):
    """Attention within windows: the windows become part of the batch and come back."""

    def __init__(self, window: int = 4, channels: int = 8) -> None:
        super().__init__()
        self.window = window
        self.embed = nn.Conv2d(3, channels, 2, stride=2)
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.head = nn.Linear(channels, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.embed(x).permute(0, 2, 3, 1))
        batch, height, width, channels = x.shape
        size = self.window
        windows = x.view(batch, height // size, size, width // size, size, channels)
        windows = windows.permute(0, 1, 3, 2, 4, 5).reshape(-1, size * size, channels)
        query, key, value = self.qkv(windows).chunk(3, dim=-1)
        attended = torch.softmax(query @ key.transpose(-2, -1), dim=-1) @ value
        attended = attended.view(batch, height // size, width // size, size, size, channels)
        x = attended.permute(0, 1, 3, 2, 4, 5).reshape(batch, height, width, channels)
        return self.head(x.mean(dim=(1, 2)))


class VideoModel(nn.Module):
    """Frames go through an image network as if they were samples: (N, T, C, H, W) becomes (N*T, C, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.frame = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.time = nn.GRU(4, 6, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        batch, frames = x.shape[:2]
        features = self.frame(x.flatten(0, 1)).unflatten(0, (batch, frames))
        return self.head(self.time(features)[0][:, -1])


class PerChannel(nn.Module):
    """Every channel goes through the same one-channel network: (N, C, H, W) becomes (N*C, 1, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.head = nn.Linear(3 * 2 * 8 * 8, 4)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        folded = self.conv(x.reshape(batch * channels, 1, height, width))
        return self.head(folded.reshape(batch, -1))


class Detector(nn.Module):
    """The number of boxes is no multiple of the batch: the first axis of the output is not the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 8, 3, stride=4)
        self.boxes = nn.Linear(8, 4)
        self.scores = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.backbone(x).flatten(2).transpose(1, 2).reshape(-1, 8)[:5]
        return {"boxes": self.boxes(features), "scores": self.scores(features)}


class SignalClassifier(nn.Module):
    """Conv1d, pooling by a function, a Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 8, 5, dilation=2)
        self.head = nn.Linear(8 * 12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(F.max_pool1d(self.conv(x), 2), 1))


class VolumeClassifier(nn.Module):
    """Conv3d, adaptive pooling, a Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 4, 3)
        self.pool = nn.AdaptiveAvgPool3d((2, 2, 1))
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.conv(x)).flatten(1))


class ResidualBlock(nn.Module):
    """A shortcut with a squeeze-and-excitation gate; ``shortcut`` is a registered None."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm = nn.GroupNorm(2, 8)
        self.squeeze = nn.Linear(8, 2)
        self.excite = nn.Linear(2, 8)
        self.shortcut: nn.Module | None
        self.register_module("shortcut", None)
        self.register_parameter("scale", None)
        self.register_buffer("offset", None)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.norm(self.depthwise(x))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(y.mean((2, 3))))))
        return x + y * gate[:, :, None, None]


class Generator(nn.Module):
    """From a vector to a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(10, 8 * 4 * 4)
        self.up = nn.ConvTranspose2d(8, 12, 4, stride=2, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, z: Tensor) -> Tensor:
        return self.shuffle(self.up(self.project(z).unflatten(1, (8, 4, 4))))


class ChannelsLast(nn.Module):
    """The strides of the input are those of (N, H, W, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.contiguous(memory_format=torch.channels_last))


class Contraction(nn.Module):
    """``einsum`` and ``@`` with parameters of its own; no layer at all."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.randn(6, 4))
        self.right = nn.Parameter(torch.randn(4, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nlc,cd->nld", x, self.left) @ self.right


# Structure ------------------------------------------------------------------------------------------------------------


class SharedModule(nn.Module):
    """One layer called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.layer(self.layer(x))))


class AliasedModule(nn.Module):
    """One block under two names, called under both."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
        self.decoder = self.encoder

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class TiedParameters(nn.Module):
    """An embedding and a Linear with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(16, 8)
        self.mix = nn.Linear(8, 8)
        self.head = nn.Linear(8, 16, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.mix(self.embedding(tokens)))


class Loop(nn.Module):
    """A block in a loop whose length depends on the input."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(3, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        assert state is not None
        return self.head(state[0])


class Recursion(nn.Module):
    """A module that calls itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor, depth: int = 3) -> Tensor:
        return x if depth == 0 else self(torch.tanh(self.layer(x)), depth - 1)


class Containers(nn.Module):
    """``ModuleList`` and ``ModuleDict``: what is in them is called, they are not."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.heads = nn.ModuleDict({"mean": nn.Linear(4, 1), "variance": nn.Linear(4, 1)})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for stage in self.stages:
            x = stage(x)
        return {name: head(x) for name, head in self.heads.items()}


class ParameterContainers(nn.Module):
    """``ParameterList`` and ``ParameterDict``."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = nn.ParameterList([nn.Parameter(torch.randn(4, 4)) for _ in range(2)])
        self.shifts = nn.ParameterDict({"first": nn.Parameter(torch.zeros(4)), "last": nn.Parameter(torch.ones(4))})

    def forward(self, x: Tensor) -> Tensor:
        for factor, shift in zip(self.factors, self.shifts.values(), strict=True):
            x = x @ factor + shift
        return x


class ScaledSequential(nn.Sequential):
    """A container with parameters, buffers and children."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 4), nn.ReLU())
        self.scale = nn.Parameter(torch.ones(4))
        self.register_buffer("offset", torch.zeros(4), persistent=False)
        self.register_buffer("steps", torch.tensor(7))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.scale + self.offset


class CreatedInForward(nn.Module):
    """Layers that exist during the call only."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return nn.Sequential(nn.ReLU(), nn.LayerNorm(4))(self.layer(x))


class BuiltOnFirstCall(nn.Module):
    """``forward`` registers a layer the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.head: nn.Linear | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.head is None:
            self.head = nn.Linear(x.shape[-1], 2)
        return self.head(x)


class DirectForward(nn.Module):
    """``layer.forward(x)`` in place of ``layer(x)``: no hook of the layer fires."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.direct = nn.Linear(4, 3)
        self.dead = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.direct.forward(self.block.forward(x))


class NoParameters(nn.Module):
    """Functions and layers, nothing to learn."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x).mean((2, 3))


class DeadLayers(nn.Module):
    """Half of the layers are never called."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Linear(4, 4)
        self.unused = nn.Linear(4, 4)
        self.unused_block = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


class HiddenModules(nn.Module):
    """Modules in a plain list, which PyTorch does not know of."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(4, 4), nn.BatchNorm1d(4)]
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


class BackReference(nn.Module):
    """A child that knows its parent, by a list and by a weak reference."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = 2.0
        self.child = nn.Linear(4, 4)
        self.child.parents = [self]  # type: ignore[assignment]
        self.child.weak_parent = weakref.ref(self)  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        return self.child(x) * self.scale


class OddNames(nn.Module):
    """Names that a table has to quote."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("1", "with blank", "pipe|and<angle>", "größe", "under_score*"):
            self.add_module(name, nn.Linear(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x


class Delegating(nn.Module):
    """``__getattr__`` asks the wrapped model for everything that is not here."""

    def __init__(self) -> None:
        super().__init__()
        self.wrapped = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "wrapped":
                raise
            return getattr(self.wrapped, name)

    def forward(self, x: Tensor) -> Tensor:
        return self.wrapped(x)


class Slotted(nn.Module):
    """State in ``__slots__``, and a property that cannot be read."""

    __slots__ = ("calls", "never_set")

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.layer = nn.Linear(4, 2)

    @property
    def unreadable(self) -> int:
        raise RuntimeError("not before training")

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.layer(x)


def deep_nesting(depth: int = 60) -> nn.Module:
    """A Sequential in a Sequential in a Sequential."""
    module: nn.Module = nn.Linear(4, 4)
    for _ in range(depth):
        module = nn.Sequential(module)
    return module


def thousand_layers() -> nn.Module:
    """1,000 layers in a row."""
    return nn.Sequential(*(nn.Linear(4, 4) if index % 2 == 0 else nn.Tanh() for index in range(1000)))


# Kinds of layers ------------------------------------------------------------------------------------------------------


RecurrentKind = type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]


class SequenceTagger(nn.Module):
    """A recurrent layer to a Linear; the class and its settings are given."""

    def __init__(self, kind: RecurrentKind, *, batch_first: bool, bidirectional: bool) -> None:
        super().__init__()
        self.recurrent = kind(3, 5, num_layers=2, batch_first=batch_first, bidirectional=bidirectional)
        self.head = nn.Linear(10 if bidirectional else 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.recurrent(x)[0])


class PackedTagger(nn.Module):
    """Sequences of different lengths, packed inside ``forward``; the LSTM gives a ``PackedSequence`` back."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(3, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        padded, _ = rnn.pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)
        return self.head(padded)


class PackedThrough(nn.Module):
    """A ``PackedSequence`` as input and as output."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.GRU(3, 5)

    def forward(self, packed: rnn.PackedSequence) -> rnn.PackedSequence:
        output: rnn.PackedSequence = self.recurrent(packed)[0]
        return output


class PaddedEncoder(nn.Module):
    """A Transformer encoder with a padding mask, which in eval mode computes on nested tensors."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        return self.encoder(x, src_key_padding_mask=padding)


class SelfAttention(nn.Module):
    """``MultiheadAttention``, whose ``out_proj`` is never called as a module."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.attention(x, x, x)


class CrossAttention(nn.Module):
    """``MultiheadAttention`` with keys and values of other widths."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, kdim=6, vdim=4, batch_first=True)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return self.attention(query, key, value, need_weights=False)[0]


def weight_norm_hook() -> nn.Module:
    """``torch.nn.utils.weight_norm``: the weight is computed by a forward pre-hook."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Deprecated, and in many a checkpoint.
        layer = torch.nn.utils.weight_norm(nn.Linear(4, 4))
    return nn.Sequential(layer, nn.ReLU())


def spectral_norm_hook() -> nn.Module:
    """``torch.nn.utils.spectral_norm``: a forward pre-hook that in train mode changes buffers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Deprecated, and in many a checkpoint.
        return nn.Sequential(torch.nn.utils.spectral_norm(nn.Linear(4, 4)), nn.ReLU())


def weight_norm() -> nn.Module:
    """The parametrization of that name."""
    return nn.Sequential(parametrizations.weight_norm(nn.Conv1d(2, 4, 3)), nn.ReLU())


def spectral_norm() -> nn.Module:
    """The parametrization of that name: in train mode computing the weight changes its buffers."""
    return nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 4)), nn.ReLU())


def orthogonal() -> nn.Module:
    """A parametrization that needs a decomposition."""
    return nn.Sequential(parametrizations.orthogonal(nn.Linear(4, 4)), nn.ReLU())


def pruned() -> nn.Module:
    """Half of the weights masked; the masking is a forward pre-hook."""
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    prune.random_unstructured(model[0], "weight", amount=0.5)
    prune.l1_unstructured(model[2], "bias", amount=1)
    return model


def dynamically_quantized() -> nn.Module:
    """Weights of eight bits behind an object that is no tensor."""
    with warnings.catch_warnings():
        # Announced to move to another package, as are the tensors that it makes.
        warnings.simplefilter("ignore")
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


def lazy_layers() -> nn.Module:
    """Layers that learn their width in their first call."""
    return nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(8), nn.Linear(8, 2)
    )


class Compiled(nn.Module):
    """A submodule of TorchScript between ordinary layers."""

    def __init__(self, compile_block: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        self.before = nn.Linear(4, 4)
        block = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is, and models made with it live on.
            self.block = compile_block(block)
        self.after = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.block(self.before(x)))


def scripted_submodule() -> nn.Module:
    """``torch.jit.script``."""
    return Compiled(torch.jit.script)


def traced_submodule() -> nn.Module:
    """``torch.jit.trace``."""
    return Compiled(lambda block: torch.jit.trace(block.eval(), torch.zeros(2, 4)))


def scripted_whole() -> nn.Module:
    """The model itself is scripted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is, and models made with it live on.
        model = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)))
        assert isinstance(model, nn.Module)
        return model


def traced_graph() -> nn.Module:
    """A ``torch.fx.GraphModule``: its ``forward`` is generated code."""
    return torch.fx.symbolic_trace(FunctionalClassifier())


def data_parallel() -> nn.Module:
    """``DataParallel``, which without a GPU calls the wrapped model."""
    return nn.DataParallel(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))


def compiled_model() -> nn.Module:
    """``torch.compile`` with a backend that compiles nothing."""
    model = torch.compile(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), backend="eager")
    assert isinstance(model, nn.Module)
    return model


class Ensemble(nn.Module):
    """``vmap`` over stacked weights with ``functional_call`` inside ``forward``."""

    def __init__(self, members: int = 3) -> None:
        super().__init__()
        self.member = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
        self.weights = nn.ParameterList(
            [nn.Parameter(torch.randn(members, *weight.shape)) for weight in self.member.parameters()]
        )

    def forward(self, x: Tensor) -> Tensor:
        names = [name for name, _ in self.member.named_parameters()]

        def call(*weights: Tensor) -> Tensor:
            return torch.func.functional_call(self.member, dict(zip(names, weights, strict=True)), (x,))

        return torch.func.vmap(call)(*self.weights)


class VectorizedFunction(nn.Module):
    """``vmap`` over the samples of the batch, with a layer inside."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.func.vmap(self.layer)(x)


class Checkpointed(nn.Module):
    """Activation checkpointing: in training, backward calls the block once more."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(checkpoint(self.block, x, use_reentrant=False))


class ReversedGradient(torch.autograd.Function):
    """Identity forward, the negative gradient backward."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return -gradient


class CustomFunction(nn.Module):
    """A function with a backward of its own between two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Linear(4, 4)
        self.domain = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.domain(ReversedGradient.apply(self.features(x)))


def own_hooks() -> nn.Module:
    """Hooks that change inputs and outputs, in shape too, are there already."""
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(8, 2))
    model[0].register_forward_pre_hook(lambda module, args: (args[0][:, :4],))
    model[1].register_forward_hook(lambda module, args, output: torch.cat([output, output], dim=1))
    model[2].register_forward_pre_hook(lambda module, args, kwargs: (args, kwargs), with_kwargs=True)
    model[2].register_forward_hook(
        lambda module, args, kwargs, output: output + 1, with_kwargs=True, prepend=True, always_call=True
    )
    return model


def backward_hooks() -> nn.Module:
    """Hooks on gradients, of modules and of a parameter."""
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    model[0].register_full_backward_hook(lambda module, gradients, outputs: None)
    model[2].register_full_backward_pre_hook(lambda module, gradients: None)
    dict(model.named_parameters())["2.weight"].register_hook(lambda gradient: gradient * 2)
    return model


class FeatureExtractor(nn.Module):
    """Collects an inner output by a hook that stores it on the model."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
        self.collected: dict[str, Tensor] = {}
        self.body[0].register_forward_hook(self._collect)

    def _collect(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        self.collected["inner"] = output

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.body(x), self.collected["inner"]


def typed_classifier(dtype: torch.dtype) -> nn.Module:
    """A convolution and a Linear in the given dtype."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 2)).to(dtype)


def on_meta() -> nn.Module:
    """Shapes without values."""
    with torch.device("meta"):
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))


class ComplexLayer(nn.Module):
    """Fourier space: a complex parameter, complex tensors between the layers."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Parameter(torch.randn(4, 5, dtype=torch.complex64))
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.fft.irfft(torch.fft.rfft(x) * self.filter, n=8))


class AuxiliaryHead(nn.Module):
    """Like Inception: a second output in training only."""

    class Outputs(NamedTuple):
        logits: Tensor
        auxiliary: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.auxiliary = nn.Linear(4, 2)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(4, 2))

    def forward(self, x: Tensor) -> Tensor | AuxiliaryHead.Outputs:
        x = self.stem(x)
        if self.training:
            return self.Outputs(self.head(x), self.auxiliary(x.mean((2, 3))))
        return self.head(x)


def frozen_norm() -> nn.Module:
    """In train mode but for a BatchNorm, as in fine-tuning."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4), nn.Dropout2d())
    model.train()
    model[1].eval()
    for parameter in model[1].parameters():
        parameter.requires_grad_(False)
    return model


class TwoInputs(nn.Module):
    """Picture and numbers; positional, of different shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Flatten(), nn.Linear(4 * 3 * 3, 6))
        self.numbers = nn.Linear(5, 6)
        self.head = nn.Bilinear(6, 6, 2)

    def forward(self, picture: Tensor, numbers: Tensor) -> Tensor:
        return self.head(self.picture(picture), self.numbers(numbers))


class KeywordInputs(nn.Module):
    """Keyword arguments only, one of them optional and one no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(32, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, *, input_ids: Tensor, attention_mask: Tensor | None = None, reduce: str = "mean") -> Tensor:
        x = self.embedding(input_ids)
        if attention_mask is not None:
            x = x * attention_mask[..., None]
        return self.head(x.mean(1) if reduce == "mean" else x.sum(1))


class NestedInputs(nn.Module):
    """Tensors in lists, tuples and dicts, with other things between them."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(
        self, batch: dict[str, Any], pairs: list[tuple[Tensor, str]], flag: bool, nothing: None
    ) -> list[Tensor]:
        assert flag
        assert nothing is None
        return [self.layer(batch["x"]), *(self.layer(x) if name == "keep" else x for x, name in pairs)]


class ArrayInput(nn.Module):
    """A numpy array, turned into a tensor inside."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, array: numpy.ndarray[Any, Any]) -> Tensor:
        return self.layer(torch.from_numpy(array))


class NumberInput(nn.Module):
    """A number, a string and a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor, power: float, activation: str) -> Tensor:
        return getattr(F, activation)(self.layer(x**power))


class BooleanInput(nn.Module):
    """A mask of truth values beside the features."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        return self.layer(x.masked_fill(~keep, 0.0))


class SparseInput(nn.Module):
    """A sparse matrix times a layer's output, as in graph networks."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        return torch.sparse.mm(adjacency, self.layer(x))


class NestedTensorInput(nn.Module):
    """A nested tensor: sequences of different lengths in one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class Bag(nn.Module):
    """``EmbeddingBag`` with offsets: the first axis is not the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(16, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, tokens: Tensor, offsets: Tensor) -> Tensor:
        return self.head(self.bag(tokens, offsets))


# Outputs --------------------------------------------------------------------------------------------------------------


class Returning(nn.Module):
    """A layer between two others that returns whatever ``wrap`` makes of its result."""

    class Inner(nn.Module):
        def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.wrap = wrap

        def forward(self, x: Tensor) -> Any:
            return self.wrap(self.layer(x))

    def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.inner = self.Inner(wrap)
        self.after = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> tuple[Any, Tensor]:
        return self.inner(x), self.after(x)


class Pair(NamedTuple):
    """A named tuple."""

    logits: Tensor
    rest: list[Tensor]


@dataclasses.dataclass
class Answer:
    """A dataclass, with things in it that are no tensors."""

    logits: Tensor
    label: str
    hidden: tuple[Tensor, ...] = ()
    missing: Tensor | None = None


class OwnClass:
    """A class that nobody knows; its attribute access and its representation refuse to work."""

    def __init__(self, tensor: Tensor) -> None:
        self.__dict__["tensor"] = tensor

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")

    def __repr__(self) -> str:
        raise RuntimeError("no text")


def _model_output(x: Tensor) -> Any:
    return importlib.import_module("transformers.modeling_outputs").BaseModelOutput(
        last_hidden_state=x, hidden_states=(x, x * 2)
    )


def _self_containing(x: Tensor) -> list[Any]:
    values: list[Any] = [x]
    values.append(values)
    return values


OUTPUTS: dict[str, Callable[[Tensor], Any]] = {
    "tuple": lambda x: (x, x.sum(), (x[:, :1], ())),
    "list": lambda x: [x, [x, x.mean(0)]],
    "dict": lambda x: {"boxes": x, "nested": {"scores": [x[:, 0]], 3: x}},
    "named_tuple": lambda x: Pair(x, [x, x]),
    "dataclass": lambda x: Answer(x, "cat", (x, x[0])),
    "none": lambda x: None,
    "string": lambda x: "text",
    "number": lambda x: (3, 0.5, True),
    "own_class": OwnClass,
    "namespace": lambda x: types.SimpleNamespace(logits=x),
    "normal_distribution": lambda x: torch.distributions.Normal(x, torch.ones_like(x)),
    "categorical_distribution": lambda x: torch.distributions.Categorical(logits=x),
    "packed_sequence": lambda x: rnn.pack_sequence([x, x[:1]]),
    "generator": lambda x: (part for part in x),
    "set": lambda x: {x},
    "deque": lambda x: collections.deque([x, x]),
    "sparse": lambda x: x.to_sparse(),
    "nested_tensor": lambda x: torch.nested.as_nested_tensor([x, x[:1]], layout=torch.jagged),
    "complex": lambda x: torch.complex(x, x),
    "array": lambda x: x.detach().numpy(),
    "self_containing": _self_containing,
    "empty": lambda x: (x[:0], [], {}),
}


# What forward leaves behind -------------------------------------------------------------------------------------------


class Stateful(nn.Module):
    """A Linear whose ``forward`` first does ``act(model, x)``: the base of the cases below."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def act(self, x: Tensor) -> None:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        self.act(x)
        return self.layer(x)


class CachesInput(Stateful):
    """``self.cache = x``."""

    cache: Tensor

    def act(self, x: Tensor) -> None:
        self.cache = x


class ReplacesAttribute(Stateful):
    """An attribute that was there gets another value, another goes away."""

    def __init__(self) -> None:
        super().__init__()
        self.last_shape: tuple[int, ...] | None = None
        self.scratch = "to be deleted"

    def act(self, x: Tensor) -> None:
        self.last_shape = tuple(x.shape)
        if hasattr(self, "scratch"):
            del self.scratch


class AppendsFeatures(Stateful):
    """Grows a list, a dict, a set and a deque, nested in each other too."""

    def __init__(self) -> None:
        super().__init__()
        self.features: list[Tensor] = []
        self.by_size: dict[int, list[Tensor]] = {4: []}
        self.sizes: set[int] = set()
        self.recent: collections.deque[Tensor] = collections.deque(maxlen=2)

    def act(self, x: Tensor) -> None:
        self.features.append(x)
        self.by_size.setdefault(x.shape[-1], []).append(x)
        self.sizes.add(x.shape[0])
        self.recent.append(x)


class CountsInBuffer(Stateful):
    """Two buffers that count the calls: one in place, one by a new tensor; and one that is not persistent."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.register_buffer("samples", torch.zeros((), dtype=torch.long))
        self.register_buffer("mean", torch.zeros(4), persistent=False)
        self.calls: Tensor
        self.samples: Tensor
        self.mean: Tensor

    def act(self, x: Tensor) -> None:
        self.calls += 1
        self.samples = self.samples + x.shape[0]
        self.mean.mul_(0.9).add_(x.detach().mean(0), alpha=0.1)


class PlainTensorAttribute(Stateful):
    """A tensor that is neither parameter nor buffer, changed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.total = torch.zeros(4)

    def act(self, x: Tensor) -> None:
        self.total += x.detach().sum(0)


class ObjectState(Stateful):
    """State in an object of an own class, and in a generator of random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.state = types.SimpleNamespace(step=0, history=[])
        self.generator = torch.Generator().manual_seed(3)

    def act(self, x: Tensor) -> None:
        self.state.step += 1
        self.state.history.append(float(torch.rand((), generator=self.generator)))


class MaxNormLinear(nn.Linear):
    """A norm constraint that writes to ``weight.data``: the parameter keeps its identity and gets new storage."""

    def forward(self, x: Tensor) -> Tensor:
        self.weight.data = torch.renorm(self.weight.data, p=2, dim=0, maxnorm=0.1)
        return super().forward(x)


class ClampedLinear(nn.Linear):
    """A constraint that writes into the parameter."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.weight.clamp_(-0.1, 0.1)
        return super().forward(x)


class ReplacesParameter(Stateful):
    """A new ``Parameter`` under the old name."""

    def act(self, x: Tensor) -> None:
        self.layer.weight = nn.Parameter(self.layer.weight.detach() * 0.5)


class TogglesTraining(Stateful):
    """Dropout at inference: ``forward`` itself switches it on."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout()

    def act(self, x: Tensor) -> None:
        self.dropout.train()
        self.dropout(x)


class FreezesItself(Stateful):
    """``requires_grad`` changes in ``forward``."""

    def act(self, x: Tensor) -> None:
        self.layer.weight.requires_grad_(False)


class HooksItself(Stateful):
    """Registers a hook in every call."""

    def act(self, x: Tensor) -> None:
        self.layer.register_forward_hook(lambda module, args, output: None)


class DrawsRandomNumbers(Stateful):
    """From torch, numpy and Python."""

    def act(self, x: Tensor) -> None:
        torch.rand(3)
        numpy.random.rand(3)
        random.random()


class NoisyActivation(nn.Module):
    """Drop path by hand: which branch runs depends on a random number, in eval mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) if torch.rand(()) < 0.5 else self.second(x)


class MaxNormEmbedding(nn.Module):
    """``max_norm``: looking a word up changes its vector."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(16, 4, max_norm=0.5)
        self.head = nn.Linear(4, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embedding(tokens))


def running_statistics() -> nn.Module:
    """BatchNorm in train mode, with and without momentum, and InstanceNorm that tracks too."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.BatchNorm2d(4, momentum=None),
        nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
    )


def with_gradients() -> nn.Module:
    """A model in the middle of a training step: every parameter has a ``.grad``, one is frozen."""
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    model[0].bias.requires_grad_(False)
    model(floats(2, 4)).square().mean().backward()
    return model


class WritesIntoInput(nn.Module):
    """Changes the caller's tensor in place."""

    def __init__(self) -> None:
        super().__init__()
        self.activation = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.activation(x).add_(1))


class LooksAtValues(nn.Module):
    """A branch on data and ``.item()``: without values there is no path."""

    def __init__(self) -> None:
        super().__init__()
        self.positive = nn.Linear(4, 2)
        self.other = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.positive(x) if x.sum().item() > 0 else self.other(x)


# The list -------------------------------------------------------------------------------------------------------------


def _vector(name: str, build: Callable[[], nn.Module], note: str, *, training: bool = False) -> ZooModel:
    """A model that takes four features."""
    return ZooModel(name, build, positional(lambda: floats(2, 4)), (4,), note=note, training=training)


def _picture(
    name: str, build: Callable[[], nn.Module], shape: tuple[int, ...], note: str, *, training: bool = False
) -> ZooModel:
    """A model that takes a picture."""
    return ZooModel(name, build, positional(lambda: floats(2, *shape)), shape, image=True, note=note, training=training)


def _other(name: str, build: Callable[[], nn.Module], shape: tuple[int, ...], note: str) -> ZooModel:
    """A model that takes one tensor of floating-point numbers, no picture."""
    return ZooModel(name, build, positional(lambda: floats(2, *shape)), shape, note=note)


def _tokens(name: str, build: Callable[[], nn.Module], note: str) -> ZooModel:
    """A model that takes numbers of words, as its only positional argument."""
    return ZooModel(name, build, positional(lambda: integers(2, 6, below=16)), (6,), "long", note=note)


def _typed(dtype: torch.dtype) -> ZooModel:
    name = str(dtype).removeprefix("torch.")
    return ZooModel(
        name,
        lambda: typed_classifier(dtype),
        positional(lambda: floats(2, 3, 8, 8).to(dtype)),
        (3, 8, 8),
        name,
        image=True,
        note="the dummy has to have the dtype of the weights",
    )


def _plain() -> Iterator[ZooModel]:
    yield _picture("image_classifier", ImageClassifier, (3, 32, 32), "256·4·4 = 4096")
    yield _picture("functional_classifier", FunctionalClassifier, (3, 32, 32), "relu and view are no modules")
    yield _picture("unet", UNet, (1, 16, 16), "skip connections: multiples of 4 only")
    yield _picture("window_attention", WindowAttention, (3, 16, 16), "windows folded into the batch and out of it")
    yield _picture("per_channel", PerChannel, (3, 8, 8), "channels folded into the batch and out of it")
    yield _picture("detector", Detector, (3, 32, 32), "(number of boxes, 4): the first axis is not the batch")
    yield _picture("residual_block", ResidualBlock, (3, 8, 8), "registered None; a depthwise convolution; a gate")
    yield _picture("channels_last", ChannelsLast, (3, 8, 8), "strides of (N, H, W, C) under shape (N, C, H, W)")
    yield _other("video", VideoModel, (3, 3, 8, 8), "time folded into the batch and out of it")
    yield _other("signal", SignalClassifier, (2, 32), "Conv1d and a pooling function")
    yield _other("volume", VolumeClassifier, (1, 8, 8, 8), "Conv3d and adaptive pooling")
    yield _other("generator", Generator, (10,), "unflatten, transposed convolution, pixel shuffle")
    yield _other("contraction", Contraction, (5, 6), "einsum and @ without a layer")


def _structure() -> Iterator[ZooModel]:
    yield _other("shared_module", SharedModule, (8,), "three calls of one layer, counted once")
    yield _other("aliased_module", AliasedModule, (8,), "one module under two names")
    yield _tokens("tied_parameters", TiedParameters, "one weight in two layers, counted once")
    yield _other("loop", Loop, (5, 3), "a cell called once for each step")
    yield _vector("recursion", Recursion, "a module that calls itself")
    yield _vector("containers", Containers, "ModuleList and ModuleDict are never called")
    yield _vector("parameter_containers", ParameterContainers, "parameters without a layer")
    yield _vector("container_parameter", ScaledSequential, "a container with parameters and buffers of its own")
    yield _vector("created_in_forward", CreatedInForward, "modules that have no path")
    yield _vector("built_on_first_call", BuiltOnFirstCall, "forward registers a layer: gone again afterwards")
    yield _vector("direct_forward", DirectForward, "no hook fires: neither seen nor dead")
    yield _picture("no_parameters", NoParameters, (3, 8, 8), "no parameter to take device and dtype from")
    yield _vector("identity", nn.Identity, "the model is nn.Identity")
    yield _vector("bare_linear", lambda: nn.Linear(4, 2), "the model is a layer; its path is empty")
    yield _picture("bare_convolution", lambda: nn.Conv2d(3, 4, 3), (3, 8, 8), "the model is a layer; its path is empty")
    yield _vector("empty_sequential", nn.Sequential, "a container with nothing in it")
    yield _vector("dead_layers", DeadLayers, "layers never called")
    yield ZooModel(
        "hidden_modules",
        HiddenModules,
        positional(lambda: floats(2, 4)),
        note="modules that PyTorch does not know of; their BatchNorm stays in train mode and refuses a batch of one",
    )
    yield _vector("back_reference", BackReference, "a cycle through attributes")
    yield _vector("odd_names", OddNames, "blanks, bars and angles in paths")
    yield _vector("delegating", Delegating, "__getattr__ finds everything")
    yield _vector("slotted", Slotted, "state outside of __dict__, changed by forward")
    yield _vector("deep_nesting", deep_nesting, "60 containers deep")
    yield _vector("thousand_layers", thousand_layers, "1,000 layers")


def _kinds() -> Iterator[ZooModel]:
    def tagger(kind: RecurrentKind, batch_first: bool, bidirectional: bool) -> Callable[[], nn.Module]:
        return lambda: SequenceTagger(kind, batch_first=batch_first, bidirectional=bidirectional)

    yield _other("lstm", tagger(nn.LSTM, True, False), (5, 3), "returns (output, (h, c))")
    yield _other("gru", tagger(nn.GRU, True, False), (5, 3), "returns (output, h)")
    yield _other("bidirectional_lstm", tagger(nn.LSTM, True, True), (5, 3), "twice as wide")
    yield _other("bidirectional_gru", tagger(nn.GRU, True, True), (5, 3), "twice as wide")
    yield _other("simple_rnn", tagger(nn.RNN, True, False), (5, 3), "nn.RNN")
    yield _other("sequence_first_lstm", tagger(nn.LSTM, False, False), (5, 3), "the second axis is the batch")
    yield ZooModel(
        "packed_inside",
        PackedTagger,
        positional(lambda: floats(2, 5, 3), lambda: torch.tensor([3, 5])),
        note="a PackedSequence between two layers; lengths of zero are refused",
    )
    yield ZooModel(
        "packed_through",
        PackedThrough,
        positional(lambda: rnn.pack_sequence([floats(4, 3), floats(2, 3, seed=1)])),
        note="a PackedSequence in and out",
    )
    yield ZooModel(
        "transformer",
        lambda: nn.Transformer(8, 2, 1, 1, 16, batch_first=True),
        positional(lambda: floats(2, 5, 8), lambda: floats(2, 4, 8, seed=1)),
        [(5, 8), (4, 8)],
        note="inner layers are listed although a fast path exists",
    )
    yield _other(
        "transformer_encoder",
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
        (5, 8),
        "inner layers are listed although a fast path exists",
    )
    yield ZooModel(
        "padded_encoder",
        PaddedEncoder,
        positional(lambda: floats(2, 5, 8), lambda: torch.arange(5) >= torch.tensor([[5], [3]])),
        [(5, 8), (5,)],
        ("float32", "bool"),
        note="nested tensors between the layers of the fast path",
    )
    yield ZooModel(
        "transformer_decoder",
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), 2),
        positional(lambda: floats(2, 5, 8), lambda: floats(2, 4, 8, seed=1)),
        [(5, 8), (4, 8)],
        note="two attentions in each layer",
    )
    yield _other("self_attention", SelfAttention, (5, 8), "out_proj is never called as a module, and is not dead")
    yield ZooModel(
        "cross_attention",
        CrossAttention,
        positional(lambda: floats(2, 3, 8), lambda: floats(2, 5, 6, seed=1), lambda: floats(2, 5, 4, seed=2)),
        [(3, 8), (5, 6), (5, 4)],
        note="separate projections for key and value; an output of None",
    )
    yield _vector("weight_norm_hook", weight_norm_hook, "the weight is a computed attribute; cannot be deep-copied")
    yield _vector("spectral_norm_hook", spectral_norm_hook, "buffers change in train mode", training=True)
    yield _other("weight_norm", weight_norm, (2, 8), "parametrized weight")
    yield _vector("spectral_norm", spectral_norm, "buffers change in train mode", training=True)
    yield _vector("orthogonal", orthogonal, "parametrized weight")
    yield _vector("pruned", pruned, "weight_orig, weight_mask and a pre-hook")
    yield _vector("dynamically_quantized", dynamically_quantized, "weights are in no tensor; no parameters")
    yield _picture("lazy_layers", lazy_layers, (3, 8, 8), "still lazy afterwards")
    yield _vector("scripted_submodule", scripted_submodule, "nothing inside can be seen")
    yield _vector("traced_submodule", traced_submodule, "nothing inside can be seen")
    yield _vector("scripted_whole", scripted_whole, "register_forward_hook of the model refuses")
    yield _picture("traced_graph", traced_graph, (3, 32, 32), "forward is generated code")
    yield _vector("data_parallel", data_parallel, "paths without the wrapper")
    yield _vector("ensemble", Ensemble, "vmap and functional_call")
    yield _vector("vectorized_function", VectorizedFunction, "a layer called with tensors of vmap")
    yield _vector("checkpointed", Checkpointed, "checkpointing", training=True)
    yield _vector("custom_function", CustomFunction, "an autograd.Function")
    yield _other("own_hooks", own_hooks, (6,), "hooks that change inputs and outputs, in shape too")
    yield _vector("backward_hooks", backward_hooks, "hooks on gradients")
    yield _vector("feature_extractor", FeatureExtractor, "a hook that stores an output on the model")
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        yield _typed(dtype)
    yield ZooModel(
        "meta",
        on_meta,
        positional(lambda: torch.zeros(2, 3, 8, 8, device="meta")),
        (3, 8, 8),
        image=True,
        note="no values anywhere; traced on meta by itself",
    )
    yield _other("complex_parameter", ComplexLayer, (4, 8), "a complex parameter")
    yield _picture("auxiliary_head", AuxiliaryHead, (3, 8, 8), "a second output in train mode", training=True)
    yield _picture(
        "frozen_norm", frozen_norm, (3, 8, 8), "a BatchNorm in eval mode in a model in train mode", training=True
    )
    yield _picture("running_statistics", running_statistics, (3, 8, 8), "buffers change in train mode", training=True)


def _inputs() -> Iterator[ZooModel]:
    yield ZooModel(
        "two_inputs",
        TwoInputs,
        positional(lambda: floats(2, 3, 8, 8), lambda: floats(2, 5)),
        [(3, 8, 8), (5,)],
        note="several positional tensors",
    )
    yield ZooModel(
        "keyword_inputs",
        KeywordInputs,
        keywords(
            input_ids=lambda: integers(2, 6),
            attention_mask=lambda: torch.ones(2, 6, dtype=torch.long),
            reduce=lambda: "sum",
        ),
        {"input_ids": (6,), "attention_mask": (6,)},
        "long",
        note="keyword-only arguments, one of them a string",
    )
    yield ZooModel(
        "nested_inputs",
        NestedInputs,
        lambda: (
            ({"x": floats(2, 4), "name": "first"}, [(floats(2, 4, seed=1), "keep"), (floats(3), "drop")]),
            {"flag": True, "nothing": None},
        ),
        note="tensors deep in positional arguments, others by keyword",
    )
    yield ZooModel(
        "array_input",
        ArrayInput,
        positional(lambda: floats(2, 4).numpy()),
        note="a numpy array is passed on as it is",
    )
    yield ZooModel(
        "number_input",
        NumberInput,
        positional(lambda: floats(2, 4), lambda: 2.0, lambda: "relu"),
        note="a float and a string are passed on as they are",
    )
    yield ZooModel(
        "boolean_input",
        BooleanInput,
        positional(lambda: floats(2, 4), lambda: floats(2, 4, seed=1) > 0),
        [(4,), (4,)],
        ("float32", "bool"),
        note="a boolean mask",
    )
    yield ZooModel(
        "complex_input",
        lambda: nn.Linear(4, 2, dtype=torch.complex64),
        positional(lambda: torch.complex(floats(2, 4), floats(2, 4, seed=1))),
        (4,),
        "complex64",
        note="complex numbers",
    )
    yield ZooModel(
        "sparse_input",
        SparseInput,
        positional(lambda: floats(3, 4), lambda: torch.eye(3).to_sparse()),
        note="a sparse tensor",
    )
    yield ZooModel(
        "nested_tensor_input",
        NestedTensorInput,
        positional(
            lambda: torch.nested.as_nested_tensor([floats(3, 4), floats(5, 4, seed=1)], layout=torch.jagged),
        ),
        note="a nested tensor, whose second size is no number",
    )
    yield ZooModel(
        "embedding_bag",
        Bag,
        positional(lambda: integers(6, below=16), lambda: torch.tensor([0, 2])),
        note="offsets; the first axis is not the batch",
    )
    yield ZooModel(
        "scalar_input",
        nn.Identity,
        positional(lambda: torch.tensor(3.0)),
        note="a tensor without dimensions",
    )
    yield _tokens("embedding", lambda: nn.Sequential(nn.Embedding(16, 4), nn.Flatten(), nn.Linear(24, 2)), "integers")


def _outputs() -> Iterator[ZooModel]:
    def returning(wrap: Callable[[Tensor], Any]) -> Callable[[], nn.Module]:
        return lambda: Returning(wrap)

    for name, wrap in OUTPUTS.items():
        yield _vector(f"returns_{name}", returning(wrap), f"a layer returns: {name.replace('_', ' ')}")
    yield ZooModel(
        "returns_model_output",
        returning(_model_output),
        positional(lambda: floats(2, 4)),
        (4,),
        note="a layer returns a ModelOutput",
        requires=("transformers",),
    )


def _effects() -> Iterator[ZooModel]:
    for name, build, note in (
        ("caches_input", CachesInput, "an attribute appears"),
        ("replaces_attribute", ReplacesAttribute, "an attribute changes, another goes"),
        ("appends_features", AppendsFeatures, "list, dict, set and deque grow"),
        ("counts_in_buffer", CountsInBuffer, "buffers count the calls, in eval mode too"),
        ("plain_tensor_attribute", PlainTensorAttribute, "a tensor that is no buffer changes in place"),
        ("object_state", ObjectState, "an object of an own class and a random generator change"),
        ("max_norm_data", lambda: MaxNormLinear(4, 2), "the parameter gets new storage"),
        ("clamped_parameter", lambda: ClampedLinear(4, 2), "the parameter is written to"),
        ("replaces_parameter", ReplacesParameter, "another Parameter under the name"),
        ("toggles_training", TogglesTraining, "forward switches dropout on"),
        ("freezes_itself", FreezesItself, "requires_grad changes"),
        ("hooks_itself", HooksItself, "a hook stays behind"),
        ("draws_random_numbers", DrawsRandomNumbers, "torch, numpy and Python"),
        ("random_branch", NoisyActivation, "which layer is called is drawn"),
        ("with_gradients", with_gradients, "every .grad is set"),
        ("looks_at_values", LooksAtValues, "a branch on the data"),
    ):
        yield _vector(name, build, note)
    yield _tokens("max_norm_embedding", MaxNormEmbedding, "looking a word up changes its vector")
    yield _vector("writes_into_input", WritesIntoInput, "the caller's tensor changes in place")


SMALL: tuple[ZooModel, ...] = (*_plain(), *_structure(), *_kinds(), *_inputs(), *_outputs(), *_effects())

# Made apart: its first call compiles, which takes seconds.
COMPILED: ZooModel = _vector("compiled_model", compiled_model, "torch.compile; traced through the original module")
