"""In which order the elements of a tensor in letters lie in memory, told without a question about its sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from convlin._util.torch_private import fake_empty


def is_plain(given: Any) -> bool:
    return isinstance(given, Tensor) and given.layout == torch.strided and given.is_floating_point()


def is_usual(given: Any) -> bool:
    """Besides, with its elements in the usual order: what is made of others may have theirs."""
    return is_plain(given) and bool(given.is_contiguous())


def is_in_order(given: Any) -> bool:
    """Besides, with its elements in the usual order, or its channels last, as what was permuted for a norm has them."""
    return is_plain(given) and (has_channels_last_in_letters(given) or bool(given.is_contiguous()))


def has_letters(given: Tensor) -> bool:
    return not {int}.issuperset(map(type, given.shape))


def has_channels_last_in_letters(given: Tensor) -> bool:
    """Whether a map in letters lies in memory row by row, pixel by pixel; nobody is asked what a stride comes to."""
    if given.dim() != 4 or not has_letters(given):
        return False
    _, channels, height, width = given.shape
    strides = given.stride()
    if type(channels) is not int or channels < 1 or type(strides[1]) is not int or strides[1] != 1:
        return False
    # PyTorch counts an axis without a step as one of a single step, but not everywhere.
    at_least_one = partial(torch.sym_max, 1)
    sides = ((height, width), (at_least_one(height), at_least_one(width)))
    return any(are_same(strides, (high * wide * channels, 1, wide * channels, channels)) for high, wide in sides)


def are_same(shape: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(shape) == len(other) and all(map(is_same, shape, other))


def is_same(size: Any, other: Any) -> bool:
    """Whether two sizes are one number or one expression; nobody is asked whether they come to the same."""
    if type(size) is int or type(other) is int:
        return type(size) is type(other) and bool(size == other)
    return bool(size.node.expr == other.node.expr)


def empty(like: Tensor, shape: Sequence[Any]) -> Tensor:
    """A tensor of this shape, in the usual order, with the dtype and the device of another."""
    made = fake_empty(like, shape)
    return made if made is not None else like.new_empty(shape)


def empty_like(given: Tensor) -> Tensor:
    """``torch.empty_like``, which asks in letters for every stride, where the strides are the usual ones."""
    return empty(given, given.shape) if given.is_contiguous() else torch.empty_like(given)


def in_its_order(given: Tensor, shape: Sequence[Any], *, channels_last: bool = False) -> Tensor:
    """A tensor of this shape in the order that another has, or with its channels last."""
    if not channels_last and not has_channels_last_in_letters(given):
        return empty(given, shape)
    rows, channels, height, width = shape
    return empty(given, (rows, height, width, channels)).permute(0, 3, 1, 2)
