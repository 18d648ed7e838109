"""How sizes are written: numbers, closed forms, products of them, and bytes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from convlin.sizes.types import Size

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
#: What rounds a float, in Python's words: ``int(0.29·L)`` is 28 at 100, and not 29.
_IN_FLOATS = {"TruncToInt": "int", "FloorToInt": "floor", "CeilToInt": "ceil", "RoundToInt": "round"}
#: A whole division as sympy writes it, and as PyTorch does; and divisions of floats.
_WHOLE_DIVISIONS, _DIVISIONS = ("floor", "FloorDiv", "CleanDiv"), ("IntTrueDiv", "FloatTrueDiv")
_BYTE_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


class Signs(NamedTuple):
    """The signs of one way to write forms; in Python's a whole division stands between two numbers, not around them."""

    minus: str
    times: str
    is_code: bool


PRINTED, CODE = Signs("−", "·", is_code=False), Signs("-", "*", is_code=True)


def spell(size: Any, signs: Signs = PRINTED) -> str:
    """A size as a person writes it: ``32``, ``−3``, ``2.5``, ``32·⌊(H + 1)/4⌋``; or as ``CODE``: ``32*((H + 1)//4)``.

    >>> spell(-3), spell(2.0)
    ('−3', '2')
    """
    if isinstance(size, float) and size.is_integer():
        size = int(size)
    if not hasattr(size, "as_numer_denom"):
        return str(size).replace("-", signs.minus)
    return _form(size, signs)


@lru_cache(4096)  # a network repeats its forms, and to put one over a common denominator takes sympy a millisecond
def _form(size: Any, signs: Signs) -> str:
    name = size.func.__name__
    if name in _WHOLE_DIVISIONS:
        return _floor(size, signs)
    if name == "ceiling":
        return f"⌈{spell(size.args[0].together(), signs)}⌉"
    if name in _IN_FLOATS:
        return f"{_IN_FLOATS[name]}({spell(size.args[0], signs)})"
    if name == "ToFloat":
        return factor(size.args[0], signs)
    if name == "OpaqueUnaryFn_sqrt" or (name == "FloatPow" and size.args[1] == 0.5):
        return _root(size.args[0], signs)
    if name in _DIVISIONS:
        return _divided(size.args[0], size.args[1], signs)
    if size.is_Float:
        return repr(float(size)).replace("-", signs.minus)
    if name in ("Min", "Max"):
        return f"{name.lower()}({', '.join(sorted(spell(each, signs) for each in size.args))})"
    if size.is_Add or size.is_Mul:
        above, below = size.as_numer_denom()
        if below != 1:
            return _divided(above, below, signs)
    if size.is_Add:
        text = " + ".join(spell(term, signs) for term in size.as_ordered_terms())
        return text.replace(f"+ {signs.minus}", f"{signs.minus} ")
    if size.is_Mul:
        number, rest = size.as_coeff_Mul()
        sign = signs.minus if number < 0 else ""
        factors = ([] if abs(number) == 1 else [abs(number)]) + list(rest.as_ordered_factors())
        write = _among_factors if len(factors) > 1 else factor
        return sign + signs.times.join(write(each, signs) for each in factors)
    if size.is_Pow and size.exp.is_Integer and size.exp > 1:
        base = factor(size.base, signs)
        return "*".join([base] * int(size.exp)) if signs.is_code else base + str(size.exp).translate(_SUPERSCRIPTS)
    if size.is_Pow and size.exp.is_Rational and 2 * size.exp == 1:
        return _root(size.base, signs)
    return str(size).replace("-", signs.minus)


def _floor(size: Any, signs: Signs) -> str:
    """``⌊(H + 1)/2⌋``, ``(H + 1)//2``."""
    above, below = size.args if len(size.args) == 2 else size.args[0].together().as_numer_denom()
    if signs.is_code:
        return f"{factor(above, signs)}//{divisor(below, signs)}"
    return f"⌊{spell(above, signs) if below == 1 else _divided(above, below, signs)}⌋"


def _divided(above: Any, below: Any, signs: Signs) -> str:
    return f"{factor(above, signs)}/{divisor(below, signs)}"


def _root(size: Any, signs: Signs) -> str:
    """``√L``, ``√(H·W)``."""
    if signs.is_code:
        return f"sqrt({spell(size, signs)})"
    text = factor(size, signs)
    return f"√{text}" if text.isidentifier() or (text[:1] in "(⌊" and "·" not in text) else f"√({spell(size)})"


def _among_factors(size: Any, signs: Signs) -> str:
    """``0.7·(3·L)``: in floats that is not ``2.1·L``."""
    is_product = type(size).__name__ == "ToFloat" and size.args[0].is_Mul
    return f"({spell(size.args[0], signs)})" if is_product else factor(size, signs)


def factor(size: Any, signs: Signs = PRINTED) -> str:
    """The same, in parentheses where it stands among other signs and would fall apart."""
    text = spell(size, signs)
    falls_apart = getattr(size, "is_Add", False) or text.startswith(signs.minus)
    return f"({text})" if falls_apart or (signs.is_code and _divides(size)) else text


def divisor(size: Any, signs: Signs = PRINTED) -> str:
    """The same under a stroke, where a product needs parentheses, too."""
    text = factor(size, signs)
    is_product = getattr(size, "is_Mul", False) or (signs.is_code and getattr(size, "is_Pow", False))
    return f"({text})" if is_product and text == spell(size, signs) else text


def _divides(size: Any) -> bool:
    """Whether a division stands between its numbers in Python's signs."""
    if type(size).__name__ in _WHOLE_DIVISIONS:
        return True
    return bool((size.is_Mul or size.is_Rational) and size.as_numer_denom()[1] != 1)


def spell_product(sizes: Iterable[Any]) -> str:
    """``32·8·8``."""
    return "·".join(map(factor, sizes))


def spell_shape(shape: Iterable[Size]) -> str:
    """``3×32×32``, for messages."""
    return "×".join(map(factor, shape)) or "scalar"


def size(value: Any) -> str:
    """One size: an integer, or a closed form as people write it.

    >>> size(2048), size(-1)
    ('2048', '?')
    """
    if isinstance(value, int):
        return "?" if value == -1 else str(value)
    return spell(value)


def shape_factor(value: Any) -> str:
    """A size between ``×`` signs: a sum or a fraction would fall apart without parentheses."""
    text = size(value)
    if isinstance(value, int) or getattr(value, "is_Atom", False):
        return text
    return text if text[:1] in "⌊⌈" and text.find(text[0], 1) < 0 and text[-1] in "⌋⌉" else f"({text})"


def memory(number: Size) -> str:
    """Bytes in the unit that fits, to three digits; a unit is a thousand of the one before.

    >>> memory(512), memory(65_536), memory(1_234_567_890)
    ('512 B', '65.5 kB', '1.23 GB')
    """
    if not isinstance(number, int):
        return f"{shape_factor(number)} B"
    if number == -1:  # as in a shape: not known
        return "?"
    for unit, name in _BYTE_UNITS:
        if number >= unit:
            value = number / unit
            return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f} {name}"
    return f"{number} B"
