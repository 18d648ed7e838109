"""Convolutions and pools: windows over a map, where one fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import SymInt, Tensor

from convlin.ops.ceil_pools import ceil_pooled
from convlin.ops.memory_order import (
    has_letters,
    in_its_order,
    is_in_order,
    is_plain,
)
from convlin.ops.results.checked import all_are, is_cast
from convlin.tensors import has_channels_last

#: A window that is as large as the map is a size in letters.
_POOLED_BY = (int, SymInt)


def windows_fit(sizes: Sequence[Any]) -> bool:
    """Whether there is something along every axis: PyTorch refuses a convolution or a pool elsewhere."""
    return all(size > 0 for size in sizes)


def convolved(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: Any = 1
) -> Tensor | None:
    """By a weight of the channels that arrive, where a window fits; PyTorch looks for the kernel that it would take."""
    if not is_in_order(input) or not is_plain(weight) or input.dim() != weight.dim() or is_cast(input):
        return None
    is_last = not has_letters(weight) and has_channels_last(weight)  # then the result has them last, too
    if not is_last and not weight.is_contiguous():
        return None
    spatial = input.dim() - 2
    settings = [_for_each_axis(given, spatial) for given in (stride, padding, dilation)]
    channels, made, taken = input.shape[1], weight.shape[0], weight.shape[1]
    if type(channels) is not int or type(groups) is not int or groups < 1 or not all(settings):
        return None
    if channels != taken * groups or made % groups or input.dtype != weight.dtype or not all_are((made,), input, bias):
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


def max_pooled(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | None:
    return None if return_indices else _pooled(input, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pooled(
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
    settings = [_for_each_axis(given, spatial, _POOLED_BY) for given in (kernel_size, stride, padding, dilation)]
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


def adaptively_pooled(input: Any, output_size: Any, return_indices: bool = False) -> Tensor | None:
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


def _for_each_axis(given: Any, count: int, kinds: tuple[type, ...] = (int,)) -> tuple[int, ...]:
    """A setting of a convolution: a number for each axis, or one for all; nothing where it is anything else."""
    numbers = tuple(given) if isinstance(given, tuple | list) else (given,)
    numbers = numbers * count if len(numbers) == 1 else numbers
    return numbers if len(numbers) == count and all(type(each) in kinds and each >= 0 for each in numbers) else ()
