"""Output sizes as PyTorch's documentation states them (torch 2.13), for ``docs/make_behavior.py`` to hold against runs.

Written from the *Shape* sections of the pages of ``torch.nn``, with their conditions and without any knowledge of what
runs.  None stands for what a page excludes or says nothing of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, floor, prod
from typing import Any

from docs.behavior_cases import Case, Shape

Documented = Callable[[Case], "Shape | None"]


def _each(value: Any, dims: int) -> tuple[Any, ...]:
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return values * dims if len(values) == 1 else values


def _split(case: Case) -> tuple[Shape, Shape] | None:
    """Batch and channels, and the spatial sizes; the pages know one batch dimension or none."""
    dims, shape = int(case.name[-2]), case.shapes[0]
    return (shape[:-dims], shape[-dims:]) if len(shape) in (dims + 1, dims + 2) else None


def _along(case: Case, size: Callable[..., Any], *names: str, channels: int | None = None) -> Shape | None:
    """A formula of one axis, on every axis; ``names`` are the settings that it takes one of for each."""
    split = _split(case)
    if split is None:
        return None
    leading, spatial = split
    values = [_each(case.settings.get(name, _DEFAULTS.get(name)), len(spatial)) for name in names]
    sizes = tuple(size(*each) for each in zip(spatial, *values, strict=True))
    return (*leading[:-1], leading[-1] if channels is None else channels, *sizes)


_DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0}


def _convolution(case: Case) -> Shape | None:
    """Conv1d to Conv3d: ⌊(L + 2·padding − dilation·(kernel_size − 1) − 1)/stride + 1⌋; "same" keeps the size."""
    split = _split(case)
    padding = case.settings.get("padding", 0)
    if split is None or split[0][-1] != case.settings["in_channels"]:
        return None
    if padding == "same" and case.settings.get("stride", 1) != 1:  # "padding='same' does not support stride > 1"
        return None

    def size(length: int, kernel: int, stride: int, dilation: int) -> int:
        if padding == "same":
            return length
        both = 0 if padding == "valid" else 2 * padding
        return floor((length + both - dilation * (kernel - 1) - 1) / stride + 1)

    return _along(case, size, "kernel_size", "stride", "dilation", channels=case.settings["out_channels"])


def _transposed(case: Case) -> Shape | None:
    """(L − 1)·stride − 2·padding + dilation·(kernel_size − 1) + output_padding + 1; ``padding_mode`` zeros only."""
    split = _split(case)
    if split is None or split[0][-1] != case.settings["in_channels"] or "padding_mode" in case.settings:
        return None
    if case.call:
        return None  # "output_size" is described as resolving the ambiguity, without the sizes that it may have

    def size(length: int, kernel: int, stride: int, padding: int, dilation: int, extra: int) -> int:
        return (length - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1

    return _along(
        case, size, "kernel_size", "stride", "padding", "dilation", "output_padding",
        channels=case.settings["out_channels"],
    )  # fmt: skip


def _pool(case: Case) -> Shape | None:
    """⌊(L + 2·padding − dilation·(kernel_size − 1) − 1)/stride + 1⌋, with ⌈ ⌉ for ``ceil_mode``.

    A note on every page: a window that would start in the right padded region is ignored; the padding is at most half
    of the kernel.
    """
    settings = case.settings
    kernel = settings["kernel_size"]
    ceil_mode = settings.get("ceil_mode", False)
    rounded: Callable[[float], int] = ceil if ceil_mode else floor
    strides = settings.get("stride", kernel)
    dims = int(case.name[-2])
    paddings, kernels = _each(settings.get("padding", 0), dims), _each(kernel, dims)
    if not all(0 <= padding <= size / 2 for padding, size in zip(paddings, kernels, strict=True)):
        return None

    def size(length: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
        windows = rounded((length + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1)
        return windows - 1 if ceil_mode and (windows - 1) * stride >= length + padding else windows

    filled = Case(case.name, case.shapes, {**settings, "stride": strides})
    return _along(filled, size, "kernel_size", "stride", "padding", "dilation")


def _max_pool1d(case: Case) -> Shape | None:
    """As `_pool`, but the page of MaxPool1d has its own line for ``ceil_mode``.

    ⌈(L + 2·padding − dilation·(kernel_size − 1) − 1 + (stride − 1))/stride⌉ + 1, less one where the last would start
    outside.
    """
    if not case.settings.get("ceil_mode"):
        return _pool(case)
    if _pool(case) is None:
        return None
    settings = {"stride": case.settings["kernel_size"], **case.settings}

    def size(length: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
        windows = ceil((length + 2 * padding - dilation * (kernel - 1) - 1 + (stride - 1)) / stride) + 1
        return windows - 1 if (windows - 1) * stride >= length + padding else windows

    return _along(Case(case.name, case.shapes, settings), size, "kernel_size", "stride", "padding", "dilation")


def _unpool(case: Case) -> Shape | None:
    """(L − 1)·stride − 2·padding + kernel_size, or ``output_size``."""
    split = _split(case)
    if split is None:
        return None
    dims = len(split[1])
    if case.call:
        return (*split[0], *case.call["output_size"][-dims:])
    settings = {"stride": case.settings["kernel_size"], **case.settings}
    return _along(
        Case(case.name, case.shapes, settings),
        lambda length, kernel, stride, padding: (length - 1) * stride - 2 * padding + kernel,
        "kernel_size", "stride", "padding",
    )  # fmt: skip


def _fractional(case: Case) -> Shape | None:
    """``output_size``, or ``output_ratio`` (between 0 and 1) times the size.

    The page of FractionalMaxPool2d asks for kernel_size + output_size − 1 ≤ size; that of FractionalMaxPool3d has no
    condition.
    """
    split = _split(case)
    settings = case.settings
    if split is None or ("output_size" in settings) == ("output_ratio" in settings):
        return None
    leading, spatial = split
    dims = len(spatial)
    if "output_ratio" in settings:
        ratios = _each(settings["output_ratio"], dims)
        if not all(0 < ratio < 1 for ratio in ratios):
            return None
        sizes = tuple(int(ratio * size) for ratio, size in zip(ratios, spatial, strict=True))
    else:
        sizes = _each(settings["output_size"], dims)
    kernels = _each(settings["kernel_size"], dims)
    if None in sizes:
        return None
    fits = all(kernel + out - 1 <= size for kernel, out, size in zip(kernels, sizes, spatial, strict=True))
    return (*leading, *sizes) if dims == 3 or fits else None


def _adaptive(case: Case) -> Shape | None:
    """``output_size``; None keeps the size."""
    split = _split(case)
    if split is None:
        return None
    leading, spatial = split
    asked = case.settings["output_size"]
    if isinstance(asked, tuple) and len(asked) != len(spatial):
        return None
    wanted = _each(asked, len(spatial))
    return (*leading, *(size if each is None else each for size, each in zip(spatial, wanted, strict=True)))


def _blocks(spatial: Shape, settings: Mapping[str, Any]) -> int | None:
    names = ("padding", "dilation", "kernel_size", "stride")
    values = [_each(settings.get(name, _DEFAULTS.get(name)), 2) for name in names]
    along = [
        floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1)
        for size, padding, dilation, kernel, stride in zip(spatial, *values, strict=True)
    ]
    return prod(along) if min(along) > 0 else None


def _unfold(case: Case) -> Shape | None:
    """(N, C·∏kernel_size, L), L the number of blocks; "only 4-D input tensors"."""
    shape = case.shapes[0]
    if len(shape) != 4:
        return None
    columns = shape[1] * prod(_each(case.settings["kernel_size"], 2))
    blocks = _blocks(shape[2:], case.settings)
    return None if blocks is None else (shape[0], columns, blocks)


def _fold(case: Case) -> Shape | None:
    """(N, C, *output_size) of (N, C·∏kernel_size, L), where L is the number of blocks."""
    shape, size = case.shapes[0], _each(case.settings["output_size"], 2)
    kernel = prod(_each(case.settings["kernel_size"], 2))
    if len(shape) not in (2, 3) or shape[-2] % kernel or shape[-1] != _blocks(size, case.settings):
        return None
    return (*shape[:-2], shape[-2] // kernel, *size)


def _padded(case: Case) -> Shape | None:
    """L + padding_left + padding_right; reflection less than the size, circular at most the size."""
    split = _split(case)
    if split is None:
        return None
    leading, spatial = split
    padding, dims = case.settings["padding"], len(spatial)
    pairs = padding if isinstance(padding, tuple) else (padding,) * 2 * dims
    befores, afters = pairs[-2::-2], pairs[-1::-2]
    for size, *sides in zip(spatial, befores, afters, strict=True):
        if case.name.startswith("Reflection") and max(sides) >= size:
            return None
        if case.name.startswith("Circular") and max(sides) > size:
            return None
    return (*leading, *(size + one + two for size, one, two in zip(spatial, befores, afters, strict=True)))


def _resized(case: Case) -> Shape | None:
    """``size``, or ⌊size·scale_factor⌋; each mode for its rank."""
    shape, settings = case.shapes[0], case.settings
    modes = {"linear": (3,), "bilinear": (4,), "bicubic": (4,), "lanczos": (4,), "trilinear": (5,)}
    size, scale = settings.get("size"), settings.get("scale_factor")
    mode = settings.get("mode", "nearest")
    if len(shape) not in modes.get(mode, (3, 4, 5)) or (size is None) == (scale is None):
        return None
    antialias = settings.get("antialias", False)
    if antialias and mode not in ("bilinear", "bicubic", "lanczos"):  # "Supported modes", of antialias
        return None
    if settings.get("recompute_scale_factor") and scale is None:
        return None
    dims = len(shape) - 2
    given = size if scale is None else scale
    if isinstance(given, tuple) and len(given) != dims:
        return None
    values = _each(given, dims)
    if scale is None:
        return (*shape[:2], *values)
    return (*shape[:2], *(floor(each * factor) for each, factor in zip(shape[2:], values, strict=True)))


def _shuffled(case: Case) -> Shape | None:
    """(*, C/r², H·r, W·r), and back: (*, C·r², H/r, W/r)."""
    shape = case.shapes[0]
    if len(shape) < 3:
        return None
    *front, channels, height, width = shape
    (factor,) = case.settings.values()
    if factor < 1:
        return None
    if case.name == "PixelShuffle":
        return None if channels % factor**2 else (*front, channels // factor**2, height * factor, width * factor)
    return (
        None if height % factor or width % factor else (*front, channels * factor**2, height // factor, width // factor)
    )


def _recurrent(case: Case) -> Shape | None:
    """(L, N, D·H_out), or (L, D·H_out) without a batch; H_out is ``proj_size`` where that is positive."""
    shape, settings = case.shapes[0], case.settings
    if len(shape) not in (2, 3) or shape[-1] != settings["input_size"]:
        return None
    projected = settings.get("proj_size", 0)
    if projected >= settings["hidden_size"] or (projected and case.name != "LSTM"):
        return None
    return (*shape[:-1], (2 if settings.get("bidirectional") else 1) * (projected or settings["hidden_size"]))


def _bag(case: Case) -> Shape | None:
    """(B, embedding_dim): the bags of a 2-D input, or the offsets, one less with ``include_last_offset``."""
    shape, dim = case.shapes[0], case.settings["embedding_dim"]
    if len(case.shapes) == 1:
        return (shape[0], dim) if len(shape) == 2 else None
    bags = case.shapes[1][0] - bool(case.settings.get("include_last_offset"))
    return (bags, dim) if len(shape) == 1 and bags >= 0 else None


def _attention(case: Case) -> Shape | None:
    """(N, …, Hq, L, Ev) of query (N, …, Hq, L, E), key (N, …, H, S, E), value (N, …, H, S, Ev)."""
    query, key, value = case.shapes
    if (
        min(map(len, case.shapes)) < (3 if case.settings.get("enable_gqa") else 2)
        or query[-1] != key[-1]
        or key[-2] != value[-2]
    ):
        return None
    return (*query[:-1], value[-1]) if query[:-2] == key[:-2] == value[:-2] else None


#: The formula of every layer whose page has one.
DOCUMENTED: Mapping[str, Documented] = {
    **{f"Conv{dims}d": _convolution for dims in (1, 2, 3)},
    **{f"ConvTranspose{dims}d": _transposed for dims in (1, 2, 3)},
    **{f"{kind}Pool{dims}d": _pool for kind in ("Max", "Avg", "LP") for dims in (1, 2, 3)},
    "MaxPool1d": _max_pool1d,
    **{f"MaxUnpool{dims}d": _unpool for dims in (1, 2, 3)},
    **{f"FractionalMaxPool{dims}d": _fractional for dims in (2, 3)},
    **{f"Adaptive{kind}Pool{dims}d": _adaptive for kind in ("Avg", "Max") for dims in (1, 2, 3)},
    "Unfold": _unfold,
    "Fold": _fold,
    **{
        f"{kind}Pad{dims}d": _padded
        for kind in ("Reflection", "Replication", "Circular", "Zero")
        for dims in (1, 2, 3)
    },
    "F.interpolate": _resized,
    "Upsample": _resized,
    "PixelShuffle": _shuffled,
    "PixelUnshuffle": _shuffled,
    **dict.fromkeys(("RNN", "LSTM", "GRU"), _recurrent),
    "EmbeddingBag": _bag,
    "F.scaled_dot_product_attention": _attention,
}  # fmt: skip
