"""Where the number that a call is given by a name is written, and what else reads it.

A constant that is bound once can be changed where it stands if all that reads it needs the same change.  So can a
number that the one caller passes on.  Of everything else it is not known what a change would do.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import FunctionType, ModuleType

from convlin.source.bindings import Bound, assigned, bound_once, is_parameter, loop_around, scope_of, uses_of
from convlin.source.constants import is_literal, whole_number
from convlin.source.first_round import entry, first_round
from convlin.source.syntax import Function, Parsed, defaults
from convlin.source.text import SourceText, read
from convlin.source.values import Called, Frame

Stretch = tuple[str, int, int]
"""A file, and where something in it starts and ends."""


@dataclass(frozen=True, slots=True)
class Written:
    """The expression of a number that a call is given by a name."""

    source: SourceText = field(repr=False)
    start: int
    end: int
    read: Stretch
    """The argument that reads it."""
    is_passed: bool = False
    """The code that makes the layer is given it: each caller may give another."""
    others: tuple[Stretch, ...] = ()
    """What else reads it."""
    first: int | None = None
    """The number itself, where a loop reads it in its first round alone."""

    @property
    def is_for_one(self) -> bool:
        """Where the call makes other layers as well, these are given other numbers."""
        return self.is_passed or self.first is not None


def where_written(frame: Frame, node: ast.expr, is_made_once: Callable[[type], bool]) -> Written | None:
    """Where the number of the argument ``node`` is written; None where the text does not tell what else reads it.

    ``is_made_once`` says of a class whether the model has one instance of it.
    """
    return _once(frame, node, is_made_once) or _of_first_round(frame, node, is_made_once)


def bound(frame: Frame, node: ast.expr) -> Bound | None:
    """What a name is bound to, an attribute of ``self`` or an entry of a dict, where that happens once."""
    parsed = frame.parsed
    match node:
        case ast.Name(id=name):
            scope = scope_of(parsed, node, name)
            return None if is_parameter(scope, name) else bound_once(parsed, scope, name)
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            if frame.owner is None or _has_heirs(frame.owner) or _is_known_above(frame.owner, name):
                return None
            return _attribute(parsed, name)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=key)):
            return _entry(parsed, scope_of(parsed, node, name), name, key)
    return None


def _once(frame: Frame, node: ast.expr, is_made_once: Callable[[type], bool]) -> Written | None:
    """Where it is written, if it is bound once."""
    parsed = frame.parsed
    if isinstance(node, ast.Name) and is_parameter(scope := scope_of(parsed, node, node.id), node.id):
        # Of a function around this one it is not known how it was called.
        own = parsed.function_around(node)
        return _passed(frame, own, node.id, is_made_once) if own is not None and own is scope else None
    found = bound(frame, node)
    if found is None or not is_literal(found.value):
        return None
    match node:
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)) if _is_at_top(parsed, found.value):
            if _is_imported(name, frame.globals):
                return None
    others = tuple(_stretch(parsed, each) for each in found.read if each is not node)
    return Written(parsed.source, *parsed.span(found.value), _stretch(parsed, node), others=others)


def _of_first_round(frame: Frame, node: ast.expr, is_made_once: Callable[[type], bool]) -> Written | None:
    """Where it is written, if a loop reads it in its first round."""
    parsed = frame.parsed
    found = first_round(parsed, node)
    if found is None:
        return None
    if found.value is not None:
        place = _written_out(frame, found.value) or where_written(frame, found.value, is_made_once)
        if _is_at_top(parsed, found.value) and _is_imported(found.name, frame.globals):
            return None
    else:
        function = parsed.function_around(node)
        assert function is not None, "a parameter is that of a function"
        place = _given(frame, function, found.name, is_made_once, entry if found.is_entry else None)
    if place is None or place.others:
        return None
    first = whole_number(ast.parse(f"({place.source.text[place.start : place.end]})", mode="eval").body)
    return None if first is None else replace(place, read=_stretch(parsed, node), first=first)


def _stretch(parsed: Parsed, node: ast.expr) -> Stretch:
    return (parsed.source.name, *parsed.span(node))


def _is_at_top(parsed: Parsed, node: ast.AST) -> bool:
    return parsed.function_around(node) is None


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


def _is_known_above(owner: type, name: str) -> bool:
    """Whether a class in another file that this one inherits from speaks of an attribute."""
    inherited = (each for each in owner.__mro__[1:] if each.__module__ != owner.__module__)
    methods = (each for base in inherited for each in vars(base).values() if isinstance(each, FunctionType))
    return any(name in each.__code__.co_names for each in methods)


def _attribute(parsed: Parsed, name: str) -> Bound | None:
    """What an attribute is set to, in a method or in the body of the class, where no other class of the file has it."""
    read: list[ast.Attribute] = []
    bound: list[ast.expr] = []
    for each in parsed.nodes:
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
    value = assigned(parsed, bound)
    return None if value is None else Bound(value, read)


def _targets(statement: ast.stmt) -> Iterator[ast.expr]:
    match statement:
        case ast.Assign(targets=targets):
            yield from targets
        case ast.AnnAssign(target=target):
            yield target


def _entry(parsed: Parsed, scope: ast.AST, name: str, key: object) -> Bound | None:
    """What stands under a key of a dict that is written out, where nothing is done with it but reading by key."""
    uses = uses_of(scope, name)
    display = None if uses is None else assigned(parsed, uses[1])
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
    return Bound(values[0], read) if len(values) == 1 else None


def _passed(frame: Frame, function: Function, name: str, is_made_once: Callable[[type], bool]) -> Written | None:
    """The default of a parameter, or what the call of this code gives, where the parameter is read once."""
    found = uses_of(function, name)
    if found is None or [len(each) for each in found] != [1, 0]:
        return None
    return _given(frame, function, name, is_made_once)


def _given(
    frame: Frame,
    function: Function,
    name: str,
    is_made_once: Callable[[type], bool],
    part: Callable[[ast.expr | None], ast.expr | None] | None = None,
) -> Written | None:
    """The default of a parameter, or what the call of this code gives, or a ``part`` of it."""
    call = frame.call
    if call is None or any(isinstance(each, ast.Starred) for each in call.node.args):
        return None
    if any(not each.arg for each in call.node.keywords):
        return None
    given = _argument(function, name, call)
    if given is None:
        default = defaults(function.args).get(name)
        default = default if part is None else part(default)
        return None if default is None else _written_out(frame, default)
    entered = given if part is None else part(given)
    if entered is None:
        return None
    found = _written_out(call.frame, entered) or where_written(call.frame, entered, is_made_once)
    if found is None or loop_around(call.frame.parsed, call.node) is not None:  # it may run several times
        return None
    once = found.is_passed or _is_made_once_by(call, frame, function, is_made_once)
    return replace(found, is_passed=True) if once else None


def _written_out(frame: Frame, node: ast.expr) -> Written | None:
    """A number that stands in a call itself."""
    if not is_literal(node):
        return None
    return Written(frame.parsed.source, *frame.parsed.span(node), _stretch(frame.parsed, node))


def _argument(function: Function, name: str, call: Called) -> ast.expr | None:
    """What a call gives for a parameter; None where it leaves it to the default."""
    for keyword in call.node.keywords:
        if keyword.arg == name:
            return keyword.value
    places = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    place = places.index(name) - call.is_bound if name in places else len(call.node.args)
    return call.node.args[place] if 0 <= place < len(call.node.args) else None


def _is_made_once_by(call: Called, frame: Frame, function: Function, is_made_once: Callable[[type], bool]) -> bool:
    """Whether the code that a call stands in runs once for a model, or what the call makes is there once."""
    if _is_constructor(function) and frame.owner is not None and is_made_once(frame.owner):
        return True
    around = call.frame.parsed.function_around(call.node)
    if around is None:
        return True
    return _is_constructor(around) and call.frame.owner is not None and is_made_once(call.frame.owner)


def _is_constructor(function: Function) -> bool:
    return isinstance(function, ast.FunctionDef) and function.name == "__init__"
