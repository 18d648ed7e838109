"""Whose code a stack frame runs: the user's, torch's, or torch's only passing a call on."""

from __future__ import annotations

import contextlib
import dis
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import nn

from convlin._util.packages import CONVLIN, PYTHON, folder, is_installed
from convlin._util.tracebacks import steps_of
from convlin.records import Location

TORCH = folder(torch)
_AUTOGRAD = str(Path(TORCH, "autograd")) + os.sep
#: Files of torch that only pass a call on to what a user called: the caller is further up.
_PASSING_ON = frozenset(
    str(Path(TORCH, *parts))
    for parts in (
        ("nn", "functional.py"), ("overrides.py",), ("_jit_internal.py",), ("_tensor.py",), ("functional.py",),
        ("utils", "_device.py"), ("_C", "__init__.py"), ("nn", "utils", "rnn.py"),
        ("_ops.py",), ("_library", "custom_ops.py"),
    )
)  # fmt: skip
#: The file through which every module is called.
MODULE_CALL = str(Path(TORCH, "nn", "modules", "module.py"))
_OF_MODULES = (MODULE_CALL, str(Path(TORCH, "nn", "modules", "container.py")))
_RUNNING = frozenset(
    {"_wrapped_call_impl", "_call_impl", "_slow_forward", "forward", "inner", "_forward_unimplemented"}
)
#: How the names begin under which ``torch.fx`` compiles the code of a ``GraphModule``.
_GENERATED = "<eval_with_key>"

_RAISE = dis.opmap["RAISE_VARARGS"]
#: The function of convlin's that calls the model: what stands around that is none of the model's code.
MODEL_CALL = "one_pass"

USER, PASSING_ON, LIBRARY = 1, 2, 3


class Frames:
    """Finds the code that called a torch function; remembers what it learned of each file."""

    def __init__(self) -> None:
        self._kinds: dict[str, int] = {}

    def kind(self, filename: str) -> int:
        """``USER``, ``PASSING_ON`` or ``LIBRARY``."""
        known = self._kinds.get(filename)
        if known is None:
            if filename in _PASSING_ON or filename.startswith(CONVLIN):
                known = PASSING_ON
            else:
                known = LIBRARY if filename.startswith(TORCH) else USER
            self._kinds[filename] = known
        return known

    def caller(self, frame: FrameType | None) -> FrameType | None:
        """The frame outside torch that called the function; None when torch's own code did."""
        while frame is not None:
            kind = self.kind(frame.f_code.co_filename)
            if kind == USER:
                return frame
            if kind == LIBRARY:
                return None
            frame = frame.f_back
        return None


def around_hidden_layer(frame: FrameType | None, module: nn.Module) -> FrameType | None:
    """The frame that called the layer of torch's which code of torch's runs for; None where that is ``module`` itself.

    Nobody put a hook on a layer in a plain list, on a copy, or looks where ``forward`` is called by its name.
    """
    hidden: nn.Module | None = None
    while frame is not None and frame.f_code.co_filename.startswith((TORCH, CONVLIN)):
        called_for = frame.f_locals.get("self")
        if hidden is None and isinstance(called_for, nn.Module):
            hidden = called_for
        frame = frame.f_back
    return None if hidden is None or hidden is module else frame


def user_frame() -> FrameType | None:
    """The frame that called into convlin, or that entered one of its ``with`` blocks."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (
        frame.f_code.co_filename.startswith(CONVLIN) or frame.f_code.co_filename == contextlib.__file__
    ):
        frame = frame.f_back
    return frame


def calling_line(frame: FrameType | None) -> Location | None:
    """The line of ``forward`` that calls the module whose hook runs; None where torch or convlin calls it."""
    while frame is not None and frame.f_code.co_filename.startswith(CONVLIN):
        frame = frame.f_back
    while frame is not None and frame.f_code.co_filename == MODULE_CALL:
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith((TORCH, CONVLIN)):
        return None
    return line_of(frame)


def line_of(frame: FrameType) -> Location | None:
    """The user's own line: a helper from an installed package is passed over where its caller is nearer home."""
    chosen, looked = frame, frame.f_back
    while looked is not None and is_installed(chosen.f_code.co_filename):
        filename = looked.f_code.co_filename
        if filename.startswith(TORCH):  # the module call that led here: beyond it is another module's code
            break
        if not is_installed(filename):
            chosen = looked
            break
        looked = looked.f_back
    return location(chosen.f_code.co_filename, chosen.f_lineno)


