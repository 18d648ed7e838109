"""A report as a picture: the network as people draw it by hand, as SVG text."""

from __future__ import annotations

from convlin.errors import InputError
from convlin.records import Report
from convlin.render.picture.colours import THEMES
from convlin.render.picture.compose import compose
from convlin.render.picture.condense import condense
from convlin.render.picture.draw import draw
from convlin.render.picture.drawing import Drawing
from convlin.render.picture.flow import build
from convlin.render.picture.simplify import simplify

__all__ = ["picture", "svg"]

_WIDE = 1660.0
_FEWER = (28, 18, 10)


def picture(report: Report) -> Drawing:
    """Everything that the picture of a report shows, with coordinates."""
    graph = build(report)
    simplify(graph, report.calls)
    found = compose(condense(graph, report.calls), report)
    for most in _FEWER:
        if found.width <= _WIDE:
            break
        # Branches side by side cannot go on in another row: whole modules become blocks instead.
        shorter = compose(condense(graph, report.calls, most), report)
        found = min(found, shorter, key=lambda drawing: drawing.width)
    return found


def svg(report: Report, *, theme: str = "auto") -> str:
    """The picture of a report as SVG text.

    Args:
        report: what one pass found.
        theme: ``"light"``, ``"dark"``, or ``"auto"``, which follows the reader's own setting.

    Raises:
        InputError: there is no such theme.

    >>> from torch import nn
    >>> from convlin import summarize
    >>> s = summarize(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(7200, 10)), (3, 32, 32))
    >>> "8·30·30 = 7200" in svg(s.report)
    True
    """
    if theme not in THEMES:
        raise InputError(f"unknown theme {theme!r}: use {', '.join(map(repr, THEMES))}")
    return draw(picture(report), report, theme)
