"""Whether ``forward`` has a loop in Python along a letter: every step of one is followed in letters, at a price."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from torch import nn

from convlin.inputs import Plan
from convlin.symbolic.again import Again
from convlin.symbolic.runs import MOST_FUNCTIONS, Point, Runs

#: For a letter that a loop goes along, and for several.
_SHORT_SAMPLES = (24, 36, 48, 60)
_SHORTER_SAMPLES = (12, 18, 24, 30)
#: So many more functions are called where a letter is longer.
_MANY_STEPS = 40


class Loops(NamedTuple):
    """What quick passes showed."""

    short: Point
    """A small sample for every letter that a loop goes along."""
    steps: int = 0
    """How many modules and functions a pass at small sizes calls."""


def loops(model: nn.Module, plan: Plan, mode: str, sample: Point) -> Loops:
    """Small samples for the letters of ``sample`` that a loop in Python goes along.

    A quick pass on the meta device tells: where it calls many functions, and far fewer when a letter is small.
    """
    names = plan.sides
    sample = {name: size // 8 if name in names else size for name, size in sample.items()}
    runs = Runs(model, plan, mode, most=2 * MOST_FUNCTIONS)
    again = Again()
    steps = runs.steps(sample, again)
    if steps == inf:
        return Loops(dict(zip(names, _SHORT_SAMPLES if len(names) < 2 else _SHORTER_SAMPLES, strict=False)))
    found = Loops({}, int(steps or 0))
    if steps is None or steps < _MANY_STEPS or again.count < _MANY_STEPS:
        return found
    short = {}
    if len(names) > 1:
        all_short = runs.steps({**sample, **{name: sample[name] // 2 for name in names}})
        if all_short is not None and all_short + _MANY_STEPS > steps:  # no letter makes a difference
            return found
    for name, size in zip(names, _SHORT_SAMPLES, strict=False):
        there = runs.steps({**sample, name: size})
        if there is not None and there + _MANY_STEPS <= steps:
            short[name] = size
    return found._replace(short=short if len(short) < 2 else dict(zip(short, _SHORTER_SAMPLES, strict=False)))
