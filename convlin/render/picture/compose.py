"""The whole picture as records: blocks, lines, frames and texts with their coordinates."""

from __future__ import annotations

from convlin.records import Report, TensorInfo
from convlin.render import words
from convlin.render.picture.arrange import Edge, Parallel, Part, Plan, arrange
from convlin.render.picture.drawing import Block, Drawing, Label, Line, Tag
from convlin.render.picture.graph import Frame, Graph, Key
from convlin.render.picture.layout import FRAME_TITLE, GAP, MARGIN, FrameBox, Piece, Placer, Point
from convlin.render.picture.levels import Levels, levels, place_levels
from convlin.render.picture.look import Look, Writer
from convlin.render.picture.measure import STYLES, TEXT_GAP, elements, text_width
from convlin.render.picture.route import Router
from convlin.render.picture.rows import INSET, Row, break_rows

#: A U may be so much wider than asked for before it is drawn in rows instead.
_WIDER_U = 1.2
_ROW_GAP = 40.0
#: From a frame around rows to the line that leads from one of them to the next.
_FRAME_GAP = 9.0
_FRAME_TOP = FRAME_TITLE + 8
_LEAST_WIDTH = 420.0
_LEAST_WIDTH_OF_PROBLEMS = 640.0
_MOST_PROBLEMS = 8


def compose(graph: Graph, report: Report, width: float, look: Look, *, apart: bool = False) -> Drawing:
    """The picture of a graph, in rows of at most ``width`` pixels where its branches allow that.

    With ``apart``, networks that no line joins stand below one another, not side by side.
    """
    return _Composer(graph, report, width, look, apart=apart).drawing


