"""Closed forms held against real runs: a pass in letters went one way, and at other sizes a model may go another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

from convlin.recording import Recording
from convlin.records import Shape
from convlin.symbolic.follow import Followed, follow_at
from convlin.symbolic.session import Decision
from convlin.symbolic.trials import Point, Trials

#: How far from the sample the sizes are at which the forms are looked at: odd, a multiple of 8, and of 32.
_OFFSETS = ((1, 3, 5), (8, 24, 40), (32, 96, 160))


class Confirmed:
    """A symbolic pass together with the sizes at which its closed forms were looked at."""

    def __init__(self, followed: Followed, trials: Trials) -> None:
        self.followed = followed
        self._trials = trials
        self.right: list[Point] = []
        self.wrong: list[Point] = []

    def look_at(self, point: Point) -> bool:
        """Whether the forms are what a run shows; True where the model does not run there."""
        if not self._trials.affordable(point):
            return True
        recording = self._trials.record(point)
        if recording is None:
            return True
        agrees = _agrees(self.followed, recording, point)
        (self.right if agrees else self.wrong).append(point)
        return agrees

    @property
    def holds_where(self) -> list[Decision]:
        """What the model asks that comes out otherwise where the forms are wrong."""
        session = self.followed.session
        differing: dict[object, Decision] = {}
        for point in self.wrong:
            evaluation = session.evaluation(point)
            for decision in questions(self.followed):
                if evaluation(decision.expression) != decision.outcome:
                    differing.setdefault(decision.expression, decision)
        return list(differing.values())


def questions(followed: Followed) -> list[Decision]:
    """What the model's own code asks about the letters."""
    session = followed.session
    return [each for each in session.decisions if each.direct and not each.own and session.names_in(each.expression)]


def confirmed(model: nn.Module, followed: Followed, mode: str, trials: Trials) -> Confirmed:
    """The pass itself, or one at another sample whose forms hold at more sizes."""
    first = Confirmed(followed, trials)
    if followed.recording.failure is not None or not questions(followed):
        return first
    points = list(_points(followed))
    for point in points:
        first.look_at(point)
    if not first.wrong:
        return first
    best = first
    for elsewhere in first.wrong:
        other = Confirmed(follow_at(model, followed.plan, mode, elsewhere), trials)
        if other.followed.recording.failure is not None or not other.followed.is_clean:
            continue
        for place in (followed.sample, *points):
            other.look_at(place)
        if len(other.wrong) < len(best.wrong):
            best = other
        if not best.wrong:
            break
    return best


def _points(followed: Followed) -> Iterator[dict[str, int]]:
    """Sizes near a quarter of the sample where the model runs there, so that little is computed."""
    batch = followed.plan.batch_size
    for offsets in _OFFSETS:
        names = [name for name in followed.sample if name != batch]
        point = {**followed.sample}
        for name, offset in zip(names, offsets, strict=False):
            point[name] = (
                followed.sample[name] // 4 // 32 * 32 + offset
                if followed.sample[name] > 512
                else (followed.sample[name] + offset)
            )
        yield point


def _agrees(followed: Followed, recording: Recording, point: Mapping[str, int]) -> bool:
    # A function between modules may be called at some sizes only (padding), its module is called at all.
    mine, theirs = (
        [event for event in each.events if not event.is_function] for each in (followed.recording, recording)
    )
    evaluation = followed.session.evaluation(point)

    def same(form: Shape, shape: Shape) -> bool:
        return len(form) == len(shape) and all(
            one == -1 or evaluation(one) == other for one, other in zip(form, shape, strict=True)
        )

    if len(mine) != len(theirs):
        return False
    try:
        for one, other in zip(mine, theirs, strict=True):
            if (one.type, one.path) != (other.type, other.path) or len(one.outputs) != len(other.outputs):
                return False
            if not all(same(a.shape, b.shape) for a, b in zip(one.outputs, other.outputs, strict=True)):
                return False
    except (NotImplementedError, ArithmeticError):
        return False
    return True
