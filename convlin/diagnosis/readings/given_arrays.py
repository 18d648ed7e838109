"""A numpy array as the input: beside it, what is wrong for the tensor that holds the same."""

from __future__ import annotations

import sys
from typing import Any

import torch

from convlin.inputs import Plan
from convlin.records import Problem, Report


def refused(report: Report) -> Problem | None:
    """The first problem, where it is that of a layer that an array reached as it was given; else None."""
    first = next(iter(report.problems), None)
    return first if first is not None and (first.kind, first.required) == ("structure", "ndarray") else None


def as_tensors(plan: Plan) -> Plan | None:
    """The plan with a tensor in the place of every array of numbers; None where there is none."""
    changed = plan.with_each(_as_tensor)
    pairs = zip((*plan.args, *plan.kwargs.values()), (*changed.args, *changed.kwargs.values()), strict=True)
    return None if all(one is other for one, other in pairs) else changed


def told(report: Report, array: Problem) -> tuple[Problem, ...]:
    """The problem of the array, and those of the tensor: its dtype is in what is to be written for the array."""
    return array, *(each for each in report.problems if (each.kind, each.call) != ("dtype", array.call))


def _as_tensor(value: Any) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray):
        return value
    try:
        return torch.as_tensor(value)
    except TypeError:  # of text or objects
        return value
