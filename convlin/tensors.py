"""Finding the tensors inside whatever a layer takes or returns, each with the place it was found at."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.utils.rnn import PackedSequence

from convlin._util.torch_private import not_traced
from convlin.records import Shape, TensorInfo

#: Deeper nesting than this is shown by its type.
MAX_DEPTH = 8

_LEAVES = (
    str, bytes, int, float, complex, bool, type(None), type, torch.dtype, torch.device,
    torch.SymInt, torch.SymFloat, torch.SymBool,
)  # fmt: skip
_DTYPE_NAMES: dict[torch.dtype, str] = {}

SizeReader = Callable[[Tensor], Shape]


def zeros(like: Tensor, shape: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
    """A stand-in of another shape, on the same device; of a tensor that processes share, a whole one in each.

    >>> zeros(torch.ones(2, 3), (2, 4))
    tensor([[0., 0., 0., 0.],
            [0., 0., 0., 0.]])
    """
    if is_distributed(like):
        return like.new_zeros(tuple(shape), dtype=dtype or like.dtype)
    return torch.zeros(tuple(shape), dtype=dtype or like.dtype, device=like.device)


def is_distributed(tensor: Tensor) -> bool:
    """Whether it is a ``DTensor``, whose parts lie in several processes; its ``shape`` is that of the whole."""
    # Whoever has one has loaded its module; nobody else pays for the import.
    kind = getattr(sys.modules.get("torch.distributed.tensor"), "DTensor", None)
    return kind is not None and isinstance(tensor, kind)


def processes(tensor: Tensor) -> int:
    """In how many processes the parts of a tensor lie: 1 for all but a ``DTensor``."""
    distributed: Any = tensor
    return int(distributed.device_mesh.size()) if is_distributed(tensor) else 1


def tensors_in(value: Any, place: str = "", *, objects: bool = False) -> Iterator[tuple[str, Tensor]]:
    """Every tensor inside ``value`` with what a user writes to reach it: ``[0]``, ``.logits``, ``["boxes"]``.

    ``objects`` looks into objects of classes that are neither Python's nor torch's too.  That is for what
    a layer returns: among its arguments such an object is a cache more often than not.  A container that
    contains itself is entered once.
    """
    return _search(value, place, (), objects)


def _search(value: Any, place: str, inside: tuple[int, ...], objects: bool) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield place, value
        return
    if isinstance(value, _LEAVES) or len(inside) > MAX_DEPTH or id(value) in inside:
        return
    inside = (*inside, id(value))
    if isinstance(value, tuple | list | deque):
        fields = getattr(value, "_fields", None)
        for index, item in enumerate(value):
            here = f"{place}.{fields[index]}" if fields else f"{place}[{index}]"
            yield from _search(item, here, inside, objects)
    elif isinstance(value, set | frozenset):
        for item in value:
            yield from _search(item, f"{place}{{…}}", inside, objects)
    elif isinstance(value, Mapping):
        # transformers' ModelOutput is a mapping whose keys are its fields: people write .logits.
        by_attribute = dataclasses.is_dataclass(value)
        for key, item in value.items():
            here = f"{place}.{key}" if by_attribute else f"{place}[{_quoted(key)}]"
            yield from _search(item, here, inside, objects)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _search(getattr(value, field.name, None), f"{place}.{field.name}", inside, objects)
    elif isinstance(value, Distribution):
        for name in value.arg_constraints:
            if name in value.__dict__:
                yield from _search(value.__dict__[name], f"{place}.{name}", inside, objects)
    elif objects:
        yield from _in_object(value, place, inside)


def _in_object(value: Any, place: str, inside: tuple[int, ...]) -> Iterator[tuple[str, Tensor]]:
    """The tensor attributes of an object of the user's own class."""
    attributes = getattr(value, "__dict__", None)
    if not isinstance(attributes, dict) or isinstance(value, torch.nn.Module) or callable(value):
        return
    for name, item in list(attributes.items()):
        yield from _search(item, f"{place}.{name}", inside, True)


def _quoted(key: object) -> str:
    return f'"{key}"' if isinstance(key, str) else repr(key)


