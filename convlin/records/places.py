"""Lines and expressions of the user's source."""

from __future__ import annotations

from typing import NamedTuple

from convlin._util.cells import cell_name
from convlin._util.paths import shown_source
from convlin.sizes.types import Shape

Span = tuple[int | None, int | None, int | None, int | None]
"""The part of a source that an instruction was compiled from, as the nodes of its tree have it: lines, then columns."""


class Location(NamedTuple):
    """A line of the user's source: ``file`` as Python knows it, ``line`` counted from 1."""

    file: str
    line: int

    @property
    def text(self) -> str:
        """What a person clicks on or says: the path from the working directory, or the cell of a notebook.

        >>> Location("src/net.py", 27).text, Location("<ipython-input-3-492046157d5d>", 15).text
        ('src/net.py:27', 'cell 3, line 15')
        """
        cell = cell_name(self.file)
        return f"{cell}, line {self.line}" if cell is not None else f"{shown_source(self.file)}:{self.line}"

    def is_named(self, text: str) -> bool:
        """Whether ``text`` is this line as it is shown, or with only the file's name or the end of its path.

        >>> Location("/src/net.py", 27).is_named("net.py:27"), Location("/src/subnet.py", 27).is_named("net.py:27")
        (True, False)
        """
        return text == self.text or f"/{self.file}:{self.line}".replace("\\", "/").endswith(f"/{text}")


class CodePlace(NamedTuple):
    """One instruction of the user's code; the source says which expression it is."""

    file: str
    function: str
    """The function's qualified name."""
    first_line: int
    """The line on which the function's code starts."""
    offset: int
    """The instruction, in bytes from the start of the function's code."""
    fingerprint: int
    """A checksum of the function's code: source that was changed since does not compile to it."""


class ExpressionResult(NamedTuple):
    """The tensors that one expression in the user's code made, the same each time it ran."""

    places: tuple[CodePlace, ...]
    """The expression itself, then the calls of functions that led to it, up to the module's ``forward``."""
    path: str
    """The module whose ``forward`` ran."""
    outputs: tuple[tuple[str, Shape], ...]
    """Each tensor's place (as in ``TensorInfo``) and shape; empty where the expression raised."""
    calls: tuple[int, ...] = ()
    """Index into the report's ``calls``, where the expression is one of these."""
    times: int = 1
    """How often it made these."""
    failed: bool = False
    """The pass stopped here."""
    function: str = ""
    """The torch function that was called, as users write it; empty for a module."""
