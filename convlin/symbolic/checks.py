"""Which sizes are run for a guess of what a model takes: its ends, a step outside, and where it may be wrong inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product
from typing import Any, NamedTuple

import sympy
import torch

from convlin.records import SizeRange
from convlin.sizes.evaluate import Evaluation
from convlin.symbolic.assumed import Assumed
from convlin.symbolic.budget import MOST_ELEMENTS_BEYOND, MOST_ELEMENTS_FAR
from convlin.symbolic.environment import Decision
from convlin.symbolic.lookups import Lookup
from convlin.symbolic.questions import beside_constants, of_many, turns_by_order
from convlin.symbolic.ranges import Guess, far_in, inside_of
from convlin.symbolic.runs import Point
from convlin.symbolic.trials import Trials

#: How many sizes are tried at which a question of the model's own comes out otherwise than at the size before, and up
#: to which size they are looked for.
MOST_TURNS, TURNS_UP_TO = 16, 1100
#: Up to which size of each it is looked where a question of two letters turns, and how many such sizes are tried.
_GRID, _MOST_TOGETHER = 160, 4
#: How many small sizes of each letter are looked at for what is asked of several together.
_SMALL_TOGETHER = 6
#: Of so many letters every corner is run, where some are small and some are large.
_MOST_IN_EVERY_CORNER = 4
#: How many small sizes are tried where a form ends at a number.
_MOST_BELOW_AN_END = 10
#: Where code made a plain number of a size: so many small sizes are tried, and how much larger each letter is.
_IN_A_ROW, _APART_IN_A_ROW = 64, 3
#: Where one size alone is thought to be taken: others that may be, in steps of two and three.
_BESIDE_EXACT = (-4, -3, -2, 2, 3, 4)
#: How many steps from there: with every remainder of two and three.
_STEPS_IN_ANOTHER_ORDER = (1, 3, 8, 17)


class Check(NamedTuple):
    """A size to try, and whether the model is thought to take it."""

    point: Point
    expected: bool
    is_extra: bool = False
    """Not one of those that prove a range: left out where it would be dear, and not run again for real."""


@dataclass(slots=True)
class Checks:
    """Chooses what is run; ``of`` gives the choice for one guess."""

    assumed: Assumed
    trials: Trials
    lookups: Sequence[Lookup] = ()
    """Tables that a large size may reach beyond."""
    ends: bool = False
    """Whether a form ends at a number, ``min(30, L)``: what the model asks below it the sample does not show."""
    several: bool = False
    """Whether there are several inputs, which may have to agree."""
    windows_alone: bool = False
    """Whether nothing was asked on the way but whether windows fit: PyTorch refuses where one does not."""

    def of(self, guess: Guess) -> list[Check] | None:
        """The ends, which should be taken, and one step outside, which should not."""
        ranges, others = guess.ranges, self.assumed.others
        free = [name for name, found in ranges.items() if found.exact is None]
        is_each_alone = len(ranges) < 2 or guess.tied or self.is_each_by_itself
        if not guess.tied and of_many(self.assumed.letters, free):
            return None
        if not is_each_alone and self._has_to_agree(guess):
            return None
        low = {**others, **{name: found.minimum for name, found in ranges.items()}}
        # The last one first: it is the largest, and where that can be run the others can.
        ends = [
            found.maximum or self._far(name, found, index, low, self.assumed.names)
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
            checks.append(Check(self.next_to(guess), True))
        if any(found.width > 1 for found in ranges.values()):
            wide = {name: found.minimum + found.width - 1 for name, found in ranges.items()}
            checks.append(Check({**others, **wide}, True))
        checks += [Check(middle, True), Check(high, True)]
        if not is_each_alone:
            # By itself a letter may be larger than together with others.
            alone = [
                found.maximum or self._far(name, found, index, low, (name,))
                for index, (name, found) in enumerate(ranges.items())
            ]
            checks += [Check({**low, name: size}, True) for name, size in zip(ranges, alone, strict=True)]
            some = range(2, len(ranges)) if len(ranges) <= _MOST_IN_EVERY_CORNER else ()
            large = (names for count in some for names in combinations(ranges, count))
            checks += [Check({**low, **{name: high[name] for name in names}}, True) for names in large]
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
        checks += [check for check in self._turns_alone(guess, low) if check.point not in known]
        checks += [check for check in self._turns_together(guess, low) if check.point not in known]
        doubtful = (*self._doubtful(guess), *(() if is_each_alone else self._against_conditions(guess)))
        checks += [Check(point, True, is_extra=True) for point in doubtful if point not in known]
        # A range that has no proper end is none.
        return None if any(self.assumed.takes_point(check.point) for check in checks if not check.expected) else checks

    def _has_to_agree(self, guess: Guess) -> bool:
        """Whether what one letter makes has to equal what another makes, and does at sizes outside of the ranges, too.

        Of two inputs with as many steps behind a stride, sizes that go together are no range of each.
        """
        letters, asked = self.assumed.letters, self.assumed.conditions
        sides = [[{*letters.names_in(side)} for side in each.expression.args] for each in asked if each.is_equation]
        pairs = [
            one | other
            for one, other in (each for each in sides if len(each) == 2)
            if one and other and not one & other
        ]
        for names in (each & {*guess.ranges} for each in pairs):
            if len(names) != 2:
                continue
            low = self.smallest(guess)
            steps = torch.arange(1, _GRID + 1)
            points = dict(zip(sorted(names), torch.cartesian_prod(steps, steps).T, strict=True))
            taken = self.assumed.takes({**low, **points}).nonzero().flatten().tolist()
            return any(int(points[name][place]) not in guess.ranges[name] for place in taken for name in names)
        return False

    def in_a_row(self, guess: Guess) -> list[Point]:
        """The smallest sizes of the ranges, one after the other; of several letters rectangles, unless tied."""

        def size(found: SizeRange, steps: int) -> int:
            last = found.minimum + steps * found.step
            return last if found.maximum is None else min(last, found.maximum)

        apart = 0 if guess.tied else _APART_IN_A_ROW
        points = [
            {name: size(found, steps + apart * place) for place, (name, found) in enumerate(guess.ranges.items())}
            for steps in range(_IN_A_ROW)
        ]
        return [{**self.assumed.others, **point} for place, point in enumerate(points) if point not in points[:place]]

    def smallest(self, guess: Guess) -> Point:
        """The smallest size of each letter."""
        return {**self.assumed.others, **{name: found.minimum for name, found in guess.ranges.items()}}

    def next_to(self, guess: Guess) -> Point:
        """One step up from the smallest sizes."""
        return {**self.assumed.others, **{name: found.minimum + found.step for name, found in guess.ranges.items()}}

    @property
    def is_each_by_itself(self) -> bool:
        """Whether nothing is known that one letter asks of another."""
        names_in = self.assumed.letters.names_in
        return self.windows_alone and all(len(names_in(each.expression)) < 2 for each in self.assumed.conditions)

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
            sizes = {found.exact // factor for factor in _primes(found.exact)}
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
            for factor in _primes(next(iter(guess.ranges.values())).minimum):
                yield Check({**low, **{name: low[name] // factor for name in guess.ranges}}, False, is_extra=True)

    def _turns(self, guess: Guess) -> list[Check]:
        """Sizes on both sides of what was asked: the model may refuse some in the middle of a range.

        Where a single size is thought to be taken, the others that the model's own code asks for are tried.
        """
        letters, sizes = self.assumed.letters, torch.arange(1, TURNS_UP_TO + 1)
        points = {**self.assumed.others, **dict.fromkeys(self.assumed.names, sizes)}
        inside = torch.stack(
            [torch.tensor([size in found for size in sizes.tolist()]) for found in guess.ranges.values()]
        ).all(0)
        is_single = all(found.exact is not None for found in guess.ranges.values())
        chosen: dict[int, None] = {}
        asked = [each for each in letters.decisions if not each.own and not each.is_number]
        asked = [each for each in asked if each.direct or not self._is_settled(each)]
        evaluation = letters.evaluation(points)
        for decision in sorted(asked, key=lambda each: not each.direct):
            answers = evaluation.at_each(decision.expression)
            if answers is not None and answers.dim() == 1:
                places = (answers[1:] != answers[:-1]).nonzero().flatten()
                turns = torch.stack([places, places + 1]).T.flatten()
                if not is_single:
                    turns = turns[inside[turns]]
                elif not decision.direct:
                    continue
                chosen.update(dict.fromkeys(turns[: MOST_TURNS // 2 if decision.direct else 2].tolist()))
        chosen.update(dict.fromkeys(place for place in beside_constants(letters, points) if inside[place] or is_single))
        return [
            Check(
                {**self.assumed.others, **dict.fromkeys(self.assumed.names, int(sizes[place]))},
                bool(inside[place]),
                is_extra=True,
            )
            for place in self._few([*chosen])
        ]

    def _turns_alone(self, guess: Guess, low: Point) -> Iterator[Check]:
        """The same of one letter beside the smallest sizes of the others, where most is refused: ``h * w > 1000``."""
        letters, sizes = self.assumed.letters, torch.arange(1, TURNS_UP_TO + 1)
        if guess.tied or len(guess.ranges) < 2:
            return
        asked = [each for each in letters.decisions if each.direct and not each.own and not each.is_number]
        for name, found in guess.ranges.items():
            chosen: dict[int, None] = {}
            for decision in asked:
                if name not in letters.names_in(decision.expression):
                    continue
                answers = letters.evaluation({**low, name: sizes}).at_each(decision.expression)
                if answers is not None and answers.dim() == 1:
                    places = (answers[1:] != answers[:-1]).nonzero().flatten()[: MOST_TURNS // 4]
                    chosen.update(dict.fromkeys((torch.stack([places, places + 1]).T.flatten() + 1).tolist()))
            for size in self._few([size for size in chosen if size in found]):
                yield Check({**low, name: size}, True, is_extra=True)

    def _turns_together(self, guess: Guess, low: Point) -> Iterator[Check]:
        """The same of what is asked of two letters, ``h * w == 36``, at sizes that are not equal: squares may fit."""
        letters = self.assumed.letters
        if guess.tied or len(guess.ranges) < 2:
            return
        side = torch.arange(1, _GRID + 1)
        for decision in letters.decisions:
            names = tuple({*letters.names_in(decision.expression)} & {*guess.ranges})
            if len(names) != 2 or not decision.direct or decision.own or decision.is_number:
                continue
            pairs = dict(zip(sorted(names), torch.cartesian_prod(side, side).T, strict=True))
            answers = letters.evaluation({**low, **pairs}).at_each(decision.expression)
            if answers is None:
                continue
            turned = answers != decision.outcome
            one, other = pairs.values()
            places = (turned & (one != other)).nonzero().flatten().tolist() if turned.dim() == 1 else []
            points = [{**low, **{name: int(sizes[place]) for name, sizes in pairs.items()}} for place in places]
            inside = [point for point in points if all(point[name] in guess.ranges[name] for name in pairs)]
            for point in inside[:: max(1, len(inside) // _MOST_TOGETHER)][:_MOST_TOGETHER]:
                yield Check(point, True, is_extra=True)

    def _few(self, turns: list[int]) -> list[int]:
        most = self.trials.limits.scaled(MOST_TURNS)
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

    def _against_conditions(self, guess: Guess) -> Iterator[Point]:
        """Small sizes in the ranges at which what is asked of several letters together does not hold.

        A norm of a map without its last column refuses a single cell, and takes what is smaller and what is larger.
        """
        letters, ranges = self.assumed.letters, guess.ranges
        together = [each for each in self.assumed.conditions if len(letters.names_in(each.expression)) > 1]
        if not together or len(ranges) >= _MOST_IN_EVERY_CORNER:
            return
        steps = torch.cartesian_prod(*[torch.arange(_SMALL_TOGETHER)] * len(ranges)).T
        sizes = {
            name: found.minimum + found.step * each for (name, found), each in zip(ranges.items(), steps, strict=True)
        }
        evaluation = letters.evaluation({**self.assumed.others, **sizes})
        for condition in together:
            answers = evaluation.at_each(condition.expression)
            places = (~answers).nonzero().flatten().tolist() if answers is not None and answers.dim() == 1 else []
            points = ({name: int(each[place]) for name, each in sizes.items()} for place in places)
            inside = (point for point in points if all(size in ranges[name] for name, size in point.items()))
            yield from ({**self.assumed.others, **point} for point in islice(inside, 1))

    def _is_settled(self, decision: Decision) -> bool:
        """Whether sizes were found to be taken at which a function of PyTorch's answers so, and others otherwise."""
        taken = self.trials.taken
        if not taken:
            return False
        points = {name: torch.tensor([point[name] for point in taken]) for name in taken[0]}
        answers = self._evaluation(points).at_each(decision.expression)
        return answers is not None and bool(answers.any()) and not bool(answers.all())

    def _far(self, name: str, found: SizeRange, index: int, low: Point, together: Sequence[str]) -> int:
        """A large size of a range without end, beyond every table, for real of several letters ``together``.

        0 where that cannot be run.
        """

        def affordable(size: int, most: float = MOST_ELEMENTS_FAR) -> bool:
            return self.trials.affordable_for_real({**low, **dict.fromkeys(together, size)}, most)

        size = far_in(found, index, affordable)
        while not all(each.is_exceeded(self._evaluation({**low, name: size})) for each in self._reached_by(name)):
            size += (size - found.minimum) // found.step * found.step
            if not affordable(size, MOST_ELEMENTS_BEYOND):
                return 0
        return size

    def _reached_by(self, name: str) -> Iterator[Lookup]:
        letters = self.assumed.letters
        return (each for each in self.lookups if any(name in letters.names_in(size) for size in each.axes))

    def _evaluation(self, point: Mapping[str, Any]) -> Evaluation:
        return self.assumed.letters.evaluation(point)

    def _outside(self, group: tuple[str, ...], found: SizeRange, low: Point, high: Point) -> Iterator[Check]:
        below, others_there = {found.minimum - 1, found.minimum - found.step}, self.assumed.beside.get(group[0], low)
        for size in sorted(below):
            if size >= 1:
                yield Check({**others_there, **dict.fromkeys(group, size)}, False)
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
        for part in _primes(found.step):
            if found.exact is None and found.width < found.step // part:
                yield Check({**low, **dict.fromkeys(group, found.minimum + found.step // part)}, False)


def _primes(number: int) -> list[int]:
    """The primes that divide a number, the smallest first."""
    return sorted(map(int, sympy.primefactors(number)))
