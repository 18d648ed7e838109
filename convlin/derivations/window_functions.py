"""Functions with windows and weights, as the layers of the same names: ``F.conv2d``, ``F.max_pool2d``, ``F.linear``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from convlin import arithmetic
from convlin.arithmetic.common import page
from convlin.derivations import formulas
from convlin.derivations.arguments import Function, Given, first, taken
from convlin.records import Call, Derivation


def _convolution(call: Call, given: Given, dims: int) -> Derivation:
    weight = call.inputs[1].shape
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
    return arithmetic.conv_transpose(
        first(call),
        spatial_dims=dims,
        out_channels=weight[1] * given.get("groups", 1),
        in_channels=weight[0],
        kernel_size=weight[2:],
        **taken(given, "stride", "padding", "output_padding", "dilation"),
    )


def _max_pool(call: Call, given: Given, dims: int) -> Derivation:
    settings = taken(given, "kernel_size", "stride", "padding", "dilation", "ceil_mode")
    return arithmetic.max_pool(first(call), spatial_dims=dims, **settings)


def _avg_pool(call: Call, given: Given, dims: int) -> Derivation:
    settings = taken(given, "kernel_size", "stride", "padding", "ceil_mode")
    return arithmetic.avg_pool(first(call), spatial_dims=dims, **settings)


def _lp_pool(call: Call, given: Given, dims: int) -> Derivation:
    settings = taken(given, "kernel_size", "stride", "ceil_mode")
    return arithmetic.lp_pool(first(call), spatial_dims=dims, **settings)


def _adaptive_avg_pool(call: Call, given: Given, dims: int) -> Derivation:
    return arithmetic.adaptive_pool(first(call), spatial_dims=dims, output_size=given["output_size"], kind="Avg")


def _adaptive_max_pool(call: Call, given: Given, dims: int) -> Derivation:
    return arithmetic.adaptive_pool(first(call), spatial_dims=dims, output_size=given["output_size"], kind="Max")


def _fractional_max_pool(call: Call, given: Given, dims: int) -> Derivation:
    settings = taken(given, "kernel_size", "output_size", "output_ratio")
    return arithmetic.fractional_max_pool(first(call), spatial_dims=dims, **settings)


def _max_unpool(call: Call, given: Given, dims: int) -> Derivation:
    settings = taken(given, "kernel_size", "stride", "padding", "output_size")
    return arithmetic.max_unpool(first(call), spatial_dims=dims, **settings)


def _fold(call: Call, given: Given) -> Derivation:
    settings = taken(given, "output_size", "kernel_size", "dilation", "padding", "stride")
    return arithmetic.fold(first(call), **settings)


def _unfold(call: Call, given: Given) -> Derivation:
    return arithmetic.unfold(first(call), **taken(given, "kernel_size", "dilation", "padding", "stride"))


def _interpolate(call: Call, given: Given) -> Derivation:
    return arithmetic.interpolate(first(call), **taken(given, "size", "scale_factor", "mode"))


def _pad(call: Call, given: Given) -> Derivation | None:
    if "pad" not in given:  # tensors among the numbers
        return None
    return arithmetic.pad(first(call), padding=given["pad"], **taken(given, "mode"))


def _grid_sample(call: Call, given: Given) -> Derivation:
    grid = call.inputs[1].shape
    return Derivation((*first(call)[:2], *grid[1:-1]), (), page("nn.functional.grid_sample"))


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


def _attention(call: Call, given: Given) -> Derivation | None:
    query, key, value = call.input_shapes[:3]
    return formulas.attention(query, value) if query[:-2] == key[:-2] == value[:-2] else None


_POOL = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVG_POOL = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
_CONVOLUTION = ("weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_FRACTIONAL = ("kernel_size", "output_size", "output_ratio", "return_indices")
_ADAPTIVE = ("output_size", "return_indices")

FUNCTIONS: Mapping[str, Function] = {
    **{f"conv{dims}d": Function(partial(_convolution, dims=dims), _CONVOLUTION) for dims in (1, 2, 3)},
    **{f"conv_transpose{dims}d": Function(partial(_conv_transpose, dims=dims), _TRANSPOSED) for dims in (1, 2, 3)},
    **{
        f"max_pool{dims}d{end}": Function(partial(_max_pool, dims=dims), _POOL)
        for dims in (1, 2, 3) for end in ("", "_with_indices")
    },
    **{f"avg_pool{dims}d": Function(partial(_avg_pool, dims=dims), _AVG_POOL) for dims in (1, 2, 3)},
    **{
        f"lp_pool{dims}d": Function(partial(_lp_pool, dims=dims), ("norm_type", "kernel_size", "stride", "ceil_mode"))
        for dims in (1, 2, 3)
    },
    **{f"adaptive_avg_pool{dims}d": Function(partial(_adaptive_avg_pool, dims=dims), _ADAPTIVE) for dims in (1, 2, 3)},
    **{
        f"adaptive_max_pool{dims}d{end}": Function(partial(_adaptive_max_pool, dims=dims), _ADAPTIVE)
        for dims in (1, 2, 3) for end in ("", "_with_indices")
    },
    **{
        f"fractional_max_pool{dims}d{end}": Function(partial(_fractional_max_pool, dims=dims), _FRACTIONAL)
        for dims in (2, 3) for end in ("", "_with_indices")
    },
    **{
        f"max_unpool{dims}d": Function(
            partial(_max_unpool, dims=dims), ("indices", "kernel_size", "stride", "padding", "output_size")
        )
        for dims in (1, 2, 3)
    },
    "fold": Function(_fold, ("output_size", "kernel_size", "dilation", "padding", "stride")),
    "interpolate": Function(_interpolate, ("size", "scale_factor", "mode", "align_corners")),
    "upsample": Function(_interpolate, ("size", "scale_factor", "mode", "align_corners")),
    "pixel_shuffle": Function(
        lambda call, given: arithmetic.pixel_shuffle(first(call), **given), ("upscale_factor",)
    ),
    "pixel_unshuffle": Function(
        lambda call, given: arithmetic.pixel_unshuffle(first(call), **given), ("downscale_factor",)
    ),
    "pad": Function(_pad, ("pad", "mode", "value")),
    "grid_sample": Function(_grid_sample, ("grid", "mode", "padding_mode", "align_corners")),
    "linear": Function(_linear, ("weight", "bias")),
    "embedding": Function(
        _embedding, ("weight", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")
    ),
    "embedding_bag": Function(_embedding_bag, ("weight", "offsets")),
    "one_hot": Function(_one_hot, ("num_classes",)),
    "scaled_dot_product_attention": Function(_attention, ("key", "value", "attn_mask", "dropout_p", "is_causal")),
}  # fmt: skip

#: ``Tensor.unfold`` is another function.
BY_FULL_NAME: Mapping[str, Function] = {
    "F.unfold": Function(_unfold, ("kernel_size", "dilation", "padding", "stride")),
}