def sizes(tensor: Tensor) -> Shape:
    """The shape as a tuple; -1 for a ragged dimension of a nested tensor."""
    if tensor.is_nested:
        return tuple(_ragged(tensor, axis) for axis in range(tensor.dim()))
    shape = tuple(tensor.shape)
    if shape and isinstance(shape[0], Tensor):  # while torch.jit.trace records what is done with them
        with not_traced():
            return tuple(tensor.shape)
    return shape


def _ragged(tensor: Tensor, axis: int) -> int:
    try:
        size = tensor.size(axis)
    except RuntimeError:
        return -1
    return size if type(size) is int else -1


def dtype_name(dtype: torch.dtype) -> str:
    """``float32`` for ``torch.float32``."""
    name = _DTYPE_NAMES.get(dtype)
    if name is None:
        name = _DTYPE_NAMES[dtype] = str(dtype).removeprefix("torch.")
    return name


def device_name(tensor: Tensor) -> str:
    """``cpu``, ``cuda:0``, ``meta``."""
    return "cpu" if tensor.is_cpu else "meta" if tensor.is_meta else str(tensor.device)


def describe(value: Any, read: SizeReader = sizes) -> tuple[TensorInfo, ...]:
    """A record of every tensor inside ``value``."""
    if isinstance(value, Tensor):  # the common case, without a generator
        return (info(value, "", read),)
    return tuple(info(tensor, place, read) for place, tensor in tensors_in(value, objects=True))


def describe_arguments(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], read: SizeReader = sizes
) -> tuple[TensorInfo, ...]:
    """A record of every tensor in the arguments of a call; a single positional tensor has no place."""
    given: Any = args[0] if len(args) == 1 and not kwargs else args
    if isinstance(given, Tensor):  # the common case, without a generator
        return (info(given, "", read),)
    found = tuple(info(tensor, place, read) for place, tensor in tensors_in(given))
    for name, value in kwargs.items():
        found += tuple(info(tensor, place, read) for place, tensor in tensors_in(value, name))
    return found


def argument_names(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """What ``function`` calls each tensor in the arguments of a call, in the order of ``describe_arguments``.

    Empty where it has no Python signature.

    >>> def forward(left, *others, mask=None): ...
    >>> x = torch.zeros(1)
    >>> argument_names(forward, (x, [x, x]), {"mask": x})
    ('left', 'others[0][0]', 'others[0][1]', 'mask')
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    names = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    rest = next((each.name for each in parameters if each.kind is each.VAR_POSITIONAL), "args")
    names.extend(f"{rest}[{index}]" for index in range(len(args) - len(names)))
    return tuple(
        place
        for name, value in (*zip(names, args, strict=False), *kwargs.items())
        for place, _ in tensors_in(value, name)
    )


def info(tensor: Tensor, place: str = "", read: SizeReader = sizes) -> TensorInfo:
    """The record of one tensor."""
    return TensorInfo(place, read(tensor), dtype_name(tensor.dtype), device_name(tensor))


def map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """``value`` with every tensor in its tuples, lists and dicts replaced; other objects stay as they are."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, PackedSequence):
        return value._replace(data=change(value.data))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(item, change) for item in value))
    if type(value) in (tuple, list):
        return type(value)(map_tensors(item, change) for item in value)
    if type(value) is dict:
        return {key: map_tensors(item, change) for key, item in value.items()}
    return value


def has_channels_last(given: Tensor) -> bool:
    """Whether PyTorch takes a map for one with its channels last, by the rule of its ``suggest_memory_format``.

    Of a single channel, or a single cell, the strides alone tell which of the two orders was meant.
    Source: https://github.com/pytorch/pytorch/blob/main/c10/core/MemoryFormat.h (``is_channels_last_strides_2d_s4``)

    >>> has_channels_last(torch.zeros(2, 3, 4, 5)), has_channels_last(torch.zeros(2, 4, 5, 3).permute(0, 3, 1, 2))
    (False, True)
    """
    shape, strides = given.shape, given.stride()
    if len(shape) != 4 or not strides[1]:
        return False
    least = 0
    for axis in (1, 3, 2, 0):
        size, stride = shape[axis], strides[axis]
        if size == 0 or stride < least or (axis == 0 and least == strides[1]):
            return False
        least = stride * max(size, 1)
    return True


def flat_tensors(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The tensors among the arguments, those in a list or tuple too."""
    found: list[Tensor] = []
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(item for item in value if isinstance(item, Tensor))
    return found
