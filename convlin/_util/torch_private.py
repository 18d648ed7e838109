"""Private names of torch that differ between its versions, each with what is done where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules import module as _module
from torch.utils import _python_dispatch

#: The registries of hooks that are called for every module.
_GLOBAL_HOOKS = (
    "_global_backward_pre_hooks", "_global_backward_hooks", "_global_forward_pre_hooks", "_global_forward_hooks",
    "_global_forward_hooks_always_called", "_global_forward_hooks_with_kwargs",
)  # fmt: skip


def has_global_hooks() -> bool:
    """Whether somebody registered a hook for every module there is.

    torch 2.13 has a function of its own for this, torch 2.6 has not; the registries are in both.
    """
    return any(getattr(_module, name, None) for name in _GLOBAL_HOOKS)


def values_of_symbols(environment: Any) -> dict[Any, Any]:
    """The hint of every symbol of a ``ShapeEnv``; torch 2.6 calls it ``var_to_val``."""
    found: dict[Any, Any] | None = getattr(environment, "backed_var_to_val", None)
    return environment.var_to_val if found is None else found


def is_of_accelerator(error: BaseException) -> bool:
    """Whether a device says that an earlier kernel failed; torch 2.6 has no type for that."""
    kind = getattr(torch, "AcceleratorError", None)
    return kind is not None and isinstance(error, kind)


def operators(*names: str) -> Iterator[Any]:
    """The overloads of ``torch.ops`` with these names, such as ``aten.size.default``; a version may lack some."""
    for name in names:
        found: Any = torch.ops
        try:
            for part in name.split("."):
                found = getattr(found, part)
        except AttributeError:
            continue
        yield found


def no_dispatch_modes() -> AbstractContextManager[Any]:
    """Inside, tensors are made and computed with as if no ``TorchDispatchMode``, such as a fake one, was entered."""
    context: AbstractContextManager[Any] = _python_dispatch._disable_current_modes()
    return context


def set_version(tensor: Tensor, version: int) -> None:
    """Tell autograd that the bytes of ``tensor`` are those of ``version``; without the function nothing is told.

    torch 2.13 takes tuples, torch 2.6 one tensor.
    """
    setter = getattr(torch._C._autograd, "_unsafe_set_version_counter", None)
    if setter is None:
        return
    try:
        setter((tensor,), (version,))
    except TypeError:
        setter(tensor, version)


def end_forward(module: Any) -> None:
    """Tell a module under ``fully_shard`` that no pass is under way; after one that stopped it goes on waiting.

    torch 2.13 keeps a list of groups of parameters, earlier versions a single one.
    """
    state = module._get_fsdp_state()
    groups = getattr(state, "_fsdp_param_groups", None) or [getattr(state, "_fsdp_param_group", None)]
    for part in (state, *groups):
        if part is not None:
            part._training_state = type(part._training_state).IDLE