class _Composer:
    def __init__(self, graph: Graph, report: Report, width: float, look: Look, *, apart: bool) -> None:
        self.drawing = Drawing()
        self._apart = apart
        self._room = width - 2 * MARGIN
        self._graph = graph
        self._report = report
        self._writer = Writer(report, look)
        self._elements = elements(graph, self._writer)
        self._row: dict[Key, int] = {}
        self._levels: Levels | None = None
        self._rows: list[Piece] = []
        self._around: list[tuple[FrameBox, ...]] = []
        y = self._heading(MARGIN - 8)
        if graph.nodes:
            plan = arrange(graph)
            y = self._place(plan, y)
            self._draw(plan)
        else:
            self.drawing.width = _LEAST_WIDTH
        self._widen()
        self._footer(y)

    # Around the network

    def _heading(self, y: float) -> float:
        report = self._report
        y += STYLES["heading"].line
        self.drawing.labels.append(Label(MARGIN, y - 6, report.model, "heading", centered=False))
        if not report.mode:
            subtitle = "no forward pass: nothing to draw"
        else:
            parts = [f"input {_shapes(self._writer.tensors(report.named_inputs))}"] if report.inputs else []
            if report.outputs:
                parts.append(f"output {_shapes(self._writer.tensors(report.outputs))}")
            subtitle = " → ".join(parts)
        subtitle += f" · {words.count(report.total_params)} parameters"
        if report.accepts is not None:
            subtitle += f" · accepts {report.accepts.text}"
        lines = [subtitle.strip()]
        if text_width(lines[0], STYLES["subtitle"].size) > self._room:
            lines = [line for part in lines[0].split(" · ") for line in _wrap(part, self._room, "subtitle")]
        for line in lines:
            y += STYLES["subtitle"].line
            self.drawing.labels.append(Label(MARGIN, y - 6, line, "subtitle", centered=False))
        return y + 10

    def _widen(self) -> None:
        """Room for the heading, and for sentences that are not broken too often."""
        right = max(label.box[2] for label in self.drawing.labels) + MARGIN
        least = _LEAST_WIDTH_OF_PROBLEMS if self._report.problems else _LEAST_WIDTH
        self.drawing.width = max(self.drawing.width, right, least)

    def _footer(self, y: float) -> None:
        """What is wrong, in sentences."""
        lines = []
        for problem in self._report.problems[:_MOST_PROBLEMS]:
            first = problem.message.splitlines()[0] if problem.message else problem.kind
            lines += _wrap(f"✗ {problem.path or self._report.model}: {first}", self.drawing.width - 2 * MARGIN)
        more = len(self._report.problems) - _MOST_PROBLEMS
        if more > 0:
            lines.append(f"✗ … and {more} more")
        for line in lines:
            y += STYLES["footer"].line
            self.drawing.labels.append(Label(MARGIN, y - 4, line, "footer", centered=False))
        self.drawing.height = y + MARGIN - 8

    # The network

    def _place(self, plan: Plan, y: float) -> float:
        placer = Placer(self._elements, plan, self._graph.frames)
        level_of = levels(self._graph, plan)
        if level_of is not None:
            placed = place_levels(placer, plan, level_of, self._room)
            if placed.piece.width <= _WIDER_U * self._room:
                self._levels = placed.lowered(y + placed.piece.above)
                return self._stack([placed.piece], [Row(plan.series.parts)], plan, placer, y)
        pieces: list[Piece] = []
        entering: Key | None = None
        rows = break_rows(placer, plan, self._room, apart=self._apart)
        for row in rows:
            pieces.append(placer.series(row.parts, entering, frozenset(row.around)))
            entering = _leaving(row.parts)
        return self._stack(pieces, rows, plan, placer, y)

    def _stack(self, pieces: list[Piece], rows: list[Row], plan: Plan, placer: Placer, y: float) -> float:
        """Rows below one another, as high as their arcs and tags need, and the frames around several of them."""
        row = {key: number for number, piece in enumerate(pieces) for key in piece.spots}
        cut = [edge for edge in plan.skips if row[edge[0]] != row[edge[1]] and pieces[row[edge[1]]].entering != edge[0]]
        letters = {source: _letter(number) for number, source in enumerate(sorted({edge[0] for edge in cut}))}
        for number, piece in enumerate(pieces):
            tags = self._tags(placer, piece, [edge for edge in cut if number in (row[edge[0]], row[edge[1]])], letters)
            around = rows[number].around
            piece.above += _FRAME_TOP * _beginning(rows, number)
            piece.below += _FRAME_GAP * _beginning(rows[::-1], len(rows) - 1 - number)
            left = MARGIN + INSET * len(around)
            axis = y + piece.above
            moved = piece.moved(left, axis)
            self._rows.append(moved)
            self.drawing.frames += moved.frames
            self.drawing.width = max(self.drawing.width, piece.width + 2 * left)
            for points, tag, arriving in tags:
                shifted = tuple((x + left, up + axis) for x, up in points)
                self.drawing.lines.append(Line(shifted, "skip", arrow=arriving))
                self.drawing.tags.append(Tag(tag.x + left, tag.y + axis, tag.letter))
            y = axis + piece.below + _ROW_GAP
        self._row = row
        self._surround(rows)
        return y - _ROW_GAP + 12

    def _surround(self, rows: list[Row]) -> None:
        """One frame around all the rows of what repeats."""
        boxes: dict[Frame, FrameBox] = {}
        for frame in dict.fromkeys(frame for row in rows for frame in row.around):
            inside = [number for number, row in enumerate(rows) if frame in row.around]
            depth = rows[inside[0]].around.index(frame)
            right = max(
                self._rows[number].right_end(self._elements) + INSET * (len(rows[number].around) - depth - 1)
                for number in inside
            )
            first, last = self._rows[inside[0]], self._rows[inside[-1]]
            outer_first = _beginning(rows, inside[0], depth)
            outer_last = _beginning(rows[::-1], len(rows) - 1 - inside[-1], depth)
            boxes[frame] = FrameBox(
                frame,
                MARGIN + INSET * (depth + 1) - GAP / 2 - _FRAME_GAP,
                -first.above + _FRAME_TOP * outer_first,
                right + GAP / 2 + _FRAME_GAP,
                last.below - _FRAME_GAP * outer_last,
            )
        self.drawing.frames = [*boxes.values(), *self.drawing.frames]
        self._around = [tuple(boxes[frame] for frame in row.around) for row in rows]
        self.drawing.width = max(self.drawing.width, *(box.right + MARGIN - 6 for box in boxes.values()), 0)

    def _tags(
        self, placer: Placer, piece: Piece, edges: list[Edge], letters: dict[Key, str]
    ) -> list[tuple[tuple[Point, ...], Tag, bool]]:
        """Short lines up to a letter, for skips that end in another row."""
        found: list[tuple[tuple[Point, ...], Tag, bool]] = []
        ends: dict[tuple[Key, Key], bool] = {}
        for source, target in edges:
            if source in piece.spots:
                ends[source, source] = False
            if target in piece.spots:
                ends[source, target] = True
        taken: list[tuple[float, float]] = []
        for (source, end), arriving in sorted(ends.items()):
            x, foot = placer.left_of(piece, end) if arriving else placer.right_of(piece, end)
            in_the_way = [
                (spot.y - self._elements[key].above, spot.y + self._elements[key].below)
                for key, spot in piece.spots.items()
                if abs(spot.x - x) < self._elements[key].width / 2 + 9
            ]
            in_the_way += [(arc.track, arc.track) for arc in piece.arcs if arc.start[0] - 10 < x < arc.end[0] + 10]
            in_the_way += [(height - 9, height + 9) for other, height in taken if abs(other - x) < 20]
            top = foot - 26
            for upper, lower in sorted(in_the_way, reverse=True):
                if upper - 10 < top < lower + 10:
                    top = upper - 11
            taken.append((x, top))
            line: tuple[Point, ...] = ((x, top), (x, foot)) if arriving else ((x, foot), (x, top))
            if not arriving and all(source != other for other, _ in placer.plan.flows):
                # No other line leads from the block to where this one rises.
                line = ((piece.spots[source].x, foot), *line)
            found.append((line, Tag(x, top, letters[source]), arriving))
            piece.above = max(piece.above, 14 - top)
        return found

    def _draw(self, plan: Plan) -> None:
        spots = {key: spot for piece in self._rows for key, spot in piece.spots.items()}
        router = Router(self._elements, plan, self._rows, self._row, self._levels, self._around)
        self.drawing.lines += router.lines()
        self.drawing.fans += router.fans()
        self.drawing.labels += [_frame_label(box) for box in self.drawing.frames]
        self.drawing.blocks += [self._block(key, spots[key]) for key in sorted(spots)]

    def _block(self, key: Key, spot: Point) -> Block:
        element = self._elements[key]
        x, y = spot
        labels = []
        line = y - element.block_height / 2 - TEXT_GAP
        for text in reversed(element.over):
            labels.append(Label(x, line - 2, text.text, text.style))
            line -= text.height
        line = y + element.block_height / 2 + TEXT_GAP
        for text in element.under:
            line += text.height
            labels.append(Label(x, line - 3, text.text, text.style))
        return Block(element, x, y, tuple(labels))


