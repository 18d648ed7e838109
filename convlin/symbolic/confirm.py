"""Closed forms held against real runs: a pass in letters went one way, and at other sizes a model may go another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from convlin.records import Shape, Size
from convlin.symbolic.agreement import agrees
from convlin.symbolic.comparison_sizes import (
    MORE_OFFSETS,
    OFFSETS,
    SMALL,
    SMALL_AT_FIRST,
    SMALL_FOR_WINDOWS,
    below_sample,
    beside_ends,
    equal_sizes,
    in_reverse,
    near_a_quarter,
    other_remainders,
    rounded_floats,
    small_rectangles,
    where_equations_hold,
)  # fmt: skip
from convlin.symbolic.conditions import demands
from convlin.symbolic.environment import Decision
from convlin.symbolic.follow import Followed
from convlin.symbolic.found_forms import known_forms
from convlin.symbolic.question_sizes import (
    behind_questions,
    beside_numbers,
    other_answers,
    other_orders,
    other_ways,
    turning_points,
)
from convlin.symbolic.questions import (
    all_hold,
    asked,
    asks_for_windows_alone,
    comes_to,
    equations,
    filled,
    questions,
)
from convlin.symbolic.replaced_forms import with_right_forms, with_right_indices
from convlin.symbolic.runs import Point
from convlin.symbolic.solving import meets, solved
from convlin.symbolic.stretching import Stretching
from convlin.symbolic.trials import Trials
from convlin.trace.recording import Finding, Recording

#: At how many sizes where a function of PyTorch's was asked for a size and the answer is another.
_MOST_TURNING = 6
#: At how many of the sizes where the forms are wrong the model is followed anew.
_MOST_OTHERS = 2
_LEAST_ANEW = 16
#: At how many sizes the forms of a model in which something stands in are looked at, where all of them are right.
_MOST_STOOD_IN = 6
#: Where fewer can be run than that, those at which equations hold are looked for, and every size up to another.
_FEW_SEEN = 3
_MOST_IN_A_ROW = 64
#: At how many of the sizes at which windows fit, where nothing else is asked.
_MOST_FOR_WINDOWS = 2
#: How many sizes that the model was found to take the forms are looked at, where it goes another way there.
_MOST_TAKEN = 6

#: Kinds of mistakes that a run may show which goes to its end.
_RAISING_NOTHING = ("structure", "batch")
#: What is noted of a finding for its message: the same stands in without it.
_HINTS = {"flat", "flattened"}


class Confirmed:
    """A symbolic pass together with the sizes at which its closed forms were looked at."""

    def __init__(self, followed: Followed, trials: Trials) -> None:
        self.followed = followed
        self._trials = trials
        self.stretched = Stretching(followed, trials)
        """Whether what runs at a point runs only because a size of 1 is stretched."""
        self.seen: list[tuple[Point, Recording]] = []
        self.known = 0
        """At how many of them runs were compared that had been made for another reason."""
        self.right: list[Point] = []
        self.wrong: list[Point] = []
        self.repaired = 0
        """How many sizes had been seen when the forms were repaired."""
        self.has_unknown = followed.session.has_unknown
        """Whether there are sizes for which no form was found."""
        self.is_fitted = False
        """Whether a form is not that of the pass, but one that runs have in common."""

    def look_at(self, points: Iterable[Point]) -> None:
        """Run the model at each of ``points`` where it runs, and compare; no more often than is right for its calls."""
        most = self._trials.limits.compared(len(self.followed.recording.calls))
        for point in points:
            if len(self.seen) - self.known >= most:
                self._trials.limits.meet(f"the formulas were compared at {most} sizes")
                return
            if self.stretched(point):  # there a size of 1 stands for another, and shapes are no form of anything
                continue
            recording = self._recorded(point) if self._trials.affordable(point) else None
            if recording is not None:
                self.seen.append((point, recording))
                self.compare(point, recording)

    def look_at_known(self, points: Iterable[Point]) -> None:
        """Compare with what runs at ``points`` showed that were made for another reason."""
        for point in points:
            recording = self._trials.recorded(point)
            if recording is not None and point not in self.points and not self.stretched(point):
                self.known += 1
                self.seen.append((point, recording))
                self.compare(point, recording)

    def _recorded(self, point: Point) -> Recording | None:
        """What a run at ``point`` shows; of a model with a mistake one in which the same stands in as in letters."""
        mine = self.followed.recording
        if not mine.findings or not self.followed.is_clean:
            return self._trials.record(point)
        if len(self.seen) >= _MOST_STOOD_IN and not self.wrong and point not in self._trials.taken:
            return None
        recording = self._trials.with_stand_ins(point)
        if recording is None or _findings(recording) <= _findings(mine):
            return recording
        # What PyTorch runs as it is tells the truth, whatever is wrong with it.
        silent = {each.path for each in recording.findings if each.misfit.kind in _RAISING_NOTHING}
        return self._trials.record(point) if silent.issuperset(each.path for each in recording.findings) else None

    def stood_in(self, point: Point) -> Recording | None:
        """What a run at ``point`` shows in which something stands in for what does not fit there."""
        return self._trials.with_stand_ins(point) if self._trials.affordable(point) else None

    def without_a_mistake(self) -> Recording | None:
        """A run in which nothing had to stand in, where there was one: the model takes those sizes as it is."""
        right = ((point, recording) for point, recording in self.seen if not recording.findings)
        return next((recording for point, recording in right if self._trials.for_real(point)), None)

    def runs_without(self, findings: Sequence[Finding]) -> bool:
        """Whether the model runs at sizes at which some of ``findings`` were not met, and the others are what is there.

        A piece of three rows is one of two where there are no more, which no demand of a finding says.
        """
        for point, recording in self.seen:
            there = set(map(subject_of, recording.findings))
            left = [each for each in findings if subject_of(each) in there]
            wanted = [condition for each in left for condition in demands(each)]
            if not wanted or len(left) == len(findings):
                continue
            names = {name for each in wanted for name in self.followed.session.names_in(each.expression)}
            sample = solved(self.followed, wanted, smallest=1)
            if sample is not None and self._trials.for_real({**point, **{name: sample[name] for name in names}}):
                return True
        return False

    def fits_nowhere(self, findings: Sequence[Finding]) -> bool:
        """Whether what ``findings`` ask for never holds where the rest of the way can be gone, and no size ran.

        Where two branches have to be equal, one of which is half the other, a window behind them may not fit.
        """
        wanted = [condition for finding in findings for condition in demands(finding)]
        equal = [each for each in equations(self.followed) if not each.declared]
        if not wanted or meets(self.followed, [*wanted, *equal, *filled(self.followed)]):
            return False
        if any(not self.stretched.is_seen(point) for point in self._trials.taken):
            return False
        tried = [solved(self.followed, each, smallest=1) for each in (wanted, equal, [*wanted, *equal])]
        return not any(
            point is not None and self._trials.for_real(point) and not self.stretched.is_seen(point) for point in tried
        )

    @property
    def shows_unknown(self) -> bool:
        """Whether a size for which no form was found stands in a row: one in a question may have none as well."""
        outputs = self.followed.recording.outputs
        return self.has_unknown and (_unknown(self.followed) > 0 or any(-1 in info.shape for info in outputs))

    @property
    def has_unknown_number(self) -> bool:
        """Whether a size became a plain number, and there is no form for what came of it."""
        return self.has_unknown and any(each.is_number for each in questions(self.followed))

    @property
    def points(self) -> list[Point]:
        """The sizes at which the model was run."""
        return [point for point, _ in self.seen]

    def compare(self, point: Point, recording: Recording) -> None:
        """Note whether the forms are what a run at ``point`` showed."""
        (self.right if agrees(self.followed, recording, point) else self.wrong).append(point)

    def elsewhere_among(self, points: Iterable[Point]) -> list[Point]:
        """Of ``points`` those at which a question or a plain number comes out as it does at no size that was run."""
        decisions = list(
            dict.fromkeys((each.expression, each.is_number) for each in asked(self.followed, numbers=not self.pinned))
        )
        known = {self._answers(point, decisions) for point in (self.followed.sample, *self.points)}
        found: list[Point] = []
        for point in points:
            answers = self._answers(point, decisions)
            if answers not in known and len(found) < _MOST_TAKEN:
                known.add(answers)
                found.append(point)
        return found

    def _answers(self, point: Point, decisions: Sequence[tuple[Any, bool]]) -> tuple[Any, ...]:
        evaluation = self.followed.session.evaluation(point)

        def answer(expression: Any, is_number: bool) -> Any:
            found = evaluation.or_none(expression)
            return found if is_number or found is None else bool(found)

        return tuple(answer(*decision) for decision in decisions)

    @property
    def asked(self) -> list[Decision]:
        """What the model asks that comes out otherwise where the forms are wrong."""
        session = self.followed.session
        differing: dict[object, Decision] = {}
        for point in self.wrong:
            evaluation = session.evaluation(point)
            for decision in (*questions(self.followed), *session.texts):
                if not comes_to(evaluation, decision):  # or cannot even be asked there
                    differing.setdefault(decision.expression, decision)
        return list(differing.values())

    @property
    def pinned(self) -> list[Decision]:
        """Where a letter became a plain number, and no run that agrees had any other number there."""
        session = self.followed.session
        evaluations = [session.evaluation(point) for point in self.right]
        numbers = [each for each in questions(self.followed) if each.is_number]
        if not evaluations:  # what the model itself asks for is not right elsewhere, unless a run shows that it is
            return [each for each in numbers if each.direct]
        return [each for each in numbers if all(comes_to(found, each) for found in evaluations)]


def subject_of(finding: Finding) -> Hashable:
    """What a finding is about, whatever the sizes."""
    return finding.path, finding.where, finding.misfit.kind


def _findings(recording: Recording) -> set[Hashable]:
    """What is wrong, but for the sizes: where axes are in another order, say, something else stands in."""
    return {
        (each.path, each.misfit.kind, each.misfit.note, *(each.misfit.detail.keys() - _HINTS))
        for each in recording.findings
    }


def confirmed(followed: Followed, trials: Trials) -> Confirmed:
    """The pass itself; or one at another sample, or one whose forms hold at more sizes."""
    best = Confirmed(followed, trials)
    if followed.recording.failure is not None:
        return best
    if asks_for_windows_alone(followed):
        small, other = small_rectangles(followed, SMALL_FOR_WINDOWS)
        few = [small, in_reverse(followed, other), *near_a_quarter(followed, OFFSETS[:1])]
        fitting = [point for point in few if all_hold(followed, point)]
        best.look_at(fitting[:_MOST_FOR_WINDOWS])
        return repaired(best, trials)
    near = [*turning_points(followed, _MOST_TURNING), *small_rectangles(followed, SMALL_AT_FIRST)]
    if followed.recording.findings:  # the small ones first: they cost least, and what is shorter there may fit
        near = [*small_rectangles(followed, (2,)), *near]
        near.sort(key=lambda point: sum(point.values()))
        best.look_at(near)
    if questions(followed) or followed.session.texts:
        points = [*near_a_quarter(followed, OFFSETS), followed.sample]
        best.look_at(points)
        best.look_at(other_ways(followed, points))
    best.look_at(point for point in near if point not in best.points)
    if len(best.seen) < _FEW_SEEN:  # small sizes may be refused alone
        best.look_at(point for point in near_a_quarter(followed, OFFSETS[:2]) if point not in best.points)
    if len(best.seen) < _FEW_SEEN:
        rare = where_equations_hold(followed)
        if questions(followed):  # where the pass goes another way they hold at other sizes, and nothing tells at which
            most = min(_MOST_IN_A_ROW, trials.limits.runs(len(followed.recording.calls)))
            rare += equal_sizes(followed, range(1, most + 1))
        best.look_at(point for point in rare if point not in best.points)
    others = [*other_orders(followed), *beside_numbers(followed), *rounded_floats(followed)]
    best.look_at(point for point in others if point not in best.points)
    if best.seen:
        best.look_at(point for point in other_answers(best.followed, best.points) if point not in best.points)
        best.look_at(point for point in behind_questions(followed, best.seen) if point not in best.points)
    if not best.wrong and any(each.is_number for each in followed.session.decisions):
        best.followed = with_right_indices(best.followed, best.seen)
    return repaired(best, trials)


def repaired(best: Confirmed, trials: Trials, *, any_pass: bool = False) -> Confirmed:
    """The same, where forms are wrong at a size that was run: followed anew there, or replaced.

    With ``any_pass`` the pass with the best forms, also where another tells better which sizes are taken.
    """
    if not best.wrong or best.repaired == len(best.seen):  # nothing was seen since
        return best
    followed = best.followed
    if not questions(followed):
        best.look_at(
            point for point in [*near_a_quarter(followed, OFFSETS[:2]), followed.sample] if point not in best.points
        )
    candidates = [best]
    # At a small size letters come to the same, 1, and a pass there tells them not apart.
    batch = followed.plan.batch_size
    large = [
        point
        for point in best.wrong
        if all(size >= _LEAST_ANEW for name, size in point.items() if name != batch) and point.get(str(batch)) != 1
    ]
    for elsewhere in large[:_MOST_OTHERS]:
        calls = next((len(recording.calls) for point, recording in best.seen if point == elsewhere), 0)
        if not best.wrong or not followed.passes.has_room_for(calls):
            break
        other = Confirmed(followed.passes.at(elsewhere), trials)
        if not other.followed.is_clean:
            continue
        other.seen, other.known = candidates[0].seen, candidates[0].known
        for point, recording in other.seen:
            other.compare(point, recording)
        candidates.append(other)
        best = min(candidates, key=lambda each: len(each.wrong))
    if best is not candidates[0]:  # what that pass decided may turn elsewhere
        best.look_at(point for point in turning_points(best.followed, _MOST_TURNING) if point not in best.points)
    for other in candidates[1:]:  # a plain number that was made at that size alone is another one at others
        if any(each.is_number and not each.own for each in other.followed.session.decisions):
            best.look_at(point for point in below_sample(other.followed) if point not in best.points)
    if best.wrong:
        best.look_at(point for point in near_a_quarter(followed, MORE_OFFSETS) if point not in best.points)
        best.look_at(point for point in small_rectangles(followed, SMALL) if point not in best.points)
        forms = known_forms([each.followed for each in candidates])
        best.look_at(other_remainders(best.followed, best.points, forms))
        found = _replaced(best, candidates, forms, trials, any_pass=any_pass)
        wrong = len(found.wrong)
        found.look_at(point for point in beside_ends(found.followed) if point not in found.points)
        if len(found.wrong) > wrong:
            found = _replaced(best, candidates, forms, trials, any_pass=any_pass)
        best = found
    best.repaired = len(best.seen)
    return best


def _replaced(
    best: Confirmed, candidates: Sequence[Confirmed], forms: Sequence[Size], trials: Trials, *, any_pass: bool
) -> Confirmed:
    """The best of the candidates with its wrong forms replaced, or another that has more rows and is as good."""
    replaced = [_with_right_forms(each, best, forms, trials) for each in candidates]
    others = replaced if any_pass else []
    found = min((replaced[candidates.index(best)], best, *others), key=lambda each: len(each.wrong))
    for each in replaced:  # a slice is a row at those sizes alone at which it shortens something
        as_good = len(each.wrong) <= len(found.wrong) and _unknown(each.followed) <= _unknown(found.followed)
        if as_good and len(_rows(each.followed)) > len(_rows(found.followed)):
            found = each
    return found


def _with_right_forms(of: Confirmed, best: Confirmed, forms: Sequence[Size], trials: Trials) -> Confirmed:
    found = Confirmed(with_right_forms(of.followed, best.seen, forms), trials)
    found.seen, found.known = best.seen, best.known
    for point, recording in found.seen:
        found.compare(point, recording)
    found.has_unknown |= _unknown(found.followed) > _unknown(best.followed)
    found.is_fitted = of.is_fitted or _forms(found.followed) != _forms(of.followed)
    return found


def _forms(followed: Followed) -> list[tuple[Shape, ...]]:
    return [call.output_shapes for call in followed.recording.calls]


def _rows(followed: Followed) -> set[Hashable]:
    """What is called, however often: a loop over a length calls more of the same at a larger one."""
    return {(call.path, call.type, call.where) for call in followed.recording.calls}


def _unknown(followed: Followed) -> int:
    calls = followed.recording.calls
    return sum(info.shape.count(-1) for call in calls for info in (*call.inputs, *call.outputs))
