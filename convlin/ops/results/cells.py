"""Functions of each cell: activations, and two tensors that meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convlin.ops.memory_order import (
    are_same,
    empty,
    empty_like,
    in_its_order,
    is_in_order,
    is_same,
    is_usual,
)


def activated(
    input: Any = None, *rest: Any, inplace: bool = False, approximate: str = "none", out: Any = None, **_: Any
) -> Tensor | None:
    if not isinstance(input, Tensor) or not input.is_floating_point() or input.layout != torch.strided:
        return None
    if approximate not in ("none", "tanh") or out is not None:
        return None
    return input if inplace or (bool(rest) and rest[-1] is True) else empty_like(input)


def clamped(input: Any, min_val: Any = -1.0, max_val: Any = 1.0, inplace: bool = False) -> Tensor | None:
    """Of numbers in their order: the others PyTorch refuses."""
    is_ordered = all(type(each) in (int, float) for each in (min_val, max_val)) and min_val <= max_val
    return activated(input, inplace=inplace) if is_ordered else None


def together(input: Any, other: Any, *, alpha: Any = 1) -> Tensor | None:
    """Of a tensor and a number, or of two that meet whatever the letters are: along each axis as long, or 1 itself.

    PyTorch asks for every axis of either whether it is 1, and of a sum of two maps nothing follows from that.
    """
    if not _may_be_combined(input, other, alpha):
        return None
    if not isinstance(other, Tensor):
        return in_its_order(input, input.shape)
    if are_same(input.shape, other.shape):
        return in_its_order(input, input.shape)  # of two orders the first one is taken
    shape = _met(input.shape, other.shape) if is_usual(input) and is_usual(other) else None
    if shape is None or not (are_same(shape, input.shape) or are_same(shape, other.shape)):
        return None
    # One has the size of the result, and no other order of the axes speaks against its own.
    return empty(input, shape)


def together_in_place(input: Any, other: Any, *, alpha: Any = 1) -> Tensor | None:
    if type(input) is nn.Parameter or not _may_be_combined(input, other, alpha):
        return None
    written: Tensor = input
    if not isinstance(other, Tensor):
        return written
    shape = _met(input.shape, other.shape)
    return written if shape is not None and are_same(shape, input.shape) else None


def _may_be_combined(input: Any, other: Any, alpha: Any) -> bool:
    """Whether there is nothing to refuse but the sizes."""
    if type(alpha) not in (int, float) or not is_in_order(input):
        return False
    if not isinstance(other, Tensor):
        return type(other) in (int, float)
    return is_in_order(other) and (input.dtype, input.device) == (other.dtype, other.device)


def _met(one: Sequence[Any], other: Sequence[Any]) -> tuple[Any, ...] | None:
    """The shape of two that meet at any size; None where that is a question."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    missing = len(longer) - len(shorter)
    sizes = list(longer[:missing])
    for first, second in zip(longer[missing:], shorter, strict=True):
        if is_same(first, second) or (type(second) is int and second == 1):
            sizes.append(first)
        elif type(first) is int and first == 1:
            sizes.append(second)
        else:
            return None
    return tuple(sizes)
