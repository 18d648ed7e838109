"""Sizes at which a question that was asked on the way comes out otherwise than at those that ran.

A slice of 100 is as long as the axis where that is shorter; a window that would start in the padding is
left out.  PyTorch's functions ask for the size there, and the largest size with the other answer lies
next to the sizes for which the form was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product, zip_longest
from typing import Any

import sympy
import torch

from convlin.symbolic.comparison_sizes import EVERY_UP_TO, OFFSETS, in_reverse, near_a_quarter, small_rectangles
from convlin.symbolic.conditions import Condition
from convlin.symbolic.environment import Decision
from convlin.symbolic.follow import Followed
from convlin.symbolic.questions import asked, beside_constants, comes_to, equations, questions, turns_by_order
from convlin.symbolic.runs import Point
from convlin.symbolic.solving import solved, turned
from convlin.trace.recording import Recording

#: Small sizes that are run with the letters set in another order.
_SMALL_IN_ANOTHER_ORDER = (3, 8, 24)
#: Sizes of each letter beside which those of every other are tried, of no more letters than that.
_IN_EVERY_ORDER, _MOST_IN_EVERY_ORDER = (2, 5, 9, 14, 24, 30, 64), 4
#: How many sizes are run at which letters stand in another order.
_MOST_ORDERS = 16
#: Beyond every size up to some, powers of two and their neighbors are looked at for a decision to turn.
_POWERS = tuple(2**power + beside for power in range(11, 15) for beside in (-1, 0, 1))
#: How much larger each letter is than the one before, so that a rectangle is tried and no square.
_APART = 3
#: So many sizes are tried from the largest down at which there is one piece.
_MOST_SHORTER = 3
#: At how many sizes where the model goes a way that no other size led it to.
_MOST_TURNED = 4
#: Of strings that have a number for each text that was made of a size.
_MOST_PAIRS = 8
#: How often a model is followed anew for what it asks behind a question, and how many calls that may be together.
_MOST_BEHIND, _MOST_CALLS_BEHIND = 4, 400


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


def _rectangle(followed: Followed, names: Sequence[str], size: Any) -> dict[str, Any]:
    return {**followed.sample, **{name: size + _APART * place for place, name in enumerate(names)}}


def _turning_sizes(followed: Followed, names: Sequence[str], most: int) -> list[int]:
    """Sizes of the first of ``names`` next to which decisions turn, the other letters at the sample."""
    sizes = torch.tensor([*range(1, EVERY_UP_TO + 1), *_POWERS])
    evaluation = followed.session.evaluation(_rectangle(followed, names, sizes))
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


def beside_numbers(followed: Followed) -> list[Point]:
    """Sizes at which a plain number, or text, comes to one that stands in the code which made it."""
    names = followed.plan.sides
    sizes = torch.arange(1, EVERY_UP_TO + 1)
    places = beside_constants(followed.session, _rectangle(followed, names, sizes))
    found: list[Point] = [_rectangle(followed, names, int(sizes[place])) for place in places]
    if followed.session.texts and len(names) > 1:  # text of two sizes: ``f"{height}x{width}"``
        places = beside_constants(followed.session, followed.with_sides(sizes))
        found += [followed.with_sides(int(sizes[place])) for place in places]
        found += islice(_beside_pairs(followed), _MOST_PAIRS)
    return found


def _beside_pairs(followed: Followed) -> Iterator[Point]:
    """Sizes at which several texts come to the numbers of one string in the code: ``"32x64"``."""
    together: dict[Any, list[Decision]] = {}
    for each in followed.session.texts:
        together.setdefault(each.texts, []).append(each)
    for texts, made in together.items():
        for numbers in (each for each in texts if len(each) == len(made) > 1):
            wanted = (sympy.Eq(each.expression, number) for each, number in zip(made, numbers, strict=True))
            point = solved(followed, [Condition(each) for each in wanted], smallest=1)
            if point is not None:
                yield point


def other_orders(followed: Followed) -> list[Point]:
    """Sizes at which a question that sets letters side by side turns: ``max(h, w)``, a slice as long as another input.

    In the sample and in every rectangle each letter is larger than the one before.
    """
    names = followed.plan.sides
    names_in = followed.session.names_in
    together = [each for each in asked(followed, numbers=True) if len({*names_in(each.expression)} & {*names}) > 1]
    extremes = _extremes_of_letters(followed)
    if not together and not extremes:  # nor is anything asked where a difference is taken without its sign
        return [in_reverse(followed, point) for point in small_rectangles(followed, _SMALL_IN_ANOTHER_ORDER[-1:])]
    rectangles = [*small_rectangles(followed, _SMALL_IN_ANOTHER_ORDER), *near_a_quarter(followed, OFFSETS[-1:])]
    reversed_ = [in_reverse(followed, point) for point in rectangles]
    # From the other end, so that those come first in which the first letters are far larger than the last.
    sizes = (
        product(sorted(_IN_EVERY_ORDER, reverse=True), repeat=len(names)) if len(names) < _MOST_IN_EVERY_ORDER else ()
    )
    others = [{**followed.sample, **dict(zip(names, each, strict=True))} for each in sizes]
    each_turned = [_where_another_is(followed, each, others) for each in extremes]
    each_turned += [
        [point for point in candidates if turns_by_order(followed.session, names, point, each)]
        for each in together
        for candidates in (reversed_, others)
    ]
    # One for every question before there are two for any.
    rounds = zip_longest(*(turned[: len(_IN_EVERY_ORDER) - 1] for turned in each_turned))
    found = {id(point): point for round_ in rounds for point in round_ if point is not None}
    # And where the question is answered as before: ``if h % w == 0`` where ``h`` is larger, and no multiple.
    return [*[*found.values()][:_MOST_ORDERS], reversed_[-1]]


def _extremes_of_letters(followed: Followed) -> list[Any]:
    """The smallest or largest of several forms in letters, which nothing asks: ``min(h, w - 3)`` of a diagonal."""
    ending = [size for size in followed.sizes if isinstance(size, sympy.Expr) and size.has(sympy.Min, sympy.Max)]
    found = {each for size in ending for each in size.atoms(sympy.Min, sympy.Max)}
    return sorted((each for each in found if sum(bool(arg.free_symbols) for arg in each.args) > 1), key=str)


def _where_another_is(followed: Followed, extreme: Any, points: Sequence[Point]) -> list[Point]:
    """The points at which another of the forms is the smallest, or the largest, than at the sample."""

    def which(point: Point) -> Any:
        evaluation = followed.session.evaluation(point)
        value = evaluation.or_none(extreme)
        return next((arg for arg in extreme.args if arg.free_symbols and evaluation.or_none(arg) == value), None)

    usual = which(followed.sample)
    return [point for point in points if which(point) not in (None, usual)]


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


def behind_questions(followed: Followed, seen: Sequence[tuple[Point, Recording]]) -> Iterator[Point]:
    """Sizes at which a question comes out otherwise that is asked only where another one of the model's own does.

    ``if h > 40 and w > 40`` asks nothing of ``w`` where ``h`` is 30, and numbers tell nobody what they are asked: the
    model is followed anew at such sizes.
    """
    calls = len(followed.recording.calls)
    waiting: list[Point] = [point for point, _ in seen]
    known = [followed.sample, *waiting]
    ways = {_way(followed, followed.sample)}
    for _ in range(min(_MOST_BEHIND, _MOST_CALLS_BEHIND // max(calls, 1))):
        point = next((each for each in waiting if _way(followed, each) not in ways), None)
        if point is None or not followed.passes.has_room_for(calls):
            return
        ways.add(_way(followed, point))
        # A loop or a recursion calls more of the same at a larger size, and each call is followed in letters.
        there = next((recording for other, recording in seen if other == point), followed.recording)
        if not followed.passes.has_room_for(len(there.calls)):
            continue
        for found in _other_ways_on(followed.passes.at(point), known):
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
