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
from convlin.inputs import Plan
from convlin.recording import Failure, Finding, Recording
from convlin.records import Problem, Report
from convlin.stopped import stopped
from convlin.wording import fitted, say

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
        problems[("stopped",)] = stopped(recording, failure, model, plan, mode)
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
