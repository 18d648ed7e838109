"""At which of many sizes conditions hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from convlin.symbolic.conditions import Condition
from convlin.symbolic.session import Session


def holding(
    letters: Session, points: Mapping[str, Tensor | int], conditions: Iterable[Condition], among: Tensor | None = None
) -> Tensor:
    """For each of many points whether all conditions hold there; ``among`` says which are looked at.

    What leaves the fewest comes first, and the other conditions are asked of those alone.

    Raises:
        NotImplementedError, ArithmeticError: a condition has no value.
    """
    # A number divided by another may have no value, which a tensor always has.
    many = {name: torch.as_tensor(value) for name, value in points.items()}
    size = max((len(value) for value in many.values() if value.dim()), default=1)
    alive = torch.ones(size, dtype=torch.bool) if among is None else among
    evaluation, places = letters.evaluation(many), torch.arange(size)
    for condition in sorted(conditions, key=lambda each: not each.is_equation):
        left = int(alive.sum())
        if not left:
            break
        if 2 * left <= len(alive):
            places, alive = places[alive], torch.ones(left, dtype=torch.bool)
            evaluation = letters.evaluation({name: each[places] if each.dim() else each for name, each in many.items()})
        alive = alive & torch.as_tensor(evaluation(condition.expression))
    holds = torch.zeros(size, dtype=torch.bool)
    holds[places[alive]] = True
    return holds
