"""Functions whose result has a size that is known: that of what they are given, or the one they are asked for.

PyTorch computes the size of ``relu`` and ``batch_norm`` in letters through a dozen Python functions,
which takes longer than all the rest of a convolutional network; and it takes the axes of
``view(n, h // 7, 7)`` out one by one, so that the 7 comes out as what is left of h, ``h // (h // 7)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from convlin.ops.ceil_pools import ceil_pool_sizes
from convlin.ops.names import op_of, sizes_asked
from convlin.ops.op import InLetters


class KnownSizes(TorchFunctionMode):
    """Answers with an empty tensor of that size; what a function could refuse is left to PyTorch."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        op = op_of(func)
        way = op.in_letters
        if way is InLetters.ACTIVATION:
            if args and isinstance(args[0], Tensor) and args[0].is_floating_point() and args[0].layout == torch.strided:
                in_place = kwargs.get("inplace", args[-1] is True)
                return args[0] if in_place else torch.empty_like(args[0])
        elif way is InLetters.BATCH_NORM and _fits(*args, **kwargs):
            return torch.empty_like(args[0])
        elif way is InLetters.RECURRENT and len(args) == 9 and not isinstance(args[2], Tensor):
            return _of_recurrent(*args)
        made = func(*args, **kwargs)
        sizes = _SIZES[way](*args, **kwargs) if way in _SIZES else ceil_pool_sizes(op, args, kwargs)
        if sizes is None:
            return made
        return tuple(_with_sizes(each, sizes) for each in made) if type(made) is tuple else _with_sizes(made, sizes)


def _of_recurrent(given: Tensor, start: Any, *rest: Any) -> Any:
    """One output for every step, of both directions; and the last state, which has the size of the first.

    The layer asked whether the sizes fit.  PyTorch goes through letters step by step, for the sample's length.
    """
    bidirectional = rest[5]
    states = start if isinstance(start, tuple | list) else (start,)
    width = states[0].shape[-1] * (2 if bidirectional else 1)
    return (given.new_empty((*given.shape[:-1], width)), *map(torch.empty_like, states))


def _as_asked(*args: Any, **kwargs: Any) -> Sequence[Any]:
    return sizes_asked(args, kwargs)


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
    InLetters.UNFLATTENED: _unflattened,
    InLetters.GATHERED: _pixels_gathered,
    InLetters.UNCHANGED: _unchanged,
}


def _with_sizes(made: Tensor, sizes: Sequence[Any]) -> Tensor:
    if len(sizes) != made.dim() or all(type(size) is int for size in made.shape):
        return made
    if not all(isinstance(size, int | torch.SymInt) for size in sizes):  # view(torch.int32)
        return made
    return made.new_empty(
        [found if type(size) is int and size < 0 else size for size, found in zip(sizes, made.shape, strict=True)]
    )


def _fits(
    given: Any = None,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    *_: Any,
    **__: Any,
) -> bool:
    """Whether a batch norm in eval mode has vectors of as many channels as there are."""
    if training or not isinstance(given, Tensor) or given.dim() < 2 or given.layout != torch.strided:
        return False
    if running_mean is None or running_var is None:
        return False
    vectors = [vector for vector in (running_mean, running_var, weight, bias) if vector is not None]
    channels = given.shape[1]
    return type(channels) is int and all(
        vector.shape == (channels,) and vector.dtype == given.dtype for vector in vectors
    )
