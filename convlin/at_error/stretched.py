"""A loss function that runs, and stretches predictions and targets to a common shape: PyTorch warns of it.

Predictions of 8×1 and targets of 8 make 64 differences, each prediction against every target: the training goes on and
learns the mean.  No filter of warnings is touched here: Python would show them all once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from types import FrameType
from typing import TYPE_CHECKING

from convlin.arithmetic import broadcast
from convlin.at_error.fixes import mistake
from convlin.at_error.frames import is_torchs
from convlin.at_error.loss_shapes import is_loss_function
from convlin.records.places import Location
from convlin.sizes.spell import spell_shape

if TYPE_CHECKING:
    from torch import Tensor

#: The frames between a warning and the function that gives it: Python's own, and convlin's.
_MOST_FRAMES = 8


def about_warning(innermost: FrameType) -> str | None:
    """What to say of a warning that is given in these frames; None where no loss function stretches anything there."""
    frame: FrameType | None = innermost
    for _ in range(_MOST_FRAMES):
        if frame is None:
            return None
        if is_torchs(frame):
            return about(frame) if is_loss_function(frame) else None
        frame = frame.f_back
    return None


def about(frame: FrameType) -> str | None:
    """What a loss function in ``frame`` stretches, and what gives each prediction its own target, where that is one."""
    import torch

    made, target = frame.f_locals["input"], frame.f_locals["target"]
    if not isinstance(made, torch.Tensor) or made.shape == target.shape or not made.dim() or not target.dim():
        return None
    try:  # not torch.broadcast_shapes, which loads sympy, and that changes the filters
        together = broadcast(tuple(made.shape), tuple(target.shape)).shape
    except ValueError:
        return None
    if prod(together) == 1:  # nothing is compared twice
        return None
    said = [
        f"predictions of {spell_shape(made.shape)} and targets of {spell_shape(target.shape)} are stretched to"
        f" {spell_shape(together)}, and PyTorch only warns"
    ]
    way = next(_ways(made, target), None)
    if way is not None:
        said.append(f"with {way} each prediction is compared with its own target")
    elif together == tuple(made.shape):
        each = made.numel() // target.numel()
        said.append(f"each target is compared with {each} predictions: is that meant?")
    return mistake(f"{frame.f_code.co_name}{_at(frame)}", said)


def _ways(made: Tensor, target: Tensor) -> Iterator[str]:
    """What gives the targets the shape of the predictions, where only axes of 1 differ."""
    added, left_out = made.dim() - target.dim() == 1, target.dim() - made.dim() == 1
    for dim in range(max(made.dim(), target.dim())):
        if added and target.unsqueeze(dim).shape == made.shape:
            yield f"targets.unsqueeze({dim})"
        if left_out and target.squeeze(dim).shape == made.shape:
            yield f"targets.squeeze({dim})"
    if target.squeeze().shape == made.squeeze().shape:
        yield "targets.reshape(predictions.shape)"


def _at(frame: FrameType) -> str:
    """The user's own line in front of PyTorch's, which is the one that the warning names."""
    outer: FrameType | None = frame
    while outer is not None and is_torchs(outer):
        outer = outer.f_back
    return "" if outer is None else f" at {Location(outer.f_code.co_filename, outer.f_lineno).text}"
