"""Pooling layers: max, average and power pooling, max unpooling, fractional and adaptive pooling."""

from __future__ import annotations

from collections.abc import Sequence

from convlin.arithmetic.common import (
    SPATIAL_AXES,
    Setting,
    SizeError,
    along_axes,
    certain,
    declared,
    merge_alike,
    page,
    per_axis,
    require_averaged,
    require_filled,
    require_filled_behind_first,
    require_sizes,
    sizes_per_axis,
    split_spatial,
    step_of,
)
from convlin.arithmetic.resampling import declared_or_scaled
from convlin.arithmetic.windows import Window, fits, spatial_part, windows_along
from convlin.records import Derivation, Shape, Size
from convlin.sizes.spell import spell


def _pool(input_shape: Shape, spatial_dims: int, windows: list[Window], name: str) -> Derivation:
    leading, spatial = split_spatial(input_shape, spatial_dims)
    axes = SPATIAL_AXES[spatial_dims]
    for window in windows:
        window.check_half()
    require_filled((leading[-1], *spatial), ("C", *axes))
    return along_axes(leading, fits(axes, spatial, windows), f"nn.{name}{spatial_dims}d")


def max_pool(
    input_shape: Shape,
    /,
    *,
    spatial_dims: int,
    kernel_size: Setting,
    stride: Setting | None = None,
    padding: Setting = 0,
    dilation: Setting = 1,
    ceil_mode: bool = False,
) -> Derivation:
    """Shape after ``MaxPool1d``, ``MaxPool2d`` or ``MaxPool3d``; the stride is the kernel size unless given.

    With ``ceil_mode`` a last window may hang over the end, but must start in the input or the padding
    before it.  Raises `SizeError` where no window has room.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html

    >>> print(max_pool((1, 32, 16, 16), spatial_dims=2, kernel_size=2).steps[0].text)
    ⌊(16 + 2·0 − 1·(2−1) − 1)/2⌋ + 1 = 8
    """
    windows = windows_along(spatial_dims, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
    return _pool(input_shape, spatial_dims, windows, "MaxPool")


def avg_pool(
    input_shape: Shape,
    /,
    *,
    spatial_dims: int,
    kernel_size: Setting,
    stride: Setting | None = None,
    padding: Setting = 0,
    ceil_mode: bool = False,
) -> Derivation:
    """Shape after ``AvgPool1d``, ``AvgPool2d`` or ``AvgPool3d``; the stride is the kernel size unless given.

    Raises `SizeError` where no window has room.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html

    >>> print(avg_pool((1, 32, 7, 7), spatial_dims=2, kernel_size=2, ceil_mode=True).steps[0].text)
    ⌈(7 + 2·0 − 2)/2⌉ + 1 = 4
    """
    windows = windows_along(spatial_dims, kernel_size, stride, padding, None, ceil_mode=ceil_mode)
    _require_whole_window(input_shape, spatial_dims, windows)
    return _pool(input_shape, spatial_dims, windows, "AvgPool")


def _require_whole_window(input_shape: Shape, spatial_dims: int, windows: list[Window]) -> None:
    """Average pooling in three dimensions, unlike any other, wants a whole window inside the bare input."""
    if spatial_dims == 3:
        for axis, size, window in zip("DHW", split_spatial(input_shape, 3)[1], windows, strict=True):
            needed = window.kernel_size
            if certain(size < needed):
                message = f"{axis} is {spell(size)}, but must be at least the kernel size {needed}, padded or not"
                raise SizeError(message, axis=axis, size=size, minimum=needed)


def lp_pool(
    input_shape: Shape,
    /,
    *,
    spatial_dims: int,
    kernel_size: Setting,
    stride: Setting | None = None,
    ceil_mode: bool = False,
) -> Derivation:
    """Shape after ``LPPool1d``, ``LPPool2d`` or ``LPPool3d``; the stride is the kernel size unless given.

    Raises `SizeError` where no window has room.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.LPPool2d.html

    >>> print(lp_pool((1, 32, 50), spatial_dims=1, kernel_size=3, stride=2).steps[0].text)
    ⌊(50 − 3)/2⌋ + 1 = 24
    """
    windows = windows_along(spatial_dims, kernel_size, stride, None, None, ceil_mode=ceil_mode)
    _require_whole_window(input_shape, spatial_dims, windows)
    return _pool(input_shape, spatial_dims, windows, "LPPool")


def max_unpool(
    input_shape: Shape,
    /,
    *,
    spatial_dims: int,
    kernel_size: Setting,
    stride: Setting | None = None,
    padding: Setting = 0,
    output_size: Sequence[Size] | None = None,
) -> Derivation:
    """Shape after ``MaxUnpool1d``, ``MaxUnpool2d`` or ``MaxUnpool3d``; the stride is the kernel size unless given.

    ``output_size`` must lie less than a stride from the computed size, else `SizeError`.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxUnpool2d.html

    >>> print(max_unpool((1, 32, 8, 8), spatial_dims=2, kernel_size=2).steps[0].text)
    (8−1)·2 − 2·0 + 2 = 16
    """
    leading, spatial = split_spatial(input_shape, spatial_dims)
    axes = SPATIAL_AXES[spatial_dims]
    windows = windows_along(spatial_dims, kernel_size, stride, padding, None)
    require_filled_behind_first(leading, spatial)
    steps = []
    for axis, size, window in zip(axes, spatial, windows, strict=True):
        form = "({axis}−1)·{stride} − 2·{padding} + {kernel_size}"
        result = (size - 1) * window.stride - window.both_sides + window.kernel_size
        settings = {"stride": window.stride, "padding": window.padding, "kernel_size": window.kernel_size}
        steps.append(step_of(axis, form, result, size, **settings))
    if output_size is not None:
        # PyTorch counts batch and channels in front as two, unbatched or not.
        wanted = spatial_part(output_size, 2, spatial_dims)
        for axis, size, step, window in zip(axes, wanted, steps, windows, strict=True):
            if certain(size <= step.size - window.stride) or certain(size >= step.size + window.stride):
                reachable = f"{spell(step.size - window.stride + 1)} to {spell(step.size + window.stride - 1)}"
                raise SizeError(f"output_size is {spell(size)} along {axis}, but can be {reachable}", axis=axis)
        steps = [declared(axis, "output_size", size) for axis, size in zip(axes, wanted, strict=True)]
    for step in steps:
        if certain(step.size < 0):
            raise SizeError(f"{step.axis} would become {spell(step.size)}", axis=step.axis)
    return along_axes(leading, steps, f"nn.MaxUnpool{spatial_dims}d")


def fractional_max_pool(
    input_shape: Shape,
    /,
    *,
    spatial_dims: int,
    kernel_size: Setting,
    output_size: Setting | None = None,
    output_ratio: float | Sequence[float] | None = None,
) -> Derivation:
    """Shape after ``FractionalMaxPool2d`` or ``FractionalMaxPool3d``.

    Raises `SizeError` where windows of ``kernel_size`` do not have room for that many outputs.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.FractionalMaxPool2d.html

    >>> print(fractional_max_pool((1, 16, 50, 50), spatial_dims=2, kernel_size=3, output_ratio=0.3).steps[0].text)
    ⌊50·0.3⌋ = 15
    """
    leading, spatial = split_spatial(input_shape, spatial_dims)
    axes = SPATIAL_AXES[spatial_dims]
    require_filled_behind_first(leading, spatial)
    if (output_size is None) == (output_ratio is None):
        raise SizeError("fractional pooling takes either an output_size or an output_ratio")
    steps = declared_or_scaled(axes, spatial, ("output_size", output_size), ("output_ratio", output_ratio))
    # In three dimensions PyTorch wants one cell more than the windows fill.
    spare = 1 if spatial_dims == 3 else 0
    kernel_sizes = sizes_per_axis(kernel_size, spatial_dims, "kernel_size")
    for axis, size, step, kernel in zip(axes, spatial, steps, kernel_sizes, strict=True):
        needed = step.size + kernel - 1 + spare
        if certain(size < needed) or certain(step.size < 0):
            message = f"{axis} is {spell(size)}, but {spell(step.size)} windows of {kernel} need {spell(needed)}"
            # With a ratio a larger input asks for more windows, too.
            minimum = needed if output_size is not None else None
            raise SizeError(message, axis=axis, size=size, minimum=minimum)
    return along_axes(leading, steps, f"nn.FractionalMaxPool{spatial_dims}d")


def adaptive_pool(
    input_shape: Shape,
    /,
    *,
    spatial_dims: int,
    output_size: Size | Sequence[Size | None],
    kind: str = "Avg",
) -> Derivation:
    """Shape after ``AdaptiveAvgPool`` or ``AdaptiveMaxPool`` (``kind``) in 1, 2 or 3 ``spatial_dims``.

    A None in ``output_size`` keeps the size of its axis.  Raises `SizeError` for an empty input, unless
    it is averaged into a single value.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html

    >>> derivation = adaptive_pool((1, 512, 7, 9), spatial_dims=2, output_size=(1, None))
    >>> derivation.shape, [(step.axis, step.text) for step in derivation.steps]
    ((1, 512, 1, 9), [('H', 'output_size = 1')])
    """
    leading, spatial = split_spatial(input_shape, spatial_dims)
    axes = SPATIAL_AXES[spatial_dims]
    wanted = per_axis(output_size, spatial_dims, "output_size", one_for_all=spatial_dims == 1)
    if output_size is None or (spatial_dims == 1 and wanted == (None,)):
        raise SizeError("output_size is None, which keeps a size only inside a tuple for two or three axes")
    require_sizes("output_size", (size for size in wanted if size is not None))
    steps = []
    for axis, size in zip(axes, wanted, strict=True):
        if size is not None and certain(size < 0):
            raise SizeError(f"output_size is {spell(size)} along {axis}, but must not be negative", axis=axis)
        if size is not None:
            steps.append(declared(axis, "output_size", size))
    sizes = tuple(old if new is None else new for old, new in zip(spatial, wanted, strict=True))
    if kind == "Avg":
        require_averaged(leading, spatial, sizes)
    else:
        require_filled_behind_first(leading, spatial)
    return Derivation((*leading, *sizes), merge_alike(steps), page(f"nn.Adaptive{kind}Pool{spatial_dims}d"))
