"""Which sizes a model takes as it is declared: guessed from the conditions of a symbolic pass, proved by running.

A decision that a pass came by (``if height % 32``) is no proof that the model refuses the other
case, so every condition starts as a guess.  The guess is tried at its ends and one step outside;
each run that contradicts it strikes conditions out or adds a bound, until guess and runs agree.
What does not come to agree is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from convlin.inputs import TRIALS
from convlin.records import Accepts, SizeRange
from convlin.symbolic.assumed import Assumed
from convlin.symbolic.checks import MOST_TURNS, TURNS_UP_TO, Check, Checks
from convlin.symbolic.questions import unseen
from convlin.symbolic.ranges import Guess, inside_of, spread
from convlin.symbolic.runs import Point
from convlin.symbolic.trials import Trials

_MOST_ROUNDS = 16
#: Steps between sizes that are looked for where no condition tells of any.
_STEPS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 32)
#: How many steps the smallest size of a letter is raised, where that size is refused beside others.
_MOST_RAISED = 9
#: How much larger others are beside which a smallest size that was raised is run again.
_TIMES_FURTHER = (3, 16, 128)
#: How many of these further up it is looked whether sizes between two of them are taken.
_STEPS_UP = 20
#: Sizes that most images have, to look for multiples where the smallest sizes are refused.
_USUAL = (32, 96)
#: Sizes that settle many conditions at once: small ones, those that nothing divides, and a large one.
_SMALL_OR_ODD = ((1, 1), (2, 2), (7, 7), (17, 17), (37, 37), (101, 67), (67, 101), (211, 211))
_LARGE, _LARGE_ALONE = 4099, 65521
#: How many sizes are tried between ends that runs alone found, and how far apart they are where there is no end.
_MOST_INSIDE, _APART_INSIDE = 16, 7
#: How many of the sizes that speak against nothing are run which a range leaves out: those in front of a hole.
_MOST_LEFT_OUT = 2
#: For so many letters that have to be equal it is looked whether parts of them may differ.
_MOST_TIED = 5


@dataclass(slots=True)
class Search:
    """Finds the sizes that are taken; ``settled`` gives the answer."""

    checks: Checks
    """What is run for a guess; what the symbolic pass tells is changed by runs that come out otherwise."""
    most_runs: int = TRIALS
    stretched: Callable[[Point], bool] = lambda point: False
    """Whether sizes are taken only because a 1 is stretched: such sizes do not count as taken."""
    refused: Point | None = None
    """Sizes that are refused in the middle of what else would be the ranges, of which none is told then."""

    @property
    def assumed(self) -> Assumed:
        """The conditions that are still thought to hold."""
        return self.checks.assumed

    @property
    def trials(self) -> Trials:
        """The runs."""
        return self.checks.trials

    def settled(self) -> Accepts | None:
        """The sizes that are taken, proved by running; None where no such thing could be proved."""
        before = self.assumed.copied()
        guess = self._agreed(struck_out := self._taken_elsewhere())
        if guess is None and struck_out:
            # A size that is taken for another reason speaks against conditions that hold for all others.
            self.checks.assumed = before
            guess = self._agreed([])
        if guess is None:
            return None
        with self.trials.limits.probing():
            self._look_beyond(guess)
        ranges = tuple(guess.ranges[name] for name in self.assumed.names)
        return Accepts(ranges, " = ".join(self.assumed.names) if guess.tied else "", verified=True)

    def _taken_elsewhere(self) -> list[Point]:
        """Sizes that were taken by runs in which the forms were compared, and that the conditions speak against."""
        return [each for each in self.trials.taken if not self.assumed.takes_point(each) and not self.stretched(each)]

    def _agreed(self, taken: Sequence[Point]) -> Guess | None:
        for point in taken:
            if not self.assumed.takes_point(point):
                self.assumed.strike_out(point)
        with self.trials.limits.probing():
            if not self.checks.windows_alone:
                self._strike_out_by_small_sizes()
            self._strike_out_questions()
        for _ in range(_MOST_ROUNDS):
            guess = self.assumed.guess() or self.assumed.guess_by_fewer()
            if guess is None:
                return None
            checks = self.checks.of(guess)
            if checks is None:
                return None
            surprise = self._surprise(checks)
            if surprise is _NO_ANSWER:
                return None
            if surprise is None:
                surprise = self._refused_unseen(guess)
            if surprise is None:
                return guess if self._has_no_holes(guess) else None
            if not self._learn(surprise, guess):
                self.refused = None if surprise.expected else surprise.point
                return None
        return None

    def _look_beyond(self, guess: Guess) -> None:
        """Run one letter below its range where the others are larger: a norm may ask that one of several sizes is 2.

        Such sizes are in no range for each letter by itself; that they are taken is told besides.
        """
        if not self.checks.windows_alone:
            for size in self.assumed.left_out(guess, TURNS_UP_TO)[:_MOST_LEFT_OUT]:
                point = {**self.assumed.others, **dict.fromkeys(guess.ranges, size)}
                if self.trials.affordable(point):
                    self._passes(point, expected=False)
            pair = self.assumed.left_out_together(guess)
            if pair is not None and self.trials.affordable(pair):
                self._passes(pair, expected=False)
        if guess.tied:
            self._look_beside_the_diagonal(guess)
        else:
            self._look_at_sums(guess)
        if guess.tied or len(guess.ranges) < 2 or self.checks.is_each_by_itself:
            return
        most = max(found.minimum for found in guess.ranges.values())
        inner = {
            name: max(inside_of(found, index), found.minimum - (found.minimum - most) // found.step * found.step)
            for index, (name, found) in enumerate(guess.ranges.items())
        }
        largest = {
            name: inner[name] if found.maximum is None else found.maximum for name, found in guess.ranges.items()
        }
        for name, found in guess.ranges.items():
            for size in sorted({found.minimum - 1, found.minimum - found.step}):
                beside = [{**self.assumed.others, **others, name: size} for others in (inner, largest)]
                for point in beside if size >= 1 else ():
                    others_fit = all(point[other] in guess.ranges[other] for other in inner if other != name)
                    if others_fit and self.trials.affordable(point):
                        self._passes(point, expected=False)

    def _look_at_sums(self, guess: Guess) -> None:
        """Run one letter smaller and another larger where one size of each is taken: what is joined has their sum."""
        exact = {name: found.exact for name, found in guess.ranges.items() if found.exact is not None}
        for one, other in permutations(exact, 2):
            point = {**self.checks.smallest(guess), one: exact[one] - 1, other: exact[other] + 1}
            if point[one] >= 1 and self.trials.affordable(point):
                self._passes(point, expected=False)

    def _look_beside_the_diagonal(self, guess: Guess) -> None:
        """Run some of the letters at one size and the others at another: of two images each side may have its own."""
        first, *names = guess.ranges
        sizes = [inside_of(next(iter(guess.ranges.values())), place) for place in range(2)]
        for count in range(1, len(names) + 1) if 1 < len(names) < _MOST_TIED else ():
            for others in combinations(names, count):
                point = {name: sizes[name in others] for name in (first, *names)}
                if self.trials.affordable({**self.assumed.others, **point}):
                    self._passes({**self.assumed.others, **point}, expected=False)

    def _surprise(self, checks: Sequence[Check]) -> Check | None:
        """The first check that comes out otherwise than thought; real runs only after all others agree."""
        for for_real in (False, True):
            for check in checks:
                if self._is_at_end:
                    return _NO_ANSWER
                point = check.point
                if check.is_extra and (for_real or not self.trials.affordable(point)):
                    continue
                if (
                    self.checks.windows_alone
                    and not for_real
                    and not check.is_extra
                    and not self.trials.is_cheap(point)
                ):
                    continue  # the real run is not likely to be in vain
                passed = self._for_real(point) if for_real else self._passes(point, expected=check.expected)
                if passed is None and check.is_extra:
                    continue
                if passed is None or (passed and check.is_extra and not check.expected):
                    return _NO_ANSWER
                if passed != check.expected:
                    return Check(check.point, passed)
        return None

    def _refused_unseen(self, guess: Guess) -> Check | None:
        """A small size that is refused, where code made a plain number or text of a size, and nobody sees what it asks.

        Only where a run costs next to nothing, and no more often than is right for the calls of the model.
        """
        if not unseen(self.assumed.letters):
            return None
        points = [point for point in self.checks.in_a_row(guess) if self.trials.is_cheap(point)]
        points = points[:: -(-len(points) // self.most_runs) or 1]
        return next((Check(each, False) for each in points if self._passes(each, expected=True) is False), None)

    def _has_no_holes(self, guess: Guess) -> bool:
        """Whether sizes all over the range are taken, where only runs told of an end: they say nothing between."""
        for name, found in guess.ranges.items():
            if name not in self.assumed.lower and name not in self.assumed.upper:
                continue
            last = found.maximum or found.minimum + _MOST_INSIDE * _APART_INSIDE * found.step
            steps = (last - found.minimum) // found.step
            places = range(steps + 1) if steps <= _MOST_INSIDE else spread(steps, _MOST_INSIDE)
            together = tuple(guess.ranges) if guess.tied else (name,)
            for place in places:
                size = found.minimum + place * found.step
                point = {**self.checks.smallest(guess), **dict.fromkeys(together, size)}
                if self.trials.affordable(point) and self._passes(point, expected=True) is False:
                    return False
        return True

    def _passes(self, point: Point, *, expected: bool) -> bool | None:
        if self._is_at_end:
            return None
        passed = self.trials.passes(point, expected=expected)
        return passed and not self.stretched(point)

    @property
    def _is_at_end(self) -> bool:
        if self.trials.count > self.most_runs:
            self.trials.limits.meet(f"{self.most_runs} runs looked for the accepted sizes")
        return self.trials.count > self.most_runs

    def _for_real(self, point: Point) -> bool | None:
        passed = self.trials.for_real(point)
        return passed and not self.stretched(point)

    def _strike_out_by_small_sizes(self) -> None:
        """Runs that settle many conditions at once: the smallest inputs, and sizes that nothing divides."""
        first = self.assumed.names[0]
        large = _LARGE if len(self.assumed.names) > 1 else _LARGE_ALONE
        for sizes in (*_SMALL_OR_ODD, (large, large)):
            point = {**self.assumed.others, **dict.fromkeys(self.assumed.names, sizes[0]), first: sizes[1]}
            if not self.assumed.takes_point(point) and self._passes(point, expected=False):
                self.assumed.strike_out(point)

    def _strike_out_questions(self) -> None:
        """What the model's own code asked and goes on without: sizes at which nothing else stands in the way."""
        asked = {each.condition for each in self.assumed.letters.decisions if each.direct and not each.own}
        for condition in [each for each in self.assumed.conditions if each.expression in asked][:MOST_TURNS]:
            point = self.assumed.only_against(condition, TURNS_UP_TO)
            if point is not None and self.trials.affordable(point) and self._passes(point, expected=False):
                self.assumed.strike_out(point)

    def _learn(self, surprise: Check, guess: Guess) -> bool:
        """Take in one run that came out otherwise than thought; False where nothing can be made of it."""
        if surprise.expected:
            # The meta device takes any index: of a bound that runs showed a real run tells.
            if self.assumed.is_beyond_bounds(surprise.point) and self._for_real(surprise.point) is False:
                return True
            return self.assumed.strike_out(surprise.point)
        if surprise.point == self.checks.next_to(guess) and self._learn_step(guess):
            return True
        inside: Point = {**self.assumed.others, **{name: inside_of(found, 0) for name, found in guess.ranges.items()}}
        if self._passes(inside, expected=True) is not True:
            if self._learn_step(guess) or self._learn_multiples():
                return True
            inside = self._any_that_passes(guess) or self.checks.smallest(guess)
            if self._passes(inside, expected=True) is not True:
                return False
        has_edge = False
        for name, found in guess.ranges.items():
            edge = self._edge(name, found, inside, surprise.point[name], guess)
            if edge is None:
                continue
            has_edge = True
            if surprise.point[name] < inside[name]:
                self.assumed.lower[name] = edge
            elif surprise.point[name] > inside[name]:
                self.assumed.upper[name] = edge
        self.assumed.drop_raised()
        is_out = has_edge and not self.assumed.takes_point(surprise.point)
        return is_out or self._learn_least(surprise.point, guess)

    def _learn_least(self, refused: Point, guess: Guess) -> bool:
        """A larger smallest size of one letter: what is asked of another one in the middle of its range may need it."""
        if guess.tied or len(guess.ranges) < 2:
            return False
        for name, found in guess.ranges.items():
            if refused[name] != found.minimum:
                continue
            for steps in range(1, _MOST_RAISED):
                size = found.minimum + steps * found.step
                if size not in found or not self._passes({**refused, name: size}, expected=True):
                    continue
                # Where the other one is larger still, it may need more: then there is no such size.
                if not all(
                    self._passes(each, expected=True) for each in self._further(guess, {**refused, name: size}, name)
                ):
                    return False
                self.assumed.lower[name], self.assumed.beside[name] = size, refused
                return True
        return False

    def _further(self, guess: Guess, point: Point, name: str) -> list[Point]:
        """Sizes of the other letters that are several times as large, as far as they can be run."""
        others = [other for other in guess.ranges if other != name]
        several = [
            {
                **point,
                **{
                    other: guess.ranges[other].minimum
                    + times * (point[other] - guess.ranges[other].minimum + 1) * guess.ranges[other].step
                    for other in others
                },
            }
            for times in _TIMES_FURTHER
        ]
        return [
            each
            for each in several
            if all(each[other] in guess.ranges[other] for other in others) and self.trials.affordable(each)
        ]

    def _learn_step(self, guess: Guess) -> bool:
        """Steps that no condition tells of: from the smallest size that is taken to the next."""
        for step in _STEPS:
            points = [
                {**self.assumed.others, **{name: found.minimum + times * step for name, found in guess.ranges.items()}}
                for times in range(3)
            ]
            if all(self._passes(point, expected=True) for point in points):
                if any(self._passes(point, expected=False) for point in self._between(guess, step)):
                    return False  # they are taken as well where they are larger
                self.assumed.steps = {name: (found.minimum, step) for name, found in guess.ranges.items()}
                return True
        return False

    def _between(self, guess: Guess, step: int) -> list[Point]:
        """Sizes further up that steps of so many leave out."""
        beside = sorted({1, step // 2, step - 1} - {0})
        return [
            {
                **self.assumed.others,
                **{name: found.minimum + _STEPS_UP * step + each for name, found in guess.ranges.items()},
            }
            for each in beside
        ]

    def _learn_multiples(self) -> bool:
        """The same from a usual size on, where even the smallest size of the guess is refused.

        A model may leave out its check of the size while it is followed (``if not torch.compiler.is_compiling()``).
        """
        for usual in _USUAL:
            if self._all_pass(usual + 1):  # they are no multiples
                return False
            for step in (each for each in _STEPS if usual % each == 0):
                if not self._all_pass(usual, usual + step, usual + 2 * step):
                    continue
                smallest = usual
                while smallest > step and self._all_pass(smallest - step):
                    smallest -= step
                self.assumed.steps = dict.fromkeys(self.assumed.names, (smallest, step))
                self.assumed.lower = dict.fromkeys(self.assumed.names, smallest)
                return True
        return False

    def _all_pass(self, *sizes: int) -> bool:
        """Whether the model takes each of these sizes, for all letters at once."""
        points = ({**self.assumed.others, **dict.fromkeys(self.assumed.names, size)} for size in sizes)
        return all(self._passes(point, expected=True) for point in points)

    def _any_that_passes(self, guess: Guess) -> Point | None:
        """A larger point of the guess that the model takes."""
        for doublings in range(1, 9):
            point = {**self.assumed.others}
            for name, found in guess.ranges.items():
                size = found.minimum + found.step * 2**doublings
                point[name] = size if found.maximum is None else min(size, found.maximum)
            if self._passes(point, expected=True):
                return point
        return None

    def _edge(self, name: str, found: SizeRange, inside: Point, outside: int, guess: Guess) -> int | None:
        """The last size of one letter, from ``inside`` towards ``outside``, that the model takes; by bisection."""
        together = tuple(guess.ranges) if guess.tied else (name,)

        def passes(steps: int) -> bool:
            size = found.minimum + steps * found.step
            return bool(self._passes({**inside, **dict.fromkeys(together, size)}, expected=True))

        good, bad = (inside[name] - found.minimum) // found.step, (outside - found.minimum) // found.step
        if good == bad or passes(bad):
            return None
        while abs(good - bad) > 1:
            middle = (good + bad) // 2
            if passes(middle):
                good = middle
            else:
                bad = middle
        return found.minimum + good * found.step


_NO_ANSWER = Check({}, False)
