"""A number that follows the batch: whatever a layer is made with is wrong at another batch size.

An axis was moved in front of the batch (``torch.stack`` without ``dim=1``, the ``h_n`` of a recurrent layer), and what
comes behind takes the batch for features.  No shape tells the batch from another size; a run with another batch does.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn

from convlin.diagnosis.runs.evidence import run_changed
from convlin.diagnosis.runs.retries import MOST_PASSES, Retry
from convlin.diagnosis.silent.findings import suspects
from convlin.inputs import Dummy, Plan
from convlin.layers import AXIS_OF
from convlin.ops.catalog import FLATTEN, OPS, UNFLATTEN
from convlin.ops.op import Family
from convlin.records import Call, Shape, SourceKind, past_joins
from convlin.tensors import tensors_in
from convlin.trace.axes import takes_time_first
from convlin.trace.recording import Finding, Recording, Suspects

#: Functions that may set the batch elsewhere than in front.
_MOVES = (Family.REARRANGE, Family.JOIN, Family.PART, Family.INDEX, Family.PRODUCT, Family.OTHER)

#: So many axes hold several images or volumes: of one alone convlin knows that the batch is missing.
_OF_IMAGES = 4


def with_batch_in_features(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with each number that follows the batch told as a batch that is lost, where a run shows that."""
    asked = [finding for finding in recording.findings if _may_follow(recording, finding)]
    if not retry.plan.adds_batch and not any(len(given.shape) >= _OF_IMAGES for given in recording.inputs):
        # What was made of one axis may be meant to hold all of what was given.
        asked = [finding for finding in asked if finding.inputs and len(finding.inputs[0].shape) > 1]
    plan = _with_another_batch(retry.plan, recording) if asked else None
    other = _shown(model, plan, retry) if plan is not None else None
    if other is None or not _subjects(other) <= _subjects(recording):  # the first axis was something else: channels
        return recording
    told, required = [], dict(recording.required)
    for finding in recording.findings:
        there = _number_there(recording, other, finding) if finding in asked else finding.misfit.required
        if there is not None and there != finding.misfit.required:
            required.pop(finding.path, None)
            finding = _of_the_batch(recording, other, finding, there)
        told.append(finding)
    return replace(recording, findings=told, required=required)


def _subjects(recording: Recording) -> set[tuple[str, str]]:
    return {(each.path, each.misfit.kind) for each in recording.findings}


def _may_follow(recording: Recording, finding: Finding) -> bool:
    """Whether something on the way may have set the batch elsewhere; a run tells, and is to be spared where it can."""
    misfit = finding.misfit
    if misfit.kind not in AXIS_OF or not misfit.changes or finding.function or not isinstance(misfit.required, int):
        return False
    batch = recording.inputs[0].shape[:1] if recording.inputs else ()
    return any(_may_move(recording, index, batch) for index in recording.on_the_way(finding.source))


def _may_move(recording: Recording, index: int, batch: Shape) -> bool:
    call, module = recording.calls[index], recording.modules[index]
    if any(info.shape[:1] != batch for info in (*call.inputs, *call.outputs)) or isinstance(module, nn.RNNBase):
        return True
    if batch != (1,) or not call.is_function:  # sizes of 1 look alike, wherever they are
        return False
    op = OPS.called(call.type)
    is_from_one_on = op in (FLATTEN, UNFLATTEN) and 1 in (call.settings.get("1"), call.settings.get("start_dim"))
    return op.family in _MOVES and not is_from_one_on


def _with_another_batch(plan: Plan, recording: Recording) -> Plan | None:
    """The same plan with two samples, or three in place of two; None where no axis is known to be the batch.

    Of given tensors it is the first one, where all have as many, one of them is more than a table of numbers, and no
    layer takes time first.
    """
    if not plan.adds_batch and any(map(takes_time_first, recording.modules)):
        return None
    tensors = [value for value in (*plan.args, *plan.kwargs.values()) if isinstance(value, Tensor)]
    others = [value for value in (*plan.args, *plan.kwargs.values()) if not isinstance(value, Tensor | Dummy)]
    if isinstance(plan.batch_size, str) or any(True for _ in tensors_in(others)):
        return None
    rows = {tensor.shape[0] if tensor.dim() and not tensor.is_nested else 0 for tensor in tensors}
    rows |= {plan.batch_size} if plan.adds_batch else set()
    of_samples = (tensor.dim() > 2 or (tensor.dim() == 2 and not tensor.is_floating_point()) for tensor in tensors)
    if len(rows) != 1 or 0 in rows or not (plan.adds_batch or any(of_samples)):
        return None
    (count,) = rows

    def change(value: object) -> object:
        if not isinstance(value, Tensor):
            return value
        return value[:2] if count > 2 else torch.cat([value, value[:1]])

    return plan.with_each(change)._replace(batch_size=3 if count == 2 else 2)


