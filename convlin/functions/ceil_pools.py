"""The size that a pooling with ``ceil_mode`` gives, as one formula for every size of the input.

PyTorch rounds up, and takes the last window away again where it would start in the padding.  That is
a decision, which a pass in letters makes for its sample alone; both bounds have the stride below the
fraction line, so the smaller one is a single floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

#: The parameters behind the input, of each family of functions.
_PARAMETERS = {
    "max": ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "avg": ("kernel_size", "stride", "padding", "ceil_mode"),
    "lp": ("norm_type", "kernel_size", "stride", "ceil_mode"),
}
_POOLS = {
    f"{family}_pool{dims}d{suffix}": (family, dims)
    for family in _PARAMETERS
    for dims in (1, 2, 3)
    for suffix in (("", "_with_indices") if family == "max" else ("",))
}


def ceil_pool_sizes(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sequence[Any] | None:
    """The shape that a function of this name gives; None where it is no pooling with ``ceil_mode``.

    >>> import torch
    >>> ceil_pool_sizes("max_pool1d", (torch.zeros(1, 2, 10), 3, 2), {"ceil_mode": True})
    (1, 2, 5)
    >>> ceil_pool_sizes("max_pool1d", (torch.zeros(1, 2, 10), 3, 2), {}) is None
    True
    """
    pool = _POOLS.get(name)
    if pool is None or not args or not isinstance(args[0], Tensor):
        return None
    family, dims = pool
    given = {**dict(zip(_PARAMETERS[family], args[1:], strict=False)), **kwargs}
    if not given.get("ceil_mode") or "kernel_size" not in given:
        return None
    kernel = _each(given["kernel_size"], dims)
    stride = _each(given.get("stride") or given["kernel_size"], dims)
    padding = _each(given.get("padding", 0), dims)
    dilation = _each(given.get("dilation", 1), dims)
    *front, sizes = *args[0].shape[:-dims], args[0].shape[-dims:]
    return (*front, *map(_pooled, sizes, kernel, stride, padding, dilation))


def _pooled(size: Any, kernel: int, stride: int, padding: int, dilation: int) -> Any:
    rounded_up = 2 * padding - dilation * (kernel - 1) - 1 + 2 * stride - 1
    starts_before_the_end = padding + stride - 1
    return (size + min(rounded_up, starts_before_the_end)) // stride


def _each(value: Any, dims: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    return values * dims if len(values) == 1 else values
