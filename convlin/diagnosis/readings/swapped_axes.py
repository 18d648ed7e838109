"""Two axes of one input in each other's place, which ``forward`` takes apart: the model is run with the two swapped.

A video of ``(N, C, T, H, W)``, say, where ``x.view(n * t, c, h, w)`` reads ``(N, T, C, H, W)``. Where the layer gets
the input as it is, its own rule looks at the order of the axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor

from convlin.diagnosis.readings.swapped_inputs import call_with_shapes
from convlin.inputs import Dummy, Plan
from convlin.layers import noun_of
from convlin.records import Evidence, Problem, Report, Shape, SourceKind, past_single_joins
from convlin.sizes.spell import spell_shape

#: What layers declare of one axis of their input.
_KINDS = ("in_channels", "in_features", "input_size", "num_features")


class Swap(NamedTuple):
    """The same call with two axes of an input swapped."""

    plan: Plan
    problem: Problem
    """Of the layer that would get the size that it declares."""
    name: str
    given: Shape
    shape: Shape
    axes: tuple[int, int]
    behind: str = ""
    """What makes the one tensor of the other, where a tensor was given."""


def swaps(report: Report, plan: Plan) -> Iterator[Swap]:
    """The calls in which the first layer that does not fit may get what it declares; letters are left as they are."""
    problem = next((each for each in report.problems if each.changes), None)
    if problem is None or problem is not report.problems[0] or plan.names or problem.kind not in _KINDS:
        return
    declared, required = problem.declared, problem.required
    if problem.call is None or problem.layer or type(declared) is not int or type(required) is not int:
        return
    number = _input_behind(report, problem.call)
    values = [*plan.args, *plan.kwargs.values()]
    if number is None or len(values) != len(report.inputs) or not isinstance(values[number], Dummy | Tensor):
        return
    given = report.inputs[number].shape
    if len(given) == len(report.calls[problem.call].input_shape or ()):
        return  # the layer's own rule has looked at these axes
    name = report.named_inputs[number].place if report.input_names else ""
    axes = range(1, len(given))
    for one in (axis for axis in axes if given[axis] == declared):
        for other in (axis for axis in axes if given[axis] == required):
            low, high = sorted((one, other))
            shape = list(given)
            shape[low], shape[high] = shape[high], shape[low]
            for changed, behind in _with_swapped(plan, values[number], low, high):
                yield Swap(changed, problem, name, given, tuple(shape), (low, high), behind)


def look_swapped(report: Report, swap: Swap) -> Problem:
    """The one problem of a model that is right with two axes of an input swapped.

    A run cannot tell whether they were meant as they are: what is wrong then is said as well.
    """
    written = f"{swap.name or 'x'}{swap.behind}"
    fix = f"pass {written} as {swap.name}" if swap.name else f"model({written})"
    return Problem(
        kind="structure",
        path="",
        message=f"{_looks(swap)}\nas {spell_shape(swap.shape)} the model runs as it is\n"
        f"if the axes are as intended{_otherwise(report.problems)}",
        fix=(not swap.behind and call_with_shapes(swap.plan)) or fix,
        evidence=Evidence.RUN,
    )


def with_swap_told(report: Report, swap: Swap) -> tuple[Problem, ...]:
    """The problems of a model in which more is wrong, where fewer are left with axes swapped: no edit is certain."""
    first, *others = report.problems
    told = f"{_looks(swap)}\nas {spell_shape(swap.shape)} it fits"
    doubt = f"{first.kind}={first.declared} is right if two axes of the input are swapped"
    return replace(first, message=f"{first.message}\n{told}", edits=(), unfixed=doubt), *others


def _looks(swap: Swap) -> str:
    low, high = swap.axes
    problem = swap.problem
    has = low if swap.given[low] == problem.declared else high
    which = swap.name or "the input"
    return (
        f"axes {low} and {high} of {which} look swapped: axis {has} of {spell_shape(swap.given)} has "
        f"the {problem.declared} {noun_of(problem.kind)}s that {problem.path} expects; it gets {problem.required}"
    )


def _otherwise(problems: Sequence[Problem]) -> str:
    """What is to be changed in that case, where a run showed that this is all; or what is wrong then."""
    if not all(each.evidence is Evidence.RUN and each.changes for each in problems):
        return ": " + problems[0].message.partition("\n")[0]
    needed = [
        f"{each.layer or each.path} needs " + ", ".join(f"{name}={written}" for name, written in each.changes.items())
        for each in problems
    ]
    return ", " + " and ".join(needed) + ": the model runs with that as well"


def _input_behind(report: Report, call: int) -> int | None:
    """The number of the input that reaches a call through nothing that has weights."""
    source = next(iter(report.calls[call].sources), None)
    while source is not None:
        source = past_single_joins(source, report.joins)
        if source.kind is SourceKind.INPUT:
            return source.number
        if source.kind is not SourceKind.CALL:
            return None
        made = report.calls[source.number]
        if made.params or made.inner or made.stood_in:
            return None
        source = next(iter(made.sources), None)
    return None


def _with_swapped(plan: Plan, value: Dummy | Tensor, low: int, high: int) -> Iterator[tuple[Plan, str]]:
    if isinstance(value, Tensor):
        swapped, behind = value.transpose(low, high), f".transpose({low}, {high})"
        yield plan.with_instead(value, swapped), behind
        yield plan.with_instead(value, swapped.contiguous()), f"{behind}.contiguous()"  # as a view asks for
        return
    shape = list(value.shape)
    shape[low - 1], shape[high - 1] = shape[high - 1], shape[low - 1]
    yield plan.with_instead(value, replace(value, shape=tuple(shape))), ""
