"""IPython and Jupyter: the answer under the traceback of a cell."""

from __future__ import annotations

from typing import Any

from convlin.at_error.show import show


class _Traceback:
    """Shows a traceback as the shell does, then convlin's answer."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, *arguments: Any, **options: Any) -> None:
        type(self._shell).showtraceback(self._shell, *arguments, **options)
        given = options.get("exc_tuple") or (arguments[0] if arguments else None)
        error = given[1] if given else self._shell._get_exc_info()[1]
        show(error)


def explain_in(shell: Any, on: bool) -> None:
    """Switch the answers under the tracebacks of this shell on or off."""
    showing = vars(shell).get("showtraceback")
    if on and showing is None:
        shell.showtraceback = _Traceback(shell)
    elif not on and isinstance(showing, _Traceback):
        del shell.showtraceback
