"""Sizes that a model takes only because a size of 1 stretches to any other: no size that anybody means.

A sum with 196 positions takes 196 patches, and a single one.  An image of 16×16 has a single patch and
raises nothing; that is no reason to say that the model is one for images of 16×16.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy

from convlin.symbolic.agreement import agrees
from convlin.symbolic.follow import Followed
from convlin.symbolic.trials import Point, Trials


class Stretching:
    """Tells of sizes whether two tensors go together there only because one of them is stretched."""

    def __init__(self, followed: Followed, trials: Trials) -> None:
        self._followed = followed
        self._trials = trials
        self._pairs = tuple(dict.fromkeys(_equal_pairs(followed)))
        self._known: dict[tuple[int, ...], bool] = {}

    def __call__(self, point: Point) -> bool:
        """Whether sizes that have to be equal differ at ``point``, where one of them is 1."""
        key = tuple(point.values())
        if key not in self._known:
            self._known[key] = self._is_stretched(point)
        return self._known[key]

    def _is_stretched(self, point: Point) -> bool:
        evaluation = self._followed.session.evaluation(point)
        doubtful = False
        for one, other in self._pairs:
            try:
                sizes = evaluation(one), evaluation(other)
            except (NotImplementedError, ArithmeticError):
                continue
            if sizes[0] != sizes[1] and 1 in sizes:
                if one.is_Integer or other.is_Integer:
                    return True
                doubtful = True  # two sizes may have been equal by chance
        if not doubtful or not self._trials.affordable(point):
            return False
        recording = self._trials.record(point)
        return recording is not None and not agrees(self._followed, recording, point)


def _equal_pairs(followed: Followed) -> Iterator[tuple[Any, Any]]:
    """What a function of PyTorch's found equal, or has to find equal, other than a size of 1."""
    asked = [
        decision.condition
        for decision in followed.session.decisions
        if not decision.own and not decision.direct and not decision.is_number
    ]
    asked += [condition.expression for condition in followed.conditions if condition.declared]
    for relation in asked:
        if isinstance(relation, sympy.Not):
            relation = relation.args[0].negated if isinstance(relation.args[0], sympy.Ne) else relation
        if isinstance(relation, sympy.Eq) and not any(side in (0, 1) for side in relation.args):
            yield relation.lhs, relation.rhs
