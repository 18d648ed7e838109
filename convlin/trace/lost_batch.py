"""A reshape in which the batch disappears for good: what is wrong about it, and what it should have made."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from torch import Tensor

from convlin.layers import Misfit
from convlin.records import Shape
from convlin.tensors import zeros
from convlin.trace.recording import Fold


def matching(fold: Fold, folds: Iterable[Fold]) -> Fold | None:
    """The one among ``folds`` that is the same reshape, with what is known of it."""
    return next((known for known in folds if known == fold), None)


def folded(fold: Fold, wanted: tuple[int, ...] | None, made: Shape) -> Misfit:
    """The misfit of a reshape to the sizes ``wanted`` that made ``made``."""
    image = _image(fold, made)
    detail = {"wanted": wanted, "shape": fold.shape, "made": made, "image": image}
    return Misfit("batch", prod(made[1:]) if image else made[-1], prod(fold.shape[1:]), "folded", detail)


def of_flatten(misfit: Misfit) -> Misfit:
    """The same for ``nn.Flatten(start_dim=0)``: a number of the layer's fixes it."""
    return misfit._replace(changes={"start_dim": 1})


def kept(tensor: Tensor, misfit: Misfit) -> Tensor:
    """What the reshape makes once the batch is kept: the features of each sample, or an image of each."""
    image = misfit.detail["image"]
    if image is None:
        return tensor.flatten(1)
    # The batch as the tensor has it: in a pass with letters the record has a closed form there.
    shape = (tensor.shape[0], *image[1:])
    fits = prod(image[1:]) == misfit.required
    return tensor.reshape(shape) if fits else zeros(tensor, shape)


def _image(fold: Fold, made: Shape) -> Shape | None:
    """Of features that were made into images, the image of each sample; of another channel count if need be."""
    if len(made) < 3 or not all(isinstance(size, int) for size in (*fold.shape[1:], *made[1:])):
        return None
    channels, rest = divmod(prod(fold.shape[1:]), prod(made[2:]))
    return (fold.shape[0], made[1] if fold.keeps_channels or rest else channels, *made[2:])
