"""A mean, a sum or a maximum along another dim than was meant: the features are gone, and a length is in their place.

``x.mean(2)`` of N×T×C leaves N×T: a Linear that is given T features would fit one length alone.  Over all axes but the
batch and the features it leaves what the layer declares; that is told where a run of the corrected line shows it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from torch import nn

from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.ops.misfit import alone
from convlin.ops.op import Family
from convlin.records import Call, Shape, SourceKind, past_single_joins
from convlin.trace.axes import holds_features
from convlin.trace.recording import Finding, Recording

#: What is declared of the last axis.
_OF_THE_LAST = ("in_features", "normalized_shape")


def with_reductions_along(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with such a reduction told at its line, and without what that explains as well."""
    for finding in recording.findings:
        reduced = _reduced(recording, finding)
        if reduced is None or reduced.call.where is None:
            continue
        from convlin.source.reductions import corrected_reduction  # reads source: only where something is wrong

        where, name = reduced.call.where, reduced.call.type.rpartition(".")[2]
        rewrite = corrected_reduction(where, name, reduced.dims)
        shown = None if rewrite is None else run_to_the_end(model, retry, edits=rewrite.edits)
        if shown is None or not shown.signs <= recording.signs - {finding.sign}:
            continue
        told = [each for each in recording.findings if each.sign in shown.signs]
        misfit = finding.misfit.with_detail(lines=(where, rewrite), reduced=(reduced.given, reduced.left))
        told.append(finding._replace(misfit=misfit._replace(changes={})))  # the layer is right as it is
        told.sort(key=lambda each: each.call)
        return replace(recording, findings=told, failure=None, required=shown.required)
    return recording


class _Reduced(NamedTuple):
    """The call of a reduction, what it was given, and the dims along which it leaves the batch and the features."""

    call: Call
    given: Shape
    dims: tuple[int, ...]
    left: Shape


def _reduced(recording: Recording, finding: Finding) -> _Reduced | None:
    """The reduction that made what a layer cannot take, where over other dims it leaves what is declared."""
    misfit = finding.misfit
    if misfit.kind not in _OF_THE_LAST or misfit.note or misfit.input or not misfit.changes:
        return None
    source = past_single_joins(finding.source, recording.joins)
    if source.kind is not SourceKind.CALL or recording.family(source.number) is not Family.REDUCTION:
        return None
    call = recording.calls[source.number]
    if not call.is_function or len(call.inputs) != 1 or not call.outputs or not call.sources:
        return None
    given, source = call.inputs[0].shape, call.sources[0]
    if len(call.outputs[0].shape) >= len(given) or any(type(size) is not int for size in given):
        return None  # keepdim=True, or letters
    declared = (axis for axis in range(1, len(given)) if given[axis] == alone(misfit.declared))
    features = next((axis for axis in declared if holds_features(recording, source, axis)), 0)
    dims = tuple(axis for axis in range(1, len(given)) if axis != features)
    if not features or not dims:
        return None
    left = (given[0], given[features])
    return _Reduced(call, given, dims, left) if call.outputs[0].shape != left else None
