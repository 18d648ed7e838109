"""Which formula of ``convlin.arithmetic`` answers for a setting of ``docs/behavior_cases.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from convlin import arithmetic
from convlin.derivations import formulas
from convlin.records import Derivation
from docs.behavior_cases import Case

Formula = Callable[[Case], "Derivation | None"]


def _windows(function: Callable[..., Derivation], *more: str) -> Formula:
    """A layer in one, two and three dimensions, whose settings have the names of the formula's."""

    def derive(case: Case) -> Derivation:
        named = {name: value for name, value in {**case.settings, **case.call}.items() if name not in _IGNORED}
        fixed = dict(zip(more[::2], more[1::2], strict=True))
        return function(case.shapes[0], spatial_dims=int(case.name[-2]), **named, **fixed)

    return derive


#: Settings on which no size depends.
_IGNORED = ("norm_type", "return_indices", "bias", "align_corners", "train", "value")


def _first(function: Callable[..., Derivation], **renamed: str) -> Formula:
    """A formula of the first input's shape."""

    def derive(case: Case) -> Derivation:
        named = {renamed.get(key, key): value for key, value in case.settings.items() if key not in _IGNORED}
        return function(case.shapes[0], **named)

    return derive


def _convolution(case: Case) -> Derivation:
    weight = case.shapes[1]
    return arithmetic.convolution(
        case.shapes[0], spatial_dims=len(weight) - 2, out_channels=weight[0], in_channels=weight[1],
        kernel_size=weight[2:], **case.settings,
    )  # fmt: skip


def _transposed(case: Case) -> Derivation | None:
    if "padding_mode" in case.settings:  # refused when the layer is made
        return None
    return _windows(arithmetic.conv_transpose)(case)


def _pad(mode: str) -> Formula:
    def derive(case: Case) -> Derivation:
        padding, dims = case.settings["padding"], int(case.name[-2])
        pairs = padding if isinstance(padding, tuple) else (padding,) * 2 * dims
        return arithmetic.pad(case.shapes[0], padding=pairs, mode=mode)

    return derive


def _f_pad(case: Case) -> Derivation:
    return arithmetic.pad(case.shapes[0], padding=case.settings["pad"], mode=case.settings["mode"])


def _bilinear(case: Case) -> Derivation:
    return arithmetic.bilinear(*case.shapes, **case.settings)


def _resized(mode: str) -> Formula:
    return lambda case: arithmetic.interpolate(case.shapes[0], mode=mode, **case.settings)


def _embedding(case: Case) -> Derivation:
    return arithmetic.embedding(case.shapes[0], embedding_dim=case.settings["embedding_dim"])


def _bag(case: Case) -> Derivation:
    offsets = case.shapes[1][0] if len(case.shapes) > 1 else None
    settings = {name: case.settings[name] for name in ("embedding_dim", "include_last_offset") if name in case.settings}
    return arithmetic.embedding_bag(case.shapes[0], offsets=offsets, **settings)


def _recurrent(kind: str) -> Formula:
    def derive(case: Case) -> Derivation | None:
        if kind != "LSTM" and "proj_size" in case.settings:  # refused when the layer is made
            return None
        settings = {name: value for name, value in case.settings.items() if name != "num_layers"}
        return arithmetic.rnn(case.shapes[0], kind=kind, **settings)

    return derive


def _one_hot(case: Case) -> Derivation | None:
    classes = case.settings.get("num_classes", -1)
    return arithmetic.embedding(case.shapes[0], embedding_dim=classes) if classes > 0 else None


def _attention(case: Case) -> Derivation | None:
    query, key, value = case.shapes
    return formulas.attention(query, key, value, enable_gqa=case.settings.get("enable_gqa", False))


FORMULAS: Mapping[str, Formula] = {
    **{f"Conv{dims}d": _windows(arithmetic.convolution) for dims in (1, 2, 3)},
    **{f"ConvTranspose{dims}d": _transposed for dims in (1, 2, 3)},
    **{f"MaxPool{dims}d": _windows(arithmetic.max_pool) for dims in (1, 2, 3)},
    **{f"AvgPool{dims}d": _windows(arithmetic.avg_pool) for dims in (1, 2, 3)},
    **{f"LPPool{dims}d": _windows(arithmetic.lp_pool) for dims in (1, 2, 3)},
    **{f"MaxUnpool{dims}d": _windows(arithmetic.max_unpool) for dims in (1, 2, 3)},
    **{f"FractionalMaxPool{dims}d": _windows(arithmetic.fractional_max_pool) for dims in (2, 3)},
    **{
        f"Adaptive{kind}Pool{dims}d": _windows(arithmetic.adaptive_pool, "kind", kind)
        for kind in ("Avg", "Max")
        for dims in (1, 2, 3)
    },
    **{
        f"{name}Pad{dims}d": _pad(mode)
        for name, mode in (
            ("Reflection", "reflect"), ("Replication", "replicate"), ("Circular", "circular"), ("Zero", "constant"),
            ("Constant", "constant"),
        )
        for dims in (1, 2, 3)
    },
    "F.conv1d": _convolution,
    "Unfold": _first(arithmetic.unfold),
    "Fold": _first(arithmetic.fold),
    "F.pad": _f_pad,
    "F.interpolate": _first(arithmetic.interpolate),
    "Upsample": _first(arithmetic.interpolate),
    "UpsamplingNearest2d": _resized("nearest"),
    "UpsamplingBilinear2d": _resized("bilinear"),
    "PixelShuffle": _first(arithmetic.pixel_shuffle),
    "PixelUnshuffle": _first(arithmetic.pixel_unshuffle),
    "Flatten": lambda case: arithmetic.flatten(case.shapes[0], **{"start_dim": 1, **case.settings}),
    "Unflatten": _first(arithmetic.unflatten, unflattened_size="sizes"),
    "GLU": _first(formulas.halve),
    "F.one_hot": _one_hot,
    "Linear": _first(arithmetic.linear),
    "Bilinear": _bilinear,
    "Embedding": _embedding,
    "EmbeddingBag": _bag,
    **{kind: _recurrent(kind) for kind in ("RNN", "LSTM", "GRU")},
    **{kind: _first(arithmetic.rnn_cell) for kind in ("RNNCell", "LSTMCell", "GRUCell")},
    "F.scaled_dot_product_attention": _attention,
}  # fmt: skip
