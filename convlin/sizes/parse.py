"""Sizes written as text, ``"2*C"`` or ``"H//32"``: read with a fixed grammar, computed, never executed.

The grammar is whole numbers, names, ``+ - * // % /``, parentheses, ``floor``, ``ceil``, ``min`` and
``max``; ``⌊(H + 1)/2⌋`` as convlin prints it is read as well.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from convlin.errors import InputError
from convlin.sizes.types import Size

_SIGNS = str.maketrans({"⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "·": "*", "−": "-"})  # fmt: skip
_OPERATIONS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Div: lambda left, right: Fraction(left) / right if _is_number(left) else left / right,
}
_FUNCTIONS = ("floor", "ceil", "min", "max")
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
        tree = ast.parse(text.translate(_SIGNS).strip(), mode="eval").body if len(text) <= _LONGEST else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if tree is None or not _is_allowed(tree):
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        raise InputError(
            f'{shown!r} is not a valid size: write a name such as "N", or a formula such as "H//2" or "2*C"'
        )
    found = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id not in _FUNCTIONS)
    return Expression(text.strip(), tree, tuple(dict.fromkeys(found)))


def _is_allowed(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=int() as value):
            return not isinstance(value, bool) and value < _LARGEST
        case ast.Name(id=name):
            return name not in _FUNCTIONS
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
            return _is_allowed(inner)
        case ast.BinOp(op=operation, left=left, right=right):
            return type(operation) in _OPERATIONS and _is_allowed(left) and _is_allowed(right)
        case ast.Call(func=ast.Name(id=name), args=[*arguments], keywords=[]):
            count = len(arguments)
            fits = name in _FUNCTIONS and (count == 1 if name in ("floor", "ceil") else count > 1)
            return fits and all(_is_allowed(argument) for argument in arguments)
    return False


def _value(node: ast.expr, sizes: Mapping[str, Size]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return sizes[name]
        case ast.UnaryOp(op=sign, operand=inner):
            return -_value(inner, sizes) if isinstance(sign, ast.USub) else _value(inner, sizes)
        case ast.BinOp(op=operation, left=left, right=right):
            return _OPERATIONS[type(operation)](_value(left, sizes), _value(right, sizes))
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
