"""Fake tensors in the place of a model's own parameters and buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convlin._util.torch_private import fake_of
from convlin.module_tree import holding_lazy, modules_of
from convlin.untouched.device import exchange, is_plain


def put_fakes(mode: Any, model: nn.Module) -> None:
    """Give ``model`` fake tensors for its own; to be called outside of the mode."""
    modules = modules_of(model)
    exchange(modules, partial(_fake, mode))
    _fake_once_known(holding_lazy(modules))


def _fake(mode: Any, tensor: Tensor) -> Tensor:
    """A fake tensor in the place of one of the model's own."""
    if is_plain(tensor) and tensor.is_leaf and tensor._base is None:
        return fake_of(mode, tensor)
    fake: Tensor = mode.from_tensor(tensor, static_shapes=True)
    return fake


def _fake_once_known(lazy: Sequence[nn.Module]) -> None:
    """Let the weights that lazy modules get in a pass be fake tensors on the device that they were to lie on.

    A weight that is no fake tensor stays none when it gets its size, and lies on the meta device from then on;
    not every version of torch computes with it and an input on another device.
    """
    held = (tensor for module in lazy for tensor in (*module._parameters.values(), *module._buffers.values()))
    unknown = [tensor for tensor in held if tensor is not None and is_lazy(tensor)]
    devices = {id(tensor): tensor.device for tensor in unknown}
    fakes: dict[int, Tensor] = {}

    def fake(tensor: Tensor) -> Tensor:
        if id(tensor) not in devices:
            return tensor
        if id(tensor) not in fakes:  # a tied weight stays tied
            made = torch.empty(tensor.shape, dtype=tensor.dtype, device=devices[id(tensor)])
            is_weight = isinstance(tensor, nn.Parameter)
            fakes[id(tensor)] = nn.Parameter(made, requires_grad=tensor.requires_grad) if is_weight else made
        return fakes[id(tensor)]

    def materialize(settle: Callable[..., None], shape: Sequence[Any], *args: Any, **kwargs: Any) -> None:
        settle(shape, *args, **kwargs)
        exchange(lazy, fake)

    for tensor in unknown:
        # Asked under the mode, a tensor without a size does not tell its device in torch 2.6, nor does a buffer later.
        settle = partial(tensor.materialize, device=tensor.device, dtype=tensor.dtype)
        tensor.__dict__["materialize"] = partial(materialize, settle)
