"""What the passes of one model with one input found."""

from __future__ import annotations

from typing import NamedTuple

from convlin.diagnosis.runs.retries import Retry
from convlin.records import Report


class Outcome(NamedTuple):
    """A report, and the user's own exception if that is what stopped the passes."""

    report: Report
    error: BaseException | None = None
    names_batch: bool = False
    """A problem already says that the shape seems to hold the batch."""
    reordered: frozenset[str] = frozenset()
    """Paths of layers that would fit with the axes of their input in another order."""
    unbatched: frozenset[str] = frozenset()
    """Paths of layers that take an input for one sample without a batch, where a batch seems to be missing."""
    last: Retry | None = None
    """How the last pass was made, where something is wrong."""
    stretched_to: frozenset[int] = frozenset()
    """Rows of tensors that a batch of one met: a larger batch may not go together with them."""
    note: str = ""
    """What can be said of the user's own exception."""

    @property
    def is_right(self) -> bool:
        """The model came to its end, and nothing is wrong."""
        return self.error is None and self.report.completed and not self.report.problems
