"""Layers that change the resolution: interpolation and pixel shuffles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlin._util.torch_behavior import resizes_by_lanczos
from convlin.arithmetic.common import (
    SPATIAL_AXES,
    Setting,
    SizeError,
    along_axes,
    certain,
    declared,
    page,
    per_axis,
    quotient,
    require_averaged,
    require_filled,
    require_sizes,
    sizes_per_axis,
    split_spatial,
    step_of,
)
from convlin.records import Derivation, Shape, Size, Step
from convlin.sizes.spell import spell, spell_shape


def scale_axis(axis: str, size: Size, scale: float, name: str) -> Step:
    """A size times a factor, rounded down, in the floating point arithmetic that PyTorch does it in."""
    if not isinstance(scale, int | float):
        raise SizeError(f"{name} is {scale!r}, but must be a number")
    numerator, denominator = scale.as_integer_ratio()
    scaled: Size
    if isinstance(size, int):
        scaled = int(size * scale)
    elif denominator < 2**16:  # such a factor has no rounding error, and a fraction reads better
        scaled = size * numerator // denominator
    else:
        import sympy

        scaled = sympy.floor(size * scale)
    return step_of(axis, f"⌊{{axis}}·{{{name}}}⌋", scaled, size, **{name: scale})


def declared_or_scaled(
    axes: Sequence[str], spatial: Shape, size: tuple[str, Any], scale: tuple[str, Any], *, one_for_all: bool = True
) -> list[Step]:
    """The new size of every axis, by the one of two settings that is given: each comes with its name."""
    if size[1] is not None:
        sizes = sizes_per_axis(size[1], len(axes), size[0], one_for_all=one_for_all)
        return [declared(axis, size[0], wanted) for axis, wanted in zip(axes, sizes, strict=True)]
    scales = per_axis(scale[1], len(axes), scale[0], one_for_all=one_for_all)
    return [scale_axis(*each, scale[0]) for each in zip(axes, spatial, scales, strict=True)]


_ANTIALIASED = ("bilinear", "bicubic", "lanczos")
_RANKS = {"linear": (3,), "bilinear": (4,), "bicubic": (4,), "lanczos": (4,), "trilinear": (5,)}


def interpolate(
    input_shape: Shape,
    /,
    *,
    size: Setting | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Derivation:
    """Shape after ``F.interpolate`` or ``Upsample`` of ``(N, C, *spatial)``.

    Takes either ``size`` or ``scale_factor``; ``recompute_scale_factor`` changes values, never sizes.
    Raises `SizeError` where nothing would be left, for a ``mode`` of another rank, and for one that does
    not go with ``antialias``.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.Upsample.html

    >>> print(interpolate((1, 8, 15, 15), scale_factor=2.5).steps[0].text)
    ⌊15·2.5⌋ = 37
    """
    rank = len(input_shape)
    if rank not in _RANKS.get(mode, (3, 4, 5)):
        raise SizeError(f"mode {mode!r} does not take the {rank} dimensions of {spell_shape(input_shape)}")
    leading, spatial = split_spatial(input_shape, rank - 2)
    axes = SPATIAL_AXES[rank - 2]
    if (size is None) == (scale_factor is None):
        raise SizeError("interpolation takes either a size or a scale_factor")
    if size is not None and recompute_scale_factor:
        raise SizeError("recompute_scale_factor goes with a scale_factor only")
    if antialias and mode not in _ANTIALIASED:
        raise SizeError(f"antialias goes with the modes {', '.join(_ANTIALIASED)}, not with {mode!r}")
    if mode == "lanczos" and not resizes_by_lanczos():
        raise SizeError("this version of torch has no mode 'lanczos'")
    if mode == "lanczos" and not antialias:
        raise SizeError("mode 'lanczos' goes with antialias=True only")
    if mode != "area":
        require_filled((leading[-1], *spatial), ("C", *axes))
    steps = declared_or_scaled(axes, spatial, ("size", size), ("scale_factor", scale_factor), one_for_all=False)
    for step, before in zip(steps, spatial, strict=True):
        # Mode "area" is adaptive pooling, which may leave nothing.
        if certain(step.size < (0 if mode == "area" else 1)):
            message = f"{step.axis} is {spell(before)} and would become {step.arithmetic} = {spell(step.size)}"
            raise SizeError(message, axis=step.axis, size=before)
    if mode == "area":
        require_averaged(leading, spatial, (step.size for step in steps))
    return along_axes(leading, steps, "nn.Upsample")


def pixel_shuffle(input_shape: Shape, /, *, upscale_factor: int) -> Derivation:
    """Shape after ``PixelShuffle`` of ``(*, C·factor², H, W)``: ``(*, C, H·factor, W·factor)``.

    Raises `SizeError` where the squared factor does not divide the channels.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.PixelShuffle.html

    >>> [step.text for step in pixel_shuffle((1, 64, 8, 8), upscale_factor=2).steps]
    ['64/2² = 16', '8·2 = 16']
    """
    leading, channels, spatial = _image(input_shape, upscale_factor, "upscale_factor")
    fewer = _divide("C", channels, upscale_factor**2, f"{upscale_factor}²")
    scale = {"upscale_factor": upscale_factor}
    steps = [step_of("C", "{axis}/{upscale_factor}²", fewer, channels, **scale)]
    for axis, size in zip("HW", spatial, strict=True):
        steps.append(step_of(axis, "{axis}·{upscale_factor}", size * upscale_factor, size, **scale))
    return along_axes(leading, steps, "nn.PixelShuffle")


def pixel_unshuffle(input_shape: Shape, /, *, downscale_factor: int) -> Derivation:
    """Shape after ``PixelUnshuffle`` of ``(*, C, H, W)``: ``(*, C·factor², H/factor, W/factor)``.

    Raises `SizeError` where the factor does not divide height and width.  A tensor without elements
    keeps its shape, as it does in PyTorch on every device but meta.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.PixelUnshuffle.html

    >>> [step.text for step in pixel_unshuffle((1, 16, 8, 8), downscale_factor=2).steps]
    ['16·2² = 64', '8/2 = 4']
    """
    leading, channels, spatial = _image(input_shape, downscale_factor, "downscale_factor")
    more = channels * downscale_factor**2
    scale = {"downscale_factor": downscale_factor}
    steps = [step_of("C", "{axis}·{downscale_factor}²", more, channels, **scale)]
    for axis, size in zip("HW", spatial, strict=True):
        less = _divide(axis, size, downscale_factor, str(downscale_factor))
        steps.append(step_of(axis, "{axis}/{downscale_factor}", less, size, **scale))
    if 0 in input_shape:
        return Derivation(tuple(input_shape), (), page("nn.PixelUnshuffle"))
    return along_axes(leading, steps, "nn.PixelUnshuffle")


def _image(shape: Shape, scale: int, name: str) -> tuple[Shape, Size, Shape]:
    if len(shape) < 3:
        raise SizeError(f"{spell_shape(shape)} has fewer than the three dimensions of an image")
    require_sizes(name, (scale,))
    if scale < 1:
        raise SizeError(f"{name} is {spell(scale)}, but must be at least 1")
    return tuple(shape[:-3]), shape[-3], tuple(shape[-2:])


def _divide(axis: str, size: Size, divisor: int, text: str) -> Size:
    result = quotient(size, divisor)
    if result is None:
        raise SizeError(f"{axis} is {spell(size)}, but must divide by {text}", axis=axis, size=size)
    return result
