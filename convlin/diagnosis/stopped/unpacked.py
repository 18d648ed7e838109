"""What is said where the user's code takes apart what has more or fewer parts: ``b, c, h, w = x.shape`` of three sizes.

Nothing can stand in for parts that are not there, so that the pass stopped.  A line is proposed where it is the only
one of those tried with which the model runs to its end.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from convlin._util.packages import is_installed
from convlin.diagnosis.messages import fitted
from convlin.diagnosis.messages.tools import at, plural, times, who
from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.records import UNSEEN, Evidence, Location, Problem, Report, Shape, Source, SourceKind
from convlin.source.edits import Rewrite
from convlin.source.syntax import span_of
from convlin.source.unpacked import Splitting, Unpacked, integer, sliced
from convlin.trace.expressions import Taken
from convlin.trace.recording import Recording

_META = torch.device("meta")


class _Way(NamedTuple):
    """How the line may have been meant."""

    rewrite: Rewrite
    told: str


class _Tensor(NamedTuple):
    """A tensor that the line takes something of."""

    shape: Shape
    source: Source = UNSEEN


def unpacked(report: Report, recording: Recording, model: nn.Module, retry: Retry) -> Problem | None:
    """The problem of a pass that stopped there; None of any other, and where it is open what was taken apart."""
    taken = recording.failure.taken if recording.failure is not None else None
    # Behind something that stood in a size may be a guess.
    line = Unpacked.at(taken.file, taken.targets) if taken is not None and not recording.findings else None
    if taken is None or line is None or len(line.names) != taken.expected:
        return None
    found = _Line(line, taken, recording, report, adds_batch=retry.plan.adds_batch).told()
    if found is None:
        return None
    message, parts, ways = found
    # A line of an installed package is none for the user to change: what it was given is wrong.
    running = [] if is_installed(taken.file) else [way for way in ways if _runs(model, retry, way)]
    way = running[0] if len(running) == 1 else None
    if running:
        message = "\n".join(filter(None, (message, *(each.told for each in running))))
    edits = way.rewrite.edits if way is not None and all(edit.certain for edit in way.rewrite.edits) else ()
    path = recording.under_way[-1] if recording.under_way else ""
    return Problem(
        "structure", path, taken.expected, parts, fitted(message, path or report.model),
        way.rewrite.text if way is not None else None, Location(taken.file, line.line), edits=edits,
        evidence=Evidence.RUN if way is not None else Evidence.DERIVED,
    )  # fmt: skip


def _runs(model: nn.Module, retry: Retry, way: _Way) -> bool:
    shown = run_to_the_end(model, retry, edits=way.rewrite.edits)
    return shown is not None and not shown.findings


class _Line:
    """One such line with what was at hand there."""

    def __init__(self, line: Unpacked, taken: Taken, recording: Recording, report: Report, *, adds_batch: bool) -> None:
        self._line = line
        self._adds_batch = adds_batch
        self._expected = taken.expected
        self._names = {name: _Tensor(shape, source) for name, shape, source in taken.shapes}
        self._results = {span: (outputs, call) for span, outputs, call in taken.results}
        self._recording = recording
        self._report = report

    def told(self) -> tuple[str, int, list[_Way]] | None:
        """What is wrong, how many parts there are, and how the line may have been meant."""
        if self._line.is_inner:
            return self._inner()
        return self._sizes() or self._parts() or self._items() or self._rows()

    @property
    def _are(self) -> str:
        return f"{', '.join(self._line.names)} are {self._expected} names"

    def _tensor(self, node: ast.expr) -> _Tensor | None:
        """The tensor that an expression gave."""
        if isinstance(node, ast.Name):
            return self._names.get(node.id)
        outputs, call = self._results.get(span_of(node), ((), -1))
        if len(outputs) != 1 or outputs[0][0]:
            return None
        return _Tensor(outputs[0][1], Source.call(call) if call >= 0 else UNSEEN)

    def _sizes(self) -> tuple[str, int, list[_Way]] | None:
        try:
            owner, part = sliced(self._line.value)
        except ValueError:
            return None
        tensor = self._tensor(owner)
        if tensor is None or len(tensor.shape[part]) == self._expected:
            return None
        count = len(tensor.shape[part])
        message = f"{self._are}, and {self._line.text(self._line.value)} has {plural(count, 'size')}"
        message += f"\n{self._line.text(owner)} is {times(tensor.shape)}{self._came(tensor)}"
        return f"{message}{self._before(tensor, count)}", count, []

    def _before(self, tensor: _Tensor, count: int) -> str:
        """Where the sizes that are missing went, or the one too many came from, as far as that is known."""
        if tensor.source.kind is SourceKind.INPUT and self._adds_batch and abs(count - self._expected) == 1:
            given = len(tensor.shape) - 1
            if count > self._expected:
                return "\nthe first is the batch, which is added in front of the given shape"
            return f"\nthe given shape has {plural(given, 'size')}, and the batch is added in front: give one more"
        maker = self._recording.maker(tensor.source)
        shapes = maker.input_shapes if maker is not None else ()
        is_before = len(shapes) == 1 and len(shapes[0]) == self._expected
        return f"\nin front of that it is {times(shapes[0])}" if is_before else ""

    def _came(self, tensor: _Tensor) -> str:
        maker = self._recording.maker(tensor.source)
        if maker is None:
            return "" if tensor.source.kind is SourceKind.UNSEEN else f", {who(self._report, tensor.source)}"
        name = f"{maker.type}{at(maker.where)}" if maker.is_function else maker.path or maker.type
        return f", the output of {name}"

    def _parts(self) -> tuple[str, int, list[_Way]] | None:
        call = self._line.splitting()
        tensor = self._tensor(call.base) if call is not None else None
        if call is None or tensor is None:
            return None
        number, dim = integer(call.number), 0 if call.dim is None else integer(call.dim)
        if dim is None or (number is None and call.function != "unbind"):
            return None
        parts = _split(call.function, tensor.shape, number, dim)
        if not parts or len(parts) == self._expected:
            return None
        size = tensor.shape[dim]
        written = f"{call.function}({'' if number is None else f'{number}, '}dim={dim})"
        message = (
            f"{self._are}, and {written} gives {plural(len(parts), 'part')}\n"
            f"{self._line.text(call.base)} is {times(tensor.shape)}, with {size} in dimension {dim}"
        )
        shape = tensor.shape
        ways = [*self._along_others(call, shape, number, dim), *self._in_others(call, shape, number, dim)]
        return message, len(parts), ways

    def _along_others(self, call: Splitting, shape: Shape, number: int | None, dim: int) -> Iterator[_Way]:
        for other in range(len(shape)):
            parts = _split(call.function, shape, number, other)
            if other == dim % len(shape) or len(parts) != self._expected or len(set(parts)) > 1:
                continue
            written = other - len(shape) if other == len(shape) - 1 else other
            told = f"along dim={written} it gives {len(parts)} of {times(parts[0])}"
            yield _Way(self._line.with_dim(call, written), told)

    def _in_others(self, call: Splitting, shape: Shape, number: int | None, dim: int) -> Iterator[_Way]:
        size = shape[dim]
        if number is None or not isinstance(size, int) or size % self._expected:
            return
        other = size // self._expected if call.function == "split" else self._expected
        parts = _split(call.function, shape, other, dim)
        if other != number and len(parts) == self._expected:
            told = f"{call.function}({other}, dim={dim}) gives {len(parts)} of {times(parts[0])}"
            yield _Way(self._line.with_number(call, other), told)

    def _items(self) -> tuple[str, int, list[_Way]] | None:
        """What a layer returned as a tuple."""
        outputs, call = self._results.get(span_of(self._line.value), ((), -1))
        items = {place.partition("]")[0] for place, _ in outputs}
        if call < 0 or len(outputs) < 2 or not all(place.startswith("[") for place, _ in outputs):
            return None
        if isinstance(self._recording.modules[call], nn.LSTM) and self._expected == 3:
            told = f"{self._are}, and LSTM returns two: (output, (h_n, c_n))"
            return told, 2, [_Way(self._line.with_last_together(), "h_n and c_n stand together in brackets")]
        if len(items) == self._expected or self._recording.modules[call] is None:
            return None
        made = self._recording.calls[call]
        return f"{self._are}, and {made.path or made.type} returns {plural(len(items), 'value')}", len(items), []

    def _rows(self) -> tuple[str, int, list[_Way]] | None:
        """One tensor, which gives its parts along the first dimension."""
        tensor = self._tensor(self._line.value)
        if tensor is None or not tensor.shape or tensor.shape[0] == self._expected:
            return None
        text = self._line.text(self._line.value)
        message = (
            f"{self._are}, and {text} is one tensor, {times(tensor.shape)}\n"
            f"taken apart along its first dimension it gives {plural(tensor.shape[0], 'part')}"
        )
        return message, int(tensor.shape[0]), [*self._as_one(), *self._chunks(tensor.shape)]

    def _as_one(self) -> Iterator[_Way]:
        if self._line.has_one_use:
            name = self._line.names[0]
            yield _Way(self._line.with_one_name(), f"{name} alone takes all of it")

    def _chunks(self, shape: Shape) -> Iterator[_Way]:
        for dim in range(1, len(shape)):
            size = shape[dim]
            if not isinstance(size, int) or not size or size % self._expected:
                continue
            written = dim - len(shape) if dim == len(shape) - 1 else dim
            behind = f".chunk({self._expected}, dim={written})"
            part = (*shape[:dim], size // self._expected, *shape[dim + 1 :])
            yield _Way(self._line.with_behind(behind), f"{behind} gives {self._expected} of {times(part)}")

    def _inner(self) -> tuple[str, int, list[_Way]] | None:
        """``out, (h, c) = self.gru(x)``: what the inner names are for is one tensor."""
        index = self._line.index
        outputs, call = self._results.get(span_of(self._line.value), ((), -1))
        found = [shape for place, shape in outputs if place == f"[{index}]"]
        if len(found) != 1 or not found[0] or call < 0:
            return None
        made = self._recording.calls[call]
        name = ", ".join(self._line.names)
        returned = f"one tensor, {times(found[0])}, which {made.path or made.type} returns"
        message = f"({name}) are {self._expected} names for {returned}"
        if isinstance(self._recording.modules[call], nn.GRU | nn.RNN):
            message += f"\n{made.type} returns (output, h_n): only an LSTM returns (output, (h_n, c_n))"
        ways = [_Way(self._line.with_one_name(), "")] if self._line.has_one_use else []
        return message, int(found[0][0]), ways


def _split(function: str, shape: Shape, number: int | None, dim: int) -> list[Shape]:
    """The shapes of the parts; none where PyTorch refuses it."""
    tensor = torch.empty(shape, device=_META)
    arguments: tuple[Any, ...] = (dim,) if number is None else (number, dim)
    try:
        parts = getattr(torch, function)(tensor, *arguments)
    except (RuntimeError, IndexError):
        return []
    return [tuple(part.shape) for part in parts]
