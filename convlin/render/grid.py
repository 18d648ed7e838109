"""A grid of texts: the table itself, plain or in Markdown, and messages that compare two things side by side."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tabulate import tabulate

from convlin._util.gc_pause import paused

#: A sign of the private use area, which no name or number has.
_INDENT = "\ue000"


@paused()
def grid(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Columns aligned left, those numbered in ``right`` aligned right; no blank at the end of a line.

    >>> print(grid(("Layer", "Found"), [("conv1", "1×16×32×32"), ("fc", "1×10")]))
    Layer  Found
    conv1  1×16×32×32
    fc     1×10
    >>> print(grid(("Layer", "Found"), [("block", "1×8"), ("  fc", "1×10")]))
    Layer  Found
    block  1×8
      fc   1×10
    """
    # The headers go in as a row: tabulate makes a column with a header two blanks wider than its content.
    # It strips blanks in front of a cell, so another sign holds the place of an indentation.
    cells = [[_indented(cell) if cell.startswith(" ") else cell for cell in row] for row in rows]
    aligned = _aligned(headers, right)
    text = tabulate([headers, *cells], tablefmt="plain", disable_numparse=True, colalign=aligned)
    return "\n".join(line.rstrip() for line in text.replace(_INDENT, " ").splitlines())


@paused()
def pipes(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """The same in Markdown, whose text is aligned too.

    >>> print(pipes(("Layer", "Params"), [("conv1", "448"), ("fc", "10")], right=[1]))
    | Layer   |   Params |
    |:--------|---------:|
    | conv1   |      448 |
    | fc      |       10 |
    """
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=_aligned(headers, right))


def _aligned(headers: Sequence[str], right: Collection[int]) -> list[str]:
    return ["right" if number in right else "left" for number in range(len(headers))]


def _indented(cell: str) -> str:
    text = cell.lstrip(" ")
    return _INDENT * (len(cell) - len(text)) + text
