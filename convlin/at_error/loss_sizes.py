"""Predictions and targets of as many axes and other sizes: which layers make the predictions what they are.

What is proposed is put into the model's layers for one pass, which has to make what the targets ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from convlin.at_error.fixes import layer_fix, layer_fixes, mistake
from convlin.module_tree import module_at, walk
from convlin.sizes.spell import spell_shape

if TYPE_CHECKING:
    from torch import nn

    from convlin._summary import Summary
    from convlin.records import Call

    Shape = tuple[int, ...]

#: Of more layers not every choice is tried.
_MOST_LAYERS = 4
_OF_RGB = 3


class Maker(NamedTuple):
    """The model that made the predictions, and how to look at it."""

    root: nn.Module
    hints: tuple[FrameType, ...]
    summary: Summary
    makes: Callable[[Shape], bool]
    """Whether another pass, with the model as it is then, makes a tensor of this shape."""


def about(loss: str, made: Shape, target: Shape, maker: Maker, *, given: Shape) -> str:
    """What to write for predictions of other sizes than the targets ask for.

    ``target`` has as many axes; ``given`` is the shape of the targets, which may be numbers of classes.
    """
    differing = [dim for dim, (one, other) in enumerate(zip(made, target, strict=True)) if one != other]
    which = f"dimension{'s' * (len(differing) > 1)} {' and '.join(map(str, differing))}"
    of = "" if given == target else " of the predictions"
    said = [f"predictions of {spell_shape(made)} and targets of {spell_shape(given)} differ in {which}{of}"]
    layer = last_layer(maker.summary, made, made[1]) if differing == [1] else None
    is_mask = differing == [1] and (made[1], target[1]) == (1, _OF_RGB)
    if layer is not None:
        of_targets = f"{layer.path or layer.type} makes {made[1]}, and the targets have {target[1]}"
        said.append(of_targets if is_mask else f"{of_targets}; if these are right:")
    if is_mask:
        said.append(f"a mask that was read as RGB has {_OF_RGB} channels: targets[:, :1] is one of them")
    elif layer is not None:
        size = "out_features" if "out_features" in layer.settings else "out_channels"
        said.append(layer_fix(maker.root, layer.path, {size: str(target[1])}, maker.hints))
    return mistake(loss, [*said, *_with_output_padding(target, maker)])


def about_time_first(made: Shape, batch: int, maker: Maker) -> str | None:
    """That a recurrent layer reads the batch as time, where with ``batch_first=True`` the batch is kept."""
    from torch import nn

    found = []
    for call in maker.summary.calls:
        layer = None if call.is_function else module_at(maker.root, call.path)
        if isinstance(layer, nn.RNNBase) and not layer.batch_first and _reads(call.input_shape, batch, made[0]):
            found.append((call, layer))
    if len(found) != 1:
        return None
    (call, layer), right = found[0], (batch, *made[1:])
    with _changed({layer: {"batch_first": True}}):
        if not maker.makes(right):
            return None
    read = f"{call.type} without batch_first=True reads {spell_shape(call.input_shape or ())} as {batch} steps"
    made_by_it = f"with batch_first=True the predictions are {spell_shape(right)}"
    fix = layer_fix(maker.root, call.path, {"batch_first": "True"}, maker.hints)
    return mistake(call.path or type(maker.root).__name__, [f"{read} of a batch of {made[0]}", made_by_it, fix])


def _reads(shape: Sequence[Any] | None, steps: int, batch: int) -> bool:
    """Whether a recurrent layer without ``batch_first`` takes an input of this shape for so many steps of so many."""
    return shape is not None and len(shape) == 3 and tuple(shape[:2]) == (steps, batch)


def last_layer(summary: Summary, made: tuple[int, ...], classes: int) -> Call | None:
    """The layer that made the scores: behind it nothing changes the shape."""
    for call in reversed(summary.calls):
        if call.output_shape != made:
            return None
        if not call.inner and not call.is_function and classes in (
            call.settings.get("out_features"), call.settings.get("out_channels"),
        ):  # fmt: skip
            return call
        if not call.inner and call.input_shape != made:
            return None
    return None


def _with_output_padding(target: Shape, maker: Maker) -> Iterator[str]:
    """The transposed convolutions that make one row and column too few, where an ``output_padding`` mends that."""
    from torch import nn

    kinds = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
    layers = [
        (path, layer)
        for path, layer, _ in walk(maker.root)
        if isinstance(layer, kinds) and min(layer.stride) > 1 and not any(layer.output_padding)
    ]
    if len(layers) > _MOST_LAYERS:
        return
    for count in range(1, len(layers) + 1):
        for chosen in combinations(layers, count):
            with _changed({layer: {"output_padding": (1,) * len(layer.stride)} for _, layer in chosen}):
                is_right = maker.makes(target)
            if is_right:
                names = " and ".join(path for path, _ in chosen)
                yield f"with output_padding=1 in {names} the predictions are {spell_shape(target)}"
                yield from layer_fixes(maker.root, {path: {"output_padding": "1"} for path, _ in chosen}, maker.hints)
                return


@contextmanager
def _changed(values: Mapping[nn.Module, Mapping[str, Any]]) -> Iterator[None]:
    """These attributes of these modules, for the length of this block."""
    before = {module: {name: getattr(module, name) for name in given} for module, given in values.items()}
    try:
        for module, given in values.items():
            vars(module).update(given)
        yield
    finally:
        for module, given in before.items():
            vars(module).update(given)
