"""Floating-point operations of one pass, by the formulas of ``torch.utils.flop_counter``.

Those formulas belong to the operations below the torch functions (``aten``), so a dispatch mode
counts them while the pass runs, attention and the inside of fused layers included.  Two kernels that
the CPU alone has are missing there, so that they have their formulas here: the count is that of the
matrix products that other devices do in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from convlin._util.torch_private import TorchDispatchMode, operators

_OPERATOR = type(torch.ops.prim.device.default)
_ABOUT_SIZES = frozenset(
    operators(
        "aten.sym_is_contiguous.default", "aten.is_contiguous.default", "aten.is_contiguous.memory_format",
        "aten.is_strides_like_format.default", "aten.is_non_overlapping_and_dense.default", "aten.size.default",
        "aten.sym_size.default", "aten.stride.default", "aten.sym_stride.default", "aten.storage_offset.default",
        "aten.sym_storage_offset.default", "aten.numel.default", "aten.sym_numel.default", "aten.dim.default",
        "prim.layout.default",
    )
)  # fmt: skip


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Every query with every key, and every score with every value."""
    *rows, width = query.shape
    return 2 * prod(rows) * value.shape[-2] * (width + value.shape[-1])


def _recurrent(given: Tensor, weight_of_input: Tensor, weight_of_state: Tensor, *_: Any, **__: Any) -> int:
    """One layer of an LSTM in one direction: both weights at every step of every sample."""
    return 2 * prod(given.shape[:-1]) * (weight_of_input.numel() + weight_of_state.numel())


#: The formulas of the CPU's own fused kernels, by their operators.
_ON_CPU: Mapping[Any, Callable[..., int]] = {
    operator.overloadpacket: formula
    for name, formula in (
        ("aten._scaled_dot_product_flash_attention_for_cpu.default", _attention),
        ("aten.mkldnn_rnn_layer.default", _recurrent),
    )
    for operator in operators(name)
}


class FlopCount(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves the base untyped
    """Adds up what the operations under it cost.

    >>> with FlopCount() as count:
    ...     y = torch.zeros(2, 3) @ torch.zeros(3, 4)
    >>> count.total  # a multiply and an add for each of 2·3·4
    48
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _ABOUT_SIZES:  # asked of nested tensors, which answer by themselves
            return NotImplemented
        kwargs = dict(kwargs or {})
        operation = getattr(func, "_overloadpacket", func)
        if isinstance(func, _OPERATOR) and func is not torch.ops.prim.device.default:
            # An operation that is made of others counts as those.
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        formula = flop_registry.get(operation) or _ON_CPU.get(operation)
        if formula is not None:
            self.total += int(formula(*args, **kwargs, out_val=result))
        return result
