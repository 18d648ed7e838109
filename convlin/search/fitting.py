"""The inputs for which a layer is right as it is declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from typing import Any, NamedTuple

from torch import nn

from convlin.inputs import Plan
from convlin.records import Shape, SourceKind, past_single_joins
from convlin.search.resized import LARGEST, Spatial, cheap_plan, record_at, spatial_size, with_axis
from convlin.trace.recording import Finding, Recording


def fitting_inputs(
    model: nn.Module, plan: Plan, mode: str, recording: Recording, finding: Finding
) -> tuple[Spatial, Spatial] | None:
    """The smallest and the largest input for which a Linear behind a flatten is right as it is declared.

    The axes of an image grow together; of one that is not square each by itself is tried first, the last one before the
    others.  None where no input of the kind suits it, or where the image does not decide about the number.  Found out
    on the meta device, and both were run for real.
    """
    given, mapped = spatial_size(plan), _flattened_map(recording, finding)
    declared = finding.misfit.declared
    if given is None or mapped is None or not isinstance(declared, int):
        return None
    cheap, needs = cheap_plan(model, plan), dict[Spatial, int]()

    def needed(size: Spatial) -> int:
        """What the Linear needs of an image of that size; nothing where the image is too small."""
        if size not in needs:
            found = record_at(model, cheap, mode, size).required.get(finding.path)
            needs[size] = found if isinstance(found, int) else 0
        return needs[size]

    for way in _ways(given, mapped, declared):
        ends = _fitting(way, needed, declared, finding.misfit.required)
        if ends is not None:
            right = all(record_at(model, plan, mode, size).required.get(finding.path) == declared for size in set(ends))
            return ends if right else None
    return None


class _Way(NamedTuple):
    """How the size of an input may change: by one number."""

    at: Callable[[int], Spatial]
    now: int
    """The number for the given input."""
    axes: int
    """How many axes it moves."""


def _ways(given: Spatial, mapped: Shape, declared: int) -> Iterator[_Way]:
    if not all(isinstance(size, int) for size in mapped):
        return
    if len(set(given)) > 1 and len(given) == len(mapped) - 1:
        for axis in reversed(range(len(given))):
            cells, rest = divmod(declared, prod(mapped) // mapped[axis + 1])
            if cells and not rest:
                yield _Way(partial(with_axis, given, axis), given[axis], 1)
    if _may_fit(declared, mapped):
        whole = partial(_in_proportion, given)
        yield _Way(whole, given[0], len(mapped) - 1)


def _in_proportion(given: Spatial, side: int) -> Spatial:
    return tuple(max(1, round(size * side / given[0])) for size in given)


def _fitting(
    way: _Way, needed: Callable[[Spatial], int], declared: int, required: int
) -> tuple[Spatial, Spatial] | None:
    """The first and the last size on one way at which ``declared`` is what is needed."""
    at = way.at

    def first(most: int, low: int, high: int) -> int:
        """The smallest number that needs more than ``most``; ``high`` does and ``low`` does not."""
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if needed(at(middle)) > most else (middle, high)
        return high

    # From there outwards until the number lies between the two, as long as the image decides about it.
    guess = way.now * (declared / required) ** (1 / way.axes)
    low, high = max(0, int(guess * 0.75) - 2), int(guess * 1.3) + 8
    while low > 0 and needed(at(low)) >= declared:
        low //= 2
    while prod(at(high)) <= LARGEST and required < needed(at(high)) <= declared:
        high *= 2
    if prod(at(high)) > LARGEST or needed(at(high)) <= declared:
        return None
    smallest = first(declared - 1, low, high)
    if needed(at(smallest)) != declared:
        return None
    return at(smallest), at(first(declared, smallest, high) - 1)


def _flattened_map(recording: Recording, finding: Finding) -> Shape | None:
    """Channels and sizes of one sample of the feature map whose flattening reached a Linear."""
    source = past_single_joins(finding.source, recording.joins)
    while source.kind is SourceKind.CALL:
        call = recording.calls[source.number]
        if not call.inputs or not call.outputs or not call.sources:
            return None
        before, after = call.inputs[0].shape, call.outputs[0].shape
        if len(before) > 2 and len(after) == 2 and prod(before[1:]) == after[1]:
            return before[1:]
        if before != after:
            return None
        source = past_single_joins(call.sources[0], recording.joins)
    return None


def _may_fit(declared: Any, mapped: Shape) -> bool:
    """Whether some image could lead to the declared number: the channels are what they are."""
    if not isinstance(declared, int) or not all(isinstance(size, int) for size in mapped):
        return False
    cells, rest = divmod(declared, mapped[0])
    if rest or cells < 2:  # with one cell it is the size that was forgotten, and no image is too large
        return False
    side = round(cells ** (1 / len(mapped[1:])))
    return len(set(mapped[1:])) > 1 or side ** len(mapped[1:]) == cells
