"""A griffe extension for ``make docs``: doctests in docstrings are shown as code.

Without it a doctest outside a section called ``Examples`` is read as Markdown.
"""

from __future__ import annotations

from typing import Any

import griffe


class DoctestFences(griffe.Extension):
    """Puts every paragraph that begins with a prompt into a fence."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = "\n\n".join(map(fenced, obj.docstring.value.split("\n\n")))


def fenced(paragraph: str) -> str:
    """The paragraph, in a fence where it is a doctest."""
    if not paragraph.lstrip().startswith(">>> "):
        return paragraph
    indent = paragraph[: len(paragraph) - len(paragraph.lstrip())].strip("\n")
    return f"{indent}```pycon\n{paragraph}\n{indent}```"
