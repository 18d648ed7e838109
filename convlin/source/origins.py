"""What a name stands for that a call is given, as the text around it says: ``width = hidden * 2``."""

from __future__ import annotations

import ast
from typing import NamedTuple

from convlin.records import Location
from convlin.source.bindings import is_parameter, scope_of, uses_of
from convlin.source.constants import whole_number
from convlin.source.syntax import Function, Parsed, defaults
from convlin.source.values import Frame
from convlin.source.written import bound

#: The characters of an expression that is quoted.
_LONGEST = 40
#: The names that are followed from one to the next.
_MOST_NAMES = 4


class Origin(NamedTuple):
    """Where a number comes from that a call is given by a name."""

    text: str
    """``width is hidden * 2``."""
    where: Location
    number: int | None
    """The number, where it is written there."""


def origin(frame: Frame, node: ast.expr) -> Origin | None:
    """What a name is bound to, or what a parameter is by default; None where the text does not tell."""
    parsed, names = frame.parsed, [node]
    while (found := _stands_for(frame, names[-1])) is not None and len(names) < _MOST_NAMES:
        names.append(found[0])
        if found[1]:
            break
    if len(names) == 1:
        return None
    value = names[-1]
    first, last = (_quoted(parsed, each) for each in (node, value))
    if first is None or last is None:
        return None
    of_default = found is not None and found[1]
    through = "".join(f" {_quoted(parsed, each)}, which is" for each in names[1:-1])
    text = f"{first} is{through} {last}{' by default' if of_default else ''}"
    return Origin(text, Location(parsed.source.name, value.lineno), whole_number(value))


def _stands_for(frame: Frame, node: ast.expr) -> tuple[ast.expr, bool] | None:
    """What a name is bound to, and whether that is a default."""
    found = bound(frame, node)
    if found is not None:
        return found.value, False
    if isinstance(node, ast.Name):
        scope = scope_of(frame.parsed, node, node.id)
        default = _default(scope, node.id)
        return None if default is None else (default, True)
    return None


def _default(scope: ast.AST, name: str) -> ast.expr | None:
    """The number that a parameter is by default, where nothing else is bound to it."""
    if not isinstance(scope, Function) or not is_parameter(scope, name):
        return None
    uses, default = uses_of(scope, name), defaults(scope.args).get(name)
    return None if uses is None or uses[1] or default is None or whole_number(default) is None else default


def _quoted(parsed: Parsed, node: ast.expr) -> str | None:
    start, end = parsed.span(node)
    text = " ".join(parsed.source.text[start:end].split())
    return text if len(text) <= _LONGEST else None
