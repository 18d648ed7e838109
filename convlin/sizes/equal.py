"""Whether two closed forms of a size mean the same, however they are written: ``⌊⌊H/2⌋/2⌋`` and ``⌊H/4⌋``."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fractions import Fraction

#: Two forms are compared at so many sizes of their letters, drawn between these.
_POINTS, _SMALLEST, _LARGEST = 48, 128, 4096
#: And where a form ends at a number, between 1 and the smallest of these.
_ENDING = {"Min", "Max"}


def same(first: Any, second: Any) -> bool:
    """Whether two sizes are equal: integers as they are, closed forms at many sizes of their letters.

    >>> import sympy
    >>> H = sympy.Symbol("H", integer=True, positive=True)
    >>> quarter = sympy.floor(sympy.floor(H / 2) / 2)
    >>> same(quarter, sympy.floor(H / 4)), same(quarter, sympy.floor((H + 1) / 4)), same(H, 224)
    (True, False, False)
    >>> same(sympy.Min(100, H), 100)
    False
    """
    return bool(first == second) or _same_at_points(first, second)


@lru_cache(4096)  # a network repeats its forms
def _same_at_points(first: Any, second: Any) -> bool:
    letters = _letters(first) | _letters(second)
    if not letters:
        return False
    names, ends = tuple(sorted(letters)), any(map(_ends, (first, second)))
    points = (*_points(names, _SMALLEST, _LARGEST), *(_points(names, 1, _SMALLEST) if ends else ()))
    try:
        return all(_value(first, point) == _value(second, point) for point in points)
    except (ArithmeticError, NotImplementedError):
        return False


def same_shape(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Whether two shapes are equal, size by size."""
    return len(first) == len(second) and all(map(same, first, second))


def _letters(size: Any) -> set[str]:
    return {str(letter) for letter in getattr(size, "free_symbols", ())}


def _ends(size: Any) -> bool:
    """Whether a number is the smallest or the largest that a form comes to."""
    return not isinstance(size, int) and (size.func.__name__ in _ENDING or any(map(_ends, size.args)))


@cache
def _points(letters: tuple[str, ...], smallest: int, largest: int) -> tuple[Mapping[str, int], ...]:
    draw = random.Random(0)
    return tuple({letter: draw.randint(smallest, largest) for letter in letters} for _ in range(_POINTS))


def _value(size: Any, point: Mapping[str, int]) -> Fraction:
    """The value of a closed form; told by what its parts are called, so that sympy is not loaded for integers."""
    from fractions import Fraction  # which loads decimal: only where two forms are compared

    if isinstance(size, int):
        return Fraction(size)
    if size.is_Symbol:
        return Fraction(point[size.name])
    if size.is_Rational:
        return Fraction(int(size.p), int(size.q))
    root = size.args[0] if size.func.__name__ == "floor" else size
    if root.is_Pow and root.args[1].is_Rational and root.args[1] * 2 == 1:
        if root is size:
            raise NotImplementedError("a root that is not rounded")
        return Fraction(math.isqrt(math.floor(_value(root.args[0], point))))
    values = [_value(part, point) for part in size.args]
    if size.is_Add:
        return sum(values, Fraction(0))
    if size.is_Mul:
        return math.prod(values, start=Fraction(1))
    if size.is_Pow and values[1].denominator == 1:
        return values[0] ** int(values[1])
    operation = _OPERATIONS.get(size.func.__name__)
    if operation is None:
        raise NotImplementedError(size.func.__name__)
    return Fraction(operation(*values))


_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "floor": math.floor,
    "ceiling": math.ceil,
    **dict.fromkeys(("FloorDiv", "CleanDiv"), lambda above, below: above // below),
    **dict.fromkeys(("Mod", "PythonMod"), lambda above, below: above % below),
    "Min": min,
    "Max": max,
}
