"""Where lines run: along a row, to branches, over what they skip, to the next row, between levels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from convlin.render.picture.arrange import Edge, Plan, keys_of
from convlin.render.picture.drawing import Line
from convlin.render.picture.graph import Key
from convlin.render.picture.layout import GAP, MARGIN, Arc, FrameBox, Piece, Point
from convlin.render.picture.levels import Levels
from convlin.render.picture.measure import Element
from convlin.render.picture.rows import INSET

#: How far from a block the line to several branches turns: inside their margin, aside of the arcs.
_TURN = 1.3 * GAP


class Router:
    """Draws every edge of a plan, whose blocks stand in ``rows`` already."""

    def __init__(
        self,
        elements: dict[Key, Element],
        plan: Plan,
        rows: list[Piece],
        row: dict[Key, int],
        levels: Levels | None,
        around: list[tuple[FrameBox, ...]],
    ) -> None:
        self._elements = elements
        self._plan = plan
        self._rows = rows
        self._row = row
        self._around = around
        self._level = levels.level if levels is not None else {}
        self._channels = levels.channels if levels is not None else {}
        self._spots: dict[Key, Point] = {key: spot for piece in rows for key, spot in piece.spots.items()}
        self._branching: dict[Key, list[Key]] = {}
        for part in plan.series.parts:
            keys = keys_of(part)
            self._branching.update(dict.fromkeys(keys, keys) if len(keys) > 1 else {})

    def lines(self) -> Iterator[Line]:
        """Every line of the picture."""
        forks = Counter(source for source, _ in self._plan.flows)
        for edge in self._plan.flows:
            yield Line(self._flow(edge, forks=forks[edge[0]] > 1), "flow")
        for number, piece in enumerate(self._rows):
            for arc in piece.arcs:
                yield Line(self._arc(number, piece, arc), "skip")

    def fans(self) -> Iterator[tuple[Point, ...]]:
        """Every place where maps become one line."""
        for edge in self._plan.flows:
            if self._spots[edge[0]][1] == self._spots[edge[1]][1]:
                yield from self._fan(edge)

    def _arc(self, number: int, piece: Piece, arc: Arc) -> tuple[Point, ...]:
        source, target = arc.edge
        # What begins in the row before comes in with the line from there.
        port = self._right(source) if source in piece.spots else (self._left_of(number - 1, number), arc.start[1])
        points: tuple[Point, ...] = (port, arc.start, (arc.start[0], arc.track), (arc.end[0], arc.track), arc.end)
        if self._elements[target].solid is not None:
            points = (*points, self._left(target))
        return _straightened(points)

    def _right(self, key: Key) -> Point:
        element = self._elements[key]
        inset = element.solid.aside / 2 if element.solid is not None else 0
        return self._spots[key][0] + element.block_width / 2 - inset, self._spots[key][1]

    def _left(self, key: Key) -> Point:
        return self._spots[key][0] - self._elements[key].block_width / 2, self._spots[key][1]

    def _flow(self, edge: Edge, *, forks: bool) -> tuple[Point, ...]:
        source, target = edge
        start, end = self._right(source), self._left(target)
        if self._row[source] != self._row[target]:
            return self._return(edge, start, end)
        if self._level.get(source) != self._level.get(target):
            return self._between_levels(edge, start, end)
        if start[1] == end[1]:
            return start, end
        if forks:
            turn = self._spots[source][0] + self._elements[source].width / 2 + _TURN
        else:
            turn = self._spots[target][0] - self._elements[target].width / 2 - _TURN
        return start, (turn, start[1]), (turn, end[1]), end

    def _return(self, edge: Edge, start: Point, end: Point) -> tuple[Point, ...]:
        """From the end of a row to the beginning of the next, in the space between."""
        upper, lower = self._row[edge[0]], self._row[edge[1]]
        row, below = self._rows[upper], self._rows[lower]
        left_behind = [box.right for box in self._around[upper] if box not in self._around[lower]]
        right = max(row.right_end(self._elements), *left_behind, 0.0) + GAP / 2
        left = self._left_of(upper, lower)
        channel = (row.below - below.above) / 2
        return (start, (right, start[1]), (right, channel), (left, channel), (left, end[1]), end)

    def _left_of(self, upper: int, lower: int) -> float:
        """Where a line from one row comes down to another: inside the frames that go around both."""
        both = sum(box in self._around[upper] for box in self._around[lower])
        return MARGIN + INSET * both - GAP / 2

    def _between_levels(self, edge: Edge, start: Point, end: Point) -> tuple[Point, ...]:
        """Down from the bottom of a block, or up from its top, and aside in the space between two levels."""
        source, target = edge
        (x, y), (to_x, to_y) = self._spots[source], self._spots[target]
        ours, theirs = self._elements[source], self._elements[target]
        goes_down = to_y > y
        channel = self._channels[max(self._level[source], self._level[target])]
        leave = y + ours.below + 2 if goes_down else y - ours.above - 2
        if source in self._branching or target in self._branching:
            # One of several branches: the line comes in from the side, in the margin of the branches.
            trunk = min(self._spots[key][0] - self._elements[key].width / 2 for key in self._beside(target)) - GAP / 2
            path: tuple[Point, ...] = ((x, leave), (x, channel), (trunk, channel), (trunk, end[1]), end)
        else:
            arrive = to_y - theirs.above - 2 if goes_down else to_y + theirs.below + 2
            if not goes_down and to_x > x + ours.width / 2:
                return (start, (to_x, start[1]), (to_x, arrive))
            path = ((x, leave), (x, channel), (to_x, channel), (to_x, arrive))
        return _straightened(path)

    def _beside(self, key: Key) -> list[Key]:
        """The blocks of the branches that one belongs to, or the block alone."""
        return self._branching.get(key, [key])

    def _fan(self, edge: Edge) -> Iterator[tuple[Point, ...]]:
        source, target = (self._elements[key] for key in edge)
        if target.node.role != "reshape" or source.solid is None or target.solid is None:
            return
        if target.node.form != "line" or source.node.form not in ("map", "volume", "signal", "last"):
            return
        (x, y), (to_x, to_y) = self._spots[edge[0]], self._spots[edge[1]]
        right = x + source.solid.width / 2
        left = to_x - target.solid.width / 2
        yield (
            (right, y - source.solid.tall / 2),
            (left, to_y - target.solid.tall / 2 + target.solid.up),
            (left, to_y + target.solid.tall / 2),
            (right, y + source.solid.tall / 2 - source.solid.up),
        )


def _straightened(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """The same way without corners that are none."""
    kept = [points[0]]
    for place, point in enumerate(points[1:-1], start=1):
        before, after = kept[-1], points[place + 1]
        upright = abs(point[0] - before[0]) < 1 and abs(point[0] - after[0]) < 1
        level = abs(point[1] - before[1]) < 1 and abs(point[1] - after[1]) < 1
        if not upright and not level:
            kept.append(point)
    return (*kept, points[-1])
