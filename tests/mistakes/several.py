"""Several mistakes in one model, in layers of classes of one's own, and in functions with weights of one's own.

The file is copied by a test that writes the corrections into the copy and runs that.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.mistakes import record
from tests.mistakes.record import Mistake, Wrong

MISTAKES: list[Mistake] = []
mistake = partial(record.mistake, MISTAKES)


@mistake(
    0, (1, 24, 24),
    Wrong("in_channels", "stages.0.0.conv", 3, 1, "self.Block(3, 8, 8), self.Block(8, 8, 4)",
          "self.Block(1, 8, 8), self.Block(8, 8, 8)"),
    Wrong("num_features", "stages.0.1.norm", 4, 8, "self.Block(3, 8, 8), self.Block(8, 8, 4)",
          "self.Block(1, 8, 8), self.Block(8, 8, 8)"),
    Wrong("in_channels", "stages.1.1.conv", 8, 16, "self.Block(8, 16, 16), self.Block(8, 16, 16)",
          "self.Block(8, 16, 16), self.Block(16, 16, 16)"),
    Wrong("reshape", "", 400, 576, "x = x.view(-1, 16 * 5 * 5)", "x = x.flatten(1)"),
    Wrong("in_features", "heads.first.0", 400, 576, "nn.Linear(400, 32)", "nn.Linear(576, 32)"),
    Wrong("num_features", "heads.first.1", 30, 32, "nn.BatchNorm1d(30)", "nn.BatchNorm1d(32)"),
    Wrong("in_features", "heads.first.3", 30, 32, "nn.Linear(30, 5)", "nn.Linear(32, 5)"),
    Wrong("in_features", "heads.second", 100, 576, "nn.Linear(100, 2)", "nn.Linear(576, 2)"),
    Wrong("in_features", "join", 8, 7, "self.join = nn.Linear(8, 1)", "self.join = nn.Linear(7, 1)"),
)  # fmt: skip
class Everything(nn.Module):
    """Nine mistakes, in lists of sequences, in a dict, in a loop, before and behind a view."""

    class Block(nn.Module):
        """A convolution and its normalization, which may be of another width."""

        def __init__(self, inputs: int, outputs: int, norm: int) -> None:
            super().__init__()
            self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
            self.norm = nn.BatchNorm2d(norm)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.norm(self.conv(x)))

    def __init__(self) -> None:
        super().__init__()
        self.join = nn.Linear(8, 1)
        self.heads = nn.ModuleDict()
        self.heads["first"] = nn.Sequential(
            nn.Linear(400, 32),
            nn.BatchNorm1d(30),
            nn.ReLU(),
            nn.Linear(30, 5),
        )
        self.heads["second"] = nn.Linear(100, 2)
        self.stages = nn.ModuleList(
            [
                nn.Sequential(self.Block(3, 8, 8), self.Block(8, 8, 4), nn.MaxPool2d(2)),
                nn.Sequential(self.Block(8, 16, 16), self.Block(8, 16, 16), nn.MaxPool2d(2)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        x = x.view(-1, 16 * 5 * 5)
        parts = [self.heads[name](x) for name in ("first", "second")]
        return self.join(torch.cat(parts, dim=1))


class FlatLinear(nn.Linear):
    """Flattens by itself."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


class OwnLinear(nn.Linear):
    """Calls the function instead of its base class."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class PaddedConv(nn.Conv2d):
    """Pads by itself."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (1, 1, 1, 1)))


class StandardisedConv(nn.Conv2d):
    """Weight standardisation."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class FrozenNorm(nn.BatchNorm2d):
    """Never trains."""

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


@mistake(
    0, (3, 12, 12),
    Wrong("in_channels", "first", 4, 3, "PaddedConv(4", "PaddedConv(3"),
    Wrong("in_channels", "second", 9, 8, "StandardisedConv(9", "StandardisedConv(8"),
    Wrong("num_features", "norm", 7, 8, "FrozenNorm(7)", "FrozenNorm(8)"),
    Wrong("in_features", "flat", 100, 800, "FlatLinear(100", "FlatLinear(800",
          ("FlatLinear(in_features=100, out_features=20) receives 800 features",)),
    Wrong("in_features", "own", 21, 20, "OwnLinear(21", "OwnLinear(20"),
)  # fmt: skip
class ClassesOfOnesOwn(nn.Module):
    """Subclasses are judged where their own forward calls the function: they may take other sizes than they declare."""

    def __init__(self) -> None:
        super().__init__()
        self.first = PaddedConv(4, 8, 3)
        self.second = StandardisedConv(9, 8, 3)
        self.norm = FrozenNorm(7)
        self.flat = FlatLinear(100, 20)
        self.own = OwnLinear(21, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.second(self.first(x)))
        return self.own(self.flat(x))


@mistake(
    0, (3, 12, 12),
    Wrong("operands", "", 4, 3, "x = F.conv2d(x, self.kernel)", None,
          ("2×3×12×12 (the input) and 6×4×3×3 (self.kernel)", "3 meets 4")),
    Wrong("operands", "", 30, 600, "torch.zeros(5, 30)", "torch.zeros(5, 600)", ("600 meets 30",)),
    Wrong("operands", "", 7, 5, "torch.zeros(7, 3)", "torch.zeros(5, 3)", ("5 meets 7", "7×3 (self.mix)")),
    Wrong("in_features", "fc", 4, 3, "nn.Linear(4, 2)", "nn.Linear(3, 2)"),
    mended=False,
)  # fmt: skip
class WeightsOfOnesOwn(nn.Module):
    """No layers: what PyTorch's functions are given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5, 30))
        self.kernel = nn.Parameter(torch.zeros(6, 4, 3, 3))
        self.mix = nn.Parameter(torch.zeros(7, 3))
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.kernel)
        x = F.linear(x.flatten(1), self.weight)
        x = x @ self.mix
        return self.fc(x)


