"""The answer as text on a stream, after what Python prints of an error or a warning, and the hooks that ask for it."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, ModuleType
from typing import Any

_LIBRARY = os.path.dirname(threading.__file__)
#: Where the innermost frame of a thread is that waits for another one, or for something to do.
_WAITING = tuple(
    os.path.join(_LIBRARY, name)
    for name in ("threading.py", "queue.py", "selectors.py", "socket.py", "subprocess.py", "asyncio", "concurrent")
)


def is_worth_a_look(error: BaseException) -> bool:
    """Whether there can be an answer at all: without torch there is none."""
    return isinstance(error, Exception | BaseExceptionGroup) and "torch" in sys.modules


def show(error: BaseException) -> None:
    """Write the answer to ``error`` to standard error; nothing where there is none."""
    if not is_worth_a_look(error):
        return
    try:
        from convlin.at_error.answer import answer  # here: a program that does not fail does not wait for it
    except Exception:  # a module of the user's stands in the place of one of Python's: no answer, but their traceback
        return
    told = answer(error)
    if told is not None:
        _write(told)


def _write(told: str) -> None:
    if sys.stderr is None:
        return
    from convlin.render.words import carried

    told = carried(told, sys.stderr, "ascii")  # standard error itself would write escapes
    with suppress(OSError, ValueError):  # closed: nobody reads it
        sys.stderr.write(f"\n{told}\n")
        sys.stderr.flush()


def show_of_thread(ended: threading.ExceptHookArgs) -> None:
    """Write the answer to the exception that ended a thread, where no other thread may be using a model meanwhile.

    A pass gives the model back as it was before: what another thread did to it in between would be undone.
    """
    error, mine = ended.exc_value, threading.get_ident()
    if error is None or not is_worth_a_look(error):
        return
    if not any(_may_use_a_model(frame) for thread, frame in sys._current_frames().items() if thread != mine):
        show(error)


def show_of_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: object = None,
) -> None:
    """Write the answer to a warning that goes to standard error; takes what ``warnings.showwarning`` takes."""
    if file is not None or not issubclass(category, UserWarning) or "torch" not in sys.modules:
        return
    try:
        from convlin.at_error.stretched import about_warning  # here: a program without warnings does not wait for it

        told = about_warning(sys._getframe(1))
    except (
        Exception
    ):  # the program goes on as it would without convlin: an error here is no answer, and none of its own
        return
    if told is not None:
        _write(told)


def _may_use_a_model(innermost: FrameType) -> bool:
    """Whether a thread that stands there has a model at hand, and neither waits nor answers: answers take turns."""
    if innermost.f_code.co_filename.startswith(_WAITING):
        return False
    from convlin.at_error.frames import modules_in

    frames: list[FrameType] = [innermost]
    while frames[-1].f_back is not None:
        frames.append(frames[-1].f_back)
    return not any(frame.f_code is show.__code__ for frame in frames) and bool(modules_in(frames))


class Hook:
    """What Python calls for an exception that nobody caught, or for a warning: what it called before, then convlin."""

    def __init__(self, previous: Callable[..., Any], then: Callable[..., None]) -> None:
        self.previous = previous
        self.then = then
        self.is_on = True

    def __call__(self, *arguments: Any, **options: Any) -> None:
        """Take what the hook that was there takes."""
        self.previous(*arguments, **options)
        if self.is_on:
            self.then(*arguments, **options)


#: The hooks that there are, by module: where each is, and what convlin does in it.
_PLACES: dict[ModuleType, tuple[str, Callable[..., None]]] = {
    sys: ("excepthook", lambda kind, error, traceback: show(error)),
    threading: ("excepthook", show_of_thread),
    warnings: ("showwarning", show_of_warning),
}
#: Those that are switched on: as much the process's as ``sys.excepthook`` is.
_INSTALLED: dict[ModuleType, Hook] = {}


def switch(module: ModuleType, on: bool) -> None:
    """Switch the answers of the hook in ``sys``, ``threading`` or ``warnings`` on or off."""
    name, then = _PLACES[module]
    hook = getattr(module, name)
    if on and isinstance(hook, Hook) and hook.is_on:
        return
    earlier = _INSTALLED.pop(module, None)
    if earlier is not None:  # another hook may hold it: there it stays quiet
        earlier.is_on = False
    if isinstance(hook, Hook):
        setattr(module, name, hook.previous)
    if on:
        _INSTALLED[module] = Hook(getattr(module, name), then)
        setattr(module, name, _INSTALLED[module])
