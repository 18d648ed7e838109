"""The size that a pooling with ``ceil_mode`` gives, as one formula for every size of the input.

PyTorch rounds up, and takes the last window away again where it would start in the padding.  That is
a decision, which a pass in letters makes for its sample alone; both bounds have the stride below the
fraction line, so the smaller one is a single floor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from convlin.ops.op import Family, Op


def ceil_pool_sizes(op: Op, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sequence[Any] | None:
    """The shape that this function gives; None where it is no pooling with ``ceil_mode``.

    >>> import torch
    >>> from convlin.ops.catalog import OPS
    >>> pool = OPS.named("F.max_pool1d")
    >>> ceil_pool_sizes(pool, (torch.zeros(1, 2, 10), 3, 2), {"ceil_mode": True})
    (1, 2, 5)
    >>> ceil_pool_sizes(pool, (torch.zeros(1, 2, 10), 3, 2), {}) is None
    True
    """
    if op.family is not Family.POOL or not args or not isinstance(args[0], Tensor):
        return None
    dims = op.spatial_dims
    given = {**dict(zip(op.parameters or (), args[1:], strict=False)), **kwargs}
    if not given.get("ceil_mode") or "kernel_size" not in given:
        return None
    kernel = _each(given["kernel_size"], dims)
    stride = _each(given.get("stride") or given["kernel_size"], dims)
    padding = _each(given.get("padding", 0), dims)
    dilation = _each(given.get("dilation", 1), dims)
    *front, sizes = *args[0].shape[:-dims], args[0].shape[-dims:]
    return (*front, *map(ceil_pooled, sizes, kernel, stride, padding, dilation))


def ceil_pooled(size: Any, kernel: int, stride: int, padding: int, dilation: int) -> Any:
    """How many windows there are along an axis with ``ceil_mode``.

    >>> ceil_pooled(10, 3, 2, 0, 1), ceil_pooled(5, 2, 2, 1, 1)
    (5, 3)
    """
    rounded_up = 2 * padding - dilation * (kernel - 1) - 1 + 2 * stride - 1
    starts_before_the_end = padding + stride - 1
    return (size + min(rounded_up, starts_before_the_end)) // stride


def _each(value: Any, dims: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    return values * dims if len(values) == 1 else values
