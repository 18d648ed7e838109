"""The shapes as an editor shows them behind the code: the inlay hints of the Language Server Protocol."""

from __future__ import annotations

from typing import Any

from convlin.annotate.expressions import File
from convlin.annotate.lines import Line, function_lines
from convlin.annotate.listing import line_texts
from convlin.records import Report

#: Version of the JSON; it changes when a key changes what it means.
VERSION = 1


def inlay_hints(report: Report) -> dict[str, Any]:
    """For each file of the user's the hints behind its lines, in the order of the lines.

    ``line`` and ``column`` count from 0 and columns count UTF-16 code units, as the protocol does.
    """
    files: dict[str, list[dict[str, Any]]] = {}
    for function in function_lines(report):
        files.setdefault(function.source.name, []).extend(
            _hint(line, function.file) for line in function.lines.values()
        )
    return {
        "version": VERSION,
        "files": [
            {"file": name, "hints": sorted(hints, key=lambda hint: hint["line"])} for name, hints in files.items()
        ],
    }


def _hint(line: Line, file: File) -> dict[str, Any]:
    # Behind the code of a line, in front of its comment.
    start, end = file.source.lines(line.last, line.last)
    comment = file.comments.get(line.last)
    code = file.source.text[start : end if comment is None else comment.start].rstrip()
    return {"line": line.last - 1, "column": len(code.encode("utf-16-le")) // 2, "text": " | ".join(line_texts(line))}
