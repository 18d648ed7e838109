"""Answers found by running the model at other sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from convlin.functions import makes_feature_map
from convlin.inputs import Dummy, Plan
from convlin.one_pass import one_pass, prepared
from convlin.recording import Recording
from convlin.state import State
from convlin.untouched import untouched

Spatial = tuple[int, ...]

#: Images are not tried beyond this many elements per channel: 1024 × 1024, or 101 × 101 × 101.
_LARGEST = 1 << 20


def smallest_input(model: nn.Module, plan: Plan, mode: str, recording: Recording) -> tuple[Spatial, Spatial] | None:
    """The spatial size that was given and the smallest that passes, where the pass stopped for want of size.

    None where a larger input does not help.  ``given`` fails and ``smallest`` passes, and with one pixel
    less on any axis it fails too: each was run.
    """
    given = spatial_size(plan)
    if given is None or not _stopped_in_feature_map(recording):
        return None
    known: dict[Spatial, bool] = {}

    def passes(size: Spatial) -> bool:
        if size not in known:
            known[size] = runs_at(model, plan, mode, size)
        return known[size]

    enough = _enlarged(given, passes)
    if enough is None:
        return None
    required = list(enough)
    # Each axis by itself, the others ample; twice, since a smaller neighbour can ask for more.
    for _ in range(2):
        for axis in range(len(required)):
            required[axis] = _smallest(passes, tuple(required), axis)
    smallest = tuple(required)
    proved = passes(smallest) and not any(
        size > 1 and passes(_with(smallest, axis, size - 1)) for axis, size in enumerate(smallest)
    )
    return (given, smallest) if proved else None


def spatial_size(plan: Plan) -> Spatial | None:
    """Height and width (or length, or depth too) of the first input that has channels; None without one."""
    for value in (*plan.args, *plan.kwargs.values()):
        found = _spatial(value)
        if found is not None:
            return found
    return None


def _spatial(value: Any) -> Spatial | None:
    if isinstance(value, Dummy) and value.dtype.is_floating_point and len(value.shape) >= 2:
        sizes = tuple(size for size in value.shape[1:] if isinstance(size, int))
        return sizes if len(sizes) == len(value.shape) - 1 else None
    if isinstance(value, Tensor) and value.is_floating_point() and value.dim() >= 3:
        return tuple(value.shape[2:])
    return None


def resized(plan: Plan, size: Spatial) -> Plan:
    """The plan with every input of the given spatial size made anew at ``size``."""
    given = spatial_size(plan)

    def change(value: Any) -> Any:
        if given is None or _spatial(value) != given:
            return value
        if isinstance(value, Dummy):
            return replace(value, shape=(value.shape[0], *size))
        return torch.zeros((*value.shape[:2], *size), dtype=value.dtype, device=value.device)

    return replace(
        plan,
        args=tuple(change(value) for value in plan.args),
        kwargs={name: change(value) for name, value in plan.kwargs.items()},
    )


def record_at(model: nn.Module, plan: Plan, mode: str, size: Spatial, *, careful: bool = True) -> Recording:
    """What a pass at another spatial size shows; the model is left as it was."""
    other = resized(plan, size)
    with untouched(model) as keeper, prepared(model, other, mode):
        return one_pass(model, other, State(careful=careful, batch_added=plan.adds_batch, keeper=keeper))


def runs_at(model: nn.Module, plan: Plan, mode: str, size: Spatial) -> bool:
    """Whether a pass at ``size`` reaches the end with all tensors going together.

    Wrong layers do not count: they have their own stand-ins and their own problems.
    """
    recording = record_at(model, plan, mode, size)
    return recording.failure is None and not any(found.misfit.kind == "operands" for found in recording.findings)


def _stopped_in_feature_map(recording: Recording) -> bool:
    failure = recording.failure
    if failure is None or failure.event < 0:
        return False
    event = recording.events[failure.event]
    return event.rule.makes_feature_map or makes_feature_map(failure.function or event.type)


def _enlarged(given: Spatial, passes: Callable[[Spatial], bool]) -> Spatial | None:
    """A size that passes: the given one, doubled until it does."""
    side = max(given)
    for _ in _doublings():
        side *= 2
        size = tuple(max(side, value) for value in given)
        elements = 1
        for value in size:
            elements *= value
        if elements > _LARGEST:
            return None
        if passes(size):
            return size
    return None


def _doublings() -> Iterator[int]:
    return iter(range(20))


def _smallest(passes: Callable[[Spatial], bool], size: Spatial, axis: int) -> int:
    """The smallest value of one axis that passes with the others as in ``size``, which passes; by bisection."""
    low, high = 0, size[axis]
    while high - low > 1:
        middle = (low + high) // 2
        if passes(_with(size, axis, middle)):
            high = middle
        else:
            low = middle
    return high


def _with(size: Spatial, axis: int, value: int) -> Spatial:
    return (*size[:axis], value, *size[axis + 1 :])
