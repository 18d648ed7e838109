"""Which sizes a model takes as it is declared: guessed from the conditions of a symbolic pass, proved by running.

A decision that a pass came by (``if height % 32``) is no proof that the model refuses the other
case, so every condition starts as a guess.  The guess is tried at its ends and one step outside;
each run that contradicts it strikes conditions out or adds a bound, until guess and runs agree.
What does not come to agree is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, NamedTuple

import sympy
import torch

from convlin.inputs import TRIALS
from convlin.records import Accepts, SizeRange
from convlin.sizes.evaluate import Evaluation
from convlin.symbolic.assumed import Assumed
from convlin.symbolic.lookups import Lookup
from convlin.symbolic.questions import beside_constants, turns_by_order
from convlin.symbolic.ranges import Guess, far_in, inside_of, spread
from convlin.symbolic.session import Decision
from convlin.symbolic.trials import Point, Trials

_MOST_ROUNDS = 16
#: Steps between sizes that are looked for where no condition tells of any.
_STEPS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 32)
#: Sizes that most images have, to look for multiples where the smallest sizes are refused.
_USUAL = (32, 96)
#: Sizes that settle many conditions at once: small ones, those that nothing divides, and a large one.
_SMALL_OR_ODD = ((1, 1), (2, 2), (7, 7), (17, 17), (37, 37), (101, 67), (67, 101), (211, 211))
_LARGE, _LARGE_ALONE = 4099, 65521
#: How many sizes are tried at which a question of the model's own comes out otherwise than at the size before.
_MOST_TURNS = 12
#: How many sizes are tried between ends that runs alone found, and how far apart they are where there is no end.
_MOST_INSIDE, _APART_INSIDE = 16, 7
#: How many small sizes are tried where a form ends at a number.
_MOST_BELOW_AN_END = 10
_TURNS_UP_TO = 1100
#: Where one size alone is thought to be taken: others that may be, in steps of two and three.
_BESIDE_EXACT = (-4, -3, -2, 2, 3, 4)
#: How many steps from there: with every remainder of two and three.
_STEPS_IN_ANOTHER_ORDER = (1, 3, 8, 17)
#: For so many letters that have to be equal it is looked whether parts of them may differ.
_MOST_TIED = 5


class Check(NamedTuple):
    """A size to try, and whether the model is thought to take it."""

    point: Point
    expected: bool
    is_extra: bool = False
    """Not one of those that prove a range: left out where it would be dear, and not run again for real."""


@dataclass(slots=True)
class Search:
    """Finds the sizes that are taken; ``settled`` gives the answer."""

    assumed: Assumed
    """What the symbolic pass tells; runs that come out otherwise change it."""
    trials: Trials
    most_runs: int = TRIALS
    lookups: Sequence[Lookup] = ()
    """Tables that a large size may reach beyond."""
    ends: bool = False
    """Whether a form ends at a number, ``min(30, L)``: what the model asks below it the sample does not show."""
    several: bool = False
    """Whether there are several inputs, which may have to agree."""
    windows_alone: bool = False
    """Whether nothing was asked on the way but whether windows fit: PyTorch refuses where one does not."""
    stretched: Callable[[Point], bool] = lambda point: False
    """Whether sizes are taken only because a 1 is stretched: such sizes do not count as taken."""

    def settled(self) -> Accepts | None:
        """The sizes that are taken, proved by running; None where no such thing could be proved."""
        guess = self._agreed()
        if guess is None:
            return None
        with self.trials.limits.probing():
            self._look_beyond(guess)
        ranges = tuple(guess.ranges[name] for name in self.assumed.names)
        return Accepts(ranges, " = ".join(self.assumed.names) if guess.tied else "", verified=True)

    def _agreed(self) -> Guess | None:
        for point in self.trials.taken:  # what runs showed before, in which the forms were compared
            if not self.assumed.takes_point(point) and not self.stretched(point):
                self.assumed.strike_out(point)
        with self.trials.limits.probing():
            if not self.windows_alone:
                self._strike_out_by_small_sizes()
            self._strike_out_questions()
        for _ in range(_MOST_ROUNDS):
            guess = self.assumed.guess() or self.assumed.guess_by_fewer()
            if guess is None:
                return None
            checks = self._checks(guess)
            if checks is None:
                return None
            surprise = self._surprise(checks)
            if surprise is _NO_ANSWER:
                return None
            if surprise is None:
                return guess if self._has_no_holes(guess) else None
            if not self._learn(surprise, guess):
                return None
        return None

    def _look_beyond(self, guess: Guess) -> None:
        """Run one letter below its range where the others are larger: a norm may ask that one of several sizes is 2.

        Such sizes are in no range for each letter by itself; that they are taken is told besides.
        """
        if guess.tied:
            self._look_beside_the_diagonal(guess)
        if guess.tied or len(guess.ranges) < 2 or self._is_each_by_itself:
            return
        most = max(found.minimum for found in guess.ranges.values())
        inner = {
            name: max(inside_of(found, index), found.minimum - (found.minimum - most) // found.step * found.step)
            for index, (name, found) in enumerate(guess.ranges.items())
        }
        for name, found in guess.ranges.items():
            for size in sorted({found.minimum - 1, found.minimum - found.step}):
                point = {**self.assumed.others, **inner, name: size}
                others_fit = all(point[other] in guess.ranges[other] for other in inner if other != name)
                if size >= 1 and others_fit and self.trials.affordable(point):
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
                if self.windows_alone and not for_real and not check.is_extra and not self.trials.is_cheap(point):
                    continue  # the real run is not likely to be in vain
                passed = self._for_real(point) if for_real else self._passes(point, expected=check.expected)
                if passed is None and check.is_extra:
                    continue
                if passed is None or (passed and check.is_extra and not check.expected):
                    return _NO_ANSWER
                if passed != check.expected:
                    return Check(check.point, passed)
        return None

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
                point = {**self._smallest(guess), **dict.fromkeys(together, size)}
                if self.trials.affordable(point) and self._passes(point, expected=True) is False:
                    return False
        return True

    @property
    def _is_each_by_itself(self) -> bool:
        """Whether nothing is known that one letter asks of another."""
        names_in = self.assumed.letters.names_in
        return self.windows_alone and all(len(names_in(each.expression)) < 2 for each in self.assumed.conditions)

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

    # Trying

    def _checks(self, guess: Guess) -> list[Check] | None:
        """The ends, which should be taken, and one step outside, which should not."""
        ranges, others = guess.ranges, self.assumed.others
        low = {**others, **{name: found.minimum for name, found in ranges.items()}}
        # The last one first: it is the largest, and where that can be run the others can.
        ends = [
            found.maximum or self._far(name, found, index, low)
            for index, (name, found) in reversed([*enumerate(ranges.items())])
        ][::-1]
        if not all(ends):
            return None
        inner = [inside_of(found, 0 if guess.tied else index) for index, found in enumerate(ranges.values())]
        high = {**others, **dict(zip(ranges, ends, strict=True))}
        if guess.tied:
            high = {**others, **dict.fromkeys(ranges, max(ends))}
        middle = {**others, **dict(zip(ranges, inner, strict=True))}
        checks = [Check(low, True)]
        # Where only multiples of a number are taken, the sizes further in may be such multiples by chance.
        every = self.windows_alone and all(found.step == 1 for found in ranges.values())
        if not every and all(found.minimum + found.step in found for found in ranges.values()):
            checks.append(Check(self._next_to(guess), True))
        if any(found.width > 1 for found in ranges.values()):
            wide = {name: found.minimum + found.width - 1 for name, found in ranges.items()}
            checks.append(Check({**others, **wide}, True))
        checks += [Check(middle, True), Check(high, True)]
        if len(ranges) > 1 and not guess.tied and not self._is_each_by_itself:
            checks += [Check({**low, name: high[name]}, True) for name in ranges]
        groups = [tuple(ranges)] if guess.tied else [(name,) for name in ranges]
        for group in groups:
            checks += self._outside(group, ranges[group[0]], low, high)
        checks += self._in_another_order(guess, low)
        checks += self._beside_exact(guess, low)
        checks += self._multiples_of_ends(guess, low, high)
        if guess.tied:
            first = next(iter(ranges))
            checks.append(Check({**low, first: low[first] + ranges[first].step}, False))
        known = [each.point for each in checks]
        checks += [check for check in self._turns(guess) if check.point not in known]
        checks += [Check(point, True, is_extra=True) for point in self._doubtful(guess) if point not in known]
        # A range that has no proper end is none.
        return None if any(self.assumed.takes_point(check.point) for check in checks if not check.expected) else checks

    def _in_another_order(self, guess: Guess, low: Point) -> Iterator[Check]:
        """Each letter at several sizes beside the smallest of the others, where the model sets two side by side.

        What is asked of the larger one alone, as to be a multiple of 4, is asked of another one there.
        """
        letters = self.assumed.letters
        decisions = [each for each in letters.decisions if not each.own]
        together = [each for each in decisions if len({*letters.names_in(each.expression)} & {*guess.ranges}) > 1]
        if guess.tied or not together:
            return
        for name, found in guess.ranges.items():
            others = [low[other] for other in guess.ranges if other != name]
            first = found.minimum + -(-max(0, max(others, default=0) - found.minimum) // found.step) * found.step
            for steps in _STEPS_IN_ANOTHER_ORDER:
                point = {**low, name: first + steps * found.step}
                turns = any(turns_by_order(letters, self.assumed.names, point, each) for each in together)
                if point[name] in found and turns:
                    yield Check(point, True)

    def _beside_exact(self, guess: Guess, low: Point) -> Iterator[Check]:
        """Other sizes of one letter that is thought to be exact: where a product is limited, they are taken as well.

        A size of several patches is one of fewer, divided by a prime; that of a single patch is doubled.
        """
        steps = {found.step for found in guess.ranges.values() if found.exact is None}
        for name, found in guess.ranges.items():
            if found.exact is None or len(guess.ranges) == 1:
                continue
            sizes = {found.exact // factor for factor in _prime_factors(found.exact)}
            sizes |= {found.exact * 2, *(found.exact + step for step in steps)} if steps else set()
            for size in sorted(sizes):
                yield Check({**low, name: size}, False, is_extra=True)

    def _multiples_of_ends(self, guess: Guess, low: Point, high: Point) -> Iterator[Check]:
        """Sizes beyond a range with an end: a part that a layer fits may come several times, as two inputs may grow."""
        decisions = self.assumed.letters.decisions
        may_come_again = self.several or any(not each.own and (each.direct or each.is_number) for each in decisions)
        ends = [(found.minimum, found.maximum) for found in guess.ranges.values()]
        if not may_come_again or any(last is None or last >= 2 * first for first, last in ends):
            return
        for end, times in product((low, high), (2, 3)):
            point = {name: times * end[name] for name in guess.ranges}
            if not all(size in guess.ranges[name] for name, size in point.items()):
                yield Check({**end, **point}, False, is_extra=True)
        if all(found.exact is not None for found in guess.ranges.values()) and len(guess.ranges) == 1:
            for factor in sorted(set(_prime_factors(next(iter(guess.ranges.values())).minimum))):
                yield Check({**low, **{name: low[name] // factor for name in guess.ranges}}, False, is_extra=True)

    def _turns(self, guess: Guess) -> list[Check]:
        """Sizes on both sides of what was asked: the model may refuse some in the middle of a range.

        Where a single size is thought to be taken, the others that the model's own code asks for are tried.
        """
        letters, sizes = self.assumed.letters, torch.arange(1, _TURNS_UP_TO + 1)
        points = {**self.assumed.others, **dict.fromkeys(self.assumed.names, sizes)}
        inside = torch.stack(
            [torch.tensor([size in found for size in sizes.tolist()]) for found in guess.ranges.values()]
        ).all(0)
        is_single = all(found.exact is not None for found in guess.ranges.values())
        chosen: dict[int, None] = {}
        asked = [each for each in letters.decisions if not each.own and not each.is_number]
        asked = [each for each in asked if each.direct or not self._is_settled(each)]
        for decision in sorted(asked, key=lambda each: not each.direct):
            try:
                answers = torch.as_tensor(letters.evaluation(points)(decision.expression))
            except (NotImplementedError, ArithmeticError, RuntimeError):
                continue
            if answers.dim() == 1:
                places = (answers[1:] != answers[:-1]).nonzero().flatten()
                turns = torch.stack([places, places + 1]).T.flatten()
                if not is_single:
                    turns = turns[inside[turns]]
                elif not decision.direct:
                    continue
                chosen.update(dict.fromkeys(turns[: _MOST_TURNS // 2 if decision.direct else 2].tolist()))
        chosen.update(dict.fromkeys(place for place in beside_constants(letters, points) if inside[place] or is_single))
        return [
            Check(
                {**self.assumed.others, **dict.fromkeys(self.assumed.names, int(sizes[place]))},
                bool(inside[place]),
                is_extra=True,
            )
            for place in self._few([*chosen])
        ]

    def _few(self, turns: list[int]) -> list[int]:
        most = self.trials.limits.scaled(_MOST_TURNS)
        if len(turns) > most:
            self.trials.limits.meet(f"of {len(turns)} sizes at which forward may go another way {most} were run")
        return turns[:most]

    def _doubtful(self, guess: Guess) -> Iterator[Point]:
        """Sizes in the ranges at which something stopped a pass before, and small ones where forms end at a number."""
        ranges, others = guess.ranges, self.assumed.others
        points: list[Point] = [{**point, **others} for point in self.trials.stopped.values()]
        if self.ends:
            places = range(2, _MOST_BELOW_AN_END + 2)
            points += [
                {**others, **{name: found.minimum + place * found.step for name, found in ranges.items()}}
                for place in places
            ]
        for point in points:
            is_inside = all(point[name] in found for name, found in ranges.items())
            if is_inside and (not guess.tied or len({point[name] for name in ranges}) == 1):
                yield point

    def _is_settled(self, decision: Decision) -> bool:
        """Whether sizes were found to be taken at which a function of PyTorch's answers so, and others otherwise."""
        taken = self.trials.taken
        if not taken:
            return False
        points = {name: torch.tensor([point[name] for point in taken]) for name in taken[0]}
        try:
            answers = torch.as_tensor(self._evaluation(points)(decision.expression))
        except (NotImplementedError, ArithmeticError, RuntimeError):
            return False
        return bool(answers.any()) and not bool(answers.all())

    def _smallest(self, guess: Guess) -> Point:
        return {**self.assumed.others, **{name: found.minimum for name, found in guess.ranges.items()}}

    def _next_to(self, guess: Guess) -> Point:
        """One step up from the smallest sizes."""
        return {**self.assumed.others, **{name: found.minimum + found.step for name, found in guess.ranges.items()}}

    def _far(self, name: str, found: SizeRange, index: int, low: Point) -> int:
        """A large size of a range without end, beyond every table; 0 where that cannot be run for real."""

        def affordable(size: int) -> bool:
            return self.trials.affordable({**low, **dict.fromkeys(self.assumed.names, size)}, for_real=True)

        size = far_in(found, index, affordable)
        while not all(each.is_exceeded(self._evaluation({**low, name: size})) for each in self._reached_by(name)):
            size += (size - found.minimum) // found.step * found.step
            if not affordable(size):
                return 0
        return size

    def _reached_by(self, name: str) -> Iterator[Lookup]:
        letters = self.assumed.letters
        return (each for each in self.lookups if any(name in letters.names_in(size) for size in each.axes))

    def _evaluation(self, point: Mapping[str, Any]) -> Evaluation:
        return self.assumed.letters.evaluation(point)

    def _outside(self, group: tuple[str, ...], found: SizeRange, low: Point, high: Point) -> Iterator[Check]:
        below = {found.minimum - 1, found.minimum - found.step}
        for size in sorted(below):
            if size >= 1:
                yield Check({**low, **dict.fromkeys(group, size)}, False)
        above = {found.maximum + 1, found.maximum + found.step} if found.maximum is not None else set()
        # Where the others are at their smallest, too: a table of positions limits the product of two letters.
        for others, size in product((high, low), sorted(above)):
            yield Check({**others, **dict.fromkeys(group, size)}, False)
        if found.step > 1:
            yield Check({**low, **dict.fromkeys(group, found.minimum + found.width)}, False)
        if found.exact is not None and len(group) == len(self.assumed.names) == 1:
            for beside in _BESIDE_EXACT:
                if found.exact + beside >= 1:
                    yield Check({**low, group[0]: found.exact + beside}, False)
        # A question that the pass only came by makes every other size of those that are taken.
        for part in sorted(map(int, sympy.primefactors(found.step))):
            if found.exact is None and found.width < found.step // part:
                yield Check({**low, **dict.fromkeys(group, found.minimum + found.step // part)}, False)

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
        for condition in [each for each in self.assumed.conditions if each.expression in asked][:_MOST_TURNS]:
            point = self.assumed.only_against(condition, _TURNS_UP_TO)
            if point is not None and self.trials.affordable(point) and self._passes(point, expected=False):
                self.assumed.strike_out(point)

    def _learn(self, surprise: Check, guess: Guess) -> bool:
        """Take in one run that came out otherwise than thought; False where nothing can be made of it."""
        if surprise.expected:
            return self.assumed.strike_out(surprise.point)
        if surprise.point == self._next_to(guess) and self._learn_step(guess):
            return True
        inside: Point = {**self.assumed.others, **{name: inside_of(found, 0) for name, found in guess.ranges.items()}}
        if self._passes(inside, expected=True) is not True:
            if self._learn_step(guess) or self._learn_multiples():
                return True
            inside = self._any_that_passes(guess) or self._smallest(guess)
            if self._passes(inside, expected=True) is not True:
                return False
        for name, found in guess.ranges.items():
            edge = self._edge(name, found, inside, surprise.point[name], guess)
            if edge is None:
                continue
            if surprise.point[name] < inside[name]:
                self.assumed.lower[name] = edge
            elif surprise.point[name] > inside[name]:
                self.assumed.upper[name] = edge
        return not self.assumed.takes_point(surprise.point)

    def _learn_step(self, guess: Guess) -> bool:
        """Steps that no condition tells of: from the smallest size that is taken to the next."""
        for step in _STEPS:
            points = [
                {**self.assumed.others, **{name: found.minimum + times * step for name, found in guess.ranges.items()}}
                for times in range(3)
            ]
            if all(self._passes(point, expected=True) for point in points):
                self.assumed.steps = {name: (found.minimum, step) for name, found in guess.ranges.items()}
                return True
        return False

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


def _prime_factors(number: int) -> Iterator[int]:
    factor = 2
    while number > 1:
        if number % factor:
            factor += 1
        else:
            yield factor
            number //= factor


_NO_ANSWER = Check({}, False)
