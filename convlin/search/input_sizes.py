"""Answers found by running the model at other sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from convlin.inputs import Dummy, Plan
from convlin.module_tree import modules_of
from convlin.ops.catalog import OPS
from convlin.records import Shape, SourceKind, past_single_joins
from convlin.trace.forward_pass import one_pass, prepared
from convlin.trace.recording import Finding, Recording
from convlin.trace.state import State
from convlin.untouched import sharded, untouched

Spatial = tuple[int, ...]

#: Images are not tried beyond this many elements per channel: 1024 × 1024, or 101 × 101 × 101.
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest input that passes."""

    given: Spatial
    required: Spatial
    """It passes, and with one pixel less on any axis the model fails: each was run."""
    is_right: bool
    """The model runs there as it is: nothing else is wrong with it."""
    fits: tuple[str, Spatial] | None = None
    """The path of the Linear that asks for it, and the largest input that this one takes."""
    reaches: Finding | None = None
    """A Linear that is wrong whatever the input, and was not reached: ``required`` leads so far."""


def smallest_input(model: nn.Module, plan: Plan, mode: str, recording: Recording) -> Smallest | None:
    """The smallest input that passes, where the pass stopped for want of size.

    None where a larger input does not help.
    """
    found = _smallest_to_the_end(model, plan, mode, recording)
    if found is None:
        return None
    given, smallest = found
    there = record_at(model, plan, mode, smallest)
    for finding in there.findings:
        if finding.misfit.kind == "in_features":
            ends = fitting_inputs(model, resized(plan, smallest), mode, there, finding)
            if ends is None:
                return Smallest(given, smallest, is_right=False, reaches=finding)
            is_right = not record_at(model, plan, mode, ends[0]).findings
            return Smallest(given, ends[0], is_right, (finding.path, ends[1]))
    return Smallest(given, smallest, is_right=not there.findings)


def _smallest_to_the_end(
    model: nn.Module, plan: Plan, mode: str, recording: Recording
) -> tuple[Spatial, Spatial] | None:
    """The spatial size that was given, and the smallest at which a pass reaches the end with stand-ins."""
    given = spatial_size(plan)
    if given is None or not _stopped_in_feature_map(recording):
        return None
    known: dict[Spatial, bool] = {}

    def passes(size: Spatial) -> bool:
        if size not in known:
            known[size] = runs_at(model, plan, mode, size)
        return known[size]

    enough = _enlarged(given, passes)
    if enough is None:
        return None
    required = list(enough)
    # Each axis by itself, the others ample; twice, since a smaller neighbor can ask for more.
    for _ in range(2):
        for axis in range(len(required)):
            required[axis] = _smallest(passes, tuple(required), axis)
    smallest = tuple(required)
    proved = passes(smallest) and not any(
        size > 1 and passes(_with(smallest, axis, size - 1)) for axis, size in enumerate(smallest)
    )
    return (given, smallest) if proved else None


def spatial_size(plan: Plan) -> Spatial | None:
    """Height and width (or length, or depth too) of the first input that has channels; None without one.

    Where none has channels, the length of a signal or of a sequence of words that is given without any.
    """
    given = (*plan.args, *plan.kwargs.values())
    return next((found for value in given if (found := _spatial(value)) is not None), None) or next(
        (found for value in given if (found := _length(value)) is not None), None
    )


def _length(value: Any) -> Spatial | None:
    if isinstance(value, Dummy) and len(value.shape) == 1 and isinstance(value.shape[0], int):
        return (value.shape[0],)
    return None


def _spatial(value: Any) -> Spatial | None:
    if isinstance(value, Dummy) and value.dtype.is_floating_point and len(value.shape) >= 2:
        sizes = tuple(size for size in value.shape[1:] if isinstance(size, int))
        return sizes if len(sizes) == len(value.shape) - 1 else None
    if isinstance(value, Tensor) and not value.is_nested and value.is_floating_point() and value.dim() >= 3:
        return tuple(value.shape[2:])
    return None


def resized(plan: Plan, size: Spatial) -> Plan:
    """The plan with every input of the given spatial size made anew at ``size``."""
    given = spatial_size(plan)
    without_channels = not any(map(_spatial, (*plan.args, *plan.kwargs.values())))

    def change(value: Any) -> Any:
        if without_channels and given is not None and _length(value) == given:
            return replace(value, shape=size)
        if given is None or _spatial(value) != given:
            return value
        if isinstance(value, Dummy):
            return replace(value, shape=(value.shape[0], *size))
        return torch.zeros((*value.shape[:2], *size), dtype=value.dtype, device=plan.device)

    return plan._replace(
        args=tuple(change(value) for value in plan.args),
        kwargs={name: change(value) for name, value in plan.kwargs.items()},
    )


