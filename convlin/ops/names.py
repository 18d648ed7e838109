"""A torch function by its name and its entry, and whether a call of it writes or only asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convlin._util.torch_private import operator_name, operator_writes
from convlin.ops.catalog import OPS
from convlin.ops.op import Op

Function = Callable[..., Any]

#: Names under which people know what Python calls by an operator.
_OPERATORS = {
    "__getitem__": "[...]", "__add__": "+", "__radd__": "+", "__iadd__": "+=", "__sub__": "-", "__rsub__": "-",
    "__isub__": "-=", "__mul__": "*", "__rmul__": "*", "__imul__": "*=", "__truediv__": "/", "__itruediv__": "/=",
    "__matmul__": "@", "__rmatmul__": "@",
}  # fmt: skip

#: What ``nn.utils.rnn`` calls for its own functions of these names.
_OF_SEQUENCES = {
    "_pack_padded_sequence": "pack_padded_sequence", "_pad_packed_sequence": "pad_packed_sequence",
}  # fmt: skip

_SPELLED: dict[Any, str] = {}

#: Attributes of a tensor that are tensors themselves; all others (shape, dtype, device) are facts.
_TENSOR_ATTRIBUTES = frozenset({"T", "mT", "H", "mH", "data", "grad", "real", "imag"})


def name_of(function: Function) -> str:
    """What users write: ``Tensor.view``, ``torch.cat``, ``F.max_pool2d``, ``+``."""
    if operator := operator_name(function):
        return operator
    name = getattr(function, "__name__", type(function).__name__)
    if name == "__get__":
        return f"Tensor.{getattr(getattr(function, '__self__', None), '__name__', '?')}"
    if name in _OPERATORS:
        return f"Tensor{_OPERATORS[name]}" if name == "__getitem__" else _OPERATORS[name]
    if name in _OF_SEQUENCES:
        return _OF_SEQUENCES[name]
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


def op_of(function: Function) -> Op:
    """The entry of a torch function itself.

    >>> op_of(torch.Tensor.view) is op_of(torch.reshape), op_of(torch.Tensor.__add__) is op_of(torch.add)
    (True, True)
    """
    try:
        return _op_of(function)
    except TypeError:  # an unhashable callable of a third party
        return OPS.named(name_of(function))


@cache
def _op_of(function: Function) -> Op:
    return OPS.named(name_of(function))


def may_write(function: Function) -> bool:
    """Whether a call may write to one of its arguments (``out=`` aside)."""
    if operator_name(function):
        return operator_writes(function)
    name = getattr(function, "__name__", "")
    if name == "__set__":
        return getattr(getattr(function, "__self__", None), "__name__", "") == "data"
    if name in ("__setitem__", "set_") or op_of(function).writes is not None:
        return True
    if name.startswith("__i") and name.endswith("__"):
        return name not in ("__index__", "__invert__", "__int__", "__iter__")
    return name.endswith("_") and not name.endswith("__")


def only_reads(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether this call of a function that may write does not: statistics in training, renormed embeddings.

    >>> only_reads(F.embedding, (torch.zeros(1), torch.zeros(2, 3)), {})
    True
    >>> only_reads(torch.relu_, (torch.zeros(1),), {})
    False
    """
    op = op_of(function)
    if op.writes is None or op.writes.flag is None or op.parameters is None or "out" in kwargs:
        return False
    position = 1 + op.parameters.index(op.writes.flag)
    return not (args[position] if len(args) > position else kwargs.get(op.writes.flag, op.writes.default))


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
