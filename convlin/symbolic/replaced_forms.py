"""Closed forms that are wrong at some sizes, replaced by forms of the same model that are right at all that were run.

Which way a model goes (pads or not, shifts its windows or not) shows in how a size is written, and
each way has its own sizes where it is right.  A form that was found elsewhere in the model, and that
comes to what was observed at every size it was run at, says the same for all ways.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy

from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import Call, Shape, Size, TensorInfo
from convlin.symbolic.computed_forms import computed
from convlin.symbolic.conditions import demands
from convlin.symbolic.follow import Followed
from convlin.symbolic.found_forms import FormSearch
from convlin.symbolic.runs import Point
from convlin.trace.recording import Finding, Recording

#: What takes a part is derived as if the axis reached as far as the part does: so long as it does, and no shorter.
_AS_FAR_AS_IT_REACHES = {Family.PART, Family.INDEX}

Seen = Sequence[tuple[Point, Recording]]


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
    findings = [
        _with_operands(_with_required(each, recording.required, required), recording.calls, calls)
        for each in recording.findings
    ]
    changed = replace(recording, calls=calls, required=required, outputs=outputs, findings=findings)
    passed_by = (each for each in followed.conditions if not each.declared)
    conditions = (*passed_by, *(each for finding in findings for each in demands(finding)))
    return replace(followed, recording=changed, conditions=conditions)


def with_right_indices(followed: Followed, seen: Seen) -> Followed:
    """The same pass where no form is wrong: with no number in an index that is another one at a size of ``seen``."""
    found = [{key: call for call, key in keyed_calls(recording.calls)} for _, recording in seen]
    calls = [
        _indexed(call, call.outputs, [each.get(key) for each in found])
        for call, key in keyed_calls(followed.recording.calls)
    ]
    return replace(followed, recording=replace(followed.recording, calls=calls))


def _with_required(finding: Finding, before: Mapping[str, Size], after: Mapping[str, Size]) -> Finding:
    """The finding with the right form where what it says is required is what was replaced."""
    misfit, path = finding.misfit, finding.path
    if path not in before or before[path] == after[path] or misfit.required != before[path]:
        return finding
    changes = {name: after[path] if size == before[path] else size for name, size in misfit.changes.items()}
    return finding._replace(misfit=misfit._replace(required=after[path], changes=changes))


def _with_operands(finding: Finding, before: Sequence[Call], after: Sequence[Call]) -> Finding:
    """The finding with the right forms where two tensors do not go together of which one is shorter elsewhere."""
    misfit, place = finding.misfit, finding.call
    if misfit.kind != "operands" or misfit.note != "elementwise" or place < 0:
        return finding
    were, are = (tuple(info.shape for info in calls[place].inputs) for calls in (before, after))
    if were == are or were != misfit.detail["shapes"]:
        return finding
    detail = {**misfit.detail, "shapes": are}
    return finding._replace(misfit=misfit._replace(declared=are[0], required=are[1], detail=detail))


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
        self._batch = followed.session.letters.get(str(followed.plan.batch_size))
        self._search = FormSearch(followed, self._evaluations, forms)
        one_sample = [form for form in forms if not self._is_of_batch(form)]
        self._of_one_sample = FormSearch(followed, self._evaluations, one_sample) if self._batch else self._search
        """The same among forms without the batch."""
        self._sizes: dict[tuple[Size, tuple[Any, ...]], Size] = {}

    def call(self, call: Call, key: Any) -> Call:
        """The call with its sizes held against those of the same call at every size; what is inside it came first."""
        seen = [found.get(key) for found in self._found]
        there = [other or self._kept(call, index) for index, other in enumerate(seen)]
        found = self._held_against(call, there)
        if there == seen or self._is_right(found, there):
            return found
        alone = self._held_against(call, seen)  # it may stand in a loop that was not so long there
        return alone if self._is_right(alone, seen) else found

    def _is_right(self, call: Call, there: Sequence[Call | None]) -> bool:
        observed = [other.output_shapes if other else None for other in there]
        return all(
            self._search.fits(size, [_size_of(shapes, index, axis) for shapes in observed])
            for index, shape in enumerate(call.output_shapes)
            for axis, size in enumerate(shape)
        )

    def _held_against(self, call: Call, there: Sequence[Call | None]) -> Call:
        inputs = self.tensors(call.inputs, [other.inputs if other else None for other in there])
        self._derive(call, inputs, there)
        outputs = self.tensors(call.outputs, [other.outputs if other else None for other in there], inputs)
        return replace(_indexed(call, outputs, there), inputs=inputs, outputs=outputs)

    def _derive(self, call: Call, inputs: tuple[TensorInfo, ...], there: Sequence[Call | None]) -> None:
        """Of what was replaced in front, note what the layer's own arithmetic makes, where that is what was observed.

        What fits at the sizes that ran may do so by chance: of ``4·x`` behind a flatten no multiple of 4 would be left.
        """
        if not call.outputs or inputs == call.inputs:
            return
        before, shape = call.outputs[0].shape, computed(call, inputs)
        if shape is None or len(shape) != len(before) or OPS.named(call.type).family in _AS_FAR_AS_IT_REACHES:
            shape = tuple(_made_of(size, call.inputs, inputs) for size in before)
        for axis, (size, found) in enumerate(zip(before, shape, strict=True)):
            observed = [_size_at(other.outputs if other else None, 0, axis) for other in there]
            if self._search.fits(found, observed):
                self._sizes.setdefault((size, tuple(observed)), found)

    def _kept(self, call: Call, index: int) -> Call | None:
        """A slice where it was no row: it is as long as the axis there."""
        if call.type != "Tensor[...]" or [len(each.shape) for each in (*call.inputs, *call.outputs)] != 2 * [
            len(call.inputs[0].shape)
        ]:
            return None
        whole = call.inputs[0]._replace(
            shape=tuple(self._evaluations[index].or_none(size) for size in call.inputs[0].shape)
        )
        return replace(call, inputs=(whole,), outputs=(whole,))

    def tensors(
        self, mine: tuple[TensorInfo, ...], theirs: Sequence[Any], given: Sequence[TensorInfo] = ()
    ) -> tuple[TensorInfo, ...]:
        """Tensors with every size that is not what was observed replaced; ``given`` are those that they are made of.

        Of a piece that no other size gave, as there were fewer of them, nothing in letters is known.
        """
        made_of, places = [size for info in given for size in info.shape], range(len(given))
        most = max((len(tensors) for tensors in theirs if tensors is not None), default=len(mine))
        return tuple(
            info._replace(
                shape=tuple(
                    self.size(
                        size,
                        [_size_at(tensors, index, axis) for tensors in theirs],
                        made_of,
                        may_be_batch=not axis or any(self._is_of_batch(_size_at(given, at, axis)) for at in places),
                    )
                    if index < most or isinstance(size, int)
                    else -1
                    for axis, size in enumerate(info.shape)
                )
            )
            for index, info in enumerate(mine)
        )

    def size(
        self, size: Size, observed: Sequence[Any], given: Sequence[Size] = (), *, may_be_batch: bool = False
    ) -> Size:
        """The size itself where it is what was observed, or one that is; None stands for nothing observed there.

        A form of the batch fits the axes of one sample by chance alone, unless ``may_be_batch`` or the pass says so.
        """
        known = self._sizes.get((size, tuple(observed)))
        if known is None:
            if may_be_batch or self._is_of_batch(size):
                known = self._search.right(size, observed, given)
            else:
                of_one = [each for each in given if not self._is_of_batch(each)]
                known = self._of_one_sample.right(size, observed, of_one)
            self._sizes[size, tuple(observed)] = known
        return known

    def _is_of_batch(self, size: Size | None) -> bool:
        return isinstance(size, sympy.Basic) and self._batch in size.free_symbols


def _made_of(size: Size, before: Sequence[TensorInfo], after: Sequence[TensorInfo]) -> Size:
    """``min(60, L)`` with what stands for ``L`` now."""
    pairs = zip(
        (each for info in before for each in info.shape), (each for info in after for each in info.shape), strict=False
    )
    changed = {one: other for one, other in pairs if one != other and not isinstance(one, int) and other != -1}
    return sympy.sympify(size).xreplace(changed) if changed else size


def _size_at(tensors: Any, index: int, axis: int) -> Any:
    return _size_of(tensors and [info.shape for info in tensors], index, axis)


def _size_of(shapes: Sequence[Shape] | None, index: int, axis: int) -> Any:
    return shapes[index][axis] if shapes and index < len(shapes) and axis < len(shapes[index]) else None


def _indexed(call: Call, outputs: Sequence[TensorInfo], there: Sequence[Call | None]) -> Call:
    """An index without the numbers that are others at other sizes: those of the one size that the pass ran at."""
    index = call.settings.get("1") if call.type == "Tensor[...]" else None
    others = [other.settings["1"] for other in there if other is not None and "1" in other.settings]
    if index is None or not outputs or all(_may_be(index, other) for other in others):
        return call
    forms = {
        old: new
        for old, new in zip(call.outputs[0].shape, outputs[0].shape, strict=False)
        if isinstance(old, int) and not isinstance(new, int)
    }
    written = _in_letters(index, others, forms)
    settings = {name: value for name, value in call.settings.items() if name != "1"}
    return replace(call, settings=settings if written is None else {**call.settings, "1": written})


def _may_be(index: Any, other: Any) -> bool:
    """Whether an index is what it was at another size: a form is taken for that."""
    if isinstance(index, slice) and isinstance(other, slice):
        index, other = (index.start, index.stop, index.step), (other.start, other.stop, other.step)
    if isinstance(index, tuple):
        alike = isinstance(other, tuple) and len(index) == len(other)
        return alike and all(map(_may_be, index, other))
    return index == other if isinstance(index, int) else True


def _in_letters(index: Any, others: Sequence[Any], forms: Mapping[int, Size]) -> Any:
    """The same index in letters; None where a number of it is another one at another size, and no form is known."""
    if all(_may_be(index, other) for other in others):
        return index
    if isinstance(index, tuple) and all(isinstance(other, tuple) and len(other) == len(index) for other in others):
        places = range(len(index))
        parts = tuple(_in_letters(index[place], [other[place] for other in others], forms) for place in places)
        unknown = any(new is None and old is not None for old, new in zip(index, parts, strict=True))
        return None if unknown else parts
    is_up_to = isinstance(index, slice) and index.start in (None, 0) and index.step in (None, 1)
    if is_up_to and type(index.stop) is int and index.stop in forms:
        return slice(index.start, forms[index.stop], index.step)
    return None
