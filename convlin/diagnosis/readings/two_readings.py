"""What a layer's number is, where the axes in front of it may have been meant in two orders."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from convlin.diagnosis.messages.tools import code
from convlin.records import Problem


def with_other_reading(
    problems: Sequence[Problem], others: Sequence[Problem], reordered: Collection[str]
) -> tuple[Problem, ...]:
    """The problems with what they would be if the layers ``reordered`` were to take their inputs as they arrive.

    ``others`` are the problems in that reading. A layer whose number depends on which of the two was meant is told both
    numbers, and has no edits: the user decides.

    >>> told = Problem("in_features", "fc", 9, 48, "receives 48", changes={"in_features": "48"})
    >>> (both,) = with_other_reading([told], [replace(told, required=512)], {"conv"})
    >>> print(both.message)
    receives 48
    if the axes were meant as they reach conv, in_features=512
    """
    elsewhere: dict[tuple[str, str], Any] = {(each.path, each.kind): each.required for each in others if each.changes}
    layers = " and ".join(sorted(reordered))
    return tuple(_told_both(each, elsewhere.get((each.path, each.kind), each.declared), layers) for each in problems)


def _told_both(problem: Problem, otherwise: Any, layers: str) -> Problem:
    if not problem.changes or otherwise == problem.required:
        return problem
    as_they_are = f"if the axes were meant as they reach {layers}, "
    right = f"{problem.kind}={code(otherwise)}"
    if otherwise == problem.declared:
        right = f"{right} is right"
    return replace(
        problem,
        message=f"{problem.message}\n{as_they_are}{right}",
        edits=(),
        unfixed=f"{right} {as_they_are.removesuffix(', ')}",
    )
