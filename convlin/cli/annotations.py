"""Annotations of a GitHub workflow: ``::error file=…,line=…::…``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from convlin.cli.screen import Screen
from convlin.records import Location


class Annotation(NamedTuple):
    """One message at one place of the source."""

    where: Location | None
    title: str
    message: str


#: GitHub shows ten annotations of a step; the last is kept for what the others leave out.
_MOST = 9


def as_many_as_shown(notes: list[Annotation], where: Location | None, title: str, command: str) -> list[Annotation]:
    """As many as GitHub shows, and ``command``, which tells the others."""
    if len(notes) <= _MOST:
        return notes
    return [*notes[:_MOST], Annotation(where, title, f"and {len(notes) - _MOST} more: run {command}")]


def annotated(note: Annotation) -> str:
    """The workflow command that shows ``note``.

    >>> annotated(Annotation(Location("net.py", 3), "fc1: 50%", "two\\nlines"))
    '::error file=net.py,line=3,title=fc1%3A 50%25::two%0Alines'
    """
    properties = {"title": note.title}
    if note.where is not None:
        properties = {"file": _from_workspace(note.where.file), "line": str(note.where.line)} | properties
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::error {listed}::{_data(note.message)}"


def answer_each(notes: Sequence[Annotation], otherwise: str, screen: Screen) -> None:
    """Write the command of each of ``notes``, or ``otherwise`` where there are none."""
    for line in [annotated(note) for note in notes] or [otherwise]:
        screen.answer(line, is_table=False)


def _from_workspace(file: str) -> str:
    """The file as GitHub knows it: from the checkout's root, with forward slashes."""
    path = Path(file).absolute()
    for root in (os.environ.get("GITHUB_WORKSPACE"), os.getcwd()):
        if root and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.as_posix()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
