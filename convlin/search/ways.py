"""How an input may grow or shrink, by one number, until another number is what it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from typing import Any, NamedTuple

from convlin.records import Shape
from convlin.search.resized import LARGEST, Spatial, bisected, in_proportion, with_axis


class Ends(NamedTuple):
    """The smallest and the largest input for which a number is right."""

    smallest: Spatial
    largest: Spatial


class Span(NamedTuple):
    """The inputs for which a number is right, and those among them that show it."""

    ends: Ends
    inside: tuple[Spatial, ...] = ()
    """The sizes next to the ends and one in the middle, each once."""

    @property
    def sizes(self) -> tuple[Spatial, ...]:
        """The ends and what was tried between them, each once."""
        return tuple(dict.fromkeys((*self.ends, *self.inside)))


class Way(NamedTuple):
    """How the size of an input may change: by one number."""

    at: Callable[[int], Spatial]
    now: int
    """The number for the given input."""
    axes: int
    """How many axes it moves."""
    may_not_matter: bool = False
    """The number may not depend on it."""


def of_flattened(given: Spatial, mapped: Shape, declared: int) -> Iterator[Way]:
    if not all(isinstance(size, int) for size in mapped):
        return
    if len(set(given)) > 1 and len(given) == len(mapped) - 1:
        for axis in reversed(range(len(given))):
            cells, rest = divmod(declared, prod(mapped) // mapped[axis + 1])
            if cells and not rest:
                yield Way(partial(with_axis, given, axis), given[axis], 1)
    if _may_fit(declared, mapped):
        whole = partial(in_proportion, given)
        yield Way(whole, given[0], len(mapped) - 1)


def of_any(given: Spatial) -> Iterator[Way]:
    if len(set(given)) > 1:
        for axis in reversed(range(len(given))):
            yield Way(partial(with_axis, given, axis), given[axis], 1, may_not_matter=True)
    yield Way(partial(in_proportion, given), given[0], len(given), may_not_matter=True)


def _may_fit(declared: Any, mapped: Shape) -> bool:
    """Whether some image could lead to the declared number: the channels are what they are."""
    if not isinstance(declared, int) or not all(isinstance(size, int) for size in mapped):
        return False
    cells, rest = divmod(declared, mapped[0])
    if rest or cells < 2:  # with one cell it is the size that was forgotten, and no image is too large
        return False
    side = round(cells ** (1 / len(mapped[1:])))
    return len(set(mapped[1:])) > 1 or side ** len(mapped[1:]) == cells


def ends_on(way: Way, needed: Callable[[Spatial], int], declared: int, required: int) -> Span | None:
    """The first and the last size on one way at which ``declared`` is what is needed.

    Found by bisection: that the number grows with the size is assumed, and the sizes inside are to be run.
    """
    at = way.at

    def first(most: int, low: int, high: int) -> int:
        """The smallest number that needs more than ``most``; ``high`` does and ``low`` does not."""
        return bisected(high, low, lambda number: needed(at(number)) > most)[0]

    # From there outwards until the number lies between the two, as long as the image decides about it.
    guess = way.now * (declared / required) ** (1 / way.axes)
    low, high = max(0, int(guess * 0.75) - 2), int(guess * 1.3) + 8
    while low > 0 and needed(at(low)) >= declared:
        low //= 2
    while prod(at(high)) <= LARGEST and required < needed(at(high)) <= declared:
        high *= 2
    if prod(at(high)) > LARGEST or needed(at(high)) <= declared:
        return None
    smallest = first(declared - 1, low, high)
    if needed(at(smallest)) != declared:
        return None
    largest = first(declared, smallest, high) - 1
    inside = sorted({smallest + 1, (smallest + largest) // 2, largest - 1} & {*range(smallest + 1, largest)})
    return Span(Ends(at(smallest), at(largest)), tuple(map(at, inside)))
