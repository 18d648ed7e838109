"""Which sizes a model takes as it is declared: guessed from the conditions of a symbolic pass, proved by running.

A decision that a pass came by (``if height % 32``) is no proof that the model refuses the other
case, so every condition starts as a guess.  The guess is tried at its ends and one step outside;
each run that contradicts it strikes conditions out or adds a bound, until guess and runs agree.
What does not come to agree is not told.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from convlin.records import Accepts, SizeRange
from convlin.symbolic.conditions import Condition
from convlin.symbolic.ranges import Guess, far_in, inside_of, pattern
from convlin.symbolic.session import Session
from convlin.symbolic.trials import Point, Trials

#: The sizes that are looked at: of one letter, and of several.
_LARGEST_ALONE = 1 << 16
_LARGEST = 4096
#: The side of the grid that is searched where no square input fits.
_GRID = 320
_MOST_ROUNDS = 16
#: Steps between sizes that are looked for where no condition tells of any.
_STEPS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 32)
_MOST_RUNS = 70


class Check(NamedTuple):
    """A size to try, and whether the model is thought to take it."""

    point: Point
    expected: bool
    is_end: bool = True
    """An end of a range or one step outside: to be run for real."""


@dataclass(slots=True)
class Search:
    """Finds the sizes that are taken; ``settled`` gives the answer."""

    letters: Session
    conditions: list[Condition]
    names: tuple[str, ...]
    """The letters whose sizes are asked for."""
    others: Point
    """Sizes of the other letters, the batch."""
    trials: Trials
    most_runs: int = _MOST_RUNS
    _lower: dict[str, int] = field(default_factory=dict)
    _upper: dict[str, int] = field(default_factory=dict)
    _steps: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.conditions = list(self._usable(self.conditions))

    def _usable(self, conditions: Sequence[Condition]) -> Iterator[Condition]:
        seen = set()
        point = self._diagonal(torch.arange(1, 3))
        for condition in conditions:
            if condition.expression in seen or not {*self.letters.names_in(condition.expression)} & {*self.names}:
                continue
            seen.add(condition.expression)
            try:
                self.letters.evaluation(point)(condition.expression)
            except NotImplementedError:
                continue
            yield condition

    # The answer

    def settled(self) -> Accepts | None:
        """The sizes that are taken, proved by running; None where no such thing could be proved."""
        guess = self._agreed()
        if guess is None:
            return None
        ranges = tuple(guess.ranges[name] for name in self.names)
        return Accepts(ranges, " = ".join(self.names) if guess.tied else "", verified=True)

    def _agreed(self) -> Guess | None:
        self._strike_out_by_small_sizes()
        for _ in range(_MOST_ROUNDS):
            guess = self._guess() or self._guess_by_fewer()
            if guess is None:
                return None
            checks = self._checks(guess)
            if checks is None:
                return None
            surprise = self._surprise(checks)
            if surprise is _NO_ANSWER:
                return None
            if surprise is None:
                return guess
            if not self._learn(surprise, guess):
                return None
        return None

    def _surprise(self, checks: Sequence[Check]) -> Check | None:
        """The first check that comes out otherwise than thought; real runs only after all others agree."""
        for for_real in (False, True):
            for check in checks:
                if self.trials.count > self.most_runs:
                    return _NO_ANSWER
                if for_real:
                    passed = self.trials.for_real(check.point) if check.is_end else check.expected
                else:
                    passed = self.trials.passes(check.point, expected=check.expected)
                if passed is None:
                    return _NO_ANSWER
                if passed != check.expected:
                    return Check(check.point, passed)
        return None

    # Guessing

    def takes(self, points: Mapping[str, Tensor | int]) -> Tensor:
        """For many points at once whether every condition and every bound holds."""
        evaluation = self.letters.evaluation(points)
        size = max((len(value) for value in points.values() if isinstance(value, Tensor)), default=1)
        result = torch.ones(size, dtype=torch.bool)
        for name in self.names:
            if name in self._lower:
                result &= torch.as_tensor(points[name] >= self._lower[name])
            if name in self._upper:
                result &= torch.as_tensor(points[name] <= self._upper[name])
            if name in self._steps:
                start, step = self._steps[name]
                result &= torch.as_tensor((points[name] - start) % step == 0)
        for condition in self.conditions:
            result &= torch.as_tensor(evaluation(condition.expression))
        return result

    def takes_point(self, point: Point) -> bool:
        """The same for one point."""
        return bool(self.takes({name: torch.tensor([size]) for name, size in point.items()}))

    def _diagonal(self, sizes: Tensor) -> dict[str, Tensor | int]:
        return {**self.others, **dict.fromkeys(self.names, sizes)}

    def _along(self, base: Point, name: str) -> list[int]:
        sizes = torch.arange(1, self._largest + 1)
        taken = self.takes({**base, name: sizes})
        return [int(size) for size in sizes[taken]]

    @property
    def _largest(self) -> int:
        return _LARGEST_ALONE if len(self.names) == 1 else _LARGEST

    def _guess(self) -> Guess | None:
        sizes = torch.arange(1, self._largest + 1)
        square = [int(size) for size in sizes[self.takes(self._diagonal(sizes))]]
        if len(self.names) == 1:
            found = pattern(self.names[0], square, self._largest)
            return Guess({self.names[0]: found}) if found is not None else None
        base = self._base(square)
        if base is None:
            return None
        ranges = {name: pattern(name, self._along(base, name), self._largest, base[name]) for name in self.names}
        if any(found is None for found in ranges.values()):
            return None
        known = {name: found for name, found in ranges.items() if found is not None}
        together = pattern(self.names[0], square, self._largest)
        if together is not None and together.exact is None and all(found.exact is not None for found in known.values()):
            return Guess({name: together._replace(name=name) for name in self.names}, tied=True)
        return Guess(known) if self._is_box(known) else None

    def _guess_by_fewer(self) -> Guess | None:
        """The guess without what the pass only came by and what contradicts the rest, the least telling first."""
        for keeps in (self._is_telling, lambda condition: condition.is_equation, lambda condition: condition.declared):
            kept = [condition for condition in self.conditions if condition.declared or keeps(condition)]
            if len(kept) < len(self.conditions):
                self.conditions = kept
                guess = self._guess()
                if guess is not None:
                    return guess
        return None

    def _is_telling(self, condition: Condition) -> bool:
        """No mere comparison of areas, by which PyTorch chooses the fastest way to compute something."""
        return condition.is_equation or len(self.letters.names_in(condition.expression)) < 2

    def _base(self, square: Sequence[int]) -> Point | None:
        """A point well inside what is taken."""
        if square:
            found = pattern("", square, self._largest)
            bounded = found is not None and found.maximum is not None
            size = square[len(square) // 2] if bounded else square[min(4, len(square) - 1)]
            return {**self.others, **dict.fromkeys(self.names, size)}
        if len(self.names) != 2:
            return None
        side = torch.arange(1, _GRID + 1)
        first, second = (grid.flatten() for grid in torch.meshgrid(side, side, indexing="ij"))
        taken = self.takes({**self.others, self.names[0]: first, self.names[1]: second}).nonzero().flatten()
        if not len(taken):
            return None
        middle = int(taken[len(taken) // 2])
        return {**self.others, self.names[0]: int(first[middle]), self.names[1]: int(second[middle])}

    def _is_box(self, ranges: Mapping[str, SizeRange]) -> bool:
        """Whether every combination of sizes in the ranges is taken, by many drawn at random and the corners."""
        draw = random.Random(0)
        points: dict[str, list[int]] = {name: [] for name in self.names}
        for round_ in range(200):
            for name, found in ranges.items():
                last = found.maximum if found.maximum is not None else self._largest - found.step
                steps = (last - found.minimum) // found.step
                corner = (0, steps)[draw.randint(0, 1)]
                points[name].append(found.minimum + found.step * (corner if round_ < 16 else draw.randint(0, steps)))
        return bool(self.takes({**self.others, **{name: torch.tensor(each) for name, each in points.items()}}).all())

    # Trying

    def _checks(self, guess: Guess) -> list[Check] | None:
        """The ends, which should be taken, and one step outside, which should not."""
        ranges, others = guess.ranges, self.others
        low = {**others, **{name: found.minimum for name, found in ranges.items()}}
        ends = [found.maximum or self._far(found, index, low) for index, found in enumerate(ranges.values())]
        inner = [inside_of(found, 0 if guess.tied else index) for index, found in enumerate(ranges.values())]
        high = {**others, **dict(zip(ranges, ends, strict=True))}
        bounded = any(found.maximum is not None for found in ranges.values())
        if guess.tied:
            high = {**others, **dict.fromkeys(ranges, max(ends))}
        middle = {**others, **dict(zip(ranges, inner, strict=True))}
        checks = [Check(low, True)]
        # Where only multiples of a number are taken, the sizes further in may be such multiples by chance.
        if all(found.minimum + found.step in found for found in ranges.values()):
            checks.append(Check(self._next_to(guess), True, is_end=False))
        checks += [Check(middle, True), Check(high, True, is_end=bounded)]
        groups = [tuple(ranges)] if guess.tied else [(name,) for name in ranges]
        for group in groups:
            checks += self._outside(group, ranges[group[0]], low, high)
        if guess.tied:
            first = next(iter(ranges))
            checks.append(Check({**low, first: low[first] + ranges[first].step}, False))
        # A range that has no proper end is none.
        return None if any(self.takes_point(check.point) for check in checks if not check.expected) else checks

    def _next_to(self, guess: Guess) -> Point:
        """One step up from the smallest sizes."""
        return {**self.others, **{name: found.minimum + found.step for name, found in guess.ranges.items()}}

    def _far(self, found: SizeRange, index: int, low: Point) -> int:
        def affordable(size: int) -> bool:
            return self.trials.affordable({**low, **dict.fromkeys(self.names, size)})

        return far_in(found, index, affordable)

    def _outside(self, group: tuple[str, ...], found: SizeRange, low: Point, high: Point) -> Iterator[Check]:
        below = {found.minimum - 1, found.minimum - found.step}
        for size in sorted(below):
            if size >= 1:
                yield Check({**low, **dict.fromkeys(group, size)}, False)
        above = {found.maximum + 1, found.maximum + found.step} if found.maximum is not None else set()
        for size in sorted(above):
            yield Check({**high, **dict.fromkeys(group, size)}, False)
        if found.step > 1:
            yield Check({**low, **dict.fromkeys(group, found.minimum + 1)}, False)

    def _strike_out_by_small_sizes(self) -> None:
        """Runs that settle many conditions at once: the smallest inputs, and sizes that nothing divides."""
        first = self.names[0]
        for sizes in ((1, 1), (2, 2), (7, 7), (17, 17), (37, 37), (101, 67), (67, 101), (211, 211)):
            point = {**self.others, **dict.fromkeys(self.names, sizes[0]), first: sizes[1]}
            if not self.takes_point(point) and self.trials.passes(point, expected=False):
                self._strike_out(point)

    def _strike_out(self, point: Point) -> bool:
        """Forget every condition and bound that does not hold at a point that the model takes."""
        evaluation = self.letters.evaluation({name: torch.tensor([size]) for name, size in point.items()})
        kept = [
            condition for condition in self.conditions if bool(torch.as_tensor(evaluation(condition.expression)).all())
        ]
        changed = len(kept) != len(self.conditions)
        self.conditions = kept
        for name in self.names:
            if point[name] < self._lower.get(name, 1):
                self._lower[name] = point[name]
                changed = True
            if name in self._upper and point[name] > self._upper[name]:
                self._upper[name] = point[name]
                changed = True
        return changed

    def _learn(self, surprise: Check, guess: Guess) -> bool:
        """Take in one run that came out otherwise than thought; False where nothing can be made of it."""
        if surprise.expected:
            return self._strike_out(surprise.point)
        if surprise.point == self._next_to(guess) and self._learn_step(guess):
            return True
        inside: Point = {**self.others, **{name: inside_of(found, 0) for name, found in guess.ranges.items()}}
        if self.trials.passes(inside, expected=True) is not True:
            if self._learn_step(guess):
                return True
            inside = self._any_that_passes(guess) or inside
            if self.trials.passes(inside, expected=True) is not True:
                return False
        for name, found in guess.ranges.items():
            edge = self._edge(name, found, inside, surprise.point[name], guess)
            if edge is None:
                continue
            if surprise.point[name] < inside[name]:
                self._lower[name] = edge
            elif surprise.point[name] > inside[name]:
                self._upper[name] = edge
        return not self.takes_point(surprise.point)

    def _learn_step(self, guess: Guess) -> bool:
        """Steps that no condition tells of: from the smallest size that is taken to the next."""
        for step in _STEPS:
            points = [
                {**self.others, **{name: found.minimum + times * step for name, found in guess.ranges.items()}}
                for times in range(3)
            ]
            if all(self.trials.passes(point, expected=True) for point in points):
                self._steps = {name: (found.minimum, step) for name, found in guess.ranges.items()}
                return True
        return False

    def _any_that_passes(self, guess: Guess) -> Point | None:
        """A larger point of the guess that the model takes."""
        for doublings in range(1, 9):
            point = {**self.others}
            for name, found in guess.ranges.items():
                size = found.minimum + found.step * 2**doublings
                point[name] = size if found.maximum is None else min(size, found.maximum)
            if self.trials.passes(point, expected=True):
                return point
        return None

    def _edge(self, name: str, found: SizeRange, inside: Point, outside: int, guess: Guess) -> int | None:
        """The last size of one letter, from ``inside`` towards ``outside``, that the model takes; by bisection."""
        together = tuple(guess.ranges) if guess.tied else (name,)

        def passes(steps: int) -> bool:
            size = found.minimum + steps * found.step
            return bool(self.trials.passes({**inside, **dict.fromkeys(together, size)}, expected=True))

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
