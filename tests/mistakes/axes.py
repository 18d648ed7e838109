"""Axes that are not those that were meant: what a mean leaves, and what keeps two maps from meeting.

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


@mistake(
    22, (12, 8),
    Wrong("in_features", "fc", 32, 12, "out.mean(2)", "out.mean(1)",
          ("Tensor.mean makes 2×12 of 2×12×32: over all axes but the batch and the features it leaves 2×32",
           "if it is to be so: in_features=12")),
)  # fmt: skip
class MeanOfTheFeatures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(8, 32, batch_first=True)
        self.fc = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.rnn(x)
        return self.fc(out.mean(2))


@mistake(
    22, (3, 20, 24),
    Wrong("in_features", "fc", 16, 24, "x.amax(2)", "x.amax((2, 3))",
          ("Tensor.amax makes 2×16×24 of 2×16×20×24", "it leaves 2×16")),
)  # fmt: skip
class MaximumOfTheRows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))
        return self.fc(x.amax(2))


@mistake(
    16, (3, 16, 16),
    Wrong("stride", "shortcut", 1, 2, "nn.Conv2d(3, 8, 1)", "nn.Conv2d(3, 8, 1, stride=2)",
          ("stride=2 matches the other branch",)),
)  # fmt: skip
class ShortcutWithoutStride(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.shortcut = nn.Conv2d(3, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(F.relu(self.conv1(x))) + self.shortcut(x))


@mistake(
    16, (3, 16, 16),
    Wrong("stride", "pool", 3, 1, "nn.MaxPool2d(3, padding=1)", "nn.MaxPool2d(3, padding=1, stride=1)",
          ("a pool without a stride has its kernel_size for one, 3",)),
)  # fmt: skip
class PoolWithoutStride(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.conv(x), self.pool(x)], 1)


@mistake(
    10, (7, 8),
    Wrong("structure", "cell", (2, 32), (2, 16), "torch.zeros(x.size(0), 16)", "torch.zeros(x.size(0), 32)",
          ("takes h of 2×32, got 2×16",)),
)  # fmt: skip
class StateOfACell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(8, 32)
        self.fc = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(x.size(0), 16)
        for step in range(x.size(1)):
            h = self.cell(x[:, step], h)
        return self.fc(h)
