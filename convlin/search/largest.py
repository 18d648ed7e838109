"""The largest input for which a table has enough rows: for positions that are counted from the input."""

from __future__ import annotations

from convlin.records import SourceKind
from convlin.search.resized import Resized, Spatial, bisected, in_proportion
from convlin.trace.recording import Finding


def largest_input(model: Resized, finding: Finding) -> Spatial | None:
    """The largest input at which a layer does not lack what it lacks now; one more on every axis was refused.

    None where no smaller input helps. Found by bisection, for real: the values of an index tell.
    """
    given = model.given
    if given is None or 0 in given or finding.source.kind is SourceKind.INPUT:  # the user's own indices
        return None

    def lacks(side: int) -> bool:
        there = model.record(in_proportion(given, side))
        return there.failure is not None or any(
            (each.path, each.misfit.kind) == (finding.path, finding.misfit.kind) for each in there.findings
        )

    # An index that is counted grows as the length does.
    guess = given[0] * finding.misfit.declared // finding.misfit.required
    if 0 < guess < given[0] and not lacks(guess):
        taken, refused = guess, guess + 1 if lacks(guess + 1) else given[0]
    else:
        refused, taken = given[0], given[0] // 2
        while taken and lacks(taken):
            refused, taken = taken, taken // 2
    if taken:
        taken, _ = bisected(taken, refused, lambda side: not lacks(side))
    largest = in_proportion(given, taken) if taken else None
    return None if largest is None or model.is_by_batch(largest) else largest
