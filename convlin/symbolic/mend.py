"""Closed forms that are wrong at some sizes, replaced by forms of the same model that are right at all that were run.

Which way a model goes (pads or not, shifts its windows or not) shows in how a size is written, and
each way has its own sizes where it is right.  A form that was found elsewhere in the model, and that
comes to what was observed at every size it was run at, says the same for all ways.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from convlin.recording import Event, Recording
from convlin.records import Size, TensorInfo
from convlin.symbolic.evaluate import Evaluation
from convlin.symbolic.follow import Followed
from convlin.symbolic.trials import Point

Seen = Sequence[tuple[Point, Recording]]


def known_forms(passes: Iterable[Followed]) -> list[Size]:
    """Every form of these passes, the shortest first."""
    found: dict[Size, None] = {}
    for followed in passes:
        for event in followed.recording.events:
            for info in (*event.inputs, *event.outputs):
                found.update(dict.fromkeys(size for size in info.shape if not isinstance(size, int)))
    return sorted(found, key=lambda form: (len(str(form)), str(form)))


def mended(followed: Followed, seen: Seen, forms: Sequence[Size]) -> Followed:
    """The same pass with every form that is wrong at a size of ``seen`` replaced, where another form is right."""
    mend = _Mend(followed, seen, forms)
    recording = followed.recording
    events = [mend.event(event, key) for event, key in _keyed(recording.events)]
    required = dict(recording.required)
    for event in events:
        if event.path in required and not event.is_function and event.inputs and event.inputs[0].shape:
            required[event.path] = mend.replaced.get(required[event.path], required[event.path])
    changed = replace(
        recording, events=events, required=required, outputs=mend.tensors(recording.outputs, mend.outputs)
    )
    return replace(followed, recording=changed)


def _keyed(events: Iterable[Event]) -> Iterator[tuple[Event, Any]]:
    """Every event with what it is in any pass: the n-th call of its path or line."""
    counts: Counter[Any] = Counter()
    for event in events:
        base = (event.path, event.type, event.where, event.is_function)
        counts[base] += 1
        yield event, (*base, counts[base])


class _Mend:
    def __init__(self, followed: Followed, seen: Seen, forms: Sequence[Size]) -> None:
        self._evaluations = [followed.session.evaluation(point) for point, _ in seen]
        self._found = [{key: event for event, key in _keyed(recording.events)} for _, recording in seen]
        self.outputs = [recording.outputs for _, recording in seen]
        self._forms = [(form, [_value(each, form) for each in self._evaluations]) for form in forms]
        self.replaced: dict[Size, Size] = {}

    def event(self, event: Event, key: Any) -> Event:
        """The event with its sizes held against those of the same call at every size."""
        there = [found.get(key) for found in self._found]
        return event._replace(
            inputs=self.tensors(event.inputs, [other.inputs if other else None for other in there]),
            outputs=self.tensors(event.outputs, [other.outputs if other else None for other in there]),
        )

    def tensors(self, mine: tuple[TensorInfo, ...], theirs: Sequence[Any]) -> tuple[TensorInfo, ...]:
        """Tensors with every size that is not what was observed replaced."""
        return tuple(
            info._replace(shape=tuple(self._size(size, theirs, index, axis) for axis, size in enumerate(info.shape)))
            for index, info in enumerate(mine)
        )

    def _size(self, size: Size, theirs: Sequence[Any], index: int, axis: int) -> Size:
        observed = [
            tensors[index].shape[axis]
            if tensors and index < len(tensors) and axis < len(tensors[index].shape)
            else None
            for tensors in theirs
        ]
        if size == -1 or self._fits([_value(each, size) for each in self._evaluations], observed):
            return size
        if isinstance(observed[0], int) and len(set(observed)) == 1:
            return observed[0]
        for form, values in self._forms:
            if self._fits(values, observed):
                self.replaced[size] = form
                return form
        return size

    def _fits(self, values: Sequence[Any], observed: Sequence[Any]) -> bool:
        return all(there is None or value == there for value, there in zip(values, observed, strict=True))


def _value(evaluation: Evaluation, size: Size) -> Any:
    try:
        return evaluation(size)
    except (NotImplementedError, ArithmeticError):
        return None
