"""The code of every ``forward`` that ran, with the shape of what each line makes at its right."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from html import escape
from typing import NamedTuple

from convlin.annotate.lines import FunctionLines, Line, Shapes, function_lines
from convlin.errors import InputError
from convlin.explanation.of_model import require_run
from convlin.records import Location, Problem, Report
from convlin.render import words
from convlin.render.columns import needs
from convlin.render.html_style import STYLE

#: Shapes stand in one column behind code up to this width; longer lines push them out.
_WIDEST = 88
#: More different results than fit here stand below each other.
_ROOM = 60


class Part(enum.Enum):
    """What a stretch of a listing is."""

    HEAD = enum.auto()
    NUMBER = enum.auto()
    CODE = enum.auto()
    SHAPES = enum.auto()
    WRONG = enum.auto()


class Listing(str):
    """Code with shapes as text, which shows as it reads; a notebook shows it as HTML."""

    __slots__ = ("_html", "parts")

    parts: tuple[tuple[Part, str], ...]
    """The same text in stretches, for who shows them in different colors."""
    _html: str

    def __new__(cls, parts: Iterable[tuple[Part, str]], html: str) -> Listing:
        """``html`` is the same listing for a notebook."""
        parts = tuple(parts)
        made = super().__new__(cls, "".join(text for _, text in parts))
        made.parts = parts
        made._html = html
        return made

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self._html


class _Row(NamedTuple):
    """One line of code, with what stands beside it."""

    number: int
    code: str
    beside: tuple[str, ...]
    wrong: tuple[str, ...]


def listing(report: Report, *, ascii_only: bool = False) -> Listing:
    """The listing of a report.

    Raises:
        InputError: no pass was run, or it ran no code whose source can be found.
    """
    require_run(report)
    functions = function_lines(report)
    if not functions:
        raise InputError(
            f"{report.model} ran no code of your own whose source can be found: "
            "its modules come from installed packages, the source has changed since, or the summary was read from JSON"
        )
    parts = _joined(functions)
    html = f'<div class="convlin"><style>{STYLE}</style>{"".join(map(_html, functions))}</div>'
    return Listing([(part, words.ascii_only(text)) for part, text in parts] if ascii_only else parts, html)


def shapes_text(shapes: Shapes, times: int = 1) -> str:
    """What one result is: ``1×8×5, 1×1×5``, with how often there was that result.

    >>> shapes_text(((1, 8, 5), (5,)), 3)
    '1×8×5, 5  (×3)'
    """
    text = ", ".join(map(words.shape, shapes))
    return f"{text}  (×{times})" if times > 1 else text


def line_texts(line: Line) -> tuple[str, ...]:
    """Everything that stands beside a line: its shapes, and what does not fit there."""
    return (*_beside(line), *_wrong(line))


def _rows(function: FunctionLines) -> Iterator[_Row]:
    source = function.source
    start, end = source.lines(function.first, function.last)
    code = source.text[start:end].replace("\r\n", "\n").replace("\r", "\n").expandtabs(4).split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in code if line.strip()), default=0)
    for number, text in enumerate(code, function.first):
        line = function.lines.get(number)
        beside = _beside(line) if line is not None else ()
        if number in function.not_taken:
            beside = (*beside, "(not taken)")
        yield _Row(number, text[margin:].rstrip(), beside, _wrong(line) if line is not None else ())


def _beside(line: Line) -> tuple[str, ...]:
    found = tuple(shapes_text(shapes, times) for shapes, times in line.shapes.items())
    together = " | ".join(found)
    return (together,) if found and len(together) <= _ROOM else found


def _wrong(line: Line) -> tuple[str, ...]:
    told = tuple(f"✗ {_name(problem)}{needs(problem)}" for problem in line.problems)
    return told or (("✗ the pass stopped here",) if line.failed else ())


def _name(problem: Problem) -> str:
    return f"{problem.path} " if problem.path and problem.changes and not problem.layer else ""


def _head(function: FunctionLines) -> str:
    at = Location(function.source.name, function.first).text
    paths = ", ".join(path for path in function.paths if path)
    return f"{function.name}  {at}" + (f"  of {paths}" if paths and len(paths) <= _ROOM else "")


def _joined(functions: Iterable[FunctionLines]) -> Iterator[tuple[Part, str]]:
    between = ""
    for function in functions:
        yield Part.CODE, between
        yield from _parts(function)
        between = "\n\n"


def _parts(function: FunctionLines) -> Iterator[tuple[Part, str]]:
    rows = list(_rows(function))
    digits = len(str(function.last))
    with_shapes = [len(row.code) for row in rows if row.beside or row.wrong]
    width = min(max(with_shapes, default=0), _WIDEST)
    yield Part.HEAD, _head(function)
    yield Part.CODE, "\n"
    for row in rows:
        beside = [*((Part.SHAPES, text) for text in row.beside), *((Part.WRONG, text) for text in row.wrong)]
        yield Part.NUMBER, f"\n{row.number:>{digits}}"
        if beside:
            yield Part.CODE, f"  {row.code:<{width}}  "
            yield beside[0]
        elif row.code:
            yield Part.CODE, f"  {row.code}"
        for more in beside[1:]:
            yield Part.CODE, f"\n{'':{digits + width + 4}}"
            yield more


def _html(function: FunctionLines) -> str:
    rows = "".join(map(_html_row, _rows(function)))
    return f'<p class="head">{escape(_head(function))}</p><div class="wide"><table class="code">{rows}</table></div>'


def _html_row(row: _Row) -> str:
    beside = "<br>".join(map(escape, (*row.beside, *row.wrong)))
    bad = ' class="bad"' if row.wrong else ""
    code = f'<td style="white-space:pre;font-family:monospace">{escape(row.code)}</td>'
    return f'<tr{bad}><td class="n dim">{row.number}</td>{code}<td>{beside}</td></tr>'
