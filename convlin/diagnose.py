"""Findings put into words: what arrived, what was declared, where the difference comes from, what to write.

The leaf (``layers``, ``functions``) says what does not fit; here the layer's path, the tensor's
origin and the line to change are added.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from torch import nn

from convlin.inputs import Plan
from convlin.layers import Misfit
from convlin.recording import Finding, Recording
from convlin.records import Location, Problem, Report, Shape

_FLATTENING = ("flatten", "view", "reshape")


def diagnose(report: Report, recording: Recording, model: nn.Module, plan: Plan) -> tuple[Problem, ...]:
    """One problem for every finding, each once, in the order they were met."""
    problems: dict[tuple[Any, ...], Problem] = {}
    for finding in recording.findings:
        misfit = finding.misfit
        key = (misfit.kind, finding.path, finding.where, repr(misfit.declared), repr(misfit.required), misfit.note)
        if key not in problems:
            problems[key] = _problem(finding, report)
    failure = recording.failure
    if (
        failure is not None
        and failure.in_torch
        and not any(finding.event == failure.event for finding in recording.findings)
    ):
        problems[("error",)] = _stopped(recording, report)
    return tuple(problems.values())


def _problem(finding: Finding, report: Report) -> Problem:
    misfit = finding.misfit
    words = _WORDS.get((misfit.kind, misfit.note)) or _WORDS.get((misfit.kind, "")) or _resized
    message, fix = words(finding, report)
    return Problem(
        kind=misfit.kind,
        path=finding.path,
        declared=misfit.declared,
        required=misfit.required,
        message=message,
        fix=fix,
        where=finding.where,
        call=finding.event,
    )


def _stopped(recording: Recording, report: Report) -> Problem:
    failure = recording.failure
    assert failure is not None
    what = failure.function or (recording.events[failure.event].type if failure.event >= 0 else report.model)
    arrived = ", ".join(times(info.shape) for info in failure.inputs) or "no tensor"
    said = str(failure.error).strip().splitlines()
    message = f"{what} stopped the pass; {arrived} arrived.\nPyTorch says: {said[0] if said else type(failure.error).__name__}"
    return Problem(
        "error", failure.path, message=message, where=failure.where, call=failure.event if failure.event >= 0 else None
    )


# What people read

Words = Callable[[Finding, Report], "tuple[str, str | None]"]


def _in_features(finding: Finding, report: Report) -> tuple[str, str | None]:
    misfit = finding.misfit
    message = f"{finding.layer or finding.function} receives {misfit.required} features"
    return f"{message}{origin(finding, report)}", f"in_features={misfit.required}"


def _resized(finding: Finding, report: Report) -> tuple[str, str | None]:
    misfit = finding.misfit
    name = finding.layer or finding.function
    arrived = times(finding.inputs[0].shape) if finding.inputs else "nothing"
    message = f"{name} receives {arrived}: {misfit.kind} should be {misfit.required}, is {misfit.declared}"
    return message, f"{misfit.kind}={misfit.required}" if misfit.changes else None


def _reshape(finding: Finding, report: Report) -> tuple[str, str | None]:
    misfit = finding.misfit
    shape: Shape = misfit.detail["shape"]
    product = "·".join(map(str, shape[1:])) if len(shape) > 2 else str(misfit.required)
    message = (
        f"{finding.function}{_called(misfit)} cannot take {times(shape)}: "
        f"one sample has {product}{f' = {misfit.required}' if len(shape) > 2 else ''} elements, not {misfit.declared}"
    )
    return message, "x.flatten(1)"


def _called(misfit: Misfit) -> str:
    return f"({', '.join(map(str, misfit.detail.get('wanted') or ()))})"


_WORDS: dict[tuple[str, str], Words] = {
    ("in_features", ""): _in_features,
    ("reshape", "size"): _reshape,
}


def times(shape: Shape) -> str:
    """A shape as people write it: ``1×32×8×8``."""
    return "×".join(map(str, shape)) if shape else "a scalar"


def origin(finding: Finding, report: Report) -> str:
    """Where the number of features comes from: the second line of a message, or nothing."""
    source = finding.source
    if not 0 <= source < len(report.calls):
        return ""
    call = report.calls[source]
    given, made = call.input_shape, call.output_shape
    if given is None or made is None:
        return ""
    at = f" at {place(call.where)}" if call.where else ""
    if call.is_function and call.type.rpartition(".")[2] in _FLATTENING and len(given) > 2:
        before = _name(report, call.sources[0] if call.sources else -1)
        if prod(given[1:]) == made[-1]:
            product = "·".join(map(str, given[1:]))
            return f"\n{made[-1]} = {product}, the output of {before}, flattened{at}"
    return f"\n{made[-1]} is the last axis of {times(made)}, the output of {_name(report, source)}{at}"


def _name(report: Report, source: int) -> str:
    if not 0 <= source < len(report.calls):
        return "the input"
    call = report.calls[source]
    return call.type if call.is_function else call.path or call.type


def place(where: Location) -> str:
    """``net.py:27``: the file's name is enough for a person."""
    return f"{where.file.replace(chr(92), '/').rpartition('/')[2]}:{where.line}"
