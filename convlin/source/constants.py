"""Plain constants in the code that is followed: what an expression of them comes to.

Only what cannot fail, run away or run foreign code is computed; everything else is not known.
"""

from __future__ import annotations

import ast
import functools
import operator
import re
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

from convlin.source.values import Bunch, Closure, Const, Made, Ref, Text, Unknown, Value, constant, ref

PLAIN: Final = (int, float, str, bool, bytes, type(None), type(...))
_LARGEST = 1 << 62

_OPERATIONS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv, ast.Mod: operator.mod, ast.USub: operator.neg, ast.Not: operator.not_,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip


_LITERAL: Final = (
    ast.Constant, ast.BinOp, ast.UnaryOp, ast.Tuple, ast.List, ast.operator, ast.unaryop, ast.expr_context,
)  # fmt: skip


def is_literal(node: ast.AST) -> bool:
    """Plain numbers, not a variable or a call that other code may use as well."""
    return all(isinstance(inner, _LITERAL) for inner in ast.walk(node))


def whole_number(node: ast.expr) -> int | None:
    """The number that is written out, as itself or as a product or sum; None for what is none."""
    found = _computed(node)
    return found.value if found is not None and type(found.value) is int else None


def _computed(node: ast.expr) -> Const | None:
    value: Value | None = None
    match node:
        case ast.Constant(value=plain):
            value = constant(plain)
        case ast.BinOp(left=left, op=operation, right=right):
            sides = _computed(left), _computed(right)
            value = None if None in sides else computed(operation, *((each,) for each in sides if each is not None))
    return None if value is None else single(value)


def lifted(target: object, node: ast.AST | None = None) -> Value:
    """The value that is a live object; of an object with a state of its own nothing is known."""
    if type(target) in PLAIN or (type(target) is tuple and all(type(part) in PLAIN for part in target)):
        return constant(target)
    if isinstance(target, type | FunctionType | BuiltinFunctionType | ModuleType) or type(target) is functools.partial:
        return ref(target)
    return (Unknown(node),)


def named(namespace: Mapping[str, object], name: str, node: ast.AST | None) -> Value:
    """The value that is a live object under its name; not known if there is none."""
    return lifted(namespace[name], node) if name in namespace else (Unknown(node),)


def single(value: Value) -> Const | None:
    """The constant that a value is, if it is one and nothing else."""
    return value[0] if len(value) == 1 and isinstance(value[0], Const) else None


def truth(value: Value) -> bool | None:
    """Whether a condition holds; None unless that is certain."""
    found = single(value)
    return bool(found.value) if found is not None and found.firm else None


def computed(operation: ast.AST, *values: Value) -> Value | None:
    """One operation of plain numbers, or two texts put together or compared; None where that is not known."""
    if isinstance(operation, ast.Is | ast.IsNot):
        return _compared_with_none(operation, *values)
    if isinstance(operation, ast.Add | ast.Mod) and any(map(_is_text, values)):
        return _text(operation, *values)
    known = [found for found in map(single, values) if found is not None]
    compute = _OPERATIONS.get(type(operation))
    if compute is None or len(known) < len(values):
        return None
    plain = [found.value for found in known]
    is_text = isinstance(operation, ast.cmpop) and all(type(each) is str for each in plain)
    if not is_text and not all(type(each) in (int, float, bool) for each in plain):
        return None
    try:
        result = compute(*plain)
    except (ArithmeticError, ValueError):
        return None
    return constant(result, firm=all(found.firm for found in known)) if abs(result) < _LARGEST else None


def pattern(value: Value) -> str:
    """The regular expression of what a value looks like as text."""
    match value:
        case (Const(value=found),):
            return re.escape(str(found))
        case (Text(pattern=found),):
            return found
    return ".*"


def filled(form: str, sign: str) -> Value:
    """A text with something else in it from a sign on: ``"fc%d" % i``, ``"fc{}".format(i)``."""
    return (Text(re.escape(form.partition(sign)[0]) + ".*"),)


def _text(operation: ast.AST, left: Value, right: Value) -> Value | None:
    form, rest = single(left), single(right)
    if isinstance(operation, ast.Mod):
        return filled(form.value, "%") if form is not None and isinstance(form.value, str) else None
    if form is not None and rest is not None:
        return constant(f"{form.value}{rest.value}")
    return (Text(pattern(left) + pattern(right)),)


def _is_text(value: Value) -> bool:
    return len(value) == 1 and (isinstance(value[0], Text) or (isinstance(value[0], Const) and value[0].kind is str))


def _compared_with_none(operation: ast.AST, left: Value, right: Value) -> Value | None:
    other = single(right)
    if other is None or other.value is not None:
        return None
    match left:
        case (Const(value=found, firm=True),):
            return constant((found is None) is isinstance(operation, ast.Is), firm=True)
        case (Made(callee=type()) | Bunch() | Closure() | Ref(),):
            return constant(isinstance(operation, ast.IsNot), firm=True)
    return None
