"""What a symbolic pass asked about the letters on its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy

from convlin.sizes.evaluate import Evaluation
from convlin.symbolic.conditions import Condition
from convlin.symbolic.environment import Decision
from convlin.symbolic.follow import Followed
from convlin.symbolic.lookups import lookups
from convlin.symbolic.runs import Point
from convlin.symbolic.session import Session

#: So many sizes are run for the numbers in the code.
_MOST_BESIDE_CONSTANTS = 8


def questions(followed: Followed) -> list[Decision]:
    """What the model's own code asks about the letters, and where a letter became a plain number."""
    session = followed.session
    return [
        each
        for each in session.decisions
        if not each.own and (each.direct or each.is_number) and session.names_in(each.expression)
    ]


def asked(followed: Followed, *, numbers: bool = False) -> list[Decision]:
    """The questions about the letters that the model and PyTorch's functions ask, and not convlin itself.

    With ``numbers``, also where one of them became a plain number.
    """
    names_in = followed.session.names_in
    return [
        each
        for each in followed.session.decisions
        if not each.own and (numbers or not each.is_number) and names_in(each.expression)
    ]


def unseen(letters: Session) -> list[Decision]:
    """Where a size became a plain number or text: what code asks of that is seen by nobody."""
    made = (*letters.decisions, *letters.texts)
    return [each for each in made if each.is_number and not each.own and letters.names_in(each.expression)]


def of_many(letters: Session, names: Sequence[str]) -> list[Decision]:
    """What the model's own code asks of three letters or more at once, ``d * h * w > 1000``.

    A run shows one combination, and too many others come to the same.
    """
    asked = (each for each in letters.decisions if each.direct and not each.own and not each.is_number)
    return [each for each in asked if len({*letters.names_in(each.expression)} & {*names}) > 2]


def beside_constants(letters: Session, points: Mapping[str, Any]) -> list[int]:
    """At which of many points, in the order of their sizes, a plain number comes to one in the code, or goes past it.

    What the model's code compares such a number with is seen by nobody: ``if int(x.shape[-1]) > 300``; nor what it
    does with text of a size: ``if str(x.shape[-1]) in self.heads``.
    """
    found: dict[int, None] = {}
    for each in (*letters.decisions, *letters.texts):
        if not each.is_number or each.own or not each.constants:
            continue
        values = letters.evaluation(points).at_each(each.expression)
        if values is None or values.dim() != 1:
            continue
        for number in sorted({abs(constant) for constant in each.constants if abs(constant) > 1}):
            for beyond in (values >= number, values > number):
                places = (beyond[1:] != beyond[:-1]).nonzero().flatten().tolist()
                found.update((each, None) for place in places[:1] for each in (place, place + 1))
    return [*found][:_MOST_BESIDE_CONSTANTS]


def asks_for_windows_alone(followed: Followed) -> bool:
    """Whether nothing was asked on the way but whether windows fit: wherever they do, the pass goes as it went.

    Most convolutional networks are such models.  A few runs confirm what others are searched for with many.
    """
    if followed.recording.failure is not None or followed.recording.findings or followed.passes.loops:
        return False
    if followed.session.texts:
        return False
    if not all(each.is_refused_otherwise for each in asked(followed, numbers=True)):
        return False
    sizes = followed.sizes
    forms = [size for size in sizes if isinstance(size, sympy.Basic)]
    if -1 in sizes or any(form.has(sympy.Min, sympy.Max, sympy.Piecewise) for form in forms):
        return False
    return not any(lookups(followed.recording))


def equations(followed: Followed) -> list[Condition]:
    """What has to be equal on the way."""
    numbers = {each.condition for each in followed.session.decisions if each.is_number}  # may well be others
    return [each for each in followed.conditions if each.is_equation and each.expression not in numbers]


def all_hold(followed: Followed, point: Point) -> bool:
    """Whether all that was asked on the way holds at ``point``; not where that cannot be told."""
    evaluation = followed.session.evaluation(point)
    return all(bool(evaluation.or_none(each.expression)) for each in followed.conditions)


def filled(followed: Followed) -> list[Condition]:
    """That no map is empty: a window that fits nowhere is refused, and whatever takes an empty map a run finds out."""
    made = dict.fromkeys(size for call in followed.recording.calls for info in call.outputs for size in info.shape)
    forms = [size for size in made if isinstance(size, sympy.Expr) and not size.is_Symbol]
    return [Condition(sympy.Ge(form, 1)) for form in forms]


def comes_to(evaluation: Evaluation, decision: Decision) -> bool:
    """Whether the answer is the same at the sizes of ``evaluation``; not where it cannot even be asked there."""
    return bool(evaluation.or_none(decision.expression) == decision.outcome)


def turns_by_order(letters: Session, names: Sequence[str], point: Point, decision: Decision) -> bool:
    """Whether the answer is another one than at sizes as small, and as large, that go together as in the sample.

    There each of ``names`` is half as large again as the one before.
    """

    def is_as_told(sizes: Sequence[int]) -> bool:
        return comes_to(letters.evaluation({**point, **dict(zip(names, sizes, strict=True))}), decision)

    found = [point[name] for name in names]
    alike = ([end + place * (end + end % 2) // 2 for place in range(len(names))] for end in (min(found), max(found)))
    return not is_as_told(found) and all(map(is_as_told, alike))
