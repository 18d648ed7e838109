"""The sizes of an input in a tensor or an array, which is taken for the input itself: ``np.array([3, 32, 32])``."""

from __future__ import annotations

import torch
from torch import Tensor

from convlin.diagnosis.problems import written_call
from convlin.inputs import Dummy, Plan
from convlin.records import Problem

#: A shape without its batch has no more sizes.
_MOST_SIZES = 4


def as_shape(plan: Plan, dtype: torch.dtype) -> Plan | None:
    """The plan with a shape in the place of the one tensor, where that holds a few positive integers.

    >>> given = Plan((torch.tensor([3, 8, 8]),), {}, 1, torch.device("cpu"))
    >>> as_shape(given, torch.float32).args
    (Dummy(place='[0]', shape=(3, 8, 8), dtype=torch.float32, dtype_asked=False, fill=0),)
    """
    sizes = plan.args[0] if len(plan.args) == 1 and not plan.kwargs else None
    if not isinstance(sizes, Tensor) or sizes.dim() != 1 or not 1 < len(sizes) <= _MOST_SIZES or sizes.is_meta:
        return None
    if sizes.dtype.is_floating_point or sizes.dtype.is_complex or sizes.dtype == torch.bool or not (sizes > 0).all():
        return None
    return plan._replace(args=(Dummy("[0]", tuple(sizes.tolist()), dtype),))


def look_like_shape(plan: Plan) -> Problem:
    """The one problem of a model that runs to its end with the shape in ``plan``, and stops at its numbers."""
    (dummy,) = plan.dummies()
    numbers = " and ".join((", ".join(map(str, dummy.shape[:-1])), str(dummy.shape[-1])))
    return Problem(
        "structure", "", message=f"the input holds the {len(dummy.shape)} numbers {numbers}, which look like a shape",
        fix=written_call(plan),
    )  # fmt: skip
