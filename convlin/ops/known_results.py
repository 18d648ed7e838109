"""What a function gives, where that can be told from its arguments: a tensor of that size with nothing in it.

PyTorch computes the size of ``relu`` and ``batch_norm`` in letters through a dozen Python functions,
which takes longer than all the rest of a convolutional network.  A rule answers for what it knows for
certain; what a function could refuse is left to PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from convlin.ops.ceil_pools import ceil_pooled
from convlin.ops.memory_order import (
    are_same,
    empty,
    empty_like,
    has_channels_last_in_letters,
    has_letters,
    in_its_order,
    is_in_order,
    is_plain,
    is_same,
    is_usual,
)
from convlin.ops.op import InLetters
from convlin.ops.windows import RESIZES
from convlin.tensors import flat_tensors, has_channels_last


def in_order(function: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands as they stand in the expression: ``a.__rsub__(b)`` is ``b - a``, and ``a.__rmul__(b)`` is ``a * b``.

    >>> in_order(Tensor.__rsub__, (1, 2)), in_order(Tensor.__sub__, (1, 2))
    ((1, 2), (1, 2))
    """
    is_exchanged = len(args) == 2 and getattr(function, "__name__", "") in ("__rsub__", "__rpow__")
    return args[::-1] if is_exchanged and all(isinstance(each, Tensor) for each in args) else args


def _activated(
    input: Any = None, *rest: Any, inplace: bool = False, approximate: str = "none", out: Any = None, **_: Any
) -> Tensor | None:
    if not isinstance(input, Tensor) or not input.is_floating_point() or input.layout != torch.strided:
        return None
    if approximate not in ("none", "tanh") or out is not None:
        return None
    return input if inplace or (bool(rest) and rest[-1] is True) else empty_like(input)


def _convolved(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: Any = 1
) -> Tensor | None:
    """By a weight of the channels that arrive, where a window fits; PyTorch looks for the kernel that it would take."""
    if not is_in_order(input) or not is_plain(weight) or input.dim() != weight.dim() or _is_cast(input):
        return None
    is_last = not has_letters(weight) and has_channels_last(weight)  # then the result has them last, too
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
    return in_its_order(input, (input.shape[0], made, *sizes), channels_last=is_last)


def windows_fit(sizes: Sequence[Any]) -> bool:
    """Whether there is something along every axis: PyTorch refuses a convolution or a pool elsewhere."""
    return all(size > 0 for size in sizes)


