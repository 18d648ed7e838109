"""Sizes at which closed forms are held against real runs, chosen to hurt: where forms that look alike differ.

A slice of 100 is as long as the axis where that is shorter; a window that would start in the padding is
left out.  PyTorch's functions ask for the size there, and the largest size with the other answer lies
next to the sizes for which the form was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, product
from math import lcm, prod
from typing import Any

import sympy
import torch

from convlin.records import Size
from convlin.symbolic.conditions import Condition
from convlin.symbolic.follow import Followed
from convlin.symbolic.questions import asked, beside_constants, comes_to, equations, questions, turns_by_order
from convlin.symbolic.solving import solved, turned
from convlin.symbolic.trials import Point

#: How far from multiples of 32 the sizes are that the forms are looked at: an odd size at every halving, and others.
OFFSETS = ((1, 1, 1), (8, 24, 40), (32, 96, 160), (3, 7, 13))
#: More of them for forms that are to be replaced: what fits at a few sizes by chance does not at many.
MORE_OFFSETS = ((5, 18, 50), (12, 6, 22), (23, 47, 11), (50, 29, 66), (62, 75, 38), (81, 52, 93), (38, 90, 7))
#: Small sizes that are always run: they cost next to nothing, and what is cut off or rounded shows there.
SMALL_AT_FIRST = (3, 8, 11, 24, 61)
#: Those where nothing is asked but whether windows fit.
SMALL_FOR_WINDOWS = (11, 61)
#: Those where the letters are set in another order.
SMALL_IN_ANOTHER_ORDER = (3, 8, 24)
#: Sizes of each letter beside which those of every other are tried, of no more letters than that.
_IN_EVERY_ORDER, _MOST_IN_EVERY_ORDER = (2, 5, 9, 14, 24, 30, 64), 4
#: How many sizes are run at which letters stand in another order.
_MOST_ORDERS = 16
#: More of them for forms that are to be replaced, at which a part may be longer than the whole.
SMALL = (1, 2, 3, 4, 5, 6, 7, 9, 12, 16, 21, 31, 32, 47, 64, 75, 90, 101, 127)

#: Every size up to here is looked at for a decision to turn, and beyond it powers of two and their neighbors.
_EVERY_UP_TO = 1100
_POWERS = tuple(2**power + beside for power in range(11, 15) for beside in (-1, 0, 1))
#: How much larger each letter is than the one before, so that a rectangle is tried and no square.
_APART = 3
#: So many sizes are tried from the largest down at which there is one piece.
_MOST_SHORTER = 3
#: At how many sizes where the model goes a way that no other size led it to.
_MOST_TURNED = 4
#: How often a model is followed anew for what it asks behind a question, and how many calls that may be together.
_MOST_BEHIND, _MOST_CALLS_BEHIND = 4, 400
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


def turning_points(followed: Followed, most: int) -> list[Point]:
    """For each decision the largest size below the sample at which it comes out the other way, or the smallest above.

    Those that turn most decisions come first.
    """
    names = followed.plan.sides
    if not names:
        return []
    return [_rectangle(followed, names, size) for size in _turning_sizes(followed, names, most)]


def turning_batches(followed: Followed, most: int) -> list[int]:
    """The sizes of a batch that is a letter next to which what was asked of it turns: the first 20 of a batch."""
    name = followed.plan.batch_size
    return _turning_sizes(followed, [name], most) if isinstance(name, str) else []


def turning_alone(followed: Followed, most: int) -> list[Point]:
    """The same of each letter by itself, and half of it: what one asks for may fit where others are large.

    Behind a stride several sizes come to the same next to a bound; half the size does not.  What is split into pieces
    is whole next to the largest size of which there is one.
    """
    names = followed.plan.sides
    turning = {
        name: [*_turning_sizes(followed, [name], most // max(len(names), 1)), *_of_one_piece(followed, name)]
        for name in names
    }
    return [
        {**followed.sample, name: size}
        for name, sizes in turning.items()
        for size in dict.fromkeys((*sizes, *(size // 2 for size in sizes if 1 < size < followed.sample[name])))
    ]


def _of_one_piece(followed: Followed, name: str) -> list[int]:
    """The largest size of a letter at which what became a plain number is 1, for each of these numbers."""
    sizes = torch.arange(1, followed.sample[name])
    evaluation = followed.session.evaluation({**followed.sample, name: sizes})
    found: dict[int, None] = {}
    for decision in (each for each in asked(followed, numbers=True) if each.is_number):
        values = evaluation.at_each(decision.expression)
        if values is not None and values.dim() == 1 and 1 in values:
            # The piece is shorter right below, as a join may need it, which takes even sizes alone.
            largest = int(sizes[values == 1].max())
            found.update(dict.fromkeys(size for size in range(largest, largest - _MOST_SHORTER, -1) if size > 0))
    return [*found]


def _rectangle(followed: Followed, names: Sequence[str], size: int) -> Point:
    return {**followed.sample, **{name: size + _APART * place for place, name in enumerate(names)}}


def _turning_sizes(followed: Followed, names: Sequence[str], most: int) -> list[int]:
    """Sizes of the first of ``names`` next to which decisions turn, the other letters at the sample."""
    sizes = torch.tensor([*range(1, _EVERY_UP_TO + 1), *_POWERS])
    every = {**followed.sample, **{name: sizes + _APART * place for place, name in enumerate(names)}}
    evaluation = followed.session.evaluation(every)
    sample = followed.sample[names[0]]
    found: Counter[int] = Counter()
    turning = (each for each in asked(followed) if not each.is_refused_otherwise)
    for decision in dict.fromkeys((each.expression, each.outcome) for each in turning):
        place = _turned_next_to(evaluation, decision, sizes, sample)
        if place is not None:
            found[place] += 1
    chosen = [size for size, _ in found.most_common(most)]
    # At a bound the two ways may come to the same: one step further they do not.
    further = [size - 1 if size < sample else size + 1 for size in chosen]
    return [*chosen, *(size for size in further if size > 0 and size not in chosen)]


def _turned_next_to(evaluation: Any, decision: tuple[Any, Any], sizes: torch.Tensor, sample: int) -> int | None:
    expression, outcome = decision
    values = evaluation.at_each(expression)
    if values is None or values.dim() != 1:
        return None
    there = sizes[values != bool(outcome)].tolist()
    below = [size for size in there if size < sample]
    return max(below) if below else min(there, default=None)


def other_answers(followed: Followed, ran: Iterable[Point]) -> Iterator[Point]:
    """Sizes at which a question of the model's own is answered as at none that ran, and what has to be equal is."""
    evaluations = [followed.session.evaluation(point) for point in (followed.sample, *ran)]
    equal = equations(followed)
    found = 0
    for each in questions(followed):
        if found < _MOST_TURNED and not each.is_number and all(comes_to(known, each) for known in evaluations):
            others = [condition for condition in equal if condition.expression != each.condition]
            point = solved(followed, [*others, Condition(sympy.Not(each.condition), each.where)], smallest=1)
            if point is not None:
                found += 1
                yield point


