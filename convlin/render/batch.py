"""Shapes without their batch: ``64×28×28`` for ``1×64×28×28``."""

from __future__ import annotations

from convlin.records import Call, Report, Shape, Size, TensorInfo
from convlin.render.named_outputs import output_names

#: Outputs whose first axis is the layers of an RNN, whatever the batch.
_STATES = frozenset({"h_n", "c_n"})


class Samples:
    """Leaves the batch out of the shapes of one report: the first axis of the first input.

    A shape that begins with another size, and the states of an RNN, whose first axis is its layers, stay whole.

    >>> image = TensorInfo("", (2, 3, 8, 8), "float32", "cpu")
    >>> samples = Samples(Report("Net", (image,), (), "cpu", "eval", (), ()))
    >>> samples.shape((2, 64)), samples.shape((3, 64)), samples.shape(())
    ((64,), (3, 64), ())
    """

    def __init__(self, report: Report) -> None:
        self.batch: Size | None = next((info.shape[0] for info in report.inputs if info.shape), None)

    def shape(self, shape: Shape) -> Shape:
        """The shape of one sample, or the whole where it does not begin with the batch."""
        return shape[1:] if shape and self.batch is not None and shape[0] == self.batch else shape

    def tensors(self, infos: tuple[TensorInfo, ...], call: Call | None = None) -> tuple[TensorInfo, ...]:
        """The tensors of one sample; ``call`` is the one that returned them."""
        names = output_names(call) if call is not None else {}
        return tuple(
            info if names.get(info.place) in _STATES else info._replace(shape=self.shape(info.shape)) for info in infos
        )
