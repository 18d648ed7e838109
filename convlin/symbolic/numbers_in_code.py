"""The sizes that a ``forward`` was written for, as far as they stand in the code that raised and in what it says."""

from __future__ import annotations

import re
from itertools import combinations

from convlin.trace.call_sites import raising_frame

#: So many of the numbers are tried, none larger than this.
_MOST, _LARGEST = 6, 4096


def numbers_in_code(error: BaseException) -> list[int]:
    """The whole numbers there, the smallest first, and the products of two: three pieces of 16.

    >>> def forward(size):
    ...     if size != 100:
    ...         raise ValueError("takes 2 at once")
    >>> try:
    ...     forward(64)
    ... except ValueError as error:
    ...     numbers_in_code(error)
    [2, 100, 200]
    """
    frame = raising_frame(error)
    constants = frame.f_code.co_consts if frame is not None else ()
    found = {abs(each) for each in constants if type(each) is int} | {*map(int, re.findall(r"\d+", str(error)))}
    numbers = sorted(each for each in found if 1 < each <= _LARGEST)[:_MOST]
    products = (one * other for one, other in combinations(numbers, 2) if one * other <= _LARGEST)
    return [*dict.fromkeys((*numbers, *products))]
