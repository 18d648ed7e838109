"""The model run at another size of its input, and left as it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from math import prod
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from convlin._util.quiet import quiet
from convlin.inputs import Dummy, Plan
from convlin.module_tree import modules_of
from convlin.ops.fake_shapes import KnownSizes
from convlin.records import Shape, Source, SourceKind, past_joins
from convlin.sizes.stretched import stretched_axes
from convlin.trace.forward_pass import one_pass, prepared
from convlin.trace.recording import Finding, Fold, Recording, Suspects
from convlin.trace.state import AnsweredEarly, State
from convlin.untouched import sharded, untouched

Spatial = tuple[int, ...]

#: Images are not tried beyond this many elements per channel: 1024 × 1024, or 101 × 101 × 101.
LARGEST = 1 << 20

#: Beyond as many times the given elements, and beyond an image of 128 × 128, a pass may take far more than the given
#: one: an attention over all of them grows with the square.
_MUCH_LARGER, _SMALL = 4, 1 << 14

#: What layers and functions give may have as many elements together in a pass with values; above it is run without.
_MOST_ELEMENTS = 100_000_000

#: The batch at other sizes, where it is a letter.
_BATCH = 2

#: Passes at one size: each further one needs a view that folds the batch and that the one before showed.
_MOST_PASSES = 4


_INTEGERS = (torch.int64, torch.int32)


EndsWith = Callable[[Recording, Finding], bool]


class Suspecting(Protocol):
    """Tells what in a recording is a mistake although nothing refused it."""

    def __call__(self, recording: Recording, *, batch_added: bool) -> Suspects: ...


@dataclass(frozen=True)
class Resized:
    """One model that is run at other sizes of the input that ``plan`` has."""

    model: nn.Module
    plan: Plan
    mode: str
    suspects: Suspecting
    """At another size a view that is right at this one may fold the batch, which no function refuses."""
    of_sequence: bool = False
    """What changes is the length of a sequence of features, ``(L, C)``, and not what lies behind the channels."""
    of_indices: bool = False
    """What changes is the length of sequences of indices that are given as tensors, ``(N, L)``."""
    _records: dict[Spatial, Recording] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What passes that came to their end showed: several questions are asked of one."""
    _stopped_at: set[Spatial] = field(default_factory=set, init=False, repr=False, compare=False)
    """Where a pass stopped."""
    _apart: set[Spatial] = field(default_factory=set, init=False, repr=False, compare=False)
    """Where tensors do not go together: no pass came to its end there to be asked more."""

    @cached_property
    def given(self) -> Spatial | None:
        """Height and width (or length, or depth too) of the first input that has channels; None without one.

        Where none has channels, the length of a signal or of a sequence of words that is given without any.
        """
        values = (*self.plan.args, *self.plan.kwargs.values())
        if any(isinstance(size, str) for value in values if isinstance(value, Dummy) for size in value.shape):
            return None  # in letters every size is looked at
        read = _indices if self.of_indices else self._sequence if self.of_sequence else _spatial
        found = next((sizes for value in values if (sizes := read(value)) is not None), None)
        if found is not None or self.of_sequence or self.of_indices:
            return found
        return next((sizes for value in values if (sizes := _length(value)) is not None), None)

    @staticmethod
    def _sequence(value: Any) -> Spatial | None:
        if isinstance(value, Dummy) and value.dtype.is_floating_point and len(value.shape) == 2:
            length = value.shape[0]
            return (length,) if isinstance(length, int) else None
        if isinstance(value, Tensor) and not value.is_nested and value.is_floating_point() and value.dim() == 3:
            return (value.shape[1],)
        return None

    @cached_property
    def on_meta(self) -> Resized:
        """The same on the meta device, or as it is for a sharded model, whose wrapper would keep the meta tensors."""
        if sharded(modules_of(self.model)):
            return self
        return replace(self, plan=self.plan._replace(device=torch.device("meta")))

    @property
    def much_larger(self) -> int:
        """From how many elements per channel on a size is much larger than the given one."""
        return max(_MUCH_LARGER * prod(self.given or ()), _SMALL)

    def _is_too_costly(self, size: Spatial) -> bool:
        """Whether a pass at a size makes too much to be run with values, by what one on the meta device shows."""
        if self.plan.device.type == "meta" or prod(size) <= self.much_larger or self.on_meta is self:
            return False
        made = (each.shape for call in self.on_meta.record(size).calls for each in call.outputs)
        return sum(map(prod, made)) > _MOST_ELEMENTS and self._is_alike_on_meta

    @cached_property
    def _is_alike_on_meta(self) -> bool:
        """Whether the given size is refused there by the same and for the same: not every function asks there."""
        assert self.given is not None
        here, there = self.record(self.given), self.on_meta.record(self.given)
        return here.signs == there.signs and _stops(here) == _stops(there)

    def plan_at(self, size: Spatial) -> Plan:
        """The plan with every input of the given size made anew at ``size``."""
        values = (*self.plan.args, *self.plan.kwargs.values())
        without_channels = not self.of_sequence and not any(map(_spatial, values))

        def change(value: Any) -> Any:
            if self.of_indices:
                return value if self.given is None or _indices(value) != self.given else _repeated(value, size)
            if without_channels and self.given is not None and _length(value) == self.given:
                if isinstance(value, Dummy):
                    return replace(value, shape=size)
                return torch.zeros((*value.shape[:1], *size), dtype=value.dtype, device=self.plan.device)
            if self.given is None or (self._sequence if self.of_sequence else _spatial)(value) != self.given:
                return value
            whole = (*size, value.shape[-1]) if self.of_sequence else size
            if isinstance(value, Dummy):
                return replace(value, shape=whole if self.of_sequence else (value.shape[0], *whole))
            kept = value.shape[:1] if self.of_sequence else value.shape[:2]
            return torch.zeros((*kept, *whole), dtype=value.dtype, device=self.plan.device)

        changed = self.plan.with_each(change)
        # Of a batch that is a letter any size will do.
        return changed._replace(batch_size=_BATCH) if isinstance(changed.batch_size, str) else changed

    def whole(self, size: Spatial) -> Spatial:
        """The size as it is to be told: of a sequence its length and the features, since which is which is open."""
        if not self.of_sequence:
            return size
        values = (*self.plan.args, *self.plan.kwargs.values())
        features = next(value.shape[-1] for value in values if self._sequence(value) == self.given)
        return (*size, int(features))

    def record(self, size: Spatial) -> Recording:
        """What careful passes at another size show; the model is left as it was."""
        return self._recorded(size)

    def _recorded(self, size: Spatial, ends_with: EndsWith | None = None) -> Recording:
        known = self._records.get(size)
        if known is not None:
            return known
        if self._is_too_costly(size):
            return self.on_meta._recorded(size, ends_with)
        other, folds = self.plan_at(size), frozenset[Fold]()
        for _ in range(_MOST_PASSES):
            found = self._pass(other, Suspects(folds), ends_with)
            # Those alone: the flatten that was forgotten at one size was not written at another.
            more = self.suspects(found, batch_added=other.adds_batch).folds | folds
            if more == folds:
                break
            folds = more
        if found.failure is None:
            self._records[size] = found
        else:  # an error would keep what the pass held
            self._stopped_at.add(size)
        return found

    def _pass(self, plan: Plan, suspects: Suspects, ends_with: EndsWith | None) -> Recording:
        # A recurrent layer goes step by step on the meta device.
        known_sizes = KnownSizes() if plan.device.type == "meta" else nullcontext()
        with quiet(), untouched(self.model) as keeper, prepared(self.model, plan, self.mode), known_sizes:
            state = State(
                careful=True, batch_added=plan.adds_batch, suspects=suspects, keeper=keeper, ends_with=ends_with
            )
            return one_pass(self.model, plan, state)

    def runs(self, size: Spatial) -> bool:
        """Whether a pass at ``size`` reaches the end with all tensors going together.

        Wrong layers do not count: they have their own stand-ins and their own problems.  Most sizes that are tried
        are refused, and a pass ends where that is certain: all the layers behind it may be a hundred.
        """
        if size in self._stopped_at or size in self._apart:
            return False
        try:
            found = self._recorded(size, _is_apart)
        except AnsweredEarly:
            self._apart.add(size)
            return False
        return found.failure is None and is_passed(found)

    def is_by_batch(self, size: Spatial) -> bool:
        """Whether a pass at ``size`` is as right as it is by chance alone, since the batch is as large.

        With another batch more is wrong there.
        """
        batch = self._batch
        if batch is None or batch not in size or self.given is None or batch in self.given:
            return False
        other = next(number for number in count(batch + 1) if number not in (*size, *self.given))
        one, another = self.record(size), replace(self, plan=_with_batch(self.plan, batch, other)).record(size)
        return (another.failure is not None) != (one.failure is not None) or not _wrong(another) <= _wrong(one)

    @property
    def _batch(self) -> int | None:
        """How many samples the input has; None where that is not known."""
        if self.plan.adds_batch:
            return self.plan.batch_size if isinstance(self.plan.batch_size, int) else None
        values = (*self.plan.args, *self.plan.kwargs.values())
        rows = {value.shape[0] for value in values if isinstance(value, Tensor) and not value.is_nested and value.dim()}
        return int(rows.pop()) if len(rows) == 1 else None

    def ends(self, size: Spatial) -> bool:
        """Whether a pass at ``size`` comes to its end, whatever is wrong on the way."""
        return size not in self._stopped_at and self.record(size).failure is None

    def is_right(self, size: Spatial) -> bool:
        """Whether the model takes ``size`` with nothing wrong."""
        return self.ends(size) and not self.record(size).findings


