"""The call of an ``nn.Module`` that an exception came out of, read from the frames of its traceback.

Nothing here imports torch: where it is not loaded, no module was called.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import nn

_CONVLIN = str(Path(__file__).parent.parent)


class ModuleCall(NamedTuple):
    """The outermost call of a module that was under way, and where it was made."""

    model: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    callers: tuple[FrameType, ...]
    """The frames outside the call, outermost first."""


def module_call(error: BaseException) -> ModuleCall | None:
    """The outermost module call in the traceback of ``error``.

    None where there is none, where convlin ran the model itself, or where the exception was raised by
    a ``raise`` or ``assert`` outside torch: such a message is its author's own answer.
    """
    torch = sys.modules.get("torch")
    home = getattr(torch, "__file__", None)
    if torch is None or home is None:
        return None
    steps = list(_steps(error.__traceback__))
    if not steps or any(is_convlins(step.tb_frame) for step in steps):
        return None
    if _is_raise_statement(steps[-1]) and not _is_in(steps[-1].tb_frame, str(Path(home).parent)):
        return None
    codes = _codes_of_a_call(torch.nn.Module)
    for index, step in enumerate(steps):
        if step.tb_frame.f_code in codes:
            held = step.tb_frame.f_locals
            callers = tuple(earlier.tb_frame for earlier in steps[:index])
            return ModuleCall(held["self"], tuple(held["args"]), dict(held["kwargs"]), callers)
    return None


def is_convlins(frame: FrameType) -> bool:
    """Whether a frame runs convlin's own code."""
    return _is_in(frame, _CONVLIN)


def _is_in(frame: FrameType, folder: str) -> bool:
    return Path(folder) in Path(frame.f_code.co_filename).parents


def _steps(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _codes_of_a_call(module: type) -> tuple[CodeType, ...]:
    """The code of the methods by which torch runs ``forward``; none where a version of torch has other ones."""
    methods = (getattr(module, name, None) for name in ("_wrapped_call_impl", "_call_impl"))
    codes = (getattr(method, "__code__", None) for method in methods)
    return tuple(code for code in codes if code is not None and {"self", "args", "kwargs"} <= set(code.co_varnames))


def _is_raise_statement(step: TracebackType) -> bool:
    """Whether this frame raised the exception itself, and not a function in C that it called."""
    code, offset = step.tb_frame.f_code, step.tb_lasti
    return any(each.offset == offset and each.opname == "RAISE_VARARGS" for each in dis.get_instructions(code))
