"""Maps of another size: resized, or sampled at the places of a grid."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from convlin.ops.memory_order import (
    empty,
    is_plain,
    is_usual,
)
from convlin.ops.results.checked import is_cast
from convlin.ops.windows import RESIZES


def resized(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Any = None,
    recompute_scale_factor: Any = None,
    antialias: bool = False,
) -> Tensor | None:
    """To a size that is asked for, or to a multiple of what it is: PyTorch computes it pixel by pixel in letters."""
    if (size is None) == (scale_factor is None) or recompute_scale_factor or antialias or not is_usual(input):
        return None
    if input.dim() not in RESIZES.get(mode, ()) or (align_corners is not None and mode.startswith("nearest")):
        return None
    asked = scale_factor if size is None else size
    wanted = tuple(asked) if isinstance(asked, tuple | list) else (asked,) * (input.dim() - 2)
    if len(wanted) != input.dim() - 2:
        return None
    if size is None:
        if not all(type(each) in (int, float) and isfinite(each) for each in wanted):
            return None
        # As PyTorch has it: a product of whole numbers, or what is left of one of fractions.
        whole: Callable[[Any], Any] = torch.sym_int
        wanted = tuple(
            length * int(factor) if int(factor) == factor else whole(length * factor)
            for length, factor in zip(input.shape[2:], wanted, strict=True)
        )
    if not all(type(each) in (int, torch.SymInt) for each in wanted):
        return None
    if not all(each > 0 for each in (*input.shape, *wanted)):
        return None
    return empty(input, (*input.shape[:2], *wanted))


def sampled(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: Any = None
) -> Tensor | None:
    """At the places of a grid, of a map."""
    if not is_usual(input) or not is_plain(grid) or input.dim() != 4 or grid.dim() != 4 or is_cast(input):
        return None
    if mode not in ("bilinear", "nearest") or padding_mode not in ("zeros", "border", "reflection"):
        return None
    if input.dtype != grid.dtype or type(grid.shape[3]) is not int or grid.shape[3] != 2:
        return None
    if not all(each > 0 for each in (*input.shape, *grid.shape)) or input.shape[0] != grid.shape[0]:
        return None
    return empty(input, (*input.shape[:2], *grid.shape[1:3]))


def places(theta: Any, size: Any, align_corners: Any = None) -> Tensor | None:
    """The grid of a map in letters, which PyTorch makes of plain numbers."""
    if not is_plain(theta) or not isinstance(size, list | tuple) or len(size) != 4 or is_cast(theta):
        return None
    if {int}.issuperset(map(type, size)) or theta.dim() != 3 or tuple(theta.shape[1:]) != (2, 3):
        return None
    if not all(each > 0 for each in size) or size[0] != theta.shape[0]:
        return None
    return empty(theta, (*size[:1], *size[2:], 2))


def spaced(start: Any, end: Any, steps: Any, *, dtype: Any = None, device: Any = None) -> Tensor | None:
    """As many numbers as a letter says, of which PyTorch makes a plain number."""
    is_known = isinstance(steps, torch.SymInt) and not any(isinstance(each, Tensor | complex) for each in (start, end))
    return torch.empty(steps, dtype=dtype, device=device) if is_known else None
