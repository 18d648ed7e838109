"""Normalizations, and PReLU, which counts channels as they do."""

from __future__ import annotations

from torch import Tensor, nn

from convlin._util.torch_private import BATCH_NORMS, INSTANCE_NORMS
from convlin.layers.common import base_name, by_weight_axes, dtype_misfit, moved, stored_weight
from convlin.layers.rule import Arrival, LayerRule, Verdict
from convlin.ops.misfit import Misfit, resized
from convlin.ops.op import Family
from convlin.ops.parted import grouped
from convlin.tensors import zeros

_NORM_RANKS: dict[str, tuple[int, ...]] = {"1d": (2, 3), "2d": (4,), "3d": (5,)}


def _examine_batch_norm(module: nn.BatchNorm2d, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    if not isinstance(tensor, Tensor):
        return None
    ranks = next((ranks for end, ranks in _NORM_RANKS.items() if end in base_name(module)), ())
    tensor, misfits = dtype_misfit(tensor, stored_weight(module))
    declared = _declared(module)
    if ranks and tensor.dim() not in ranks:
        detail = {"shape": tuple(tensor.shape), "ranks": ranks, **_other(module, tensor.dim())}
        misfits += (Misfit("structure", ranks[-1], tensor.dim(), "rank", detail),)
    if tensor.dim() > 1 and tensor.shape[1] != declared and _counts_features(module):
        misfits += (_channels(tensor, declared, arrival),)
    elif tensor.dim() > 1 and tensor.numel() == tensor.shape[1] and (module.training or module.running_mean is None):
        misfits += (Misfit("batch", 1, 2, "batch_of_one", {"keeps_statistics": module.running_mean is not None}),)
    if not misfits:
        return None
    rank = ranks[-1] if ranks else tensor.dim()
    stand_in = zeros(tensor, (2, declared, *(2,) * (rank - 2)))
    keeps = any(misfit.kind != "dtype" for misfit in misfits)
    return Verdict(misfits, arrival.with_first("input", stand_in if keeps else tensor), keeps_input=keeps)


def _channels(tensor: Tensor, declared: int, arrival: Arrival) -> Misfit:
    """Other channels than declared; or as many, and last, as recurrent layers and attention give them."""
    last = tensor.dim() - 1
    if tensor.shape[last] != declared or arrival.has_channels_second or arrival.is_in_order:
        return resized("num_features", declared, tensor.shape[1])
    return Misfit(
        "num_features", declared, tensor.shape[1], "permute", {"axis": last, "order": moved(tensor.dim(), last, 1)}
    )


def _declared(module: nn.BatchNorm2d) -> int:
    """The features that a norm takes: a lazy one that loaded its weights says 0 of itself for good.

    ``F.batch_norm`` asks the weights alone; an instance norm compares its input with what it says of itself.
    """
    held = module.weight if module.weight is not None else module.running_mean
    return module.num_features or (0 if held is None else held.shape[0])


def _counts_features(module: nn.BatchNorm2d | nn.InstanceNorm2d) -> bool:
    return bool(module.affine or module.track_running_stats)


def _examine_instance_norm(module: nn.InstanceNorm2d, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    if not isinstance(tensor, Tensor):
        return None
    spatial = next((int(end[0]) for end in _NORM_RANKS if end in base_name(module)), tensor.dim() - 2)
    stand_in = zeros(tensor, (1, module.num_features, *(2,) * spatial))
    if tensor.dim() not in (spatial + 1, spatial + 2):
        detail = {"shape": tuple(tensor.shape), **(_other(module, tensor.dim()) if tensor.dim() > 2 else {})}
        misfit = Misfit("structure", spatial + 2, tensor.dim(), "rank", detail)
        return Verdict((misfit,), arrival.with_first("input", stand_in), keeps_input=True)
    channels = tensor.shape[tensor.dim() - spatial - 1]
    if channels != module.num_features and _counts_features(module):
        misfit = resized("num_features", module.num_features, channels)
        return Verdict((misfit,), arrival.with_first("input", stand_in), keeps_input=True)
    return None


def _other(module: nn.Module, rank: int) -> dict[str, str]:
    """PyTorch's layer of the same family that takes so many dimensions: no name for a class of the user's."""
    kind = base_name(module)
    end = next((each for each, ranks in _NORM_RANKS.items() if rank in ranks), None)
    return {} if end is None else {"other": f"{kind[:-2]}{end}" if type(module).__name__ == kind else ""}


def _examine_group_norm(module: nn.GroupNorm, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    if not isinstance(tensor, Tensor) or tensor.dim() < 2 or tensor.shape[1] == module.num_channels:
        return None
    stand_in = zeros(tensor, (2, module.num_channels))  # a single value per group is refused
    return Verdict((grouped(module, tensor.shape[1]),), arrival.with_first("input", stand_in), keeps_input=True)


def _examine_layer_norm(module: nn.LayerNorm | nn.RMSNorm, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    if not isinstance(tensor, Tensor):
        return None
    declared = tuple(module.normalized_shape)
    if tuple(tensor.shape[-len(declared) :]) == declared:
        return None
    required = tuple(tensor.shape[-len(declared) :])
    stand_in = zeros(tensor, (1, *declared))
    misfit = resized("normalized_shape", declared, required)
    is_map = arrival.is_feature_map or arrival.is_row_of_map
    if is_map and declared == (tensor.shape[1],) and not arrival.is_in_order:
        # As many as there are channels, which a convolution leaves in front of the cells.
        detail = {"axis": 1, "order": moved(tensor.dim(), 1, tensor.dim() - 1)}
        misfit = Misfit("normalized_shape", declared, required, "permute", detail)
    return Verdict((misfit,), arrival.with_first("input", stand_in), keeps_input=True)


def _examine_prelu(module: nn.PReLU, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    declared = module.num_parameters
    if not isinstance(tensor, Tensor) or declared == 1 or tensor.dim() < 2 or tensor.shape[1] == declared:
        return None
    stand_in = zeros(tensor, (1, declared))
    misfit = resized("num_parameters", declared, tensor.shape[1])
    return Verdict((misfit,), arrival.with_first("input", stand_in), keeps_input=True)


RULES: tuple[LayerRule, ...] = (
    LayerRule(
        INSTANCE_NORMS, ("num_features",), _examine_instance_norm, makes_feature_map=True, hands_on=True,
        family=Family.NORMALIZATION, from_weights=by_weight_axes(num_features=0),
    ),
    LayerRule(
        BATCH_NORMS, ("num_features",), _examine_batch_norm, makes_feature_map=True, hands_on=True,
        family=Family.NORMALIZATION, from_weights=by_weight_axes(num_features=0),
    ),
    LayerRule(
        (nn.GroupNorm,), ("num_groups", "num_channels"), _examine_group_norm, makes_feature_map=True, hands_on=True,
        family=Family.NORMALIZATION, from_weights=by_weight_axes(num_channels=0),
    ),
    LayerRule(
        (nn.LayerNorm, nn.RMSNorm), ("normalized_shape",), _examine_layer_norm, hands_on=True,
        family=Family.NORMALIZATION,
        from_weights=lambda module, shapes: {"normalized_shape": shapes["weight"]} if "weight" in shapes else {},
    ),
    LayerRule((nn.PReLU,), ("num_parameters",), _examine_prelu, hands_on=True),
)  # fmt: skip
