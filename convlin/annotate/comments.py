"""The form of a shape comment: ``# (N, 16, H//2, W//2)``, written and read.

A shape is a tuple of sizes as ``assert_shapes`` reads them.  Several tensors stand with a comma between
them, ``(N, 7, 5), (1, N, 5)``, and different results of a line that ran several times with a bar,
``(N, 4, H, W) | (N, 8, H//2, W//2)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from convlin.annotate.lines import Shapes
from convlin.checks.patterns import Pattern, is_name, read_wanted
from convlin.errors import InputError
from convlin.records import Shape
from convlin.sizes.parse import Expression
from convlin.sizes.prove import spelled

#: More results or tensors than this are not written out.
_MOST_RESULTS, _MOST_TENSORS = 4, 6

#: What the arithmetic of ``--arithmetic`` starts with.
SINCE = "since"


class ShapeComment(NamedTuple):
    """A comment, or the part of one, that is in the form."""

    start: int
    """Where the shapes start in the comment, and where they end."""
    end: int
    text: str
    """The shapes as written."""
    results: tuple[tuple[Pattern, ...], ...]
    """For each result the pattern of each tensor."""
    arithmetic: tuple[int, int] | None = None
    """Where the arithmetic behind the shapes stands."""

    @property
    def names(self) -> tuple[str, ...]:
        """The letters in it, in the order in which they stand."""
        elements = (element for result in self.results for pattern in result for element in pattern)
        found = (name for element in elements if isinstance(element, Expression) for name in element.names)
        return tuple(dict.fromkeys(found))


def written(results: Iterable[Shapes], most: int = _MOST_RESULTS) -> str | None:
    """The shapes of some results in the form; None where there are too many to be of use.

    Up to ``most`` results are written out.

    >>> written([((1, 16, 8, 8),)]), written([((1, 7, 5), (7,))]), written([((2, 4),), ((2, 8),)])
    ('(1, 16, 8, 8)', '(1, 7, 5), (7,)', '(2, 4) | (2, 8)')

    Of more results only the sizes that are the same in all of them are written:

    >>> written([((2, 5, 7),), ((2, 6, 7),)], most=1)
    '(2, None, 7)'
    >>> written([((2, 5, 7),), ((2, 6, 8),)], most=1) is None
    True
    """
    distinct = list(dict.fromkeys(results))
    if not distinct or any(len(shapes) > _MOST_TENSORS or not _is_sayable(shapes) for shapes in distinct):
        return None
    if len(distinct) > most:
        distinct = list(_merged(distinct))
        if any(all(size == -1 for shape in shapes for size in shape[1:]) for shapes in distinct):
            return None  # (N, None, None): nothing that anybody wants to know
    if len(distinct) > _MOST_RESULTS:
        return None
    return " | ".join(", ".join(map(_shape, shapes)) for shapes in distinct)


def found(comment: str, letters: Iterable[str] = ()) -> ShapeComment | None:
    """The shape comment in a comment, which starts with ``#``; None where there is none.

    ``letters`` are the names that stand for a size of the input.  A part between two ``#`` is in the form
    where it starts with a shape and words follow at most.  Names alone that stand for no size, or plain
    numbers before a word, may be anything: ``# (mean, variance)``, ``# (0, 2) are swapped``.

    >>> found("# (N, 16, H//2, 7)").text, found("# noqa  # (1, 8)").text, found("# (4, 4), (2,): both").text
    ('(N, 16, H//2, 7)', '(1, 8)', '(4, 4), (2,)')
    >>> found("# (mean, variance)"), found("# (see below)"), found("# (1, 2) are swapped"), found("# f(1, 2)")
    (None, None, None, None)
    >>> found("# (batch, time)", ["batch", "time"]).names
    ('batch', 'time')
    """
    known = frozenset(letters)
    for part in re.finditer(r"#[^#]*", comment):
        read = _read(part.group(), part.start(), known)
        if read is not None:
            return read
    return None


# Writing


def _is_sayable(shapes: Shapes) -> bool:
    """An empty tensor is no example of what a line makes."""
    return bool(shapes) and not any(size == 0 for shape in shapes for size in shape)


def _merged(distinct: Sequence[Shapes]) -> Iterator[Shapes]:
    """Results with as many tensors of as many dimensions as one, -1 for a size that is not always the same."""
    alike: dict[tuple[int, ...], list[Shapes]] = {}
    for shapes in distinct:
        alike.setdefault(tuple(map(len, shapes)), []).append(shapes)
    for several in alike.values():
        yield tuple(
            tuple(sizes[0] if len(set(sizes)) == 1 else -1 for sizes in zip(*shapes, strict=True))
            for shapes in zip(*several, strict=True)
        )


def _shape(shape: Shape) -> str:
    sizes = ", ".join("None" if size == -1 else spelled(size) for size in shape)
    return f"({sizes},)" if len(shape) == 1 else f"({sizes})"


# Reading


def _read(part: str, offset: int, known: frozenset[str]) -> ShapeComment | None:
    """One part of a comment, from its ``#`` on."""
    start = at = len(part) - len(part[1:].lstrip())
    results: list[tuple[Pattern, ...]] = []
    tensors: list[Pattern] = []
    while True:
        end = _closed(part, at)
        pattern = _pattern(part[at:end]) if end else None
        if pattern is None:
            return None
        tensors.append(pattern)
        further = re.match(r"\s*([,|])\s*(?=\()", part[end:])
        if further is None or further.group(1) == "|":
            results.append(tuple(tensors))
            tensors = []
        if further is None:
            break
        at = end + further.end()
    rest = part[end:]
    made = ShapeComment(offset + start, offset + end, part[start:end], tuple(results), _arithmetic(rest, offset + end))
    return made if _is_meant(made, rest, known) else None


