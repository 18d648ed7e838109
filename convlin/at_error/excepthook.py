"""``explain_errors``: convlin's answer behind every traceback of a shape error, until it is switched off."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeAlias

from convlin.at_error.show import show

Hook: TypeAlias = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


class _Hook:
    """What Python calls for an exception that nobody caught: what it called before, then convlin."""

    def __init__(self, previous: Hook) -> None:
        self.previous = previous
        self.is_on = True

    def __call__(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        self.previous(kind, error, traceback)
        if self.is_on:
            show(error)


#: The hook that is switched on: as much the process's as ``sys.excepthook`` is.
_INSTALLED: list[_Hook] = []


def explain_errors(on: bool = True) -> None:
    """Print convlin's answer after the traceback of every shape error that ends the program.

    It applies to exceptions that nobody caught and that came out of an ``nn.Module``: in a script
    those that reach the top, in IPython and Jupyter those that end a cell.  The traceback is printed
    as before.  PyTorch is not changed, and nothing runs until an exception ends the program.

    Args:
        on: False switches it off again.

    >>> import sys
    >>> before = sys.excepthook
    >>> explain_errors()
    >>> explain_errors(False)
    >>> sys.excepthook is before
    True
    """
    shell = _shell()
    if shell is not None:
        from convlin.at_error.ipython import explain_in

        explain_in(shell, on)
        return
    hook = sys.excepthook
    if on and isinstance(hook, _Hook) and hook.is_on:
        return
    for earlier in _INSTALLED:  # another hook may hold one of these: there it stays quiet
        earlier.is_on = False
    _INSTALLED.clear()
    if isinstance(hook, _Hook):
        sys.excepthook = hook.previous
    if on:
        _INSTALLED.append(_Hook(sys.excepthook))
        sys.excepthook = _INSTALLED[0]


def _shell() -> Any:
    """The IPython that this runs in, if there is one; IPython is not imported for that."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None
