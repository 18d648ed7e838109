"""The padding layers, and what each padding mode demands of the size that it copies from."""

from __future__ import annotations

from collections.abc import Sequence

from convlin._util.torch_behavior import pads_to_nothing
from convlin.arithmetic.common import (
    SPATIAL_AXES,
    SizeError,
    certain,
    merge_alike,
    page,
    require_filled,
    require_sizes,
    smaller,
)
from convlin.records import Derivation, Shape, Size, Step
from convlin.sizes.spell import factor, spell

_LAYERS = {
    "constant": "ConstantPad",
    "reflect": "ReflectionPad",
    "replicate": "ReplicationPad",
    "circular": "CircularPad",
}


def require_padding(axis: str, size: Size, before: Size, after: Size, mode: str) -> None:
    """Refuse a size that is too small for what the mode copies from it or cuts off it."""
    if mode in ("reflect", "circular"):
        # A reflection leaves out the edge itself, so it has one cell less to give.
        spare = 1 if mode == "reflect" else 0
        for padding in (before, after):
            if certain(padding + spare > size):
                message = f"{axis} is {spell(size)}, but padding {spell(padding)} in mode {mode!r} needs at least "
                minimum = padding + spare
                raise SizeError(message + spell(minimum), axis=axis, size=size, minimum=minimum)
    # The constant and circular modes cut first and pad afterwards.
    cut_first = mode in ("constant", "circular")
    left = size + (smaller(before, 0) + smaller(after, 0) if cut_first else before + after)
    if certain(left < 0):
        minimum = size - left
        message = f"{axis} is {spell(size)}, but must be at least {spell(minimum)} for padding "
        raise SizeError(f"{message}{spell(before)} and {spell(after)}", axis=axis, size=size, minimum=minimum)


def pad(input_shape: Shape, /, *, padding: Sequence[Size], mode: str = "constant") -> Derivation:
    """Shape after ``F.pad`` or a padding layer.

    ``padding`` has a pair for each dimension, the last dimension first: ``(left, right, top, bottom,
    front, back)``; a negative number cuts off.  Raises `SizeError` where the mode cannot fill the
    padding (``reflect`` needs it smaller than the dimension) or nothing would be left.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.ZeroPad2d.html

    >>> for step in pad((1, 3, 30, 32), padding=(1, 2, 0, 3)).steps:
    ...     print(step.axis, step.text, sep=": ")
    H: 30 + 0 + 3 = 33
    W: 32 + 1 + 2 = 35
    """
    require_sizes("padding", padding)
    rank, count = len(input_shape), len(padding) // 2
    if mode not in _LAYERS:
        raise SizeError(f"unknown padding mode {mode!r}")
    if len(padding) % 2 or count > rank:
        raise SizeError(f"padding has {len(padding)} numbers for {rank} dimensions, but each takes two")
    named = count in SPATIAL_AXES and rank in (count + 1, count + 2)
    if mode != "constant" and not named:
        raise SizeError(f"mode {mode!r} does not pad {count} of {rank} dimensions")
    axes = SPATIAL_AXES[count] if named else tuple(f"dim {dim}" for dim in range(rank - count, rank))
    if mode in ("reflect", "replicate"):
        require_filled(input_shape[-count - 1 :], ("C", *axes))
    shape, steps = list(input_shape), []
    for index, axis in enumerate(axes):
        dim, pair = rank - count + index, 2 * (count - 1 - index)
        before, after = padding[pair], padding[pair + 1]
        require_padding(axis, shape[dim], before, after, mode)
        put_in = (shape[dim], before, after)
        numbers = f"{factor(shape[dim])} + {spell(before)} + {spell(after)}".replace("+ −", "− ")
        shape[dim] = shape[dim] + before + after
        steps.append(Step(axis, f"{axis} + padding before + padding after", numbers, shape[dim], put_in))
    # PyTorch lets an axis vanish as long as another one stays.
    if mode in ("reflect", "replicate") and all(certain(step.size < 1) for step in steps):
        raise SizeError(f"nothing would be left along {', '.join(axes)}", axis=axes[0])
    if mode == "constant" and any(certain(number > 0) for number in padding):
        gone = next((step for step in steps if certain(step.size < 1)), None)
        if gone is not None and not pads_to_nothing():
            raise SizeError(f"nothing would be left along {gone.axis}", axis=gone.axis)
    source = page(f"nn.{_LAYERS[mode]}{count}d") if named else page("nn.functional.pad")
    return Derivation(tuple(shape), merge_alike(steps), source)
