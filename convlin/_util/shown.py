"""Texts that a notebook shows as what they are, and not as the ``repr`` of a string."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

#: The color scheme of an image's place decides which of its colors an SVG takes; notebooks do not set it themselves.
_IN_THE_DARK = (
    "<style>[data-jp-theme-light=false] img.convlin-picture,.vscode-dark img.convlin-picture{color-scheme:dark}</style>"
)


class Text(str):
    """Text of several lines, which IPython prints as it is."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


class Picture(str):
    """An SVG picture as text, which a notebook draws."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """The picture in the light or dark colors of the notebook that it is in."""
        source = f"data:image/svg+xml,{quote(self)}"
        return f'{_IN_THE_DARK}<img class="convlin-picture" alt="the model as a picture" src="{source}">'

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"a picture in SVG, {len(self)} characters")
