"""Divisions in the arguments of a call that takes whole numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from convlin.records import Edit, Location
from convlin.source.edits import Rewrite, edited, rewrite
from convlin.source.syntax import Parsed, parsed_file


def with_whole_divisions(where: Location, name: str) -> Rewrite | None:
    """The line with ``//`` for every ``/`` in the arguments of the one call of that name there; None without any.

    >>> class Net:
    ...     def forward(self, x):
    ...         return x.view(len(x), 8 * 60 / 4)  # 120.0
    >>> where = Location(Net.forward.__code__.co_filename, 3)
    >>> with_whole_divisions(where, "view").text
    'return x.view(len(x), 8 * 60 // 4)  # 120.0'
    """
    parsed = parsed_file(where.file)
    calls = parsed.calls(where.line, name) if parsed is not None else []
    if parsed is None or len(calls) != 1:
        return None
    (call,) = calls
    edits = [edit for each in (*call.args, *(word.value for word in call.keywords)) for edit in _whole(parsed, each)]
    return rewrite(parsed.source, *parsed.span(call), *edits) if edits else None


def _whole(parsed: Parsed, argument: ast.expr) -> Iterator[Edit]:
    for node in ast.walk(argument):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            between = parsed.span(node.left)[1], parsed.span(node.right)[0]
            at = parsed.source.text.find("/", *between)
            if parsed.source.text.count("/", *between) == 1:
                yield edited(parsed.source, at, at + 1, "//")
