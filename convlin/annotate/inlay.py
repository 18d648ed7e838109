"""The shapes as an editor shows them behind the code: the inlay hints of the Language Server Protocol."""

from __future__ import annotations

from typing import Any

from convlin.annotate.lines import FunctionLines, Line, function_lines
from convlin.annotate.listing import line_texts
from convlin.annotate.places import Comment, comments_of
from convlin.records import Report
from convlin.source.text import SourceText

#: Version of the JSON; it changes when a key changes what it means.
VERSION = 1


def inlay_hints(report: Report) -> dict[str, Any]:
    """For each file of the user's the hints behind its lines, in the order of the lines.

    ``line`` and ``column`` count from 0 and columns count UTF-16 code units, as the protocol does.
    """
    files: dict[str, list[dict[str, Any]]] = {}
    comments: dict[str, dict[int, Comment]] = {}
    for function in function_lines(report):
        name = function.source.name
        if name not in comments:
            comments[name] = comments_of(function.source)
        files.setdefault(name, []).extend(_hints(function, comments[name]))
    return {
        "version": VERSION,
        "files": [
            {"file": name, "hints": sorted(hints, key=lambda hint: hint["line"])} for name, hints in files.items()
        ],
    }


def _hints(function: FunctionLines, comments: dict[int, Comment]) -> list[dict[str, Any]]:
    return [
        {
            "line": line.last - 1,
            "column": _column(function.source, line, comments),
            "text": " | ".join(line_texts(line)),
        }
        for line in function.lines.values()
    ]


def _column(source: SourceText, line: Line, comments: dict[int, Comment]) -> int:
    """Behind the code of a line, in front of its comment."""
    start, end = source.lines(line.last, line.last)
    comment = comments.get(line.last)
    code = source.text[start : end if comment is None else comment.start].rstrip()
    return len(code.encode("utf-16-le")) // 2
