"""Sizes written as text, ``"2*C"`` or ``"H//32"``: read with a fixed grammar, computed, never executed.

The grammar is whole numbers, names, ``+ - * // % /``, parentheses, ``floor``, ``ceil``, ``min`` and
``max``; ``⌊(H + 1)/2⌋`` and ``H²`` as convlin prints them are read as well.  In ``int(0.7*L)`` and
``round(0.7*L)`` floats are multiplied, as PyTorch does it.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from convlin.errors import InputError
from convlin.sizes.types import Size

_SIGNS = str.maketrans({"⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "·": "*", "−": "-"})  # fmt: skip
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_LARGEST_POWER = 9
_OPERATIONS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Div: lambda left, right: Fraction(left) / right if _is_number(left) else left / right,
}
_FUNCTIONS = ("floor", "ceil", "min", "max", "int", "round")
#: What rounds a number, and PyTorch's function that does so with a float.
_ROUNDING = {"floor": "FloorToInt", "ceil": "CeilToInt", "int": "TruncToInt", "round": "RoundToInt"}
_LONGEST = 200
_LARGEST = 1 << 62


class Expression(NamedTuple):
    """A size written as text, with the names that it needs."""

    text: str
    tree: ast.expr
    names: tuple[str, ...]

    def value(self, sizes: Mapping[str, Size]) -> Size | Fraction:
        """What it comes to with ``sizes`` put in; a ``Fraction`` where that is no whole number."""
        value = _value(self.tree, sizes)
        return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value


def read(text: str) -> Expression:
    """The expression that ``text`` spells, or an ``InputError`` that says what may stand there.

    >>> read("(H + 1)//2").value({"H": 31})
    16
    """
    try:
        tree = ast.parse(_plain(text), mode="eval").body if len(text) <= _LONGEST else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if tree is None or not _is_allowed(tree):
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        raise InputError(
            f'{shown!r} is not a valid size: write a name such as "N", or a formula such as "H//2" or "2*C"'
        )
    found = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id not in _FUNCTIONS)
    return Expression(text.strip(), tree, tuple(dict.fromkeys(found)))


def _plain(text: str) -> str:
    """The text in Python's signs."""
    powers = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda found: f"**{found.group().translate(_SUPERSCRIPTS)}", text)
    return powers.translate(_SIGNS).strip()


def _is_allowed(node: ast.expr, *, rounded: bool = False) -> bool:
    """Whether all of it is in the grammar; a float only where it is ``rounded``."""
    match node:
        case ast.Constant(value=int() as value):
            return not isinstance(value, bool) and value < _LARGEST
        case ast.Constant(value=float() as value):
            return rounded and math.isfinite(value)
        case ast.Name(id=name):
            return name not in _FUNCTIONS
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
            return _is_allowed(inner, rounded=rounded)
        case ast.BinOp(op=ast.Pow(), left=base, right=ast.Constant(value=int() as power)):
            return not isinstance(base, ast.Constant) and _is_allowed(base) and 0 < power <= _LARGEST_POWER
        case ast.BinOp(op=operation, left=left, right=right):
            return type(operation) in _OPERATIONS and all(_is_allowed(each, rounded=rounded) for each in (left, right))
        case ast.Call(func=ast.Name(id=name), args=[*arguments], keywords=[]):
            count = len(arguments)
            fits = name in _FUNCTIONS and (count == 1 if name in _ROUNDING else count > 1)
            within = rounded or name in _ROUNDING
            return fits and all(_is_allowed(argument, rounded=within) for argument in arguments)
    return False


def _value(node: ast.expr, sizes: Mapping[str, Size]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return sizes[name]
        case ast.UnaryOp(op=sign, operand=inner):
            return -_value(inner, sizes) if isinstance(sign, ast.USub) else _value(inner, sizes)
        case ast.BinOp(op=ast.Pow(), left=base, right=ast.Constant(value=int() as power)):
            return _value(base, sizes) ** power
        case ast.BinOp(op=operation, left=left, right=right):
            return _OPERATIONS[type(operation)](_value(left, sizes), _value(right, sizes))
        case ast.Call(func=ast.Name(id=name), args=[inner]) if name in ("int", "round") or _has_float(inner):
            return _rounded(name, _in_floats(inner, sizes))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _applied(name, [_value(argument, sizes) for argument in arguments])
    raise AssertionError(f"{ast.dump(node)} passed _is_allowed")


def _applied(name: str, values: list[Any]) -> Any:
    if all(_is_number(value) for value in values):
        numbers: Mapping[str, Callable[..., Any]] = {"floor": math.floor, "ceil": math.ceil, "min": min, "max": max}
        return numbers[name](*values)
    import sympy

    closed: Mapping[str, Callable[..., Any]] = {
        "floor": sympy.floor,
        "ceil": sympy.ceiling,
        "min": sympy.Min,
        "max": sympy.Max,
    }
    return closed[name](*values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | Fraction)


# Floats, as PyTorch computes with them


def _has_float(node: ast.expr) -> bool:
    return any(isinstance(each, ast.Constant) and isinstance(each.value, float) for each in ast.walk(node))


def _in_floats(node: ast.expr, sizes: Mapping[str, Size]) -> Any:
    """What is rounded: a number of Python's, or a form in the letters of ``sizes`` that a float is part of."""
    match node:
        case ast.BinOp(op=ast.Div(), left=left, right=right):
            above, below = _in_floats(left, sizes), _in_floats(right, sizes)
            if isinstance(above, int | float) and isinstance(below, int | float):
                return above / below
            if _is_whole(above) and _is_whole(below):
                return _of_torch("IntTrueDiv")(above, below)
            return _of_torch("FloatTrueDiv")(_float(above), _float(below))
        case ast.BinOp(op=operation, left=left, right=right):
            values = [_in_floats(left, sizes), _in_floats(right, sizes)]
            letters = any(not isinstance(each, int | float) for each in values)
            if letters and not all(map(_is_whole, values)):
                values = [_float(each) for each in values]
            return _OPERATIONS[type(operation)](*values)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_in_floats(inner, sizes)
        case ast.Constant(value=float() as value):
            return value
    return _value(node, sizes)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) or (not isinstance(value, float) and bool(value.is_integer))


def _float(value: Any) -> Any:
    """A whole number as a float."""
    if isinstance(value, int | float):
        return float(value)
    return _of_torch("ToFloat")(value) if value.is_integer else value


def _of_torch(name: str) -> Any:
    """A function that torch defines for sizes with letters, which there would be none of without it."""
    from convlin._util.torch_private import symbolic_function

    return symbolic_function(name)


def _rounded(name: str, value: Any) -> Any:
    if isinstance(value, int | float | Fraction):
        numbers: Mapping[str, Callable[..., Any]] = {
            "floor": math.floor,
            "ceil": math.ceil,
            "int": math.trunc,
            "round": round,
        }
        return numbers[name](value)
    if value.is_integer:
        return value
    return _of_torch(_ROUNDING[name])(value)
