"""The named arithmetic steps to a shape."""

from __future__ import annotations

from typing import Any, NamedTuple

from convlin.sizes.types import Shape, Size


class Step(NamedTuple):
    """One line of arithmetic: how one axis (or several alike) got its size.

    >>> Step("H, W", "⌊(H + 2·padding − kernel_size)/stride⌋ + 1", "⌊(32 + 2·0 − 2)/2⌋ + 1", 16).text
    '⌊(32 + 2·0 − 2)/2⌋ + 1 = 16'
    """

    axis: str
    formula: str
    arithmetic: str
    size: Size
    numbers: tuple[Any, ...] = ()
    """What was put into the formula: the size that goes in, then all else; empty where nothing was worked out."""

    @property
    def text(self) -> str:
        """The numbers put in, and what comes out: ``32·8·8 = 2048``."""
        return f"{self.arithmetic} = {self.size}"


class Derivation(NamedTuple):
    """The named arithmetic steps from an input shape to an output shape."""

    shape: Shape
    steps: tuple[Step, ...]
    source: str
    """The page of PyTorch's documentation that states the formula."""

    def spelled_as(self, shape: Shape) -> Derivation:
        """The same with every size written as in ``shape``, which is equal."""
        if self.shape == shape:
            return self
        spelling = dict(zip(self.shape, shape, strict=True))
        steps = tuple(step._replace(size=spelling.get(step.size, step.size)) for step in self.steps)
        return Derivation(shape, steps, self.source)
