"""How a picture writes what it shows: shapes with their batch or as papers do, paths or none, what is marked."""

from __future__ import annotations

from dataclasses import dataclass

from convlin.records import Report, TensorInfo
from convlin.render import words
from convlin.render.batch import Samples
from convlin.render.picture.graph import Node
from convlin.render.tree import holding

#: Forms whose channels papers write apart from the sizes of a map: ``64@28×28``.
_MAPS = {"map": 2, "signal": 1, "volume": 3}


@dataclass(frozen=True, slots=True)
class Look:
    """What was chosen for one picture."""

    batch: bool = True
    """Shapes have their batch; otherwise maps are written ``64@28×28``."""
    names: bool = True
    """The modules' paths stand under the blocks."""


class Writer:
    """The texts of one report's picture."""

    def __init__(self, report: Report, look: Look) -> None:
        self.look = look
        self._samples = None if look.batch else Samples(report)
        self._shared = _shared(report)

    def shape(self, node: Node) -> str:
        """The shape over a block.

        >>> image = TensorInfo("", (1, 3, 28, 28), "float32", "cpu")
        >>> writer = Writer(Report("Net", (image,), (), "cpu", "eval", (), ()), Look(batch=False))
        >>> writer.shape(Node((0, 0), "conv", "Conv2d", "conv", form="map", shape=(1, 64, 28, 28)))
        '64@28×28'
        """
        if node.shape is None or self._samples is None:
            return words.shape(node.shape)
        sample = self._samples.shape(node.shape)
        axes = _MAPS.get(node.form)
        if axes is None or len(sample) != axes + 1 or len(sample) == len(node.shape):
            return words.shape(sample)
        return f"{words.shape(sample[:1])}@{words.shape(sample[1:])}"

    def tensors(self, infos: tuple[TensorInfo, ...]) -> tuple[TensorInfo, ...]:
        """The inputs or outputs of the model as the heading names them."""
        return infos if self._samples is None else self._samples.tensors(infos)

    def is_shared(self, node: Node) -> bool:
        """Whether the same weights are used in another call, too."""
        return node.name in self._shared


def _shared(report: Report) -> frozenset[str]:
    """Modules that were called more than once and hold parameters, their own or those of what is in them."""
    with_parameters = holding(report)
    return frozenset(module.path for module in report.modules if module.calls > 1 and module.path in with_parameters)
