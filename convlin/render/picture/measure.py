"""How large things are drawn: a block by its sizes, a text by its letters.

The scales are made to be legible, not literal: a side goes with the square root of the size, the
length of a line of features with its logarithm, and both are bounded.  A named size, for which
there is no number, is drawn as if it were ``_DEFAULT``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum, log2, sqrt
from typing import NamedTuple

from convlin.records import Size
from convlin.render.picture import kinds
from convlin.render.picture.condense import span
from convlin.render.picture.graph import Graph, Key, Node
from convlin.render.picture.look import Writer
from convlin.render.picture.names import cut, short_names
from convlin.render.picture.trouble import STOPPED

#: Between slabs side by side, and from one slice of a volume to the one behind it.
SLAB_GAP = 3.0
SLICE_STEP = (5.0, 4.0)
SIGN_HEIGHT = 20.0
#: Between a block and its texts.
TEXT_GAP = 4.0

_DEFAULT = 64
_SLABS = 4
_MOST_OUTPUTS = 2
_OUTPUT_LETTERS = 26
_TYPE_LETTERS = 16
_SHAPE_LETTERS = 26


class Style(NamedTuple):
    """A kind of text: its size in pixels, whether it is bold, and the height of a line."""

    size: float
    bold: bool
    line: float


STYLES = {
    "heading": Style(16, True, 22),
    "subtitle": Style(11.5, False, 17),
    "shape": Style(10.5, False, 13.5),
    "note": Style(11, True, 15),
    "name": Style(11, True, 14),
    "type": Style(10.5, False, 13.5),
    "folded": Style(10, False, 13),
    "output": Style(10.5, True, 14),
    "problem": Style(10.5, True, 14),
    "frame": Style(11, True, 15),
    "sign": Style(11, False, 14),
    "tag": Style(10, True, 12.5),
    "footer": Style(11.5, False, 17),
}


class Text(NamedTuple):
    """A line of text and its style's name."""

    text: str
    style: str

    @property
    def width(self) -> float:
        """Pixels it takes at most."""
        style = STYLES[self.style]
        return text_width(self.text, style.size, bold=style.bold)

    @property
    def height(self) -> float:
        """Pixels from this line to the next."""
        return STYLES[self.style].line


