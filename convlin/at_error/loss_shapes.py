"""A loss function refuses predictions and targets whose axes do not go together: what is said to work was run.

Each way that is known to go wrong is tried on the tensors of the failed call, with the other arguments of that call.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from convlin._util.quiet import quiet
from convlin.at_error.fixes import mistake
from convlin.sizes.spell import spell_shape

if TYPE_CHECKING:
    from torch import Tensor


#: The loss functions whose targets are the numbers of classes.
_OF_CLASSES = frozenset({"cross_entropy", "nll_loss", "multi_margin_loss"})
#: Those whose targets are 0 and 1 alone, as floats: any other number is that of a class.
_OF_PROBABILITIES = frozenset({"binary_cross_entropy", "binary_cross_entropy_with_logits"})


class _Way(NamedTuple):
    """A change of the predictions or the targets after which they may go together."""

    why: str
    fix: str
    made: Tensor
    target: Tensor
    by: str = ""
    """The loss function that takes them, where that is another one."""


def about(frame: FrameType, made: Tensor, target: Tensor) -> str | None:
    """What to write for a loss function that stopped in ``frame``; None where nothing that was run makes it work."""
    for way in _ways(made, target, frame.f_code.co_name):
        if runs(frame, way.made, way.target, way.by):
            said = f"predictions of {spell_shape(made.shape)} and targets of {spell_shape(target.shape)}: {way.why}"
            return mistake(frame.f_code.co_name, [said, f"with {way.fix} it runs"])
    return _about_weight(frame, made, target)


def _about_weight(frame: FrameType, made: Tensor, target: Tensor) -> str | None:
    """That there is not a weight for each class, where the loss function takes all else."""
    import torch

    weight, classes = frame.f_locals.get("weight"), made.shape[1] if made.dim() > 1 else made.shape[0]
    if not isinstance(weight, torch.Tensor) or weight.shape == (classes,) or frame.f_code.co_name not in _OF_CLASSES:
        return None
    if not runs(frame, made, target, weight=None):
        return None
    said = f"predictions of {spell_shape(made.shape)}, {classes} classes, and a weight of {spell_shape(weight.shape)}"
    needed = f"weight needs a number for each of the {classes} classes"
    if weight.dim() == 1 and bool((target < len(weight)).all()):
        needed = f"{needed}, or the last layer {len(weight)} outputs: no label here is above {int(target.max())}"
    return mistake(frame.f_code.co_name, [said, needed])


def about_output(frame: FrameType, output: Any, target: Tensor) -> str | None:
    """What to write where all that a model returns reached a loss function; None where none of its tensors is taken."""
    from convlin.tensors import tensors_in

    held = list(tensors_in(output, objects=True))
    taken = [place for place, tensor in held if runs(frame, tensor, target)]
    if not taken:
        return None
    kind = type(output).__name__
    article = "an" if kind[0] in "AEIOUaeiou" else "a"
    shapes = ", ".join(spell_shape(tensor.shape) for _, tensor in held)
    said = f"the predictions are {article} {kind}, and not a tensor: {shapes} in it"
    ways = " or ".join(f"predictions{place}" for place in taken)
    return mistake(frame.f_code.co_name, [said, f"with {ways} it runs"])


def _ways(made: Tensor, target: Tensor, loss: str) -> Iterator[_Way]:
    sizes, wanted = tuple(made.shape), tuple(target.shape)
    of_maps = sizes[:1] + sizes[2:]
    are_classes = not target.is_floating_point()

    def predictions(why: str, method: str, *dims: int) -> Iterator[_Way]:
        yield _Way(why, f"predictions.{_written(method, dims)}", getattr(made, method)(*dims), target)

    def targets(why: str, method: str, *dims: int) -> Iterator[_Way]:
        fix, changed = f"targets.{_written(method, dims)}", getattr(target, method)(*dims)
        yield _Way(why, fix, made, changed)
        if changed.dtype != made.dtype:
            yield _Way(why, f"{fix}.to(predictions.dtype)", made, changed.to(made.dtype))

    if are_classes and len(sizes) > 2 and wanted == sizes[:-1]:
        why = f"the {sizes[-1]} classes are the last dimension, and should be dimension 1"
        yield from predictions(why, *(("transpose", 1, 2) if len(sizes) == 3 else ("movedim", -1, 1)))
    if are_classes and len(sizes) > 2 and wanted == (prod(sizes[:-1]),):
        why = f"every one of the {wanted[0]} targets needs a row of its {sizes[-1]} classes"
        yield from predictions(why, "flatten", 0, len(sizes) - 2)
    if len(wanted) > 1 and wanted[-1] == 1 and wanted[:-1] in (sizes, sizes[:1], of_maps):
        yield from targets("the targets have an axis of 1 too many", "squeeze", -1)
    if len(wanted) > 2 and wanted[1] == 1 and wanted[:1] + wanted[2:] == of_maps:
        yield from targets("the targets have an axis of 1 too many", "squeeze", 1)
    if len(sizes) > 2 and sizes[1] == 1 and wanted == of_maps:
        yield from targets("the targets lack the axis of 1", "unsqueeze", 1)
    if not are_classes and wanted == of_maps and bool((target == target.round()).all()):
        yield _Way("the targets are numbers of classes, which are integers", "targets.long()", made, target.long())
    if sizes == (*wanted, 1):
        yield from targets("the targets lack the axis of 1", "unsqueeze", -1)
    if sizes[0] == 1 and wanted in (sizes[1:], sizes[2:]):
        yield from targets("the targets lack the batch of 1", "unsqueeze", 0)
    if len(wanted) > 2 and sizes == (wanted[0], prod(wanted[1:])):
        yield from targets("the targets have the same numbers on more axes", "flatten", 1)
    if len(sizes) > 2 and wanted == (sizes[0], prod(sizes[1:])):
        yield from predictions("the predictions have the same numbers on more axes", "flatten", 1)
    if are_classes and loss in _OF_CLASSES:
        yield from _of_classes(made, target)
    elif are_classes and wanted == sizes:
        why = f"the targets are {_spelled(target)}, and the predictions {_spelled(made)}"
        yield _Way(why, "targets.to(predictions.dtype)", made, target.to(made.dtype))
    elif are_classes or loss in _OF_PROBABILITIES:
        yield from _one_hot(made, target, loss)


def _written(method: str, dims: tuple[int, ...]) -> str:
    return f"{method}({', '.join(map(str, dims))})"


def _one_hot(made: Tensor, target: Tensor, loss: str) -> Iterator[_Way]:
    """What makes numbers of classes the targets of a loss function that takes a number for each class."""
    import torch.nn.functional as F

    if made.dim() != 2 or target.shape != made.shape[:1] or made.shape[1] < 2 or not _are_below(target, made.shape[1]):
        return
    classes = made.shape[1]
    why = "the targets are numbers of classes, which cross_entropy takes as they are"
    if loss in _OF_PROBABILITIES and _are_below(target, 2):
        why += f"; if they are yes or no, the last layer is to make 1 number for each sample, and not {classes}"
    given = "targets.long()" if target.is_floating_point() else "targets"
    one_hot = F.one_hot(target.long(), classes).to(made.dtype)
    yield _Way(why, f"F.one_hot({given}, {classes}).to(predictions.dtype)", made, one_hot)


def _of_classes(made: Tensor, target: Tensor) -> Iterator[_Way]:
    """What makes integers the targets of a loss function that takes the numbers of classes."""
    import torch

    if made.dim() > 1 and target.shape == made.shape:
        if bool(((target == 0) | (target == 1)).all()) and bool((target.sum(1) == 1).all()):
            why = "the targets are one-hot, and the numbers of classes are expected"
            yield _Way(why, "targets.argmax(1)", made, target.argmax(1))
        elif bool(((target == 0) | (target == 1)).all()):
            by = "binary_cross_entropy_with_logits"
            why = f"the targets mark any number of classes, which F.{by} takes"
            yield _Way(why, "that and targets.to(predictions.dtype)", made, target.to(made.dtype), by)
    elif target.dtype != torch.int64:
        yield _Way(f"the targets are {_spelled(target)}", "targets.long()", made, target.long())


def _are_below(target: Tensor, classes: int) -> bool:
    return bool(((target >= 0) & (target < classes) & (target == target.round())).all())


def _spelled(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def is_loss_function(frame: FrameType) -> bool:
    """Whether a frame is that of a function in ``torch.nn.functional`` that compares an input with a target."""
    import torch

    held = frame.f_locals
    return is_functional(frame) and "input" in held and isinstance(held.get("target"), torch.Tensor)


def is_functional(frame: FrameType) -> bool:
    """Whether a frame is that of a function in ``torch.nn.functional``."""
    import torch.nn.functional as F

    return getattr(getattr(F, frame.f_code.co_name, None), "__code__", None) is frame.f_code


def runs(frame: FrameType, made: Tensor, target: Tensor, by: str = "", /, **changed: Any) -> bool:
    """Whether the loss function takes these, and all else that it was given."""
    return runs_with(frame, by, **{"input": made, "target": target} | changed)


def runs_with(frame: FrameType, by: str = "", /, **changed: Any) -> bool:
    """Whether the loss function takes all that it was given with these in its place, or the one that is named these."""
    import torch
    import torch.nn.functional as F

    code, held = frame.f_code, frame.f_locals
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    given = {name: held[name] for name in names if name in held and not by} | changed
    try:
        with torch.no_grad(), quiet():  # the user's own call has warned already
            getattr(F, by or code.co_name)(**given)
    except (RuntimeError, ValueError, IndexError, TypeError):
        return False
    return True
