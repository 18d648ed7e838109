"""What a caller expects of a shape, read once into a pattern, and patterns held against shapes."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any, NamedTuple, TypeAlias

from convlin.errors import InputError
from convlin.records import Shape, Size
from convlin.sizes.parse import Expression, read
from convlin.sizes.prove import compare, spelled

ExpectedShape: TypeAlias = Any
"""A tuple of integers, names, formulas, ``None`` and ``...``; or ``None`` or ``...`` for any shape."""

Expected: TypeAlias = "Mapping[str, ExpectedShape | list[ExpectedShape]] | ExpectedShape | list[ExpectedShape]"
"""A shape (or a list of shapes, for several tensors) for every path, or for the whole output."""


class AnySize(NamedTuple):
    """``None``: one dimension of any size."""


class AnySizes(NamedTuple):
    """``...``: any number of dimensions."""


Element: TypeAlias = "int | Expression | AnySize | AnySizes"
Pattern: TypeAlias = tuple[Element, ...]


def is_name(element: Element) -> bool:
    """Whether this is a bare name, which takes its number from the first shape it meets."""
    return isinstance(element, Expression) and element.text.isidentifier()


class Wanted(NamedTuple):
    """What is expected of one call: a pattern for its first tensor, or one for each of several."""

    patterns: tuple[Pattern, ...]
    is_several: bool

    def __str__(self) -> str:
        return ", ".join(map(written, self.patterns))

    def pairs(self, shapes: tuple[Shape, ...]) -> list[tuple[Pattern, Shape]]:
        """Each pattern with the shape it is for, as far as there are both."""
        return list(zip(self.patterns, shapes, strict=False))

    def names(self) -> Iterator[Expression]:
        """Every name and formula in the patterns."""
        for pattern in self.patterns:
            yield from (element for element in pattern if isinstance(element, Expression))


def read_wanted(expected: ExpectedShape | list[ExpectedShape], of: str) -> Wanted:
    """The expectation that a caller's shape or list of shapes spells; ``of`` says in an error what it is for."""
    if _is_several(expected):
        return Wanted(tuple(_read_pattern(shape, of) for shape in expected), is_several=True)
    return Wanted((_read_pattern(expected, of),), is_several=False)


def _is_several(expected: Any) -> bool:
    return isinstance(expected, list | tuple) and any(isinstance(shape, list | tuple) for shape in expected)


def _read_pattern(shape: ExpectedShape, of: str) -> Pattern:
    """The pattern that a caller's shape spells, or an ``InputError`` with the right spelling."""
    if shape is None or shape is ...:
        return (AnySizes(),)
    if isinstance(shape, str) or not isinstance(shape, list | tuple):
        raise InputError(f'{shape!r} is not a valid shape for {of}: write a tuple such as ("N", 16, 32, 32)')
    return tuple(_read_element(size, shape, of) for size in shape)


def _read_element(size: Any, shape: Any, of: str) -> Element:
    if size is None:
        return AnySize()
    if size is ...:
        return AnySizes()
    if isinstance(size, str):
        try:
            return read(size)
        except InputError as error:
            raise InputError(f"in the shape {tuple(shape)!r} for {of}: {error}") from None
    try:
        number = operator.index(size)
    except TypeError:
        number = None
    if number is None or isinstance(size, bool) or number < 0:
        hint = "write None for any size" if number == -1 else "sizes are whole numbers, names, formulas, None or ..."
        raise InputError(f"{size!r} in the shape {tuple(shape)!r} for {of} is not a valid size: {hint}")
    return number


def written(pattern: Pattern) -> str:
    """``N×16×(H//2)×?…``: a pattern in the way shapes are printed; nothing for any shape at all."""
    signs = {AnySize: "?", AnySizes: "…"}
    parts = [
        signs[type(element)] if isinstance(element, AnySize | AnySizes)
        else f"({element.text})" if isinstance(element, Expression) and not is_name(element)
        else element.text if isinstance(element, Expression)
        else str(element)
        for element in pattern
    ]  # fmt: skip
    return "×".join(parts) if parts else "scalar"


def shown(shape: Shape) -> str:
    """A shape that was found, its closed forms spelled as an expectation takes them."""
    texts = [spelled(size) for size in shape]
    return "×".join(text if text.isalnum() else f"({text})" for text in texts) if texts else "scalar"


# Names


@dataclass(slots=True)
class Names:
    """What the names of one assertion stand for, and where each was first met."""

    sizes: dict[str, Size]
    origins: dict[str, str]

    def bind(self, pattern: Pattern, shape: Shape, origin: str) -> None:
        """Let every new bare name of ``pattern`` stand for the size in its place."""
        for _, element, size in aligned(pattern, shape) or ():
            if is_name(element) and isinstance(element, Expression) and element.text not in self.sizes:
                self.sizes[element.text] = size
                self.origins[element.text] = origin


