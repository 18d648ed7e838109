"""Numbers that a constructor refuses: those that it takes are named, and PyTorch takes them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from torch import nn

from convlin.at_error.answer import answer_to


@pytest.mark.parametrize(
    ("make", "whole", "by"),
    [
        (lambda whole, by: nn.MultiheadAttention(whole, by), 10, 3),
        (lambda whole, by: nn.TransformerEncoderLayer(whole, nhead=by), 30, 8),
        (lambda whole, by: nn.TransformerDecoderLayer(d_model=whole, nhead=by), 20, 6),
        (lambda whole, by: nn.GroupNorm(by, whole), 48, 32),
        (lambda whole, by: nn.Conv2d(whole, 60, 3, groups=by), 9, 6),
        (lambda whole, by: nn.Conv1d(60, whole, 3, groups=by), 8, 5),
    ],
)
def test_numbers_that_do_not_divide(make: Callable[[int, int], nn.Module], whole: int, by: int) -> None:
    with pytest.raises((AssertionError, ValueError)) as info:
        make(whole, by)
    told = answer_to(info.value)
    assert told is not None
    match = re.search(r"(\w+)=(\d+) is not a multiple of (\w+)=(\d+)", told.said)
    assert match is not None
    assert (int(match[2]), int(match[4])) == (whole, by)
    taken = re.search(rf"{match[3]} may be ([\d, or]+) with", told.said)
    assert taken is not None
    for number in map(int, re.findall(r"\d+", taken[1])):
        make(whole, number)
    for number in map(int, re.findall(rf"{match[1]}=(\d+) (?:or|go)", told.said)):
        make(number, by)
    assert "test_at_error_constructors.py:" in told.said


def test_other_refusals_of_a_constructor_are_said_by_pytorch() -> None:
    with pytest.raises(ValueError, match="embed_dim and num_heads") as info:
        nn.MultiheadAttention(8, 0)
    assert answer_to(info.value) is None
