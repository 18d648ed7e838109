"""Whether the closed forms of a symbolic pass come to what a run at one size showed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from convlin.records import Call, TensorInfo
from convlin.sizes.evaluate import Evaluation
from convlin.symbolic.follow import Followed
from convlin.symbolic.replaced_forms import keyed_calls
from convlin.symbolic.runs import Point
from convlin.trace.recording import Recording

Tensors = Sequence[TensorInfo]


def agrees(followed: Followed, recording: Recording, point: Point) -> bool:
    """Whether the closed forms come to what a run at ``point`` showed.

    What a loop along a letter calls more often at one size than at another is compared as far as both go.  A function
    may be called at some sizes only (padding), and is no row where it keeps the shape.
    """
    evaluation = followed.session.evaluation(point)
    mine, theirs = (list(keyed_calls(each.calls)) for each in (followed.recording, recording))
    if _modules(mine) != _modules(theirs) and not _is_loop(mine, theirs):
        return False
    outputs = followed.recording.outputs
    if len(outputs) != len(recording.outputs):
        return False
    there = _by_line(theirs)
    try:
        return _same(outputs, recording.outputs, evaluation) and all(
            _go_together(calls, there.get(called, []), evaluation) for called, calls in _by_line(mine).items()
        )
    except (NotImplementedError, ArithmeticError):
        return False


def _by_line(calls: Sequence[tuple[Call, Any]]) -> dict[Any, list[Call]]:
    """The calls of each module, and of a function on each line."""
    found: dict[Any, list[Call]] = {}
    for call, key in calls:
        found.setdefault(key[:-1], []).append(call)
    return found


def _go_together(mine: Sequence[Call], theirs: Sequence[Call], evaluation: Evaluation) -> bool:
    """Whether the calls of one line come to what a run showed of it; of fewer calls those that are there."""

    def same(one: Call, other: Call) -> bool:
        return _same(one.inputs, other.inputs, evaluation) and _same(one.outputs, other.outputs, evaluation)

    if not mine[0].is_function or len(mine) == len(theirs):
        return all(map(same, mine, theirs))
    rows = rows_at(mine, evaluation)
    if len(rows) <= len(theirs):
        others = iter(theirs)
        return all(any(same(one, other) for other in others) for one in rows)
    ones = iter(rows)
    return all(any(same(one, other) for one in ones) for other in theirs)


def rows_at(calls: Sequence[Call], evaluation: Evaluation) -> list[Call]:
    """Of the calls of a function those that are rows where the sizes are these: what keeps the shape is none."""

    def values(info: TensorInfo) -> list[Any]:
        return [evaluation(size) for size in info.shape]

    return [
        call for call in calls if not (call.inputs and [*map(values, call.inputs[:1])] == [*map(values, call.outputs)])
    ]


def _same(forms: Tensors, shapes: Tensors, evaluation: Evaluation) -> bool:
    return all(
        len(form.shape) == len(info.shape)
        and all(one == -1 or evaluation(one) == other for one, other in zip(form.shape, info.shape, strict=True))
        for form, info in zip(forms, shapes, strict=False)
    )


def _modules(calls: Sequence[tuple[Call, Any]]) -> list[str]:
    return [call.path for call, _ in calls if not call.is_function]


def _is_loop(mine: Sequence[tuple[Call, Any]], theirs: Sequence[tuple[Call, Any]]) -> bool:
    """Whether one pass goes the way of the other, and only calls some of the modules more often."""
    one, other = _modules(mine), _modules(theirs)
    counts = Counter(one), Counter(other)
    repeated = {path for path in counts[0] | counts[1] if counts[0][path] != counts[1][path]}
    if any(max(count[path] for count in counts) < 2 for path in repeated):  # called at some sizes only
        return False
    return [path for path in one if path not in repeated] == [path for path in other if path not in repeated]
