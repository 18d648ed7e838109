"""Closed forms held against real runs: a pass in letters went one way, and at other sizes a model may go another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import combinations
from math import lcm, prod
from typing import Any

import sympy
import torch

from convlin.records import Shape, Size
from convlin.sizes.evaluate import Evaluation
from convlin.symbolic.agreement import agrees
from convlin.symbolic.conditions import Condition, demands
from convlin.symbolic.follow import Followed, meets, solved, turned
from convlin.symbolic.found_forms import known_forms, value_of
from convlin.symbolic.replaced_forms import with_right_forms
from convlin.symbolic.session import Decision
from convlin.symbolic.stretching import Stretching
from convlin.symbolic.trials import Point, Trials
from convlin.symbolic.turning import asked, turning_points
from convlin.trace.recording import Finding, Recording

#: How far from multiples of 32 the sizes are that the forms are looked at: an odd size at every halving, and others.
_OFFSETS = ((1, 1, 1), (8, 24, 40), (32, 96, 160), (3, 7, 13))
#: More of them for forms that are to be replaced: what fits at a few sizes by chance does not at many.
_MORE_OFFSETS = ((5, 18, 50), (12, 6, 22), (23, 47, 11), (50, 29, 66), (62, 75, 38), (81, 52, 93), (38, 90, 7))
#: Small sizes for the same, at which a part may be longer than the whole.
_SMALL = (1, 2, 3, 4, 5, 6, 7, 9, 12, 16, 21, 31, 32, 47, 64, 75, 90, 101, 127)
#: Those that are always run: they cost next to nothing, and what is cut off or rounded shows there.
_SMALL_AT_FIRST = (3, 8, 11, 24, 61)
#: At how many sizes where the model goes a way that no other size led it to.
_MOST_TURNED = 4
#: At how many sizes where a function of PyTorch's was asked for a size and the answer is another.
_MOST_TURNING = 6
#: At how many of the sizes where the forms are wrong the model is followed anew.
_MOST_OTHERS = 2
_LEAST_ANEW = 16
#: At how many sizes the forms of a model in which something stands in are looked at, where all of them are right.
_MOST_STOOD_IN = 6
#: Where fewer of these than that can be run: so many of the small sizes, and as many of the others, at which equations
#: hold.
_FEW_SEEN, _EQUATIONS_UP_TO, _MOST_EQUAL = 3, 300, 12
#: And every size from 1 up to this one.
_MOST_IN_A_ROW = 64
#: The largest divisor all remainders of which are tried, and the size from which on they are.
_LARGEST_DIVISOR, _REMAINDERS_FROM = 96, 97
#: The same of what two forms divide by.
_LARGEST_OF_BOTH = 32
#: How far apart these are, so that one after the other has another quotient: a prime number.
_APART = 37
#: Where a form ends at a number, how many of the sizes are tried that are next to it on either side.
_ENDS_UP_TO, _MOST_BESIDE = 300, 24
#: How many sizes that the model was found to take the forms are looked at, where it goes another way there.
_MOST_TAKEN = 6

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
        self.right: list[Point] = []
        self.wrong: list[Point] = []
        self.repaired = 0
        """How many sizes had been seen when the forms were repaired."""
        self.has_unknown = False
        """Whether there are sizes for which no form was found."""
        self.is_fitted = False
        """Whether a form is not that of the pass, but one that runs have in common."""

    def look_at(self, points: Iterable[Point]) -> None:
        """Run the model at each of ``points`` where it runs, and compare; no more often than is right for its calls."""
        most = self._trials.limits.compared(len(self.followed.recording.calls))
        for point in points:
            if len(self.seen) >= most:
                self._trials.limits.meet(f"the formulas were compared at {most} sizes")
                return
            if self.stretched(point):  # there a size of 1 stands for another, and shapes are no form of anything
                continue
            recording = self._recorded(point) if self._trials.affordable(point) else None
            if recording is not None:
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
        return recording if recording is not None and _findings(recording) <= _findings(mine) else None

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
        """Whether what ``findings`` ask for and what has to be equal on the way never hold at once, and no size ran."""
        wanted = [condition for finding in findings for condition in demands(finding)]
        equal = [each for each in _equations(self.followed) if not each.declared]
        if not wanted or self._trials.taken or meets(self.followed, [*wanted, *equal]):
            return False
        tried = [solved(self.followed, each, smallest=1) for each in (wanted, equal)]
        return not any(point is not None and self._trials.for_real(point) for point in tried)

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
            try:
                found = evaluation(expression)
            except (NotImplementedError, ArithmeticError):
                return None
            return found if is_number else bool(found)

        return tuple(answer(*decision) for decision in decisions)

    @property
    def asked(self) -> list[Decision]:
        """What the model asks that comes out otherwise where the forms are wrong."""
        session = self.followed.session
        differing: dict[object, Decision] = {}
        for point in self.wrong:
            evaluation = session.evaluation(point)
            for decision in questions(self.followed):
                if not _comes_to(evaluation, decision):  # or cannot even be asked there
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
        return [each for each in numbers if all(_comes_to(found, each) for found in evaluations)]


def subject_of(finding: Finding) -> Hashable:
    """What a finding is about, whatever the sizes."""
    return finding.path, finding.where, finding.misfit.kind


def _findings(recording: Recording) -> set[Hashable]:
    """What is wrong, but for the sizes: where axes are in another order, say, something else stands in."""
    return {
        (each.path, each.misfit.kind, each.misfit.note, *(each.misfit.detail.keys() - _HINTS))
        for each in recording.findings
    }


def _comes_to(evaluation: Evaluation, decision: Decision) -> bool:
    try:
        return bool(evaluation(decision.expression) == decision.outcome)
    except (NotImplementedError, ArithmeticError):
        return False


def questions(followed: Followed) -> list[Decision]:
    """What the model's own code asks about the letters, and where a letter became a plain number."""
    session = followed.session
    return [
        each
        for each in session.decisions
        if not each.own and (each.direct or each.is_number) and session.names_in(each.expression)
    ]


