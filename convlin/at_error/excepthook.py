"""``explain_errors``: convlin's answer behind every traceback of a shape error, until it is switched off."""

from __future__ import annotations

import sys
import threading
import warnings
from typing import Any

from convlin.at_error.show import switch


def explain_errors(on: bool = True) -> None:
    """Print convlin's answer after the traceback of every shape error that ends the program, or a thread of it.

    It applies to exceptions that nobody caught and that came out of an ``nn.Module``: in a script
    those that reach the top, in IPython and Jupyter those that end a cell.  The traceback is printed
    as before.  PyTorch's warning that a loss stretches what it compares gets an answer as well.  PyTorch
    is not changed, and nothing runs until an exception ends the program or a warning is shown.

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
    else:
        switch(sys, on)
    switch(threading, on)
    switch(warnings, on)


def _shell() -> Any:
    """The IPython that this runs in, if there is one; IPython is not imported for that."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None