@mistake(
    0, (7, 5),
    Wrong("out_features", "embed", 32, 16, "nn.Linear(5, 32)", "nn.Linear(5, 16)",
          ("encoder.layers.0, encoder.layers.1 and fc expect 16", "or all of these take 32")),
)  # fmt: skip
class WidthOfTransformer(nn.Module):
    """One width for all that is in a block."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(5, 32)
        layer = nn.TransformerEncoderLayer(16, 4, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.fc = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.encoder(self.embed(x)).mean(1))


@mistake(
    0, (1, 54, 54),
    Wrong("operands", "", (2, 8, 26, 26), (2, 8, 27, 27), "torch.cat([self.up2(deep), second], 1)", None,
          ("2×8×26×26 (up2) and 2×8×27×27 (down2)",)),
    Wrong("in_channels", "merge1", 11, 12, "self.merge1 = nn.Conv2d(11, 8, 1)", "self.merge1 = nn.Conv2d(12, 8, 1)"),
    Wrong("in_features", "last", 9, 10, "self.last = nn.Linear(9, 1)", "self.last = nn.Linear(10, 1)"),
    mended=False,
)  # fmt: skip
class BehindAnOddSkip(nn.Module):
    """Behind tensors that do not go together the sizes are a guess: the second sum and ``fc`` are not judged."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(1, 4, 3, padding=1)
        self.down2 = nn.Conv2d(4, 8, 3, padding=1)
        self.bottom = nn.Conv2d(8, 8, 3, padding=1)
        self.up2 = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.merge2 = nn.Conv2d(16, 8, 1)
        self.up1 = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.merge1 = nn.Conv2d(11, 8, 1)
        self.fc = nn.Linear(100, 10)
        self.last = nn.Linear(9, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        deep = self.bottom(F.max_pool2d(second, 2))
        merged = self.merge2(torch.cat([self.up2(deep), second], 1))
        merged = self.merge1(torch.cat([self.up1(merged), first], 1))
        return self.last(self.fc(merged.flatten(1)))


@mistake(
    0, (3, 8, 8),
    Wrong("in_channels", "second", 9, 8, "nn.Conv2d(9", "nn.Conv2d(8"),
    Wrong("operands", "", (2, 8, 8, 8), (2, 16, 8, 8), "y = y + self.second(y)", None,
          ("+ cannot combine 2×8×8×8 (first) and 2×16×8×8 (second)", "dimension 1: 8 and 16")),
    mended=False,
)  # fmt: skip
class SumOfOtherWidth(nn.Module):
    """Mending the convolution does not mend the sum: both are told.  The Linear behind is not judged."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(9, 16, 3, padding=1)
        self.fc = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first(x))
        y = y + self.second(y)
        return self.fc(y.mean((2, 3)))


@mistake(
    0, torch.tensor([[1, 2, 30]]),
    Wrong("num_embeddings", "bag", 10, 31, "nn.EmbeddingBag(10, 4)", "nn.EmbeddingBag(31, 4)"),
    Wrong("in_features", "fc", 8, 4, "nn.Linear(8, 2)", "nn.Linear(4, 2)"),
    values=True,
)  # fmt: skip
class BagOutOfRange(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(10, 4)
        self.fc = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.bag(x))


@mistake(
    0, [torch.zeros(2, 8), torch.zeros(2, dtype=torch.int64)],
    Wrong("in_features", "body", 5, 8, "self.body = nn.Linear(5, 48)", "self.body = nn.Linear(8, 48)"),
    Wrong("in_features", "loss", 64, 48, "self.loss = nn.AdaptiveLogSoftmaxWithLoss(64, 30, [10, 20])",
          "self.loss = nn.AdaptiveLogSoftmaxWithLoss(48, 30, [10, 20])",
          ("AdaptiveLogSoftmaxWithLoss(in_features=64, …) receives 48 features",)),
    values=True,
)  # fmt: skip
class AdaptiveSoftmax(nn.Module):
    """A layer with layers inside, known by one entry."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(5, 48)
        self.loss = nn.AdaptiveLogSoftmaxWithLoss(64, 30, [10, 20])

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return self.loss(self.body(x), target).loss
