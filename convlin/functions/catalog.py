"""Torch functions that models call between their layers: their names, and what is known by a name.

A ``TorchFunctionMode`` sees every call of a torch function.  This room knows what to call each one
in a table, which ones write to their arguments, and which ones make feature maps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convlin.ops.catalog import OPS

Function = Callable[..., Any]

#: Names under which people know what Python calls by an operator.
_OPERATORS = {
    "__getitem__": "[...]", "__add__": "+", "__radd__": "+", "__iadd__": "+=", "__sub__": "-", "__rsub__": "-",
    "__mul__": "*", "__rmul__": "*", "__truediv__": "/", "__matmul__": "@", "__rmatmul__": "@",
}  # fmt: skip

_SPELLED: dict[Any, str] = {}

#: Attributes of a tensor that are tensors themselves; all others (shape, dtype, device) are facts.
_TENSOR_ATTRIBUTES = frozenset({"T", "mT", "H", "mH", "data", "grad", "real", "imag"})

#: Functions whose kernels write to an argument although their name does not say so.
_WRITING_KERNELS: frozenset[Any] = frozenset(
    function
    for function in (
        F.batch_norm, F.instance_norm, F.embedding, F.embedding_bag, torch.batch_norm, torch.instance_norm,
        torch.embedding_renorm_, getattr(torch, "fused_moving_avg_obs_fake_quant", None),
    )
    if function is not None
)  # fmt: skip


def name_of(function: Function) -> str:
    """What users write: ``Tensor.view``, ``torch.cat``, ``F.max_pool2d``, ``+``."""
    name = getattr(function, "__name__", type(function).__name__)
    if name == "__get__":
        return f"Tensor.{getattr(getattr(function, '__self__', None), '__name__', '?')}"
    if name in _OPERATORS:
        return f"Tensor{_OPERATORS[name]}" if name == "__getitem__" else _OPERATORS[name]
    if getattr(function, "__objclass__", None) is not None or getattr(Tensor, name, None) is function:
        return f"Tensor.{name}"
    if not _SPELLED:
        _SPELLED.update(
            {value: f"F.{key}" for key, value in vars(F).items() if callable(value) and not key.startswith("_")}
        )
    try:
        spelled = _SPELLED.get(function)
    except TypeError:  # an unhashable callable of a third party
        spelled = None
    if getattr(torch, name, None) is function:
        return f"torch.{name}"
    return spelled or name


def writes(function: Function) -> bool:
    """Whether a call may write to one of its arguments (``out=`` aside)."""
    name = getattr(function, "__name__", "")
    if name == "__set__":
        return getattr(getattr(function, "__self__", None), "__name__", "") == "data"
    if name in ("__setitem__", "set_") or function in _WRITING_KERNELS:
        return True
    if name.startswith("__i") and name.endswith("__"):
        return name not in ("__index__", "__invert__", "__int__", "__iter__")
    return name.endswith("_") and not name.endswith("__")


def is_fact(function: Function) -> bool:
    """Whether this only asks about a tensor (``x.shape``): nothing is computed and no row is due."""
    name = getattr(function, "__name__", "")
    if name == "__get__":
        return getattr(getattr(function, "__self__", None), "__name__", "") not in _TENSOR_ATTRIBUTES
    return name in ("size", "dim", "numel", "stride", "__len__", "is_floating_point", "is_complex")


def sizes_asked(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """The sizes that were given to ``view`` or ``reshape``, however they were written."""
    given = args[1:] or tuple(kwargs[name] for name in ("size", "shape") if name in kwargs)
    if len(given) == 1 and isinstance(given[0], tuple | list):
        return tuple(given[0])
    return given


def looks_at_values(name: str) -> str | None:
    """How a function that needs a tensor's values, not only its shape, is written; None for any other."""
    op = OPS.called(name)
    return op.looks_at_values if op is not None else None


def makes_feature_map(name: str) -> bool:
    """Whether the function of this name gives ``(N, C, *sizes)``, as a convolution or pooling does."""
    op = OPS.called(name)
    return op is not None and op.makes_feature_map


def mixes_cells(name: str) -> bool:
    """Whether what the function of this name gives sees other cells of a map, even where it keeps the shape."""
    op = OPS.called(name)
    return op is not None and (op.makes_feature_map or op.mixes_cells)


def hands_on(name: str) -> bool:
    """Whether the result of the function of this name is a feature map when its first tensor is one."""
    op = OPS.named(name)
    return op is not None and op.hands_on


def keeps_memory_order(name: str) -> bool:
    """Whether this function puts the elements of a tensor into other axes, as they lie in memory."""
    op = OPS.named(name)
    return op is not None and op.keeps_memory_order
