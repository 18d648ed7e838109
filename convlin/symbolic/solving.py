"""Sizes at which what is asked of a model followed in letters comes out as it is wanted to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import sympy
import torch

from convlin.sizes.evaluate import Evaluation
from convlin.symbolic.conditions import Condition
from convlin.symbolic.environment import Decision
from convlin.symbolic.holding import holding

if TYPE_CHECKING:
    from convlin.symbolic.follow import Followed

#: Sizes that are looked at for a decision to come out the other way: of one letter; of two, in every combination,
#: every so many-th in every combination, and equal ones.
_LARGEST_AT_FIRST, _LARGEST = 2048, 1 << 20
#: What two sizes that have to be equal are compared at beyond those: they are where one overtakes the other.
_FAR = tuple(1 << power for power in range(20, 48))
_LARGEST_OF_SEVERAL = 448
_STEP, _LARGEST_BY_STEPS = 16, 8192
_MOST_CANDIDATES = 1 << 18


def turned(followed: Followed, before: Sequence[Decision], decision: Decision) -> dict[str, int] | None:
    """A sample at which ``decision`` comes out the other way, and as many earlier ones as possible as they did."""
    if not isinstance(decision.outcome, bool):
        return None
    for names in _few(followed, followed.session.names_in(decision.expression)):
        found = _turned(followed, before, decision, names)
        if found is not None:
            return found
    return None


def _turned(
    followed: Followed, before: Sequence[Decision], decision: Decision, names: tuple[str, ...]
) -> dict[str, int] | None:
    for sizes in _candidates(followed.sample, names):
        try:
            other = torch.as_tensor(followed.session.evaluation(sizes)(decision.expression) != decision.outcome)
            places = other.nonzero().flatten()[:_MOST_CANDIDATES]
            if not len(places):
                continue
            sizes.update({name: sizes[name][places] for name in names})
            evaluation = followed.session.evaluation(sizes)
            arriving = _arriving(followed, evaluation, len(places))
            agreeing = torch.zeros(len(places), dtype=torch.long)
            for earlier in before:
                agreeing += torch.as_tensor(evaluation(earlier.expression) == earlier.outcome)
        except (NotImplementedError, ArithmeticError):
            return None
        agreeing = torch.where(arriving, agreeing, -1)
        return _best(sizes, names, agreeing == agreeing.max(), followed.sample)
    return None


def _arriving(followed: Followed, evaluation: Evaluation, count: int) -> torch.Tensor:
    """Of so many sizes, those at which what stopped the pass is given something: two empty maps are equal, too."""
    failure = followed.recording.failure
    arriving = torch.ones(count, dtype=torch.bool)
    for size in {size for info in failure.inputs for size in info.shape if size != -1} if failure is not None else ():
        arriving &= torch.as_tensor(evaluation(size) > 0)
    return arriving


def _few(followed: Followed, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Of these letters one or two at once, which are to be found; the batch stays as it is where that is possible."""
    alone = tuple(name for name in names if name != followed.plan.batch_size)
    for few in dict.fromkeys((alone, tuple(names))):
        if 0 < len(few) <= 2:
            yield few


def _asked(followed: Followed, conditions: Sequence[Condition]) -> set[str]:
    """The letters that these conditions are about."""
    return {name for condition in conditions for name in followed.session.names_in(condition.expression)}


def meets(followed: Followed, conditions: Sequence[Condition]) -> bool:
    """Whether all of ``conditions`` hold at some size; also where that cannot be told."""
    if any(condition.expression == sympy.false for condition in conditions):
        return False
    return len(_asked(followed, conditions)) > 2 or solved(followed, conditions, smallest=1) is not None


def solved(followed: Followed, conditions: Sequence[Condition], smallest: int = 2) -> dict[str, int] | None:
    """A sample at which all of ``conditions`` hold; one with a size of 1 shows little in letters."""
    for names in _few(followed, sorted(_asked(followed, conditions))):
        found = _solved(followed, conditions, names, smallest)
        if found is not None:
            return found
    return None


def _solved(
    followed: Followed, conditions: Sequence[Condition], names: tuple[str, ...], smallest: int
) -> dict[str, int] | None:
    for sizes in _candidates(followed.sample, names, smallest):
        try:
            holds = holding(followed.session, sizes, conditions)
        except (NotImplementedError, ArithmeticError):
            return None
        if bool(holds.any()):
            return _best(sizes, names, holds, followed.sample)
    return _solved_far(followed, conditions, names[0]) if len(names) == 1 else None


def _solved_far(followed: Followed, conditions: Sequence[Condition], name: str) -> dict[str, int] | None:
    """The same among sizes that are too many to be looked at: by bisection, where one side overtakes the other."""

    def points(size: Any) -> dict[str, Any]:
        return {**followed.sample, name: size}

    def surplus(relation: Any, size: int) -> Any:
        evaluation = followed.session.evaluation(points(size))
        return evaluation(relation.lhs) - evaluation(relation.rhs)

    for relation in (each.expression for each in conditions if each.is_equation):
        for low, high in pairwise(_FAR):
            if surplus(relation, low) * surplus(relation, high) > 0:
                continue
            below = surplus(relation, low)
            while high - low > 1 and surplus(relation, high) != 0:
                middle = (low + high) // 2
                low, high = (middle, high) if surplus(relation, middle) * below > 0 else (low, middle)
            evaluation = followed.session.evaluation(points(high))
            if all(bool(evaluation(each.expression)) for each in conditions):
                return points(high)
    return None


def _candidates(sample: Mapping[str, int], names: tuple[str, ...], smallest: int = 2) -> Iterator[dict[str, Any]]:
    """Many sizes at once for the letters in ``names``, the others as they are; large ones only where asked for."""
    if len(names) == 1:
        yield {**sample, names[0]: torch.arange(smallest, _LARGEST_AT_FIRST + 1)}
        yield {**sample, names[0]: torch.arange(_LARGEST_AT_FIRST + 1, _LARGEST + 1)}
        return
    yield {**sample, **dict(zip(names, _grid(torch.arange(smallest, _LARGEST_OF_SEVERAL + 1)), strict=True))}
    equal = torch.arange(_LARGEST_OF_SEVERAL + 1, _LARGEST + 1).expand(2, -1)
    by_steps = _grid(torch.arange(_STEP, _LARGEST_BY_STEPS + 1, _STEP))
    yield {**sample, **dict(zip(names, torch.cat([equal, by_steps], 1), strict=True))}


def _grid(side: torch.Tensor) -> torch.Tensor:
    return torch.stack([grid.flatten() for grid in torch.meshgrid(side, side, indexing="ij")])


def _best(
    sizes: Mapping[str, Any], names: tuple[str, ...], good: torch.Tensor, sample: Mapping[str, int]
) -> dict[str, int] | None:
    """Of the good sizes the one with many factors of two; of several letters those that are near each other."""
    places = good.nonzero().flatten()
    if not len(places):
        return None
    chosen = torch.stack([sizes[name][places] for name in names])
    twos = sum((chosen % step == 0).long().sum(0) for step in (2, 4, 8, 16, 32))
    spread = chosen.max(0).values - chosen.min(0).values
    score = twos * 100_000 - spread * 10 + chosen.sum(0).clamp(max=4096) // 512
    best = chosen[:, int(score.argmax())]
    return {**sample, **{name: int(size) for name, size in zip(names, best, strict=True)}}
