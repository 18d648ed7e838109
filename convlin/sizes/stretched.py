"""Where sizes that meet are not equal, and PyTorch stretches one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from convlin.sizes.types import Size


def stretched_axes(shapes: Iterable[Sequence[Size]]) -> tuple[int, ...]:
    """The axes, counted from the last, along which one of the shapes has a size of 1, and another a larger one.

    An axis that a shape has not, as that of a bias, is missing whatever the sizes are.

    >>> stretched_axes([(1, 4, 7, 1), (4, 7, 7)]), stretched_axes([(5, 8), (8,)])
    ((-1,), ())
    """
    columns = zip_longest(*(reversed(shape) for shape in shapes))
    return tuple(-1 - place for place, sizes in enumerate(columns) if 1 in sizes and not {*sizes} <= {1, None})
