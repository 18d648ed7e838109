"""What the runs of a model at other sizes came to, for whoever asks for the same sizes again."""

from __future__ import annotations

from convlin.records import Shape
from convlin.symbolic.runs import Point
from convlin.trace.recording import Recording

#: Of the passes that were recorded so many calls together are kept.
_MOST_CALLS = 20_000


class KeptRuns:
    """Each run by its sizes, and by whether it was one for real."""

    def __init__(self) -> None:
        self._passed: dict[tuple[bool, Shape], bool] = {}
        self._points: dict[Shape, Point] = {}
        self._recordings: dict[tuple[bool, Shape], Recording] = {}
        self._calls = 0

    @property
    def taken(self) -> list[Point]:
        """The sizes at which the model was found to run to the end, the smallest first."""
        found = {sizes for (_, sizes), passed in self._passed.items() if passed} - self._refused
        return [self._points[sizes] for sizes in sorted(found)]

    @property
    def refused(self) -> list[Point]:
        """The sizes that a real run was found to refuse, the smallest first."""
        return [self._points[sizes] for sizes in sorted(self._refused)]

    @property
    def _refused(self) -> set[Shape]:
        return {sizes for (real, sizes), passed in self._passed.items() if real and not passed}

    @property
    def any_passed_on_meta(self) -> bool:
        """Whether a pass on the meta device was seen to go through."""
        return any(passed for (real, _), passed in self._passed.items() if not real)

    def passed(self, point: Point, *, real: bool) -> bool | None:
        """Whether the run at these sizes passed; None where none was made."""
        return self._passed.get((real, tuple(point.values())))

    def note(self, point: Point, *, passed: bool, real: bool) -> None:
        """A run was made."""
        sizes = tuple(point.values())
        self._passed[real, sizes] = passed
        self._points[sizes] = dict(point)

    def recording(self, point: Point, *, real: bool) -> Recording | None:
        """The quick pass at these sizes; None where none was made, or it was not kept."""
        return self._recordings.get((real, tuple(point.values())))

    def note_recording(self, point: Point, recording: Recording, *, real: bool) -> None:
        """A quick pass was made, which is kept where there is room."""
        if self.take_room(recording):
            self._recordings[real, tuple(point.values())] = recording

    def take_room(self, recording: Recording | None) -> bool:
        """Whether one more recording can be kept; it takes the room of its calls."""
        self._calls += len(recording.calls) if recording is not None else 0
        return self._calls <= _MOST_CALLS