def _leaving(parts: tuple[Part, ...]) -> Key | None:
    """The block whose line leads on to the next row, where there is one."""
    last = parts[-1]
    if not isinstance(last, Parallel):
        return last
    goes_past = any(not branch.parts for branch in last.branches)
    return _leaving(parts[:-1]) if goes_past and len(parts) > 1 else None


def _beginning(rows: list[Row], number: int, most: int | None = None) -> int:
    """How many of the frames around a row begin with it; only of the ``most`` outermost ones."""
    before = rows[number - 1].around if number else ()
    return sum(frame not in before for frame in rows[number].around[:most])


def _frame_label(box: FrameBox) -> Label:
    how = f"×{box.frame.times}" if box.frame.in_a_row else f"{box.frame.times} side by side"
    for text in (f"{how}   {box.frame.name}", how):
        label = Label(box.left + 8, box.top + FRAME_TITLE - 4, text, "frame", centered=False)
        if label.box[2] < box.right - 4:
            return label
    return label


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else str(number - 25)


def _shapes(infos: tuple[TensorInfo, ...]) -> str:
    texts = [
        f"{info.place}={words.shape(info.shape)}" if info.place.isidentifier() else words.tensor(info) for info in infos
    ]
    return ", ".join(texts) if len(texts) <= 3 else f"{', '.join(texts[:2])} and {len(texts) - 2} more"


def _wrap(text: str, width: float, style: str = "footer") -> list[str]:
    """Lines no wider than ``width``, broken between words, and inside a word that is wider alone."""
    size = STYLES[style].size
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and text_width(longer, size) > width:
            lines.append(line)
            longer = "    " + word
        while text_width(longer, size) > width:
            fitting = next(end for end in range(len(longer), 0, -1) if text_width(longer[:end], size) <= width)
            lines.append(longer[:fitting])
            longer = "    " + longer[fitting:]
        line = longer
    return [*lines, line]
