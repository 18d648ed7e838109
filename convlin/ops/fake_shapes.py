"""A mode in which what is known is not computed, and sizes in letters come out as they were asked for.

PyTorch takes the axes of ``view(n, h // 7, 7)`` out one by one, so that the 7 comes out as what is left
of h, ``h // (h // 7)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from convlin.ops.ceil_pools import ceil_pool_sizes
from convlin.ops.names import op_of, sizes_asked
from convlin.ops.op import InLetters, Op
from convlin.ops.results import MADE, in_order


class KnownSizes(TorchFunctionMode):
    """Answers with an empty tensor of that size; what a function could refuse is left to PyTorch."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        op = op_of(func)
        way = op.in_letters
        # With gradients a result is more than its size: it leads back to what it was made of.
        if way in MADE and not torch.is_grad_enabled() and has_its_rank(op, args):
            try:
                known = MADE[way](*in_order(func, args), **kwargs)
            except TypeError:  # other arguments than the rule knows
                known = None
            if known is not None:
                return known
        made = func(*args, **kwargs)
        sizes = _SIZES[way](*args, **kwargs) if way in _SIZES else ceil_pool_sizes(op, args, kwargs)
        if sizes is None:
            return made
        if type(made) is tuple:
            return tuple(_with_sizes(each, sizes) for each in made)
        given = args[0] if args else kwargs.get("input")
        return _with_sizes(made, _completed(sizes, made, given) if way in _KEEPS_ALL else sizes)


def has_its_rank(op: Op, args: tuple[Any, ...]) -> bool:
    """Whether ``conv2d``, say, is given a map and its batch; a function of any rank is given what it takes."""
    return not op.spatial_dims or (bool(args) and isinstance(args[0], Tensor) and args[0].dim() == op.spatial_dims + 2)


def _as_asked(*args: Any, **kwargs: Any) -> Sequence[Any]:
    return sizes_asked(args, kwargs)


def _flattened(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Sequence[Any]:
    """The product of the axes, of which PyTorch leaves out one that has a single step at the sample."""
    shape, count = list(input.shape), input.dim()
    if start_dim % max(count, 1) < end_dim % max(count, 1):
        first, last = start_dim % count, end_dim % count + 1
        shape[first:last] = [prod(shape[first:last])]
    return shape


def _unflattened(input: Tensor, dim: int, sizes: Sequence[Any]) -> Sequence[Any]:
    shape = list(input.shape)
    shape[dim : dim % len(shape) + 1] = sizes
    return shape


def _pixels_gathered(input: Tensor, downscale_factor: int) -> Sequence[Any]:
    *batch, channels, _, _ = input.shape
    return (*batch, channels * downscale_factor**2, -1, -1)


def _unchanged(input: Tensor, *_: Any, **__: Any) -> Sequence[Any]:
    return input.shape


#: The sizes of what a function gives, by its arguments; -1 for those that PyTorch finds out.
_SIZES: Mapping[InLetters | None, Callable[..., Sequence[Any]]] = {
    InLetters.AS_ASKED: _as_asked,
    InLetters.FLATTENED: _flattened,
    InLetters.UNFLATTENED: _unflattened,
    InLetters.GATHERED: _pixels_gathered,
    InLetters.UNCHANGED: _unchanged,
}


#: Ways that keep every element: what is left for a -1 follows from the others.
_KEEPS_ALL = {InLetters.AS_ASKED, InLetters.UNFLATTENED}


def _completed(sizes: Sequence[Any], made: Tensor, given: Any) -> Sequence[Any]:
    """``sizes`` with what is left in place of a -1: PyTorch leaves out an axis that has a single step at the sample."""
    if (
        not isinstance(given, Tensor)
        or list(sizes).count(-1) != 1
        or len(sizes) != made.dim()
        or not all(map(_is_size, sizes))
    ):
        return sizes
    place = list(sizes).index(-1)
    others = prod(sizes[:place]) * prod(sizes[place + 1 :])
    if type(made.shape[place]) is int or (type(others) is int and others < 1):
        return sizes
    return (*sizes[:place], prod(given.shape) // others, *sizes[place + 1 :])


def _is_size(size: Any) -> bool:
    return isinstance(size, int | torch.SymInt)


def _with_sizes(made: Tensor, sizes: Sequence[Any]) -> Tensor:
    if len(sizes) != made.dim() or made.requires_grad or all(type(size) is int for size in made.shape):
        return made
    if not all(map(_is_size, sizes)):  # view(torch.int32)
        return made
    return made.new_empty(
        [found if type(size) is int and size < 0 else size for size, found in zip(sizes, made.shape, strict=True)]
    )
