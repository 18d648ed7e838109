"""Inputs near the given one at which two tensors go together that do not now."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from convlin.search.resized import LARGEST, Resized, Spatial, multiples_around, stands_in_before, stretched
from convlin.trace.recording import Finding, Recording


def joining_inputs(
    model: Resized, recording: Recording, finding: Finding
) -> tuple[int | None, tuple[Spatial, ...], bool] | None:
    """Inputs near the given one at which two tensors go together that do not now, and what they are multiples of.

    Found out on the meta device, and those that are returned were run for real, with nothing that stands in on the way
    there; the last says whether the model takes them as it is, with nothing else wrong.
    """
    given = model.given
    shapes = finding.misfit.detail.get("shapes", ())
    axes = finding.misfit.detail.get("axes", ())
    if given is None or len(shapes) < 2 or not axes or any(axis % len(shapes[0]) < 2 for axis in axes):
        return None
    if len({len(shape) for shape in shapes}) > 1:  # no size of the input gives one of them more axes
        return None

    def pass_all(sizes: Iterable[Spatial]) -> bool:
        sizes = list(sizes)
        if any(prod(size) > LARGEST for size in sizes):
            return False
        passes = all(map(model.on_meta.runs, sizes)) and all(map(model.runs, sizes))
        return passes and all(map(gets_there, sizes)) and not any(map(model.is_by_batch, sizes))

    before = stretched(recording)

    def gets_there(size: Spatial) -> bool:
        # A map of one cell goes together with every other: that it came to be one is chance.
        there = model.record(size)
        return not stands_in_before(there, finding.call, recording) and stretched(there) <= before

    def pass_as_they_are(sizes: Iterable[Spatial]) -> bool:
        return all(map(model.is_right, sizes))

    for multiple in (2, 4, 8, 16, 32, 64):
        below, above = multiples_around(given, multiple)
        if above == given:
            continue
        nearest = tuple(size for size in (below, above) if min(size) > 1)
        if pass_all((*nearest, tuple(size + multiple for size in above))):
            return multiple, nearest, pass_as_they_are(nearest)
    for step in range(1, 17):
        for size in (tuple(size - step for size in given), tuple(size + step for size in given)):
            # A size of 1 goes together with every other.
            if min(size) > 1 and pass_all((size,)):
                return None, (size,), pass_as_they_are((size,))
    return None
