"""The derivation of every family of layers: what `layers.RULES` names in its entries.

Each takes a call of a layer that runs PyTorch's own ``forward`` and raises `SizeError` where PyTorch
would refuse.  Declared widths are not compared behind a stand-in, which had them.
"""

from __future__ import annotations

from typing import Any

from convlin import arithmetic
from convlin.derivations import formulas
from convlin.derivations.arguments import argument_shape, taken
from convlin.records import Call, Derivation, Shape

_WINDOW = ("kernel_size", "stride", "padding", "dilation")


def _input(call: Call) -> Shape:
    shape = argument_shape(call, 0, "input")
    assert shape is not None, "a layer of this kind takes a tensor"
    return shape


def _declared(call: Call, *names: str) -> dict[str, Any]:
    """The widths to compare with what arrives."""
    return {} if call.stood_in else taken(call.settings, *names)


def linear(call: Call) -> Derivation:
    """``nn.Linear``."""
    widths = _declared(call, "in_features")
    return arithmetic.linear(_input(call), out_features=call.settings["out_features"], **widths)


def bilinear(call: Call) -> Derivation | None:
    """``nn.Bilinear``."""
    first, second = argument_shape(call, 0, "input1"), argument_shape(call, 1, "input2")
    if first is None or second is None:
        return None
    widths = _declared(call, "in1_features", "in2_features")
    return arithmetic.bilinear(first, second, out_features=call.settings["out_features"], **widths)


def convolution(call: Call) -> Derivation:
    """``nn.Conv1d``, ``nn.Conv2d``, ``nn.Conv3d``."""
    return arithmetic.convolution(
        _input(call),
        spatial_dims=len(call.settings["kernel_size"]),
        **taken(call.settings, "out_channels", *_WINDOW, "padding_mode"),
        **_declared(call, "in_channels"),
    )


def conv_transpose(call: Call) -> Derivation:
    """``nn.ConvTranspose1d``, ``nn.ConvTranspose2d``, ``nn.ConvTranspose3d``."""
    return arithmetic.conv_transpose(
        _input(call),
        spatial_dims=len(call.settings["kernel_size"]),
        **taken(call.settings, "out_channels", *_WINDOW, "output_padding", "output_size"),
        **_declared(call, "in_channels"),
    )


def max_pool(call: Call, spatial_dims: int) -> Derivation:
    """``nn.MaxPool1d``, ``nn.MaxPool2d``, ``nn.MaxPool3d``."""
    settings = taken(call.settings, *_WINDOW, "ceil_mode")
    return arithmetic.max_pool(_input(call), spatial_dims=spatial_dims, **settings)


def avg_pool(call: Call, spatial_dims: int) -> Derivation:
    """``nn.AvgPool1d``, ``nn.AvgPool2d``, ``nn.AvgPool3d``."""
    settings = taken(call.settings, "kernel_size", "stride", "padding", "ceil_mode")
    return arithmetic.avg_pool(_input(call), spatial_dims=spatial_dims, **settings)


def lp_pool(call: Call, spatial_dims: int) -> Derivation:
    """``nn.LPPool1d``, ``nn.LPPool2d``, ``nn.LPPool3d``."""
    settings = taken(call.settings, "kernel_size", "stride", "ceil_mode")
    return arithmetic.lp_pool(_input(call), spatial_dims=spatial_dims, **settings)


def adaptive_avg_pool(call: Call, spatial_dims: int) -> Derivation:
    """``nn.AdaptiveAvgPool1d``, ``nn.AdaptiveAvgPool2d``, ``nn.AdaptiveAvgPool3d``."""
    size = call.settings["output_size"]
    return arithmetic.adaptive_pool(_input(call), spatial_dims=spatial_dims, output_size=size, kind="Avg")


def adaptive_max_pool(call: Call, spatial_dims: int) -> Derivation:
    """``nn.AdaptiveMaxPool1d``, ``nn.AdaptiveMaxPool2d``, ``nn.AdaptiveMaxPool3d``."""
    size = call.settings["output_size"]
    return arithmetic.adaptive_pool(_input(call), spatial_dims=spatial_dims, output_size=size, kind="Max")


