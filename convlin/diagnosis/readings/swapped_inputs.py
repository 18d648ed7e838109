"""Two inputs in each other's place: the model is run with the two exchanged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

from torch import Tensor

from convlin.diagnosis.problems import written_call
from convlin.inputs import Dummy, Plan
from convlin.records import Evidence, Problem, Report

#: Of more inputs than these no pairs are tried: each is a run.
_MOST_INPUTS = 4

Pair = tuple["int | str", "int | str"]


def with_two_exchanged(plan: Plan) -> Iterator[tuple[Pair, Plan]]:
    """The plan with every two inputs in each other's place; a position or a keyword says which two.

    >>> import torch
    >>> image, words = Dummy("[0]", (3, 8, 8), torch.float32), Dummy("[1]", (5,), torch.float32)
    >>> [(pair, exchanged)] = with_two_exchanged(Plan((image, words), {}, 1, torch.device("cpu")))
    >>> pair, [(value.place, value.shape) for value in exchanged.args]
    ((0, 1), [('[0]', (5,)), ('[1]', (3, 8, 8))])
    """
    given: dict[int | str, Any] = dict(enumerate(plan.args))
    given.update((name, value) for name, value in plan.kwargs.items())
    tensors = {key: value for key, value in given.items() if isinstance(value, Dummy | Tensor)}
    if len(tensors) > _MOST_INPUTS or plan.names:
        return
    for one, other in combinations(tensors, 2):
        if _alike(tensors[one], tensors[other]):
            continue
        for changed in _exchanged(tensors[one], tensors[other]):
            new = given | dict(zip((one, other), changed, strict=True))
            args = tuple(new[index] for index in range(len(plan.args)))
            yield (one, other), plan._replace(args=args, kwargs={name: new[name] for name in plan.kwargs})


def look_swapped(report: Report, plan: Plan, pair: Pair) -> Problem:
    """The one problem of a model that is right with two of its inputs exchanged, which ``plan`` has so.

    A run cannot tell whether they were meant as they are: what is wrong then is said as well.
    """
    otherwise = report.problems[0].message.partition("\n")[0]
    passed = " and ".join(f"{shape} as {name}" for name, shape in _inputs(report, plan, pair))
    return Problem(
        kind="structure",
        path="",
        message=f"{said(report, plan, pair)}\nif they are meant so: {otherwise}",
        fix=call_with_shapes(plan) or f"pass {passed}",
        evidence=Evidence.RUN,
    )


def said(report: Report, plan: Plan, pair: Pair) -> str:
    """What two inputs get that are to be exchanged, which ``plan`` has so."""
    (one, right), (other, also) = _inputs(report, plan, pair)
    return (
        f"these two inputs look swapped: {one} gets {also}, and {other} gets {right}\n"
        "exchanged, the model runs as it is"
    )


def _inputs(report: Report, plan: Plan, pair: Pair) -> list[tuple[str, tuple[Any, ...]]]:
    """The two by name, each with the shape that is right."""
    named = [key if isinstance(key, str) else _name(report, plan, key) for key in pair]
    return [(name, tuple(value.shape)) for name, value in zip(named, _values(plan, pair), strict=True)]


def _name(report: Report, plan: Plan, position: int) -> str:
    """What ``forward`` calls an input, where every input is one tensor."""
    names = report.input_names
    return names[position] if len(names) == len(plan.args) + len(plan.kwargs) else f"input {position + 1}"


def _values(plan: Plan, pair: Pair) -> Iterator[Any]:
    for key in pair:
        yield plan.args[key] if isinstance(key, int) else plan.kwargs[key]


def call_with_shapes(plan: Plan) -> str:
    """The call with shapes that are in order; empty where tensors were given."""
    if not all(isinstance(value, Dummy) for value in (*plan.args, *plan.kwargs.values())):
        return ""
    return "" if plan.args and plan.kwargs else written_call(plan)


def _alike(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one.shape == other.shape and one.dtype == other.dtype


def _exchanged(one: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    """The two in each other's place; a dtype may belong to the shape, or to the name, as that of ``input_ids``."""
    if not isinstance(one, Dummy) or not isinstance(other, Dummy):
        yield other, one
        return
    yield replace(one, shape=other.shape), replace(other, shape=one.shape)
    if one.dtype != other.dtype:
        yield replace(other, place=one.place), replace(one, place=other.place)
