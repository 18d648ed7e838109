"""On which axis of a tensor the batch of the model's input is, as far as the calls in between tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from convlin.ops.catalog import OPS
from convlin.records import Call, Shape, Source, SourceKind, past_joins
from convlin.trace.recording import Recording

#: A number of samples that is no other size of a model: where it comes out of a formula, there is the batch.
_MARK = 1_000_003


def is_batch_first(recording: Recording, source: Source, shape: Shape, *, batch_added: bool) -> bool:
    """Whether the first axis of a tensor that comes from there is the batch.

    Where the user gave tensors, one of two axes may be a single sequence: only of more, and of indices, is the first
    axis taken for the batch.
    """
    if not shape or source.kind is SourceKind.UNSEEN:
        return False
    known: list[Mapping[Shape, int]] = []
    for index, call in enumerate(recording.calls):
        made = _axes_made(recording, index, call, known, batch_added=batch_added)
        known.append(made)
        for inner in range(index - call.inner, index):  # what a layer returns was made by the last of those inside it
            known[inner] = {**made, **known[inner]} if recording.rule(index).takes_sequences else known[inner]
    return _axis(recording, source, shape, known, batch_added=batch_added) == 0


def _axis(
    recording: Recording, source: Source, shape: Shape, known: list[Mapping[Shape, int]], *, batch_added: bool
) -> int | None:
    source = past_joins(source, recording.joins)
    if source.kind is SourceKind.CALL:
        return known[source.number].get(shape) if source.number < len(known) else None
    if source.kind is SourceKind.INPUT and source.number < len(recording.inputs):
        given = recording.inputs[source.number]
        has_batch = batch_added or len(given.shape) > 2 or (len(given.shape) == 2 and given.dtype.startswith("int"))
        return 0 if has_batch and given.shape == shape else None
    return None


def _axes_made(
    recording: Recording, index: int, call: Call, known: list[Mapping[Shape, int]], *, batch_added: bool
) -> Mapping[Shape, int]:
    """The axis of the batch in what a call made, by shape: of several tensors, each that has it."""
    module = recording.modules[index]
    axes = [
        _axis(recording, source, info.shape, known, batch_added=batch_added)
        for info, source in zip(call.inputs, call.sources, strict=False)
    ]
    at = next((place for place, axis in enumerate(axes) if axis is not None), None)
    if at is None or not call.outputs:
        return {}
    axis, given = axes[at], call.inputs[at].shape
    assert axis is not None
    if isinstance(module, nn.RNNBase):
        if len(given) != 3 or axis != (0 if module.batch_first else 1):
            return {}  # what is the batch to the model is the time to the layer
        first, *states = call.outputs
        return {**{each.shape: 1 for each in states}, first.shape: axis}
    found: dict[Shape, int] = {}
    for each in call.outputs:
        made = _axis_made(call, axes, axis, given, each.shape, is_function=module is None)
        if made is not None:
            found[each.shape] = made
    return found


def _axis_made(
    call: Call, axes: list[int | None], axis: int, given: Shape, made: Shape, *, is_function: bool
) -> int | None:
    if is_function and OPS.named(call.type).keeps_memory_order and axis == 0 and made[:1] == given[:1]:
        return 0
    if call.derive is not None:
        marked = tuple(
            info if at is None else info._replace(shape=(*info.shape[:at], _MARK, *info.shape[at + 1 :]))
            for info, at in zip(call.inputs, [*axes, *[None] * len(call.inputs)], strict=False)
        )
        try:
            derivation = call.derive(replace(call, inputs=marked))
        except ValueError:  # sizes that were written for this batch: nothing tells
            return None
        shape = () if derivation is None else derivation.shape
        return shape.index(_MARK) if len(shape) == len(made) and shape.count(_MARK) == 1 else None
    if given == made:
        return axis
    # A module of the user's own that holds a reshape, perhaps.
    return 0 if not is_function and axis == 0 and made[:1] == given[:1] and given[0] not in given[1:] else None
