"""The frames of a traceback, and the modules and tensors that they hold.

Nothing here imports torch, and no code of the user's is run: values are found in variables, in the
attributes of objects, and in lists, tuples and dicts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import FrameType, FunctionType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from convlin._util.packages import CONVLIN, folder

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Longer lists hold data, not the few things that a function works on.
_LONGEST = 100


class Called(NamedTuple):
    """A module, and what a call of it is given."""

    model: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def is_convlins(frame: FrameType) -> bool:
    """Whether a frame runs convlin's own code."""
    return frame.f_code.co_filename.startswith(CONVLIN)


def is_torchs(frame: FrameType) -> bool:
    """Whether a frame runs PyTorch's own code."""
    torch = sys.modules.get("torch")
    return torch is not None and frame.f_code.co_filename.startswith(folder(torch))


def frames_outside_torch(steps: Iterable[TracebackType]) -> list[FrameType]:
    """The frames that may hold what the user works with, innermost first."""
    return [step.tb_frame for step in reversed(list(steps)) if not is_torchs(step.tb_frame)]


def modules_in(frames: Iterable[FrameType]) -> list[nn.Module]:
    """Every module in the variables of these frames and in the attributes of their objects, each once."""
    from torch import nn

    return _distinct(value for frame in frames for value in _values(frame) if isinstance(value, nn.Module))


def tensors_in(frames: Iterable[FrameType]) -> list[Tensor]:
    """Every tensor in the variables of these frames, each once."""
    import torch

    return _distinct(value for frame in frames for value in _values(frame) if isinstance(value, torch.Tensor))


def holders_of(module: nn.Module, frames: Iterable[FrameType]) -> tuple[FrameType, ...]:
    """The frames that hold a module in a variable, outermost first: there it was made, or handed in from there."""
    return tuple(frame for frame in frames if any(_is(value, module) for value in frame.f_locals.values()))


def _is(value: object, module: nn.Module) -> bool:
    """Whether a value is a module, or what ``torch.compile`` or a data-parallel wrapper made of it."""
    from convlin._util.torch_private import uncompiled  # not loaded for an error that has nothing to do with it

    value = uncompiled(value)
    while value is not None and value is not module:
        value = uncompiled(children_of(getattr(value, "__dict__", None)).get("module"))
    return value is module


def children_of(attributes: Any) -> dict[str, Any]:
    """The children of a module by its attributes; nothing of another object that has such a name."""
    children = attributes.get("_modules") if type(attributes) is dict else None
    return children if isinstance(children, dict) else {}


def _values(frame: FrameType) -> Iterator[Any]:
    """The values of the variables that a frame's code can see, and what is in them."""
    held = frame.f_locals
    names = [name for name in frame.f_code.co_names if name in frame.f_globals and name not in held]
    for value in (*held.values(), *(frame.f_globals[name] for name in names)):
        yield from _inside(value, 2)


def _inside(value: Any, depth: int) -> Iterator[Any]:
    yield value
    if not depth or isinstance(value, type | ModuleType | FunctionType):
        return
    if isinstance(value, list | tuple):
        inner: Iterable[Any] = value if len(value) <= _LONGEST else ()
    elif isinstance(value, dict):
        inner = value.values() if len(value) <= _LONGEST else ()
    else:
        attributes = getattr(value, "__dict__", None)
        inner = _attributes(attributes) if type(attributes) is dict else ()
    for each in inner:
        yield from _inside(each, depth - 1)


def _attributes(attributes: dict[str, Any]) -> Iterator[Any]:
    """The attributes of an object; of a module, its children."""
    is_module = isinstance(attributes.get("_modules"), dict)
    return iter(list((children_of(attributes) if is_module else attributes).values()))


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list({id(value): value for value in values}.values())
