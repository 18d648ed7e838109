"""Arithmetic in so few signs that a column can hold it: terms that change nothing are left out.

``explain`` shows every term of PyTorch's formula.  In a table the zeros and ones of the default
settings hide the two numbers that matter, so it has the same calculation without them.
"""

from __future__ import annotations

import re

from convlin.records import Derivation, Shape, Size, Step
from convlin.render import words

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
#: The axes of space in words.
_AXES = {"D": "the depth", "H": "the height", "W": "the width", "L": "the length"}


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


def derived(derivation: Derivation, given: Shape | None = None) -> str:
    """The step that computes something, with its numbers; other axes that went the same way beside it.

    Sizes that were only written down when the layer was built (``out_channels``) are no arithmetic, and beside
    an axis that changes one that keeps the size it had in ``given`` is left out.
    """
    computed = [step for step in derivation.steps if step.arithmetic not in (step.formula, words.size(step.size))]
    if len(computed) < 2:
        return _in_numbers(computed[0]) if computed else ""
    first, *others = [step for step in computed if not _keeps(step, derivation.shape, given)] or computed
    are_named_alike = all(map(_has_letters_of_its_axis, (first, *others)))
    rest = []
    for step in others:
        axis = step.axis if are_named_alike else _in_words(step.axis)
        rest.append(f"{axis} {_likewise(step) if _go_the_same_way(first, step) else _in_numbers(step)}")
    return ", ".join([_in_numbers(first), *rest])


def _has_letters_of_its_axis(step: Step) -> bool:
    """Whether the name of the axis can be taken for no other letter: W is also what somebody may call the height."""
    sizes = [size for size in (*step.numbers[:1], step.size) if not isinstance(size, int)]
    return {str(letter) for size in sizes for letter in size.free_symbols} <= set(step.axis.split(", "))


def _in_words(axis: str) -> str:
    return " and ".join(_AXES.get(name, name) for name in axis.split(", "))


def _keeps(step: Step, made: Shape, given: Shape | None) -> bool:
    """Whether an axis of space has the size that it had before."""
    place = {"L": -1, "W": -1, "H": -2, "D": -3}.get(step.axis)
    if place is None or given is None or len(given) != len(made) or len(made) < -place:
        return False
    return bool(given[place] == made[place] == step.size)


def _go_the_same_way(first: Step, other: Step) -> bool:
    """Whether two axes are known to have the same formula and the same settings, as H and W have, whatever goes in."""
    return (
        len(first.numbers) > 0
        and first.numbers[1:] == other.numbers[1:]
        and words.open_formula(first) == words.open_formula(other)
        and all(map(_differ_in_letters, first.numbers[:1], other.numbers[:1]))
    )


def _differ_in_letters(first: Size, other: Size) -> bool:
    """Whether two sizes are numbers, or closed forms that are the same but for their letters."""
    if isinstance(first, int) or isinstance(other, int):
        return all(isinstance(size, int) or size.is_Symbol for size in (first, other))
    letters, others = (sorted(size.free_symbols, key=str) for size in (first, other))
    return len(letters) == len(others) and bool(other.xreplace(dict(zip(others, letters, strict=True))) == first)


def _in_numbers(step: Step) -> str:
    return f"{condensed(step.arithmetic)} = {words.size(step.size)}"


def _likewise(step: Step) -> str:
    """A closed form is not said again: it is the one before with another letter, and stands in the output."""
    return f"likewise {step.size}" if isinstance(step.size, int) else "likewise"
