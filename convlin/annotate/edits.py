"""The edits that write shapes as comments into the user's files and change nothing else.

A comment that is true stays as it is.  One that is not gets the right shapes, and the words around it stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from convlin.annotate.arithmetic import since
from convlin.annotate.comments import written
from convlin.annotate.expressions import File
from convlin.annotate.holding import held
from convlin.annotate.line_length import line_length
from convlin.annotate.lines import FunctionLines, Line
from convlin.checks.patterns import Names
from convlin.records import Edit
from convlin.source.edits import edited, is_editable


def comment_edits(functions: Iterable[FunctionLines], letters: Names, *, arithmetic: bool = False) -> list[Edit]:
    """The edits of every file of the user's that these functions stand in; ``letters`` are those of the input.

    ``arithmetic`` adds how a size came about.
    """
    return [
        edit
        for function in functions
        if is_editable(function.source)
        for line in function.lines.values()
        for edit in _edits(line, function.file, letters, since(line) if arithmetic else "")
    ]


def _edits(line: Line, file: File, letters: Names, arithmetic: str) -> Iterator[Edit]:
    text = written(line.shapes)
    if text is None:
        return
    present = held(line, file, letters)
    if present is None:
        yield from _placed(line, file, _code_end(line, file), _candidates(line, text, arithmetic))
        return
    shapes = text if present.why else present.shapes.text
    had = present.shapes.arithmetic
    reason = arithmetic or (since(line) if had is not None else "")
    end = present.comment.start + had[1] if had is not None else present.end
    old, new = file.source.text[present.start : end], f"{shapes}{reason}"
    if new == old:
        return
    is_last = present.comment.start + len(present.comment.text.rstrip()) == end
    if is_last and not present.comment.own_line and _too_long(line, file, end, len(new) - len(old)):
        before = file.source.text[: file.source.text.rindex("#", 0, present.start)]
        start = len(before.rstrip(" \t"))
        yield from _placed(line, file, start, _candidates(line, shapes, reason), end)
        return
    yield edited(file.source, present.start, end, new)


def _candidates(line: Line, text: str, arithmetic: str) -> list[str]:
    """Comments in the order in which they are tried, the fullest first."""
    shorter = written(line.shapes, most=1) or text
    return list(dict.fromkeys([f"# {text}{arithmetic}", f"# {text}", f"# {shorter}"]))


def _placed(line: Line, file: File, start: int, candidates: list[str], end: int | None = None) -> Iterator[Edit]:
    """A comment at ``start``, behind the code, or on a line of its own above it: the first that fits.

    What stands from ``start`` to ``end`` goes.  Where none fits, nothing is added that was not there.
    """
    first, last = file.source.lines(line.first, line.first)
    code = file.source.text[first:last]
    indent = code[: len(code) - len(code.lstrip())]
    for comment in candidates:
        if not _too_long(line, file, start, len(comment) + 2):
            yield edited(file.source, start, end or start, f"  {comment}")
            return
        if len(indent.expandtabs(4)) + len(comment) <= line_length(file.source.name):
            break
    else:
        if end is None:
            return  # nowhere short enough
    if end is not None:
        yield edited(file.source, start, end, "")
    yield edited(file.source, first, first, f"{indent}{comment}{file.source.newline}")


def _code_end(line: Line, file: File) -> int:
    """Where a new comment goes: behind the code and the comment that is there, in front of blanks at the end."""
    start, end = file.source.lines(line.last, line.last)
    return start + len(file.source.text[start:end].rstrip(" \t"))


def _too_long(line: Line, file: File, end: int, more: int) -> bool:
    """Whether the last line of a statement, up to ``end``, has no room for more characters."""
    start, _ = file.source.lines(line.last, line.last)
    return len(file.source.text[start:end].expandtabs(4)) + more > line_length(file.source.name)
