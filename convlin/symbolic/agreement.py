"""Whether the closed forms of a symbolic pass come to what a run at one size showed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from convlin.records import Call, TensorInfo
from convlin.symbolic.follow import Followed
from convlin.symbolic.replaced_forms import keyed_calls
from convlin.symbolic.trials import Point
from convlin.trace.recording import Recording

Tensors = Sequence[TensorInfo]


def agrees(followed: Followed, recording: Recording, point: Point) -> bool:
    """Whether the closed forms come to what a run at ``point`` showed."""
    mine, theirs = _alike(followed.recording, recording)
    evaluation = followed.session.evaluation(point)

    def same(forms: Tensors, shapes: Tensors) -> bool:
        return len(forms) == len(shapes) and all(
            len(form.shape) == len(info.shape)
            and all(one == -1 or evaluation(one) == other for one, other in zip(form.shape, info.shape, strict=True))
            for form, info in zip(forms, shapes, strict=True)
        )

    if [call.path for call in mine if not call.is_function] != [call.path for call in theirs if not call.is_function]:
        return False
    try:
        return same(followed.recording.outputs, recording.outputs) and all(
            same(one.inputs, other.inputs) and same(one.outputs, other.outputs)
            for one, other in zip(mine, theirs, strict=True)
        )
    except (NotImplementedError, ArithmeticError):
        return False


def _alike(*recordings: Recording) -> list[list[Call]]:
    """The calls of two passes that can be compared: every module's, and functions that both passes call as often.

    A function may be called at some sizes only (padding), and is no row where it keeps the shape.
    """
    keyed = [list(keyed_calls(each.calls)) for each in recordings]
    counts = [Counter(key[:-1] for _, key in calls) for calls in keyed]
    return [
        [call for call, key in calls if not call.is_function or counts[0][key[:-1]] == counts[1][key[:-1]]]
        for calls in keyed
    ]
