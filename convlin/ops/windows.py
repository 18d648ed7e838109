"""Functions with windows and weights, as the layers of the same names: ``F.conv2d``, ``F.max_pool2d``, ``F.linear``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from convlin import arithmetic
from convlin.arithmetic.common import SPATIAL_AXES, SizeError, differ, page, require_filled
from convlin.derivations import formulas
from convlin.derivations.arguments import Given, first, taken
from convlin.ops.op import Family, InLetters, OnMeta, Op, StandIn, Writes, of_first
from convlin.records import Call, Derivation, Size
from convlin.sizes.spell import spell, spell_shape


def _require_bias(call: Call, out_channels: Size) -> None:
    """The bias, where there is one, has an element for each channel that comes out."""
    if len(call.inputs) > 2 and call.inputs[2].shape != (out_channels,):
        bias = spell_shape(call.inputs[2].shape)
        raise SizeError(f"the bias is {bias}, but must be {spell(out_channels)}, the number of channels that come out")


def _convolution(call: Call, given: Given, dims: int) -> Derivation:
    weight = call.inputs[1].shape
    _require_bias(call, weight[0])
    return arithmetic.convolution(
        first(call),
        spatial_dims=dims,
        out_channels=weight[0],
        in_channels=weight[1] * given.get("groups", 1),
        kernel_size=weight[2:],
        **taken(given, "stride", "padding", "dilation"),
    )


def _conv_transpose(call: Call, given: Given, dims: int) -> Derivation:
    weight = call.inputs[1].shape
    out_channels = weight[1] * given.get("groups", 1)
    _require_bias(call, out_channels)
    return arithmetic.conv_transpose(
        first(call),
        spatial_dims=dims,
        out_channels=out_channels,
        in_channels=weight[0],
        kernel_size=weight[2:],
        **taken(given, "stride", "padding", "output_padding", "dilation"),
    )


def _pad(call: Call, given: Given) -> Derivation | None:
    if "pad" not in given:  # tensors among the numbers
        return None
    return arithmetic.pad(first(call), padding=given["pad"], **taken(given, "mode"))


def _grid_sample(call: Call, given: Given) -> Derivation | None:
    shape, grid = first(call), call.inputs[1].shape
    if given.get("mode") == "bicubic" and len(shape) == 5:  # some versions of PyTorch take it
        return None
    both = f"{spell_shape(shape)} and a grid of {spell_shape(grid)}"
    if len(shape) not in (4, 5) or len(grid) != len(shape):
        raise SizeError(f"{both} do not both have 4 or 5 dimensions")
    if differ(shape[0], grid[0]):
        raise SizeError(f"{both} differ in their batch", axis="dim 0", size=grid[0])
    if differ(grid[-1], len(shape) - 2):
        raise SizeError(f"a grid has {len(shape) - 2} coordinates for {spell_shape(shape)}, not {spell(grid[-1])}")
    require_filled(shape[2:], SPATIAL_AXES[len(shape) - 2])
    return Derivation((*shape[:2], *grid[1:-1]), (), page("nn.functional.grid_sample"))


# Features


def _linear(call: Call, given: Given) -> Derivation:
    weight = call.inputs[1].shape
    if len(weight) == 1:
        return Derivation(first(call)[:-1], (), page("nn.functional.linear"))
    return arithmetic.linear(first(call), out_features=weight[0], in_features=weight[1])


def _embedding(call: Call, given: Given) -> Derivation:
    return arithmetic.embedding(first(call), embedding_dim=call.inputs[1].shape[1])


def _embedding_bag(call: Call, given: Given) -> Derivation:
    offsets = call.inputs[2].shape[0] if len(call.inputs) == 3 else None
    settings = taken(given, "include_last_offset")
    return arithmetic.embedding_bag(
        first(call), embedding_dim=call.inputs[1].shape[1], offsets=offsets, **settings
    )  # fmt: skip


def _one_hot(call: Call, given: Given) -> Derivation | None:
    classes = given.get("num_classes", -1)
    return arithmetic.embedding(first(call), embedding_dim=classes) if classes > 0 else None


def _attention(call: Call, given: Given) -> Derivation:
    query, key, value = call.input_shapes[:3]
    return formulas.attention(query, key, value, **taken(given, "enable_gqa"))


_POOL = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVG_POOL = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
_CONVOLUTION = ("weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_FRACTIONAL = ("kernel_size", "output_size", "output_ratio", "return_indices")
_UNPOOL = ("indices", "kernel_size", "stride", "padding", "output_size")
_ADAPTIVE = ("output_size", "return_indices")
_FOLD = ("output_size", "kernel_size", "dilation", "padding", "stride")
_RESIZE = ("size", "scale_factor", "mode", "align_corners")
#: The modes of ``F.interpolate``, and of how many axes, batch and channels among them; the usual one of as many first.
RESIZES: dict[str, tuple[int, ...]] = {
    "nearest": (3, 4, 5), "nearest-exact": (3, 4, 5), "linear": (3,), "bilinear": (4,), "bicubic": (4,),
    "trilinear": (5,),
}  # fmt: skip


def _window(
    name: str,
    family: Family,
    formula: Callable[..., Derivation],
    parameters: tuple[str, ...],
    role: str = "pool",
    *,
    dims: tuple[int, ...] = (1, 2, 3),
    indices: bool = False,
    differs_on_meta: bool = False,
    in_letters: InLetters | None = None,
    **fixed: Any,
) -> tuple[Op, ...]:
    """The entries of ``name`` along one, two and three axes; with ``indices`` PyTorch has a second name for each."""
    return tuple(
        Op(
            (f"{name}{rank}d{end}",), family, of_first(formula, spatial_dims=rank, **fixed), parameters,
            makes_feature_map=True, role=role, differs_on_meta=differs_on_meta, spatial_dims=rank,
            in_letters=None if end else in_letters,
        )
        for rank in dims
        for end in (("", "_with_indices") if indices else ("",))
    )  # fmt: skip


OPS: tuple[Op, ...] = (
    *(
        Op((f"conv{dims}d",), Family.CONVOLUTION, partial(_convolution, dims=dims), _CONVOLUTION,
           makes_feature_map=True, role="conv", differs_on_meta=True, spatial_dims=dims, stand_in=StandIn.CONVOLUTION,
           on_meta=OnMeta.CONVOLUTION, in_letters=InLetters.CONVOLUTION, keeps_channels_last=True)
        for dims in (1, 2, 3)
    ),
    *(
        Op((f"conv_transpose{dims}d",), Family.TRANSPOSED_CONVOLUTION, partial(_conv_transpose, dims=dims),
           _TRANSPOSED, makes_feature_map=True, role="up", differs_on_meta=True, keeps_channels_last=True,
           spatial_dims=dims, stand_in=StandIn.CONVOLUTION)
        for dims in (1, 2, 3)
    ),
    Op(("convolution",), Family.OTHER, makes_feature_map=True, role="conv"),
    Op(("conv_tbc",), Family.OTHER, mixes_cells=True, role="conv"),  # gives (time, batch, channels)
    *_window("max_pool", Family.POOL, arithmetic.max_pool, _POOL, indices=True, in_letters=InLetters.MAX_POOL),
    *_window("avg_pool", Family.POOL, arithmetic.avg_pool, _AVG_POOL, in_letters=InLetters.AVG_POOL),
    *_window("lp_pool", Family.POOL, arithmetic.lp_pool, ("norm_type", "kernel_size", "stride", "ceil_mode")),
    *_window("adaptive_avg_pool", Family.ADAPTIVE_POOL, arithmetic.adaptive_pool, _ADAPTIVE, kind="Avg",
             differs_on_meta=True, in_letters=InLetters.ADAPTIVE_POOL),
    *_window("adaptive_max_pool", Family.ADAPTIVE_POOL, arithmetic.adaptive_pool, _ADAPTIVE, kind="Max", indices=True,
             in_letters=InLetters.ADAPTIVE_POOL),
    *_window("fractional_max_pool", Family.FRACTIONAL_POOL, arithmetic.fractional_max_pool, _FRACTIONAL,
             dims=(2, 3), indices=True, differs_on_meta=True),
    *_window("max_unpool", Family.UNPOOL, arithmetic.max_unpool, _UNPOOL, "up"),
    Op(("fold",), Family.WINDOWS, of_first(arithmetic.fold), _FOLD, role="reshape"),
    # ``Tensor.unfold`` is another function.
    Op(("unfold",), Family.WINDOWS, of_first(arithmetic.unfold), _FOLD[1:], owner="F", role="reshape",
       differs_on_meta=True),
    Op(("interpolate", "upsample"), Family.RESIZE, of_first(arithmetic.interpolate), _RESIZE,
       makes_feature_map=True, role="up", differs_on_meta=True, in_letters=InLetters.RESIZED),
    Op(("pixel_shuffle",), Family.PIXEL_SHUFFLE, of_first(arithmetic.pixel_shuffle), ("upscale_factor",),
       makes_feature_map=True, role="up"),
    Op(("pixel_unshuffle",), Family.PIXEL_UNSHUFFLE, of_first(arithmetic.pixel_unshuffle), ("downscale_factor",),
       makes_feature_map=True, differs_on_meta=True, in_letters=InLetters.GATHERED),
    Op(("channel_shuffle",), Family.OTHER, in_letters=InLetters.UNCHANGED, differs_on_meta=True,
       keeps_channels_last=True),
    Op(("pad",), Family.PAD, _pad, ("pad", "mode", "value"), makes_feature_map=True, differs_on_meta=True,
       keeps_channels_last=True),
    Op(("grid_sample",), Family.OTHER, _grid_sample, ("grid", "mode", "padding_mode", "align_corners"), role="up",
       differs_on_meta=True, in_letters=InLetters.SAMPLED),
    Op(("affine_grid",), Family.OTHER, in_letters=InLetters.PLACES),
    Op(("linear",), Family.LINEAR, _linear, ("weight", "bias"), role="linear", stand_in=StandIn.LINEAR,
       in_letters=InLetters.LINEAR),
    Op(("embedding",), Family.EMBEDDING, _embedding,
       ("weight", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse"), role="embed", indexes=True,
       writes=Writes("max_norm")),
    Op(("embedding_bag",), Family.EMBEDDING, _embedding_bag, ("weight", "offsets", "max_norm"), role="embed",
       indexes=True, writes=Writes("max_norm")),
    Op(("one_hot",), Family.EMBEDDING, _one_hot, ("num_classes",), indexes=True),
    Op(("scaled_dot_product_attention",), Family.ATTENTION, _attention,
       ("key", "value", "attn_mask", "dropout_p", "is_causal"), role="attention", sign="attention",
       on_meta=OnMeta.ATTENTION),
)  # fmt: skip
