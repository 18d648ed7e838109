"""Work counted instead of timed: the same on every machine, however busy."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType

from benchmarks.measure import profiled


def calls(function: Callable[[], object]) -> int:
    """How many functions, Python's own among them, ``function`` calls on its way."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    with profiled(note):
        function()
    return count
