"""Texts that a notebook shows as what they are, and not as the ``repr`` of a string."""

from __future__ import annotations

from typing import Any


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

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"a picture in SVG, {len(self)} characters")
