"""Where the number that a call is given by a name is written, and what else reads it.

A constant that is bound once can be changed where it stands if all that reads it needs the same change.  So can a
number that the one caller passes on.  Of everything else it is not known what a change would do.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import NamedTuple

from convlin.source.constants import is_literal
from convlin.source.syntax import Function, Parsed, defaults, parameters
from convlin.source.text import SourceText, read
from convlin.source.values import Const, Frame, Made, Value

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
#: Functions that read and bind names which the text does not show.
_HIDDEN = frozenset({"locals", "globals", "vars", "eval", "exec"})


Stretch = tuple[str, int, int]
"""A file, and where something in it starts and ends."""


@dataclass(frozen=True, slots=True)
class Written:
    """The expression of a number that a call is given by a name."""

    source: SourceText = field(repr=False)
    start: int
    end: int
    is_passed: bool
    """The code that makes the layer is given it: each caller may give another."""
    others: tuple[Stretch, ...] = ()
    """What else reads it."""


def where_written(made: Made, node: ast.expr, value: Value, is_made_once: Callable[[type], bool]) -> Written | None:
    """Where the number of the argument ``node`` is written; None where the text does not tell what else reads it.

    ``is_made_once`` says of a class whether the model has one instance of it.
    """
    parsed = made.frame.parsed
    found: _Bound | None = None
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
    if found is None or not is_literal(found.value):
        return None
    match node:
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)) if _is_at_top(parsed, found.value):
            if _is_imported(name, made.frame.globals):
                return None
    others = tuple((parsed.source.name, *parsed.span(each)) for each in found.read if each is not node)
    return Written(parsed.source, *parsed.span(found.value), is_passed=False, others=others)


def _is_at_top(parsed: Parsed, node: ast.AST) -> bool:
    return not any(isinstance(each, _FUNCTION) for each in parsed.around(node))


def _is_imported(name: str, namespace: Mapping[str, object]) -> bool:
    """Whether another file that is loaded has a name of the top of this file from it."""
    target, here = namespace.get(name), namespace.get("__file__")
    return any(
        vars(module).get(name) is target and _imports_from(module, str(namespace.get("__name__")))
        for module in tuple(sys.modules.values())
        if isinstance(module, ModuleType) and vars(module) is not namespace and vars(module).get("__file__") != here
    )


def _imports_from(module: ModuleType, other: str) -> bool:
    """Whether the source of a module speaks of importing another one; where there is none, it may."""
    source = read(str(vars(module).get("__file__")))
    last = re.escape(other.rpartition(".")[2])
    return source is None or re.search(rf"^\s*(from|import)\b.*\b{last}\b", source.text, re.MULTILINE) is not None


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


class _Bound(NamedTuple):
    """What a name is bound to, and where it is read."""

    value: ast.expr
    read: Sequence[ast.expr]


def _bound_once(parsed: Parsed, scope: ast.AST, name: str) -> _Bound | None:
    """What a name is bound to, where that happens once."""
    uses = _uses(scope, name)
    value = None if uses is None else _assigned(parsed, uses[1])
    return None if uses is None or value is None else _Bound(value, uses[0])


def _assigned(parsed: Parsed, targets: Sequence[ast.expr]) -> ast.expr | None:
    """What is assigned to the one target by a statement that has no other."""
    if len(targets) != 1:
        return None
    (target,) = targets
    match parsed.statement(target):
        case ast.Assign(targets=[only], value=value) if only is target:
            return value
        case ast.AnnAssign(target=only, value=ast.expr() as value) if only is target:
            return value
    return None


def _attribute(parsed: Parsed, name: str) -> _Bound | None:
    """What an attribute is set to, in a method or in the body of the class, where no other class of the file has it."""
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
    value = _assigned(parsed, bound)
    return None if value is None else _Bound(value, read)


def _targets(statement: ast.stmt) -> Iterator[ast.expr]:
    match statement:
        case ast.Assign(targets=targets):
            yield from targets
        case ast.AnnAssign(target=target):
            yield target


def _entry(parsed: Parsed, scope: ast.AST, name: str, key: object) -> _Bound | None:
    """What stands under a key of a dict that is written out, where nothing is done with it but reading by key."""
    uses = _uses(scope, name)
    display = None if uses is None else _assigned(parsed, uses[1])
    if uses is None or not isinstance(display, ast.Dict) or None in display.keys:
        return None
    read: list[ast.Subscript] = []
    for each in uses[0]:
        outer = next(parsed.around(each))
        match outer:
            case ast.Subscript(slice=ast.Constant(value=found), ctx=ast.Load()) if outer.value is each:
                read += [outer] if found == key else []
            case _:
                return None
    values = [
        value
        for each, value in zip(display.keys, display.values, strict=True)
        if isinstance(each, ast.Constant) and each.value == key
    ]
    return _Bound(values[0], read) if len(values) == 1 else None


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
        return Written(made.frame.parsed.source, *made.frame.parsed.span(node), is_passed=False)
    if not _is_given_once(made, function, node, frame, is_made_once):
        return None
    return Written(frame.parsed.source, *frame.parsed.span(node), is_passed=True)


def _is_given_once(
    made: Made, function: Function, node: ast.expr, frame: Frame, is_made_once: Callable[[type], bool]
) -> bool:
    """Whether a number stands in a call of this code itself, which runs once for a model."""
    outer = list(frame.parsed.around(node))
    call = outer[1] if isinstance(outer[0], ast.keyword) else outer[0]
    owner = made.frame.owner
    called = owner.__name__ if owner is not None and _is_constructor(function) else getattr(function, "name", "")
    if not isinstance(call, ast.Call) or ast.unparse(call.func).rpartition(".")[2] != called:
        return False
    if owner is not None and _is_constructor(function) and is_made_once(owner):
        return True
    for each in outer:
        if isinstance(each, ast.For | ast.AsyncFor | ast.While | ast.comprehension | ast.ListComp | ast.GeneratorExp):
            return False
        if isinstance(each, _FUNCTION):
            return _is_constructor(each) and frame.owner is not None and is_made_once(frame.owner)
    return True


def _is_constructor(function: Function) -> bool:
    return isinstance(function, ast.FunctionDef) and function.name == "__init__"
