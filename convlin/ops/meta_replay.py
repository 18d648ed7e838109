"""On the meta device: the answer of the CPU, where the two are known to differ.

The meta kernels leave out some checks of the CPU's, and refuse an empty batch here and there: ``docs/behavior.md``
lists what was found.  The formulas of ``arithmetic`` are those of the CPU.  Where one of them disagrees with the meta
device, the call is made once more on the CPU with zeros of the same shapes, and what it says counts.

The order in memory decides whether a ``view`` is refused.  Of some functions the meta device forgets that channels come
last, where the kernels of the CPU and of GPUs leave them there.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from convlin.arithmetic import SizeError
from convlin.ops.catalog import derive
from convlin.ops.names import name_of, op_of
from convlin.records import Call, Shape
from convlin.tensors import has_channels_last, info, map_tensors, tensors_in

#: No more elements than these are made on the CPU to find out: 64 MB of them.
_MOST_ELEMENTS = 2**24

#: The attribute of an exception that the CPU raised in the place of the meta device.
_MARK = "_convlin_said_by_cpu"


def is_said_by_cpu(error: BaseException) -> bool:
    """Whether a pass on the meta device stopped with what the CPU said of the same call."""
    return _MARK in vars(error)


def as_on_the_cpu(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    """What ``function`` gives on the meta device, or what the CPU says of the call where its formula disagrees.

    ``settings`` are the arguments that are no tensors, as a call records them.  Raises what the CPU raises.

    >>> x, weight = torch.empty(1, 2, 7, device="meta"), torch.empty(4, 2, 3, device="meta")
    >>> torch.conv1d(x, weight, padding=-1).shape
    torch.Size([1, 4, 3])
    >>> as_on_the_cpu(torch.conv1d, (x, weight), {"padding": -1}, {"padding": -1})
    Traceback (most recent call last):
    RuntimeError: negative padding is not supported
    """
    made = _made(function, args, kwargs, settings)
    if not isinstance(made, Tensor) or made.dim() != 4 or not op_of(function).keeps_channels_last:
        return made
    if settings.get("mode", settings.get("2")) == "circular":  # of F.pad, which joins parts
        return made
    given = (tensor for _, tensor in tensors_in((args[:2], dict(kwargs))))  # a map and its weight
    return made.contiguous(memory_format=torch.channels_last) if any(map(has_channels_last, given)) else made


def _made(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    try:
        made = function(*args, **kwargs)
    except (RuntimeError, TypeError, ValueError):
        found = _on_cpu(function, args, kwargs)
        if isinstance(found, Exception):
            raise found from None
        if found is None:
            raise
        return _like(found)
    if not isinstance(made, Tensor) or _formula(function, args, kwargs, settings) == tuple(made.shape):
        return made
    found = _on_cpu(function, args, kwargs)
    if isinstance(found, Exception):
        raise found
    return made if found is None or found.shape == made.shape else _like(found)


def _formula(
    function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], settings: Mapping[str, Any]
) -> Shape | None:
    """The shape by the formula; None where it refuses the call, or there is none."""
    inputs = tuple(info(tensor) for _, tensor in tensors_in((args, dict(kwargs))))
    try:
        derivation = derive(Call("", name_of(function), inputs, settings=dict(settings)))
    except SizeError:
        return None
    return None if derivation is None else derivation.shape


def _on_cpu(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | Exception | None:
    """What the CPU gives or raises for zeros; None where that would be too much, or the tensors are of another kind."""
    tensors = [tensor for _, tensor in tensors_in((args, dict(kwargs)))]
    if not all(map(_has_values_that_do_not_matter, tensors)):
        return None
    if sum(prod(tensor.shape) for tensor in tensors) > _MOST_ELEMENTS:
        return None
    real_args, real_kwargs = map_tensors((args, dict(kwargs)), _zeros)
    try:
        found = function(*real_args, **real_kwargs)
    except (RuntimeError, TypeError, ValueError) as error:
        vars(error)[_MARK] = True
        return error
    return found if isinstance(found, Tensor) else None


def _has_values_that_do_not_matter(tensor: Tensor) -> bool:
    """Whether zeros can take its place: a number in a tensor may be a size."""
    plain = type(tensor) in (Tensor, nn.Parameter) and tensor.is_meta
    return plain and tensor.is_floating_point() and tensor.dim() > 0


def _zeros(tensor: Tensor) -> Tensor:
    return torch.zeros(tensor.shape, dtype=tensor.dtype, device="cpu")


def _like(found: Tensor) -> Tensor:
    return torch.empty(found.shape, dtype=found.dtype, device="meta")
