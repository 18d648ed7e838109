"""One execution of a module or of a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from convlin.records.derivations import Derivation
from convlin.records.places import Location
from convlin.records.sources import Source
from convlin.records.tensors import TensorInfo
from convlin.sizes.equal import same_shape
from convlin.sizes.spell import spell_shape
from convlin.sizes.types import Shape


@dataclass(frozen=True, slots=True)
class Call:
    """One execution of a module, or of a shape-changing function between modules.

    Calls stand in order of completion, so the calls made inside a container come right before it:
    ``inner`` counts them.  Shapes include the batch: ``(N, C, H, W)``.
    """

    path: str
    """The module's dotted name from the root; for a function, the path of the calling module."""
    type: str
    """Class name of the module, or the function's name as users write it (``Tensor.view``)."""
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    params: int = 0
    """Elements of the parameters that the module itself holds (not its children's)."""
    trainable_params: int = 0
    is_function: bool = False
    inner: int = 0
    """How many of the calls right before this one were made inside it."""
    sources: tuple[Source, ...] = ()
    """For each of ``inputs``, where it comes from."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the layer or function was configured with (``kernel_size``, ``stride``, …): plain values."""
    where: Location | None = None
    """For a function, the line of the user's code that called it."""
    flops: int | None = None
    """Floating-point operations of this call by torch's own formulas, where they were asked for."""
    failed: bool = False
    """The pass stopped in this call."""
    stood_in: bool = False
    """What reached this call did not fit; a stand-in of the declared size took its place."""
    derive: Callable[[Call], Derivation | None] | None = field(default=None, repr=False, compare=False)
    """The rule that derives the output shape from ``inputs`` and ``settings``, a function at module level.

    It raises ``ValueError`` for a size that PyTorch would refuse; see ``derivation``."""

    def __str__(self) -> str:
        """The call in a line.

        >>> print(Call("fc", "Linear", (TensorInfo("", (1, 9), "float32", "cpu"),)))
        fc  Linear  1×9 →
        """
        came, made = (", ".join(map(spell_shape, shapes)) for shapes in (self.input_shapes, self.output_shapes))
        return "  ".join(part for part in (self.path, self.type, f"{came} → {made}".strip()) if part)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    @property
    def input_shape(self) -> Shape | None:
        """Shape of the first tensor that came in, or None."""
        return self.inputs[0].shape if self.inputs else None

    @property
    def output_shape(self) -> Shape | None:
        """Shape of the first tensor that came out, or None."""
        return self.outputs[0].shape if self.outputs else None

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all tensors that came in, in the order of the arguments."""
        return tuple(info.shape for info in self.inputs)

    @property
    def output_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all tensors that came out, in order."""
        return tuple(info.shape for info in self.outputs)

    @property
    def derivation(self) -> Derivation | None:
        """How the output shape comes about; None where no rule is known or nothing changed.

        Never a story: a derived shape that differs from the observed one is not shown.
        """
        if self.derive is None or not self.outputs:
            return None
        try:
            derivation = self.derive(self)
        except ValueError:  # the formula refuses what the layer took: no story
            return None
        if derivation is None or self.output_shape is None or not same_shape(derivation.shape, self.output_shape):
            return None
        return derivation.spelled_as(self.output_shape)
