"""The shape comments of some functions that are not true of what their lines made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from convlin.annotate.comments import found, written
from convlin.annotate.expressions import File
from convlin.annotate.holding import Held, held, letters_of
from convlin.annotate.lines import FunctionLines, Line, together
from convlin.checks.patterns import Names
from convlin.errors import InputError
from convlin.records import Location, Report
from convlin.source.edits import is_editable
from convlin.source.text import SourceText


class Stale(NamedTuple):
    """A comment that is not true."""

    where: Location
    comment: str
    """The shapes that it says."""
    why: str
    right: str | None
    """The shapes that would be true, where they can be written."""

    @property
    def text(self) -> str:
        """All of it, without the place."""
        return f"{self.comment}: {self.why}" + (f"\nfix: # {self.right}" if self.right else "")


class Checked(NamedTuple):
    """What came of all comments."""

    true: int
    """How many were found to be true."""
    stale: tuple[Stale, ...]
    unseen: tuple[Location, ...]
    """Comments in functions that ran, on lines that did not, or whose result was not seen."""


def failure(report: Report) -> str:
    """The message of the ``ShapeError`` about every comment that is not true of one run; empty if none is.

    Raises:
        InputError: there is nothing that comments could be held against.
    """
    functions = together([report])
    if not functions:
        raise InputError(f"{report.model} ran no code of your own whose source is to be had")
    checked = check_comments(functions, letters_of([report]))
    if not checked.stale:
        return ""
    total = checked.true + len(checked.stale)
    told = (f"{each.where.text}  {each.text}" for each in checked.stale)
    return "\n".join([f"{report.model}: {len(checked.stale)} of {total} shape comments not true", "", *told])


def check_comments(functions: Iterable[FunctionLines], letters: Names) -> Checked:
    """Hold every shape comment of the user's files against what its line made."""
    true, stale = 0, list[Stale]()
    files: dict[str, File] = {}
    ran: set[tuple[str, int]] = set()
    looked: set[tuple[str, int]] = set()
    for function in functions:
        name = function.source.name
        if not is_editable(function.source):
            continue
        file = files.setdefault(name, function.file)
        ran.update((name, number) for number in range(function.first, function.last + 1))
        for line in function.lines.values():
            if not line.shapes:
                continue
            above = file.comments.get(line.first - 1)
            looked.update((name, at) for at in (line.last, line.first - 1 if above and above.own_line else line.last))
            known = held(line, file, letters)
            wrong = _stale(known, line, function.source, letters) if known is not None else None
            if wrong is not None:
                stale.append(wrong)
            true += known is not None and wrong is None
    unseen = [
        Location(name, number)
        for name, file in files.items()
        for number, comment in file.comments.items()
        if (name, number) in ran - looked and found(comment.text, letters.sizes) is not None
    ]
    return Checked(true, tuple(sorted(stale, key=lambda each: each.where)), tuple(unseen))


def _stale(known: Held, line: Line, source: SourceText, letters: Names) -> Stale | None:
    """What is not true about a comment."""
    where = Location(source.name, source.line(known.found.comment.start))
    shapes = known.found.shapes
    unknown = next((name for name in shapes.names if name not in letters.sizes), None)
    if unknown is not None:
        why = f"{unknown} is not a letter of the input: give the input in letters, such as 3,H,W"
        return Stale(where, shapes.text, why, None)
    return Stale(where, shapes.text, known.why, written(line.shapes)) if known.why else None
