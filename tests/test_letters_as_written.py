"""What letters say of code in the style of papers and forums: held against real runs of PyTorch at many sizes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from tests.test_letters_told_apart import faults, grid

SIZES = (1, 2, 3, 5, 8, 9, 13, 16, 24, 31, 40)


class SpatialPyramid(nn.Module):
    """Spatial pyramid pooling: at the first level a window is all there is, and half of what is left over is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4 * (1 + 4), 3)

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for level in (1, 2):
            kernel = [math.ceil(size / level) for size in x.shape[2:]]
            padding = [
                math.floor((each * level - size + 1) / 2) for each, size in zip(kernel, x.shape[2:], strict=True)
            ]
            found.append(F.max_pool2d(x, kernel, kernel, padding).flatten(1))
        out: Tensor = self.head(torch.cat(found, 1))
        return out


def test_what_is_rounded_and_comes_to_a_number() -> None:
    model = SpatialPyramid()
    summary = summarize(model, (4, "H", "W"))
    assert summary.ok
    assert faults(summary, model, [(1, 4, "H", "W")], grid("HW", SIZES[1:])) == []
