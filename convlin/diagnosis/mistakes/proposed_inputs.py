"""A call with another shape, which an answer would propose: the model is run so, and what it refuses is not told."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from torch import nn

from convlin.diagnosis.runs.evidence import run_changed
from convlin.diagnosis.runs.integer_inputs import places_of_tensors
from convlin.diagnosis.runs.retries import Retry
from convlin.inputs import Plan
from convlin.layers import to_be_given
from convlin.records import Shape
from convlin.trace.recording import Finding, Recording


class _Proposal(NamedTuple):
    """The shape of one sample in place of another, and the batch."""

    given: Shape
    shape: Shape
    batch: int | str


def with_proposals_run(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording, with the findings marked whose answer would be a call that the model refuses.

    An image where a video arrived, say: the batch may stand in the shape, and ``forward`` may take the axes apart by
    itself. Where the call is refused, the change is to be made in the model.
    """
    told = [_tried(recording, finding, model, retry) for finding in recording.findings]
    return recording if told == recording.findings else replace(recording, findings=told)


def _tried(recording: Recording, finding: Finding, model: nn.Module, retry: Retry) -> Finding:
    proposal = _proposal(finding, retry.plan)
    plan = _planned(finding, retry.plan, proposal) if proposal is not None else None
    if plan is None:
        return finding
    shown = run_changed(model, retry._replace(plan=plan, careful=True))
    if shown is None:
        return finding
    misfit = finding.misfit
    if misfit.note == "vector_given" and shown.failure is not None:  # the sizes of one cell are convlin's own
        return finding._replace(misfit=misfit._replace(detail={**misfit.detail, "stops": True}))
    if not _is_refused(recording, finding, shown, retry.plan):
        return finding
    note = {"batch_in_shape": "rank", "vector_given": "vector"}.get(misfit.note, misfit.note)
    return finding._replace(misfit=misfit._replace(note=note)).with_detail(refused=True)


def _proposal(finding: Finding, plan: Plan) -> _Proposal | None:
    if not finding.layer or not finding.inputs:
        return None
    misfit, given = finding.misfit, finding.inputs[0].shape
    match misfit.note:
        case "batch_in_shape" if type(given[1]) is int:
            return _Proposal(given[1:], given[2:], given[1])
        case "no_channels":
            return _Proposal(given[1:], (misfit.detail["channels"], *given[1:]), plan.batch_size)
        case "no_size" if len(given) == 3:
            return _Proposal(given[1:], (*given[1:], given[-1]), plan.batch_size)
        case "vector_given":
            sizes = (1,) * misfit.detail["spatial"]
            return _Proposal(given[1:], (misfit.detail["channels"], *sizes), plan.batch_size)
        case "turned" if misfit.detail.get("given"):
            order = misfit.detail["order"]
            before = tuple(given[axis] for axis in order)
            return _Proposal(before[1:], to_be_given(given, order)[1:], plan.batch_size)
    return None


def _planned(finding: Finding, plan: Plan, proposal: _Proposal) -> Plan | None:
    """The plan with that shape; None where it is open which input it is of, or what is to be another batch."""
    dummies = [*plan.dummies()]
    own = [each for each in dummies if each.shape == proposal.given]
    places = places_of_tensors(plan)
    if not finding.source.is_made and finding.source.number < len(places):
        own = [each for each in own if each.place == places[finding.source.number]]
    if plan.names or len(own) != 1 or (proposal.batch != plan.batch_size and len(places) > 1):
        return None
    made = replace(own[0], shape=proposal.shape)
    return plan.with_instead(own[0], made)._replace(batch_size=proposal.batch)


def _is_refused(recording: Recording, finding: Finding, shown: Recording, plan: Plan) -> bool:
    """Whether the other call does not lead to the layer, or not as far as the pass with a stand-in, or fits no more."""
    if shown.failure is not None:
        return recording.failure is None or all(call.path != finding.path for call in shown.calls)
    if any((each.path, each.misfit.kind) == (finding.path, finding.misfit.kind) for each in shown.findings):
        return True
    if finding.misfit.note != "batch_in_shape" or recording.failure is not None or not recording.outputs:
        return False
    # The stand-in folds both axes into the batch: where forward takes them apart again, that is what was meant.
    comes_back = recording.outputs[0].shape[:1] == (plan.batch_size,)
    return comes_back and len(shown.findings) > len(recording.findings) - 1
