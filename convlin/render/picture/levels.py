"""A network that goes down and up again, drawn as the U that people draw.

Each skip over smaller maps is a level: what it skips stands one level lower, and the way down and
the way up share the width of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

from convlin.render.picture import kinds
from convlin.render.picture.arrange import Parallel, Part, Plan, keys_of
from convlin.render.picture.graph import Graph, Key
from convlin.render.picture.layout import GAP, Piece, Placer
from convlin.render.picture.measure import number

_LEVEL_GAP = 30.0


def levels(graph: Graph, plan: Plan) -> list[int] | None:
    """For each part of the outermost series its level, or None where the network is no U."""
    parts = plan.series.parts
    place = {key: at for at, part in enumerate(parts) for key in keys_of(part)}
    sides = [_sides(graph, part) for part in parts]
    spans = []
    for source, target in plan.skips:
        first, last = place[source], place[target]
        size = sides[first][-1]
        inner = last
        while inner > first + 1 and set(sides[inner - 1]) == {size}:
            inner -= 1
        if inner - first > 1 and size > max(min(found) for found in sides[first + 1 : inner]):
            spans.append((first, inner, last))
    spans = sorted(set(spans))
    if len(spans) < 2 or not any(a[0] < b[0] and b[2] < a[2] for a in spans for b in spans):
        return None
    if any(a[0] < b[0] < a[2] < b[2] for a in spans for b in spans):
        return None
    return [sum(first < at < inner for first, inner, _ in spans) for at in range(len(parts))]


def _sides(graph: Graph, part: Part) -> list[int]:
    """The longest spatial side of each block of a part."""
    found = []
    for key in keys_of(part):
        node = graph.nodes[key]
        _, spatial = kinds.extents(node.form, node.shape or ())
        found.append(max((number(size) for size in spatial), default=0))
    return found


@dataclass(frozen=True, slots=True)
class Levels:
    """A placed U: the whole of it, each block's level, and where lines may run between the levels."""

    piece: Piece
    level: dict[Key, int]
    channels: dict[int, float]
    """For each level the height of the free space above it."""

    def lowered(self, down: float) -> Levels:
        """The same further down the picture."""
        channels = {level: channel + down for level, channel in self.channels.items()}
        return Levels(self.piece, self.level, channels)


def place_levels(placer: Placer, plan: Plan, level_of: list[int], widest: float) -> Levels:
    """The whole picture as one piece: a wide V where there is room, otherwise a narrower one."""
    for spread in (1.0, 0.5, 0.0):
        rows = _spread(placer, plan, level_of, spread)
        if max(row.width for row in rows.values()) <= widest:
            break
    whole = Piece()
    level: dict[Key, int] = {}
    channels: dict[int, float] = {}
    down = 0.0
    for depth in sorted(rows):
        row = rows[depth]
        here = [edge for edge in plan.skips if edge[0] in row.spots and edge[1] in row.spots]
        placer.bend(row, here)
        level.update(dict.fromkeys(row.spots, depth))
        if not depth:
            whole.above = row.above
        else:
            channels[depth] = down - _LEVEL_GAP / 2
            down += row.above
        whole.take(row.moved(0.0, down))
        whole.below = down + row.below
        down += row.below + _LEVEL_GAP
    leftmost = min(spot.x - placer.elements[key].width / 2 for key, spot in whole.spots.items())
    rightmost = max(spot.x + placer.elements[key].width / 2 for key, spot in whole.spots.items())
    moved = whole.moved(-leftmost, 0.0)
    moved.width = rightmost - leftmost
    return Levels(moved, level, channels)


def _spread(placer: Placer, plan: Plan, level_of: list[int], spread: float) -> dict[int, Piece]:
    """Every level's blocks; with a ``spread`` of 1 each level begins right below the end of the one above it."""
    rows: dict[int, Piece] = {}
    middle = right = first = 0.0
    previous = 0
    for place, (part, level) in enumerate(zip(plan.series.parts, level_of, strict=True)):
        piece = placer.part(part)
        left = 0.0
        if place and level == previous:
            left = right + GAP
        elif place:
            # Branches hang from a line in their margin; a single block stands right below or above.
            half = GAP / 2 if isinstance(part, Parallel) else piece.width / 2
            least = rows[level].width + 3 * GAP if level in rows else first - half
            left = max(least + spread * (middle - half - least), least)
        row = rows.setdefault(level, Piece())
        row.take(piece.moved(left, 0.0))
        row.width = left + piece.width
        row.above, row.below = max(row.above, piece.above), max(row.below, piece.below)
        middle, right = left + piece.width / 2, left + piece.width
        if level != previous or not place:
            first = middle
        previous = level
    return rows
