"""IPython and Jupyter: the answer under the traceback of a cell."""

from __future__ import annotations

from typing import Any

from convlin.at_error.answer import Answer, answers_to
from convlin.at_error.show import is_worth_a_look, show


class _Shown:
    """An answer as a notebook shows it: the table as HTML, plain text where there is no HTML."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def _repr_html_(self) -> str:
        return self._answer.html

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self._answer.text)


class _Traceback:
    """Shows a traceback as the shell does, then convlin's answer."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, *arguments: Any, **options: Any) -> None:
        type(self._shell).showtraceback(self._shell, *arguments, **options)
        given = options.get("exc_tuple") or (arguments[0] if arguments else None)
        error = given[1] if given else self._shell._get_exc_info()[1]
        if getattr(self._shell, "kernel", None) is None:  # a terminal
            show(error)
        elif is_worth_a_look(error):
            _display(answers_to(error))


def _display(answers: list[Answer]) -> None:
    from IPython.display import display

    for answer in answers:
        display(_Shown(answer))  # type: ignore[no-untyped-call]


def explain_in(shell: Any, on: bool) -> None:
    """Switch the answers under the tracebacks of this shell on or off."""
    showing = vars(shell).get("showtraceback")
    if on and showing is None:
        shell.showtraceback = _Traceback(shell)
    elif not on and isinstance(showing, _Traceback):
        del shell.showtraceback
