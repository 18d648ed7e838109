"""The lines of ``forward`` that make the first state of a layer, ``h0 = torch.zeros(1, len(x), 32)``, corrected."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from convlin.records import Edit, Location
from convlin.source.bindings import bound_once, scope_of
from convlin.source.edits import Rewrite, edited, rewritten
from convlin.source.forward import call_of
from convlin.source.kept import sizes_written
from convlin.source.syntax import Parsed

#: What is to be written for a size: a number, an axis of the layer's input, or what stands there now.
NewSize = int | str | None


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
    made = [_made(parsed, each) for each in _given(call)]
    if len(made) != len(new):
        return None
    edits: dict[ast.stmt, dict[Edit, None]] = {}
    for value, sizes in zip(made, new, strict=True):
        written = sizes_written(value, len(sizes)) if value is not None else ()
        for each, size in zip(written, sizes, strict=False):
            text = _text(parsed, call, size)
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
    """The states that a call is given, one by one."""
    if any(isinstance(each, ast.Starred) for each in call.args):
        return []
    given = [each.value for each in call.keywords if each.arg == "hx"] or call.args[1:2]
    return [inner for each in given for inner in (each.elts if isinstance(each, ast.Tuple) else [each])]


def _made(parsed: Parsed, node: ast.expr) -> ast.expr | None:
    """What a state is, where its name stands for one thing in that function."""
    if not isinstance(node, ast.Name):
        return node
    function = scope_of(parsed, node, node.id)
    found = bound_once(parsed, function, node.id) if function is parsed.function_around(node) else None
    return None if found is None else found.value


def _text(parsed: Parsed, call: ast.Call, size: NewSize) -> str | None:
    if not isinstance(size, str):
        return None if size is None else str(size)
    match call.args:
        case [ast.Name(id=name), *_]:
            return f"{name}{size}"
    return None
