"""The names that a function binds: where each is bound, and where it is read."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import NamedTuple

from convlin.source.syntax import Function, Parsed, parameters

LOOPS = (
    ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp,
)  # fmt: skip
#: Functions that read and bind names which the text does not show.
_HIDDEN = frozenset({"locals", "globals", "vars", "eval", "exec"})


def scope_of(parsed: Parsed, node: ast.AST, name: str) -> ast.AST:
    """The function around a node that binds a name, or the file."""
    for outer in parsed.around(node):
        if isinstance(outer, Function) and name in names_of(outer):
            return outer
    return parsed.tree


def loop_around(parsed: Parsed, node: ast.AST) -> ast.AST | None:
    """The innermost loop that a node stands in, in its own function."""
    for each in parsed.around(node):
        if isinstance(each, Function):
            return None
        if isinstance(each, LOOPS):
            return each
    return None


def is_parameter(scope: ast.AST, name: str) -> bool:
    """Whether a scope is a function that is given something by a name."""
    return isinstance(scope, Function) and name in {each.arg for each in parameters(scope.args)}


def names_of(function: Function) -> set[str]:
    """What a function binds."""
    return {each.arg for each in parameters(function.args)} | {
        each.id for each in ast.walk(function) if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)
    }


def uses_of(scope: ast.AST, name: str) -> tuple[list[ast.Name], list[ast.Name]] | None:
    """Where a name is read and where it is bound, inside a scope; None where the text does not tell."""
    read: list[ast.Name] = []
    bound: list[ast.Name] = []
    for each in ast.walk(scope):
        match each:
            case ast.Name(id=found) if found == name:
                (read if isinstance(each.ctx, ast.Load) else bound).append(each)
            case ast.Name(id=found) if found in _HIDDEN:
                return None
            case ast.Global(names=names) | ast.Nonlocal(names=names) if name in names:
                return None
            case ast.alias(name=found, asname=other) if name in (found, other):
                return None
            case ast.FunctionDef(name=found) | ast.ClassDef(name=found) | ast.ExceptHandler(name=found) if (
                found == name
            ):
                return None
    return read, bound


class Bound(NamedTuple):
    """What a name is bound to, and where it is read."""

    value: ast.expr
    read: Sequence[ast.expr]


def bound_once(parsed: Parsed, scope: ast.AST, name: str) -> Bound | None:
    """What a name is bound to, where that happens once."""
    found = uses_of(scope, name)
    value = None if found is None else assigned(parsed, found[1])
    return None if found is None or value is None else Bound(value, found[0])


def assigned(parsed: Parsed, targets: Sequence[ast.expr]) -> ast.expr | None:
    """What is assigned to the one target by a statement that has no other."""
    if len(targets) != 1:
        return None
    (target,) = targets
    match parsed.statement(target):
        case ast.Assign(targets=[only], value=value) if only is target:
            return value
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)) if len(names) == len(values):
            starred = any(isinstance(each, ast.Starred) for each in (*names, *values))
            return None if starred or target not in names else values[names.index(target)]
        case ast.AnnAssign(target=only, value=ast.expr() as value) if only is target:
            return value
    return None
