"""The steps of a traceback, and the note on an exception that convlin has spoken about."""

from __future__ import annotations

from types import TracebackType

from convlin._util.packages import CONVLIN

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
    """Leave a note on ``error``: the calls up to there, and what there is to say about them.

    Of its steps convlin's own are taken out: what is between the user's lines and PyTorch's is nothing to look at.
    """
    _leave_out_own(error)
    error.add_note(f"{_SPOKEN}\n\n{said}")


def _leave_out_own(error: BaseException) -> None:
    kept = [step for step in steps_of(error) if not step.tb_frame.f_code.co_filename.startswith(CONVLIN)]
    if not kept:
        return
    for step, following in zip(kept, (*kept[1:], None), strict=True):
        step.tb_next = following
    error.__traceback__ = kept[0]


def has_calls(error: BaseException) -> bool:
    """Whether ``error`` came out of a pass of convlin's own, which has left this note."""
    return any(note.startswith(_SPOKEN) for note in getattr(error, "__notes__", ()))
