"""A layer of sequences that gets the frames of a video as its batch: they were folded into it, and not taken apart.

A view behind the convolutions keeps the first axis, which is batch and time, and makes steps of the channels.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import NamedTuple

from torch import nn

from convlin.diagnosis.fixes.correction import edits_behind_argument
from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.diagnosis.silent.findings import finding_of_layer
from convlin.layers import Misfit
from convlin.ops.catalog import OPS
from convlin.records import Shape, past_single_joins
from convlin.trace.recording import Finding, Recording


class _Frames(NamedTuple):
    """What was folded, the map that reaches the layer, and the calls of both reshapes."""

    batch: int
    time: int
    map: Shape
    fold: int
    view: int | None


def with_frames_apart(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with such a layer told at the view in front of it, where the model is right with the axes apart."""
    for found in recording.findings:
        finding = _of_sequences(recording, found)
        frames = _frames(recording, finding)
        if frames is None:
            continue
        edits = edits_behind_argument(finding, f".reshape(-1, {frames.time}, {prod(frames.map[1:])})")
        if not edits:
            continue
        features, declared = prod(frames.map[1:]), getattr(recording.modules[finding.call], "input_size", None)
        wanted = {} if features == declared else {finding.path: {"input_size": features}}
        shown = run_to_the_end(model, retry, wanted, edits)
        if shown is None or (wanted and not _comes_back(recording, shown, frames)):
            continue
        left = shown.signs
        if not left <= recording.signs - {found.sign}:
            continue
        detail = {"frames": frames._asdict(), "features": features}
        told = finding._replace(misfit=Misfit("structure", declared, features, "frames", detail))
        findings = [told if each is found else each for each in recording.findings]
        kept = [each for each in findings if each is told or each.sign in left]
        return replace(recording, findings=kept, failure=None, required=dict(shown.required))
    return recording


def _of_sequences(recording: Recording, finding: Finding) -> Finding:
    """For a number behind it that follows the batch, the layer that took batch and time for the steps of one sample."""
    if finding.misfit.note != "among_features":
        return finding
    for index in recording.on_the_way(finding.source):
        call, module = recording.calls[index], recording.modules[index]
        if isinstance(module, nn.RNNBase) and call.inputs and len(call.inputs[0].shape) == 2:
            return finding_of_layer(recording, Misfit("structure", 3, 2, "one_sequence"), index)
    return finding


def _frames(recording: Recording, finding: Finding) -> _Frames | None:
    misfit = finding.misfit
    of_steps = (misfit.kind == "input_size" and not misfit.note) or misfit.note in ("map_in_steps", "one_sequence")
    module = recording.modules[finding.call] if finding.layer else None
    batch = recording.inputs[0].shape[0] if recording.inputs and recording.inputs[0].shape else None
    if not of_steps or not isinstance(module, nn.RNNBase) or not module.batch_first or not finding.inputs:
        return None
    source = past_single_joins(finding.source, recording.joins)
    given, view = finding.inputs[0].shape, None
    if misfit.kind == "input_size":
        call = recording.maker(source)
        if call is None or not call.is_function or not OPS.named(call.type).keeps_memory_order or call.stood_in:
            return None
        given, view = call.inputs[0].shape, source.number
        if given[0] != finding.inputs[0].shape[0]:
            return None
    enough = 2 if misfit.note == "one_sequence" else 3
    if len(given) < enough or not all(type(size) is int for size in given):
        return None
    for index in recording.on_the_way(source):
        call = recording.calls[index]
        if call.is_function and call.inputs and call.outputs and OPS.named(call.type).keeps_memory_order:
            whole, made = call.inputs[0].shape, call.outputs[0].shape
            apart = len(whole) > 3 and all(type(size) is int for size in whole) and made[1:] == whole[2:]
            if apart and made[0] == given[0] == whole[0] * whole[1] and whole[0] == batch and whole[1] > 1:
                return _Frames(whole[0], whole[1], given, index, view)
    return None


def _comes_back(recording: Recording, shown: Recording, frames: _Frames) -> bool:
    """Whether the frames stay the batch down to the output, and with the axes apart the samples come back."""
    before = {each.shape[:1] for each in recording.outputs}
    return before == {frames.map[:1]} and {each.shape[:1] for each in shown.outputs} == {(frames.batch,)}
