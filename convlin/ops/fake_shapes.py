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
        # With gradients a result is more than its size: it leads back to what it was made of.
        if way in _MADE and not torch.is_grad_enabled():
            try:
                known = _MADE[way](*args, **kwargs)
            except TypeError:  # other arguments than the rule knows
                known = None
            if known is not None:
                return known
        made = func(*args, **kwargs)
        sizes = _SIZES[way](*args, **kwargs) if way in _SIZES else ceil_pool_sizes(op, args, kwargs)
        if sizes is None:
            return made
        return tuple(_with_sizes(each, sizes) for each in made) if type(made) is tuple else _with_sizes(made, sizes)


def _activated(input: Any = None, *rest: Any, inplace: bool = False, **_: Any) -> Tensor | None:
    if not isinstance(input, Tensor) or not input.is_floating_point() or input.layout != torch.strided:
        return None
    return input if inplace or (bool(rest) and rest[-1] is True) else torch.empty_like(input)


def _batch_normalized(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    *_: Any,
    **__: Any,
) -> Tensor | None:
    """In eval mode, with vectors of as many channels as there are."""
    if training or running_mean is None or running_var is None or not _is_plain(input) or input.dim() < 2:
        return None
    channels = input.shape[1]
    if type(channels) is not int or not _all_are((channels,), input, running_mean, running_var, weight, bias):
        return None
    # Channels that come last stay there, which only maps and volumes can have.
    return torch.empty_like(input) if input.dim() > 3 else input.new_empty(input.shape)


def _layer_normalized(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: Any = None
) -> Tensor | None:
    shape = tuple(normalized_shape)
    if not shape or not _is_plain(input) or not all(type(size) is int for size in shape):
        return None
    last = input.shape[-len(shape) :]
    fits = all(type(size) is int for size in last) and last == shape and _all_are(shape, input, weight, bias)
    return input.new_empty(input.shape) if fits else None


def _transformed(input: Any, weight: Any, bias: Any = None) -> Tensor | None:
    """By a Linear whose width is that of the input; PyTorch would ask how many rows there are in all."""
    if not _is_plain(input) or not _is_plain(weight) or weight.dim() != 2 or input.dim() < 2 or _is_cast(input):
        return None
    last, (made, taken) = input.shape[-1], weight.shape
    fits = type(last) is int and last == taken and weight.dtype == input.dtype and _all_are((made,), input, bias)
    return input.new_empty((*input.shape[:-1], made)) if fits else None


def _of_recurrent(given: Tensor, start: Any, weights: Any, *rest: Any) -> Any:
    """One output for every step, of both directions; and the last state, which has the size of the first.

    The layer asked whether the sizes fit.  PyTorch goes through letters step by step, for the sample's length.
    """
    if isinstance(weights, Tensor) or len(rest) != 6:  # a packed sequence
        return None
    bidirectional = rest[4]
    states = start if isinstance(start, tuple | list) else (start,)
    width = states[0].shape[-1] * (2 if bidirectional else 1)
    return (given.new_empty((*given.shape[:-1], width)), *map(torch.empty_like, states))


def _is_plain(given: Any) -> bool:
    return isinstance(given, Tensor) and given.layout == torch.strided and given.is_floating_point()


def _is_cast(given: Tensor) -> bool:
    """Whether ``autocast`` gives the result another dtype."""
    return given.device.type != "meta" and torch.is_autocast_enabled(given.device.type)


def _all_are(shape: tuple[int, ...], input: Tensor, *vectors: Any) -> bool:
    """Whether those that are there have this shape and the dtype of the input."""
    return all(
        each is None or (isinstance(each, Tensor) and each.shape == shape and each.dtype == input.dtype)
        for each in vectors
    )


#: What a function gives, where that can be told from its arguments; None where PyTorch has to be asked.
_MADE: Mapping[InLetters | None, Callable[..., Any]] = {
    InLetters.ACTIVATION: _activated,
    InLetters.BATCH_NORM: _batch_normalized,
    InLetters.LAYER_NORM: _layer_normalized,
    InLetters.LINEAR: _transformed,
    InLetters.RECURRENT: _of_recurrent,
}


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
    if len(sizes) != made.dim() or made.requires_grad or all(type(size) is int for size in made.shape):
        return made
    if not all(isinstance(size, int | torch.SymInt) for size in sizes):  # view(torch.int32)
        return made
    return made.new_empty(
        [found if type(size) is int and size < 0 else size for size, found in zip(sizes, made.shape, strict=True)]
    )
