"""Functions whose result has a size that is known: that of what they are given, or the one they are asked for.

PyTorch computes the size of ``relu`` and ``batch_norm`` in letters through a dozen Python functions,
which takes longer than all the rest of a convolutional network; and it takes the axes of
``view(n, h // 7, 7)`` out one by one, so that the 7 comes out as what is left of h, ``h // (h // 7)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convlin.ops.ceil_pools import ceil_pool_sizes
from convlin.ops.names import op_of, sizes_asked
from convlin.ops.op import InLetters, Op
from convlin.tensors import has_channels_last


class KnownSizes(TorchFunctionMode):
    """Answers with an empty tensor of that size; what a function could refuse is left to PyTorch."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        op = op_of(func)
        way = op.in_letters
        # With gradients a result is more than its size: it leads back to what it was made of.
        if way in _MADE and not torch.is_grad_enabled() and _has_its_rank(op, args):
            try:
                known = _MADE[way](*in_order(func, args), **kwargs)
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


def in_order(function: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands as they stand in the expression: ``a.__rsub__(b)`` is ``b - a``, and ``a.__rmul__(b)`` is ``a * b``.

    >>> in_order(Tensor.__rsub__, (1, 2)), in_order(Tensor.__sub__, (1, 2))
    ((1, 2), (1, 2))
    """
    is_exchanged = len(args) == 2 and getattr(function, "__name__", "") in ("__rsub__", "__rpow__")
    return args[::-1] if is_exchanged and all(isinstance(each, Tensor) for each in args) else args


def _has_its_rank(op: Op, args: tuple[Any, ...]) -> bool:
    """Whether ``conv2d``, say, is given a map and its batch; a function of any rank is given what it takes."""
    return not op.spatial_dims or (bool(args) and isinstance(args[0], Tensor) and args[0].dim() == op.spatial_dims + 2)


def _activated(
    input: Any = None, *rest: Any, inplace: bool = False, approximate: str = "none", out: Any = None, **_: Any
) -> Tensor | None:
    if not isinstance(input, Tensor) or not input.is_floating_point() or input.layout != torch.strided:
        return None
    if approximate not in ("none", "tanh") or out is not None:
        return None
    return input if inplace or (bool(rest) and rest[-1] is True) else _empty_like(input)


def _convolved(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: Any = 1
) -> Tensor | None:
    """By a weight of the channels that arrive, where a window fits; PyTorch looks for the kernel that it would take."""
    if not _is_in_order(input) or not _is_plain(weight) or input.dim() != weight.dim() or _is_cast(input):
        return None
    is_last = not _has_letters(weight) and has_channels_last(weight)  # then the result has them last, too
    if not is_last and not weight.is_contiguous():
        return None
    spatial = input.dim() - 2
    settings = [_for_each_axis(given, spatial) for given in (stride, padding, dilation)]
    channels, made, taken = input.shape[1], weight.shape[0], weight.shape[1]
    if type(channels) is not int or type(groups) is not int or groups < 1 or not all(settings):
        return None
    if channels != taken * groups or made % groups or input.dtype != weight.dtype or not _all_are((made,), input, bias):
        return None
    windows = zip(input.shape[2:], weight.shape[2:], *settings, strict=True)
    sizes = [
        (size + 2 * padding - dilation * (width - 1) - 1) // stride + 1
        for size, width, stride, padding, dilation in windows
        if width and stride
    ]
    if len(sizes) < spatial or not windows_fit((*input.shape, *sizes)):
        return None
    return _in_its_order(input, (input.shape[0], made, *sizes), channels_last=is_last)


def windows_fit(sizes: Sequence[Any]) -> bool:
    """Whether there is something along every axis: PyTorch refuses a convolution elsewhere."""
    return all(size > 0 for size in sizes)


def _for_each_axis(given: Any, count: int) -> tuple[int, ...]:
    """A setting of a convolution: a number for each axis, or one for all; nothing where it is anything else."""
    numbers = tuple(given) if isinstance(given, tuple | list) else (given,)
    numbers = numbers * count if len(numbers) == 1 else numbers
    return numbers if len(numbers) == count and all(type(each) is int and each >= 0 for each in numbers) else ()


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
    return _empty_like(input) if input.dim() > 3 else input.new_empty(input.shape)


def _layer_normalized(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: Any = None
) -> Tensor | None:
    shape = tuple(normalized_shape)
    if not shape or not _is_plain(input) or not all(type(size) is int for size in shape):
        return None
    last = input.shape[-len(shape) :]
    fits = all(type(size) is int for size in last) and last == shape and _all_are(shape, input, weight, bias)
    return input.new_empty(input.shape) if fits else None


def _rms_normalized(input: Any, normalized_shape: Any, weight: Any = None, eps: Any = None) -> Tensor | None:
    """Of the usual order: channels that come last stay there, as a layer norm does not leave them."""
    return _layer_normalized(input, normalized_shape, weight, eps=eps) if _is_usual(input) else None


def _transformed(input: Any, weight: Any, bias: Any = None) -> Tensor | None:
    """By a Linear whose width is that of the input; PyTorch would ask how many rows there are in all."""
    if not _is_plain(input) or not _is_plain(weight) or weight.dim() != 2 or input.dim() < 2 or _is_cast(input):
        return None
    last, (made, taken) = input.shape[-1], weight.shape
    fits = type(last) is int and last == taken and weight.dtype == input.dtype and _all_are((made,), input, bias)
    return input.new_empty((*input.shape[:-1], made)) if fits else None


def grouped_product(input: Any, mat2: Any, offs: Any = None, bias: Any = None, out_dtype: Any = None) -> Tensor | None:
    """The rows of each expert by the matrix of that expert.

    PyTorch multiplies numbers of any dtype on the CPU, and refuses all but bfloat16 where there are none.
    """
    if bias is not None or out_dtype is not None or not all(isinstance(each, Tensor) for each in (input, mat2, offs)):
        return None
    if (input.dim(), mat2.dim(), offs.dim()) != (2, 3, 1) or offs.dtype is not torch.int32 or input.dtype != mat2.dtype:
        return None
    if input.dtype not in (torch.float32, torch.float16, torch.bfloat16) or not _is_aligned(input, mat2):
        return None
    (rows, summed), (groups, taken, columns) = input.shape, mat2.shape
    if not all(type(size) is int for size in (summed, groups, taken, columns, *offs.shape)):
        return None
    made: Tensor = input.new_empty((rows, columns))
    return made if summed == taken and groups == offs.shape[0] else None


def _is_aligned(*matrices: Tensor) -> bool:
    """Whether the rows or the columns of each start at multiples of 16 bytes, as PyTorch asks for of all devices."""
    for given in matrices:
        (high, wide), strides = given.shape[-2:], given.stride()[-2:]
        along = sorted(stride for stride in strides if type(stride) is int)
        if len(along) < 2 or along[0] != 1 or along[1] * given.element_size() % 16:
            return False
        length = wide if strides[1] == 1 else high  # of what lies side by side
        if type(length) is not int or along[1] < length:
            return False
    return True


def _group_normalized(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: Any = None
) -> Tensor | None:
    """With more than one value in a group: of a single one PyTorch asks for another."""
    if not _is_plain(input) or input.dim() < 2 or type(num_groups) is not int or num_groups < 1:
        return None
    channels = input.shape[1]
    if type(channels) is not int or channels % num_groups or not _all_are((channels,), input, weight, bias):
        return None
    if not any(type(size) is int and size > 1 for size in (channels // num_groups, input.shape[0], *input.shape[2:])):
        return None
    return _empty_like(input) if input.dim() > 3 else input.new_empty(input.shape)


#: The ways to resize to a size that is asked for, and of how many axes, batch and channels among them.
_RESIZES = {"nearest": (3, 4, 5), "nearest-exact": (3, 4, 5), "linear": (3,), "bilinear": (4,), "bicubic": (4,),
            "trilinear": (5,)}  # fmt: skip


def _resized(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Any = None,
    recompute_scale_factor: Any = None,
    antialias: bool = False,
) -> Tensor | None:
    """To a size that is asked for, which PyTorch's rules compute pixel by pixel in letters."""
    if size is None or scale_factor is not None or recompute_scale_factor or antialias or not _is_usual(input):
        return None
    if input.dim() not in _RESIZES.get(mode, ()) or (align_corners is not None and mode.startswith("nearest")):
        return None
    wanted = tuple(size) if isinstance(size, tuple | list) else (size,) * (input.dim() - 2)
    if len(wanted) != input.dim() - 2 or not all(type(each) in (int, torch.SymInt) for each in wanted):
        return None
    if not all(each > 0 for each in (*input.shape, *wanted)):
        return None
    made: Tensor = input.new_empty((*input.shape[:2], *wanted))
    return made


def _sampled(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: Any = None
) -> Tensor | None:
    """At the places of a grid, of a map."""
    if not _is_usual(input) or not _is_plain(grid) or input.dim() != 4 or grid.dim() != 4 or _is_cast(input):
        return None
    if mode not in ("bilinear", "nearest") or padding_mode not in ("zeros", "border", "reflection"):
        return None
    if input.dtype != grid.dtype or type(grid.shape[3]) is not int or grid.shape[3] != 2:
        return None
    if not all(each > 0 for each in (*input.shape, *grid.shape)) or input.shape[0] != grid.shape[0]:
        return None
    made: Tensor = input.new_empty((*input.shape[:2], *grid.shape[1:3]))
    return made


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


def _together(input: Any, other: Any, *, alpha: Any = 1) -> Tensor | None:
    """Of a tensor and a number, or of two that meet whatever the letters are: along each axis as long, or 1 itself.

    PyTorch asks for every axis of either whether it is 1, and of a sum of two maps nothing follows from that.
    """
    if not _may_be_combined(input, other, alpha):
        return None
    if not isinstance(other, Tensor):
        return _in_its_order(input, input.shape)
    if _are_same(input.shape, other.shape):
        return _in_its_order(input, input.shape)  # of two orders the first one is taken
    shape = _met(input.shape, other.shape) if _is_usual(input) and _is_usual(other) else None
    if shape is None or not (_are_same(shape, input.shape) or _are_same(shape, other.shape)):
        return None
    # One has the size of the result, and no other order of the axes speaks against its own.
    made: Tensor = input.new_empty(shape)
    return made


def _together_in_place(input: Any, other: Any, *, alpha: Any = 1) -> Tensor | None:
    if type(input) is nn.Parameter or not _may_be_combined(input, other, alpha):
        return None
    written: Tensor = input
    if not isinstance(other, Tensor):
        return written
    shape = _met(input.shape, other.shape)
    return written if shape is not None and _are_same(shape, input.shape) else None


def _may_be_combined(input: Any, other: Any, alpha: Any) -> bool:
    """Whether there are letters, without which PyTorch asks nothing and may know the values, and nothing to refuse."""
    if type(alpha) not in (int, float) or not isinstance(input, Tensor):
        return False
    if not isinstance(other, Tensor):
        return type(other) in (int, float) and _has_letters(input) and _is_in_order(input)
    if not (_has_letters(input) or _has_letters(other)) or not (_is_in_order(input) and _is_in_order(other)):
        return False
    return (input.dtype, input.device) == (other.dtype, other.device)


def _has_letters(given: Tensor) -> bool:
    return any(type(size) is not int for size in given.shape)


def _met(one: Sequence[Any], other: Sequence[Any]) -> tuple[Any, ...] | None:
    """The shape of two that meet at any size; None where that is a question."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    missing = len(longer) - len(shorter)
    sizes = list(longer[:missing])
    for first, second in zip(longer[missing:], shorter, strict=True):
        if _is_same(first, second) or (type(second) is int and second == 1):
            sizes.append(first)
        elif type(first) is int and first == 1:
            sizes.append(second)
        else:
            return None
    return tuple(sizes)


def _are_same(shape: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(shape) == len(other) and all(map(_is_same, shape, other))


def _is_same(size: Any, other: Any) -> bool:
    """Whether two sizes are one number or one expression; nobody is asked whether they come to the same."""
    if type(size) is int or type(other) is int:
        return type(size) is type(other) and bool(size == other)
    return bool(size.node.expr == other.node.expr)


def _clamped(input: Any, min_val: Any = -1.0, max_val: Any = 1.0, inplace: bool = False) -> Tensor | None:
    """Of numbers in their order: the others PyTorch refuses."""
    is_ordered = all(type(each) in (int, float) for each in (min_val, max_val)) and min_val <= max_val
    return _activated(input, inplace=inplace) if is_ordered else None


def _empty_like(given: Tensor) -> Tensor:
    """``torch.empty_like``, which asks in letters for every stride, where the strides are the usual ones."""
    return given.new_empty(given.shape) if given.is_contiguous() else torch.empty_like(given)


def _is_plain(given: Any) -> bool:
    return isinstance(given, Tensor) and given.layout == torch.strided and given.is_floating_point()


def _is_usual(given: Any) -> bool:
    """Besides, with its elements in the usual order: what is made of others may have theirs."""
    return _is_plain(given) and bool(given.is_contiguous())


def _is_in_order(given: Any) -> bool:
    """Besides, with its elements in the usual order, or its channels last, as what was permuted for a norm has them."""
    return _is_plain(given) and (_has_channels_last(given) or bool(given.is_contiguous()))


def _has_channels_last(given: Tensor) -> bool:
    """Whether a map in letters lies in memory row by row, pixel by pixel; nobody is asked what a stride comes to."""
    if given.dim() != 4 or not _has_letters(given):
        return False
    _, channels, height, width = given.shape
    strides = given.stride()
    if type(channels) is not int or channels < 1 or type(strides[1]) is not int or strides[1] != 1:
        return False
    # PyTorch counts an axis without a step as one of a single step, but not everywhere.
    at_least_one = partial(torch.sym_max, 1)
    sides = ((height, width), (at_least_one(height), at_least_one(width)))
    return any(_are_same(strides, (high * wide * channels, 1, wide * channels, channels)) for high, wide in sides)


def _in_its_order(given: Tensor, shape: Sequence[Any], *, channels_last: bool = False) -> Tensor:
    """A tensor of this shape in the order that another has, or with its channels last."""
    if not channels_last and not _has_channels_last(given):
        made: Tensor = given.new_empty(shape)
        return made
    rows, channels, height, width = shape
    last: Tensor = given.new_empty((rows, height, width, channels))
    return last.permute(0, 3, 1, 2)


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
    InLetters.CLAMP: _clamped,
    InLetters.CONVOLUTION: _convolved,
    InLetters.BATCH_NORM: _batch_normalized,
    InLetters.LAYER_NORM: _layer_normalized,
    InLetters.RMS_NORM: _rms_normalized,
    InLetters.GROUP_NORM: _group_normalized,
    InLetters.RESIZED: _resized,
    InLetters.SAMPLED: _sampled,
    InLetters.LINEAR: _transformed,
    InLetters.RECURRENT: _of_recurrent,
    InLetters.GROUPED_PRODUCT: grouped_product,
    InLetters.TOGETHER: _together,
    InLetters.TOGETHER_IN_PLACE: _together_in_place,
}

#: Those of them that hold on the meta device as well, of plain tensors that are not empty.
ON_META: Mapping[InLetters | None, Callable[..., Any]] = {
    way: _MADE[way]
    for way in (
        InLetters.ACTIVATION, InLetters.CLAMP, InLetters.BATCH_NORM, InLetters.LAYER_NORM, InLetters.RMS_NORM,
        InLetters.GROUP_NORM, InLetters.LINEAR,
    )
}  # fmt: skip


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
