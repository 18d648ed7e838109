"""Runs of sizes as the range that a person would name: ``from 223 to 254``, ``multiples of 16``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from convlin.records import SizeRange

#: A generic size that most models take, if they take large ones.
_LARGE = 1000


@dataclass(frozen=True, slots=True)
class Guess:
    """Ranges that are thought to be taken."""

    ranges: Mapping[str, SizeRange]
    tied: bool = False
    """The letters have to be equal."""


def inside_of(found: SizeRange, index: int) -> int:
    """A size of the range that is no end where there is one: an odd number of steps in, other for each letter."""
    size = found.minimum + found.step * (7 + 4 * index)
    return (
        size
        if found.maximum is None
        else min(size, found.minimum + (found.maximum - found.minimum) // found.step // 2 * found.step)
    )


def spread(last: int, count: int) -> list[int]:
    """So many numbers from 1 to ``last``, all over and with many remainders.

    >>> spread(160, 8)
    [1, 22, 43, 61, 82, 103, 121, 142]
    """
    return [min(place * last // count + 1 + place % 3, last) for place in range(count)]


def far_in(found: SizeRange, index: int, affordable: Callable[[int], bool]) -> int:
    """A large size of a range without end, as large as can be run."""
    largest, least = _LARGE + 37 * index, found.minimum + found.step * 11
    while True:
        size = max(found.minimum + (largest - found.minimum) // found.step * found.step, least)
        if size == least or affordable(size):
            return size
        largest //= 2


def pattern(name: str, sizes: Sequence[int], largest: int, near: int | None = None) -> SizeRange | None:
    """The range that ``sizes``, which are sorted, make up; None where they make none.

    Of several runs it is the one that holds ``near``, where that is most of what is taken.

    >>> pattern("H", [31, 32, 33, 34], 4096).text
    'from 31 to 34'
    >>> pattern("H", range(16, 4097, 16), 4096).text
    'multiples of 16'
    >>> pattern("H", [size for size in range(15, 4097) if size % 16 in (15, 0)], 4096).text
    'multiples of 16, or 1 less'
    >>> pattern("H", [26, 28], 4096).text, pattern("H", [56, 57, 60, 61], 4096)
    ('26 or 28', None)
    >>> pattern("H", [number**2 for number in range(1, 65)], 4096) is None
    True
    """
    if not sizes:
        return None
    if len(sizes) <= 2:
        return SizeRange(name, sizes[0], sizes[-1], max(1, sizes[-1] - sizes[0]))
    found = _runs_of_runs(name, sizes, largest)
    if found is not None:
        return found
    gaps = [after - before for before, after in pairwise(sizes)]
    start = len(gaps) - 1
    while start > 0 and gaps[start - 1] == gaps[-1]:
        start -= 1
    step = gaps[-1]
    endless = sizes[-1] > largest - step
    if endless and (len(sizes) - start) * step * 2 > largest:
        return SizeRange(name, sizes[start], None, step)
    run = _run(name, sizes, near if near is not None and near in sizes else sizes[len(sizes) // 2])
    # A range reads as all that is taken: a run among many others is no answer.
    return run if 2 * sum(size in run for size in sizes) > len(sizes) else None


def _runs_of_runs(name: str, sizes: Sequence[int], largest: int) -> SizeRange | None:
    """As many sizes in a row again and again without end: a stride rounds them to the same."""
    firsts = [place for place, size in enumerate(sizes) if place == 0 or sizes[place - 1] != size - 1]
    starts = [sizes[place] for place in firsts[:-1]]  # the last run may be cut off
    widths = [after - before for before, after in pairwise(firsts)]
    if len(starts) < 3 or widths[-1] == 1:
        return None
    step, width = starts[-1] - starts[-2], widths[-1]
    first = len(starts) - 1
    while first > 0 and starts[first] - starts[first - 1] == step and widths[first - 1] == width:
        first -= 1
    is_endless = sizes[firsts[-1]] == starts[-1] + step and starts[-1] + 2 * step > largest
    if not is_endless or (starts[-1] - starts[first]) * 2 < largest:
        return None
    return SizeRange(name, starts[first], None, step, width)


def _run(name: str, sizes: Sequence[int], near: int) -> SizeRange:
    """The run of equal steps around one of the sizes."""
    place = sizes.index(near)
    neighbors = [abs(sizes[other] - sizes[place]) for other in (place - 1, place + 1) if 0 <= other < len(sizes)]
    step = min(neighbors)
    first = last = place
    while first > 0 and sizes[first] - sizes[first - 1] == step:
        first -= 1
    while last < len(sizes) - 1 and sizes[last + 1] - sizes[last] == step:
        last += 1
    if last - first < 2 and step > 1:  # two sizes far apart are no progression
        return SizeRange(name, sizes[place], sizes[place])
    return SizeRange(name, sizes[first], sizes[last], step)
