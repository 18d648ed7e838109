"""What letters may cost: counted in runs, calls and elements, never timed, so every machine gives the same answer.

``summarize(..., trials=140)`` doubles every limit.  What a limit left out is remembered, to be reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from convlin._util.call_spelling import call_spelling
from convlin.inputs import TRIALS

#: Sizes that are tried where a model is large: to compare the forms, and to look for the accepted sizes.
_FEWEST_COMPARED, _FEWEST_RUNS = 40, 24
#: How many calls all runs of either kind may make together.
_CALLS_COMPARED, _CALLS_OF_RUNS = 15_000, 8_000


class Limits:
    """The limits of one summary, and which of them were met."""

    def __init__(self, trials: int = TRIALS) -> None:
        """``trials`` is how many sizes are tried at most; the other limits are in proportion to it."""
        self.trials = trials
        self._met: dict[str, list[str]] = {}
        self._withheld: dict[str, list[str]] = {}
        self._is_probing = False

    def scaled(self, most: float) -> int:
        """A limit that is ``most`` for the usual number of trials."""
        return int(most * self.trials / TRIALS)

    def compared(self, calls: int) -> int:
        """At how many sizes the forms of a model of so many calls are compared with runs."""
        return self._runs(_FEWEST_COMPARED, _CALLS_COMPARED, calls)

    def runs(self, calls: int) -> int:
        """How often a model of so many calls may be run to find out which sizes it takes."""
        return self._runs(_FEWEST_RUNS, _CALLS_OF_RUNS, calls)

    def _runs(self, fewest: int, most_calls: int, calls: int) -> int:
        return max(self.scaled(fewest), min(self.trials, self.scaled(most_calls) // max(calls, 1)))

    def meet(self, reason: str, point: Mapping[str, int] | None = None) -> None:
        """Remember that something was left out, and why: the run at ``point``, where it is one."""
        met = self._withheld if self._is_probing else self._met
        met.setdefault(reason, []).extend([written(point)] if point is not None else [])

    @contextmanager
    def probing(self) -> Iterator[None]:
        """Say nothing of what is left out meanwhile: it only makes an answer come sooner, unless none comes."""
        self._is_probing = True
        try:
            yield
        finally:
            self._is_probing = False

    def admit(self) -> None:
        """Report what was left out while probing as well."""
        for reason, points in self._withheld.items():
            self._met.setdefault(reason, []).extend(points)

    def remarks(self) -> Iterator[str]:
        """What was left out, if anything was, and how to have it tried."""
        if self._met:
            reasons = "; ".join(_told(reason, points) for reason, points in self._met.items())
            more = call_spelling().more("trials", 2 * self.trials)
            yield f"not every size was tried: {reasons}; {more} tries more"


def written(point: Mapping[str, int]) -> str:
    """``H = 224, W = 64``."""
    return ", ".join(f"{name} = {size}" for name, size in point.items())


def _told(reason: str, points: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(points))
    if not distinct:
        return reason
    more = f" and at {len(distinct) - 1} more" if len(distinct) > 1 else ""
    return f"a run at {distinct[0]}{more} {reason}"
