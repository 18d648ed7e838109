"""Windows taken apart and put together again: unfold and fold."""

from __future__ import annotations

from collections.abc import Sequence

from convlin.arithmetic.common import (
    Setting,
    SizeError,
    certain,
    declared,
    differ,
    merge_alike,
    page,
    position,
    product,
    quotient,
    require_filled,
    require_sizes,
    sizes_per_axis,
    split_spatial,
    step_of,
)
from convlin.arithmetic.windows import Window, fits, windows_along
from convlin.records import Derivation, Shape, Size, Step
from convlin.sizes.spell import factor, spell, spell_product


def unfold(
    input_shape: Shape,
    /,
    *,
    kernel_size: Setting,
    stride: Setting = 1,
    padding: Setting = 0,
    dilation: Setting = 1,
) -> Derivation:
    """Shape after ``Unfold`` of an image ``(N, C, H, W)`` or ``(C, H, W)``: ``(N, C·kernel, L)``.

    Raises `SizeError` where no window has room.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.Unfold.html

    >>> for step in unfold((1, 3, 32, 32), kernel_size=4, stride=4).steps:
    ...     print(step.text)
    3·4·4 = 48
    (⌊(32 + 2·0 − 1·(4−1) − 1)/4⌋ + 1)·(⌊(32 + 2·0 − 1·(4−1) − 1)/4⌋ + 1) = 64
    """
    leading, spatial = split_spatial(input_shape, 2)
    require_filled((leading[-1], *spatial), "CHW")
    windows = windows_along(2, kernel_size, stride, padding, dilation)
    channels = _columns(leading[-1], windows)
    blocks = _blocks(spatial, windows, "HW")
    return Derivation((*leading[:-1], channels.size, blocks.size), (channels, blocks), page("nn.Unfold"))


def _columns(channels: Size, windows: list[Window]) -> Step:
    sizes = (channels, *(window.kernel_size for window in windows))
    return Step("C", "C·kernel_size[0]·kernel_size[1]", spell_product(sizes), product(sizes), sizes)


def _blocks(spatial: Sequence[Size], windows: list[Window], axes: Sequence[str]) -> Step:
    """How many windows there are in the whole plane."""
    steps = fits(axes, spatial, windows)
    return Step(
        "L",
        "·".join(f"({step.formula})" for step in steps),
        "·".join(f"({step.arithmetic})" for step in steps),
        product(step.size for step in steps),
        tuple(number for step in steps for number in step.numbers),
    )


def fold(
    input_shape: Shape,
    /,
    *,
    output_size: Setting,
    kernel_size: Setting,
    stride: Setting = 1,
    padding: Setting = 0,
    dilation: Setting = 1,
) -> Derivation:
    """Shape after ``Fold`` of ``(N, C·kernel, L)`` or ``(C·kernel, L)``: ``(N, C, *output_size)``.

    Raises `SizeError` where the kernel does not divide the channels, or L is not the number of windows
    in ``output_size``.  Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.Fold.html

    >>> derivation = fold((1, 48, 64), output_size=32, kernel_size=4, stride=4)
    >>> derivation.shape, derivation.steps[0].text
    ((1, 3, 32, 32), '48/(4·4) = 3')
    """
    leading, (length,) = split_spatial(input_shape, 1)
    sizes = sizes_per_axis(output_size, 2, "output_size")
    require_filled((leading[-1], length, *sizes), ("C", "L", "output_size[0]", "output_size[1]"))
    windows = windows_along(2, kernel_size, stride, padding, dilation)
    kernel = [window.kernel_size for window in windows]
    kernel_text = spell_product(kernel)
    channels = quotient(leading[-1], product(kernel))
    if channels is None:
        raise SizeError(f"C is {spell(leading[-1])}, but must divide by {kernel_text}", axis="C", size=leading[-1])
    blocks = _blocks(sizes, windows, ("output_size[0]", "output_size[1]"))
    if differ(length, blocks.size):
        message = f"L is {spell(length)}, but must be {blocks.arithmetic} = {spell(blocks.size)}"
        raise SizeError(message, axis="L", size=length)
    text = f"{factor(leading[-1])}/({kernel_text})"
    step = Step("C", "C/(kernel_size[0]·kernel_size[1])", text, channels, (leading[-1], *kernel))
    spatial = [declared(axis, "output_size", size) for axis, size in zip("HW", sizes, strict=True)]
    return Derivation((*leading[:-1], channels, *sizes), (step, *merge_alike(spatial)), page("nn.Fold"))


def unfold_dimension(input_shape: Shape, /, *, dimension: int, size: Size, step: Size) -> Derivation:
    """Shape after ``Tensor.unfold(dimension, size, step)``: the windows of one dimension, each as a new last one.

    Raises `SizeError` where the dimension is shorter than a window.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.unfold.html

    >>> derivation = unfold_dimension((1, 3, 32), dimension=2, size=4, step=4)
    >>> derivation.shape, derivation.steps[0].text
    ((1, 3, 8, 4), '⌊(32 − 4)/4⌋ + 1 = 8')
    """
    where = position(dimension, len(input_shape))
    length = input_shape[where] if input_shape else 1
    axis = f"dim {where}"
    require_sizes("size", (size,))
    require_sizes("step", (step,))
    if certain(step < 1) or certain(size < 0):
        raise SizeError(f"step is {spell(step)} and size {spell(size)}, but they must be positive", axis=axis)
    if certain(size > length):
        raise SizeError(
            f"{axis} is {spell(length)}, but must be at least {spell(size)}", axis=axis, size=length, minimum=size
        )
    count = (length - size) // step + 1
    windows = step_of(axis, "⌊({axis} − {size})/{step}⌋ + 1", count, length, size=size, step=step)
    shape = (*input_shape[:where], windows.size, *input_shape[where + 1 :], size) if input_shape else (size,)
    return Derivation(shape, (windows,) if input_shape else (), page("Tensor.unfold"))