def aligned(pattern: Pattern, shape: Shape) -> list[tuple[int, Element, Size]] | None:
    """Each dimension with the element that stands for it; None where their number does not fit.

    With several ``...`` the way to lay them that misses the fewest integers is taken.
    """
    best: list[tuple[int, Element, Size]] | None = None
    fewest = len(shape) + 1
    for pairs in _alignments(pattern, shape):
        misses = sum(isinstance(element, int) and element != size for _, element, size in pairs)
        if misses < fewest:
            best, fewest = pairs, misses
        if not misses:
            break
    return best


def _alignments(pattern: Pattern, shape: Shape) -> Iterator[list[tuple[int, Element, Size]]]:
    fixed = [element for element in pattern if not isinstance(element, AnySizes)]
    if len(fixed) == len(pattern):
        if len(fixed) == len(shape):
            yield [(axis, element, size) for axis, (element, size) in enumerate(zip(pattern, shape, strict=True))]
        return
    for axes in combinations(range(len(shape)), len(fixed)):
        if _leaves_room(pattern, axes, len(shape)):
            yield [(axis, element, shape[axis]) for axis, element in zip(axes, fixed, strict=True)]


def _leaves_room(pattern: Pattern, axes: tuple[int, ...], rank: int) -> bool:
    """Whether dimensions are passed over only where the pattern has a ``...``."""
    position, open_here, remaining = 0, False, list(axes)
    for element in pattern:
        if isinstance(element, AnySizes):
            open_here = True
            continue
        axis = remaining.pop(0)
        if axis != position and not open_here:
            return False
        position, open_here = axis + 1, False
    return position == rank or open_here


# Patterns against shapes


def mismatches(pairs: Iterable[tuple[Pattern, Shape]], names: Names, of: str, *, are_several: bool) -> str:
    """The same of several tensors, each with its number where ``are_several``."""
    reasons = [mismatch(pattern, shape, names, of) for pattern, shape in pairs]
    numbered = [f"tensor {index}: {why}" if are_several and why else why for index, why in enumerate(reasons)]
    return "; ".join(filter(None, numbered))


def mismatch(pattern: Pattern, shape: Shape, names: Names, of: str) -> str:
    """Why ``shape`` is not as ``pattern`` says, in a few words; empty when it is."""
    pairs = aligned(pattern, shape)
    if pairs is None:
        wanted = sum(not isinstance(element, AnySizes) for element in pattern)
        least = "at least " if any(isinstance(element, AnySizes) for element in pattern) else ""
        told = f"{len(shape)} dimension{'s' * (len(shape) != 1)}, and {least}{wanted} expected"
        return told if least or not _lacks_batch(pattern, shape) else f'{told}: the batch goes in front, as "N"'
    found = (_difference(axis, element, size, names, of) for axis, element, size in pairs)
    return "; ".join(text for text in found if text)


def _lacks_batch(pattern: Pattern, shape: Shape) -> bool:
    """Whether the numbers of the pattern, the channels first, are those of one sample."""
    if len(pattern) != len(shape) - 1 or not pattern or not isinstance(pattern[0], int):
        return False
    pairs = zip(pattern, shape[1:], strict=True)
    return all(compare(size, element).holds for element, size in pairs if isinstance(element, int))


def _difference(axis: int, element: Element, size: Size, names: Names, of: str) -> str:
    if isinstance(element, AnySize | AnySizes):
        return ""
    at = f"dimension {axis}"
    if isinstance(element, int):
        verdict = compare(size, element)
        return "" if verdict.holds else f"{at} is {spelled(size)}, not {element}"
    unknown = [name for name in element.names if name not in names.sizes]
    if unknown:
        return f"{at} needs {unknown[0]}, and no shape that fits gives it"
    try:
        wanted = element.value(names.sizes)
    except ZeroDivisionError:
        return f"{at}: {element.text} divides by zero"
    verdict = compare(size, wanted, element.text)
    if verdict.holds:
        return ""
    if is_name(element):
        value = str(wanted) if isinstance(wanted, Fraction) else spelled(wanted)
        if value == element.text:
            return f"{at} is {spelled(size)}, not {value}"
        origin = names.origins.get(element.text, "")
        same = f" at {origin}" if origin and origin != of else ""
        return f"{at} is {spelled(size)}, and {element.text} is {value}{same}"
    if isinstance(size, int) and isinstance(wanted, int | Fraction):
        return f"{at} is {size}, and {element.text} is {wanted}"
    return f"{at} is {spelled(size)}, which is not {element.text} for every size: {verdict.why}"
