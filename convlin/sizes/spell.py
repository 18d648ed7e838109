"""How sizes are written: numbers, closed forms, products of them, and bytes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from convlin.sizes.types import Size

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
#: What rounds a float, in Python's words: ``int(0.29·L)`` is 28 at 100, and not 29.
IN_FLOATS = {"TruncToInt": "int", "FloorToInt": "floor", "CeilToInt": "ceil", "RoundToInt": "round"}
_BYTE_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def spell(size: Any) -> str:
    """A size as a person writes it: ``32``, ``−3``, ``2.5``, ``32·⌊(H + 1)/4⌋``.

    >>> spell(-3), spell(2.0)
    ('−3', '2')
    """
    if isinstance(size, float) and size.is_integer():
        size = int(size)
    if not hasattr(size, "as_numer_denom"):
        return str(size).replace("-", "−")
    return _spelled(size)


@lru_cache(4096)  # a network repeats its forms, and to put one over a common denominator takes sympy a millisecond
def _spelled(size: Any) -> str:
    name = size.func.__name__
    if name == "floor":
        return f"⌊{spell(size.args[0].together())}⌋"
    if name == "ceiling":
        return f"⌈{spell(size.args[0].together())}⌉"
    if name in ("FloorDiv", "CleanDiv"):  # PyTorch's own closed forms
        return f"⌊{factor(size.args[0])}/{divisor(size.args[1])}⌋"
    if name in IN_FLOATS:
        return f"{IN_FLOATS[name]}({spell(size.args[0])})"
    if name == "ToFloat":
        return factor(size.args[0])
    if name == "OpaqueUnaryFn_sqrt" or (name == "FloatPow" and size.args[1] == 0.5):
        return _root(size.args[0])
    if name in ("IntTrueDiv", "FloatTrueDiv"):
        return f"{factor(size.args[0])}/{divisor(size.args[1])}"
    if size.is_Float:
        return repr(float(size)).replace("-", "−")
    if name in ("Min", "Max"):
        return f"{name.lower()}({', '.join(sorted(map(spell, size.args)))})"
    if size.is_Add or size.is_Mul:
        above, below = size.as_numer_denom()
        if below != 1:
            return f"{factor(above)}/{divisor(below)}"
    if size.is_Add:
        text = " + ".join(spell(term) for term in size.as_ordered_terms())
        return text.replace("+ −", "− ")
    if size.is_Mul:
        number, rest = size.as_coeff_Mul()
        sign = "−" if number < 0 else ""
        factors = ([] if abs(number) == 1 else [abs(number)]) + list(rest.as_ordered_factors())
        return sign + "·".join(map(_among_factors if len(factors) > 1 else factor, factors))
    if size.is_Pow and size.exp.is_Integer and size.exp > 1:
        return factor(size.base) + str(size.exp).translate(_SUPERSCRIPTS)
    if size.is_Pow and size.exp.is_Rational and 2 * size.exp == 1:
        return _root(size.base)
    return str(size).replace("-", "−")


def _root(size: Any) -> str:
    """``√L``, ``√(H·W)``."""
    text = factor(size)
    return f"√{text}" if text.isidentifier() or (text[:1] in "(⌊" and "·" not in text) else f"√({spell(size)})"


def _among_factors(size: Any) -> str:
    """``0.7·(3·L)``: in floats that is not ``2.1·L``."""
    is_product = type(size).__name__ == "ToFloat" and size.args[0].is_Mul
    return f"({spell(size.args[0])})" if is_product else factor(size)


def factor(size: Any) -> str:
    """The same, in parentheses where it stands among other signs and would fall apart."""
    text = spell(size)
    return f"({text})" if getattr(size, "is_Add", False) or text.startswith("−") else text


def divisor(size: Any) -> str:
    """The same under a stroke, where a product needs parentheses, too."""
    text = factor(size)
    return f"({text})" if getattr(size, "is_Mul", False) and not text.startswith("(") else text


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
