"""Layers that divide their channels into parts: what their constructors are to be given for another size."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from typing import TYPE_CHECKING, Any

from torch import nn

from convlin.ops.misfit import Misfit, resized

if TYPE_CHECKING:
    from convlin._util.torch_private import ConvNd


def divisor(size: int, at_most: int) -> int:
    """The largest number up to ``at_most`` that divides ``size``: into so many groups it can be parted.

    >>> divisor(6, 4), divisor(7, 4)
    (3, 1)
    """
    return next(parts for parts in range(at_most, 0, -1) if size % parts == 0)


def convolved(
    module: ConvNd, declared: int, required: int, note: str = "", detail: Mapping[str, Any] | None = None
) -> Misfit:
    """Other channels than a convolution takes; its groups among the changes where they are no divisor.

    >>> dict(convolved(nn.Conv2d(6, 4, 3, groups=2), 6, 5).changes)
    {'in_channels': 5, 'groups': 1}
    """
    changes = {"in_channels": required}
    if module.groups == module.in_channels > 1:  # each channel by itself, and that is how it stays
        changes |= {"out_channels": module.out_channels // module.groups * required, "groups": required}
    elif required % module.groups:
        changes["groups"] = divisor(gcd(required, module.out_channels), module.groups)
    parts = {"parts": module.groups} if "groups" in changes and "out_channels" not in changes else {}
    return Misfit("in_channels", declared, required, note, {**(detail or {}), **parts}, changes)


def grouped(module: nn.GroupNorm, required: int) -> Misfit:
    """Other channels than a group norm takes, and the groups that these can be divided into.

    >>> dict(grouped(nn.GroupNorm(4, 8), 6).changes)
    {'num_channels': 6, 'num_groups': 3}
    """
    misfit = resized("num_channels", module.num_channels, required)
    if not required % module.num_groups:
        return misfit
    changes = {**misfit.changes, "num_groups": divisor(required, module.num_groups)}
    return misfit._replace(detail={"parts": module.num_groups}, changes=changes)
