"""A report as a picture: the network as people draw it by hand, as SVG text."""

from __future__ import annotations

from dataclasses import replace

from convlin.errors import InputError
from convlin.records import Report
from convlin.render.picture.colors import THEMES
from convlin.render.picture.compose import compose
from convlin.render.picture.condense import MOST, condense
from convlin.render.picture.draw import draw
from convlin.render.picture.drawing import Drawing
from convlin.render.picture.flow import build
from convlin.render.picture.look import Look
from convlin.render.picture.simplify import simplify

__all__ = ["picture", "svg"]

#: A picture is drawn this wide where its branches allow: as wide as a README on GitHub shows without shrinking it.
WIDTH = 846
_LEAST_WIDTH = 420
#: So much wider is better than whole modules as single blocks.
_LEEWAY = 1.06
_FEWER = (28, 18, 10, 6)


def picture(report: Report, width: float = WIDTH, look: Look | None = None) -> Drawing:
    """Everything that the picture of a report shows, with coordinates."""
    look = look or Look()
    graph = build(report)
    simplify(graph, report.calls)
    tries = [(most, apart) for apart in (False, True) for most in (MOST, *_FEWER)]
    found: Drawing | None = None
    for most, apart in tries:
        # Branches side by side cannot go on in another row: whole modules become blocks instead.
        # Where even these are too many, what no line joins stands below the rest.
        drawn = compose(condense(graph, report.calls, most), report, width, look, apart=apart)
        found = drawn if found is None else min(found, drawn, key=lambda drawing: drawing.width)
        if found.width <= _LEEWAY * width:
            break
    assert found is not None
    return found


def svg(
    report: Report,
    *,
    theme: str = "auto",
    width: int = WIDTH,
    title: str | None = None,
    batch: bool = True,
    names: bool = True,
    halo: bool = True,
) -> str:
    """The picture of a report as SVG text.

    Args:
        report: what one pass found.
        theme: ``"light"``, ``"dark"``, or ``"auto"``, which follows the reader's own setting.
        width: pixels that the rows of blocks may be wide; branches side by side can need more.
        title: what stands over the picture, in place of the name of the model's class.
        batch: write the batch in every shape; without it, maps are written as papers do, ``64@28×28``.
        names: write the modules' paths under the blocks.
        halo: draw letters with an edge in the color of the paper, so that they can be read over lines.

    Raises:
        InputError: there is no such theme, or the width is too small for a picture.

    >>> from torch import nn
    >>> from convlin import summarize
    >>> s = summarize(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(7200, 10)), (3, 32, 32))
    >>> "8·30·30 = 7200" in svg(s.report)
    True
    """
    if theme not in THEMES:
        raise InputError(f"unknown theme {theme!r}: use {', '.join(map(repr, THEMES))}")
    if isinstance(width, bool) or not isinstance(width, int) or width < _LEAST_WIDTH:
        raise InputError(f"width={width!r} is not a valid width: write a number of pixels from {_LEAST_WIDTH} up")
    for name, value in (("batch", batch), ("names", names)):
        if not isinstance(value, bool):
            raise InputError(f"{name}={value!r} should be True or False")
    if title is not None:
        if not isinstance(title, str) or not title.strip():
            raise InputError(f"title={title!r} is not a title: write a text")
        report = replace(report, model=title)
    return draw(picture(report, width, Look(batch, names)), report, theme, halo=halo)
