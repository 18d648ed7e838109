"""Sizes that a model takes which refused the given one, for a reason that is its own: found by running it at others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any

from convlin.records import Call
from convlin.search.resized import LARGEST, Resized, Spatial, bisected, multiples_around, stands_in_before
from convlin.trace.call_sites import raising_frame

#: Numbers beyond it are no sides of an image.
_LARGEST_SIDE = 1024
_MOST_RUNS = 50
#: As many with values, which take longer.
_MOST_REAL_RUNS = 10
_DOUBLINGS = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """Sizes that the model takes; each was run."""

    sizes: tuple[Spatial, ...]
    multiple: int | None = None
    """They are multiples of it, and one more than a multiple was refused."""
    refused: tuple[Spatial, ...] = ()
    """Sizes beside the one that is taken, which are refused like the given one."""
    end: str = ""
    """``smallest`` or ``largest``: of that form none beyond is taken."""
    is_right: bool = True
    """The model takes them as it is; otherwise the pass comes to its end, and something else is wrong."""


def sizes_taken(model: Resized, error: BaseException) -> Taken | None:
    """What is taken where ``error`` refused the given size; None where no size that was tried is."""
    if model.given is None:
        return None
    here = model.record(model.given)
    # The failing call is the last one of this pass, if it is one at all.
    failed = here.calls[here.failure.call] if here.failure is not None and here.failure.call >= 0 else None
    reached = len(here.calls) - (failed is not None)

    def gets_past(other: Resized, size: Spatial) -> bool:
        if not other.ends(size):
            return False
        there = other.record(size)
        # Refused for another reason, for which something can stand in, it is refused all the same.
        refused = {found.call for found in there.findings}
        again = failed is not None and reached in refused and _is_same(there.calls[reached], failed)
        return not again and not stands_in_before(there, reached, here)

    return _taken(model, error, Resized.is_right) or _taken(model, error, gets_past)


def _is_same(one: Call, other: Call) -> bool:
    return (one.path, one.type, one.where) == (other.path, other.type, other.where)


def _taken(model: Resized, error: BaseException, takes: Callable[[Resized, Spatial], bool]) -> Taken | None:
    given = model.given
    if given is None:
        return None
    numbers = list(dict.fromkeys(_numbers(error)))

    def at_most(runs: int, model: Resized, largest: int = LARGEST) -> Callable[[Spatial], bool]:
        known: dict[Spatial, bool] = {given: False}

        def takes_it(size: Spatial) -> bool:
            if size not in known:
                if len(known) > runs or min(size) < 1 or prod(size) > largest:
                    return False
                known[size] = takes(model, size)
            return known[size]

        return takes_it

    cheaply = at_most(_MOST_RUNS, model.on_meta)
    taken = _multiples(given, numbers, cheaply) or _near(given, numbers, cheaply)
    if taken is None:  # what asks for values, as a mask may be asked whether all of it is 1, runs nowhere without
        taken = _near(given, numbers, at_most(_MOST_REAL_RUNS, model, model.much_larger))
    if taken is None or not all(takes(model, size) for size in taken.sizes):
        return None
    if any(takes(model, size) for size in taken.refused) or any(map(model.is_by_batch, taken.sizes)):
        return None
    return replace(taken, is_right=takes is Resized.is_right)


def _multiples(given: Spatial, numbers: list[tuple[int, ...]], takes: Callable[[Spatial], bool]) -> Taken | None:
    for multiple in sorted({2, 4, 8, 16, 32, *(each[0] for each in numbers if len(each) == 1 and each[0] <= 64)}):
        below, above = multiples_around(given, multiple)
        if above == given:
            continue
        nearest = tuple(size for size in (below, above) if min(size) > 0 and takes(size))
        if above not in nearest or not takes(_plus(above, multiple)):
            continue
        beside = _plus(above, 1)
        if not takes(beside) and not takes(_plus(above, multiple + 1)):
            return Taken(nearest, multiple, refused=(beside,))
    return None


def _near(given: Spatial, numbers: list[tuple[int, ...]], takes: Callable[[Spatial], bool]) -> Taken | None:
    """The first size that is taken of those that the code names, then of larger and smaller ones."""
    for size in _candidates(given, numbers):
        if not takes(size):
            continue
        less, more = _plus(size, -1), _plus(size, 1)
        if not takes(less) and not takes(more):
            return Taken((size,), refused=tuple(each for each in (less, more) if min(each) > 0))
        if len(set(given)) == len(set(size)) == 1:
            return _end(given[0], size[0], len(given), takes)
        return Taken((size,))
    return None


def _candidates(given: Spatial, numbers: list[tuple[int, ...]]) -> Iterator[Spatial]:
    yield from (each for each in numbers if len(each) == len(given))
    yield from (each * len(given) for each in numbers if len(each) == 1)
    for power in range(1, _DOUBLINGS + 1):
        yield tuple(size << power for size in given)
        yield tuple(size >> power for size in given)


def _end(refused: int, taken: int, rank: int, takes: Callable[[Spatial], bool]) -> Taken:
    """The size between one that is refused and one that is taken from which on it is: by bisection."""
    end = "smallest" if refused < taken else "largest"
    taken, refused = bisected(taken, refused, lambda side: takes((side,) * rank))
    return Taken(((taken,) * rank,), refused=((refused,) * rank,), end=end)


def _plus(size: Spatial, more: int) -> Spatial:
    return tuple(each + more for each in size)


def _numbers(error: BaseException) -> Iterator[tuple[int, ...]]:
    """Numbers that may be sizes, some of them together: in what the error says, and where it was raised."""
    said = [int(number) for number in re.findall(r"\d+", str(error)) if len(number) < 5]
    found: list[Any] = [*said, *pairwise(said)]
    frame = raising_frame(error)
    if frame is not None:
        own = frame.f_locals.get("self")
        found += [*frame.f_locals.values(), *frame.f_code.co_consts]
        found += [value for name, value in getattr(own, "__dict__", {}).items() if name != "training"]
    for value in found:
        together = tuple(value) if isinstance(value, tuple | list) and len(value) <= 3 else (value,)
        if together and all(type(each) is int and 1 < each <= _LARGEST_SIDE for each in together):
            yield together
            yield from ((each,) for each in together)
