"""Where the comment of a line stands: behind it, or on a line of its own right above."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from convlin.annotate.comments import ShapeComment, found
from convlin.annotate.lines import Line
from convlin.source.text import SourceText


class Comment(NamedTuple):
    """One comment of a file."""

    start: int
    """Where its ``#`` stands, in characters of the file's text."""
    text: str
    own_line: bool
    """Nothing else stands on its line."""


class Found(NamedTuple):
    """The shape comment of a line."""

    comment: Comment
    shapes: ShapeComment

    @property
    def start(self) -> int:
        """Where the shapes start in the file's text."""
        return self.comment.start + self.shapes.start

    @property
    def end(self) -> int:
        """Where the shapes end in the file's text."""
        return self.comment.start + self.shapes.end


def comments_of(source: SourceText) -> dict[int, Comment]:
    """Every comment of a file by its line."""
    lines = iter(re.split(r"\r\n|\r|\n", source.text))
    tokens = tokenize.generate_tokens(lambda: f"{line}\n" if (line := next(lines, None)) is not None else "")
    made = {}
    for token in tokens:
        if token.type == tokenize.COMMENT:
            line, column = token.start
            made[line] = Comment(source.starts[line - 1] + column, token.string, not token.line[:column].strip())
    return made


def comment_of(line: Line, comments: Mapping[int, Comment], letters: Iterable[str]) -> Found | None:
    """The shape comment behind a line, or else the one right above it."""
    behind, above = comments.get(line.last), comments.get(line.first - 1)
    for comment in (behind, above if above is not None and above.own_line else None):
        shapes = found(comment.text, letters) if comment is not None else None
        if comment is not None and shapes is not None:
            return Found(comment, shapes)
    return None
