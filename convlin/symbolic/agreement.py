"""Whether the closed forms of a symbolic pass come to what a run at one size showed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from convlin.records import Call, TensorInfo
from convlin.symbolic.follow import Followed
from convlin.symbolic.replaced_forms import keyed_calls
from convlin.symbolic.trials import Point
from convlin.trace.recording import Recording

Tensors = Sequence[TensorInfo]


def agrees(followed: Followed, recording: Recording, point: Point) -> bool:
    """Whether the closed forms come to what a run at ``point`` showed.

    What a loop along a letter calls more often at one size than at another is compared as far as both go.  A function
    may be called at some sizes only (padding), and is no row where it keeps the shape.
    """
    evaluation = followed.session.evaluation(point)

    def same(forms: Tensors, shapes: Tensors) -> bool:
        return all(
            len(form.shape) == len(info.shape)
            and all(one == -1 or evaluation(one) == other for one, other in zip(form.shape, info.shape, strict=True))
            for form, info in zip(forms, shapes, strict=False)
        )

    mine, theirs = (list(keyed_calls(each.calls)) for each in (followed.recording, recording))
    if _modules(mine) != _modules(theirs) and not _is_loop(mine, theirs):
        return False
    there = {key: call for call, key in theirs}
    outputs = followed.recording.outputs
    try:
        return (
            len(outputs) == len(recording.outputs)
            and same(outputs, recording.outputs)
            and all(
                same(call.inputs, there[key].inputs) and same(call.outputs, there[key].outputs)
                for call, key in mine
                if key in there
            )
        )
    except (NotImplementedError, ArithmeticError):
        return False


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
