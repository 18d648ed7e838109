"""Linear and Bilinear layers, quantized Linears among them."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor, nn

from convlin.derivations import of_layers
from convlin.layers.common import by_weight_axes, dtype_misfit, moved, one_size, stored_weight, unwrapped
from convlin.layers.rule import Arrival, LayerRule, Verdict
from convlin.ops.misfit import Misfit, resized
from convlin.ops.op import Family
from convlin.tensors import zeros


def _examine_linear(module: nn.Linear, arrival: Arrival) -> Verdict | None:
    tensor, misfits = unwrapped(arrival.first("input"))
    if not isinstance(tensor, Tensor) or tensor.dim() == 0:
        return None
    declared = module.in_features
    if tensor.is_nested:  # nothing can stand in: its sizes are many
        required = tensor.size(-1)
        misfit = resized("in_features", declared, required)
        return Verdict((misfit,)) if required != declared else None
    tensor, dtype_misfits = dtype_misfit(tensor, stored_weight(module))
    misfits += dtype_misfits
    detail: dict[str, Any] = {}
    if tensor.dim() > 2 and (tensor.shape[-1] != declared or arrival.must_flatten):
        flat, is_image = prod(tensor.shape[1:]), arrival.is_feature_map or arrival.is_model_input
        meant = flat == declared or (tensor.dim() > 3 and tensor.shape[1] == declared)
        if (flat != declared and arrival.is_feature_map) or (meant and not is_image):
            detail["flat"] = flat  # whether that is what was meant, what comes behind will tell
        elif not is_image and tensor.shape[1] == declared > 1:
            detail["axis"] = 1  # a mean over the last axis may be missing, or a transpose
        if arrival.must_flatten or (flat == declared and is_image):
            last = None if is_image else tensor.shape[-1]  # it may be meant for each step
            misfits += (Misfit("structure", declared, flat, "flatten", {"rank": tensor.dim(), "last": last}),)
            detail = {"flattened": True}
            tensor = tensor.flatten(1)
    if tensor.shape[-1] != declared:
        required, turned = tensor.shape[-1], arrival.turned_back
        if len(turned) == tensor.dim() > 2 and tensor.shape[turned[-1]] == declared:
            detail = {"order": turned, "given": arrival.batch_added}
            misfits += (Misfit("in_features", declared, required, "turned", detail),)
            tensor = tensor.permute(turned)
        elif (
            arrival.is_model_input and tensor.dim() == 3 and tensor.shape[1] == declared > 1 and not arrival.is_in_order
        ):
            misfits += (Misfit("in_features", declared, required, "permute", {"axis": 1, "order": moved(3, 1, 2)}),)
            tensor = tensor.transpose(1, 2)
        else:
            misfits += (Misfit("in_features", declared, required, "", detail, {"in_features": required}),)
            tensor = zeros(tensor, (*tensor.shape[:-1], declared))
    return Verdict(misfits, arrival.with_first("input", tensor)) if misfits else None


def _examine_bilinear(module: nn.Bilinear, arrival: Arrival) -> Verdict | None:
    if len(arrival.args) != 2 or not all(isinstance(value, Tensor) for value in arrival.args):
        return None
    misfits: tuple[Misfit, ...] = ()
    tensors = []
    for index, (tensor, name) in enumerate(zip(arrival.args, ("in1_features", "in2_features"), strict=True)):
        declared = getattr(module, name)
        if tensor.shape[-1] != declared:
            misfits += (resized(name, declared, tensor.shape[-1])._replace(input=index),)
            tensor = zeros(tensor, (*tensor.shape[:-1], declared))
        tensors.append(tensor)
    return Verdict(misfits, (tuple(tensors), dict(arrival.kwargs))) if misfits else None


def _examine_quantized(module: Any, arrival: Arrival) -> Verdict | None:
    """A Linear with packed weights: its width is all that can be asked."""
    tensor = arrival.first("input")
    declared = getattr(module, "in_features", None)
    if not isinstance(tensor, Tensor) or tensor.dim() == 0 or declared in (None, tensor.shape[-1]):
        return None
    required = tensor.shape[-1]
    if tensor.is_quantized:
        return Verdict((resized("in_features", declared, required),))
    stand_in = zeros(tensor, (*tensor.shape[:-1], declared))
    misfit = resized("in_features", declared, required)
    return Verdict((misfit,), arrival.with_first("input", stand_in))


def _adaptive_arguments(old: nn.AdaptiveLogSoftmaxWithLoss) -> dict[str, Any]:
    return {
        "in_features": old.in_features,
        "n_classes": old.n_classes,
        "cutoffs": old.cutoffs[:-1],  # the last that it keeps is the number of classes
        "div_value": old.div_value,
        "head_bias": old.head_bias,
    }


RULES: tuple[LayerRule, ...] = (
    LayerRule(
        (nn.Linear,), ("in_features", "out_features"), _examine_linear, family=Family.LINEAR, derive=of_layers.linear,
        from_weights=by_weight_axes(in_features=1, out_features=0),
    ),
    LayerRule(
        (nn.Bilinear,), ("in1_features", "in2_features", "out_features"), _examine_bilinear,
        family=Family.LINEAR, derive=of_layers.bilinear,
    ),
    LayerRule(
        (nn.AdaptiveLogSoftmaxWithLoss,), ("in_features", "n_classes"), one_size("in_features", axis=-1),
        arguments=_adaptive_arguments,
    ),
)  # fmt: skip

#: A quantized Linear, known by its name: its package is heavy, and not loaded before someone quantizes.
QUANTIZED = LayerRule((), ("in_features", "out_features"), _examine_quantized, family=Family.LINEAR)
