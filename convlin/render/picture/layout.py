"""From a plan to coordinates: where every block, line, frame and text stands, in pixels.

Sizes only: nothing here knows SVG.  The axis of a row runs through the middle of its blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple, TypeAlias

from convlin.render.picture.arrange import Edge, Parallel, Part, Plan, keys_of
from convlin.render.picture.graph import Frame, Key
from convlin.render.picture.measure import Element

MARGIN = 28.0
"""Around the whole picture."""
GAP = 18.0
"""Between two columns; arcs rise and come down in it."""
TRUNK = 0.33 * GAP
_TRACK = 10.0
FRAME_PAD = 18.0
_LANE_GAP = 14.0
FRAME_TITLE = 17.0

Point: TypeAlias = tuple[float, float]


class Spot(NamedTuple):
    """Where the middle of a block stands."""

    x: float
    y: float


class Arc(NamedTuple):
    """A skip: it rises at ``start`` from its height there, runs at ``track`` and comes down at ``end``."""

    edge: Edge
    start: Point
    end: Point
    track: float


class FrameBox(NamedTuple):
    """A frame's rectangle."""

    frame: Frame
    left: float
    top: float
    right: float
    bottom: float


@dataclass(slots=True)
class Piece:
    """Some blocks placed relative to their own left end and axis."""

    width: float = 0.0
    above: float = 0.0
    below: float = 0.0
    spots: dict[Key, Spot] = field(default_factory=dict)
    arcs: list[Arc] = field(default_factory=list)
    frames: list[FrameBox] = field(default_factory=list)
    entering: Key | None = None

    def moved(self, aside: float, down: float) -> Piece:
        """The same somewhere else."""
        return Piece(
            self.width,
            self.above - down,
            self.below + down,
            {key: Spot(spot.x + aside, spot.y + down) for key, spot in self.spots.items()},
            [
                Arc(arc.edge, _shift(arc.start, aside, down), _shift(arc.end, aside, down), arc.track + down)
                for arc in self.arcs
            ],
            [
                box._replace(
                    left=box.left + aside, right=box.right + aside, top=box.top + down, bottom=box.bottom + down
                )
                for box in self.frames
            ],
            self.entering,
        )

    def right_end(self, elements: dict[Key, Element]) -> float:
        """Where the last of its blocks and frames ends."""
        ends = [spot.x + elements[key].width / 2 for key, spot in self.spots.items()]
        return max(*ends, *(box.right for box in self.frames), 0.0)

    def take(self, other: Piece) -> None:
        """Take in what another piece holds; the sizes stay."""
        self.spots.update(other.spots)
        self.arcs += other.arcs
        self.frames += other.frames


def _shift(point: Point, aside: float, down: float) -> Point:
    return point[0] + aside, point[1] + down


