"""Layers that put elements elsewhere, and those that leave them: reshapes, padding, resampling, gates, activations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import prod
from typing import Any

from torch import Tensor, nn

from convlin.derivations import of_layers
from convlin.layers.common import replaced, unwrapped
from convlin.layers.rule import Arrival, LayerRule, Verdict
from convlin.ops.misfit import Misfit
from convlin.ops.op import Family
from convlin.records import Shape
from convlin.tensors import zeros


def _examine_unflatten(module: nn.Unflatten, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    if not isinstance(tensor, Tensor) or not isinstance(module.dim, int):
        return None
    sizes = tuple(module.unflattened_size)
    if not -tensor.dim() <= module.dim < tensor.dim() or not all(isinstance(size, int) for size in sizes):
        return None
    axis = module.dim % tensor.dim()
    arrived = tensor.shape[axis]
    declared = prod(size for size in sizes if size != -1)
    if arrived == declared or (-1 in sizes and arrived % declared == 0):
        return None
    misfit = Misfit("reshape", sizes, arrived, "unflatten", {"dim": axis, "product": declared})
    stand_in = zeros(tensor, replaced(tensor.shape, axis, declared))
    return Verdict((misfit,), arrival.with_first("input", stand_in))


def _examine_pixel_shuffle(module: nn.PixelShuffle, arrival: Arrival) -> Verdict | None:
    tensor, squared = arrival.first("input"), module.upscale_factor**2
    if not isinstance(tensor, Tensor) or tensor.dim() < 3 or tensor.shape[-3] % squared == 0:
        return None
    channels = tensor.shape[-3]
    misfit = Misfit("structure", squared, channels, "pixel_shuffle", axis=-3)
    stand_in = zeros(tensor, replaced(tensor.shape, tensor.dim() - 3, channels + -channels % squared))
    return Verdict((misfit,), arrival.with_first("input", stand_in))


def _ends_in_pieces(settings: Mapping[str, Any], given: Shape) -> bool:
    """Whether a signal was cut into pieces, whose length is what a Linear behind them is made for."""
    return len(given) > 2 and settings["dim"] in (-1, len(given) - 1)


def _padding(types: tuple[type[nn.Module], ...], mode: str) -> LayerRule:
    return LayerRule(
        types, ("padding",), makes_feature_map=True, family=Family.PAD, derive=partial(of_layers.pad, mode=mode)
    )


RULES: tuple[LayerRule, ...] = (
    LayerRule((nn.GLU,), ("dim",), family=Family.PART, derive=of_layers.gate),
    LayerRule(
        (nn.Unflatten,), ("dim", "unflattened_size"), _examine_unflatten,
        makes_feature_map=True, no_feature_map=_ends_in_pieces, family=Family.REARRANGE, derive=of_layers.unflatten,
    ),
    LayerRule((nn.Flatten,), ("start_dim", "end_dim"), family=Family.REARRANGE, derive=of_layers.flatten),
    LayerRule(
        (nn.Upsample,), ("size", "scale_factor", "mode", "recompute_scale_factor"),
        makes_feature_map=True, family=Family.RESIZE, derive=of_layers.upsample,
    ),
    LayerRule(
        (nn.PixelShuffle,), ("upscale_factor",), _examine_pixel_shuffle,
        makes_feature_map=True, family=Family.PIXEL_SHUFFLE, derive=of_layers.pixel_shuffle,
    ),
    LayerRule(
        (nn.PixelUnshuffle,), ("downscale_factor",),
        makes_feature_map=True, family=Family.PIXEL_UNSHUFFLE, derive=of_layers.pixel_unshuffle,
    ),
    LayerRule(
        (nn.Fold,), ("output_size", "kernel_size", "dilation", "padding", "stride"),
        makes_feature_map=True, family=Family.WINDOWS, derive=of_layers.fold,
    ),
    LayerRule(
        (nn.Unfold,), ("kernel_size", "dilation", "padding", "stride"), family=Family.WINDOWS, derive=of_layers.unfold
    ),
    _padding(
        (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d, nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d), "constant"
    ),
    _padding((nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d), "reflect"),
    _padding((nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d), "replicate"),
    _padding((nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d), "circular"),
)  # fmt: skip


#: Where PyTorch has activations and dropout, of any shape but of one tensor; others there have rules of their own.
ELEMENTWISE_MODULES = frozenset({"torch.nn.modules.activation", "torch.nn.modules.dropout"})


def examine_tuple(module: Any, arrival: Arrival) -> Verdict | None:
    """What a layer that takes one tensor says of a tuple or list with one in front; None of anything else."""
    given = arrival.args[0] if arrival.args else arrival.kwargs.get("input")
    tensor, misfits = unwrapped(given) if isinstance(given, tuple | list) else (given, ())
    several = [misfit for misfit in misfits if misfit.note == "tuple"]  # a PackedSequence is what an LSTM takes
    return Verdict(misfits, arrival.with_first("input", tensor)) if several else None


#: No types: a user may describe any of them.
ELEMENTWISE = LayerRule((), examine=examine_tuple, hands_on=True)
