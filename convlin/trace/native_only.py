"""Models in which nothing but PyTorch's own layers runs: chains of them, for the most part.

No function can stand between two such layers, and a pass can change nothing of the model but the
training flags, which convlin sets: there is nothing to watch between the layers, and nothing else to
save.  Anything that could run other code, or write to a tensor, makes a model open.

What this saves is a third of the row of 10,000 Linears in ``benchmarks/NOTES.md``; no other row shows it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from types import ModuleType

from torch import Tensor, nn
from torch.nn.modules import (
    activation,
    batchnorm,
    conv,
    dropout,
    flatten,
    instancenorm,
    linear,
    normalization,
    padding,
    pixelshuffle,
    pooling,
    upsampling,
)
from torch.nn.modules.lazy import LazyModuleMixin

from convlin._util.torch_behavior import writes_statistics_back
from convlin._util.torch_private import count_function_modes, has_global_hooks


def _defined_in(*modules: ModuleType) -> frozenset[type]:
    """The layers that these files of PyTorch's define."""
    found = (value for module in modules for value in vars(module).values() if inspect.isclass(value))
    return frozenset(
        kind
        for kind in found
        if issubclass(kind, nn.Module) and kind.__module__.startswith("torch.nn.") and not kind.__name__.startswith("_")
    )


_INSTANCE_NORMS = _defined_in(instancenorm)
_STATISTICS = _defined_in(batchnorm) | _INSTANCE_NORMS
_OWN = frozenset(
    kind
    for kind in _defined_in(
        activation, conv, dropout, flatten, linear, normalization, padding, pixelshuffle, pooling, upsampling
    )
    | _STATISTICS
    | {nn.Sequential}
    if kind is not nn.Module and not issubclass(kind, LazyModuleMixin | nn.MultiheadAttention | nn.SyncBatchNorm)
)
_INDEXED = frozenset(
    {nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d}
)  # fmt: skip
_PLAIN_TENSORS = (Tensor, nn.Parameter)


def is_closed(modules: Iterable[nn.Module], inputs: Sequence[object], mode: str) -> bool:
    """Whether a pass in this mode runs PyTorch's own layers alone and writes to nothing.

    >>> import torch
    >>> from torch import nn
    >>> is_closed(nn.Sequential(nn.Linear(3, 4), nn.ReLU()).modules(), [torch.zeros(1, 3)], "eval")
    True
    >>> is_closed(nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True)).modules(), [torch.zeros(1, 3)], "eval")
    False
    """
    if count_function_modes():  # one of somebody's own code sees every function, and may raise
        return False
    if has_global_hooks() or any(type(value) is not Tensor for value in inputs):
        return False
    return all(runs_alone(module, mode == "train" or (mode == "same" and module.training)) for module in modules)


def runs_alone(module: nn.Module, trains: bool, *, in_place: bool = False) -> bool:
    """Whether ``forward`` of this one module runs PyTorch's code alone, and writes to no tensor.

    ``trains`` says in which mode it will run; ``in_place`` that it may write to its input.
    """
    kind, attributes = type(module), module.__dict__
    if kind not in _OWN or "forward" in attributes or "_compiled_call_impl" in attributes:
        return False
    if attributes["_forward_hooks"] or attributes["_forward_pre_hooks"]:
        return False
    if attributes.get("inplace") and not in_place:
        return False
    if kind in _INDEXED and attributes.get("return_indices", True):
        return False  # where the indices lie is looked at as their functions are called
    if kind in _STATISTICS and trains:
        return False
    if kind in _INSTANCE_NORMS and attributes["track_running_stats"] and writes_statistics_back():
        return False
    for tensors in (attributes["_parameters"], attributes["_buffers"]):
        for tensor in tensors.values():
            if tensor is not None and type(tensor) not in _PLAIN_TENSORS:
                return False
    return True
