"""Unpooling: whether every index that pooling may give lies inside of what is made."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Final

import torch.nn.functional as F
from torch import Tensor

from convlin.ops.names import op_of

#: What gives the indices.
_POOLS: Final = frozenset({F.max_pool1d_with_indices, F.max_pool2d_with_indices, F.max_pool3d_with_indices})
#: What lays elements out by them.
_UNPOOLS: Final = frozenset({F.max_unpool1d, F.max_unpool2d, F.max_unpool3d})
#: The functions that `Indices` are to see.
OF_INDICES: Final = _POOLS | _UNPOOLS


class OutsideError(RuntimeError):
    """Inputs with other values have an index that lies outside of what unpooling makes.

    The dummy input need not: of elements that are all alike the first is the largest of its window.
    """


class Indices:
    """The indices that were made in a pass, with the sizes of what they count the elements of."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[weakref.ref[Tensor], Sequence[Any], Sequence[Any]]] = {}

    def note(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], made: Any) -> None:
        """See what a function has made: it may be indices, or a map that they lie in.

        Raises `OutsideError` where inputs with other values are refused.
        """
        if function in _POOLS:
            pooled = _argument(args, kwargs, 0, "input").shape
            self._of[id(made[1])] = weakref.ref(made[1]), pooled, _reached(pooled, made[1].shape, args, kwargs)
        elif function in _UNPOOLS:
            indices = _argument(args, kwargs, 1, "indices")
            held, sizes, reached = self._of.get(id(indices), (None, (), ()))
            if held is not None and held() is indices and len(sizes) == made.dim():
                spatial = slice(-op_of(function).spatial_dims, None)
                check_rows(sizes[spatial], made.shape[spatial], reached[spatial])


def _argument(args: tuple[Any, ...], kwargs: Mapping[str, Any], position: int, name: str) -> Any:
    return args[position] if len(args) > position else kwargs[name]


def _reached(
    sizes: Sequence[Any], made: Sequence[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Sequence[Any]:
    """How far along each axis the windows of a pooling reach, with its arguments; in letters to the end."""
    if not all(type(size) is int for size in (*sizes, *made)):
        return sizes
    settings = dict(zip(("kernel_size", "stride", "padding", "dilation"), args[1:5], strict=False)) | dict(kwargs)
    reached = [*sizes]
    spatial = len(settings["kernel_size"]) if isinstance(settings["kernel_size"], tuple | list) else len(sizes) - 2

    def of_axis(value: Any, axis: int) -> int:
        return int(value[axis]) if isinstance(value, tuple | list) else int(value)

    for axis in range(spatial):
        place, kernel = axis - spatial, of_axis(settings["kernel_size"], axis)
        stride = of_axis(settings.get("stride") or settings["kernel_size"], axis)
        padding, dilation = of_axis(settings.get("padding", 0), axis), of_axis(settings.get("dilation", 1), axis)
        end = (made[place] - 1) * stride - padding + dilation * (kernel - 1) + 1
        reached[place] = min(end, sizes[place])
    return reached


def check_rows(pooled: Sequence[Any], made: Sequence[Any], reached: Sequence[Any]) -> None:
    """Refuse a map that is too small for the largest index that its pooling may have given.

    An index counts the elements of the map that was pooled row by row, so that shorter rows move all below them, at
    the end beyond the last.  Of a single row nothing is moved: what pooling left out at its end has no index.
    ``reached`` is how far along each axis the windows go.

    >>> check_rows((17, 16), (16, 16), (16, 16)), check_rows((1, 17), (1, 16), (1, 16))
    (None, None)
    >>> check_rows((19, 19), (19, 16), (16, 16))  # the last index is 15·19 + 15, and 304 elements are made
    >>> check_rows((16, 17), (16, 16), (16, 16))
    Traceback (most recent call last):
    convlin.trace.unpooling.OutsideError: an index may lie outside
    """
    rows = 1
    for size, left in zip(pooled, made, strict=True):
        # In letters an equation is asked for, which other sizes are solved by.
        if rows > 1 and size != left and size > left:
            break
        rows = rows * left
    else:
        return
    if all(type(size) is int for size in (*pooled, *made)):
        largest = 0
        for size, end in zip(pooled, reached, strict=True):
            largest = largest * size + end - 1
        if largest < prod(made):
            return
    raise OutsideError("an index may lie outside")
