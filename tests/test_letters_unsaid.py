"""What letters said wrongly without a word of doubt: held against real runs of PyTorch at many sizes."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch.nn.functional as F

from convlin import summarize
from tests.test_letters_told_apart import Calls, faults, grid

#: Sizes at which floats of two letters fall short of a whole number, and others.
SIZES = (1, 2, 3, 7, 11, 15, 20, 30, 31, 48, 49, 50, 64, 79)


@pytest.mark.parametrize(
    "size",
    [
        lambda h, w: math.floor(w * (64 / h)) + 1,
        lambda h, w: int(0.7 * (h + w)) + 1,
        lambda h, w: int(h * 0.29 + w * 0.71) + 1,
        lambda h, w: round(w * 64 / h) + 1,
        lambda h, w: (h + w + 1) // 2,
    ],
)
def test_what_a_float_makes_of_two_letters(size: Callable[[int, int], int]) -> None:
    """``w * (64 / h)`` is a little less than 64 where both are 49, and where they are not equal it is not."""
    model = Calls(lambda x: F.adaptive_avg_pool2d(x, (size(*x.shape[2:]), 1)))
    s = summarize(model, (4, "H", "W"))
    assert s.ok
    assert -1 not in (s.output_shape or (-1,))
    assert faults(s, model, [(1, 4, "H", "W")], grid("HW", SIZES)) == []
