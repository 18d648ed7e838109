"""Mistakes that raise nothing: found afterwards, in what a pass recorded.

All of these have innocent look-alikes (window attention, time folded into the batch, a Linear over
the last axis), so each asks for the one sign that the innocent ones do not show: the batch never
comes back, down to the model's output.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from torch import nn

from convlin._util.torch_private import CONVOLUTIONS
from convlin.diagnosis.silent import time_axis
from convlin.diagnosis.silent.folded_batch import fits_as_made, has_channels_for_samples, loses_batch
from convlin.diagnosis.silent.unflattened import should_flatten, was_to_be_flattened
from convlin.layers import Misfit
from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import UNSEEN, Call
from convlin.trace.lost_batch import folded, matching, of_flatten
from convlin.trace.recording import Failure, Finding, Fold, Recording, Suspects, Written
from convlin.trace.state import printed

#: Functions that are told which axis is meant: they stop where a tensor has fewer.
_NAMES_AXES = (Family.REARRANGE, Family.INDEX, Family.PART, Family.REDUCTION)
#: And by whose settings.
_TELLS_AXES = (Family.REARRANGE, Family.REDUCTION)


def suspects(recording: Recording, *, batch_added: bool) -> Suspects:
    """What in this recording is a mistake although no function refused it."""
    if not recording.inputs or not recording.inputs[0].shape:
        return Suspects()
    samples = () if batch_added else tuple(_took_one_sample(recording))
    batch = recording.inputs[0].shape[0]
    folds = {
        _fold(call, keeps_channels=fits_as_made(recording, index, call))
        # Hardly any call changes the first size, and every layer of every model is asked: that first.
        for index, call in enumerate(recording.calls if not samples else ())  # without a batch there is none to lose
        if call.outputs and (len(made := call.outputs[0].shape) == 1 or made[:1] != (batch,))
        if recording.may_reshape(index) and loses_batch(recording, index, call, batch, batch_added=batch_added)
    }
    unflattened = {
        call.path
        for index, call, _ in recording.calls_of(nn.Linear)
        if not call.stood_in and should_flatten(recording, index, call)
    }
    unflattened |= {
        finding.path
        for finding in recording.findings
        if "flat" in finding.misfit.detail and was_to_be_flattened(recording, finding)
    }
    took = frozenset(recording.calls[index].path for index in samples if _took_what_it_got(recording, index))
    unbatched = took if took and _misses_batch(recording) else frozenset()
    timeless = frozenset(
        recording.calls[index].path
        for index in time_axis.reading_the_batch(recording, batch_added=batch_added)
        if _misses_time(recording, index)
    )
    return Suspects(frozenset(folds), frozenset(unflattened), unbatched, timeless=timeless)


def findings(recording: Recording, *, batch_added: bool) -> list[Finding]:
    """The same as findings, for a pass in which nothing may stand in."""
    found = suspects(recording, batch_added=batch_added)
    told: list[Finding] = []
    taken = set(_took_one_sample(recording)) if found.unbatched else set()
    for index, call in enumerate(recording.calls):
        if not call.inputs:
            continue
        shape = call.inputs[0].shape
        source, module = call.sources[0] if call.sources else UNSEEN, recording.modules[index]
        if recording.may_reshape(index) and _fold(call) in found.folds:
            made = call.outputs[0].shape
            misfit = folded(matching(_fold(call), found.folds) or _fold(call), None, made)
            if isinstance(module, nn.Flatten):
                told.append(finding_of_layer(recording, of_flatten(misfit), index))
                continue
            line = recording.line_of(index)
            told.append(Finding(misfit, call.path, index, call.inputs, source, "", call.type, line))
        elif index in taken:
            misfit = Misfit("structure", len(shape) + 1, len(shape), "one_sample", {"shape": shape})
            told.append(finding_of_layer(recording, misfit, index))
        elif call.path in found.unflattened and isinstance(module, nn.Linear):
            misfit = Misfit("structure", module.in_features, prod(shape[1:]), "flatten", {"rank": len(shape)})
            told.append(finding_of_layer(recording, misfit, index))
    return told


def _fold(call: Call, *, keeps_channels: bool = False) -> Fold:
    if call.is_function:
        return Fold(call.type, call.where, call.path, call.inputs[0].shape, keeps_channels)
    return Fold("", None, call.path, call.inputs[0].shape, keeps_channels)


def finding_of_layer(recording: Recording, misfit: Misfit, index: int) -> Finding:
    """What does not fit in a call of a layer, found after the pass."""
    call, module, written = recording.calls[index], recording.modules[index], recording.written.get(index, Written())
    assert module is not None
    source = call.sources[0] if call.sources else UNSEEN
    return Finding(
        misfit, call.path, index, call.inputs, source, printed(module),
        where=written.where, called_as=written.path, is_model_input=not source.is_made,
    )  # fmt: skip


def _took_one_sample(recording: Recording) -> Iterator[int]:
    """The convolutions that took an input of the model for one sample without a batch."""
    return (index for index in _taking_input_unbatched(recording) if not recording.calls[index].failed)


def _took_what_it_got(recording: Recording, index: int) -> bool:
    """Whether a layer ran on what it was given, in another dtype perhaps."""
    wrong = {finding.misfit.note for finding in recording.findings if finding.call == index}
    return not recording.calls[index].stood_in or wrong == {"cast"}


def _taking_input_unbatched(recording: Recording) -> Iterator[int]:
    ranks = {len(given.shape) for given in recording.inputs}
    for index, (call, module) in enumerate(zip(recording.calls, recording.modules, strict=True)):
        # What is quickest to be asked comes first, and hardly any call is left: every layer of every model is asked.
        if not call.inputs or len(shape := call.inputs[0].shape) not in ranks or not isinstance(module, CONVOLUTIONS):
            continue
        if len(shape) == len(module.kernel_size) + 1 and any(shape == given.shape for given in recording.inputs):
            yield index


def _misses_batch(recording: Recording) -> bool:
    """Whether a later layer could not take something that it can if the input is a batch of one."""
    if recording.failure is not None and _names_next_axis(recording.failure):
        return True
    for finding in recording.findings:
        misfit, shape = finding.misfit, finding.inputs[0].shape if finding.inputs else ()
        # Flattened, or with a mean over its steps for each channel, one sample has the features that are declared.
        if misfit.kind == "in_features" and len(shape) > 1 and misfit.declared in (prod(shape), shape[0]):
            return True
        if misfit.kind == "in_features" and has_channels_for_samples(recording, finding.call):
            return True
        if (misfit.kind, misfit.note) == ("structure", "rank") and len(shape) == misfit.declared - 1:
            return True
    return False


def _names_next_axis(failure: Failure) -> bool:
    """Whether a function refused an axis that its tensor would have with one more."""
    if not failure.refused or not isinstance(failure.error, IndexError) or len(failure.inputs) != 1:
        return False
    given = (value if isinstance(value, tuple | list) else (value,) for value in failure.settings.values())
    asked = [each for values in given for each in values if type(each) is int]
    return OPS.called(failure.function).family in _TELLS_AXES and max(asked, default=0) == len(failure.inputs[0].shape)


def has_unbatched_convolution(recording: Recording) -> bool:
    """Whether a convolution took a model input, batch and all, for one sample without a batch."""
    return any(True for _ in _taking_input_unbatched(recording))


def _misses_time(recording: Recording, index: int) -> bool:
    """Whether something behind a call has too few axes, or would get the batch for a number of features."""
    behind, _ = recording.downstream(index)
    failure, (batch, *_) = recording.failure, recording.calls[index].inputs[0].shape
    if failure is not None and failure.refused and failure.call in behind:
        return OPS.called(failure.function).family in _NAMES_AXES
    return any(
        finding.call in behind
        and finding.inputs
        and (len(finding.inputs[0].shape) < 2 or (finding.misfit.changes and finding.misfit.required == batch))
        for finding in recording.findings
    )
