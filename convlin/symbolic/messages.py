"""Whether text that code makes of a size is a message, which nobody compares with anything."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import islice
from types import FrameType

from convlin.source.syntax import Parsed, parsed_file

#: What prints or logs, by the last part of its name.
_SHOWS = {"print", "write", "debug", "info", "warning", "warn", "error", "exception", "critical", "log"}


def is_message(frame: FrameType) -> bool:
    """Whether text made there is raised, or printed or logged, or has a blank in it; not where that cannot be told."""
    parsed = parsed_file(frame.f_code.co_filename)
    if parsed is None:
        return False
    inner: ast.AST | None = None
    has_blank = False
    for node in _around(frame, parsed):
        if isinstance(node, ast.Compare | ast.Subscript):
            return False
        if isinstance(node, ast.Lambda):
            break
        if isinstance(node, ast.stmt):
            is_said = isinstance(node, ast.Raise) or (isinstance(node, ast.Assert) and inner is node.msg)
            return is_said or has_blank or (isinstance(node, ast.Expr) and _is_shown(node.value))
        has_blank = has_blank or _has_blank(node)
        inner = node
    return has_blank


def _around(frame: FrameType, parsed: Parsed) -> Iterator[ast.AST]:
    """The expression that runs in a frame and those that it stands in, up to its statement."""
    line, last, column, end = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
    if line is None or last is None or column is None or end is None:
        return
    start, stop = (line, column), (last, end)
    holding = [
        node
        for node in parsed.nodes
        if isinstance(node, ast.expr)
        and (node.lineno, node.col_offset) <= start
        and stop <= (node.end_lineno or node.lineno, node.end_col_offset or 0)
    ]
    if holding:  # the innermost comes last
        yield from (holding[-1], *parsed.around(holding[-1]))


def _is_shown(call: ast.expr) -> bool:
    """Whether a call prints or logs what it is given; ``self.seen.add(...)`` keeps it, to be compared later."""
    function = call.func if isinstance(call, ast.Call) else call
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _SHOWS


def _has_blank(node: ast.AST) -> bool:
    """Whether text is put together there of which a part has a blank."""
    if isinstance(node, ast.JoinedStr):
        parts: list[ast.expr] = node.values
    elif isinstance(node, ast.BinOp):
        parts = [node.left, node.right]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        parts = [node.func.value]
    else:
        return False
    texts = (part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))
    return any(re.search(r"\s", text) for text in texts)
