"""The smallest input that passes, where the given one is too small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from convlin.ops.catalog import OPS
from convlin.search.fitting import fitting_inputs
from convlin.search.resized import LARGEST, Resized, Spatial, bisected, is_passed, with_axis
from convlin.trace.recording import Finding, Recording

#: Where so many sizes are large enough and tensors do not go together, a larger one is no answer.
_MOST_IN_VAIN = 4
#: Where the smallest axis of what is too small is the same at so many sizes, it is none that grows.
_MOST_UNMOVED = 3
#: No window asks for more than this many times the size that was given, and each size is run.
_MOST_DOUBLINGS = 8


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest input that passes."""

    given: Spatial
    required: Spatial
    """It passes, and with one pixel less on any axis the model fails: each was run."""
    is_right: bool
    """The model runs there as it is, and up to the largest in ``fits``: nothing else is wrong with it."""
    fits: tuple[str, Spatial] | None = None
    """The path of the Linear that asks for it, and the largest input that this one takes."""
    start: Spatial = ()
    """The size from which these two were looked for."""
    reaches: Finding | None = None
    """A Linear that is wrong whatever the input, and was not reached: ``required`` leads so far."""


def smallest_input(model: Resized, recording: Recording) -> Smallest | None:
    """The smallest input that passes, where the pass stopped for want of size.

    None where a larger input does not help.
    """
    found = _smallest_to_the_end(model, recording)
    if found is None:
        return None
    given, smallest = found
    there = model.record(smallest)
    right = _smallest_right(model, given) if there.findings else None
    if right is not None:
        return Smallest(given, right, is_right=True)
    for finding in there.findings:
        if finding.misfit.kind == "in_features":
            span = fitting_inputs(replace(model, plan=model.plan_at(smallest)), there, finding)
            if span is None:
                return Smallest(given, smallest, is_right=False, reaches=finding)
            is_right, ends = all(map(model.is_right, span.sizes)), span.ends
            return Smallest(given, ends.smallest, is_right, (finding.path, ends.largest), start=smallest)
    return Smallest(given, smallest, is_right=not there.findings)


def _smallest_to_the_end(model: Resized, recording: Recording) -> tuple[Spatial, Spatial] | None:
    """The spatial size that was given, and the smallest at which a pass reaches the end with stand-ins."""
    given = model.given
    if given is None or not _stopped_in_feature_map(recording) or _stands_for_sizes(recording):
        return None
    enough = _with_small_axes_enlarged(given, model.runs) or _enlarged(given, model)
    smallest = None if enough is None else _reduced(enough, model.runs)
    return (given, smallest) if smallest is not None else None


def _stands_for_sizes(recording: Recording) -> bool:
    """Whether the input has no size at all, and a stand-in of one cell has them: no number in the input is one."""
    return any(each.misfit.note in ("vector", "vector_given") and each.is_model_input for each in recording.findings)


def _smallest_right(model: Resized, given: Spatial) -> Spatial | None:
    """The smallest size at which nothing is wrong, where the axes that are smaller than another are too small alone.

    A layer behind may ask for what the larger axes have, as an LSTM does for the rows of a spectrogram.
    """
    enough = _with_small_axes_enlarged(given, model.is_right)
    return None if enough is None else _reduced(enough, model.is_right)


def _reduced(enough: Spatial, passes: Callable[[Spatial], bool]) -> Spatial | None:
    """The smallest size that passes, from one that does; None where one pixel less on an axis passes as well."""
    required = list(enough)
    # Each axis by itself, the others ample; twice, since a smaller neighbor can ask for more.
    for _ in range(2):
        for axis in range(len(required)):
            required[axis] = _smallest(passes, tuple(required), axis)
    smallest = tuple(required)
    proved = passes(smallest) and not any(
        size > 1 and passes(with_axis(smallest, axis, size - 1)) for axis, size in enumerate(smallest)
    )
    return smallest if proved else None


def _with_small_axes_enlarged(given: Spatial, passes: Callable[[Spatial], bool]) -> Spatial | None:
    """A size that passes in which the axes smaller than the largest are doubled, up to that one."""
    side, largest = max(min(given), 1), max(given)
    while side < largest:
        side = min(2 * side, largest)
        size = tuple(max(side, value) for value in given)
        if passes(size):
            return size
    return None


def _stopped_in_feature_map(recording: Recording) -> bool:
    failure = recording.failure
    if failure is None or failure.call < 0:
        return False
    function = failure.function or recording.calls[failure.call].type
    return recording.rule(failure.call).makes_feature_map or OPS.called(function).makes_feature_map


def _enlarged(given: Spatial, model: Resized) -> Spatial | None:
    """A size that passes: the given one, doubled until it does; None where larger ones do not, and get to the end."""
    side, reached = max(*given, 1), 0  # a size of 0 is no larger twice
    arrived: list[int] = []
    for _ in range(_MOST_DOUBLINGS):
        if reached == _MOST_IN_VAIN:
            break
        side *= 2
        size = tuple(max(side, value) for value in given)
        if prod(size) > LARGEST:
            return None
        there = model.record(size)
        if is_passed(there):
            return size
        reached += there.failure is None
        if there.failure is not None and there.failure.inputs:
            # What is too small stays as small: the axis that grows is another one.
            arrived.append(min(there.failure.inputs[0].shape[1:], default=0))
            if arrived[-_MOST_UNMOVED:] == [arrived[-1]] * _MOST_UNMOVED:
                return None
    return None


def _smallest(passes: Callable[[Spatial], bool], size: Spatial, axis: int) -> int:
    """The smallest value of one axis that passes with the others as in ``size``, which passes."""
    return bisected(size[axis], 0, lambda value: passes(with_axis(size, axis, value)))[0]
