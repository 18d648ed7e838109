"""The derivation of every family of layers: what `layers.RULES` names in its entries.

Each takes a call of a layer that runs PyTorch's own ``forward`` and raises `SizeError` where PyTorch
would refuse.  Declared widths are not compared behind a stand-in, which had them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from convlin import arithmetic
from convlin.derivations import formulas
from convlin.derivations.arguments import argument_shape, taken
from convlin.derivations.declared import EVERY_AXIS_OF
from convlin.records import Call, Derivation, Shape


def _input(call: Call) -> Shape:
    shape = argument_shape(call, 0, "input")
    assert shape is not None, "a layer of this kind takes a tensor"
    return shape


def _settings(call: Call, *names: str) -> dict[str, Any]:
    """The settings of these names, without the widths behind a stand-in."""
    return taken(call.settings, *[name for name in names if not (call.stood_in and name in EVERY_AXIS_OF)])


def _rule(
    name: str, formula: Callable[..., Derivation], *, one_kernel_size: bool = False, **fixed: Any
) -> Callable[..., Derivation]:
    """The rule ``name``: the formula, given those of the layer's settings that it has a parameter for.

    Besides the call it takes what an entry binds, as ``spatial_dims``; with ``one_kernel_size`` that is how many
    numbers the kernel size has.
    """
    names = [parameter for parameter in inspect.signature(formula).parameters if parameter not in fixed]

    def derive(call: Call, **bound: Any) -> Derivation:
        settings = _settings(call, *names) | fixed | bound
        if one_kernel_size:
            settings["spatial_dims"] = len(settings["kernel_size"])
        return formula(_input(call), **settings)

    derive.__name__ = derive.__qualname__ = name  # under which files and pickles name it
    return derive


linear = _rule("linear", arithmetic.linear)
convolution = _rule("convolution", arithmetic.convolution, one_kernel_size=True)
conv_transpose = _rule("conv_transpose", arithmetic.conv_transpose, one_kernel_size=True)
max_pool = _rule("max_pool", arithmetic.max_pool)
avg_pool = _rule("avg_pool", arithmetic.avg_pool)
lp_pool = _rule("lp_pool", arithmetic.lp_pool)
adaptive_avg_pool = _rule("adaptive_avg_pool", arithmetic.adaptive_pool, kind="Avg")
adaptive_max_pool = _rule("adaptive_max_pool", arithmetic.adaptive_pool, kind="Max")
fractional_max_pool = _rule("fractional_max_pool", arithmetic.fractional_max_pool, one_kernel_size=True)
max_unpool = _rule("max_unpool", arithmetic.max_unpool, one_kernel_size=True)
upsample = _rule("upsample", arithmetic.interpolate, recompute_scale_factor=None)
pixel_shuffle = _rule("pixel_shuffle", arithmetic.pixel_shuffle)
pixel_unshuffle = _rule("pixel_unshuffle", arithmetic.pixel_unshuffle)
fold = _rule("fold", arithmetic.fold)
unfold = _rule("unfold", arithmetic.unfold)
pad = _rule("pad", arithmetic.pad)
flatten = _rule("flatten", arithmetic.flatten)
embedding = _rule("embedding", arithmetic.embedding)
gate = _rule("gate", formulas.halve)
cell = _rule("cell", arithmetic.rnn_cell)


def bilinear(call: Call) -> Derivation | None:
    """``nn.Bilinear``."""
    first, second = argument_shape(call, 0, "input1"), argument_shape(call, 1, "input2")
    if first is None or second is None:
        return None
    return arithmetic.bilinear(first, second, **_settings(call, "out_features", "in1_features", "in2_features"))


def unflatten(call: Call) -> Derivation | None:
    """``nn.Unflatten``; not with named dimensions."""
    dim, sizes = call.settings["dim"], tuple(call.settings["unflattened_size"])
    if not isinstance(dim, int) or any(isinstance(size, tuple | list) for size in sizes):
        return None
    return arithmetic.unflatten(_input(call), dim=dim, sizes=sizes)


def embedding_bag(call: Call) -> Derivation:
    """``nn.EmbeddingBag``."""
    offsets = argument_shape(call, 1, "offsets")
    settings = _settings(call, "embedding_dim", "include_last_offset")
    return arithmetic.embedding_bag(_input(call), **settings, offsets=offsets[0] if offsets else None)


def recurrent(call: Call) -> Derivation:
    """``nn.RNN``, ``nn.LSTM``, ``nn.GRU``: the output, first of what they return."""
    settings = _settings(call, "hidden_size", "bidirectional", "proj_size", "batch_first", "input_size")
    return arithmetic.rnn(_input(call), **settings, kind=_kind(call))


def recurrent_state(call: Call, state: str) -> Derivation:
    """The last hidden state (``"h"``) or cell state (``"c"``), which the same layers return beside the output."""
    settings = taken(call.settings, "hidden_size", "num_layers", "bidirectional", "proj_size", "batch_first")
    return arithmetic.rnn_state(_input(call), **settings, kind=_kind(call), state=state)


def _kind(call: Call) -> str:
    return str(call.settings.get("mode", "LSTM")).partition("_")[0]