def fractional_max_pool(call: Call) -> Derivation:
    """``nn.FractionalMaxPool2d``, ``nn.FractionalMaxPool3d``."""
    settings = taken(call.settings, "kernel_size", "output_size", "output_ratio")
    return arithmetic.fractional_max_pool(_input(call), spatial_dims=len(settings["kernel_size"]), **settings)


def max_unpool(call: Call) -> Derivation:
    """``nn.MaxUnpool1d``, ``nn.MaxUnpool2d``, ``nn.MaxUnpool3d``."""
    settings = taken(call.settings, "kernel_size", "stride", "padding", "output_size")
    return arithmetic.max_unpool(_input(call), spatial_dims=len(settings["kernel_size"]), **settings)


def upsample(call: Call) -> Derivation:
    """``nn.Upsample`` and the layers made of it."""
    return arithmetic.interpolate(_input(call), **taken(call.settings, "size", "scale_factor", "mode"))


def pixel_shuffle(call: Call) -> Derivation:
    """``nn.PixelShuffle``."""
    return arithmetic.pixel_shuffle(_input(call), upscale_factor=call.settings["upscale_factor"])


def pixel_unshuffle(call: Call) -> Derivation:
    """``nn.PixelUnshuffle``."""
    return arithmetic.pixel_unshuffle(_input(call), downscale_factor=call.settings["downscale_factor"])


def fold(call: Call) -> Derivation:
    """``nn.Fold``."""
    return arithmetic.fold(_input(call), **taken(call.settings, "output_size", *_WINDOW))


def unfold(call: Call) -> Derivation:
    """``nn.Unfold``."""
    return arithmetic.unfold(_input(call), **taken(call.settings, *_WINDOW))


def pad(call: Call, mode: str) -> Derivation:
    """The padding layers; their class stands for the ``mode``."""
    return arithmetic.pad(_input(call), padding=call.settings["padding"], mode=mode)


def flatten(call: Call) -> Derivation:
    """``nn.Flatten``."""
    return arithmetic.flatten(_input(call), **taken(call.settings, "start_dim", "end_dim"))


def unflatten(call: Call) -> Derivation | None:
    """``nn.Unflatten``; not with named dimensions."""
    dim, sizes = call.settings["dim"], tuple(call.settings["unflattened_size"])
    if not isinstance(dim, int) or any(isinstance(size, tuple | list) for size in sizes):
        return None
    return arithmetic.unflatten(_input(call), dim=dim, sizes=sizes)


def embedding(call: Call) -> Derivation:
    """``nn.Embedding``."""
    return arithmetic.embedding(_input(call), embedding_dim=call.settings["embedding_dim"])


def embedding_bag(call: Call) -> Derivation:
    """``nn.EmbeddingBag``."""
    offsets = argument_shape(call, 1, "offsets")
    return arithmetic.embedding_bag(
        _input(call),
        **taken(call.settings, "embedding_dim", "include_last_offset"),
        offsets=offsets[0] if offsets else None,
    )


def recurrent(call: Call) -> Derivation:
    """``nn.RNN``, ``nn.LSTM``, ``nn.GRU``: the output, first of what they return."""
    settings = taken(call.settings, "hidden_size", "bidirectional", "proj_size", "batch_first")
    return arithmetic.rnn(_input(call), **settings, **_declared(call, "input_size"), kind=_kind(call))


def recurrent_state(call: Call, state: str) -> Derivation:
    """The last hidden state (``"h"``) or cell state (``"c"``), which the same layers return beside the output."""
    settings = taken(call.settings, "hidden_size", "num_layers", "bidirectional", "proj_size", "batch_first")
    return arithmetic.rnn_state(_input(call), **settings, kind=_kind(call), state=state)


def _kind(call: Call) -> str:
    return str(call.settings.get("mode", "LSTM")).partition("_")[0]


def cell(call: Call, kind: str) -> Derivation:
    """``nn.RNNCell``, ``nn.LSTMCell``, ``nn.GRUCell`` (``kind``)."""
    widths = _declared(call, "input_size")
    return arithmetic.rnn_cell(_input(call), hidden_size=call.settings["hidden_size"], **widths, kind=kind)


def gate(call: Call) -> Derivation:
    """``nn.GLU``."""
    return formulas.halve(_input(call), dim=call.settings["dim"])
