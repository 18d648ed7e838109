"""The mistakes people make: broken models, and what must be answered about each."""

from tests.mistakes import channels, layers, linear, reshapes, sizes
from tests.mistakes.record import Mistake, Wrong

MISTAKES: tuple[Mistake, ...] = tuple(
    sorted(
        (*linear.MISTAKES, *reshapes.MISTAKES, *channels.MISTAKES, *layers.MISTAKES, *sizes.MISTAKES),
        key=lambda each: each.row,
    )
)

__all__ = ["MISTAKES", "Mistake", "Wrong"]