def _is_apart(recording: Recording, finding: Finding) -> bool:
    """Whether tensors do not go together, whatever lies behind: a view that folds the batch may stand in front of them,
    which the end of a pass tells, unless all that was made has the batch first."""
    if finding.misfit.kind != "operands" or not recording.inputs:
        return False
    batch = recording.inputs[0].shape[:1]
    return all(info.shape[:1] == batch for call in recording.calls for info in call.outputs)


def is_passed(recording: Recording) -> bool:
    """Whether a pass reached the end with all tensors going together, wrong layers aside."""
    return recording.failure is None and not any(found.misfit.kind == "operands" for found in recording.findings)


def stretched(recording: Recording) -> int:
    """How often tensors met of which one was stretched to the size of another on an axis behind the channels."""
    met = [[info.shape for info in call.inputs] for call in recording.calls if call.is_function]
    met += [[shape for each in join.sources if (shape := _shape_of(recording, each))] for join in recording.joins]
    alike = (shapes for shapes in met if len(set(map(len, shapes))) == 1)
    return sum(bool(stretched_axes(shape[2:] for shape in shapes)) for shapes in alike)


def _shape_of(recording: Recording, source: Source) -> Shape | None:
    """The shape of what comes from there, as far as one tensor is known."""
    source = past_joins(source, recording.joins)
    if source.kind is SourceKind.INPUT:
        return recording.inputs[source.number].shape
    outputs = recording.calls[source.number].outputs if source.kind is SourceKind.CALL else ()
    return outputs[0].shape if len(outputs) == 1 else None


