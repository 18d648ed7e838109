"""The shape comments of some functions that are not true of what their lines made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from convlin.annotate.comments import found, written
from convlin.annotate.expressions import File
from convlin.annotate.holding import held, letters_of
from convlin.annotate.lines import FunctionLines, together
from convlin.checks.patterns import Names
from convlin.errors import InputError, ShapeError
from convlin.records import Location, Report
from convlin.source.edits import is_editable


class Stale(NamedTuple):
    """A comment that is not true, or that this input cannot tell of."""

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
    unchecked: tuple[Stale, ...] = ()
    """Comments in letters that the input does not have: nobody knows whether they are true."""

    @property
    def found(self) -> tuple[Stale, ...]:
        """All that there is something to say of, in the order of the files."""
        return _in_order([*self.stale, *self.unchecked])

    @property
    def summed_up(self) -> str:
        """How many are not true and how many were not checked; empty where all are true."""
        total = self.true + len(self.stale) + len(self.unchecked)
        if not self.stale:
            told = f"{len(self.unchecked)} of {total} shape comments not checked: the input lacks their letters"
            return told if self.unchecked else ""
        unchecked = f", {len(self.unchecked)} not checked" if self.unchecked else ""
        return f"{len(self.stale)} of {total} shape comments not true{unchecked}"


def require_true_comments(report: Report) -> None:
    """Raise a ``ShapeError`` about every comment that is not true of one run.

    Raises:
        InputError: there is nothing that comments could be held against.
    """
    refuse_forms_that_hold_nowhere(report)
    functions = together([report])
    if not functions:
        raise InputError(f"{report.model} ran no code of your own whose source can be found")
    checked = check_comments(functions, letters_of([report]))
    if checked.found:
        told = (f"{each.where.text}  {each.text}" for each in checked.found)
        raise ShapeError("\n".join([f"{report.model}: {checked.summed_up}", "", *told]))


def refuse_forms_that_hold_nowhere(report: Report) -> None:
    """Raise an ``InputError`` where the shapes in letters were other ones at every size that was run."""
    if report.holds_nowhere:
        raise InputError(
            f"{report.model} makes other shapes than those in letters, which hold at none of the sizes that were run: "
            "write numbers in place of the letters"
        )


def check_comments(functions: Iterable[FunctionLines], letters: Names) -> Checked:
    """Hold every shape comment of the user's files against what its line made."""
    true, stale, unchecked = 0, list[Stale](), list[Stale]()
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
            if known is None:
                continue
            where, shapes = Location(name, function.source.line(known.comment.start)), known.shapes
            unknown = next((letter for letter in shapes.names if letter not in letters.sizes), None)
            if unknown is not None:
                why = f"{unknown} is not a letter of the input: give the input in letters, such as 3,H,W"
                unchecked.append(Stale(where, shapes.text, why, None))
            elif known.why:
                stale.append(Stale(where, shapes.text, known.why, written(line.shapes)))
            else:
                true += 1
    unseen = [
        Location(name, number)
        for name, file in files.items()
        for number, comment in file.comments.items()
        if (name, number) in ran - looked and found(comment.text, letters.sizes) is not None
    ]
    return Checked(true, _in_order(stale), tuple(unseen), _in_order(unchecked))


def _in_order(comments: list[Stale]) -> tuple[Stale, ...]:
    return tuple(sorted(comments, key=lambda each: each.where))
