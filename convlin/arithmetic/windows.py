"""The sliding window, and the layers that are nothing else: convolution and transposed convolution.

One formula serves all layers with windows: how many of them start along an axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from convlin.arithmetic.common import (
    SPATIAL_AXES,
    Setting,
    SizeError,
    along_axes,
    certain,
    channel_step,
    is_sequence,
    per_axis,
    require_filled,
    require_sizes,
    require_width,
    sizes_per_axis,
    smaller,
    split_spatial,
    step_of,
)
from convlin.arithmetic.padding import require_padding
from convlin.records import Derivation, Shape, Size, Step
from convlin.sizes.spell import spell


class Window(NamedTuple):
    """A window sliding along one axis; None stands for a term that the layer's formula does not have."""

    kernel_size: int
    stride: int
    padding: int | str | None = None
    dilation: int | None = None
    ceil_mode: bool = False

    @property
    def reach(self) -> int:
        """How many cells lie between the first and the last that the window sees, both included."""
        return (self.dilation or 1) * (self.kernel_size - 1) + 1

    @property
    def both_sides(self) -> int:
        """Cells of padding on the two sides together."""
        if isinstance(self.padding, str):
            return self.reach - 1 if self.padding == "same" else 0
        return 2 * (self.padding or 0)

    @property
    def minimum(self) -> int:
        """The smallest size of the axis that has room for a window."""
        overhang = self.stride - 1 if self.ceil_mode else 0
        return max(1, self.reach - self.both_sides - overhang)

    def check(self, *, may_cut: bool = False) -> None:
        """Refuse settings that no input suits; ``may_cut`` allows negative padding, which cuts off."""
        for name in ("kernel_size", "stride", "dilation"):
            value = getattr(self, name)
            if value is None:
                continue
            require_sizes(name, (value,))
            if certain(value < 1):
                raise SizeError(f"{name} is {spell(value)}, but must be at least 1")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise SizeError(f"padding is {self.padding!r}, but must be a number, 'same' or 'valid'")
            if self.padding == "same" and self.stride != 1:
                raise SizeError(f"padding='same' goes with stride 1 only, not with {self.stride}")
        elif self.padding is not None:
            require_sizes("padding", (self.padding,))
            if certain(self.padding < 0) and not may_cut:
                raise SizeError(f"padding is {spell(self.padding)}, but must not be negative")

    def check_half(self) -> None:
        """Pooling refuses a padding that a whole window could lie in."""
        if isinstance(self.padding, int) and certain(2 * self.padding > self.kernel_size):
            half = f"at most half of kernel_size {spell(self.kernel_size)}"
            raise SizeError(f"padding is {self.padding}, but must be {half}")

    def slide(self, axis: str, size: Size) -> Step:
        """How many windows start along an axis of this size; not yet whether that is enough."""
        padding: Any = None if self.padding == "same" else 0 if self.padding == "valid" else self.padding
        added = (
            " + {dilation}·({kernel_size}−1)" if self.padding == "same" else "" if padding is None else " + 2·{padding}"
        )
        taken = "{kernel_size}" if self.dilation is None else "{dilation}·({kernel_size}−1) − 1"
        left, right = "⌈⌉" if self.ceil_mode else "⌊⌋"
        form = f"{left}({{axis}}{added} − {taken})/{{stride}}{right} + 1"
        overhang = self.stride - 1 if self.ceil_mode else 0
        windows = (size + self.both_sides - self.reach + overhang) // self.stride + 1
        # With a stride that is short beside the window, the last one starts inside in any case.
        if self.ceil_mode and not certain(self.stride + (padding or 0) <= self.reach):
            starting = (size + (padding or 0) + self.stride - 1) // self.stride
            if not certain(windows <= starting):
                beside = " + {padding}" if padding is not None else ""
                form = f"min({form}, ⌈({{axis}}{beside})/{{stride}}⌉)"
                windows = smaller(windows, starting)
        return step_of(
            axis, form, windows, size,
            kernel_size=self.kernel_size, stride=self.stride, padding=padding, dilation=self.dilation,
        )  # fmt: skip

    def fit(self, axis: str, size: Size) -> Step:
        """The same, refused where not a single window has room."""
        step = self.slide(axis, size)
        if certain(step.size < 1) or certain(size < 1):
            message = f"{axis} is {spell(size)}, but must be at least {self.minimum}: {step.arithmetic} = "
            raise SizeError(message + spell(step.size), axis=axis, size=size, minimum=self.minimum)
        return step


