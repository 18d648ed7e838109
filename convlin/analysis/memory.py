"""How many bytes a model takes: parameters, activations, gradients and the state of an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from convlin._util.suggest import nearest_or_all
from convlin.errors import InputError
from convlin.records import Report, Size, TensorInfo, sums
from convlin.sizes import spell


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, part by part, at one batch size.  ``print`` shows them in readable units.

    ``activations`` are the outputs of every layer and shape-changing function, each counted as new
    memory: an upper estimate of what training keeps, as views and in-place layers share theirs.  A number
    of bytes is -1 where a size in it is not known.
    """

    batch_size: Size | None
    """Samples in the batch; None where that cannot be told."""
    input: Size
    activations: Size
    parameters: int
    buffers: int
    gradients: int = 0
    """As many bytes as the trainable parameters; 0 when no training was asked about."""
    optimizer_state: int = 0
    optimizer: str | None = None

    @property
    def total(self) -> Size:
        """Everything together; -1 where a part is not known."""
        if -1 in (self.input, self.activations):
            return -1
        return self.input + self.activations + self.parameters + self.buffers + self.gradients + self.optimizer_state

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def __str__(self) -> str:
        parts: list[tuple[str, Size]] = [
            ("input", self.input),
            ("activations", self.activations),
            ("parameters", self.parameters),
            ("buffers", self.buffers),
        ]
        if self.gradients:
            parts.append(("gradients", self.gradients))
        if self.optimizer:
            parts.append((f"{self.optimizer} state", self.optimizer_state))
        lines = [(name, spell.memory(size)) for name, size in (*parts, ("total", self.total))]
        width, room = max(len(name) for name, _ in lines), max(len(text) for _, text in lines)
        head = "" if self.batch_size is None else f"batch size {spell.size(self.batch_size)}\n"
        return head + "\n".join(f"{name:{width}}  {text:>{room}}" for name, text in lines)


class _State(NamedTuple):
    """What an optimizer of ``torch.optim`` keeps for each parameter, with its default settings."""

    copies: int
    """Tensors of the parameter's size."""
    scalars: int = 1
    """Single numbers of 4 bytes, such as the count of steps."""


#: Checked against the optimizers themselves by a test.
OPTIMIZERS: dict[str, _State] = {
    "sgd": _State(0, 0),
    "sgd_momentum": _State(1, 0),
    "adam": _State(2),
    "adamw": _State(2),
    "adam_amsgrad": _State(3),
    "nadam": _State(2, 2),
    "radam": _State(2),
    "adamax": _State(2),
    "adagrad": _State(1),
    "adadelta": _State(2),
    "rmsprop": _State(1),
    "rprop": _State(2),
    "asgd": _State(1, 3),
}


def estimate(
    report: Report, *, batch_size: int | None = None, gradients: bool = False, optimizer: str | None = None
) -> Memory:
    """The memory of the reported pass, or of one with another batch size.

    Raises:
        InputError: no such optimizer, or a batch size where the batch of the pass cannot be told.

    >>> estimate(Report("Net", (), (), "cpu", "", (), ())).total
    0
    """
    if optimizer is not None and optimizer not in OPTIMIZERS:
        raise InputError(f"unknown optimizer {optimizer!r}{nearest_or_all(optimizer, OPTIMIZERS)}")
    of_batch = batch_of(report)
    scale = _scaling(of_batch, batch_size)
    parameters = report.parameter_sums
    buffers = sums([info for module in report.modules for info in module.buffers if info.alias_of is None])
    state = OPTIMIZERS[optimizer] if optimizer is not None else _State(0, 0)
    return Memory(
        batch_size=of_batch if batch_size is None else batch_size,
        input=scale(bytes_of(report.inputs)),
        activations=scale(activations(report)),
        parameters=parameters.nbytes,
        buffers=buffers.nbytes,
        gradients=parameters.trainable_bytes if gradients or optimizer is not None else 0,
        optimizer_state=state.copies * parameters.trainable_bytes + 4 * state.scalars * parameters.trainable_tensors,
        optimizer=optimizer,
    )


def activations(report: Report) -> Size:
    """Bytes of the outputs of every layer and shape-changing function, containers left out; -1 where not known.

    Of a model that was watched through several calls, those of the first, which the report's inputs are of.
    """
    calls, spans = report.calls, calls_of_model(report)
    first = calls[spans[0]] if len(spans) > 1 else calls
    tensors = [info for call in first if not call.inner for info in call.outputs]
    return -1 if report.calls_vary or any(-1 in info.shape for info in tensors) else bytes_of(tensors)


def calls_of_model(report: Report) -> list[slice]:
    """For every call of the model itself, where it and the calls made inside it stand."""
    spans = []
    index = len(report.calls) - 1
    while index >= 0:
        call = report.calls[index]
        start = index - call.inner
        if not call.path and not call.is_function:
            spans.append(slice(start, index + 1))
        index = start - 1
    return spans[::-1]


def batch_of(report: Report) -> Size | None:
    """The size of the batch: the first axis of the first input."""
    first = next((info.shape for info in report.inputs if info.shape), None)
    return first[0] if first is not None else None


def _scaling(of_batch: Size | None, batch_size: int | None) -> Callable[[Size], Size]:
    if batch_size is None:
        return lambda amount: amount
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"batch_size={batch_size!r} is not a valid batch size: write 1, 2, …")
    if of_batch is None or of_batch == 0 or of_batch == -1:
        raise InputError("without a batch in the pass there is nothing to scale: summarize(model, input) first")
    if isinstance(of_batch, int):
        return lambda amount: -1 if amount == -1 else _whole(amount * batch_size, of_batch)
    if not getattr(of_batch, "is_Symbol", False):
        raise InputError(f"the batch of the pass is {of_batch}: batch_size needs a number or a letter there")
    letter: Any = of_batch

    def scale(amount: Any) -> Size:
        if isinstance(amount, int):
            return amount
        put_in = amount.subs(letter, batch_size)
        return int(put_in) if put_in.is_Integer else put_in

    return scale


def _whole(amount: Size, divisor: int) -> Size:
    return amount // divisor if isinstance(amount, int) else amount / divisor


def bytes_of(tensors: Iterable[TensorInfo]) -> Size:
    """Bytes of the elements of all tensors."""
    # A ragged axis of a nested tensor is -1: its bytes are not known.
    known = [info.nbytes for info in tensors if -1 not in info.shape]
    return sum(known[1:], known[0]) if known else 0