def _closed(text: str, start: int) -> int:
    """Where the parenthesis that opens at ``start`` is closed again; 0 where none opens there or it stays open."""
    depth = 0
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth <= 0:
            return index + 1 if index > start else 0
    return 0


def _pattern(text: str) -> Pattern | None:
    """The pattern that ``(N, 16, H//2)`` spells; None where it spells none, as ``(N)`` and ``(see below)`` do."""
    inside = text[1:-1].strip()
    if not inside:
        return ()
    parts = _split(inside)
    if len(parts) < 2:
        return None
    if not parts[-1]:  # (N,)
        parts.pop()
    try:
        (pattern,) = read_wanted(tuple(map(_element, parts)), "a comment").patterns
    except InputError:
        return None
    return None if any(element == 0 for element in pattern) else pattern


def _element(text: str) -> Any:
    if text in ("None", "..."):
        return None if text == "None" else ...
    return int(text) if re.fullmatch(r"-?[0-9]+", text) else text


def _split(text: str) -> list[str]:
    """The parts between the commas that are in no parentheses."""
    parts, depth = [""], 0
    for sign in text:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def _arithmetic(rest: str, offset: int) -> tuple[int, int] | None:
    match = re.match(rf"\s+{SINCE} .*?=.*?(?=\s*$)", rest)
    return (offset, offset + match.end()) if match is not None else None


def _is_meant(made: ShapeComment, rest: str, known: frozenset[str]) -> bool:
    """Whether this can be nothing but shapes."""
    elements = [element for result in made.results for pattern in result for element in pattern]
    if not all(map(is_name, elements)) or known.intersection(made.names):
        is_alone = (
            not rest.strip() or made.arithmetic is not None or re.match(r"\s*[:;=]|\s{2,}|\s+-", rest) is not None
        )
        return is_alone or (bool(made.names) and rest[:1].isspace())
    # Nothing but names that stand for no size, or nothing at all.
    return not elements and not rest.strip()
