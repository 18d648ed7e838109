"""The shape comments of some functions that are not true of what their lines made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from convlin.annotate.comments import found, written
from convlin.annotate.holding import held, letters_of
from convlin.annotate.lines import FunctionLines, together
from convlin.annotate.places import Comment, comments_of
from convlin.checks.patterns import Names
from convlin.errors import InputError
from convlin.records import Location, Report
from convlin.source.rewrite import is_editable


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
    true, stale = 0, []
    known: dict[str, dict[int, Comment]] = {}
    ran: dict[str, list[range]] = {}
    looked: set[tuple[str, int]] = set()
    for function in functions:
        source = function.source
        if not is_editable(source):
            continue
        if source.name not in known:
            known[source.name] = comments_of(source)
        ran.setdefault(source.name, []).append(range(function.first, function.last + 1))
        for line in function.lines.values():
            if not line.shapes:
                continue
            comments = known[source.name]
            looked.add((source.name, line.last))
            if line.first - 1 in comments and comments[line.first - 1].own_line:
                looked.add((source.name, line.first - 1))
            comment = held(line, source, comments, letters)
            if comment is None:
                continue
            present, why = comment
            where = Location(source.name, source.line(present.comment.start))
            unknown = [name for name in present.shapes.names if name not in letters.sizes]
            if unknown:
                why = f"{unknown[0]} is not a letter of the input: give the input in letters, such as 3,H,W"
            if why:
                stale.append(Stale(where, present.shapes.text, why, None if unknown else written(line.shapes)))
            else:
                true += 1
    unseen = [
        Location(name, number)
        for name, comments in known.items()
        for number, comment in comments.items()
        if (name, number) not in looked
        and any(number in lines for lines in ran[name])
        and found(comment.text, letters.sizes) is not None
    ]
    return Checked(true, tuple(sorted(stale, key=lambda each: each.where)), tuple(unseen))
