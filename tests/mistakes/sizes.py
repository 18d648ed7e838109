"""Images that are too small, and tensors that do not go together.

Every model is written as its author would have written it, mistake and all, and stands under what must be answered.
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

# 12: the image is too small -------------------------------------------------------------------------------------------


@mistake(
    12, (3, 12, 12),
    Wrong("too_small", "pool", (12, 12), (16, 16), None, None,
          ("MaxPool2d receives 2×32×1×1", "the smallest input that works is 16×16")),
    mended=False,
)  # fmt: skip
class TooManyPools(nn.Module):
    """One pooling layer, used four times."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1),
                                    nn.Conv2d(16, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)])  # fmt: skip
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = self.pool(F.relu(conv(x)))
        return self.fc(x.flatten(1))


@mistake(
    12, (1, 16, 40),
    Wrong("too_small", "conv", (16, 40), (17, 5), None, None, ("the smallest input that works is 17×5",)),
    mended=False,
)  # fmt: skip
class KernelLargerThanImage(nn.Module):
    """The smallest size of each axis by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, (17, 5))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.conv(x)).flatten(1))


@mistake(
    12, (1, 6),
    Wrong("too_small", "", (6,), (10,), "x = F.max_pool1d(x, 4)", None, ("F.max_pool1d receives 2×4×2",)),
    mended=False,
)  # fmt: skip
class FunctionTooSmall1d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 3)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool1d(self.norm(self.conv(x)), 2)
        x = F.max_pool1d(x, 4)
        return x.mean(-1)


@mistake(
    12, (1, 2, 9, 9),
    Wrong("in_channels", "features.0", 3, 1, "nn.Conv3d(3, 4, 3)", "nn.Conv3d(1, 4, 3)"),
    Wrong("too_small", "features.0", (2, 9, 9), (4, 4, 4), None, None),
    mended=False,
)  # fmt: skip
class TooFewSlices(nn.Module):
    """Wrong channels and too few slices: both are told."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU(), nn.MaxPool3d(2))
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).mean((2, 3, 4)))


@mistake(
    12, (3, 4, 4),
    Wrong("too_small", "pad", (4, 4), (9, 9), None, None),
    mended=False,
)  # fmt: skip
class ReflectionTooLarge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.pad = nn.ReflectionPad2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.pad(self.down(x))


# 16: skip connections of an odd size ----------------------------------------------------------------------------------


@mistake(
    16, (1, 27, 27),
    Wrong("operands", "", (2, 8, 26, 26), (2, 8, 27, 27), "x = torch.cat([up, first], dim=1)", None,
          ("torch.cat cannot join 2×8×26×26 (up) and 2×8×27×27 (down)", "dimensions 2 and 3: 26 and 27",
           "inputs of 26×26 and 28×28 work: multiples of 2")),
    mended=False,
)  # fmt: skip
class OddSkip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 8, 3, padding=1)
        self.bottom = nn.Conv2d(8, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.merge = nn.Conv2d(16, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first = F.relu(self.down(x))
        up = self.up(self.bottom(F.max_pool2d(first, 2)))
        x = torch.cat([up, first], dim=1)
        return self.merge(x)


@mistake(
    16, (1, 2, 27, 27),
    Wrong("operands", "", (2, 4, 2, 28, 28), (2, 4, 2, 27, 27), "x = x + first", None,
          ("+ cannot combine 2×4×2×28×28 (up) and 2×4×2×27×27 (first)",
           "inputs of 2×26×26 and 2×28×28 work: multiples of 2")),
    mended=False,
)  # fmt: skip
class OddResidual3d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(1, 4, 3, padding=1)
        self.down = nn.Conv3d(4, 4, 3, stride=(1, 2, 2), padding=1)
        self.up = nn.Upsample(scale_factor=(1, 2, 2))
        self.last = nn.Conv3d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        x = self.up(F.relu(self.down(first)))
        x = x + first
        return self.last(x)


@mistake(
    16, (8, 24, 24),
    Wrong("padding", "conv1", 0, 1,
          "self.conv1 = nn.Conv2d(8, 8, 3)", "self.conv1 = nn.Conv2d(8, 8, 3, padding=1)",
          ("cannot combine 2×8×24×24 and 2×8×20×20", "padding=1 keeps the size")),
    Wrong("padding", "conv2", 0, 1,
          "self.conv2 = nn.Conv2d(8, 8, 3)", "self.conv2 = nn.Conv2d(8, 8, 3, padding=1)",
          ("2×8×20×20 of 2×8×22×22", "padding=1 keeps the size")),
)  # fmt: skip
class ResidualWithoutPadding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(8, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.norm(self.conv1(x))))
        return F.relu(x + y)
