"""A layer made again with other arguments."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from convlin._util.torch_private import uncompiled
from convlin.layers.registry import rule_for
from convlin.module_tree import parameters_of, walk

Tied = dict[tuple[int, tuple[int, ...]], nn.Parameter]
"""New parameters, by the identity of the old one and the new shape: layers that shared one share the new one."""


class CannotRemakeError(ValueError):
    """A layer whose constructor or settings are not known well enough."""


def settings_of(layer: nn.Module, kind: type) -> dict[str, Any]:
    """The arguments of the constructor of ``kind``, one of the layer's classes, as far as the layer tells them.

    >>> settings_of(nn.Linear(4, 2, bias=False), nn.Linear)
    {'in_features': 4, 'out_features': 2, 'bias': False}
    """
    arguments = rule_for(type(layer)).arguments
    if arguments is not None:
        return arguments(layer)
    parameters = inspect.signature(kind).parameters
    named = [name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD]
    settings = {name: layer.__dict__[name] for name in named if name in layer.__dict__}
    if "bias" in named and not isinstance(layer.__dict__.get("bias"), bool):
        settings["bias"] = getattr(layer, "bias", None) is not None
    return settings


def places_of(root: nn.Module, layer: nn.Module) -> list[tuple[nn.Module, str]]:
    """Each module that holds ``layer``, compiled or not, and the name that it has there."""
    return [
        (node.module, name)
        for node in walk(root)
        for name, child in node.module._modules.items()
        if uncompiled(child) is layer
    ]


def remade(
    layer: nn.Module, changes: Mapping[str, Any], tied: Tied | None = None, *, device: torch.device | None = None
) -> nn.Module:
    """A copy of the layer with other arguments and fresh weights.

    The weights are as PyTorch initializes them, where the layer has its own; on ``device``, where one is given, they
    are zeros, which takes neither time nor random numbers.

    Raises:
        CannotRemakeError: the layer has parametrizations, is no layer of PyTorch's, or would not be made so.

    >>> remade(nn.Conv2d(3, 8, 3, stride=2), {"in_channels": 4})
    Conv2d(4, 8, kernel_size=(3, 3), stride=(2, 2))
    """
    made = _made(layer, changes, device)
    new = copy.copy(layer)
    # Containers of its own, or the copy would write into those of the old layer.
    for name, value in made.__dict__.items():
        if name in ("_parameters", "_buffers"):
            continue
        if name in changes or name not in layer.__dict__ or isinstance(value, str | int | float | tuple | bool):
            new.__dict__[name] = value if name != "training" else layer.training
    new.__dict__["_parameters"] = {**layer._parameters, **made._parameters}
    new.__dict__["_buffers"] = {**layer._buffers, **made._buffers}
    new.__dict__["_modules"] = {**layer._modules, **made._modules}
    tied = {} if tied is None else tied
    inner = {path: module for path, module, _ in walk(layer)}
    for path, module, _ in walk(made):
        before = inner.get(path)
        if before is None:
            continue
        if path:
            module.training = before.training
        owner = module if path else new
        for name, parameter in module._parameters.items():
            previous = before._parameters.get(name)
            if parameter is None or previous is None:
                continue
            parameter.requires_grad_(previous.requires_grad)
            owner._parameters[name] = tied.setdefault((id(previous), tuple(parameter.shape)), parameter)
    if isinstance(new, nn.RNNBase):
        new._init_flat_weights()
    return new


def _made(layer: nn.Module, changes: Mapping[str, Any], device: torch.device | None) -> nn.Module:
    """A layer of PyTorch's own class with these arguments, of the dtype of the old one."""
    kind = type(layer)
    if hasattr(layer, "parametrizations"):
        raise CannotRemakeError(f"{kind.__name__} has parametrizations, which a new one would lack")
    described = rule_for(kind).types
    base = next(
        (each for each in kind.__mro__ if each in described or each.__module__.startswith("torch.nn.modules.")), None
    )
    if base is None or base is nn.Module or isinstance(layer, nn.Transformer):
        raise CannotRemakeError(f"{kind.__name__} cannot be made anew")
    settings = settings_of(layer, base)
    weight = next(parameters_of(layer), None)
    parameters = inspect.signature(base).parameters.values()
    takes_device = any(each.name == "device" or each.kind is each.VAR_KEYWORD for each in parameters)
    if weight is not None and takes_device:
        settings.update(device=weight.device if device is None else "meta", dtype=weight.dtype)
    settings.update(changes)
    try:
        if device is None:
            made: nn.Module = base(**settings)
        else:
            with torch.device("meta"):
                made = base(**settings)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:  # it takes something else
        raise CannotRemakeError(f"{kind.__name__} cannot be made anew ({error})") from error
    if device is not None and device.type != "meta":
        made = made.to_empty(device=device)
        with torch.no_grad():
            for each in (*made.parameters(), *made.buffers()):
                each.zero_()
    if weight is not None and weight.is_floating_point():  # not every constructor takes a device and a dtype
        made = made.to(device=weight.device if device is None else device, dtype=weight.dtype)
    return made
