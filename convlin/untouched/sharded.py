"""Models whose parameters are sharded by ``fully_shard`` (FSDP2): gathered in a pass, sharded before and after it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from torch import nn

from convlin._util.torch_private import end_forward
from convlin.errors import InputError
from convlin.module_tree import offloaded_to


def sharded(modules: Sequence[nn.Module]) -> list[Any]:
    """The modules that gather and shard parameters; none for a model without such."""
    # Whoever wraps a model has loaded the wrapper; nobody else pays for its import.
    wrapper = getattr(sys.modules.get("torch.distributed.fsdp"), "FSDPModule", None)
    return [module for module in modules if isinstance(module, wrapper)] if wrapper is not None else []


def reshard(modules: Sequence[nn.Module]) -> None:
    """Let every wrapper shard its parameters again.

    The wrapper remembers what is gathered: sharded parameters put back without its knowledge would meet gathered ones
    in the next pass.  Where a pass stopped half-way, it takes itself to be under way still, and is told the end.
    """
    for module in sharded(modules):
        end_forward(module)
        module.reshard()


def refuse_sharded(model: nn.Module, modules: Sequence[nn.Module], what: str, instead: str) -> None:
    """Raise an ``InputError`` where parameters are sharded: tensors without values would stay in the wrapper's memory.

    Or where they are offloaded: the hooks would bring tensors with values among those without.

    ``what`` was asked for, ``instead`` says what to write.
    """
    if sharded(modules):
        raise InputError(f"{type(model).__name__} is sharded by fully_shard, which {what} cannot pass: {instead}")
    if offloaded_to(model) is not None:
        raise InputError(f"{type(model).__name__} is offloaded by accelerate, which {what} cannot pass: {instead}")
