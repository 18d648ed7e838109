"""What a layer's number is, where the axes in front of it may have been meant in two ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from convlin.diagnosis.messages.tools import code
from convlin.records import Problem


def with_other_reading(problems: Sequence[Problem], others: Sequence[Problem], meant: str) -> tuple[Problem, ...]:
    """The problems with what they would be in another reading of the input, that in which something is ``meant``.

    ``others`` are the problems in that reading. A layer whose number depends on which of the two was meant is told both
    numbers, and has no edits: the user decides.

    >>> told = Problem("in_features", "fc", 9, 48, "receives 48", changes={"in_features": "48"})
    >>> (both,) = with_other_reading([told], [replace(told, required=512)], "the axes were meant as they reach conv")
    >>> print(both.message)
    receives 48
    if the axes were meant as they reach conv, in_features=512
    """
    elsewhere: dict[tuple[str, str], Any] = {(each.path, each.kind): each.required for each in others if each.changes}
    return tuple(_told_both(each, elsewhere.get((each.path, each.kind), each.declared), meant) for each in problems)


def _told_both(problem: Problem, otherwise: Any, meant: str) -> Problem:
    if not problem.changes or otherwise == problem.required:
        return problem
    right = f"{problem.kind}={code(otherwise)}"
    if otherwise == problem.declared:
        right = f"{right} is right"
    return replace(
        problem,
        message=f"{problem.message}\nif {meant}, {right}",
        edits=(),
        unfixed=f"{right} if {meant}",
    )
