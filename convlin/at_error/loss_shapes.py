"""A loss function refuses predictions and targets whose axes do not go together: what is said to work was run.

Each way that is known to go wrong is tried on the tensors of the failed call, with the other arguments of that call.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from convlin._util.quiet import quiet
from convlin.at_error.fixes import mistake
from convlin.sizes.spell import spell_shape

if TYPE_CHECKING:
    from torch import Tensor


class _Way(NamedTuple):
    """A change of the predictions or the targets after which they may go together."""

    why: str
    fix: str
    made: Tensor
    target: Tensor


def about(frame: FrameType, made: Tensor, target: Tensor) -> str | None:
    """What to write for a loss function that stopped in ``frame``; None where nothing that was run makes it work."""
    for way in _ways(made, target):
        if _runs(frame, way.made, way.target):
            said = f"predictions of {spell_shape(made.shape)} and targets of {spell_shape(target.shape)}: {way.why}"
            return mistake(frame.f_code.co_name, [said, f"with {way.fix} it runs"])
    return None


def _ways(made: Tensor, target: Tensor) -> Iterator[_Way]:
    sizes, wanted = tuple(made.shape), tuple(target.shape)
    are_classes = not target.is_floating_point()
    if are_classes and len(sizes) > 2 and wanted == sizes[:-1]:
        fix = "predictions.transpose(1, 2)" if len(sizes) == 3 else "predictions.movedim(-1, 1)"
        yield _Way(
            f"the {sizes[-1]} classes are the last dimension, and should be dimension 1",
            fix,
            made.movedim(-1, 1),
            target,
        )
    if are_classes and len(sizes) > 2 and wanted == (prod(sizes[:-1]),):
        why = f"every one of the {wanted[0]} targets needs a row of its {sizes[-1]} classes"
        yield _Way(why, f"predictions.flatten(0, {len(sizes) - 2})", made.flatten(0, -2), target)
    if len(wanted) > 1 and wanted[-1] == 1 and wanted[:-1] in (sizes, sizes[:1], sizes[:1] + sizes[2:]):
        yield from _with_dtype(
            "the targets have an axis of 1 too many", "targets.squeeze(-1)", made, target.squeeze(-1)
        )
    of_maps = sizes[:1] + sizes[2:]
    if len(wanted) > 2 and wanted[1] == 1 and wanted[:1] + wanted[2:] == of_maps:
        yield from _with_dtype("the targets have an axis of 1 too many", "targets.squeeze(1)", made, target.squeeze(1))
    if len(sizes) > 2 and sizes[1] == 1 and wanted == of_maps:
        yield from _with_dtype("the targets lack the axis of 1", "targets.unsqueeze(1)", made, target.unsqueeze(1))
    if not are_classes and wanted == of_maps and bool((target == target.round()).all()):
        yield _Way("the targets are numbers of classes, which are integers", "targets.long()", made, target.long())
    if sizes == (*wanted, 1):
        yield from _with_dtype("the targets lack the axis of 1", "targets.unsqueeze(-1)", made, target.unsqueeze(-1))


def _with_dtype(why: str, fix: str, made: Tensor, target: Tensor) -> Iterator[_Way]:
    yield _Way(why, fix, made, target)
    if target.dtype != made.dtype:
        yield _Way(why, f"{fix}.to(predictions.dtype)", made, target.to(made.dtype))


def _runs(frame: FrameType, made: Tensor, target: Tensor) -> bool:
    """Whether the loss function takes these, and all else that it was given."""
    import torch
    import torch.nn.functional as F

    code, held = frame.f_code, frame.f_locals
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    given = {name: held[name] for name in names if name in held} | {"input": made, "target": target}
    try:
        with torch.no_grad(), quiet():  # the user's own call has warned already
            getattr(F, code.co_name)(**given)
    except (RuntimeError, ValueError, IndexError):
        return False
    return True
