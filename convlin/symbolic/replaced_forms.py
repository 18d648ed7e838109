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

import sympy

from convlin.records import Call, Size, TensorInfo
from convlin.sizes.evaluate import Evaluation
from convlin.symbolic.follow import Followed
from convlin.symbolic.trials import Point
from convlin.trace.recording import Recording

Seen = Sequence[tuple[Point, Recording]]


def known_forms(passes: Iterable[Followed]) -> list[Size]:
    """Every form of these passes, the shortest first, and what each would be of another letter.

    In no pass may height go the way that width goes in one.
    """
    found: dict[Any, None] = {}  # in the order in which they were found
    for followed in passes:
        for call in followed.recording.calls:
            for info in (*call.inputs, *call.outputs):
                found.update(dict.fromkeys(size for size in info.shape if not isinstance(size, int)))
    letters = {letter for form in found for letter in form.free_symbols}
    for form in [form for form in found if len(form.free_symbols) == 1]:
        found.update(dict.fromkeys(form.xreplace(dict.fromkeys(form.free_symbols, letter)) for letter in letters))
    return sorted(found, key=lambda form: (len(str(form)), str(form)))


def with_right_forms(followed: Followed, seen: Seen, forms: Sequence[Size]) -> Followed:
    """The same pass with every form that is wrong at a size of ``seen`` replaced, where another form is right."""
    replacement = _Replacement(followed, seen, forms)
    recording = followed.recording
    calls = [replacement.call(call, key) for call, key in keyed_calls(recording.calls)]
    required = {
        path: replacement.size(size, [other.required.get(path) for _, other in seen])
        for path, size in recording.required.items()
    }
    outputs = replacement.tensors(recording.outputs, [other.outputs for _, other in seen])
    changed = replace(recording, calls=calls, required=required, outputs=outputs)
    return replace(followed, recording=changed)


def keyed_calls(calls: Iterable[Call]) -> Iterator[tuple[Call, Any]]:
    """Every call with what it is in any pass: the n-th call of its path or line."""
    counts: Counter[Any] = Counter()
    for call in calls:
        base = (call.path, call.type, call.where, call.is_function)
        counts[base] += 1
        yield call, (*base, counts[base])


class _Replacement:
    def __init__(self, followed: Followed, seen: Seen, forms: Sequence[Size]) -> None:
        self._evaluations = [followed.session.evaluation(point) for point, _ in seen]
        self._found = [{key: call for call, key in keyed_calls(recording.calls)} for _, recording in seen]
        self._forms = [(form, [_value(each, form) for each in self._evaluations]) for form in forms]

    def call(self, call: Call, key: Any) -> Call:
        """The call with its sizes held against those of the same call at every size."""
        there = [found.get(key) for found in self._found]
        return replace(
            call,
            inputs=self.tensors(call.inputs, [other.inputs if other else None for other in there]),
            outputs=self.tensors(call.outputs, [other.outputs if other else None for other in there]),
        )

    def tensors(self, mine: tuple[TensorInfo, ...], theirs: Sequence[Any]) -> tuple[TensorInfo, ...]:
        """Tensors with every size that is not what was observed replaced."""

        def at(tensors: Any, index: int, axis: int) -> Any:
            there = tensors and index < len(tensors) and axis < len(tensors[index].shape)
            return tensors[index].shape[axis] if there else None

        return tuple(
            info._replace(
                shape=tuple(
                    self.size(size, [at(tensors, index, axis) for tensors in theirs])
                    for axis, size in enumerate(info.shape)
                )
            )
            for index, info in enumerate(mine)
        )

    def size(self, size: Size, observed: Sequence[Any]) -> Size:
        """The size itself where it is what was observed, or one that is; None stands for nothing observed there."""
        if size == -1 or self._fits([_value(each, size) for each in self._evaluations], observed):
            return size
        if len(set(observed)) == 1:  # of what was observed: where nothing was, the size fits
            return observed[0]
        plain = next((form for form, values in self._forms if self._fits(values, observed)), None)
        if plain is not None:
            return plain
        found = self._cut_off(observed)
        if found is not None:
            return found
        # A form that is right at hardly any size says nothing; one that is wrong at some is told with a remark.
        return size if self._is_mostly_right(size, observed) else -1

    def _is_mostly_right(self, size: Size, observed: Sequence[Any]) -> bool:
        pairs = [
            (_value(each, size), there)
            for each, there in zip(self._evaluations, observed, strict=True)
            if there is not None
        ]
        return 2 * sum(bool(value == there) for value, there in pairs) > len(pairs)

    def _cut_off(self, observed: Sequence[Any]) -> Size | None:
        """A form that ends at a number, ``min(100, L)``, where both sides of the number were observed."""
        known = [there for there in observed if there is not None]
        for form, values in self._forms:
            pairs = [(value, there) for value, there in zip(values, observed, strict=True) if there is not None]
            if any(value is None for value, _ in pairs):
                continue
            for name, choose, end in (("Min", min, max(known)), ("Max", max, min(known))):
                free = sum(choose(value, end) == value != end for value, _ in pairs)
                if free > 1 and len(pairs) - free > 1 and all(choose(value, end) == there for value, there in pairs):
                    chosen: Size = getattr(sympy, name)(form, end)
                    return chosen
        return None

    def _fits(self, values: Sequence[Any], observed: Sequence[Any]) -> bool:
        return all(there is None or value == there for value, there in zip(values, observed, strict=True))


def _value(evaluation: Evaluation, size: Size) -> Any:
    try:
        return evaluation(size)
    except (NotImplementedError, ArithmeticError):
        return None
