"""The mistakes people make: broken models, and what must be answered about each."""

from tests.mistakes import axes, channels, layers, linear, reshapes, several, sizes, unpacked
from tests.mistakes.record import Mistake, Wrong

MISTAKES: tuple[Mistake, ...] = tuple(
    sorted(
        (
            each
            for room in (linear, reshapes, channels, layers, sizes, several, unpacked, axes)
            for each in room.MISTAKES
        ),
        key=lambda each: each.row,
    )
)

__all__ = ["MISTAKES", "Mistake", "Wrong"]
