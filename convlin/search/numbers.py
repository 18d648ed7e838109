"""Numbers that depend on the size of the input, read in passes at other sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

from torch import nn

from convlin.ops.catalog import OPS
from convlin.records import Call, Shape, Source, SourceKind, past_joins, past_single_joins
from convlin.trace.recording import Finding, Recording, of_operands


@dataclass(frozen=True, slots=True)
class Number:
    """A number that depends on the size of the input, and what it should be."""

    wanted: int
    now: int
    read: Callable[[Recording], Any]
    """The number in a pass at another size; 0 where that did not get so far."""


def of_meeting(recording: Recording, finding: Finding) -> Iterator[Number]:
    """The sizes of what is made of the input that should be those of a tensor that the model keeps."""
    shapes = finding.misfit.detail.get("shapes", ())
    sources = of_operands(finding, recording.calls[finding.call].sources)
    if len(shapes) != 2 or len(sources) != 2:
        return
    own = [_is_kept(recording, source) for source in sources]
    if sum(own) != 1:
        return
    moving = own.index(False)
    read = _shape_of(recording, sources[moving], shapes[moving])
    if read is None:
        return
    for axes in finding.misfit.detail.get("meet", ()):
        wanted, now = shapes[1 - moving][axes[1 - moving]], shapes[moving][axes[moving]]
        if isinstance(wanted, int) and isinstance(now, int) and wanted > 1:
            yield Number(wanted, now, partial(_size, read, axes[moving]))


def _size(read: Callable[[Recording], Shape | None], axis: int, recording: Recording) -> Any:
    shape = read(recording)
    return shape[axis] if shape is not None else None


def _is_kept(recording: Recording, source: Source) -> bool:
    """Whether nothing of a tensor comes from the model's input: a parameter, or what is made of some alone."""
    return all(each.kind is not SourceKind.INPUT for each in recording.upstream([source]))


def _shape_of(recording: Recording, source: Source, shape: Shape) -> Callable[[Recording], Shape | None] | None:
    """What reads the shape of the same tensor in another pass."""
    source = past_joins(source, recording.joins)
    if source.kind is SourceKind.INPUT:
        number = source.number
        return lambda there: there.inputs[number].shape if number < len(there.inputs) else None
    if source.kind is not SourceKind.CALL:
        return None
    index, call = source.number, recording.calls[source.number]
    place = next((place for place, made in enumerate(call.output_shapes) if made == shape), None)
    if place is None:
        return None

    def read(there: Recording) -> Shape | None:
        if index >= len(there.calls):
            return None
        again = there.calls[index]
        same = (again.path, again.type, again.where) == (call.path, call.type, call.where)
        return again.output_shapes[place] if same and place < len(again.outputs) else None

    return read


def comes_of_sizes(recording: Recording, source: Source) -> bool:
    """Whether a tensor was made of an image, a signal or words by a layer that takes them at every size."""
    first: Call | None = None
    source = past_joins(source, recording.joins)
    while source.kind is SourceKind.CALL:
        first = recording.calls[source.number]
        if not first.sources:
            return False
        rule, number = recording.rule(source.number), source.number
        source = past_joins(first.sources[0], recording.joins)
        if source.kind is SourceKind.INPUT:
            by_function = first.is_function and OPS.called(first.type).makes_feature_map
            return rule.makes_feature_map or by_function or isinstance(recording.modules[number], nn.Embedding)
    return False


def flattened_map(recording: Recording, finding: Finding) -> Shape | None:
    """Channels and sizes of one sample of the feature map whose flattening reached a Linear."""
    source = past_single_joins(finding.source, recording.joins)
    while source.kind is SourceKind.CALL:
        call = recording.calls[source.number]
        if not call.inputs or not call.outputs or not call.sources:
            return None
        before, after = call.inputs[0].shape, call.outputs[0].shape
        if len(before) > 2 and len(after) == 2 and prod(before[1:]) == after[1]:
            return before[1:]
        if before != after:
            return None
        source = past_single_joins(call.sources[0], recording.joins)
    return None
