"""The call of an ``nn.Module`` that an exception came out of, read from the frames of its traceback.

Nothing here imports torch: where it is not loaded, no module was called.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from convlin._util.tracebacks import steps_of
from convlin.at_error.frames import is_convlins, is_torchs

if TYPE_CHECKING:
    from torch import nn


class InnermostCall(NamedTuple):
    """The call of a module that an exception came out of first."""

    model: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    lines: frozenset[tuple[str, int]]
    """Files and lines that the exception came through inside of it."""


class ModuleCall(NamedTuple):
    """The outermost call of a module that was under way, and where it was made."""

    model: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    callers: tuple[FrameType, ...]
    """The frames outside the call, outermost first."""
    innermost: InnermostCall


def module_call(error: BaseException) -> ModuleCall | None:
    """The outermost module call in the traceback of ``error``.

    None where there is none, where convlin ran the model itself, or where the exception was raised by
    a ``raise`` or ``assert`` outside torch: such a message is its author's own answer.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    steps = steps_of(error)
    if not steps or any(is_convlins(step.tb_frame) for step in steps):
        return None
    if _is_raise_statement(steps[-1]) and not is_torchs(steps[-1].tb_frame):
        return None
    codes = _codes_of_a_call(torch.nn.Module)
    calls = [index for index, step in enumerate(steps) if step.tb_frame.f_code in codes]
    if not calls:
        return None
    callers = tuple(step.tb_frame for step in steps[: calls[0]])
    lines = frozenset((step.tb_frame.f_code.co_filename, step.tb_lineno) for step in steps[calls[-1] :])
    innermost = InnermostCall(*_called(steps[calls[-1]]), lines)
    return ModuleCall(*_called(steps[calls[0]]), callers, innermost)


def _called(step: TracebackType) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    held = step.tb_frame.f_locals
    return held["self"], tuple(held["args"]), dict(held["kwargs"])


def _codes_of_a_call(module: type) -> tuple[CodeType, ...]:
    """The code of the methods by which torch runs ``forward``; none where a version of torch has other ones."""
    methods = (getattr(module, name, None) for name in ("_wrapped_call_impl", "_call_impl"))
    codes = (getattr(method, "__code__", None) for method in methods)
    return tuple(code for code in codes if code is not None and {"self", "args", "kwargs"} <= set(code.co_varnames))


def _is_raise_statement(step: TracebackType) -> bool:
    """Whether this frame raised the exception itself, and not a function in C that it called."""
    code, offset = step.tb_frame.f_code, step.tb_lasti
    return any(each.offset == offset and each.opname == "RAISE_VARARGS" for each in dis.get_instructions(code))
