"""Tables that a pass looked something up in: the meta device takes any index, and only a real run knows the end.

A table of 64 positions ends a sequence at 64, but neither a shape nor a condition says so.  A real run
at a size that asks for more entries than the table has shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn

from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import Call, Size, SourceKind, TensorInfo
from convlin.sizes.evaluate import Evaluation
from convlin.trace.recording import Recording


class Lookup(NamedTuple):
    """A table of a fixed number of rows, and the sizes in letters of what is looked up in it."""

    rows: int
    axes: tuple[Size, ...]

    def is_exceeded(self, evaluation: Evaluation) -> bool:
        """Whether along one axis more entries are looked up than the table has rows."""
        try:
            return any(evaluation(size) > self.rows for size in self.axes)
        except (NotImplementedError, ArithmeticError):
            return False


def lookups(recording: Recording) -> Iterator[Lookup]:
    """Every lookup whose index the model makes itself, and whose number of entries depends on a letter."""
    for call, module in zip(recording.calls, recording.modules, strict=True):
        table = module if isinstance(module, nn.Embedding | nn.EmbeddingBag) else None
        if table is None and not _looks_up(call):
            continue
        indices = _indices(call, call.inputs if table is None else call.inputs[:1])
        rows = _rows(call) if table is None else table.num_embeddings
        axes = tuple(size for index in indices for size in index.shape if not isinstance(size, int))
        if axes and rows:
            yield Lookup(rows, axes)


def _looks_up(call: Call) -> bool:
    op = OPS.called(call.type)
    return call.is_function and len(call.inputs) > 1 and (op.indexes or op.family is Family.INDEX)


def _indices(call: Call, used: tuple[TensorInfo, ...]) -> Iterator[TensorInfo]:
    """The tensors of integers that are used as an index; those that go into the model have any value."""
    for info, source in zip(used, call.sources, strict=False):
        if source.kind is not SourceKind.INPUT and info.dtype.startswith(("int", "uint")):
            yield info


def _rows(call: Call) -> int:
    """The longest axis of the table; 0 where there is none, or its axes are in letters."""
    tables = [info for info in call.inputs if not info.dtype.startswith(("int", "uint"))]
    sizes = [size for info in tables for size in info.shape]
    return max((size for size in sizes if isinstance(size, int)), default=0)
