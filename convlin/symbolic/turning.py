"""Sizes at which something that a symbolic pass decided comes out the other way: where its forms may be wrong.

A slice of 100 is as long as the axis where that is shorter; a window that would start in the padding is
left out.  PyTorch's functions ask for the size there, and the largest size with the other answer lies
next to the sizes for which the form was made.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch

from convlin.symbolic.follow import Followed
from convlin.symbolic.trials import Point

#: Every size up to here is looked at, and beyond it powers of two and their neighbors.
_EVERY_UP_TO = 1100
_POWERS = tuple(2**power + beside for power in range(11, 15) for beside in (-1, 0, 1))
#: How much larger each letter is than the one before, so that a rectangle is tried and no square.
_APART = 3


def turning_points(followed: Followed, most: int) -> list[Point]:
    """For each decision the largest size below the sample at which it comes out the other way, or the smallest above.

    Those that turn most decisions come first.
    """
    names = [name for name in followed.sample if name != followed.plan.batch_size]
    if not names:
        return []
    sizes = torch.tensor([*range(1, _EVERY_UP_TO + 1), *_POWERS])
    every = {**followed.sample, **{name: sizes + _APART * place for place, name in enumerate(names)}}
    evaluation = followed.session.evaluation(every)
    sample = followed.sample[names[0]]
    found: Counter[int] = Counter()
    for decision in dict.fromkeys((each.expression, each.outcome) for each in asked(followed)):
        place = _turned_next_to(evaluation, decision, sizes, sample)
        if place is not None:
            found[place] += 1
    chosen = [size for size, _ in found.most_common(most)]
    # At a bound the two ways may come to the same: one step further they do not.
    further = [size - 1 if size < sample else size + 1 for size in chosen]
    chosen += [size for size in further if size > 0 and size not in chosen]
    return [{**followed.sample, **{name: size + _APART * place for place, name in enumerate(names)}} for size in chosen]


def asked(followed: Followed, *, numbers: bool = False) -> list[Any]:
    """The questions about the letters that the model and PyTorch's functions ask, and not convlin itself.

    With ``numbers``, also where one of them became a plain number.
    """
    names_in = followed.session.names_in
    return [
        each
        for each in followed.session.decisions
        if not each.own and (numbers or not each.is_number) and names_in(each.expression)
    ]


def _turned_next_to(evaluation: Any, decision: tuple[Any, Any], sizes: torch.Tensor, sample: int) -> int | None:
    expression, outcome = decision
    try:
        turned = torch.as_tensor(evaluation(expression) != bool(outcome))
    except (NotImplementedError, ArithmeticError, RuntimeError):
        return None
    if turned.dim() != 1:
        return None
    there = sizes[turned].tolist()
    below = [size for size in there if size < sample]
    return max(below) if below else min(there, default=None)
