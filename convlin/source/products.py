"""A number written as the product that it comes of, where the number in its place was written so."""

from __future__ import annotations

import re
from itertools import chain, zip_longest
from math import prod

_PRODUCT = re.compile(r"\d+(?:\s*\*\s*\d+)+")


def as_product(sizes: tuple[int, ...]) -> str:
    """The text of a product.

    >>> as_product((16, 5, 5))
    '16 * 5 * 5'
    """
    return " * ".join(map(str, sizes))


def written_like(old: str, new: str) -> str:
    """``new`` as it is to stand in the place of ``old``: a product stays one where both have as many factors.

    The sizes of a map may be one factor together. What is no product of numbers is handed back as it is.

    >>> written_like("16*4*4", "16 * 5 * 5"), written_like("16 * 16", "16 * 5 * 5"), written_like("256", "16 * 5 * 5")
    ('16*5*5', '16 * 25', '400')
    >>> written_like("256", "400"), written_like("16 * 4 * 4", "(5, 5)")
    ('400', '(5, 5)')
    """
    if not _PRODUCT.fullmatch(new):
        return new
    first, *others = map(int, re.findall(r"\d+", new))
    if _PRODUCT.fullmatch(old):
        signs = re.findall(r"\D+", old)
        for factors in ([first, *others], [first, prod(others)]):
            if len(factors) == len(signs) + 1:
                return "".join(chain.from_iterable(zip_longest(map(str, factors), signs, fillvalue="")))
    return str(prod((first, *others)))
