"""What a picture consists of, with coordinates in pixels: what ``compose`` makes and ``draw`` writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from convlin.render.picture.layout import FrameBox, Point
from convlin.render.picture.measure import STYLES, Element, text_width


class Label(NamedTuple):
    """A line of text: ``y`` is its baseline; it is centered on ``x`` or starts there."""

    x: float
    y: float
    text: str
    style: str
    centered: bool = True

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the space it takes at most."""
        style = STYLES[self.style]
        width = text_width(self.text, style.size, bold=style.bold)
        left = self.x - width / 2 if self.centered else self.x
        return left, self.y - 0.8 * style.size, left + width, self.y + 0.22 * style.size


class Line(NamedTuple):
    """A line with rounded corners; ``kind`` is ``flow`` or ``skip``."""

    points: tuple[Point, ...]
    kind: str
    arrow: bool = True


class Block(NamedTuple):
    """A block and where its middle stands, with its own labels."""

    element: Element
    x: float
    y: float
    labels: tuple[Label, ...]


class Tag(NamedTuple):
    """A letter at both ends of a line that is not drawn: the skip goes on in another row."""

    x: float
    y: float
    letter: str


@dataclass(slots=True)
class Drawing:
    """Everything that is drawn."""

    width: float = 0.0
    height: float = 0.0
    blocks: list[Block] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    fans: list[tuple[Point, ...]] = field(default_factory=list)
    frames: list[FrameBox] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    """Texts that belong to no block: heading, titles of frames, problems."""