# Widths in ems, of the widest of the fonts that the picture asks for.
_NARROW = dict.fromkeys("iIjl.,:;'|!·", 0.36) | dict.fromkeys('frt()[]-/ "`', 0.42)
_WIDE = dict.fromkeys("mMwW@%", 0.97) | dict.fromkeys("×−+=<>≤≥→⌊⌋–&", 0.84) | {"…": 1.02}


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Pixels that a text takes at most, whichever of the usual sans-serif fonts draws it."""
    # Not sum(), which adds floats in another way from Python 3.12 on.
    ems = fsum(_letter(letter) for letter in text)
    return ems * size * (1.14 if bold else 1.0)


def _letter(letter: str) -> float:
    known = _NARROW.get(letter) or _WIDE.get(letter)
    if known is not None:
        return known
    if letter.isascii():
        return 0.72 if letter.isupper() else 0.645
    return 1.05


@dataclass(frozen=True, slots=True)
class Solid:
    """A block: its thickness along the flow, its height, and how far its depth goes aside and up."""

    thickness: float
    height: float
    aside: float
    up: float
    slabs: int = 1
    """How many alike stand side by side."""
    slices: int = 1
    """Of a volume: how many are drawn behind each other."""
    cells: int = 0
    """Into how many features a line is divided."""
    tokens: int = 0
    """Into how many steps a sheet is divided."""
    shares: tuple[float, ...] = ()
    """Of a concatenation: where its parts end, from 0 to 1."""
    parts_aside: bool = False
    """The parts stand side by side (channels of maps), not on top of each other (features of a line)."""

    @property
    def front(self) -> float:
        """Width of the front, all slabs."""
        return self.thickness * self.slabs + SLAB_GAP * (self.slabs - 1)

    @property
    def width(self) -> float:
        """Width of the whole drawing."""
        return self.front + self.aside + (self.slices - 1) * SLICE_STEP[0]

    @property
    def tall(self) -> float:
        """Height of the whole drawing."""
        return self.height + self.up + (self.slices - 1) * SLICE_STEP[1]


@dataclass(frozen=True, slots=True)
class Element:
    """One node ready to be placed: its block and its texts, measured from the middle of the block."""

    node: Node
    solid: Solid | None
    sign_width: float
    over: tuple[Text, ...]
    under: tuple[Text, ...]

    @property
    def block_width(self) -> float:
        """Width of what is drawn, without texts."""
        return self.solid.width if self.solid is not None else self.sign_width

    @property
    def block_height(self) -> float:
        """Height of what is drawn, without texts."""
        return self.solid.tall if self.solid is not None else SIGN_HEIGHT

    @property
    def width(self) -> float:
        """Width with texts."""
        return max(self.block_width, *(text.width for text in (*self.over, *self.under)), 0)

    @property
    def above(self) -> float:
        """From the axis to the top of the uppermost text."""
        return self.block_height / 2 + fsum(text.height for text in self.over) + (TEXT_GAP if self.over else 0)

    @property
    def below(self) -> float:
        """From the axis to the bottom of the lowest text."""
        return self.block_height / 2 + fsum(text.height for text in self.under) + (TEXT_GAP if self.under else 0)


def elements(graph: Graph, writer: Writer) -> dict[Key, Element]:
    """Every node of the graph, measured."""
    scale = _Scale(graph)
    names = _names(graph) if writer.look.names else {}
    marks = _marks(graph)
    return {
        key: _element(node, scale, writer, names.get(key, ()), marks.get(key, ())) for key, node in graph.nodes.items()
    }


def _marks(graph: Graph) -> dict[Key, tuple[str, ...]]:
    """Beside what makes an output of the model, its name; of many the first and the number of the others."""
    made: dict[Key, list[str]] = {}
    for name, key in graph.outputs.items():
        made.setdefault(key, []).append(cut(f"output {name}".strip(), _OUTPUT_LETTERS))
    return {
        key: (*names[:_MOST_OUTPUTS], *([f"and {len(names) - _MOST_OUTPUTS} more"] if names[_MOST_OUTPUTS:] else []))
        for key, names in made.items()
    }


def _names(graph: Graph) -> dict[Key, tuple[str, ...]]:
    """The lines of the name of every node; the title of a frame says where what is in it stands."""
    inside = {key: number for number, frame in enumerate(graph.frames) for key in frame.keys}
    groups: dict[int, dict[Key, str]] = {}
    for key, node in graph.nodes.items():
        if node.name:
            number = inside.get(key, -1)
            prefix = graph.frames[number].prefix if number >= 0 else ""
            name = span(node.name, node.last).removeprefix(f"{prefix}." if prefix else "")
            groups.setdefault(number, {})[key] = name
    short = {number: short_names(names.values()) for number, names in groups.items()}
    return {key: short[number][name] for number, names in groups.items() for key, name in names.items()}


def _element(node: Node, scale: _Scale, writer: Writer, name: Sequence[str], marks: Sequence[str]) -> Element:
    returned = tuple(Text(mark, "output") for mark in marks)
    if node.is_sign:
        width = max(SIGN_HEIGHT, text_width(sign_text(node), 11) + 16) if len(node.sign) > 1 else SIGN_HEIGHT
        under = [Text(line, "folded") for line in _folded(node.after)]
        if node.failed:
            under.append(Text(STOPPED, "problem"))
        return Element(node, None, width, (), (*under, *returned))
    over = [Text(line, "note") for line in _broken(node.note, "·")] if node.note else []
    if node.shape is not None:
        over += [Text(line, "shape") for line in _broken(writer.shape(node), "×")]
    return Element(node, scale.solid(node), 0.0, tuple(over), (*_under(node, writer, name), *returned))


def _broken(text: str, sign: str) -> list[str]:
    """A product in lines that are not too wide, broken behind its signs: named sizes can be long."""
    lines = [""]
    for place, factor in enumerate(text.split(sign)):
        grown = f"{lines[-1]}{sign}{factor}" if place else factor
        if place and len(grown) > _SHAPE_LETTERS:
            lines[-1] += sign
            lines.append(factor)
        else:
            lines[-1] = grown
    return lines


def sign_text(node: Node) -> str:
    """What stands in a sign that is no circle."""
    return node.type if node.role == "gap" else node.sign


def _under(node: Node, writer: Writer, name: Sequence[str]) -> list[Text]:
    mark = "✗ " if node.problems or node.failed else ""
    texts = [Text(f"{'' if place else mark}{line}", "name") for place, line in enumerate(name)]
    texts += [Text(f"{line} →", "folded") for line in _folded(node.before)]
    kind = cut(node.written or node.type)
    detail = f"{node.detail}{f' ×{node.count:,}' if node.count > 1 else ''}".strip()
    if len(kind) + len(detail) <= _TYPE_LETTERS:
        kind, detail = f"{kind} {detail}".strip(), ""
    if mark and not name:
        texts.append(Text(f"{mark}{kind}", "name"))
        kind = ""
    texts += [Text(line, "type") for line in (kind, detail) if line]
    texts += [Text(line, "folded") for line in (*_folded(node.inside), *_folded(node.after))]
    if writer.is_shared(node):
        texts.append(Text("shared weights", "folded"))
    problems = list(node.problems) or ([STOPPED] if node.failed else [])
    return texts + [Text(line, "problem") for line in problems]


def _folded(names: tuple[str, ...]) -> list[str]:
    """Names in as few short lines as they fit, at most three."""
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + len(name) < 18:
            lines[-1] += f", {name}"
        else:
            lines.append(cut(name))
    return lines if len(lines) <= 3 else [*lines[:2], f"+ {len(names) - 2} more"]


def number(size: Size) -> int:
    """A size as a number to draw by; each name in it counts as ``_DEFAULT``."""
    if isinstance(size, int):
        return max(size, 1)
    try:
        return max(int(size.subs(dict.fromkeys(size.free_symbols, _DEFAULT))), 1)
    except (TypeError, ValueError, AttributeError):  # an expression that has no value even then
        return _DEFAULT


class _Scale:
    """From sizes to pixels, so that the largest map of a picture fills its height."""

    def __init__(self, graph: Graph) -> None:
        sides, steps, lengths = [1], [1], [1]
        for node in graph.nodes.values():
            if node.shape is None or node.is_sign:
                continue
            _, spatial = kinds.extents(node.form, node.shape)
            into = {"sheet": steps, "tokens": steps, "signal": lengths}.get(node.form, sides)
            into.extend(number(size) for size in spatial)
        self._side = (max(sides), min(max(40 + 14 * log2(max(sides)), 60), 150))
        self._step = max(steps)
        self._length = max(lengths)

    def _edge(self, size: Size) -> float:
        largest, pixels = self._side
        return max(pixels * sqrt(number(size) / largest), 6)

    def solid(self, node: Node) -> Solid:
        """The block of a node."""
        if node.shape is None or node.form in ("other", "gap"):
            return Solid(26, 52, 8, 6)
        channels, spatial = kinds.extents(node.form, node.shape)
        thickness = min(max(3 + 1.7 * sqrt(number(channels)), 5), 52)
        slabs = min(node.count, _SLABS)
        thickness = max(thickness, 5.0 * len(node.parts))
        if node.form in ("map", "last", "volume", "heads") and len(spatial) >= 2:
            width = self._edge(spatial[-1])
            slices = min(1 + round(log2(number(spatial[0])) / 1.5), 4) if node.form == "volume" else 1
            return Solid(
                thickness, self._edge(spatial[-2]), 0.36 * width, 0.28 * width, slabs, slices,
                shares=_shares(node.parts), parts_aside=True,
            )  # fmt: skip
        if node.form == "signal":
            height = max(150 * sqrt(number(spatial[0]) / self._length), 8)
            return Solid(thickness, height, 6, 5, slabs, shares=_shares(node.parts), parts_aside=True)
        if node.form in ("sheet", "tokens"):
            steps = number(spatial[0])
            width = 12 + 60 * sqrt(steps / self._step)
            height = 12 if node.form == "tokens" else 0.62 * _bar(channels)
            return Solid(5, height, 0.5 * width, 0.3 * width, slabs, tokens=min(steps, 8))
        thin = node.role == "reshape"
        features = number(channels)
        cells = features if features <= 16 else 0
        return Solid(6 if thin else 11, _bar(channels), 5, 4, slabs, cells=cells, shares=_shares(node.parts))


def _bar(features: Size) -> float:
    return min(16 + 13.5 * log2(number(features)), 215)


def _shares(parts: tuple[int, ...]) -> tuple[float, ...]:
    total = sum(parts)
    if len(parts) < 2 or total <= 0:
        return ()
    ends, reached = [], 0
    for part in parts[:-1]:
        reached += part
        ends.append(reached / total)
    return tuple(ends)