def _shown(model: nn.Module, plan: Plan, retry: Retry) -> Recording | None:
    """What a pass with another batch shows, with what raises nothing and is a mistake there."""
    retry = retry._replace(plan=plan, careful=True, suspects=Suspects(caught=retry.suspects.caught))
    for _ in range(MOST_PASSES):
        shown = run_changed(model, retry)
        if shown is None:
            return None
        more = suspects(shown, batch_added=plan.adds_batch) | retry.suspects
        if more == retry.suspects:
            return shown
        retry = retry._replace(suspects=more)
    return None


def _number_there(recording: Recording, other: Recording, finding: Finding) -> int | None:
    """What reaches the layer in the other pass, in its call of the same number; None where it is not called there."""
    before = sum(call.path == finding.path for call in recording.calls[: finding.call] if not call.is_function)
    calls = [call for call in other.calls if call.path == finding.path and not call.is_function]
    if len(calls) <= before or not calls[before].inputs or not finding.inputs:
        return None
    axis, shape, there = AXIS_OF[finding.misfit.kind], finding.inputs[0].shape, calls[before].inputs[0].shape
    if len(shape) != len(there) or not -len(shape) <= axis < len(shape):
        return None
    batches = recording.inputs[0].shape[0], other.inputs[0].shape[0]
    if (shape[0], there[0]) == batches and len(shape) > 1:  # which is in front: the number follows something else
        return None
    found = there[axis] if shape[axis] == finding.misfit.required else prod(there[1:])  # behind a flatten to be written
    return found if isinstance(found, int) else None


def _of_the_batch(recording: Recording, other: Recording, finding: Finding, there: int) -> Finding:
    misfit = finding.misfit
    batches = recording.inputs[0].shape[0], other.inputs[0].shape[0]
    detail: dict[str, object] = {"batches": batches, "numbers": (misfit.required, there)}
    index = _where_it_went(recording, other, finding, AXIS_OF[misfit.kind])
    one_sample = None
    if index is not None:
        given, elsewhere = recording.calls[index].inputs[0].shape, other.calls[index].inputs[0].shape
        axes = [axis for axis, sizes in enumerate(zip(given, elsewhere, strict=True)) if sizes == batches]
        detail |= {"call": index, "axis": axes[0] if axes else None}
        one_sample = prod(given) // batches[0] if axes and misfit.kind == "in_features" else None
    return finding._replace(
        misfit=misfit._replace(
            kind="batch", required=one_sample, note="among_features", changes={}, detail={**detail, "of": misfit.kind}
        )
    )


def _where_it_went(recording: Recording, other: Recording, finding: Finding, axis: int) -> int | None:
    """The call that has the batch along another axis than what it was given; None where the passes differ more."""
    source = finding.source
    while True:
        source = past_joins(source, recording.joins)
        if source.kind is not SourceKind.CALL or source.number >= len(other.calls):
            return None
        call, there = recording.calls[source.number], other.calls[source.number]
        if (call.path, call.type) != (there.path, there.type) or not call.inputs or not there.inputs:
            return None
        following = [place for place in range(len(call.inputs)) if _differs(call, there, place, axis)]
        if not following:
            same_rank = len(call.inputs[0].shape) == len(there.inputs[0].shape)
            return source.number if same_rank else None
        if len(call.sources) <= following[0]:
            return None
        source = call.sources[following[0]]


def _differs(call: Call, there: Call, place: int, axis: int) -> bool:
    one = call.inputs[place].shape
    other = there.inputs[place].shape if place < len(there.inputs) else ()
    if not -len(one) <= axis < len(one) or len(one) != len(other):
        return one != other
    return one[axis] != other[axis]