def _max_pooled(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | None:
    return None if return_indices else _pooled(input, kernel_size, stride, padding, dilation, ceil_mode)


def _avg_pooled(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: Any = None,
) -> Tensor | None:
    return None if divisor_override == 0 else _pooled(input, kernel_size, stride, padding, 1, ceil_mode)


def _pooled(input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any) -> Tensor | None:
    """Of a map, where a window fits; in letters PyTorch asks eight questions for each axis."""
    if not is_in_order(input) or type(ceil_mode) is not bool:
        return None
    spatial = input.dim() - 2
    stride = kernel_size if stride is None or (isinstance(stride, list | tuple) and not stride) else stride
    settings = [_for_each_axis(given, spatial) for given in (kernel_size, stride, padding, dilation)]
    if not all(settings):
        return None
    windows = list(zip(*settings, strict=True))
    # PyTorch refuses what pads by more than half a window.
    if any(not width or not step or not apart or 2 * pad > width for width, step, pad, apart in windows):
        return None
    pooled = ceil_pooled if ceil_mode else _windows_that_fit
    sizes = [pooled(size, *window) for size, window in zip(input.shape[2:], windows, strict=True)]
    return in_its_order(input, (*input.shape[:2], *sizes)) if windows_fit((*input.shape[1:], *sizes)) else None


def _windows_that_fit(size: Any, kernel: int, stride: int, padding: int, dilation: int) -> Any:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _adaptively_pooled(input: Any, output_size: Any, return_indices: bool = False) -> Tensor | None:
    """To numbers that are asked for, of a map that has something along every axis."""
    if return_indices or not is_in_order(input) or input.dim() < 3:
        return None
    length = input.shape[-1]
    if input.dim() == 3 and (type(length) is not int or length == 1):
        return None  # the single step of a signal is expanded, and not copied
    sizes = _for_each_axis(output_size, input.dim() - 2)
    return (
        in_its_order(input, (*input.shape[:2], *sizes))
        if all(sizes) and sizes and windows_fit(input.shape[1:])
        else None
    )


def _reduced(input: Any, dim: Any = None, keepdim: bool = False) -> Tensor | None:
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


def _joined(tensors: Any, dim: Any = 0) -> Tensor | None:
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
    if training or running_mean is None or running_var is None or not is_plain(input) or input.dim() < 2:
        return None
    channels = input.shape[1]
    if type(channels) is not int or not _all_are((channels,), input, running_mean, running_var, weight, bias):
        return None
    # Channels that come last stay there, which only maps and volumes can have.
    return empty_like(input) if input.dim() > 3 else empty(input, input.shape)


def _layer_normalized(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: Any = None
) -> Tensor | None:
    shape = tuple(normalized_shape)
    if not shape or not is_plain(input) or not all(type(size) is int for size in shape):
        return None
    last = input.shape[-len(shape) :]
    fits = all(type(size) is int for size in last) and last == shape and _all_are(shape, input, weight, bias)
    return empty(input, input.shape) if fits else None


def _rms_normalized(input: Any, normalized_shape: Any, weight: Any = None, eps: Any = None) -> Tensor | None:
    """Of the usual order: channels that come last stay there, as a layer norm does not leave them."""
    return _layer_normalized(input, normalized_shape, weight, eps=eps) if is_usual(input) else None


def _transformed(input: Any, weight: Any, bias: Any = None) -> Tensor | None:
    """By a Linear whose width is that of the input; PyTorch would ask how many rows there are in all."""
    if not is_plain(input) or not is_plain(weight) or weight.dim() != 2 or input.dim() < 2 or _is_cast(input):
        return None
    last, (made, taken) = input.shape[-1], weight.shape
    fits = type(last) is int and last == taken and weight.dtype == input.dtype and _all_are((made,), input, bias)
    return empty(input, (*input.shape[:-1], made)) if fits else None


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
    made = empty(input, (rows, columns))
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
    if not is_plain(input) or input.dim() < 2 or type(num_groups) is not int or num_groups < 1:
        return None
    channels = input.shape[1]
    if type(channels) is not int or channels % num_groups or not _all_are((channels,), input, weight, bias):
        return None
    if not any(type(size) is int and size > 1 for size in (channels // num_groups, input.shape[0], *input.shape[2:])):
        return None
    if any(type(size) is int and size == 0 for size in input.shape):
        return None  # refused from torch 2.15 on, and taken before
    return empty_like(input) if input.dim() > 3 else empty(input, input.shape)


def _resized(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Any = None,
    recompute_scale_factor: Any = None,
    antialias: bool = False,
) -> Tensor | None:
    """To a size that is asked for, or to a multiple of what it is: PyTorch computes it pixel by pixel in letters."""
    if (size is None) == (scale_factor is None) or recompute_scale_factor or antialias or not is_usual(input):
        return None
    if input.dim() not in RESIZES.get(mode, ()) or (align_corners is not None and mode.startswith("nearest")):
        return None
    asked = scale_factor if size is None else size
    wanted = tuple(asked) if isinstance(asked, tuple | list) else (asked,) * (input.dim() - 2)
    if len(wanted) != input.dim() - 2:
        return None
    if size is None:
        if not all(type(each) in (int, float) and isfinite(each) for each in wanted):
            return None
        # As PyTorch has it: a product of whole numbers, or what is left of one of fractions.
        whole: Callable[[Any], Any] = torch.sym_int
        wanted = tuple(
            length * int(factor) if int(factor) == factor else whole(length * factor)
            for length, factor in zip(input.shape[2:], wanted, strict=True)
        )
    if not all(type(each) in (int, torch.SymInt) for each in wanted):
        return None
    if not all(each > 0 for each in (*input.shape, *wanted)):
        return None
    return empty(input, (*input.shape[:2], *wanted))


def _sampled(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: Any = None
) -> Tensor | None:
    """At the places of a grid, of a map."""
    if not is_usual(input) or not is_plain(grid) or input.dim() != 4 or grid.dim() != 4 or _is_cast(input):
        return None
    if mode not in ("bilinear", "nearest") or padding_mode not in ("zeros", "border", "reflection"):
        return None
    if input.dtype != grid.dtype or type(grid.shape[3]) is not int or grid.shape[3] != 2:
        return None
    if not all(each > 0 for each in (*input.shape, *grid.shape)) or input.shape[0] != grid.shape[0]:
        return None
    return empty(input, (*input.shape[:2], *grid.shape[1:3]))


def _of_recurrent(given: Tensor, start: Any, weights: Any, *rest: Any) -> Any:
    """One output for every step, of both directions; and the last state, which has the size of the first.

    The layer asked whether the sizes fit.  PyTorch goes through letters step by step, for the sample's length.
    """
    if isinstance(weights, Tensor) or len(rest) != 6:  # a packed sequence
        return None
    bidirectional = rest[4]
    states = start if isinstance(start, tuple | list) else (start,)
    width = states[0].shape[-1] * (2 if bidirectional else 1)
    return (empty(given, (*given.shape[:-1], width)), *map(torch.empty_like, states))


def _together(input: Any, other: Any, *, alpha: Any = 1) -> Tensor | None:
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


def _together_in_place(input: Any, other: Any, *, alpha: Any = 1) -> Tensor | None:
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


def _clamped(input: Any, min_val: Any = -1.0, max_val: Any = 1.0, inplace: bool = False) -> Tensor | None:
    """Of numbers in their order: the others PyTorch refuses."""
    is_ordered = all(type(each) in (int, float) for each in (min_val, max_val)) and min_val <= max_val
    return _activated(input, inplace=inplace) if is_ordered else None


def _is_cast(given: Tensor) -> bool:
    """Whether ``autocast`` gives the result another dtype."""
    return given.device.type != "meta" and torch.is_autocast_enabled(given.device.type)


def _all_are(shape: tuple[int, ...], input: Tensor, *vectors: Any) -> bool:
    """Whether those that are there have this shape and the dtype of the input."""
    return all(
        each is None or (isinstance(each, Tensor) and each.shape == shape and each.dtype == input.dtype)
        for each in vectors
    )


def _in_letters(rule: Callable[..., Any]) -> Callable[..., Any]:
    """The rule where there are letters: without them PyTorch asks nothing, and may know the values."""

    def answer(*args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], Tensor) and has_letters(args[0]):  # nearly always
            return rule(*args, **kwargs)
        return rule(*args, **kwargs) if any(map(has_letters, flat_tensors(args, kwargs))) else None

    return answer


#: What a function gives, where that can be told from its arguments; None where PyTorch has to be asked.
MADE: Mapping[InLetters | None, Callable[..., Any]] = {
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
    InLetters.TOGETHER: _in_letters(_together),
    InLetters.TOGETHER_IN_PLACE: _in_letters(_together_in_place),
    InLetters.MAX_POOL: _in_letters(_max_pooled),
    InLetters.AVG_POOL: _in_letters(_avg_pooled),
    InLetters.ADAPTIVE_POOL: _in_letters(_adaptively_pooled),
    InLetters.REDUCED: _in_letters(_reduced),
    InLetters.JOINED: _in_letters(_joined),
}

#: Those that hold on the meta device as well, of plain tensors that are not empty.
ON_META: Mapping[InLetters | None, Callable[..., Any]] = {
    InLetters.ACTIVATION: _activated,
    InLetters.CLAMP: _clamped,
    InLetters.BATCH_NORM: _batch_normalized,
    InLetters.LAYER_NORM: _layer_normalized,
    InLetters.RMS_NORM: _rms_normalized,
    InLetters.GROUP_NORM: _group_normalized,
    InLetters.LINEAR: _transformed,
    InLetters.TOGETHER_IN_PLACE: _together_in_place,
    InLetters.MAX_POOL: _max_pooled,
    InLetters.ADAPTIVE_POOL: _adaptively_pooled,
    InLetters.REDUCED: _reduced,
    InLetters.RESIZED: _resized,
    InLetters.JOINED: _joined,
}
