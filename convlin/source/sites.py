"""The record of a call: where it stands, what it is given as it is written, and what it may be given.

All that rewriting a line needs to know of it, with nothing left of how it was found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from convlin.records import Location
from convlin.source.rewrite import Argument, Site
from convlin.source.syntax import Parsed
from convlin.source.torch_names import is_torch, parameters_of, takes_any_name
from convlin.source.values import Const, Made, Value

_LITERAL = (
    ast.Constant, ast.BinOp, ast.UnaryOp, ast.Tuple, ast.List, ast.operator, ast.unaryop, ast.expr_context,
)  # fmt: skip


def site_of(made: Made, *, certain: bool, repeated: bool) -> Site:
    """The record of a call."""
    parsed, node = made.frame.parsed, made.node
    source = parsed.source
    start, end = parsed.span(node)
    statement = parsed.statement(node)
    first, last = parsed.span(node.func)
    names = () if made.callee is None else parameters_of(made.callee)
    closed = made.callee is not None and (bool(names) or not takes_any_name(made.callee))
    return Site(
        location=Location(source.name, node.lineno),
        start=start,
        end=end,
        statement=(statement.lineno, statement.end_lineno or statement.lineno),
        callee=source.text[first:last],
        certain=certain,
        repeated=repeated,
        is_plain=made.callee is not None and is_torch(made.callee),
        source=source,
        arguments=tuple(_arguments(made)),
        accepts=frozenset(parameter.name for parameter in names) if closed else None,
    )


def _arguments(made: Made) -> Iterator[Argument]:
    parsed = made.frame.parsed
    by_position = {} if made.callee is None else {each.position: each.name for each in parameters_of(made.callee)}
    for position, node in enumerate(made.node.args):
        if isinstance(node, ast.Starred):
            by_position = {}
        value = made.arguments.positional[position : position + 1]
        yield _argument(parsed, node, by_position.get(position), value[0] if value else ())
    for keyword in made.node.keywords:
        name = keyword.arg
        yield _argument(parsed, keyword.value, name, made.arguments.keywords.get(name or "", ()), name is None)


def _argument(parsed: Parsed, node: ast.expr, name: str | None, value: Value, is_star: bool = False) -> Argument:
    start, end = parsed.span(node)
    literal = all(isinstance(inner, _LITERAL) for inner in ast.walk(node))
    star = is_star or isinstance(node, ast.Starred)
    origin = None
    match value:
        case (Const(node=ast.expr() as written, frame=frame),) if frame is not None and not literal:
            origin = Location(frame.parsed.source.name, written.lineno)
    return Argument(name, start, end, literal, star, origin)
