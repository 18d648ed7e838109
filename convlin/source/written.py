"""Where the number that a call is given by a name is written, if nothing but that call reads it.

A constant that is bound once and read once can be changed where it stands: nothing else follows it.  So can a number
that the one caller passes on.  Of everything else it is not known what a change would do.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType

from convlin.source.constants import is_literal
from convlin.source.syntax import Function, Parsed, defaults, parameters
from convlin.source.text import SourceText
from convlin.source.values import Const, Frame, Made, Value

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
#: Functions that read and bind names which the text does not show.
_HIDDEN = frozenset({"locals", "globals", "vars", "eval", "exec"})


@dataclass(frozen=True, slots=True)
class Written:
    """The expression of a number that one call alone reads."""

    source: SourceText = field(repr=False)
    start: int
    end: int
    is_passed: bool
    """The code that makes the layer is given it: each caller may give another."""


def where_written(made: Made, node: ast.expr, value: Value, is_made_once: Callable[[type], bool]) -> Written | None:
    """Where the number of the argument ``node`` is written; None where something else may read it.

    ``is_made_once`` says of a class whether the model has one instance of it.
    """
    parsed = made.frame.parsed
    found: ast.expr | None = None
    match node:
        case ast.Name(id=name):
            scope = _scope(parsed, node, name)
            if isinstance(scope, _FUNCTION) and name in {each.arg for each in parameters(scope.args)}:
                return _passed(made, scope, name, value, is_made_once)
            found = _bound_once(parsed, scope, name)
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            if made.frame.owner is None or _has_heirs(made.frame.owner):
                return None
            found = _attribute(parsed, name)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=key)):
            found = _entry(parsed, _scope(parsed, node, name), name, key)
    if found is None or not is_literal(found):
        return None
    match node:
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)) if _is_at_top(parsed, found):
            if _is_imported(name, made.frame.globals):
                return None
    return _at(parsed, found, is_passed=False)


def _is_at_top(parsed: Parsed, node: ast.AST) -> bool:
    return not any(isinstance(each, _FUNCTION) for each in parsed.around(node))


def _at(parsed: Parsed, node: ast.expr, *, is_passed: bool) -> Written:
    return Written(parsed.source, *parsed.span(node), is_passed)


def _is_imported(name: str, namespace: Mapping[str, object]) -> bool:
    """Whether another file has a name of the top of this file, too."""
    target = namespace.get(name)
    return any(
        vars(module).get(name) is target
        for module in tuple(sys.modules.values())
        if isinstance(module, ModuleType) and vars(module) is not namespace
    )


def _has_heirs(owner: type) -> bool:
    """Whether a class in another file inherits what this one sets."""
    heirs: list[type] = owner.__subclasses__()
    return any(each.__module__ != owner.__module__ or _has_heirs(each) for each in heirs)


def _scope(parsed: Parsed, node: ast.AST, name: str) -> ast.AST:
    """The function around a node that binds a name, or the file."""
    for outer in parsed.around(node):
        if isinstance(outer, _FUNCTION) and name in _names(outer):
            return outer
    return parsed.tree


def _names(function: Function) -> set[str]:
    """What a function binds."""
    return {each.arg for each in parameters(function.args)} | {
        each.id for each in ast.walk(function) if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)
    }


def _uses(scope: ast.AST, name: str) -> tuple[list[ast.Name], list[ast.Name]] | None:
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


def _bound_once(parsed: Parsed, scope: ast.AST, name: str) -> ast.expr | None:
    """What a name is bound to, where that happens once and is read once."""
    uses = _uses(scope, name)
    if uses is None or [len(each) for each in uses] != [1, 1]:
        return None
    return _assigned(parsed.statement(uses[1][0]), uses[1][0])


def _assigned(statement: ast.stmt, target: ast.expr) -> ast.expr | None:
    """What a statement assigns to this target and to no other."""
    match statement:
        case ast.Assign(targets=[only], value=value) if only is target:
            return value
        case ast.AnnAssign(target=only, value=ast.expr() as value) if only is target:
            return value
    return None


def _attribute(parsed: Parsed, name: str) -> ast.expr | None:
    """What an attribute is set to, in a method or in the body of the class, where that is read once in the file."""
    read: list[ast.Attribute] = []
    bound: list[ast.expr] = []
    for each in ast.walk(parsed.tree):
        match each:
            case ast.Attribute(attr=found) if found == name:
                if isinstance(each.ctx, ast.Load):
                    read.append(each)
                else:
                    bound.append(each)
            case ast.Constant(value=str() as text) if text == name:
                return None
            case ast.ClassDef(body=body):
                bound += [
                    target
                    for statement in body
                    for target in _targets(statement)
                    if isinstance(target, ast.Name) and target.id == name
                ]
    if len(read) != 1 or len(bound) != 1:
        return None
    return _assigned(parsed.statement(bound[0]), bound[0])


def _targets(statement: ast.stmt) -> Iterator[ast.expr]:
    match statement:
        case ast.Assign(targets=targets):
            yield from targets
        case ast.AnnAssign(target=target):
            yield target


def _entry(parsed: Parsed, scope: ast.AST, name: str, key: object) -> ast.expr | None:
    """What stands under a key of a dict that is written out, where nothing is done with it but reading by key."""
    uses = _uses(scope, name)
    if uses is None or len(uses[1]) != 1:
        return None
    keys = [_key_read(parsed, each) for each in uses[0]]
    display = _assigned(parsed.statement(uses[1][0]), uses[1][0])
    if None in keys or keys.count(key) != 1 or not isinstance(display, ast.Dict):
        return None
    found = [
        value
        for each, value in zip(display.keys, display.values, strict=True)
        if isinstance(each, ast.Constant) and each.value == key
    ]
    return found[0] if len(found) == 1 and None not in display.keys else None


def _key_read(parsed: Parsed, name: ast.Name) -> object:
    outer = next(parsed.around(name))
    match outer:
        case ast.Subscript(slice=ast.Constant(value=key), ctx=ast.Load()) if outer.value is name:
            return key
    return None


def _passed(
    made: Made, function: Function, name: str, value: Value, is_made_once: Callable[[type], bool]
) -> Written | None:
    """The default of a parameter, or what the one call of this code gives, where the parameter is read once."""
    uses = _uses(function, name)
    if uses is None or [len(each) for each in uses] != [1, 0]:
        return None
    match value:
        case (Const(node=ast.expr() as node, frame=Frame() as frame),) if is_literal(node):
            pass
        case _:
            return None
    default = defaults(function.args).get(name)
    if default is node:
        return _at(made.frame.parsed, node, is_passed=False)
    return (
        _at(frame.parsed, node, is_passed=True) if _is_given_once(made, function, node, frame, is_made_once) else None
    )


def _is_given_once(
    made: Made, function: Function, node: ast.expr, frame: Frame, is_made_once: Callable[[type], bool]
) -> bool:
    """Whether a number stands in a call of this code itself, which runs once."""
    outer = list(frame.parsed.around(node))
    call = outer[1] if isinstance(outer[0], ast.keyword) else outer[0]
    owner = made.frame.owner
    called = owner.__name__ if owner is not None and _is_constructor(function) else getattr(function, "name", "")
    if not isinstance(call, ast.Call) or ast.unparse(call.func).rpartition(".")[2] != called:
        return False
    for each in outer:
        if isinstance(each, ast.For | ast.AsyncFor | ast.While | ast.comprehension | ast.ListComp | ast.GeneratorExp):
            return False
        if isinstance(each, _FUNCTION):
            return _is_constructor(each) and frame.owner is not None and is_made_once(frame.owner)
    return True


def _is_constructor(function: Function) -> bool:
    return isinstance(function, ast.FunctionDef) and function.name == "__init__"
