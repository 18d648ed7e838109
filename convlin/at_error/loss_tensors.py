"""A loss function refuses another tensor than the targets: a weight, a variance, or embeddings that it compares.

What is said to work was run.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from convlin.at_error.fixes import mistake
from convlin.at_error.loss_shapes import is_functional, runs_with
from convlin.sizes.spell import spell_shape

if TYPE_CHECKING:
    from torch import Tensor

    from convlin.records import Shape

#: The tensors beside predictions and targets, and the shapes that such a one may have for the predictions.
_BESIDE: dict[str, tuple[Callable[[Shape], Shape], ...]] = {
    "pos_weight": (lambda made: (*made[1:2], *[1] * (len(made) - 2)), lambda made: made[1:]),
    "weight": (lambda made: made[-1:], lambda made: made),
    "var": (lambda made: made, lambda made: (*made[:-1], 1)),
}

#: The loss functions of embeddings, and what they compare.
_COMPARED = {
    "triplet_margin_loss": ("anchor", "positive", "negative"),
    "triplet_margin_with_distance_loss": ("anchor", "positive", "negative"),
    "cosine_embedding_loss": ("input1", "input2"),
}


def about_beside(frame: FrameType, made: Tensor) -> str | None:
    """That one of them is of another shape, where with another in its place the loss function takes the others."""
    import torch

    for name, shapes in _BESIDE.items():
        given = frame.f_locals.get(name)
        if not isinstance(given, torch.Tensor):
            continue
        possible = dict.fromkeys(of(tuple(made.shape)) for of in shapes)
        taken = [shape for shape in possible if runs_with(frame, **{name: given.new_ones(shape)})]
        if taken:
            said = f"predictions of {spell_shape(made.shape)} and a {name} of {spell_shape(given.shape)}"
            return mistake(
                frame.f_code.co_name, [said, f"with a {name} of {' or '.join(map(spell_shape, taken))} it runs"]
            )
    return None


def compares(frame: FrameType) -> bool:
    """Whether a frame is that of a loss function of embeddings."""
    import torch

    names = _COMPARED.get(frame.f_code.co_name, ())
    return bool(names) and is_functional(frame) and all(isinstance(frame.f_locals.get(n), torch.Tensor) for n in names)


def about_compared(frame: FrameType) -> str | None:
    """That the embeddings have other numbers of features, or of rows, or their targets an axis too many."""
    loss, held = frame.f_code.co_name, frame.f_locals
    given: dict[str, Tensor] = {name: held[name] for name in _COMPARED[loss]}
    features = {str(tensor.shape[-1]): None for tensor in given.values() if tensor.dim()}
    if len(features) > 1:
        *others, last = (f"{name} of {spell_shape(tensor.shape)}" for name, tensor in given.items())
        said = f"{', '.join(others)} and {last} have {' and '.join(features)} features"
        return mistake(loss, [said, "each is compared with the others, so all need as many"])
    rows = {tensor.shape[0]: None for tensor in given.values() if tensor.dim() > 1}
    if len(rows) > 1 and 1 not in rows:
        *others, last = (f"{name} of {spell_shape(tensor.shape)}" for name, tensor in given.items())
        said = f"{', '.join(others)} and {last} have {' and '.join(map(str, rows))} rows"
        return mistake(loss, [said, "each row is compared with that of the others, so all need as many"])
    target: Tensor | None = held.get("target")
    if target is None or target.dim() < 2 or not runs_with(frame, target=target.squeeze(-1)):
        return None
    embeddings = spell_shape(next(iter(given.values())).shape)
    said = f"embeddings of {embeddings} and targets of {spell_shape(target.shape)}: the targets have an axis too many"
    return mistake(loss, [said, "with targets.squeeze(-1) it runs"])
