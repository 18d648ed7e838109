"""The text of a source file with every byte of it kept: encoding, byte order mark, line ends, tabs.

Offsets count characters of the decoded text.  Python's own positions (a line and a column in
UTF-8 bytes) become offsets here and nowhere else.
"""

from __future__ import annotations

import io
import linecache
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

# Python ends a line here and nowhere else; str.splitlines would also cut at a form feed.
LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class SourceText:
    """The decoded text of one file, or of a notebook cell."""

    name: str
    """The file as Python knows it (``co_filename``)."""
    text: str = field(repr=False)
    encoding: str | None = None
    """How the file on disk is encoded; None for a text that is no file, such as a notebook cell."""
    starts: tuple[int, ...] = field(default=(), repr=False)
    """The offset at which each line starts."""

    def offset(self, line: int, column: int) -> int:
        """The offset of a position as ``ast`` states it: line from 1, column in UTF-8 bytes."""
        start = self.starts[line - 1]
        text = self.text[start : self._end(line)]
        return start + (column if text.isascii() else len(text.encode()[:column].decode()))

    def line(self, offset: int) -> int:
        """The line, counted from 1, on which a character stands."""
        return bisect_right(self.starts, offset)

    def lines(self, first: int, last: int) -> tuple[int, int]:
        """Start and end of the text of some lines, the last line's end-of-line left out."""
        start, end = self.starts[first - 1], self._end(last)
        return start, start + len(self.text[start:end].rstrip("\r\n"))

    @property
    def newline(self) -> str:
        """How this file ends a line."""
        found = LINE_END.search(self.text)
        return found.group() if found else "\n"

    @property
    def on_disk(self) -> bool:
        """There is a file to write to."""
        return self.encoding is not None

    def _end(self, line: int) -> int:
        return self.starts[line] if line < len(self.starts) else len(self.text)


def read(name: str) -> SourceText | None:
    """Read a file, or what ``linecache`` keeps under that name; None where there is no text."""
    try:
        path = Path(name)
        if path.is_file():
            return decode(name, path.read_bytes())
        lines = linecache.getlines(name)
    except (OSError, ValueError):
        return None
    return indexed(name, "".join(lines), None) if lines else None


def decode(name: str, data: bytes) -> SourceText | None:
    """The text of a file's bytes; None where the text would not give the same bytes again."""
    try:
        # Python knows a line that ends with \\r alone, this function does not.
        lines = io.BytesIO(data.replace(b"\r", b"\n"))
        encoding, _ = tokenize.detect_encoding(lines.readline)
        text = data.decode(encoding)
    except (SyntaxError, ValueError, LookupError):
        return None
    return indexed(name, text, encoding) if text.encode(encoding) == data else None


def indexed(name: str, text: str, encoding: str | None) -> SourceText:
    """A text with its lines counted."""
    ends = tuple(accumulate(map(len, io.StringIO(text, newline=""))))
    return SourceText(name, text, encoding, (0, *(ends if text.endswith(("\n", "\r")) else ends[:-1])))


def tokens(text: str) -> Iterator[tuple[tokenize.TokenInfo, int]]:
    """The tokens of some code, each with the offset at which it starts; line ends are those of Python."""
    starts = indexed("", text, None).starts
    lines = iter(LINE_END.split(text))
    for token in tokenize.generate_tokens(lambda: f"{line}\n" if (line := next(lines, None)) is not None else ""):
        yield token, starts[min(token.start[0], len(starts)) - 1] + token.start[1]


class Comment(NamedTuple):
    """One comment of a file."""

    start: int
    """Where its ``#`` stands, in characters of the file's text."""
    text: str
    own_line: bool
    """Nothing else stands on its line."""


def comments_of(source: SourceText) -> dict[int, Comment]:
    """Every comment of a file by its line."""
    return {
        token.start[0]: Comment(start, token.string, not token.line[: token.start[1]].strip())
        for token, start in tokens(source.text)
        if token.type == tokenize.COMMENT
    }