def raising_line(error: BaseException) -> Location | None:
    """The user's own line that an exception came from; None where it passed through torch alone."""
    found = _raising(error)
    return None if found is None else location(found.tb_frame.f_code.co_filename, found.tb_lineno)


def location(filename: str, line: int) -> Location | None:
    """A line as it can be told; None in code that ``torch.fx`` wrote: nobody wrote it, and it stands in no file."""
    return None if filename.startswith(_GENERATED) else Location(filename, line)


def raising_frame(error: BaseException) -> FrameType | None:
    """The frame of the user's own code that an exception came from."""
    found = _raising(error)
    return None if found is None else found.tb_frame


def raises(error: BaseException) -> bool:
    """Whether a ``raise`` or an ``assert`` of the user's own code (``torch._assert`` too) raised it."""
    found = _raising(error)
    if found is None:
        return False
    inside = found.tb_next
    if inside is not None and inside.tb_frame.f_code.co_name == "_assert":
        return True
    return found.tb_frame.f_code.co_code[found.tb_lasti] == _RAISE


def _raising(error: BaseException) -> TracebackType | None:
    own = [step for step in steps_of(error) if not step.tb_frame.f_code.co_filename.startswith((TORCH, CONVLIN))]
    return own[-1] if own else None


def raised_in_torch(error: BaseException) -> bool:
    """Whether the innermost frame is torch's: a layer, and not the user's code, refused what reached it.

    What the user's own code looked up in a module (``self.nope``, ``self.heads["b"]``) is the user's mistake.
    """
    return _raised_in(error).startswith(TORCH) and not _is_looked_up(error)


def _is_looked_up(error: BaseException) -> bool:
    """Whether the user's code called a method of a module or container that raised, other than to run it."""
    entered = None
    for step in steps_of(error):
        code = step.tb_frame.f_code
        if not code.co_filename.startswith(TORCH):
            entered = None
        elif entered is None:
            entered = code
    return entered is not None and entered.co_filename in _OF_MODULES and entered.co_name not in _RUNNING


def wants_gradients(error: BaseException) -> bool:
    """Whether the error came from PyTorch's taking of gradients."""
    return any(step.tb_frame.f_code.co_filename.startswith(_AUTOGRAD) for step in steps_of(error))


def may_be_caught(frame: FrameType | None) -> bool:
    """Whether a ``try`` or a ``with`` of somebody's, torch's own aside, stands around the call that a frame makes."""
    while frame is not None and frame.f_code.co_name != MODEL_CALL:
        code = frame.f_code
        if code.co_exceptiontable and not code.co_filename.startswith((TORCH, CONVLIN)):
            return True
        frame = frame.f_back
    return False


def interrupts(error: BaseException, given: Iterable[Any]) -> bool:
    """Whether an error that came out of a torch function is not torch's: a signal handler or a kernel of the user's.

    An installed package whose class of an argument ``given`` (torchao's quantized weights, the tuples of brevitas)
    brings its own form of the function refuses sizes as torch does.
    """
    return not _raised_in(error).startswith((TORCH, CONVLIN, *_packages_of(given)))


def _packages_of(given: Iterable[Any]) -> Iterator[str]:
    """Where the installed packages lie that define classes with a form of their own of torch's functions."""
    for kind in set(map(type, given)):
        if not hasattr(kind, "__torch_function__"):
            continue
        names = kind.__module__.split(".")
        packages = (sys.modules.get(".".join(names[: index + 1])) for index in range(len(names)))
        # The outermost of them may be a namespace that several packages share, without a file.
        package = next((each for each in packages if getattr(each, "__file__", None)), None)
        if package is not None and package.__file__ and is_installed(package.__file__):
            yield folder(package) if hasattr(package, "__path__") else package.__file__


def _raised_in(error: BaseException) -> str:
    """The file of the innermost frame, those of Python's own library passed over."""
    found = ""
    for step in steps_of(error):
        filename = step.tb_frame.f_code.co_filename
        if is_installed(filename) or not filename.startswith((PYTHON, "<frozen")):
            found = filename
    return found
