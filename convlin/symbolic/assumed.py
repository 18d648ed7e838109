"""Which sizes the conditions of a symbolic pass leave, as ranges: a guess, before anything is run.

A decision that a pass came by (``if height % 32``) is no proof that the model refuses the other case,
so conditions can be struck out, and bounds and steps that runs showed stand beside them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

import torch
from torch import Tensor

from convlin.records import SizeRange
from convlin.symbolic.conditions import Condition
from convlin.symbolic.holding import holding
from convlin.symbolic.ranges import Guess, pattern
from convlin.symbolic.runs import Point
from convlin.symbolic.session import Session

#: The sizes that are looked at: of one letter, and of several.
_LARGEST_ALONE = 1 << 16
_LARGEST = 4096
#: Where none of these is taken.
_LARGEST_OF_ALL = 1 << 22
#: As a power of two: how far it is looked for an end that the model's own code asks for.
_FAR = 40
#: So many together, which the processor's cache holds.
_AT_ONCE = 1 << 16
#: The side of the grid that is searched where no square input fits.
_GRID = 320
#: The side of one in which it is looked whether sizes are taken that no range has.
_SMALL_GRID = 96


@dataclass(slots=True)
class Assumed:
    """What is thought to be asked of the sizes; ``guess`` gives the ranges that it comes to."""

    letters: Session
    conditions: list[Condition]
    names: tuple[str, ...]
    """The letters whose sizes are asked for."""
    others: Point
    """Sizes of the other letters, the batch."""
    lower: dict[str, int] = field(default_factory=dict)
    upper: dict[str, int] = field(default_factory=dict)
    beside: dict[str, Point] = field(default_factory=dict)
    """For a letter whose smallest size depends on another one: where a smaller size is refused."""
    steps: dict[str, tuple[int, int]] = field(default_factory=dict)
    """For a letter the size from which only every so many-th is taken, and how many."""
    _largest: int = 0

    def __post_init__(self) -> None:
        self.conditions = list(self._usable(self.conditions))

    def copied(self) -> Assumed:
        """The same, to begin anew from."""
        return replace(
            self,
            conditions=[*self.conditions],
            lower={**self.lower},
            upper={**self.upper},
            beside={**self.beside},
            steps={**self.steps},
        )

    def drop_raised(self) -> None:
        """Forget the smallest sizes that were raised beside a size of another letter which is in no range any more."""
        for name, point in [*self.beside.items()]:
            others = [other for other in self.names if other != name]
            if any(not self.lower.get(each, 0) <= point[each] <= self.upper.get(each, inf) for each in others):
                del self.lower[name], self.beside[name]

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

    def takes(self, points: Mapping[str, Tensor | int]) -> Tensor:
        """For many points at once whether every condition and every bound holds."""
        size = max((len(value) for value in points.values() if isinstance(value, Tensor) and value.dim()), default=1)
        result = torch.ones(size, dtype=torch.bool)
        for name in self.names:
            if name in self.lower:
                result &= torch.as_tensor(points[name] >= self.lower[name])
            if name in self.upper:
                result &= torch.as_tensor(points[name] <= self.upper[name])
            if name in self.steps:
                start, step = self.steps[name]
                result &= torch.as_tensor((points[name] - start) % step == 0)
        return holding(self.letters, points, self.conditions, result)

    def takes_point(self, point: Point) -> bool:
        """The same for one point."""
        return bool(self.takes({name: torch.tensor([size]) for name, size in point.items()}))

    def is_beyond_bounds(self, point: Point) -> bool:
        """Whether a size of a point lies outside of the bounds that runs showed."""
        return any(
            size < self.lower.get(name, size) or size > self.upper.get(name, size) for name, size in point.items()
        )

    def _diagonal(self, sizes: Tensor) -> dict[str, Tensor | int]:
        return {**self.others, **dict.fromkeys(self.names, sizes)}

    def _along(self, base: Point, name: str) -> list[int]:
        sizes = torch.arange(1, self._largest + 1)
        taken = self.takes({**base, name: sizes})
        return sizes[taken].tolist()

    def guess(self) -> Guess | None:
        """The ranges that the conditions leave, looked for among larger sizes where there are none."""
        self._largest = _LARGEST_ALONE if len(self.names) == 1 else _LARGEST
        taken = self._taken_by_all()
        if not taken and self._largest < _LARGEST_OF_ALL:
            self._largest = _LARGEST_OF_ALL
            taken = self._taken_by_all()
            if not taken:
                self._largest = _LARGEST_ALONE if len(self.names) == 1 else _LARGEST
        return self._guess(taken)

    def left_out(self, guess: Guess, largest: int) -> list[int]:
        """Sizes of all letters at once, the smallest first, that are taken by what is assumed, and in no range."""
        sizes = torch.arange(1, largest + 1)
        taken: list[int] = sizes[self.takes(self._diagonal(sizes))].tolist()
        return [size for size in taken if not all(size in found for found in guess.ranges.values())]

    def left_out_together(self, guess: Guess) -> Point | None:
        """Small sizes of two letters that are taken by what is assumed of both together, and in no range.

        Not where a layer declares the number of pixels: that 15×63 has as many as 31×31 is not worth a word.
        """
        together = [each for each in self.conditions if {*self.names} <= {*self.letters.names_in(each.expression)}]
        if len(self.names) != 2 or guess.tied or not together or any(each.declared for each in together):
            return None
        sizes = {name: found.tolist() for name, found in self._pairs(_SMALL_GRID).items()}
        points: Iterator[dict[str, int]] = (
            dict(zip(sizes, pair, strict=True)) for pair in zip(*sizes.values(), strict=True)
        )
        outside = (each for each in points if not all(each[name] in found for name, found in guess.ranges.items()))
        found = next(outside, None)
        return None if found is None else {**self.others, **found}

    def _pairs(self, largest: int) -> dict[str, Tensor]:
        """The sizes of two letters up to ``largest`` that are taken."""
        side = torch.arange(1, largest + 1)
        grid = (each.flatten() for each in torch.meshgrid(side, side, indexing="ij"))
        sizes = dict(zip(self.names, grid, strict=True))
        taken = self.takes({**self.others, **sizes}).nonzero().flatten()
        return {name: each[taken] for name, each in sizes.items()}

    def _taken_by_all(self) -> list[int]:
        """The sizes that all letters may have at once."""
        taken: list[int] = []
        for first in range(1, self._largest + 1, _AT_ONCE):
            sizes = torch.arange(first, min(first + _AT_ONCE, self._largest + 1))
            taken += sizes[self.takes(self._diagonal(sizes))].tolist()
        return taken

    def _guess(self, square: Sequence[int]) -> Guess | None:
        if len(self.names) == 1:
            found = self._ended(pattern(self.names[0], square, self._largest), self.others)
            return Guess({self.names[0]: found}) if found is not None else None
        base = self._base(square)
        if base is None:
            return None
        ranges = {
            name: self._ended(pattern(name, self._along(base, name), self._largest, base[name]), base)
            for name in self.names
        }
        if any(found is None for found in ranges.values()):
            return None
        known = {name: found for name, found in ranges.items() if found is not None}
        together = pattern(self.names[0], square, self._largest)
        if together is not None and together.exact is None and all(found.exact is not None for found in known.values()):
            return Guess({name: together._replace(name=name) for name in self.names}, tied=True)
        return Guess(known) if self._is_box(known) else None

    def _ended(self, found: SizeRange | None, base: Point) -> SizeRange | None:
        """The range with its end, where the model's own code asks for one that is beyond all sizes looked at."""
        asked = {each.condition for each in self.letters.decisions if each.direct and not each.own}
        own = [each for each in self.conditions if each.expression in asked]
        if found is None or found.maximum is not None or not own:
            return found

        def takes(steps: Sequence[int]) -> list[bool]:
            sizes = found.minimum + found.step * torch.tensor(steps)
            try:
                held: list[bool] = holding(self.letters, {**base, found.name: sizes}, own).tolist()
            except (NotImplementedError, ArithmeticError):
                return [True] * len(steps)
            return held

        powers = [1 << power for power in range(_FAR)]
        first, *further = takes([0, *powers])
        if not first or all(further):
            return found
        refused = powers[further.index(False)]
        taken = refused >> 1
        while refused - taken > 1:
            middle = (taken + refused) // 2
            taken, refused = (middle, refused) if takes([middle])[0] else (taken, middle)
        return found._replace(maximum=found.minimum + taken * found.step)

    def guess_by_fewer(self) -> Guess | None:
        """The guess without what the pass only came by and what contradicts the rest, the least telling first."""
        for keeps in (self._is_telling, lambda condition: condition.is_equation, lambda condition: condition.declared):
            kept = [condition for condition in self.conditions if condition.declared or keeps(condition)]
            if len(kept) < len(self.conditions):
                self.conditions = kept
                guess = self.guess()
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
        pairs = self._pairs(_GRID)
        count = len(pairs[self.names[0]])
        return {**self.others, **{name: int(sizes[count // 2]) for name, sizes in pairs.items()}} if count else None

    def _is_box(self, ranges: Mapping[str, SizeRange]) -> bool:
        """Whether every combination of sizes in the ranges is taken, by many drawn at random and the corners."""
        draw = random.Random(0)
        points: dict[str, list[int]] = {name: [] for name in self.names}
        for round_ in range(200):
            for name, found in ranges.items():
                last = found.maximum if found.maximum is not None else self._largest - found.step
                steps = (last - found.minimum) // found.step
                corner = (0, steps)[draw.randint(0, 1)]
                start = found.minimum + found.step * (corner if round_ < 16 else draw.randint(0, steps))
                points[name].append(start + draw.randrange(found.width))
        return bool(self.takes({**self.others, **{name: torch.tensor(each) for name, each in points.items()}}).all())

    def only_against(self, condition: Condition, largest: int) -> Point | None:
        """The smallest size of all letters, up to ``largest``, at which all of it holds but this one condition."""
        points = self._diagonal(torch.arange(1, largest + 1))
        numbers = {each.condition for each in self.letters.decisions if each.is_number}  # those of the sample
        kept = [each for each in self.conditions if each is not condition and each.expression not in numbers]
        rest = replace(self, conditions=kept)
        against = rest.takes(points) & ~torch.as_tensor(self.letters.evaluation(points)(condition.expression))
        places = against.nonzero().flatten().tolist()
        return {**self.others, **dict.fromkeys(self.names, places[0] + 1)} if places else None

    def strike_out(self, point: Point) -> bool:
        """Forget every condition and bound that does not hold at a point that the model takes."""
        evaluation = self.letters.evaluation({name: torch.tensor([size]) for name, size in point.items()})
        kept = [
            condition for condition in self.conditions if bool(torch.as_tensor(evaluation(condition.expression)).all())
        ]
        changed = len(kept) != len(self.conditions)
        self.conditions = kept
        for name in self.names:
            if point[name] < self.lower.get(name, 1):
                self.lower[name] = point[name]
                changed = True
            if name in self.upper and point[name] > self.upper[name]:
                self.upper[name] = point[name]
                changed = True
        return changed
