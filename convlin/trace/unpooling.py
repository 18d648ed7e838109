"""Unpooling: whether every index that pooling may give lies inside of what is made."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch.nn.functional as F
from torch import Tensor

#: What gives the indices.
_POOLS: Final = frozenset({F.max_pool1d_with_indices, F.max_pool2d_with_indices, F.max_pool3d_with_indices})
#: How many axes the map has that each makes.
_UNPOOLS: Final[Mapping[Any, int]] = {F.max_unpool1d: 1, F.max_unpool2d: 2, F.max_unpool3d: 3}
#: The functions that `Indices` are to see.
OF_INDICES: Final = _POOLS | _UNPOOLS.keys()


class OutsideError(RuntimeError):
    """Most inputs have an index that lies outside of what unpooling makes.

    The dummy input need not: of elements that are all alike the first is the largest of its window.
    """


class Indices:
    """The indices that were made in a pass, with the sizes of what they count the elements of."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[weakref.ref[Tensor], Sequence[Any]]] = {}

    def note(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], made: Any) -> None:
        """See what a function has made: it may be indices, or a map that they lie in.

        Raises `OutsideError` where most inputs would have been refused.
        """
        if function in _POOLS:
            pooled = _argument(args, kwargs, 0, "input")
            self._of[id(made[1])] = weakref.ref(made[1]), pooled.shape
        elif function in _UNPOOLS:
            indices = _argument(args, kwargs, 1, "indices")
            held, sizes = self._of.get(id(indices), (None, ()))
            if held is not None and held() is indices and len(sizes) == made.dim():
                check_rows(sizes[-_UNPOOLS[function] :], made.shape[-_UNPOOLS[function] :])


def _argument(args: tuple[Any, ...], kwargs: Mapping[str, Any], position: int, name: str) -> Any:
    return args[position] if len(args) > position else kwargs[name]


def check_rows(pooled: Sequence[Any], made: Sequence[Any]) -> None:
    """Refuse a map whose rows are shorter than those of the one that was pooled.

    An index counts the elements of that one row by row, so that shorter rows move all below them, at the end beyond
    the last.  Of a single row nothing is moved: what pooling left out at its end has no index.

    >>> check_rows((17, 16), (16, 16)), check_rows((1, 17), (1, 16))
    (None, None)
    >>> check_rows((16, 17), (16, 16))
    Traceback (most recent call last):
    convlin.trace.unpooling.OutsideError: an index may lie outside
    """
    rows = 1
    for size, left in zip(pooled, made, strict=True):
        # In letters an equation is asked for, which other sizes are solved by.
        if rows > 1 and not size == left and size > left:
            raise OutsideError("an index may lie outside")
        rows = rows * left
