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

_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
_COMPARISON: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


def lifted(target: object, node: ast.AST | None = None) -> Value:
    """The value that is a live object; of an object with a state of its own nothing is known."""
    if type(target) in PLAIN or (type(target) is tuple and all(type(part) in PLAIN for part in target)):
        return constant(target)
    if isinstance(target, type | FunctionType | BuiltinFunctionType | ModuleType) or type(target) is functools.partial:
        return ref(target)
    return (Unknown(node),)


def named(namespace: Mapping[str, object], name: str, node: ast.AST) -> Value:
    """The value that is a live object under its name; not known if there is none."""
    return lifted(namespace[name], node) if name in namespace else (Unknown(node),)


def single(value: Value) -> Const | None:
    """The constant that a value is, if it is one and nothing else."""
    match value:
        case (Const() as found,):
            return found
    return None


def arithmetic(operation: ast.operator, left: Value, right: Value) -> Value | None:
    """Two constants computed with; None where that is not known."""
    one, other = single(left), single(right)
    if isinstance(operation, ast.Add | ast.Mod) and (one is None or other is None or one.kind is str):
        return _text(operation, left, right)
    compute = _ARITHMETIC.get(type(operation))
    if one is None or other is None or compute is None or not _numbers(one.value, other.value):
        return None
    try:
        result = compute(one.value, other.value)
    except (ArithmeticError, ValueError):
        return None
    return constant(result, firm=one.firm and other.firm) if abs(result) < _LARGEST else None


def negated(value: Value) -> Value | None:
    """Minus a number."""
    found = single(value)
    return constant(-found.value, firm=found.firm) if found and _numbers(found.value, 0) else None  # type: ignore[operator]


def comparison(operations: list[ast.cmpop], values: list[Value]) -> Value | None:
    """One comparison of two constants, or of anything with None."""
    if len(operations) != 1:
        return None
    operation, (left, right) = operations[0], values
    one, other = single(left), single(right)
    if isinstance(operation, ast.Is | ast.IsNot):
        if other is None or other.value is not None or (is_none := _is_none(left)) is None:
            return None
        return constant(is_none is isinstance(operation, ast.Is), firm=True)
    compare = _COMPARISON.get(type(operation))
    if one is None or other is None or compare is None:
        return None
    if not _numbers(one.value, other.value) and not (one.kind is other.kind is str):
        return None
    return constant(compare(one.value, other.value), firm=one.firm and other.firm)


def truth(value: Value) -> bool | None:
    """Whether a condition holds; None unless that is certain."""
    found = single(value)
    return bool(found.value) if found is not None and found.firm else None


def pattern(value: Value) -> str:
    """The regular expression of what a value looks like as text."""
    match value:
        case (Const(value=found),):
            return re.escape(str(found))
        case (Text(pattern=found),):
            return found
    return ".*"


def _text(operation: ast.operator, left: Value, right: Value) -> Value | None:
    match left, right:
        case (Const(value=str() as form),), (Const(value=str() as rest),) if isinstance(operation, ast.Add):
            return constant(form + rest)
        case (Const(value=str() as form),), _ if isinstance(operation, ast.Mod):
            return (Text(re.escape(form.partition("%")[0]) + ".*"),)
        case ((Const(value=str()) | Text(),), _) | (_, (Const(value=str()) | Text(),)) if isinstance(
            operation, ast.Add
        ):
            return (Text(pattern(left) + pattern(right)),)
    return None


def _is_none(value: Value) -> bool | None:
    match value:
        case (Const(value=found, firm=True),):
            return found is None
        case (Made(callee=type()) | Bunch() | Closure() | Ref(),):
            return False
    return None


def _numbers(*values: object) -> bool:
    return all(type(value) in (int, float, bool) for value in values)