class Placer:
    """Places series and branches; holds what every step needs to know."""

    def __init__(self, elements: dict[Key, Element], plan: Plan, frames: list[Frame]) -> None:
        self.elements = elements
        self.plan = plan
        self._frames = frames

    def part(self, part: Part, drawn: frozenset[Frame] = frozenset()) -> Piece:
        """One part of a series; ``drawn`` are the frames that go around the whole of it already."""
        if isinstance(part, Parallel):
            return self._parallel(part, drawn)
        element = self.elements[part]
        half = element.width / 2
        return Piece(element.width, element.above, element.below, {part: Spot(half, 0.0)})

    def _parallel(self, part: Parallel, drawn: frozenset[Frame]) -> Piece:
        """Branches above one another; one that is longer than the only other stays on the axis."""
        branches = [branch for branch in part.branches if branch.parts]
        passed = len(branches) < len(part.branches)
        pieces = [self.series(branch.parts, drawn=drawn) for branch in branches]
        lengths = [len(branch.blocks) for branch in branches]
        if len(pieces) == 2 and lengths[0] < lengths[1] and not passed:
            pieces.reverse()
        offsets, reached = [0.0], pieces[0].below
        for piece in pieces[1:]:
            offsets.append(reached + _LANE_GAP + piece.above)
            reached = offsets[-1] + piece.below
        on_axis = len(pieces) == 2 and lengths[0] != lengths[1]
        if passed:  # the axis is a line that goes past all of them
            offsets = [offset - reached - _LANE_GAP for offset in offsets]
        elif not on_axis:
            middle = (offsets[0] + offsets[-1]) / 2
            offsets = [offset - middle for offset in offsets]
        whole = Piece(max(piece.width for piece in pieces) + 2 * GAP)
        for piece, offset in zip(pieces, offsets, strict=True):
            spare = whole.width - piece.width - 2 * GAP
            whole.take(piece.moved(GAP + spare * self._leaning(piece), offset))
        whole.above = max(piece.above - offset for piece, offset in zip(pieces, offsets, strict=True))
        whole.below = max(0.0, *(piece.below + offset for piece, offset in zip(pieces, offsets, strict=True)))
        return whole

    def _leaning(self, piece: Piece) -> float:
        """A branch that begins from nothing stands at its end, one that leads nowhere at its beginning."""
        sources = {target for _, target in self.plan.flows}
        targets = {source for source, _ in self.plan.flows}
        begins = min(piece.spots) not in sources
        ends = max(piece.spots) not in targets
        return 0.5 if begins == ends else 1.0 if begins else 0.0

    def series(
        self, parts: tuple[Part, ...], entering: Key | None = None, drawn: frozenset[Frame] = frozenset()
    ) -> Piece:
        """Parts one after the other on one axis, with the arcs over them and the frames around them.

        ``entering`` is the block at the end of the row before; what skips from there begins where the line comes in.
        """
        frames = [found for found in self.frames_over(parts) if found[2] not in drawn]
        pieces = [
            self.part(part, drawn.union(frame for first, last, frame in frames if first <= place <= last))
            for place, part in enumerate(parts)
        ]
        whole = Piece(entering=entering)
        here = {key for part in parts for key in keys_of(part)}
        enters = any(source == entering and target in here for source, target in self.plan.skips)
        reached = GAP if enters else 0.0
        for place, piece in enumerate(pieces):
            reached += GAP if place else 0.0
            reached += FRAME_PAD * sum(place == first for first, _, _ in frames)
            reached += FRAME_PAD * sum(place == last + 1 for _, last, _ in frames) if place else 0.0
            whole.take(piece.moved(reached, 0.0))
            reached += piece.width
        whole.width = reached + FRAME_PAD * sum(last == len(parts) - 1 for _, last, _ in frames)
        whole.above = max(piece.above for piece in pieces)
        whole.below = max(piece.below for piece in pieces)
        nested = {frozenset(arc.edge) for arc in whole.arcs}
        edges = [
            edge
            for edge in self.plan.skips
            if (edge[0] in whole.spots or edge[0] == entering)
            and edge[1] in whole.spots
            and frozenset(edge) not in nested
        ]
        self.bend(whole, edges)
        for first, last, frame in sorted(frames, key=lambda found: found[1] - found[0]):
            self._surround(whole, frame, parts[first : last + 1])
        return whole

    def frames_over(self, parts: tuple[Part, ...]) -> list[tuple[int, int, Frame]]:
        """Where a frame goes around parts that are wholly in it: the first and the last of each run of them.

        A frame that also holds a part of some branch goes around that one there, as a second one of its name.
        """
        found = []
        for frame in self._frames:
            owned = [frame.keys.issuperset(keys_of(part)) for part in parts]
            place = 0
            for is_owned, run in groupby(owned):
                length = len(list(run))
                if is_owned:
                    found.append((place, place + length - 1, frame))
                place += length
        return found

    def bend(self, piece: Piece, edges: list[Edge]) -> None:
        """Lay arcs over the blocks of a piece: short ones low, long ones above them."""
        spans = []
        for edge in edges:
            start, end = self.right_of(piece, edge[0]), self.left_of(piece, edge[1])
            spans.append((end[0] - start[0], start, end, edge))
        for _, start, end, edge in sorted(spans):
            track = min(start[1], end[1]) - 2 * _TRACK
            free = start[1] == end[1]
            for key, spot in piece.spots.items():
                element = self.elements[key]
                if spot.x + element.width / 2 > start[0] and spot.x - element.width / 2 < end[0]:
                    track = min(track, spot.y - element.above - _TRACK)
                    free = False
            for arc in piece.arcs:
                if arc.start[0] < end[0] and arc.end[0] > start[0]:
                    track = min(track, arc.track - _TRACK)
            piece.arcs.append(Arc(edge, start, end, start[1] if free else track))
            piece.above = max(piece.above, 4 - track)

    def right_of(self, piece: Piece, key: Key) -> Point:
        """Where an arc leaves: in the gap behind a block, or where the line from the row before comes in."""
        if key not in piece.spots:
            return TRUNK, 0.0
        spot = piece.spots[key]
        return spot.x + self.elements[key].width / 2 + TRUNK, spot.y

    def left_of(self, piece: Piece, key: Key) -> Point:
        """Where an arc arrives: at the top of a sign, or in the gap before a block."""
        spot, element = piece.spots[key], self.elements[key]
        if element.solid is None:
            return spot.x, spot.y - element.block_height / 2
        return spot.x - element.width / 2 - TRUNK, spot.y

    def _surround(self, piece: Piece, frame: Frame, parts: tuple[Part, ...]) -> None:
        keys = [key for part in parts for key in keys_of(part)]
        boxes = [(piece.spots[key], self.elements[key]) for key in keys]
        inside = set(keys)
        tops = [spot.y - element.above for spot, element in boxes]
        tops += [arc.track - 4 for arc in piece.arcs if inside.intersection(arc.edge)]
        tops += [box.top for box in piece.frames if box.frame.keys <= inside]
        left = min(spot.x - element.width / 2 for spot, element in boxes) - FRAME_PAD + 6
        right = max(spot.x + element.width / 2 for spot, element in boxes) + FRAME_PAD - 6
        top = min(tops) - FRAME_TITLE - 4
        bottom = max(spot.y + element.below for spot, element in boxes) + 8
        piece.frames.append(FrameBox(frame, left, top, right, bottom))
        piece.above = max(piece.above, -top)
        piece.below = max(piece.below, bottom)
