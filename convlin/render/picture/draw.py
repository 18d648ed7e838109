"""From coordinates to SVG text: faces, colors and style sheet."""

from __future__ import annotations

import re

from convlin.records import Report
from convlin.render import words
from convlin.render.picture.colors import style_sheet
from convlin.render.picture.drawing import Block, Drawing, Label, Line
from convlin.render.picture.graph import Node
from convlin.render.picture.kinds import is_activation
from convlin.render.picture.layout import Point
from convlin.render.picture.measure import SIGN_HEIGHT, SLAB_GAP, SLICE_STEP, Solid, sign_text

_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def draw(drawing: Drawing, report: Report, theme: str, *, halo: bool = True) -> str:
    """The SVG text of a drawing; ``halo`` draws letters with an edge in the color of the paper."""
    width, height = _number(drawing.width), _number(drawing.height)
    root = f"convlin-picture convlin-{theme}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{root}" role="img" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}">',
        f"<title>{escape(_title(report))}</title>",
        f"<desc>{escape(_description(drawing, report))}</desc>",
        f"<style>{style_sheet(theme, halo=halo)}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]
    for box in drawing.frames:
        size = f'width="{_number(box.right - box.left)}" height="{_number(box.bottom - box.top)}"'
        parts.append(f'<rect class="frame" x="{_number(box.left)}" y="{_number(box.top)}" {size} rx="10"/>')
    parts += [f'<polygon class="fan" points="{_points(fan)}"/>' for fan in drawing.fans]
    # What comes later stands nearer: a line ends behind the block it leads to and starts before its own.
    parts += [_line(line) for line in drawing.lines if line.kind == "skip"]
    parts += [_block(block) for block in drawing.blocks]
    parts += [_line(line) for line in drawing.lines if line.kind != "skip"]
    for tag in drawing.tags:
        parts.append(f'<circle class="tag" cx="{_number(tag.x)}" cy="{_number(tag.y)}" r="8"/>')
        parts.append(_text(Label(tag.x, tag.y + 3.5, tag.letter, "tag")))
    parts += [_text(label) for label in drawing.labels]
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text for XML: the four signs escaped, what XML cannot hold replaced."""
    text = _UNPRINTABLE.sub("�", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _number(value: float) -> str:
    """At most one digit behind the point, the same text everywhere: no ``-0``, no ``3.0``."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _points(points: tuple[Point, ...]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _title(report: Report) -> str:
    wrong = f", {len(report.problems)} wrong" if report.problems else ""
    return f"{report.model}: the shape after every layer{wrong}"


def _description(drawing: Drawing, report: Report) -> str:
    """The picture in words, for those who do not see it."""
    blocks = [block.element.node for block in drawing.blocks if not block.element.node.is_sign]
    told = [_told(node) for node in blocks if node.shape is not None]
    told += [f"{box.frame.name or 'a part'} runs {box.frame.times} times" for box in drawing.frames]
    told += [problem.message.splitlines()[0] for problem in report.problems if problem.message]
    return "; ".join(told) + "."


def _told(node: Node) -> str:
    name = " ".join(part for part in (node.name, node.type) if part)
    times = f" ({node.count} times)" if node.count > 1 else ""
    wrong = f", {', '.join(node.problems)}" if node.problems else ""
    return f"{name}{times} {words.shape(node.shape)}{wrong}"


# Blocks


def _block(block: Block) -> str:
    node = block.element.node
    kind = "wrong" if (node.problems or node.failed) and node.role != "end" else node.role
    tip = _tip(block)
    texts = "".join(_text(label) for label in block.labels)
    if block.element.solid is None:
        body = _sign(block)
    elif node.shape is None:
        body = _missing(block)
    else:
        body = _solid(block, block.element.solid)
    return f'<g class="block {kind}"><title>{escape(tip)}</title>{body}{texts}</g>'


def _tip(block: Block) -> str:
    node = block.element.node
    parts = [" ".join(part for part in (node.name, node.type, node.detail) if part)]
    if node.arrived and node.shape is not None:
        parts.append(f"{', '.join(words.shape(shape) for shape in node.arrived)} → {words.shape(node.shape)}")
    if node.before or node.after:
        parts.append(", ".join((*node.before, *node.after)))
    return "; ".join((*parts, *node.problems))


def _sign(block: Block) -> str:
    node = block.element.node
    x, y = block.x, block.y
    if len(node.sign) > 1 or node.role == "gap":
        width = block.element.sign_width
        shape = (
            f'<rect class="front" x="{_number(x - width / 2)}" y="{_number(y - SIGN_HEIGHT / 2)}"'
            f' width="{_number(width)}" height="{_number(SIGN_HEIGHT)}" rx="10"/>'
        )
        return shape + _text(Label(x, y + 4, sign_text(node), "sign"))
    circle = f'<circle class="front" cx="{_number(x)}" cy="{_number(y)}" r="9"/>'
    arms = {
        "+": ((-5, 0, 5, 0), (0, -5, 0, 5)),
        "−": ((-5, 0, 5, 0),),
        "×": ((-3.5, -3.5, 3.5, 3.5), (-3.5, 3.5, 3.5, -3.5)),
        "÷": ((-5, 0, 5, 0), (0, -5, 0, -4), (0, 4, 0, 5)),
        "✗": ((-3.5, -3.5, 3.5, 3.5), (-3.5, 3.5, 3.5, -3.5)),
    }.get(node.sign)
    if arms is None:
        return circle + _text(Label(x, y + 4, node.sign, "sign"))
    lines = "".join(f"M{_number(x + a)} {_number(y + b)}L{_number(x + c)} {_number(y + d)}" for a, b, c, d in arms)
    return f'{circle}<path class="arms" d="{lines}"/>'


