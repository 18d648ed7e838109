"""A shape comment held against what its line made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from convlin.annotate.comments import ShapeComment, found
from convlin.annotate.expressions import File
from convlin.annotate.lines import Line, Shapes
from convlin.checks.patterns import Names, Pattern, mismatches, shown
from convlin.checks.shapes import named_sizes
from convlin.records import Report
from convlin.source.text import Comment


def letters_of(reports: Iterable[Report]) -> Names:
    """The letters of the inputs, each standing for itself."""
    known = {name: size for report in reports for name, size in named_sizes(report).items()}
    return Names(dict(known), dict.fromkeys(known, "the input"))


class Held(NamedTuple):
    """The shape comment of a line, and why it is not true of what the line made; empty where it is."""

    comment: Comment
    shapes: ShapeComment
    why: str = ""

    @property
    def start(self) -> int:
        """Where the shapes start in the file's text."""
        return self.comment.start + self.shapes.start

    @property
    def end(self) -> int:
        """Where the shapes end in the file's text."""
        return self.comment.start + self.shapes.end


def held(line: Line, file: File, letters: Names) -> Held | None:
    """The comment of a line held against its results; None where there is none.

    Numbers that are not its shape and stand in the code, ``x.transpose(1, 2)  # (1, 2)``, are no shape comment.
    """
    present = _comment_of(line, file.comments, letters.sizes)
    if present is None:
        return None
    why = difference(present.shapes, line.shapes, letters)
    if why and all(isinstance(size, int) for result in present.shapes.results for shape in result for size in shape):
        start, end = file.source.lines(line.first, line.last)
        code = file.source.text[start : min(end, present.comment.start) if present.comment.start > start else end]
        if re.sub(r"\s", "", present.shapes.text).strip("(,)") in re.sub(r"\s", "", code):
            return None
    return present._replace(why=why)


def difference(comment: ShapeComment, made: Iterable[Shapes], letters: Names) -> str:
    """Why a comment is not true of what its line made, in a few words; empty where it is.

    Each result has to be one of those in the comment, and each of those has to be a result.
    """
    unknown = [name for name in comment.names if name not in letters.sizes]
    if unknown:
        return f"{unknown[0]} stands for no size of the input"
    results = list(made)
    for shapes in results:
        reasons = [_mismatch(patterns, shapes, letters) for patterns in comment.results]
        if all(reasons):
            return reasons[0] if len(reasons) == 1 else f"none of these is {', '.join(map(shown, shapes))}"
    for patterns, text in zip(comment.results, comment.text.split("|"), strict=True):
        if all(_mismatch(patterns, shapes, letters) for shapes in results):
            return f"no result is {text.strip()}"
    return ""


def _mismatch(patterns: tuple[Pattern, ...], shapes: Shapes, letters: Names) -> str:
    """Why one result is not as the comment says; a single shape stands for the first of several tensors."""
    if len(patterns) not in (1, len(shapes)):
        return f"{len(shapes)} tensor{'s' * (len(shapes) != 1)}, and {len(patterns)} in the comment"
    return mismatches(zip(patterns, shapes, strict=False), letters, "this line", are_several=len(patterns) > 1)


def _comment_of(line: Line, comments: Mapping[int, Comment], letters: Iterable[str]) -> Held | None:
    """The shape comment behind a line, or else the one right above it."""
    behind, above = comments.get(line.last), comments.get(line.first - 1)
    for comment in (behind, above if above is not None and above.own_line else None):
        shapes = found(comment.text, letters) if comment is not None else None
        if comment is not None and shapes is not None:
            return Held(comment, shapes)
    return None
