"""Sizes that a model takes only because a size of 1 stretches to any other: no size that anybody means.

A sum with 196 positions takes 196 patches, and a single one.  An image of 16×16 has a single patch and
raises nothing; that is no reason to say that the model is one for images of 16×16.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import cached_property
from typing import Any

import sympy

from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import Call, Shape
from convlin.sizes.evaluate import Evaluation
from convlin.sizes.stretched import stretched_axes
from convlin.symbolic.agreement import agrees
from convlin.symbolic.follow import Followed
from convlin.symbolic.runs import Point
from convlin.symbolic.trials import Trials
from convlin.symbolic.watching import Stretches
from convlin.trace.recording import Recording

#: What goes through the elements of two tensors together, as far as the rows show.
_STRETCHING = {Family.ELEMENTWISE, Family.LOSS, Family.PRODUCT, Family.OTHER}

#: How much smaller than the sample sizes are that are run in its place, where it is too large.
_SMALLER = 8


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

    def may_be(self, point: Point, taken: Point) -> bool:
        """The same, also where something is stretched of which nothing tells whether it has to be.

        At the sizes that are ``taken`` nothing is: they stand for a sample that is not.
        """
        return self(point) or self._stretches_more(point, taken=taken)

    def is_seen(self, point: Point) -> bool:
        """Whether a run at ``point`` was seen to stretch more than one at the sample; not where none can be made."""
        return self._stretches_more(point, unknown=False)

    def _is_stretched(self, point: Point) -> bool:
        evaluation = self._followed.session.evaluation(point)
        if self._is_one_again(evaluation):
            return True
        fixed, doubtful = False, bool(self._refused)
        for one, other in self._pairs:
            sizes = evaluation.or_none(one), evaluation.or_none(other)
            if None not in sizes and sizes[0] != sizes[1] and 1 in sizes:
                fixed |= not self._makes_numbers and (one.is_Integer or other.is_Integer)
                doubtful = True  # two sizes may have been equal by chance
        recording = self._trials.record_and_watch(point) if doubtful and self._trials.affordable(point) else None
        if recording is None:
            return fixed
        others = _stretches(recording) - self._always
        if _stretches(recording) & self._refused or others & self._refused_elsewhere:
            return True
        agreed = agrees(self._followed, recording, point)
        if others:
            return fixed or not agreed
        # No row was seen to be stretched: an operation that keeps the shape of what it is given first is none, nor is
        # one inside a module without children.  Where the forms are others, they may be wrong for another reason.
        return (agreed or fixed) and self._stretches_more(point, unknown=agreed)

    def _is_one_again(self, evaluation: Evaluation) -> bool:
        """Whether a size is 1 that was stretched at the sample, where the pass in letters saw nothing but a 1."""
        return any(evaluation.or_none(size) == 1 for size in self._ones)

    @cached_property
    def _ones(self) -> tuple[Any, ...]:
        """What depends on the letters, was found to be 1 at the sample, and had to be: it was stretched there."""
        return tuple(size for size in dict.fromkeys(_found_one(self._followed)) if self._had_to_be_one(size))

    def _had_to_be_one(self, size: Any) -> bool:
        """Whether an operation refuses the size next to a 1 that it stretches at the sample."""
        batch = self._followed.plan.batch_size
        beside = {name: each + (name != batch) for name, each in self._followed.sample.items()}
        if self._followed.session.evaluation(beside).or_none(size) in (None, 1):
            return False
        there = self._trials.stretched(beside)
        if there is None or there.finished or not there.seen or self._at_sample is None:
            return False
        place = len(there.seen) - 1
        if place >= len(self._at_sample.seen):
            return False
        (function, axes), (refused, others) = self._at_sample.seen[place], there.seen[place]
        return function == refused and not set(axes) <= set(others)

    @cached_property
    def _at_sample(self) -> Stretches | None:
        found = self._trials.stretched(self._followed.sample)
        if found is None:  # too large to be run: smaller sizes that have as little to do with each other
            sample, sides = self._followed.sample, self._followed.plan.sides
            smaller = {**sample, **{name: max(1, sample[name] // _SMALLER) for name in sides}}
            there = self._trials.stretched(smaller)
            found = there if there is not None and there.finished else None
        return found

    def _stretches_more(self, point: Point, *, unknown: bool = True, taken: Point | None = None) -> bool:
        """Whether more operations stretch a size of 1 at ``point`` than at the sample; ``unknown`` if no run tells."""
        there, sample = self._trials.stretched(point), self._at_sample
        if sample is None and taken is not None:
            sample = self._trials.stretched(taken)
        if there is None or sample is None or not there.finished:
            return unknown
        return sum(len(axes) for _, axes in there.seen) > sum(len(axes) for _, axes in sample.seen)

    @cached_property
    def _makes_numbers(self) -> bool:
        """Whether a size became a plain number: a number that something has to equal may be made of it."""
        session = self._followed.session
        return any(each.is_number and not each.own and session.names_in(each.expression) for each in session.decisions)

    @cached_property
    def _refused(self) -> frozenset[Hashable]:
        """Functions that could not combine at the sample what they were given."""
        return _refused(self._followed.recording)

    @cached_property
    def _refused_elsewhere(self) -> frozenset[Hashable]:
        """The same at other samples: at this one it was not by chance that they could."""
        return frozenset().union(*(_refused(each.recording) for each in self._followed.passes.made))

    @cached_property
    def _always(self) -> frozenset[Hashable]:
        """Functions in which a size of 1 is stretched whatever the letters are."""
        return _stretches(self._followed.recording)


def _refused(recording: Recording) -> frozenset[Hashable]:
    refused = (each.call for each in recording.findings if each.misfit.kind == "operands" and each.call >= 0)
    return frozenset(_function(recording.calls[index]) for index in refused)


def _stretches(recording: Recording) -> frozenset[Hashable]:
    """The functions that were given a size of 1 where another tensor had a larger one."""
    found = set()
    for call in recording.calls:
        family = OPS.named(call.type).family if call.is_function else None
        if family in _STRETCHING and stretched_axes(_stretchable(info.shape, family) for info in call.inputs):
            found.add(_function(call))
    return frozenset(found)


def _stretchable(shape: Shape, family: Family | None) -> Shape:
    """The axes that may be stretched: of matrices those in front."""
    return shape[:-2] if family is Family.PRODUCT else shape


def _function(call: Call) -> Hashable:
    return call.path, call.type, call.where


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


def _found_one(followed: Followed) -> Iterator[Any]:
    """What depends on the letters and was found to be 1 by a function of PyTorch's."""
    for decision in followed.session.decisions:
        asked = decision.condition
        if not decision.own and not decision.direct and isinstance(asked, sympy.Eq) and 1 in asked.args:
            size = asked.lhs if asked.rhs == 1 else asked.rhs
            if followed.session.names_in(size):
                yield size