def record_at(model: nn.Module, plan: Plan, mode: str, size: Spatial, *, careful: bool = True) -> Recording:
    """What a pass at another spatial size shows; the model is left as it was."""
    other = resized(plan, size)
    with untouched(model) as keeper, prepared(model, other, mode):
        return one_pass(model, other, State(careful=careful, batch_added=plan.adds_batch, keeper=keeper))


def runs_at(model: nn.Module, plan: Plan, mode: str, size: Spatial) -> bool:
    """Whether a pass at ``size`` reaches the end with all tensors going together.

    Wrong layers do not count: they have their own stand-ins and their own problems.
    """
    recording = record_at(model, plan, mode, size)
    return recording.failure is None and not any(found.misfit.kind == "operands" for found in recording.findings)


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
                yield _Way(partial(_with, given, axis), given[axis], 1)
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
    while prod(at(high)) <= _LARGEST and required < needed(at(high)) <= declared:
        high *= 2
    if prod(at(high)) > _LARGEST or needed(at(high)) <= declared:
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


def joining_inputs(
    model: nn.Module, plan: Plan, mode: str, finding: Finding
) -> tuple[int | None, tuple[Spatial, ...], bool] | None:
    """Inputs near the given one at which two tensors go together that do not now, and what they are multiples of.

    Found out on the meta device, and those that are returned were run for real; the last says whether the model
    takes them as it is, with nothing else wrong.
    """
    given = spatial_size(plan)
    shapes = finding.misfit.detail.get("shapes", ())
    axes = finding.misfit.detail.get("axes", ())
    if given is None or len(shapes) < 2 or not axes or any(axis % len(shapes[0]) < 2 for axis in axes):
        return None
    if len({len(shape) for shape in shapes}) > 1:  # no size of the input gives one of them more axes
        return None
    cheap = cheap_plan(model, plan)

    def pass_all(sizes: Iterable[Spatial]) -> bool:
        sizes = list(sizes)
        if any(prod(size) > _LARGEST for size in sizes):
            return False
        return all(runs_at(model, cheap, mode, size) for size in sizes) and all(
            runs_at(model, plan, mode, size) for size in sizes
        )

    def pass_as_they_are(sizes: Iterable[Spatial]) -> bool:
        return not any(record_at(model, plan, mode, size).findings for size in sizes)

    for multiple in (2, 4, 8, 16, 32, 64):
        above = tuple(-(-size // multiple) * multiple for size in given)
        below = tuple(size // multiple * multiple for size in given)
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


def _stopped_in_feature_map(recording: Recording) -> bool:
    failure = recording.failure
    if failure is None or failure.call < 0:
        return False
    function = failure.function or recording.calls[failure.call].type
    return recording.rule(failure.call).makes_feature_map or OPS.called(function).makes_feature_map


def _enlarged(given: Spatial, passes: Callable[[Spatial], bool]) -> Spatial | None:
    """A size that passes: the given one, doubled until it does."""
    side = max(given)
    for _ in _doublings():
        side *= 2
        size = tuple(max(side, value) for value in given)
        if prod(size) > _LARGEST:
            return None
        if passes(size):
            return size
    return None


def _doublings() -> Iterator[int]:
    return iter(range(20))


def _smallest(passes: Callable[[Spatial], bool], size: Spatial, axis: int) -> int:
    """The smallest value of one axis that passes with the others as in ``size``, which passes; by bisection."""
    low, high = 0, size[axis]
    while high - low > 1:
        middle = (low + high) // 2
        if passes(_with(size, axis, middle)):
            high = middle
        else:
            low = middle
    return high


def _with(size: Spatial, axis: int, value: int) -> Spatial:
    return (*size[:axis], value, *size[axis + 1 :])


def cheap_plan(model: nn.Module, plan: Plan) -> Plan:
    """The plan on the meta device, or as it is for a sharded model, whose wrapper would keep the meta tensors."""
    return plan if sharded(modules_of(model)) else plan._replace(device=torch.device("meta"))