def confirmed(followed: Followed, trials: Trials) -> Confirmed:
    """The pass itself; or one at another sample, or one whose forms hold at more sizes."""
    best = Confirmed(followed, trials)
    if followed.recording.failure is not None:
        return best
    near = [*turning_points(followed, _MOST_TURNING), *_small_points(followed, _SMALL_AT_FIRST)]
    if followed.recording.findings:  # the small ones first: they cost least, and what is shorter there may fit
        near = [*_small_points(followed, (2,)), *near]
        near.sort(key=lambda point: sum(point.values()))
        best.look_at(near)
    if questions(followed):
        points = [*_points(followed, _OFFSETS), followed.sample]
        best.look_at(points)
        best.look_at(_other_ways(followed, points))
    best.look_at(point for point in near if point not in best.points)
    if len(best.seen) < _FEW_SEEN:  # small sizes may be refused alone
        best.look_at(point for point in _points(followed, _OFFSETS[:2]) if point not in best.points)
    if len(best.seen) < _FEW_SEEN:
        rare = _where_equations_hold(followed)
        if questions(followed):  # where the pass goes another way they hold at other sizes, and nothing tells at which
            most = min(_MOST_IN_A_ROW, trials.limits.runs(len(followed.recording.calls)))
            rare += _equal_points(followed, range(1, most + 1))
        best.look_at(point for point in rare if point not in best.points)
    if best.seen:
        best.look_at(point for point in _other_answers(best) if point not in best.points)
    return repaired(best, trials)


def _other_answers(of: Confirmed) -> Iterator[Point]:
    """Sizes at which a question of the model's own is answered as at none that ran, and what has to be equal is."""
    followed = of.followed
    points = [of.followed.sample, *of.points]
    evaluations = [followed.session.evaluation(point) for point in points]
    equal = _equations(followed)
    found = 0
    for each in questions(followed):
        if found < _MOST_TURNED and not each.is_number and all(_comes_to(known, each) for known in evaluations):
            others = [condition for condition in equal if condition.expression != each.condition]
            point = solved(followed, [*others, Condition(sympy.Not(each.condition), each.where)], smallest=1)
            if point is not None:
                found += 1
                yield point


