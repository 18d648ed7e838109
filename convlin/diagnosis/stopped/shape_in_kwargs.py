"""A shape in ``kwargs``, which reaches ``forward`` as the tuple that it is, where a tensor was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from convlin._util.call_spelling import call_spelling
from convlin.diagnosis.stopped.unpooling import Told
from convlin.inputs import Plan
from convlin.tensors import tensors_in


def told(plan: Plan) -> Told | None:
    """What is said of the first such argument of a call that has no tensor; None where there is none.

    >>> import torch
    >>> found = told(Plan((), {"x": (3, 8, 8)}, 1, torch.device("cpu")))
    >>> print(found.message, found.fix, sep="; ")
    x=(3, 8, 8) in kwargs reaches forward as a tuple: no tensor is made of it; summarize(model, {"x": (3, 8, 8)})
    """
    if plan.adds_batch or any(True for _ in tensors_in((plan.args, dict(plan.kwargs)))):
        return None
    return next(_found(plan), None)


def _found(plan: Plan) -> Iterator[Told]:
    for name, value in plan.kwargs.items():
        if isinstance(value, tuple | list) and value and all(map(_is_size, value)):
            reaches = f"{name}={value!r} in kwargs reaches forward as a {type(value).__name__}: no tensor is made of it"
            yield Told(reaches, call_spelling().call({name: value}))


def _is_size(value: Any) -> bool:
    return (type(value) is int and value > 0) or (isinstance(value, str) and value.isidentifier())
