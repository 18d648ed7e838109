"""Edits of source that change a stretch of text and keep everything else.

Edits are stretches of a file's text and what to write there; ``apply`` makes the bytes of the
changed files from them and writes nothing itself.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from convlin._util.packages import is_installed
from convlin._util.paths import shown
from convlin.records import Edit
from convlin.source.text import LINE_END, SourceText, read


class Rewrite(NamedTuple):
    """Lines of source as they should be, and the edits that make them so."""

    text: str
    edits: tuple[Edit, ...]


def apply(edits: Iterable[Edit]) -> dict[str, bytes]:
    """The new bytes of every file that some edits change; nothing is written.

    Raises ``ValueError`` if a file is not what it was when the edits were made, or if edits overlap.
    """
    return {name: text.encode(source.encoding or "utf-8") for name, source, text in _changed(edits, on_disk=True)}


def texts(edits: Iterable[Edit]) -> dict[str, str]:
    """The new text of every file and of every notebook cell that some edits change; likewise."""
    return {name: text for name, _, text in _changed(edits)}


def unified_diff(edits: Iterable[Edit]) -> str:
    """The edits as a patch, with file names relative to the working directory where they lie in it."""
    return "".join(
        line for name, source, text in _changed(edits, on_disk=True) for line in _diff(name, source.text, text)
    )


def is_editable(source: SourceText) -> bool:
    """A file of the user's, not one of an installed package and not a notebook cell."""
    return not not_to_be_written(source)


def not_to_be_written(source: SourceText) -> str:
    """Why a source is not to be changed; empty for a file of the user's."""
    if not source.on_disk:
        return "this code stands in no file"
    return "this file is not the user's own" if _is_installed(Path(source.name)) else ""


def edited(source: SourceText, start: int, end: int, new: str) -> Edit:
    """Another text in the place of a stretch; in doubt only where the source is not to be changed."""
    why_not = not_to_be_written(source)
    return Edit(source.name, start, end, source.text[start:end], new, not why_not, why_not)


def rewrite(source: SourceText, start: int, end: int, *edits: Edit) -> Rewrite:
    """The lines that a stretch of text stands on, and the edits inside of it that were made."""
    return Rewrite(rewritten(source, start, end, edits), edits)


def rewritten(source: SourceText, start: int, end: int, edits: Iterable[Edit]) -> str:
    """The lines that a stretch of text stands on, with edits inside of it, indented as little as can be."""
    first, last = source.lines(source.line(start), source.line(end))
    return textwrap.dedent("\n".join(LINE_END.split(_spliced(source, edits, first, last)))).strip()


def number_replaced(number: tuple[str, int, int], old: object, new: str) -> str | None:
    """The lines on which a number stands, with another one in its place; None where another one stands there now."""
    name, start, end = number
    source = read(name)
    if source is None or source.text[start:end] != str(old):
        return None
    return rewritten(source, start, end, [edited(source, start, end, new)])


def _changed(edits: Iterable[Edit], *, on_disk: bool = False) -> Iterator[tuple[str, SourceText, str]]:
    """Each file with its new text."""
    by_file: dict[str, set[Edit]] = {}
    for edit in edits:
        by_file.setdefault(edit.file, set()).add(edit)
    for name, found in by_file.items():
        source = read(name)
        if source is None or (on_disk and not source.on_disk):
            raise ValueError(f"{name} cannot be read")
        if any(one.end > other.start for one, other in pairwise(_ordered(found))):
            raise ValueError(f"two edits of {name} overlap")
        if any(source.text[edit.start : edit.end] != edit.old for edit in found):
            raise ValueError(f"{name} has changed since it was read")
        yield name, source, _spliced(source, found)


def _spliced(source: SourceText, edits: Iterable[Edit], start: int = 0, end: int | None = None) -> str:
    """A stretch of a text with edits inside of it."""
    pieces: list[str] = []
    for edit in _ordered(edits):
        pieces += [source.text[start : edit.start], edit.new]
        start = edit.end
    return "".join([*pieces, source.text[start:end]])


def _ordered(edits: Iterable[Edit]) -> list[Edit]:
    return sorted(edits, key=lambda edit: (edit.start, edit.end))


def _diff(name: str, old: str, new: str) -> Iterator[str]:
    import difflib

    path = shown(name).lstrip("/")
    lines = difflib.unified_diff(_lines(old), _lines(new), f"a/{path}", f"b/{path}")
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    # A patch counts lines by \n alone.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _is_installed(path: Path) -> bool:
    import sysconfig

    known = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    return is_installed(str(path.absolute())) or any(path.absolute().is_relative_to(each) for each in known)
