"""The arguments with which a layer would be made again."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from convlin.layers.registry import rule_for


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
