"""A module that ``forward`` makes or names without calling it: the line, with the call."""

from __future__ import annotations

import ast

from convlin.records import Edit, Location
from convlin.source.rewrite import Rewrite, edited, rewrite
from convlin.source.syntax import Parsed, parsed_file


def with_call(where: Location, name: str, kind: str) -> tuple[Location, Rewrite] | None:
    """Where the argument of the layer ``name``, called at ``where``, comes from, and that line with the call.

    ``kind`` is the class of the module that arrived.  None where that cannot be told.

    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def forward(self, x):
    ...         x = nn.ReLU(self.conv(x))
    ...         return self.fc(x)
    >>> with_call(Location(Net.forward.__code__.co_filename, 4), "fc", "ReLU")[1].text
    'x = nn.ReLU()(self.conv(x))'
    """
    parsed = parsed_file(where.file)
    if parsed is None:
        return None
    calls = [
        node
        for node in ast.walk(parsed.tree)
        if isinstance(node, ast.Call)
        and node.lineno <= where.line <= (node.end_lineno or node.lineno)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == name
        and node.args
    ]
    if len(calls) != 1:
        return None
    given: ast.expr = calls[0].args[0]
    target = ""
    if isinstance(given, ast.Name):
        target = given.id
        assigned = _assigned(parsed, calls[0], target)
        if assigned is None:
            return None
        given = assigned
    edit = _called(parsed, given, kind, target)
    if edit is None:
        return None
    return Location(parsed.source.name, given.lineno), rewrite(parsed.source, *parsed.span(given), edit)


def _assigned(parsed: Parsed, call: ast.Call, name: str) -> ast.expr | None:
    """What was assigned to a name last, in the statements in front of the one that the call stands in."""
    statement = parsed.statement(call)
    for block in ast.walk(parsed.tree):
        for statements in (getattr(block, "body", None), getattr(block, "orelse", None)):
            if not isinstance(statements, list) or statement not in statements:
                continue
            for before in reversed(statements[: statements.index(statement)]):
                match before:
                    case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                        return value
                stored = (node for node in ast.walk(before) if isinstance(node, ast.Name))
                if any(node.id == name and isinstance(node.ctx, ast.Store) for node in stored):
                    return None
    return None


def _called(parsed: Parsed, given: ast.expr, kind: str, target: str) -> Edit | None:
    source = parsed.source
    end = parsed.span(given)[1]
    match given:
        case ast.Call(func=ast.Attribute(attr=made) | ast.Name(id=made), args=[_], keywords=[]) if made == kind:
            last = parsed.span(given.func)[1]
            return edited(source, last, last, "()")
        case ast.Attribute() if target:
            return edited(source, end, end, f"({target})")
    return None