def _where_equations_hold(followed: Followed) -> list[Point]:
    """Some sizes, small ones first, at which what has to be equal on the way is: a model that joins takes few."""
    names = [name for name in followed.sample if name != followed.plan.batch_size]
    if not names or not any(each.is_equation for each in followed.conditions):
        return []
    sizes = torch.arange(1, _EQUATIONS_UP_TO + 1)
    # What a layer declares may hold at none, and be another number where a piece is as long as the whole.
    found = _holding(followed, names, sizes) or _holding(followed, names, sizes, declared=False)
    return _equal_points(followed, [*found[:_MOST_EQUAL], *found[_MOST_EQUAL :: max(1, len(found) // _MOST_EQUAL)]])


def _equal_points(followed: Followed, sizes: Iterable[int]) -> list[Point]:
    """Each size for all letters at once."""
    names = [name for name in followed.sample if name != followed.plan.batch_size]
    return [{**followed.sample, **dict.fromkeys(names, size)} for size in sizes]


def _equations(followed: Followed) -> list[Condition]:
    """What has to be equal on the way."""
    numbers = {each.condition for each in followed.session.decisions if each.is_number}  # may well be others
    return [each for each in followed.conditions if each.is_equation and each.expression not in numbers]


def _holding(
    followed: Followed, names: Sequence[str], sizes: torch.Tensor, *, declared: bool = True, asked: bool = True
) -> list[int]:
    """Of ``sizes``, for all letters in ``names`` at once, those at which what has to be equal is.

    Without what layers declare, or without what the model's own code asked, and may go on without.
    """
    own = set() if asked else {each.condition for each in followed.session.decisions if each.direct}
    evaluation = followed.session.evaluation({**followed.sample, **dict.fromkeys(names, sizes)})
    holds = torch.ones(len(sizes), dtype=torch.bool)
    for each in _equations(followed):
        if (declared or not each.declared) and each.expression not in own:
            try:
                holds &= torch.as_tensor(evaluation(each.expression))
            except (NotImplementedError, ArithmeticError, RuntimeError):
                return []
    found: list[int] = sizes[holds].tolist()
    return found


def repaired(best: Confirmed, trials: Trials) -> Confirmed:
    """The same, where forms are wrong at a size that was run: followed anew there, or replaced."""
    if not best.wrong or best.repaired == len(best.seen):  # nothing was seen since
        return best
    followed = best.followed
    if not questions(followed):
        best.look_at(point for point in [*_points(followed, _OFFSETS[:2]), followed.sample] if point not in best.points)
    candidates = [best]
    # At a small size letters come to the same, 1, and a pass there tells them not apart.
    batch = followed.plan.batch_size
    large = [point for point in best.wrong if all(size >= _LEAST_ANEW for name, size in point.items() if name != batch)]
    for elsewhere in large[:_MOST_OTHERS]:
        calls = next((len(recording.calls) for point, recording in best.seen if point == elsewhere), 0)
        if not best.wrong or not followed.passes.has_room_for(calls):
            break
        other = Confirmed(followed.passes.at(elsewhere), trials)
        if not other.followed.is_clean:
            continue
        other.seen = candidates[0].seen
        for point, recording in other.seen:
            other.compare(point, recording)
        candidates.append(other)
        best = min(candidates, key=lambda each: len(each.wrong))
    if best is not candidates[0]:  # what that pass decided may turn elsewhere
        best.look_at(point for point in turning_points(best.followed, _MOST_TURNING) if point not in best.points)
    if best.wrong:
        best.look_at(point for point in _points(followed, _MORE_OFFSETS) if point not in best.points)
        best.look_at(point for point in _small_points(followed, _SMALL) if point not in best.points)
        forms = known_forms([each.followed for each in candidates])
        best.look_at(_other_remainders(best, forms))
        found = _replaced(best, candidates, forms, trials)
        wrong = len(found.wrong)
        found.look_at(point for point in _beside_ends(found.followed) if point not in found.points)
        best = _replaced(best, candidates, forms, trials) if len(found.wrong) > wrong else found
    best.repaired = len(best.seen)
    return best


def _replaced(best: Confirmed, candidates: Sequence[Confirmed], forms: Sequence[Size], trials: Trials) -> Confirmed:
    """The best of the candidates with its wrong forms replaced, or another that has more rows and is as good."""
    replaced = [_with_right_forms(each, best, forms, trials) for each in candidates]
    found = min((replaced[candidates.index(best)], best), key=lambda each: len(each.wrong))
    for each in replaced:  # a slice is a row at those sizes alone at which it shortens something
        as_good = len(each.wrong) <= len(found.wrong) and _unknown(each.followed) <= _unknown(found.followed)
        if as_good and len(_rows(each.followed)) > len(_rows(found.followed)):
            found = each
    return found


def _beside_ends(followed: Followed) -> list[Point]:
    """Small sizes at which a form is next to the number that it ends at: what was cut off may start elsewhere."""
    ends = {
        end
        for call in followed.recording.calls
        for info in call.outputs
        for size in info.shape
        for end in sympy.sympify(size).atoms(sympy.Min, sympy.Max)
    }
    found: dict[int, None] = {}
    for end in sorted(ends, key=str):
        *rest, number = sorted(end.args, key=lambda each: bool(each.is_Integer))
        for name in sorted(letter.name for letter in end.free_symbols if number.is_Integer):
            sizes = torch.arange(1, _ENDS_UP_TO + 1)
            evaluation = followed.session.evaluation({**followed.sample, name: sizes})
            try:
                near = [(torch.as_tensor(evaluation(each)) - int(number)).abs() <= 1 for each in rest]
            except (NotImplementedError, ArithmeticError, RuntimeError):
                continue
            for each in near:
                places = sizes[each].tolist() if each.dim() else []
                found.update(dict.fromkeys([*places[:_MOST_BESIDE], *places[-_MOST_BESIDE:]]))
    names = [name for name in followed.sample if name != followed.plan.batch_size]
    return [{**followed.sample, **{name: size + place for place, name in enumerate(names)}} for size in found]


def _with_right_forms(of: Confirmed, best: Confirmed, forms: Sequence[Size], trials: Trials) -> Confirmed:
    found = Confirmed(with_right_forms(of.followed, best.seen, forms), trials)
    found.seen = best.seen
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


def _points(followed: Followed, places: Iterable[Sequence[int]]) -> Iterator[dict[str, int]]:
    """Sizes near a quarter of a large sample, so that little is computed."""
    names = [name for name in followed.sample if name != followed.plan.batch_size]
    for offsets in places:
        near = {
            name: (size // 128 * 32 if size > 512 else size) + offset
            for (name, size), offset in zip(((name, followed.sample[name]) for name in names), offsets, strict=False)
        }
        yield {**followed.sample, **near}


def _small_points(followed: Followed, sizes: Iterable[int]) -> list[Point]:
    """Long rectangles: what is right for squares alone is wrong there.  Of an even size both sides are even."""
    names = [name for name in followed.sample if name != followed.plan.batch_size]
    return [
        {**followed.sample, **{name: size + place * (size + size % 2) for place, name in enumerate(names)}}
        for size in sizes
    ]


def _other_remainders(of: Confirmed, forms: Sequence[Size]) -> list[Point]:
    """Sizes that leave what none of those seen does when divided by what the forms divide a letter by.

    Forms that go another way for one remainder alone (``⌊H/12⌋ + 1`` and ``⌊(H + 11)/12⌋``) are told apart there.
    """
    # No two letters are near each other: of squares alone other forms are right.
    starts = {name: _REMAINDERS_FROM * (1 + place) for place, name in enumerate(of.followed.plan.names)}
    sizes = {name: list(_remaining(of, forms, name, start)) for name, start in starts.items()}
    most = max(map(len, sizes.values()), default=0)
    sample = of.followed.sample
    return [
        {**sample, **{name: found[place] if place < len(found) else sample[name] for name, found in sizes.items()}}
        for place in range(most)
    ]


def _remaining(of: Confirmed, forms: Sequence[Size], name: str, start: int) -> Iterator[int]:
    if name == of.followed.plan.batch_size:
        return
    found = {step for form in forms for step in _divisors(form, name)}
    # What is rounded twice may be told by one form, but for a remainder of both.
    both = {lcm(*pair) for pair in combinations(found, 2)}
    steps = sorted(found | {step for step in both if step <= _LARGEST_OF_BOTH}, reverse=True)
    if not steps:
        return
    # Spread, so that no quotient is seen more often than others.
    sizes = start + torch.arange(4 * steps[0]) * _APART % (4 * steps[0])
    candidates = _holding(of.followed, [name], sizes, asked=False)
    for divided in _divided(of.followed, forms, name):  # the letter, and what a float makes of it
        seen = [int(value_of(divided, of.followed.session.evaluation(point)) or 0) for point in of.points]
        open_ = {step: {*range(step)} - {value % step for value in seen} for step in steps}
        for size in candidates:
            value = int(value_of(divided, of.followed.session.evaluation({**of.followed.sample, name: size})) or 0)
            if any(value % step in rest for step, rest in open_.items()):
                for step, rest in open_.items():
                    rest.discard(value % step)
                yield size


def _divided(followed: Followed, forms: Sequence[Size], name: str) -> list[Any]:
    """What the forms divide that has no remainder of the letter's: itself, and ``int(0.7·L)``."""
    letter = followed.session.letters[name]
    made = {
        part
        for form in forms
        if isinstance(form, sympy.Expr) and letter in form.free_symbols
        for part in sympy.preorder_traversal(form)
        if type(part).__name__ == "TruncToInt"
    }
    return [letter, *sorted(made, key=str)]


def _divisors(form: Size, name: str) -> Iterator[int]:
    """What a form divides by and rounds, where that depends on the letter."""
    for rounded in sympy.sympify(form).atoms(sympy.floor):
        if name in {letter.name for letter in rounded.free_symbols}:
            inside = [*rounded.args[0].atoms(sympy.floor), rounded]  # of a floor in a floor both divide
            divisor = prod(each.args[0].as_numer_denom()[1] for each in inside)
            if divisor.is_Integer and 1 < divisor <= _LARGEST_DIVISOR:
                yield int(divisor)


def _other_ways(followed: Followed, points: Sequence[Point]) -> list[Point]:
    """Sizes at which a question comes out as it does at none of ``points``: a map smaller than a window, say."""
    evaluations = [followed.session.evaluation(point) for point in points]
    asked = [each for each in questions(followed) if not each.is_number]
    found: list[Point] = []
    for index, each in enumerate(asked):
        if len(found) < _MOST_TURNED and all(_comes_to(evaluation, each) for evaluation in evaluations):
            point = turned(followed, asked[:index], each)
            if point is not None and point not in found:
                found.append(point)
                evaluations.append(followed.session.evaluation(point))
    return found
