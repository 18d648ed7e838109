"""A shape comment held against what its line made."""

from __future__ import annotations

from collections.abc import Iterable

from convlin.annotate.comments import ShapeComment
from convlin.annotate.lines import Shapes
from convlin.checks.patterns import Names, Pattern, mismatch, shown
from convlin.checks.shapes import named_sizes
from convlin.records import Report


def letters_of(reports: Iterable[Report]) -> Names:
    """The letters of the inputs, each standing for itself."""
    known = {name: size for report in reports for name, size in named_sizes(report).items()}
    return Names(dict(known), dict.fromkeys(known, "the input"))


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
    reasons = [mismatch(pattern, shape, letters, "this line") for pattern, shape in zip(patterns, shapes, strict=False)]
    if len(patterns) > 1:
        reasons = [f"tensor {index}: {why}" if why else "" for index, why in enumerate(reasons)]
    return "; ".join(why for why in reasons if why)
