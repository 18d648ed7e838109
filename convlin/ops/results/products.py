"""Products with a weight: a Linear, one for each expert, the steps of a recurrent layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from convlin.ops.memory_order import (
    empty,
    is_plain,
)
from convlin.ops.results.checked import all_are, is_cast


def transformed(input: Any, weight: Any, bias: Any = None) -> Tensor | None:
    """By a Linear whose width is that of the input; PyTorch would ask how many rows there are in all."""
    if not is_plain(input) or not is_plain(weight) or weight.dim() != 2 or input.dim() < 2 or is_cast(input):
        return None
    last, (made, taken) = input.shape[-1], weight.shape
    fits = type(last) is int and last == taken and weight.dtype == input.dtype and all_are((made,), input, bias)
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


def of_recurrent(given: Tensor, start: Any, weights: Any, *rest: Any) -> Any:
    """One output for every step, of both directions; and the last state, which has the size of the first.

    The layer asked whether the sizes fit.  PyTorch goes through letters step by step, for the sample's length.
    """
    if isinstance(weights, Tensor) or len(rest) != 6:  # a packed sequence
        return None
    bidirectional = rest[4]
    states = start if isinstance(start, tuple | list) else (start,)
    width = states[0].shape[-1] * (2 if bidirectional else 1)
    return (empty(given, (*given.shape[:-1], width)), *map(torch.empty_like, states))
