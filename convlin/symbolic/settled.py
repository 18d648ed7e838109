"""Which sizes a model takes, and forms that are right there: each is found by what the other shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sympy

from convlin.records import Accepts, SizeRange
from convlin.symbolic import batches
from convlin.symbolic.accepts import Search
from convlin.symbolic.assumed import Assumed
from convlin.symbolic.checks import Checks
from convlin.symbolic.confirm import Confirmed, repaired
from convlin.symbolic.follow import Followed, along_the_other_way
from convlin.symbolic.lookups import lookups
from convlin.symbolic.questions import asked, asks_for_windows_alone, filled, unseen
from convlin.symbolic.ranges import inside_of
from convlin.symbolic.remarks import is_inside
from convlin.symbolic.runs import Point
from convlin.symbolic.solving import solved
from convlin.symbolic.stretching import Stretching
from convlin.symbolic.trials import Trials

#: So many questions are followed the other way.
_MOST_WAYS = 4
#: At about how many of the sizes that are taken forms are looked at that come of no pass.
_MOST_FITTED = 8


class Settled(NamedTuple):
    """What was found of a model that runs."""

    checked: Confirmed
    accepts: Accepts | None
    """The sizes that it takes as it is declared; None where that could not be proved."""
    refused: Point | None
    """Where it could not be proved: some that it refuses."""


def settled(checked: Confirmed, runs: Trials) -> Settled:
    """The sizes that a model takes, and its forms compared with runs there and made anew where they were wrong."""
    accepts, refused = _accepts(checked.followed, runs)
    if accepts is not None:
        _go_other_ways(checked.followed, accepts, runs)
    there = _where_it_fits(checked, accepts, runs)
    checked = checked if there is None else there
    followed = checked.followed
    inside = [point for point in runs.taken if is_inside(accepts, point)]
    checked.look_at(checked.elsewhere_among(inside))
    if unseen(followed.session) and not followed.recording.findings:
        checked.look_at_known(inside)
    checked.look_at(point for point in batches.few(followed, accepts) if point not in checked.points)
    if checked.is_fitted:  # and may fit by chance at sizes that are alike
        others = [point for point in inside if point not in checked.points]
        checked.look_at(others[:: max(1, len(others) // _MOST_FITTED)])
    checked = repaired(checked, runs, any_pass=accepts is not None)
    if accepts is None and checked.followed is not followed:  # the right forms may ask for other sizes
        accepts, refused = _accepts(checked.followed, runs)
    has_numbers = bool(checked.pinned)
    checked.look_at(_ends(accepts, followed, checked.seen))  # what is right there as well depends on no number
    # A form that fits a plain number at a few sizes does so by chance, and is none that would free it.
    return Settled(checked if has_numbers else repaired(checked, runs), accepts, refused)


def _accepts(followed: Followed, trials: Trials) -> tuple[Accepts | None, Point | None]:
    """Which sizes the model takes as it is declared; None where that could not be proved, with some it refuses."""
    plan = followed.plan
    names = plan.sides
    if not names:
        return None, None
    others = {str(plan.batch_size): batches.fitting(followed)} if isinstance(plan.batch_size, str) else {}
    runs = trials.limits.runs(len(followed.recording.calls))
    assumed = Assumed(followed.session, [*followed.conditions, *filled(followed)], names, others)
    tables = tuple(lookups(followed.recording))
    ends = any(isinstance(form, sympy.Expr) and form.has(sympy.Min, sympy.Max) for form in followed.sizes)
    several = len(plan.args) + len(plan.kwargs) > 1
    windows_alone = asks_for_windows_alone(followed)
    checks = Checks(assumed, trials, tables, ends, several, windows_alone)
    search = Search(checks, runs, Stretching(followed, trials))
    return search.settled(), search.refused


def _go_other_ways(followed: Followed, accepts: Accepts, runs: Trials) -> None:
    """Run the model where it goes a way that no size goes which was found to be taken, and that asks for others.

    Of ``if w > 58: x = pool(x)`` in front of patches the ranges have sizes of one way; what is asked on the other one
    is known from a pass along it.
    """
    for decision in [each for each in asked(followed) if each.direct][:_MOST_WAYS]:
        comes_out = (followed.session.evaluation(point).or_none(decision.expression) for point in runs.taken)
        if any(answer not in (decision.outcome, None) for answer in comes_out):
            continue
        other = along_the_other_way(followed, decision)
        found = None if other is None else solved(other, [*other.conditions, *filled(other)], smallest=1)
        if found is not None and not is_inside(accepts, found) and runs.affordable(found):
            runs.for_real(found)


def _where_it_fits(checked: Confirmed, accepts: Accepts | None, runs: Trials) -> Confirmed | None:
    """A pass at sizes that are accepted, where the forms are wrong at the ends of these: the model goes another way."""
    if accepts is None or not asked(checked.followed):
        return None
    sample = checked.followed.sample
    exact = {found.name: found.exact for found in accepts.sizes if found.exact is not None}
    ends = [{**sample, **{found.name: found.minimum for found in accepts.sizes}}]
    if exact:
        tried = [ends[0], {**sample, **exact}]
    elif not is_inside(accepts, sample):
        ends.append({**sample, **{found.name: _last(found) for found in accepts.sizes}})
        tried = ends
    else:
        return None
    checked.look_at(point for point in ends if point not in checked.points)
    if not any(point in checked.wrong for point in ends) or any(point in checked.right for point in ends):
        return None
    for point in reversed(tried):
        other = Confirmed(checked.followed.passes.at(point), runs)
        if other.followed.is_clean and not other.followed.recording.findings:
            other.look_at(tried)
            if all(point in other.right for point in ends):
                return other
    return None


def _last(found: SizeRange) -> int:
    """The largest size of a range, or one further in where it has no end."""
    return found.maximum + found.width - 1 if found.maximum is not None else inside_of(found, 1)


def _ends(accepts: Accepts | None, followed: Followed, seen: Sequence[tuple[Point, object]]) -> list[Point]:
    """The smallest sizes that are taken, those next to them, and the largest; not those that were seen."""
    ranges = accepts.sizes if accepts is not None else ()
    ends = [
        {found.name: found.minimum for found in ranges},
        {found.name: found.minimum + found.width - 1 for found in ranges},
        {found.name: found.minimum + found.step for found in ranges if found.exact is None},
        {found.name: found.maximum + found.width - 1 for found in ranges if found.maximum is not None},
    ]
    smallest = {**followed.sample, **ends[0]}
    points = [{**smallest, **end} for end in ends if end]
    known = [dict(point) for point, _ in seen]
    return [point for place, point in enumerate(points) if point not in (*known, *points[:place])]
