"""What a symbolic pass asked about the letters on its way."""

from __future__ import annotations

from convlin.sizes.evaluate import Evaluation
from convlin.symbolic.conditions import Condition
from convlin.symbolic.follow import Followed
from convlin.symbolic.session import Decision


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


def equations(followed: Followed) -> list[Condition]:
    """What has to be equal on the way."""
    numbers = {each.condition for each in followed.session.decisions if each.is_number}  # may well be others
    return [each for each in followed.conditions if each.is_equation and each.expression not in numbers]


def comes_to(evaluation: Evaluation, decision: Decision) -> bool:
    """Whether the answer is the same at the sizes of ``evaluation``; not where it cannot even be asked there."""
    try:
        return bool(evaluation(decision.expression) == decision.outcome)
    except (NotImplementedError, ArithmeticError):
        return False
