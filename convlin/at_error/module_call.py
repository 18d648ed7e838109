"""The call of an ``nn.Module`` that an exception came out of, read from the frames of its traceback.

Nothing here imports torch: where it is not loaded, no module was called.
"""

from __future__ import annotations

import dis
import inspect
import sys
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, NamedTuple, cast

from convlin._util.tracebacks import steps_of
from convlin.at_error.frames import Called, is_convlins, is_torchs

if TYPE_CHECKING:
    from torch import nn


class ModuleCall(NamedTuple):
    """The outermost call of a module that was under way, and where it was made."""

    outermost: Called
    callers: tuple[FrameType, ...]
    """The frames outside the call, outermost first."""
    innermost: Called
    """The call that the exception came out of first."""
    lines: frozenset[tuple[str, int]]
    """Files and lines that the exception came through inside of that."""


def module_call(error: BaseException) -> ModuleCall | None:
    """The outermost module call in the traceback of ``error``.

    None where there is none, where convlin ran the model itself, or where the exception was raised by
    a ``raise`` or ``assert`` outside torch and einops: such a message is its author's own answer.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    steps = steps_of(error)
    if not steps or any(is_convlins(step.tb_frame) for step in steps):
        return None
    if _is_raise_statement(steps[-1]) and not is_torchs(steps[-1].tb_frame) and not _is_of_einops(error):
        return None
    codes = _codes_of_a_call(torch.nn.Module)
    calls = [index for index, step in enumerate(steps) if step.tb_frame.f_code in codes]
    direct = _direct_call(steps[: calls[0]] if calls else steps, torch.nn.Module)
    if direct is None and not calls:
        return None
    start, called = (calls[0], _called(steps[calls[0]])) if direct is None else direct
    last = calls[-1] if calls else start
    callers = tuple(step.tb_frame for step in steps[:start])
    lines = frozenset((step.tb_frame.f_code.co_filename, step.tb_lineno) for step in steps[last:])
    return ModuleCall(called, callers, _called(steps[last]) if calls else called, lines)


def _is_of_einops(error: BaseException) -> bool:
    from convlin.trace.einops_errors import is_of_einops  # which imports torch

    return is_of_einops(error)


def _called(step: TracebackType) -> Called:
    held = step.tb_frame.f_locals
    return Called(held["self"], tuple(held["args"]), dict(held["kwargs"]))


def _direct_call(steps: list[TracebackType], module: type) -> tuple[int, Called] | None:
    """The first of these steps in a ``forward`` that was called by name, and what it was given."""
    for index, step in enumerate(steps):
        model = _whose_forward(step.tb_frame, module)
        if model is None:
            continue
        called = _arguments_kept(step.tb_frame, model)
        if called is None and index:
            called = _arguments_written(steps[index - 1], model)
        return None if called is None else (index, called)
    return None


def _whose_forward(frame: FrameType, module: type) -> nn.Module | None:
    """The module whose class has this frame's code as its ``forward``."""
    code = frame.f_code
    if code.co_name != "forward" or not code.co_argcount:
        return None
    model = frame.f_locals.get(code.co_varnames[0])
    own = (vars(kind).get("forward") for kind in type(model).__mro__)
    is_own = isinstance(model, module) and any(getattr(each, "__code__", None) is code for each in own)
    return cast("nn.Module", model) if is_own else None


def _arguments_kept(frame: FrameType, model: nn.Module) -> Called | None:
    """What a ``forward`` was given, where none of its parameters has got another value in it."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    rest = [bool(code.co_flags & flag) for flag in (inspect.CO_VARARGS, inspect.CO_VARKEYWORDS)]
    names = code.co_varnames[: count + sum(rest)]
    changed = {each.argval for each in dis.get_instructions(code) if each.opname.startswith(("STORE_", "DELETE_"))}
    held = frame.f_locals
    if not changed.isdisjoint(names) or not all(name in held for name in names):
        return None
    args = tuple(held[name] for name in names[1 : code.co_argcount])
    kwargs = {name: held[name] for name in names[code.co_argcount : count]}
    if rest[0]:
        args += tuple(held[names[count]])
    return Called(model, args, kwargs | (held[names[-1]] if rest[1] else {}))


def _arguments_written(step: TracebackType, model: nn.Module) -> Called | None:
    """What a call of the model's ``forward`` is given by the line that the exception came through."""
    from convlin.at_error.written_calls import forward_calls

    calls = list(forward_calls(step.tb_frame, step.tb_lineno, model))
    return calls[0] if len(calls) == 1 else None


def _codes_of_a_call(module: type) -> tuple[CodeType, ...]:
    """The code of the methods by which torch runs ``forward``; none where a version of torch has other ones."""
    methods = (getattr(module, name, None) for name in ("_wrapped_call_impl", "_call_impl"))
    codes = (getattr(method, "__code__", None) for method in methods)
    return tuple(code for code in codes if code is not None and {"self", "args", "kwargs"} <= set(code.co_varnames))


def _is_raise_statement(step: TracebackType) -> bool:
    """Whether this frame raised the exception itself, and not a function in C that it called."""
    code, offset = step.tb_frame.f_code, step.tb_lasti
    return any(each.offset == offset and each.opname == "RAISE_VARARGS" for each in dis.get_instructions(code))