def _missing(block: Block) -> str:
    """The result that never came."""
    solid = block.element.solid
    assert solid is not None
    left, top = block.x - solid.width / 2, block.y - solid.tall / 2
    x, y = block.x, block.y
    return (
        f'<rect class="missing" x="{_number(left)}" y="{_number(top)}" width="{_number(solid.width)}"'
        f' height="{_number(solid.tall)}" rx="4"/>'
        f'<path class="cross" d="M{_number(x - 8)} {_number(y - 8)}L{_number(x + 8)} {_number(y + 8)}'
        f'M{_number(x - 8)} {_number(y + 8)}L{_number(x + 8)} {_number(y - 8)}"/>'
    )


def _solid(block: Block, solid: Solid) -> str:
    """Slabs side by side; of a volume, slices behind each other, the farthest first."""
    band = any(is_activation(name) for name in block.element.node.after)
    left, base = block.x - solid.width / 2, block.y + solid.tall / 2
    return "".join(
        _cuboid(
            solid,
            left + number * SLICE_STEP[0] + slab * (solid.thickness + SLAB_GAP),
            base - number * SLICE_STEP[1],
            band=band,
        )
        for number in reversed(range(solid.slices))
        for slab in range(solid.slabs)
    )


def _cuboid(solid: Solid, left: float, base: float, *, band: bool) -> str:
    """Front, top and side; what runs after a layer darkens its last edge."""
    right, roof = left + solid.thickness, base - solid.height
    aside, up = solid.aside, solid.up
    top = ((left, roof), (left + aside, roof - up), (right + aside, roof - up), (right, roof))
    side = ((right, roof), (right + aside, roof - up), (right + aside, base - up), (right, base))
    front = ((left, roof), (right, roof), (right, base), (left, base))
    parts = [
        f'<polygon class="side" points="{_points(side)}"/>',
        f'<polygon class="top" points="{_points(top)}"/>',
        f'<polygon class="front" points="{_points(front)}"/>',
    ]
    if band and solid.thickness >= 7:
        edge = right - max(2.5, min(solid.thickness * 0.22, 7))
        parts.append(
            f'<path class="band" d="M{_number(edge)} {_number(base)}V{_number(roof)}l{_number(aside)} {_number(-up)}'
            f'H{_number(right + aside)}L{_number(right)} {_number(roof)}V{_number(base)}Z"/>'
        )
    lines = ""
    for share in solid.shares:
        x = left + share * solid.thickness
        y = base - share * solid.height
        if solid.parts_aside:
            lines += f"M{_number(x)} {_number(base)}V{_number(roof)}l{_number(aside)} {_number(-up)}"
        else:
            lines += f"M{_number(left)} {_number(y)}H{_number(right)}l{_number(aside)} {_number(-up)}"
    for number in range(1, solid.cells):
        y = base - number * solid.height / solid.cells
        lines += f"M{_number(left)} {_number(y)}H{_number(right)}l{_number(aside)} {_number(-up)}"
    for number in range(1, solid.tokens):
        x, y = right + aside * number / solid.tokens, up * number / solid.tokens
        lines += f"M{_number(x)} {_number(base - y)}V{_number(roof - y)}"
    if lines:
        parts.append(f'<path class="ruled" d="{lines}"/>')
    return "".join(parts)


# Lines and texts


def _line(line: Line) -> str:
    path = f'<path class="{line.kind}" d="{_rounded(line.points)}"/>'
    if not line.arrow:
        return path
    (x0, y0), (x1, y1) = line.points[-2], line.points[-1]
    length = max(abs(x1 - x0), abs(y1 - y0)) or 1.0
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    head = ((x1, y1), (x1 - 6 * ux - 3 * uy, y1 - 6 * uy + 3 * ux), (x1 - 6 * ux + 3 * uy, y1 - 6 * uy - 3 * ux))
    return f'{path}<polygon class="{line.kind}-head" points="{_points(head)}"/>'


def _rounded(points: tuple[Point, ...], radius: float = 7.0) -> str:
    """A path through the points with round corners."""
    path = f"M{_number(points[0][0])} {_number(points[0][1])}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        first, second = _towards(corner, before, radius), _towards(corner, after, radius)
        path += f"L{_number(first[0])} {_number(first[1])}Q{_points((corner,))} {_points((second,))}"
    return f"{path}L{_number(points[-1][0])} {_number(points[-1][1])}"


def _towards(corner: Point, other: Point, radius: float) -> Point:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max((dx * dx + dy * dy) ** 0.5, 1e-6)
    step = min(radius, length / 2)
    return corner[0] + dx / length * step, corner[1] + dy / length * step


def _text(label: Label) -> str:
    anchor = "" if label.centered else ' text-anchor="start"'
    return (
        f'<text class="{label.style}" x="{_number(label.x)}" y="{_number(label.y)}"{anchor}>{escape(label.text)}</text>'
    )
