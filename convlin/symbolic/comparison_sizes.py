"""Sizes at which closed forms are held against real runs, chosen to hurt: where forms that look alike differ.

What divides leaves other remainders there, what is rounded falls short, what ends at a number is next to it.  Those
at which a question comes out otherwise are in ``question_sizes``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from math import lcm, prod
from typing import Any

import sympy
import torch

from convlin.records import Size
from convlin.symbolic.follow import Followed
from convlin.symbolic.questions import equations
from convlin.symbolic.runs import Point

#: How far from multiples of 32 the sizes are that the forms are looked at: an odd size at every halving, and others.
OFFSETS = ((1, 1, 1), (8, 24, 40), (32, 96, 160), (3, 7, 13))
#: More of them for forms that are to be replaced: what fits at a few sizes by chance does not at many.
MORE_OFFSETS = ((5, 18, 50), (12, 6, 22), (23, 47, 11), (50, 29, 66), (62, 75, 38), (81, 52, 93), (38, 90, 7))
#: Small sizes that are always run: they cost next to nothing, and what is cut off or rounded shows there.
SMALL_AT_FIRST = (3, 8, 11, 24, 61)
#: Those where nothing is asked but whether windows fit.
SMALL_FOR_WINDOWS = (11, 61)
#: More of them for forms that are to be replaced, at which a part may be longer than the whole.
SMALL = (1, 2, 3, 4, 5, 6, 7, 9, 12, 16, 21, 31, 32, 47, 64, 75, 90, 101, 127)

#: Every size up to here is looked at for a decision to turn, and for a float to fall short.
EVERY_UP_TO = 1100
#: What a float lacks of the whole number that it stands for, and how many sizes are run where one does.
_NEARLY, _MOST_ROUNDED = 1e-6, 4
#: Up to which size it is looked where equations hold; so many of the small sizes are taken, and as many of the others.
_EQUATIONS_UP_TO, _MOST_EQUAL = 300, 12
#: The largest divisor all remainders of which are tried, and the size from which on they are.
_LARGEST_DIVISOR, _REMAINDERS_FROM = 96, 97
#: The same of what two forms divide by.
_LARGEST_OF_BOTH = 32
#: How far apart these are, so that one after the other has another quotient: a prime number.
_STRIDE = 37
#: Where a form ends at a number, how many of the sizes are tried that are next to it on either side.
_ENDS_UP_TO, _MOST_BESIDE = 300, 24


def where_equations_hold(followed: Followed) -> list[Point]:
    """Some sizes, small ones first, at which what has to be equal on the way is: a model that joins takes few."""
    names = followed.plan.sides
    if not names or not any(each.is_equation for each in followed.conditions):
        return []
    sizes = torch.arange(1, _EQUATIONS_UP_TO + 1)
    # What a layer declares may hold at none, and be another number where a piece is as long as the whole.
    alike = dict.fromkeys(names, sizes)
    found = _holding(followed, alike) or _holding(followed, alike, declared=False)
    if found or len(names) != 2:
        places = [*found[:_MOST_EQUAL], *found[_MOST_EQUAL :: max(1, len(found) // _MOST_EQUAL)]]
        return equal_sizes(followed, [int(sizes[place]) for place in places])
    apart = dict(zip(names, map(torch.flatten, torch.meshgrid(sizes, sizes, indexing="ij")), strict=True))
    found = _holding(followed, apart)
    places = found[:: max(1, len(found) // _MOST_EQUAL)]
    return [{**followed.sample, **{name: int(each[place]) for name, each in apart.items()}} for place in places]


def equal_sizes(followed: Followed, sizes: Iterable[int]) -> list[Point]:
    """Each size for all letters at once."""
    return [followed.with_sides(size) for size in sizes]


def _holding(
    followed: Followed, sizes: Mapping[str, torch.Tensor], *, declared: bool = True, asked: bool = True
) -> list[int]:
    """The places of those of the ``sizes`` of letters at which what has to be equal is.

    Without what layers declare, or without what the model's own code asked, and may go on without.
    """
    own = set() if asked else {each.condition for each in followed.session.decisions if each.direct}
    evaluation = followed.session.evaluation({**followed.sample, **sizes})
    holds = torch.ones(len(next(iter(sizes.values()))), dtype=torch.bool)
    for each in equations(followed):
        if (declared or not each.declared) and each.expression not in own:
            values = evaluation.at_each(each.expression)
            if values is None:
                return []
            holds &= values
    found: list[int] = holds.nonzero().flatten().tolist()
    return found


def beside_ends(followed: Followed) -> list[Point]:
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
            values = [value for each in rest if (value := evaluation.at_each(each)) is not None]
            for value in values if len(values) == len(rest) else ():
                places = sizes[(value - int(number)).abs() <= 1].tolist() if value.dim() else []
                found.update(dict.fromkeys([*places[:_MOST_BESIDE], *places[-_MOST_BESIDE:]]))
    names = followed.plan.sides
    return [{**followed.sample, **{name: size + place for place, name in enumerate(names)}} for size in found]


def near_a_quarter(followed: Followed, places: Iterable[Sequence[int]]) -> Iterator[dict[str, int]]:
    """Sizes near a quarter of a large sample, so that little is computed."""
    names = followed.plan.sides
    for offsets in places:
        near = {
            name: (size // 128 * 32 if size > 512 else size) + offset
            for (name, size), offset in zip(((name, followed.sample[name]) for name in names), offsets, strict=False)
        }
        yield {**followed.sample, **near}


def below_sample(followed: Followed) -> list[Point]:
    """Sizes of three quarters and of half the sample."""
    batch = followed.plan.batch_size
    return [
        {name: size if name == batch else size * quarters // 4 for name, size in followed.sample.items()}
        for quarters in (3, 2)
    ]


def small_rectangles(followed: Followed, sizes: Iterable[int]) -> list[Point]:
    """Long rectangles: what is right for squares alone is wrong there.  Of an even size both sides are even."""
    names = followed.plan.sides
    return [
        {**followed.sample, **{name: size + place * (size + size % 2) for place, name in enumerate(names)}}
        for size in sizes
    ]


def in_reverse(followed: Followed, point: Point) -> Point:
    """The same sizes, the largest for the first letter: it is the smallest in the sample and in every rectangle."""
    names = followed.plan.sides
    return {**point, **dict(zip(names, reversed([point[name] for name in names]), strict=True))}


def rounded_floats(followed: Followed) -> list[Point]:
    """Sizes at which a float that is made of a size comes to a little less than a whole number, times that size.

    ``scale_factor=64 / length`` makes 64 of most lengths, and 63 of 49.
    """
    names = followed.plan.sides
    sizes = torch.arange(1, EVERY_UP_TO + 1)
    found: dict[int, None] = {}
    for decision in followed.session.decisions:
        if decision.own or not isinstance(decision.outcome, float) or not names:
            continue
        values = followed.session.evaluation(followed.with_sides(sizes)).at_each(decision.expression)
        if values is None:
            continue
        times = values.double() * sizes
        short = (times.floor() < times.round()) & (times.round() - times < _NEARLY)
        found.update(dict.fromkeys(sizes[short][:_MOST_ROUNDED].tolist()))
    return equal_sizes(followed, found)


def other_remainders(followed: Followed, ran: Sequence[Point], forms: Sequence[Size]) -> list[Point]:
    """Sizes that leave what none of those seen does when divided by what the forms divide a letter by.

    Forms that go another way for one remainder alone (``⌊H/12⌋ + 1`` and ``⌊(H + 11)/12⌋``) are told apart there.
    """
    # No two letters are near each other: of squares alone other forms are right.
    starts = {name: _REMAINDERS_FROM * (1 + place) for place, name in enumerate(followed.plan.names)}
    sizes = {name: list(_remaining(followed, ran, forms, name, start)) for name, start in starts.items()}
    most = max(map(len, sizes.values()), default=0)
    sample = followed.sample
    return [
        {**sample, **{name: found[place] if place < len(found) else sample[name] for name, found in sizes.items()}}
        for place in range(most)
    ]


def _remaining(followed: Followed, ran: Sequence[Point], forms: Sequence[Size], name: str, start: int) -> Iterator[int]:
    if name == followed.plan.batch_size:
        return
    found = {step for form in forms for step in _divisors(form, name)}
    # What is rounded twice may be told by one form, but for a remainder of both.
    both = {lcm(*pair) for pair in combinations(found, 2)}
    steps = sorted(found | {step for step in both if step <= _LARGEST_OF_BOTH}, reverse=True)
    if not steps:
        return
    # Spread, so that no quotient is seen more often than others.
    sizes = start + torch.arange(4 * steps[0]) * _STRIDE % (4 * steps[0])
    candidates = [int(sizes[place]) for place in _holding(followed, {name: sizes}, asked=False)]
    for divided in _divided(followed, forms, name):  # the letter, and what a float makes of it
        seen = [int(followed.session.evaluation(point).or_none(divided) or 0) for point in ran]
        open_ = {step: {*range(step)} - {value % step for value in seen} for step in steps}
        for size in candidates:
            value = int(followed.session.evaluation({**followed.sample, name: size}).or_none(divided) or 0)
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
