"""Which axis of a tensor is which: the batch of the model's input, the length of a map that a convolution made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from math import prod

from torch import nn

from convlin.layers import PLAIN
from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import Call, Shape, Source, SourceKind, past_joins
from convlin.trace.recording import Recording

#: A size that no axis of a model has: where it comes out of a formula, there is the axis that was given it.
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


def is_feature_map(recording: Recording, source: Source, rank: int) -> bool:
    """Whether ``source`` gave ``(N, C, *sizes)``, through whatever keeps the shape."""
    calls, joins = recording.calls, recording.joins
    for _ in range(len(calls) + len(joins) + 1):
        source = past_joins(source, joins, recording.known_joins)
        if source.kind is not SourceKind.CALL:
            return False
        call, rule = calls[source.number], recording.rule(source.number)
        if not call.outputs or len(call.outputs[0].shape) != rank or rank < 3:
            return False
        if call.stood_in and rule.hands_on:
            if not call.sources:
                return False
            source = call.sources[0]  # it did not run on what it hands on
            continue
        if rule.makes_feature_map:
            unless = rule.no_feature_map
            return unless is None or not call.inputs or not unless(call.settings, call.inputs[0].shape)
        if call.is_function and OPS.called(call.type).makes_feature_map:
            return True
        keeps = call.inputs and call.inputs[0].shape == call.outputs[0].shape
        follows = OPS.named(call.type).hands_on if call.is_function else keeps and (rule is PLAIN or rule.hands_on)
        if not follows or not call.sources:
            return False
        source = call.sources[0]
    return False


def holds_features(recording: Recording, source: Source, axis: int) -> bool:
    """Whether an axis of what comes from there is that which a layer made: its channels, or its features.

    These may have been parted or joined since, and axes set in another order; of what met in a sum one is enough.
    """
    waiting, seen = [(source, axis)], set[tuple[Source, int]]()
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        source, axis = at
        if source.kind is SourceKind.JOIN:
            waiting += ((each, axis) for each in recording.into(source))
        if source.kind is not SourceKind.CALL:
            continue
        features = _axis_of_features(recording, source)
        if features == axis:
            return True
        before = None if features is not None else _axis_before(recording, source.number, axis)
        if before is not None:
            waiting.append((recording.calls[source.number].sources[0], before))
    return False


#: Layers whose own number is that of the last axis.
_MAKING_THE_LAST = frozenset({Family.LINEAR, Family.RECURRENT, Family.ATTENTION, Family.EMBEDDING})
#: Layers that leave the axes where they are, and may part the channels.
_OF_CHANNELS = frozenset({Family.OTHER, Family.ELEMENTWISE, Family.NORMALIZATION, Family.PART})


def _axis_of_features(recording: Recording, source: Source) -> int | None:
    """Which axis a layer says the size of: the second of a map, the last of what computes along that; else None."""
    call, rule = recording.calls[source.number], recording.rule(source.number)
    last = len(call.outputs[0].shape) - 1 if call.outputs else 0
    if is_feature_map(recording, source, last + 1):
        return 1
    by_last = rule.takes_sequences or rule.family in _MAKING_THE_LAST or "normalized_shape" in rule.settings
    return last if by_last and not call.is_function and last > 0 else None


def _axis_before(recording: Recording, index: int, axis: int) -> int | None:
    """Where an axis of what a call returned is in its input, if it handed it on; None where that is not known."""
    call, rule = recording.calls[index], recording.rule(index)
    if not call.outputs or not call.inputs or not call.sources:
        return None
    order = order_made(call)
    if order is not None:
        return order[axis]
    if call.is_function:
        return axis if axis == 1 and _leaves_channels_second(call) else None
    return None if rule.family not in _OF_CHANNELS or (rule is PLAIN and not call.inner) else axis


def _leaves_channels_second(call: Call) -> bool:
    """Whether a function leaves the second axis that of the channels, or of what they were parted into."""
    op = OPS.called(call.type)
    given, made = call.inputs[0].shape, call.outputs[0].shape
    if op.family is Family.REARRANGE:
        sizes = given[2:]
        if op.keeps_memory_order and len(made) > 2 and given[:2] == made[:2]:  # .flatten(2)
            return True
        return given[:1] == made[:1] and len(made) > len(sizes) + 1 and made[len(made) - len(sizes) :] == sizes
    return op.family in (Family.PART, Family.INDEX, Family.REDUCTION, Family.ELEMENTWISE, Family.JOIN)


def order_made(call: Call) -> tuple[int, ...] | None:
    """For each axis of what a function made the axis of its input, where it sets them in another order; else None."""
    if not call.is_function:  # told at once: every layer that is examined asks
        return None
    op = OPS.called(call.type)
    moves = op.family is Family.REARRANGE and not op.keeps_memory_order
    if not moves or call.derive is None or len(call.inputs) != 1:
        return None
    # Sizes that are all different tell where each axis goes.
    given = tuple(range(1000, 1000 + len(call.inputs[0].shape)))
    try:
        derivation = call.derive(replace(call, inputs=(call.inputs[0]._replace(shape=given),)))
    except ValueError:  # other sizes would not do: it is more than another order
        return None
    # A size that is a letter (``repeat(n, 1)``) cannot be counted, and comes from elsewhere.
    if derivation is None or not all(isinstance(size, int) for size in derivation.shape):
        return None
    if Counter(derivation.shape) != Counter(given):
        return None
    return tuple(map(given.index, derivation.shape))


def turned_back(recording: Recording, source: Source) -> tuple[int, ...]:
    """The order of axes in which an input of the model was before ``source``; () where that made something else."""
    turns: list[tuple[int, ...]] = []
    while source.kind is SourceKind.CALL:
        call = recording.calls[source.number]
        order = order_made(call) if len(call.sources) == 1 else None
        if order is None:
            return ()
        turns.insert(0, order)
        source = call.sources[0]
    if source.kind is not SourceKind.INPUT or not turns:
        return ()
    axes = tuple(range(len(turns[0])))
    for order in turns:
        axes = tuple(axes[axis] for axis in order)
    return tuple(map(axes.index, range(len(axes))))


def takes_time_first(module: nn.Module | None) -> bool:
    """Whether a layer of sequences takes them as ``(L, N, C)``."""
    return isinstance(module, nn.RNNBase | nn.MultiheadAttention) and not module.batch_first


def is_row_of_map(recording: Recording, source: Source) -> bool:
    """Whether a tensor is a feature map with one axis left behind its channels: ``(N, C, L)``.

    The others are gone, went into the channels, or all cells stand in a row.
    """
    for _ in range(len(recording.calls) + len(recording.joins) + 1):
        source = past_joins(source, recording.joins)
        if source.kind is not SourceKind.CALL:
            return False
        call = recording.calls[source.number]
        if not call.outputs or not call.inputs or not call.sources:
            return False
        given, made = call.inputs[0].shape, call.outputs[0].shape
        if is_feature_map(recording, source, len(made)):
            return True
        if min(len(given), len(made)) < 3:
            return False
        is_function = recording.modules[source.number] is None
        first, second, last = (
            _axis_made(call, [axis], axis, given, made, is_function=is_function) for axis in (0, 1, len(given) - 1)
        )
        in_a_row = second == 1 and prod(made[2:]) == prod(given[2:])  # all of its cells, one behind the other
        if first != 0 or not (last == len(made) - 1 or in_a_row):
            return False
        source = call.sources[0]
    return False


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
    """The axis of one tensor that a call made which is ``axis`` of what it was given; ``axes`` are those of all."""
    if is_function and OPS.named(call.type).keeps_memory_order:
        if made[: axis + 1] == given[: axis + 1]:
            return axis
        if axis == len(given) - 1 and made[-1:] == given[-1:]:
            return len(made) - 1
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
