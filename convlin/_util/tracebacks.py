"""The steps of a traceback."""

from __future__ import annotations

from types import TracebackType


def steps_of(error: BaseException) -> list[TracebackType]:
    """The steps of the traceback of ``error``, outermost first."""
    steps = []
    step = error.__traceback__
    while step is not None:
        steps.append(step)
        step = step.tb_next
    return steps
