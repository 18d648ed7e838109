"""Sums and means along axes, and tensors that are joined along one."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from convlin.ops.memory_order import (
    empty,
    has_channels_last_in_letters,
    in_its_order,
    is_in_order,
    is_same,
    is_usual,
)


def reduced(input: Any, dim: Any = None, keepdim: bool = False) -> Tensor | None:
    """Along some axes; what is asked for by name, or of another dtype, PyTorch answers."""
    if not is_usual(input) or not input.dim() or type(keepdim) is not bool:
        return None
    named = tuple(dim) if isinstance(dim, list | tuple) else (dim,) if dim is not None else ()
    dims = named or tuple(range(input.dim()))
    if not all(type(each) is int and -input.dim() <= each < input.dim() for each in dims):
        return None
    gone = {each % input.dim() for each in dims}
    if len(gone) < len(dims):
        return None
    shape = [1 if place in gone else size for place, size in enumerate(input.shape) if keepdim or place not in gone]
    return empty(input, shape)


def joined(tensors: Any, dim: Any = 0) -> Tensor | None:
    """Of tensors that are equally long along every other axis, whatever the letters are."""
    if type(tensors) not in (list, tuple) or not tensors or not all(map(is_in_order, tensors)) or type(dim) is not int:
        return None
    first, rank = tensors[0], tensors[0].dim()
    if not -rank <= dim < rank:
        return None
    place = dim % rank
    for each in tensors[1:]:
        if each.dim() != rank or (each.dtype, each.device) != (first.dtype, first.device):
            return None
        if not all(
            is_same(*sizes) for axis, sizes in enumerate(zip(first.shape, each.shape, strict=True)) if axis != place
        ):
            return None
    last = {has_channels_last_in_letters(each) for each in tensors}
    if len(last) > 1:
        return None
    return in_its_order(
        first, (*first.shape[:place], sum(each.shape[place] for each in tensors), *first.shape[place + 1 :])
    )
