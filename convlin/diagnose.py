"""Findings become problems: the words, the line to change, that line corrected.

The leaf (``layers``, ``functions``) says what does not fit, ``wording`` puts it into words, and
``corrections`` finds the line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from torch import nn

from convlin.corrections import Lines, written
from convlin.experiments import smallest_input
from convlin.functions import looks_at_values
from convlin.inputs import Plan
from convlin.recording import Failure, Finding, Recording
from convlin.records import Problem, Report
from convlin.wording import first_line, fitted, say, times

Hints = Iterable[Any]


def diagnose(
    report: Report, recording: Recording, model: nn.Module, plan: Plan, mode: str, hints: Hints = ()
) -> tuple[Problem, ...]:
    """One problem for every finding, each once, in the order they were met.

    ``model`` is as the user gave it, with nothing of the pass left on it: a size that is too small
    is answered by running it at others.
    """
    problems: dict[tuple[Any, ...], Problem] = {}
    lines = Lines(model, recording.findings, hints)
    for finding in recording.findings:
        misfit = finding.misfit
        key = (
            misfit.kind,
            finding.path,
            finding.where if finding.function else None,
            repr(misfit.required),
            misfit.note,
        )
        if key not in problems:
            problems[key] = _problem(finding, report, lines)
    failure = recording.failure
    if failure is not None and failure.in_torch and not _is_explained(failure, bool(problems)):
        problems[("stopped",)] = _stopped(recording, failure, model, plan, mode)
    return tuple(
        replace(problem, message=fitted(problem.message, problem.path or report.model))
        for problem in problems.values()
    )


def _is_explained(failure: Failure, found: bool) -> bool:
    return failure.is_explained or (found and failure.is_guess)


def _problem(finding: Finding, report: Report, lines: Lines) -> Problem:
    said = say(finding, report)
    where, fix = lines.correction(finding, said)
    misfit = finding.misfit
    return Problem(
        kind=misfit.kind,
        path=finding.path,
        declared=misfit.declared,
        required=misfit.required,
        message=said.message,
        fix=fix,
        where=where,
        call=finding.event,
        changes={} if said.forward or said.outside else written(misfit.changes),
    )


def _stopped(recording: Recording, failure: Failure, model: nn.Module, plan: Plan, mode: str) -> Problem:
    """The pass stopped, and no rule says why: too small an input, or PyTorch's own words."""
    event = recording.events[failure.event] if failure.event >= 0 else None
    what = failure.function or (event.type if event is not None else type(model).__name__)
    arrived = ", ".join(times(info.shape) for info in failure.inputs) or "no tensor"
    call = failure.event if failure.event >= 0 else None
    said = first_line(failure.error)
    if plan.device.type == "meta":
        unseen = _without_values(failure, what, arrived, said)
        if unseen is not None:
            return Problem("error", failure.path, None, None, unseen, 'leave out device="meta"', failure.where, call)
    smallest = smallest_input(model, plan, mode, recording)
    if smallest is not None:
        given, required = smallest
        message = (
            f"{what} receives {arrived}, too small for it: the input is {times(given)}\n"
            f"the smallest input that passes is {times(required)}\nPyTorch says: {said}"
        )
        return Problem("too_small", failure.path, given, required, message, None, failure.where, call)
    message = f"{what} stopped the pass; {arrived} arrived\nPyTorch says: {said}"
    return Problem("error", failure.path, message=message, where=failure.where, call=call)


def _without_values(failure: Failure, what: str, arrived: str, said: str) -> str | None:
    """Why a pass on the meta device cannot go on; None where that is not for want of values."""
    look = looks_at_values(what)
    if look is not None:
        return (
            f"forward looks at the values of a tensor ({look}), and on the meta device there are none\n"
            "run it where tensors have values, or make the decision from the shape"
        )
    if isinstance(failure.error, NotImplementedError):
        return f"{what} has no form for the meta device; {arrived} arrived\nPyTorch says: {said}"
    return None
