"""Running a model on another device without moving it.

The parameters, buffers and plain tensor attributes of every module are exchanged for copies on the
other device; ``untouched`` puts the originals back.  On the meta device the copies hold nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

from convlin.tensors import map_tensors

Change = Callable[[Tensor], Tensor]

#: What most attributes of a module are, and never looked into.
_WITHOUT_TENSORS = frozenset({bool, int, float, str, type(None), dict, OrderedDict, set})


def exchange(modules: Iterable[nn.Module], change: Change) -> None:
    """Put ``change(tensor)`` in the place of every tensor of a model, whose modules these are; tied ones stay tied.

    Only to be called inside ``untouched``, which gives the model its own tensors back.
    """
    changed: dict[int, Tensor] = {}

    def of(tensor: Tensor) -> Tensor:
        if is_lazy(tensor):
            return tensor
        known = changed.get(id(tensor))
        if known is None:
            known = changed[id(tensor)] = change(tensor)
        return known

    for module in modules:
        for tensors in _stores(module):
            for name, tensor in tensors.items():
                if tensor is not None:
                    tensors[name] = of(tensor)
        for name, value in module.__dict__.items():
            if type(value) in _WITHOUT_TENSORS:
                continue
            if name not in ("_parameters", "_buffers", "_modules") and _holds_tensors(value):
                module.__dict__[name] = map_tensors(value, of)


def _stores(module: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where a module keeps its parameters and buffers."""
    return module._parameters, module._buffers


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, Tensor):
        return True
    if type(value) not in (list, tuple) or _WITHOUT_TENSORS.issuperset(map(type, value)):
        return False
    return any(map(_holds_tensors, value))


def to_device(device: torch.device) -> Change:
    """A copy on ``device`` that is a parameter where the original is one."""

    def change(tensor: Tensor) -> Tensor:
        if tensor.device == device:
            return tensor
        if device.type == "meta" and is_plain(tensor):  # the same, and quicker
            moved = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)
        else:
            moved = tensor.detach().to(device)
        if isinstance(tensor, nn.Parameter):
            return nn.Parameter(moved, requires_grad=tensor.requires_grad)
        return moved

    return change


def is_plain(tensor: Tensor) -> bool:
    """Whether sizes, strides and dtype describe a tensor."""
    plain = type(tensor) in (Tensor, nn.Parameter) and tensor.layout is torch.strided
    return plain and not tensor.is_quantized and not tensor.is_complex() and not tensor.is_nested


def renew_lazy(lazy: Iterable[nn.Module], device: torch.device | None) -> None:
    """Give every lazy module parameters of its own for this pass: a pass turns them into real ones for good.

    They turn real on ``device``, None for where they are.

    Only to be called inside ``untouched``.
    """
    renewed: dict[int, Tensor] = {}
    for module in lazy:
        for tensors in _stores(module):
            for name, tensor in tensors.items():
                if tensor is not None and is_lazy(tensor):
                    if id(tensor) not in renewed:
                        renewed[id(tensor)] = _fresh(tensor, device or tensor.device)
                    tensors[name] = renewed[id(tensor)]


def _fresh(tensor: Tensor, device: torch.device) -> Tensor:
    # torch's stubs of these two leave out the arguments that they hand to the tensor.
    kind: Any = UninitializedParameter if isinstance(tensor, nn.Parameter) else UninitializedBuffer
    fresh: Tensor = kind(requires_grad=tensor.requires_grad, device=device, dtype=tensor.dtype)
    return fresh