def _stops(recording: Recording) -> tuple[str, str] | None:
    """The call in which a pass stopped; None where it came to its end."""
    failure = recording.failure
    if failure is None:
        return None
    call = recording.calls[failure.call] if failure.call >= 0 else None
    return (failure.path, type(failure.error).__name__) if call is None else (call.path, call.type)


def stands_in_before(recording: Recording, call: int, other: Recording) -> bool:
    """Whether something stood in, in front of a call of ``other``, which is a pass at another size.

    What a pass behind it shows is nothing that the model as it is would do.
    """
    if _steps(recording, call) != _steps(other, call):  # which call it is here is open
        return bool(recording.findings)
    return any(each.call < call for each in recording.findings)


def _steps(recording: Recording, call: int) -> list[tuple[str, str]]:
    return [(each.path, each.type) for each in recording.calls[:call]]


def _wrong(recording: Recording) -> frozenset[tuple[Any, ...]]:
    """What is wrong in a pass, and where."""
    return frozenset((each.misfit.kind, each.misfit.note, each.path, each.where) for each in recording.findings)


def _with_batch(plan: Plan, batch: int, other: int) -> Plan:
    """The plan with as many samples as ``other``, in tensors that are given, too."""

    def change(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.is_nested or value.shape[:1] != (batch,):
            return value
        return torch.zeros((other, *value.shape[1:]), dtype=value.dtype, device=value.device)

    return plan.with_each(change)._replace(batch_size=other)


def _length(value: Any) -> Spatial | None:
    if isinstance(value, Dummy) and len(value.shape) == 1 and isinstance(value.shape[0], int):
        return (value.shape[0],)
    if isinstance(value, Tensor) and not value.is_nested and value.dim() == 2:
        return (value.shape[1],)
    return None


def _indices(value: Any) -> Spatial | None:
    if isinstance(value, Tensor) and not value.is_nested and value.dtype in _INTEGERS and value.dim() == 2:
        return (value.shape[1],)
    return None


def _repeated(value: Tensor, size: Spatial) -> Tensor:
    """Sequences of another length with the indices that were given: none beyond those."""
    (length,) = size
    return value.repeat(1, -(-length // value.shape[1]))[:, :length] if value.shape[1] else value


def _spatial(value: Any) -> Spatial | None:
    if isinstance(value, Dummy) and value.dtype.is_floating_point and len(value.shape) >= 2:
        sizes = tuple(size for size in value.shape[1:] if isinstance(size, int))
        return sizes if len(sizes) == len(value.shape) - 1 else None
    if isinstance(value, Tensor) and not value.is_nested and value.is_floating_point() and value.dim() >= 3:
        return tuple(value.shape[2:])
    return None


def in_proportion(given: Spatial, side: int) -> Spatial:
    """A size with ``side`` as its first number and the others as they are to it in ``given``.

    >>> in_proportion((32, 48), 16)
    (16, 24)
    """
    return tuple(max(1, round(size * side / given[0])) for size in given)


class Form(NamedTuple):
    """Which inputs were tried, in words around the noun: ``square inputs``, ``inputs of 40×…``."""

    before: str = ""
    behind: str = ""

    def of(self, noun: str) -> str:
        """The noun with what was tried.

        >>> Form("square ").of("input"), Form("", " of 40×…").of("input")
        ('square input', 'input of 40×…')
        """
        return f"{self.before}{noun}{self.behind}"


def form_of(start: Spatial, *sizes: Spatial) -> Form:
    """Which inputs sizes stand for that were found on the way from ``start``: others were not tried.

    >>> [form_of(*sizes).of("input") for sizes in (((32,), (64,)), ((32, 32), (53, 53), (60, 60)))]
    ['input', 'square input']
    >>> [form_of(*sizes).of("input") for sizes in (((40, 80), (40, 85)), ((20, 40), (53, 106)))]
    ['input of 40×…', 'input in these proportions']
    """
    if len(start) == 1:
        return Form()
    if all(len(set(size)) == 1 for size in sizes):
        return Form({2: "square ", 3: "cubic "}.get(len(start), ""))
    moved = [axis for axis in range(len(start)) if any(size[axis] != start[axis] for size in sizes)]
    if len(moved) == 1:
        return Form("", f" of {'×'.join('…' if axis in moved else str(size) for axis, size in enumerate(start))}")
    return Form("", " in these proportions")


def multiples_around(given: Spatial, multiple: int) -> tuple[Spatial, Spatial]:
    """The largest multiples up to a size, and the smallest from it on; both are the size where it is one.

    >>> multiples_around((30, 32), 8)
    ((24, 32), (32, 32))
    """
    below = tuple(size // multiple * multiple for size in given)
    return below, tuple(-(-size // multiple) * multiple for size in given)


def bisected(taken: int, refused: int, takes: Callable[[int], bool]) -> tuple[int, int]:
    """The two neighbors between one number that is taken and one that is refused, at which that changes.

    >>> bisected(0, 100, lambda number: number < 7), bisected(100, 0, lambda number: number > 7)
    ((6, 7), (8, 7))
    """
    while abs(taken - refused) > 1:
        middle = (taken + refused) // 2
        taken, refused = (middle, refused) if takes(middle) else (taken, middle)
    return taken, refused


def with_axis(size: Spatial, axis: int, value: int) -> Spatial:
    """A size with another value on one axis.

    >>> with_axis((32, 48), 1, 7)
    (32, 7)
    """
    return (*size[:axis], value, *size[axis + 1 :])
