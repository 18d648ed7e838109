"""A ``squeeze()`` that drops a batch of one together with the axes that were meant: a batch of two shows it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from convlin.diagnosis.messages import fitted
from convlin.diagnosis.messages.tools import at
from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.diagnosis.silent.leaving_batch import dropped, drops_batch
from convlin.inputs import Plan
from convlin.records import Call, Edit, Evidence, Problem, Report
from convlin.source.edits import Rewrite
from convlin.source.forward import corrected_squeeze


def with_two_samples(report: Report, plan: Plan) -> Plan | None:
    """The plan with a batch of two, where a ``squeeze()`` dropped the batch in front of all that is wrong."""
    if not plan.adds_batch or plan.batch_size != 1 or plan.names:
        return None
    first = next((index for index, call in enumerate(report.calls) if drops_batch(call)), None)
    if first is None or any(problem.call is not None and problem.call < first for problem in report.problems):
        return None
    return plan._replace(batch_size=2)


def problems(report: Report, model: nn.Module, last: Retry) -> tuple[Problem, ...]:
    """A problem for every such line of a model that is right with a batch of two; none where they are not the cause.

    The lines are edited and the model is run so, with its batch of one; where they cannot be edited, none is told.
    """
    found = list(_found(report))
    edits = tuple(edit for _, rewrite in found for edit in rewrite.edits)
    shown = run_to_the_end(model, last, edits=edits) if edits else None
    if shown is None or shown.findings:
        return ()
    return tuple(_problem(report, call, rewrite.text, rewrite.edits) for call, rewrite in found)


def _found(report: Report) -> Iterator[tuple[Call, Rewrite]]:
    seen = set()
    for call in report.calls:
        if not drops_batch(call) or call.where is None or call.where in seen:
            continue
        seen.add(call.where)
        corrected = corrected_squeeze(call.where, _axes(call))
        if corrected is not None and all(edit.certain for edit in corrected.edits):
            yield call, corrected


def _axes(call: Call) -> tuple[int, ...]:
    """The axes of 1 behind the batch."""
    return tuple(axis for axis, size in enumerate(call.inputs[0].shape) if axis and size == 1)


def _problem(report: Report, call: Call, text: str, edits: tuple[Edit, ...]) -> Problem:
    said = dropped(call) if _axes(call) else f"squeeze(){at(call.where)} drops the batch of 1: leave it out"
    message = f"{said}\nwith a batch of 2 the model runs as it is"
    return Problem(
        kind="batch",
        path=call.path,
        message=fitted(message, call.path or report.model),
        fix=text,
        where=call.where,
        edits=edits,
        evidence=Evidence.RUN,
    )