def where_equations_hold(followed: Followed) -> list[Point]:
    """Some sizes, small ones first, at which what has to be equal on the way is: a model that joins takes few."""
    names = followed.plan.sides
    if not names or not any(each.is_equation for each in followed.conditions):
        return []
    sizes = torch.arange(1, _EQUATIONS_UP_TO + 1)
    # What a layer declares may hold at none, and be another number where a piece is as long as the whole.
    found = _holding(followed, names, sizes) or _holding(followed, names, sizes, declared=False)
    return equal_sizes(followed, [*found[:_MOST_EQUAL], *found[_MOST_EQUAL :: max(1, len(found) // _MOST_EQUAL)]])


def equal_sizes(followed: Followed, sizes: Iterable[int]) -> list[Point]:
    """Each size for all letters at once."""
    return [followed.with_sides(size) for size in sizes]


def _holding(
    followed: Followed, names: Sequence[str], sizes: torch.Tensor, *, declared: bool = True, asked: bool = True
) -> list[int]:
    """Of ``sizes``, for all letters in ``names`` at once, those at which what has to be equal is.

    Without what layers declare, or without what the model's own code asked, and may go on without.
    """
    own = set() if asked else {each.condition for each in followed.session.decisions if each.direct}
    evaluation = followed.session.evaluation({**followed.sample, **dict.fromkeys(names, sizes)})
    holds = torch.ones(len(sizes), dtype=torch.bool)
    for each in equations(followed):
        if (declared or not each.declared) and each.expression not in own:
            values = evaluation.at_each(each.expression)
            if values is None:
                return []
            holds &= values
    found: list[int] = sizes[holds].tolist()
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


def small_rectangles(followed: Followed, sizes: Iterable[int]) -> list[Point]:
    """Long rectangles: what is right for squares alone is wrong there.  Of an even size both sides are even."""
    names = followed.plan.sides
    return [
        {**followed.sample, **{name: size + place * (size + size % 2) for place, name in enumerate(names)}}
        for size in sizes
    ]


def beside_numbers(followed: Followed) -> list[Point]:
    """Sizes at which a plain number comes to one that stands in the code which made it."""
    names = followed.plan.sides
    sizes = torch.arange(1, _EVERY_UP_TO + 1)
    every = {**followed.sample, **{name: sizes + _APART * place for place, name in enumerate(names)}}
    return [_rectangle(followed, names, int(sizes[place])) for place in beside_constants(followed.session, every)]


def in_reverse(followed: Followed, point: Point) -> Point:
    """The same sizes, the largest for the first letter: it is the smallest in the sample and in every rectangle."""
    names = followed.plan.sides
    return {**point, **dict(zip(names, reversed([point[name] for name in names]), strict=True))}


def other_orders(followed: Followed) -> list[Point]:
    """Sizes at which a question that sets letters side by side turns: ``max(h, w)``, a slice as long as another input.

    In the sample and in every rectangle each letter is larger than the one before.
    """
    names = followed.plan.sides
    names_in = followed.session.names_in
    together = [each for each in asked(followed, numbers=True) if len({*names_in(each.expression)} & {*names}) > 1]
    found: dict[int, Point] = {}
    if not together:  # nor is anything asked where a difference is taken without its sign
        return [in_reverse(followed, point) for point in small_rectangles(followed, SMALL_IN_ANOTHER_ORDER[-1:])]
    rectangles = [*small_rectangles(followed, SMALL_IN_ANOTHER_ORDER), *near_a_quarter(followed, OFFSETS[-1:])]
    reversed_ = [in_reverse(followed, point) for point in rectangles]
    # From the other end, so that those come first in which the first letters are far larger than the last.
    sizes = (
        product(sorted(_IN_EVERY_ORDER, reverse=True), repeat=len(names)) if len(names) < _MOST_IN_EVERY_ORDER else ()
    )
    others = [{**followed.sample, **dict(zip(names, each, strict=True))} for each in sizes]
    for each in together:
        for candidates in (reversed_, others):
            turned = [point for point in candidates if turns_by_order(followed.session, names, point, each)]
            found |= {id(point): point for point in turned[: len(_IN_EVERY_ORDER) - 1]}
    # And where the question is answered as before: ``if h % w == 0`` where ``h`` is larger, and no multiple.
    return [*[*found.values()][:_MOST_ORDERS], reversed_[-1]]


def rounded_floats(followed: Followed) -> list[Point]:
    """Sizes at which a float that is made of a size comes to a little less than a whole number, times that size.

    ``scale_factor=64 / length`` makes 64 of most lengths, and 63 of 49.
    """
    names = followed.plan.sides
    sizes = torch.arange(1, _EVERY_UP_TO + 1)
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
    candidates = _holding(followed, [name], sizes, asked=False)
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


def other_ways(followed: Followed, points: Sequence[Point]) -> list[Point]:
    """Sizes at which a question comes out as it does at none of ``points``: a map smaller than a window, say."""
    evaluations = [followed.session.evaluation(point) for point in points]
    asked = [each for each in questions(followed) if not each.is_number]
    found: list[Point] = []
    for index, each in enumerate(asked):
        if len(found) < _MOST_TURNED and all(comes_to(evaluation, each) for evaluation in evaluations):
            point = turned(followed, asked[:index], each)
            if point is not None and point not in found:
                found.append(point)
                evaluations.append(followed.session.evaluation(point))
    return found


def behind_questions(followed: Followed, ran: Sequence[Point]) -> Iterator[Point]:
    """Sizes at which a question comes out otherwise that is asked only where another one of the model's own does.

    ``if h > 40 and w > 40`` asks nothing of ``w`` where ``h`` is 30, and numbers tell nobody what they are asked: the
    model is followed anew at such sizes.
    """
    calls = len(followed.recording.calls)
    known = [followed.sample, *ran]
    waiting: list[Point] = [*ran]
    ways = {_way(followed, followed.sample)}
    for _ in range(min(_MOST_BEHIND, _MOST_CALLS_BEHIND // max(calls, 1))):
        point = next((each for each in waiting if _way(followed, each) not in ways), None)
        if point is None or not followed.passes.has_room_for(calls):
            return
        ways.add(_way(followed, point))
        there = followed.passes.at(point)
        for found in _other_ways_on(there, known):
            waiting.insert(0, found)  # what is asked there may lead further
            yield found


def _other_ways_on(followed: Followed, known: list[Point]) -> Iterator[Point]:
    """Sizes at which a question comes out otherwise, and those before it do not; they are added to the ``known``."""
    asked = [each for each in questions(followed) if each.direct and not each.is_number]
    found = 0
    for index, each in enumerate(asked):
        evaluations = map(followed.session.evaluation, known)
        arrived = (one for one in evaluations if all(comes_to(one, before) for before in asked[:index]))
        if found == _MOST_TURNED or not all(comes_to(one, each) for one in arrived):
            continue
        point = turned(followed, asked[:index], each)
        if point is not None and point not in known:
            found += 1
            known.append(point)
            yield point


def _way(followed: Followed, point: Point) -> tuple[bool | None, ...]:
    """How the questions of the model's own are answered at some sizes."""
    evaluation = followed.session.evaluation(point)

    def answer(expression: Any) -> bool | None:
        found = evaluation.or_none(expression)
        return None if found is None else bool(found)

    return tuple(answer(each.expression) for each in questions(followed) if each.direct and not each.is_number)
