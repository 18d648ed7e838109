"""What the runs of a model at other sizes may cost together: counted in elements that they make, and in calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from operator import ge

from convlin.symbolic.limits import Limits

#: Elements of all tensors that a run may make, and all real runs together.  All of these are for the usual number of
#: trials, and in proportion to it where another is asked for.
MOST_ELEMENTS = 200e6
_MOST_ELEMENTS_TOGETHER = 1e9
MOST_ELEMENTS_ON_META = 5e8
#: Of a run at a size that is large only to see whether the range ends: there is no reason why it should, or a table
#: that it has to reach beyond.
MOST_ELEMENTS_FAR, MOST_ELEMENTS_BEYOND = 10e6, 60e6
#: Modules and functions that all runs together call, before no other is made.
_MOST_STEPS_TOGETHER = 120_000


class Budget:
    """What is left for runs of one model, whose estimated ``cost`` at some sizes is a number of elements."""

    def __init__(self, limits: Limits, cost: Callable[[Mapping[str, int]], float]) -> None:
        self.limits = limits
        self._cost_of = cost
        self._costs: dict[tuple[int, ...], float] = {}
        self.left = float(limits.scaled(_MOST_ELEMENTS_TOGETHER))
        self.steps = 0
        """Modules and functions that were called."""
        self.made_at: dict[tuple[int, ...], float] = {}
        """Elements of all tensors that were seen in a pass that went to its end."""

    def cost(self, point: Mapping[str, int]) -> float:
        """The estimate at some sizes, which is asked again and again."""
        key = tuple(point.values())
        if key not in self._costs:
            self._costs[key] = self._cost_of(point)
        return self._costs[key]

    @property
    def is_spent(self) -> bool:
        """Whether no other real run is made."""
        if -inf < self.left <= 0:
            self.limits.meet(f"all runs together made {self.limits.scaled(_MOST_ELEMENTS_TOGETHER):,} elements")
        return self.left <= 0 or self.has_called_enough

    @property
    def has_called_enough(self) -> bool:
        """Whether all runs together called so much that no other is made, on the meta device neither."""
        most = self.limits.scaled(_MOST_STEPS_TOGETHER)
        if self.steps > most:
            self.limits.meet(f"all runs together called {most:,} modules and functions")
        return self.steps > most

    def is_large(self, point: Mapping[str, int], most: float) -> bool:
        """Whether a run makes too many elements."""
        most = self.limits.scaled(most)
        is_large = self.estimated(point) > most
        if is_large:
            self.limits.meet(f"makes more than {most:,} elements", point)
        return is_large

    def estimated(self, point: Mapping[str, int]) -> float:
        """Elements of all tensors that a run makes, and no more than one at larger sizes was seen to make.

        What ``forward`` made a plain number of is that of the sample, however small the sizes of the run.
        """
        sizes = tuple(point.values())
        larger = (made for other, made in self.made_at.items() if all(map(ge, other, sizes)))
        return min(self.cost(point), *larger, inf)

    def pay(self, point: Mapping[str, int]) -> None:
        """A real run is made at these sizes."""
        self.left -= self.estimated(point)
