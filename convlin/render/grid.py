"""A plain grid of texts: the table itself, and messages that compare two things side by side."""

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
    aligned = ["right" if number in right else "left" for number in range(len(headers))]
    # The headers go in as a row: tabulate makes a column with a header two blanks wider than its content.
    # It strips blanks in front of a cell, so another sign holds the place of an indentation.
    cells = [[_indented(cell) if cell.startswith(" ") else cell for cell in row] for row in rows]
    text = tabulate([headers, *cells], tablefmt="plain", disable_numparse=True, colalign=aligned)
    return "\n".join(line.rstrip() for line in text.replace(_INDENT, " ").splitlines())


def _indented(cell: str) -> str:
    text = cell.lstrip(" ")
    return _INDENT * (len(cell) - len(text)) + text
