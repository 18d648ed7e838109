"""An independent record of one forward pass, made with nothing but PyTorch's own hooks.

This is the other side of the comparison: what ran, in the order in which it finished, with the shapes of every tensor
that went in and came out.  Hooks stay on the model for the length of the call only.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from torch import nn

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Recorded:
    """One call of a module, as a forward hook sees it.

    ``path`` is the first name of the module in ``named_modules()``.  Shapes are those of the tensors found by
    ``tensors_in``, positional arguments before keyword ones.
    """

    path: str
    type: str
    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]


def record(model: nn.Module, *args: Any, **kwargs: Any) -> list[Recorded]:
    """Call the model as it is, and return the calls of its modules in order of completion.

    Training flags, grad mode and whatever ``forward`` changes are the caller's business; see ``record_copy``.  With
    hooks on its layers PyTorch's Transformer leaves its fast path by itself, so the inner layers are called.  An
    exception of ``forward`` is passed on, the hooks are removed all the same.
    """
    recorded: list[Recorded] = []
    handles = []
    try:
        for path, module in model.named_modules():
            # The plain method of nn.Module: a scripted module refuses its own, though it runs the hooks.
            before, after = _hooks(path, recorded)
            handles.append(nn.Module.register_forward_pre_hook(module, before, with_kwargs=True))
            handles.append(nn.Module.register_forward_hook(module, after, with_kwargs=True))
        model(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return recorded


def record_copy(model: nn.Module, *args: Any, **kwargs: Any) -> list[Recorded]:
    """``record`` on a deep copy in eval mode without gradients; model, arguments and random states stay as they are.

    What ``copy.deepcopy`` cannot copy (the computed weight of the old ``weight_norm``, lazy buffers, values in slots)
    needs ``record`` on a fresh build.
    """
    replica = copy.deepcopy(model).eval()
    args, kwargs = copy.deepcopy((args, kwargs))
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    numpy_state, python_state = numpy.random.get_state(), random.getstate()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=devices):
            return record(replica, *args, **kwargs)
    finally:
        numpy.random.set_state(numpy_state)
        random.setstate(python_state)


def _hooks(path: str, recorded: list[Recorded]) -> tuple[Callable[..., None], Callable[..., None]]:
    """What notes the inputs before a module runs, since it may put others into a list, and all of it afterwards."""
    given: list[tuple[Shape, ...]] = []

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given.append(shapes_in((args, kwargs)))

    def after(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        kind = type(module).__name__
        recorded.append(Recorded(path, kind, input_shapes=given.pop(), output_shapes=shapes_in(output)))

    return before, after


def shapes_in(value: object) -> tuple[Shape, ...]:
    """The shapes of all tensors in a value, in the order of ``tensors_in``."""
    return tuple(shape_of(tensor) for tensor in tensors_in(value))


def shape_of(tensor: torch.Tensor) -> Shape:
    """The sizes of a tensor; a ragged dimension of a nested tensor is -1."""
    if tensor.is_nested:
        return tuple(_nested_size(tensor, dimension) for dimension in range(tensor.dim()))
    return tuple(int(size) for size in tensor.shape)


def _nested_size(tensor: torch.Tensor, dimension: int) -> int:
    try:
        size = tensor.size(dimension)
    except RuntimeError:
        return -1
    return size if isinstance(size, int) else -1


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """All tensors in nested tuples, lists, mappings and dataclasses, in order, a repeated one each time.

    Named tuples and ``PackedSequence`` are tuples, ``ModelOutput`` is a mapping; of a distribution the parameters it
    keeps are taken.  An object of any other class is not opened.
    """
    yield from _tensors_in(value, ())


def _tensors_in(value: object, inside: tuple[int, ...]) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
        return
    if id(value) in inside:
        return  # A list that holds itself.
    for entry in _entries(value):
        yield from _tensors_in(entry, (*inside, id(value)))


def _entries(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (tuple, list, set, frozenset, collections.deque)):
        return list(value)
    if isinstance(value, torch.distributions.Distribution):
        return [vars(value)[name] for name in value.arg_constraints if name in vars(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, entry.name, None) for entry in dataclasses.fields(value)]
    return []
