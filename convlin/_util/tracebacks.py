"""The steps of a traceback, and the note on an exception that convlin has spoken about."""

from __future__ import annotations

from types import TracebackType

_SPOKEN = "convlin: the calls up to here"


def steps_of(error: BaseException) -> list[TracebackType]:
    """The steps of the traceback of ``error``, outermost first."""
    steps = []
    step = error.__traceback__
    while step is not None:
        steps.append(step)
        step = step.tb_next
    return steps


def add_calls(error: BaseException, said: str) -> None:
    """Leave a note on ``error``: the calls up to there, and what there is to say about them."""
    error.add_note(f"{_SPOKEN}\n\n{said}")


def has_calls(error: BaseException) -> bool:
    """Whether ``error`` came out of a pass of convlin's own, which has left this note."""
    return any(note.startswith(_SPOKEN) for note in getattr(error, "__notes__", ()))
