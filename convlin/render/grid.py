"""A plain grid of texts: the table itself, and messages that compare two things side by side."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tabulate import tabulate

from convlin._util.gc_pause import paused


@paused()
def grid(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Columns aligned left, those numbered in ``right`` aligned right; no blank at the end of a line.

    >>> print(grid(("Layer", "Found"), [("conv1", "1×16×32×32"), ("fc", "1×10")]))
    Layer  Found
    conv1  1×16×32×32
    fc     1×10
    """
    aligned = ["right" if number in right else "left" for number in range(len(headers))]
    # The headers go in as a row: tabulate makes a column with a header two blanks wider than its content.
    text = tabulate([headers, *rows], tablefmt="plain", disable_numparse=True, colalign=aligned)
    return "\n".join(line.rstrip() for line in text.splitlines())
