"""The inputs for which a layer is right as it is declared, or a tensor goes together with one that the model keeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convlin.records import TensorInfo
from convlin.search.numbers import Number, comes_of_sizes, flattened_map, of_meeting
from convlin.search.resized import Resized, Spatial
from convlin.search.ways import Ends, Span, Way, ends_on, of_any, of_flattened
from convlin.trace.recording import Finding, Recording


def fitting_inputs(model: Resized, recording: Recording, finding: Finding) -> Span | None:
    """The smallest and the largest input for which a Linear is right as it is declared, and sizes between them.

    The axes of an image grow together; of one that is not square each by itself is tried first, the last one before the
    others.  None where no input of the kind suits it, or where the image does not decide about the number.  Found out
    on the meta device, and all were run for real.
    """
    given, mapped = model.given, flattened_map(recording, finding)
    declared, required = finding.misfit.declared, finding.misfit.required
    if given is None or 0 in given or not isinstance(declared, int) or not isinstance(required, int):
        return None
    number = Number(declared, required, lambda there: there.required.get(finding.path))
    if mapped is not None:
        span = _span(model, number, of_flattened(given, mapped, declared))
    elif comes_of_sizes(recording, finding.source):
        span = _span(model, number, of_any(given))
    else:
        return None
    if span is None:
        return None
    there = list(map(model.record, span.sizes))
    # Behind something that stood in the number shows nothing: the model as it is does not get so far.
    if any(_has_in_front(each, finding) for each in there):
        return None
    # A squeeze drops an axis at one size and keeps it at another: the number is that of something else there.
    if len({_rank(each, finding.path) for each in (recording, *there)}) > 1:
        return None
    # The number alone may be right where a view made several rows of each sample.
    if _keeps_batch(recording, finding.path) and not all(_keeps_batch(each, finding.path) for each in there):
        return None
    return span


def _reached(recording: Recording, path: str) -> tuple[TensorInfo, ...]:
    """What reaches a layer, where it is called first."""
    return next((call.inputs for call in recording.calls if call.path == path and call.inputs), ())


def _rank(recording: Recording, path: str) -> int:
    """How many dimensions what reaches a layer has; none where nothing does."""
    reached = _reached(recording, path)
    return len(reached[0].shape) if reached else 0


def _keeps_batch(recording: Recording, path: str) -> bool:
    """Whether what reaches a layer has as many rows as the input of the model."""
    reached = _reached(recording, path)
    return bool(reached and recording.inputs) and reached[0].shape[:1] == recording.inputs[0].shape[:1]


def _has_in_front(recording: Recording, of: Finding) -> bool:
    """Whether something does not fit in front of the first call of a layer."""
    last = next((index for index, call in enumerate(recording.calls) if call.path == of.path), len(recording.calls))
    return any(each.call < last for each in recording.findings)


def inputs_that_meet(model: Resized, recording: Recording, finding: Finding) -> Ends | None:
    """The smallest and the largest input at which a tensor goes together with one that the model keeps.

    Positions for so many words or patches, a gate of so many pixels: the same size whatever the input is. Where
    something else is wrong at one end or beside it that is not wrong now, the other end alone is told.
    """
    given = model.given
    if given is None or 0 in given:
        return None
    known = frozenset(map(_sign, recording.findings)) - {_sign(finding)}

    def meets(size: Spatial) -> bool:
        there = model.record(size)
        return there.failure is None and known.issuperset(map(_sign, there.findings))

    for number in of_meeting(recording, finding):
        span = _span(model, number, of_any(given))
        if span is None:
            continue
        ends = span.ends
        beside = {_nearer(ends.smallest, ends.largest), _nearer(ends.largest, ends.smallest)}
        if all(map(meets, {*span.sizes, *beside})):
            return ends
        return next((Ends(end, end) for end in ends if meets(end)), None)
    return None


def _nearer(end: Spatial, other: Spatial) -> Spatial:
    """A step from one end towards the other, on each axis that moves."""
    return tuple(a + (b > a) - (b < a) for a, b in zip(end, other, strict=True))


def _sign(finding: Finding) -> tuple[Any, ...]:
    return finding.misfit.kind, finding.misfit.note, finding.path, finding.function, finding.where


def _span(model: Resized, number: Number, ways: Iterable[Way]) -> Span | None:
    known: dict[Spatial, int] = {}

    def needed(size: Spatial) -> int:
        """The number at that size; nothing where the input is too small."""
        if size not in known:
            found = number.read(model.on_meta.record(size))
            known[size] = found if isinstance(found, int) else 0
        return known[size]

    for way in ways:
        if way.may_not_matter and needed(way.at(2 * way.now)) == number.now:
            continue
        span = ends_on(way, needed, number.wanted, number.now)
        if span is not None:
            right = all(number.read(model.record(size)) == number.wanted for size in span.sizes)
            return span if right and not any(map(model.is_by_batch, span.sizes)) else None
    return None