def fits(axes: Sequence[str], spatial: Sequence[Size], windows: Sequence[Window]) -> list[Step]:
    """How many windows there are along every axis; refused where one has no room for any."""
    return [window.fit(axis, size) for axis, size, window in zip(axes, spatial, windows, strict=True)]


def convolution(
    input_shape: Shape,
    /,
    *,
    spatial_dims: int,
    out_channels: Size,
    kernel_size: Setting,
    stride: Setting = 1,
    padding: Setting | str = 0,
    dilation: Setting = 1,
    padding_mode: str = "zeros",
    in_channels: Size | None = None,
) -> Derivation:
    """Shape after ``Conv1d``, ``Conv2d`` or ``Conv3d`` (``spatial_dims`` 1, 2, 3).

    ``input_shape`` is ``(N, C, *spatial)`` or ``(C, *spatial)``.  Raises `SizeError` where the padded
    input is smaller than the window, or (``padding_mode``) than what is copied into the padding.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html

    >>> derivation = convolution((1, 3, 32, 32), spatial_dims=2, out_channels=16, kernel_size=3, stride=2, padding=1)
    >>> derivation.shape
    (1, 16, 16, 16)
    >>> print(derivation.steps[-1].axis, derivation.steps[-1].text, sep=": ")
    H, W: ⌊(32 + 2·1 − 1·(3−1) − 1)/2⌋ + 1 = 16
    """
    leading, spatial = split_spatial(input_shape, spatial_dims)
    require_width(leading[-1], in_channels, "C", "in_channels")
    # Other modes than zeros pad in a step of their own, which takes negative numbers, too.
    windows = windows_along(spatial_dims, kernel_size, stride, padding, dilation, may_cut=padding_mode != "zeros")
    axes = SPATIAL_AXES[spatial_dims]
    if padding_mode != "zeros":
        for axis, size, window in zip(axes, spatial, windows, strict=True):
            # An odd number of cells for padding="same" has its larger half on the right.
            both = window.both_sides
            if both:
                require_padding(axis, size, both // 2, both - both // 2, padding_mode)
    steps, channels = fits(axes, spatial, windows), channel_step(leading[-1], out_channels)
    return along_axes((*leading[:-1], out_channels), steps, f"nn.Conv{spatial_dims}d", channels)


def windows_along(
    spatial_dims: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    *,
    ceil_mode: bool = False,
    may_cut: bool = False,
) -> list[Window]:
    """A window for each spatial axis; ``stride=None`` is a pooling layer's kernel size."""
    kernel_sizes = per_axis(kernel_size, spatial_dims, "kernel_size")
    strides = per_axis(stride, spatial_dims, "stride") if stride not in (None, (), []) else kernel_sizes
    paddings = per_axis(padding, spatial_dims, "padding")
    dilations = per_axis(dilation, spatial_dims, "dilation")
    windows = [
        Window(*settings, ceil_mode) for settings in zip(kernel_sizes, strides, paddings, dilations, strict=True)
    ]
    for window in windows:
        window.check(may_cut=may_cut)
    return windows


def conv_transpose(
    input_shape: Shape,
    /,
    *,
    spatial_dims: int,
    out_channels: Size,
    kernel_size: Setting,
    stride: Setting = 1,
    padding: Setting = 0,
    output_padding: Setting = 0,
    dilation: Setting = 1,
    output_size: Sequence[Size] | None = None,
    in_channels: Size | None = None,
) -> Derivation:
    """Shape after ``ConvTranspose1d``, ``ConvTranspose2d`` or ``ConvTranspose3d``.

    ``output_size``, an argument of the call, chooses the output padding; like there it may be given
    with or without batch and channels.  Raises `SizeError` where it cannot be had, where the output
    padding is neither below the stride nor the dilation, and where nothing would be left.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html

    >>> print(conv_transpose((1, 8, 7), spatial_dims=1, out_channels=8, kernel_size=2, stride=2).steps[0].text)
    (7−1)·2 − 2·0 + 1·(2−1) + 0 + 1 = 14
    """
    leading, spatial = split_spatial(input_shape, spatial_dims)
    require_width(leading[-1], in_channels, "C", "in_channels")
    axes = SPATIAL_AXES[spatial_dims]
    require_filled(spatial, axes)
    windows = windows_along(spatial_dims, kernel_size, stride, padding, dilation)
    bare = [_widen(axis, size, window) for axis, size, window in zip(axes, spatial, windows, strict=True)]
    if output_size is not None:
        wanted = spatial_part(output_size, len(leading), spatial_dims)
        for axis, size, step, window in zip(axes, wanted, bare, windows, strict=True):
            if certain(size < step.size) or certain(size > step.size + window.stride - 1):
                reachable = f"{spell(step.size)} to {spell(step.size + window.stride - 1)}"
                raise SizeError(f"output_size is {spell(size)} along {axis}, but can be {reachable}", axis=axis)
        extras: tuple[Any, ...] = tuple(size - step.size for size, step in zip(wanted, bare, strict=True))
    else:
        extras = sizes_per_axis(output_padding, spatial_dims, "output_padding")
    steps = []
    for axis, size, window, extra in zip(axes, spatial, windows, extras, strict=True):
        allowed = max(window.stride, window.dilation or 1)
        if certain(extra < 0) or certain(extra >= allowed):
            raise SizeError(f"output_padding is {spell(extra)} along {axis}, but must be 0 to {allowed - 1}", axis=axis)
        step = _widen(axis, size, window, extra)
        if certain(step.size < 1):
            missing = 1 - (step.size - (size - 1) * window.stride)
            minimum = 1 + -(-missing // window.stride)
            message = f"{axis} is {spell(size)}, but must be at least {spell(minimum)}: {step.arithmetic} = "
            raise SizeError(message + spell(step.size), axis=axis, size=size, minimum=minimum)
        steps.append(step)
    channels = channel_step(leading[-1], out_channels)
    return along_axes((*leading[:-1], out_channels), steps, f"nn.ConvTranspose{spatial_dims}d", channels)


def _widen(axis: str, size: Size, window: Window, output_padding: Size = 0) -> Step:
    """The window formula solved for the input."""
    result = (size - 1) * window.stride - window.both_sides + window.reach + output_padding
    return step_of(
        axis, "({axis}−1)·{stride} − 2·{padding} + {dilation}·({kernel_size}−1) + {output_padding} + 1", result, size,
        stride=window.stride, padding=window.both_sides // 2, dilation=window.dilation,
        kernel_size=window.kernel_size, output_padding=output_padding,
    )  # fmt: skip


def spatial_part(output_size: Any, leading: int, spatial_dims: int) -> tuple[Size, ...]:
    """The spatial sizes of an ``output_size`` that may have batch and channels in front."""
    sizes = tuple(output_size) if is_sequence(output_size) else (output_size,)
    require_sizes("output_size", sizes)
    if len(sizes) == leading + spatial_dims:
        sizes = sizes[leading:]
    if len(sizes) != spatial_dims:
        raise SizeError(f"output_size has {len(sizes)} values for {spatial_dims} spatial axes")
    return sizes
