"""The model run at another size of its input, and left as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from convlin.inputs import Dummy, Plan
from convlin.module_tree import modules_of
from convlin.trace.forward_pass import one_pass, prepared
from convlin.trace.recording import Recording
from convlin.trace.state import State
from convlin.untouched import sharded, untouched

Spatial = tuple[int, ...]

#: Images are not tried beyond this many elements per channel: 1024 × 1024, or 101 × 101 × 101.
LARGEST = 1 << 20


def spatial_size(plan: Plan) -> Spatial | None:
    """Height and width (or length, or depth too) of the first input that has channels; None without one.

    Where none has channels, the length of a signal or of a sequence of words that is given without any.
    """
    given = (*plan.args, *plan.kwargs.values())
    return next((found for value in given if (found := _spatial(value)) is not None), None) or next(
        (found for value in given if (found := _length(value)) is not None), None
    )


def _length(value: Any) -> Spatial | None:
    if isinstance(value, Dummy) and len(value.shape) == 1 and isinstance(value.shape[0], int):
        return (value.shape[0],)
    return None


def _spatial(value: Any) -> Spatial | None:
    if isinstance(value, Dummy) and value.dtype.is_floating_point and len(value.shape) >= 2:
        sizes = tuple(size for size in value.shape[1:] if isinstance(size, int))
        return sizes if len(sizes) == len(value.shape) - 1 else None
    if isinstance(value, Tensor) and not value.is_nested and value.is_floating_point() and value.dim() >= 3:
        return tuple(value.shape[2:])
    return None


def resized(plan: Plan, size: Spatial) -> Plan:
    """The plan with every input of the given spatial size made anew at ``size``."""
    given = spatial_size(plan)
    without_channels = not any(map(_spatial, (*plan.args, *plan.kwargs.values())))

    def change(value: Any) -> Any:
        if without_channels and given is not None and _length(value) == given:
            return replace(value, shape=size)
        if given is None or _spatial(value) != given:
            return value
        if isinstance(value, Dummy):
            return replace(value, shape=(value.shape[0], *size))
        return torch.zeros((*value.shape[:2], *size), dtype=value.dtype, device=plan.device)

    return plan._replace(
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


def with_axis(size: Spatial, axis: int, value: int) -> Spatial:
    return (*size[:axis], value, *size[axis + 1 :])


def cheap_plan(model: nn.Module, plan: Plan) -> Plan:
    """The plan on the meta device, or as it is for a sharded model, whose wrapper would keep the meta tensors."""
    return plan if sharded(modules_of(model)) else plan._replace(device=torch.device("meta"))
