"""A plain grid of texts, for messages that compare two things side by side."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate


def grid(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned left, a cell's lines below each other, no blank at the end of a line.

    >>> print(grid(("Layer", "Found"), [("conv1", "1×16×32×32"), ("fc", "1×10")]))
    Layer    Found
    conv1    1×16×32×32
    fc       1×10
    """
    aligned = ["left"] * len(headers)
    text = tabulate(rows, headers=headers, tablefmt="plain", disable_numparse=True, colalign=aligned)
    return "\n".join(line.rstrip() for line in text.splitlines())
