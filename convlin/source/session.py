"""What the search through one model's source shares: the files, the frames, and how far it may go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType

from convlin.source.syntax import Files
from convlin.source.values import Frame

# One search follows so many expressions and statements, and so many in one call of a helper.
_MOST_STEPS = 40_000
_MOST_STEPS_OF_A_CALL = 2_500


class TooMuchError(Exception):
    """The code is too long to be followed."""


class Session:
    """What all bodies of code that are followed for one model share."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._frames: dict[tuple[object, ...], Frame] = {}
        self._left = _MOST_STEPS
        self._floor = 0
        self.followed: set[CodeType] = set()
        """Code of the functions followed so far."""

    def frame(self, key: tuple[object, ...], make: Callable[[], Frame]) -> Frame:
        """The frame of a call: the same one each time that the same call is followed."""
        if key not in self._frames:
            self._frames[key] = make()
        return self._frames[key]

    def spend(self) -> None:
        """Count one step."""
        self._left -= 1
        if self._left < self._floor:
            raise TooMuchError

    def renew(self) -> None:
        """Count from the start."""
        self._left, self._floor = _MOST_STEPS, 0

    @contextmanager
    def share(self) -> Iterator[None]:
        """Let one call take no more than its share of the steps."""
        floor = self._floor
        self._floor = max(floor, self._left - _MOST_STEPS_OF_A_CALL)
        try:
            yield
        finally:
            self._floor = floor
