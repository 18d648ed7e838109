"""What several descriptions of layers need: stand-ins, dtypes, tuples where a tensor should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from convlin.layers.rule import Arrival, Examine, Verdict
from convlin.module_tree import parameters_of
from convlin.ops.misfit import Misfit
from convlin.records import Shape
from convlin.tensors import dtype_name, zeros


def replaced(shape: torch.Size, axis: int, size: int) -> tuple[int, ...]:
    """The shape with another size on one axis."""
    sizes = list(shape)
    sizes[axis] = size
    return tuple(sizes)


def moved(rank: int, axis: int, to: int) -> tuple[int, ...]:
    """The order of axes for ``permute`` that sets one of them at another place.

    >>> moved(4, 3, 1)
    (0, 3, 1, 2)
    """
    order = [index for index in range(rank) if index != axis]
    order.insert(to, axis)
    return tuple(order)


def to_be_given(arrived: Sequence[Any], order: Sequence[int]) -> tuple[Any, ...]:
    """The shape of an input that ``forward`` turns into what a layer takes, where ``order`` turns back what arrived.

    A batch that moves to another axis stays in front: the features alone are given where they are taken from.

    >>> to_be_given((1, 8, 20), (0, 2, 1)), to_be_given((8, 1, 20), (1, 2, 0))
    ((1, 8, 20), (1, 8, 20))
    """
    given = tuple(arrived[axis] for axis in order)
    if order[0] == 0:
        return tuple(given[axis] for axis in order)
    place = order.index(len(order) - 1)
    right = list(given)
    right[place], right[-1] = right[-1], right[place]
    return tuple(right)


def unwrapped(value: Any) -> tuple[Any, tuple[Misfit, ...]]:
    """The first tensor of a tuple that reached a layer which takes one tensor."""
    if isinstance(value, PackedSequence):
        return value.data, (Misfit("structure", "Tensor", "PackedSequence", "packed"),)
    if type(value).__module__ == "numpy" and hasattr(value, "__array__"):
        try:
            return torch.as_tensor(value), (Misfit("structure", "Tensor", "ndarray", "array"),)
        except TypeError:  # of text or objects no tensor can be made
            return value, ()
    if isinstance(value, tuple | list) and value and isinstance(value[0], Tensor):
        detail = {"length": len(value), "repeats": len(set(map(id, value))) < len(value)}
        return value[0], (Misfit("structure", "Tensor", type(value).__name__, "tuple", detail),)
    return value, ()


def stored_weight(module: nn.Module) -> Tensor | None:
    """The weight as it is stored: to read one under a parametrization runs modules, and may change them."""
    weight = module._parameters.get("weight")
    if weight is None and torch.nn.utils.parametrize.is_parametrized(module, "weight"):
        kept = module.parametrizations["weight"]  # type: ignore[index]
        return next(parameters_of(kept), None)  # type: ignore[arg-type]
    return weight if weight is not None else module.__dict__.get("weight")


def dtype_misfit(tensor: Tensor, weight: Tensor | None) -> tuple[Tensor, tuple[Misfit, ...]]:
    """The tensor in the dtype of the layer's weight, and whether it came in another one."""
    if weight is None or tensor.dtype == weight.dtype or _casts(tensor, weight):
        return tensor, ()
    if weight.dtype.itemsize == 1 or weight.is_quantized:
        return tensor, ()
    misfit = Misfit("dtype", dtype_name(weight.dtype), dtype_name(tensor.dtype), "cast")
    drops = tensor.is_complex() and not weight.is_complex()  # which PyTorch warns of
    return (tensor.real if drops else tensor).to(weight.dtype), (misfit,)


def _casts(tensor: Tensor, weight: Tensor) -> bool:
    """Whether autocast takes care of both dtypes; some devices (meta) do not know it and raise."""
    if not all(each.is_floating_point() and each.dtype != torch.float64 for each in (tensor, weight)):
        return False
    try:
        return torch.is_autocast_enabled(tensor.device.type)
    except RuntimeError:
        return False


def steps_order(*, batch_first: bool) -> tuple[int, ...]:
    """The order of axes for ``permute`` that makes steps with features of ``(N, C, L)``."""
    return (0, 2, 1) if batch_first else (2, 0, 1)


def lacks_time(arrival: Arrival, tensor: Tensor, declared: int, *, batch_first: bool) -> Misfit | None:
    """What is wrong where a layer of sequences would read the batch of a tensor of two axes as time."""
    if tensor.dim() != 2 or not arrival.is_batch_first:
        return None
    width = tensor.shape[-1]
    if width == declared and not arrival.lacks_time:
        return None
    # Steps that were flattened are as many as there were; otherwise any number, but for one that a mean would leave.
    steps = width // declared if width > declared and width % declared == 0 else 2
    detail = {"shape": tuple(tensor.shape), "width": declared, "steps": steps, "batch_first": batch_first}
    return Misfit("structure", 3, 2, "no_time", detail)


def with_steps(tensor: Tensor, misfit: Misfit) -> Tensor:
    """Sequences of the declared width in place of a tensor without steps."""
    steps, width = misfit.detail["steps"], misfit.detail["width"]
    sizes = (tensor.shape[0], steps) if misfit.detail["batch_first"] else (steps, tensor.shape[0])
    return zeros(tensor, (*sizes, width))


def base_name(module: nn.Module) -> str:
    """Name of PyTorch's own class behind a subclass."""
    return next((kind.__name__ for kind in type(module).__mro__ if kind.__module__.startswith("torch.")), "")


def one_size(attribute: str, axis: int, *, argument: str = "", keeps_input: bool = False) -> Examine:
    """For a layer that declares the size of one axis of its input in ``attribute``.

    ``argument`` is what the constructor calls it, where that is another name.  ``keeps_input`` is for a
    layer whose output has the size of its input, whatever that is.
    """
    name = argument or attribute

    def examine(module: Any, arrival: Arrival) -> Verdict | None:
        tensor, declared = arrival.first("input"), getattr(module, attribute)
        if not isinstance(tensor, Tensor) or not -tensor.dim() <= axis < tensor.dim():
            return None
        required = tensor.shape[axis]
        if required == declared:
            return None
        stand_in = zeros(tensor, replaced(tensor.shape, axis % tensor.dim(), declared))
        misfit = Misfit(attribute, declared, required, changes={name: required}, axis=axis)
        return Verdict((misfit,), arrival.with_first("input", stand_in), keeps_input=keeps_input)

    return examine


def by_weight_axes(**axes: int) -> Callable[[Any, Mapping[str, Shape]], dict[str, Any]]:
    """What a rule says of arguments that are sizes of the layer's ``weight``: on which axis each stands.

    >>> by_weight_axes(out_features=0, in_features=1)(None, {"weight": (2, 4), "bias": (2,)})
    {'out_features': 2, 'in_features': 4}
    """

    def from_weights(_: Any, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        weight = shapes.get("weight", ())
        return {name: weight[axis] for name, axis in axes.items()} if len(weight) == len(axes) else {}

    return from_weights
