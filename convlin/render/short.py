"""Arithmetic in so few signs that a column can hold it: terms that change nothing are left out.

``explain`` shows every term of PyTorch's formula.  In a table the zeros and ones of the default
settings hide the two numbers that matter, so it has the same calculation without them.
"""

from __future__ import annotations

import re

#: Each rule keeps the value; they are applied in this order.
_RULES = (
    # padding and output_padding of 0
    (re.compile(r" [+−] (?:2·)?0(?![\d.·/])"), ""),
    # a dilation of 1: the window covers kernel_size cells
    (re.compile(r" − 1·\((\d+)−1\) − 1(?![\d.·/])"), r" − \1"),
    (re.compile(r" \+ 1·\((\d+)−1\)((?: \+ \d+)?) \+ 1(?![\d.·/])"), r" + \1\2"),
    (re.compile(r"(?<![\d.])1·\((\d+)−1\)"), r"(\1−1)"),
    # a stride of 1
    (re.compile(r"\)·1(?![\d.·/(⌊⌈])"), ")"),
    (re.compile(r"[⌊⌈]\(((?:[^⌊⌋⌈⌉]|⌊[^⌊⌋⌈⌉]*⌋)*)\)/1[⌋⌉]"), r"\1"),
)


def condensed(arithmetic: str) -> str:
    """The same calculation without what changes nothing: zeros added, factors and divisors of 1.

    >>> condensed("⌊(32 + 2·0 − 1·(2−1) − 1)/2⌋ + 1"), condensed("⌊(32 + 2·1 − 1·(3−1) − 1)/1⌋ + 1")
    ('⌊(32 − 2)/2⌋ + 1', '32 + 2·1 − 3 + 1')
    >>> condensed("(4−1)·2 − 2·0 + 1·(2−1) + 0 + 1")
    '(4−1)·2 + 2'
    >>> condensed("⌊(⌊(H − 7)/8⌋ + 2·2 − 1·(5−1) − 1)/1⌋ + 1")
    '⌊(H − 7)/8⌋ + 2·2 − 5 + 1'
    """
    for pattern, short in _RULES:
        arithmetic = pattern.sub(short, arithmetic)
    return arithmetic
