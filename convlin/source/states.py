"""The lines of ``forward`` that make the first state of a layer, ``h0 = torch.zeros(1, len(x), 32)``, corrected."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from convlin.records import Edit, Location
from convlin.source.bindings import assigned, loop_around, scope_of, uses_of
from convlin.source.edits import Rewrite, edited, rewritten
from convlin.source.forward import call_of
from convlin.source.kept import LIKE, sizes_written
from convlin.source.syntax import Parsed, parameters

#: What is to be written for a size: a number, an axis of the layer's input, or what stands there now.
NewSize = int | str | None
#: Names, pairs and methods that lie between a call and the state that it is given.
_MOST_STEPS = 6


def corrected_states(where: Location, name: str, new: Sequence[Sequence[NewSize]]) -> tuple[Location, Rewrite] | None:
    """Where the states are made that the layer ``name`` is called with, and those lines with other sizes.

    A text such as ``.size(0)`` is written behind the layer's input.  None where the lines are not known for certain.

    >>> import torch
    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def forward(self, x):
    ...         h0 = torch.zeros(1, x.size(0), 32)
    ...         return self.rnn(x, h0)
    >>> corrected_states(Location(Net.forward.__code__.co_filename, 4), "rnn", [(None, None, 64)])[1].text
    'h0 = torch.zeros(1, x.size(0), 64)'
    """
    found = call_of(where, name)
    if found is None:
        return None
    parsed, call = found
    made = [each for given in _given(call) for each in _made(parsed, given)]
    if len(made) != len(new):
        return None
    edits: dict[ast.stmt, dict[Edit, None]] = {}
    for value, sizes in zip(made, new, strict=True):
        written = sizes_written(value, len(sizes)) if value is not None else ()
        for each, size in zip(written, sizes, strict=False):
            text = _text(parsed, call, value, size) if value is not None else None
            if text is not None and value is not None:
                edit = edited(parsed.source, *parsed.span(each), text)
                edits.setdefault(parsed.statement(value), {})[edit] = None
        if not written and any(size is not None for size in sizes):
            return None
    if not edits:
        return None
    lines = [rewritten(parsed.source, *parsed.span(each), own) for each, own in edits.items()]
    every = tuple(edit for own in edits.values() for edit in own)
    return Location(parsed.source.name, next(iter(edits)).lineno), Rewrite("\n".join(lines), every)


def _given(call: ast.Call) -> list[ast.expr]:
    """What a call is given for its states."""
    if any(isinstance(each, ast.Starred) for each in call.args):
        return []
    return [each.value for each in call.keywords if each.arg == "hx"] or call.args[1:2]


def _made(parsed: Parsed, node: ast.expr, depth: int = 0) -> list[ast.expr | None]:
    """What each state is, where it is made: also behind a name, in a pair, and in a method of the same class.

    None where that is not known for certain.
    """
    if depth > _MOST_STEPS:
        return [None]
    match node:
        case ast.Tuple(elts=parts):
            return [made for part in parts for made in _made(parsed, part, depth + 1)]
        case ast.Name():
            return _bound(parsed, node, depth)
        case ast.Call(func=ast.Attribute(value=ast.Name() as inner, attr=name)) if name in LIKE:
            return _bound(parsed, inner, depth)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)):
            returned = _returned(parsed, node, owner, name)
            return [node] if returned is None else _made(parsed, returned, depth + 1)
    return [node]


def _bound(parsed: Parsed, node: ast.Name, depth: int) -> list[ast.expr | None]:
    """What a name stands for where it is read; in a loop, what it stood for in front of that."""
    function = scope_of(parsed, node, node.id)
    uses = uses_of(function, node.id) if function is parsed.function_around(node) else None
    if uses is None:
        return [None]
    loop, start = loop_around(parsed, node), parsed.span(parsed.statement(node))[0]
    before = [each for each in uses[1] if parsed.span(parsed.statement(each))[0] < start]
    outside = [each for each in before if loop is not None and loop not in parsed.around(each)]
    targets = outside or before
    if (value := assigned(parsed, targets)) is not None:
        return _made(parsed, value, depth + 1)
    if len(targets) == 1:
        match parsed.statement(targets[0]):
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Call() as value) if targets[0] in names:
                made = _made(parsed, value, depth + 1)
                return [made[names.index(targets[0])]] if len(made) == len(names) else [None]
    return [None]


def _returned(parsed: Parsed, node: ast.AST, owner: str, name: str) -> ast.expr | None:
    """What ``self.name(...)`` returns, a method of the class that this is written in; None of any other call."""
    function = parsed.function_around(node)
    own = next((each for each in parsed.around(node) if isinstance(each, ast.ClassDef)), None)
    if function is None or own is None or owner not in {each.arg for each in parameters(function.args)[:1]}:
        return None
    methods = [each for each in own.body if isinstance(each, ast.FunctionDef) and each.name == name]
    inside = [each for method in methods for each in ast.walk(method) if isinstance(each, ast.Return)]
    return inside[0].value if len(methods) == len(inside) == 1 else None


def _text(parsed: Parsed, call: ast.Call, value: ast.expr, size: NewSize) -> str | None:
    """What is to be written for a size of a state; None where the input is not known by a name there."""
    if not isinstance(size, str):
        return None if size is None else str(size)
    if parsed.function_around(value) is not parsed.function_around(call):
        return None
    match call.args:
        case [ast.Name(id=name), *_]:
            return f"{name}{size}"
        case [ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=[ast.Slice() as whole, *_])), *_]:
            # One step of a sequence: the batch is that of all.
            return f"{name}{size}" if not (whole.lower or whole.upper or whole.step) else None
    return None
