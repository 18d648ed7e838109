"""A table made to fit a width: paths shortened in the middle, long cells over several lines.

Numbers are never broken.  A table with more columns than the width has room for stays wider.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from operator import gt

from convlin.render import words
from convlin.render.columns import COLUMNS
from convlin.render.row import INDENT, Row
from convlin.render.rows import Table

#: Blanks between two columns.
GAP = 2

#: Which columns give way, one after the other, and down to which width; then again, down to what can just be read.
_GIVES_WAY = (
    ("arithmetic", 28), ("output", 24), ("type", 24), ("layer", 30), ("where", 20), ("output", 20), ("type", 18),
    ("layer", 26), ("arithmetic", 22), ("input", 15), ("type", 16), ("layer", 22), ("output", 15), ("where", 14),
    ("layer", 18), ("arithmetic", 16), ("type", 12), ("input", 12), ("receptive_field", 9),
)  # fmt: skip

#: Where a cell may be broken, the best place first: a comma, what comes out, a word, a sign, a hump, anywhere.
#: A number stays with the sign in front of it.
_BREAKS = (
    r"[^,]+,? ?|,",
    r"(?:= )?(?:(?!= ).)+",
    r"(?:[-+−·] )?\S+ ?| ",
    r"[^,.·×…–/_+(=]+[,.·×…–/_+(=]*|.",
    r"[A-Z]?[^A-Z]+|.",
    ".",
)

#: However deep a name is indented, so many signs of it stand on a line, and words up to this length are not broken.
_LEAST, _LONGEST_WORD = 8, 16

_WORD = re.compile(r"[A-Z]?[^A-Z._]+")

#: So many names at the end of a shortened path may be kept.
_MOST_AT_END = 4

_LEFT_OUT = "…"

#: In front of a shape, the name or place of one of several outputs.
_NAME = re.compile(r"(?:[a-z_]\w*|(?:\[[^\]]*\]|\.\w+)+) ")

Lines = list[tuple[str, ...]]


def fitted(table: Table, rows: Sequence[Lines], width: int, *, ascii_only: bool = False) -> list[Lines]:
    """The lines of every row, no wider than ``width`` with the headers above, where the columns allow that."""
    if ascii_only:  # first, as ``floor(`` is wider than the sign it stands for
        rows = [[tuple(map(words.ascii_only, line)) for line in lines] for lines in rows]
    widths = _natural(table, rows)
    if _total(widths) <= width:
        return list(rows)
    shortest = _narrowed(table, widths, width)
    found = list(rows)
    if "layer" in table.columns:
        found = _with_short_paths(table, found, shortest[table.columns.index("layer")], ascii_only=ascii_only)
    return [_wrapped(row, shortest) for row in found]


def giving_way(table: Table, rows: Sequence[Lines], width: int) -> set[str]:
    """The columns that have to be narrower than what is in them for the table to fit; all where that is not enough.

    The name of an output may stand on a line of its own, above its shape.
    """
    widths = _natural(table, rows)
    narrowed = _narrowed(table, widths, width)
    if _total(narrowed) > width:
        return set(table.columns)
    index = table.columns.index("output") if "output" in table.columns else None
    if index is not None and narrowed[index] < widths[index]:
        widths[index] = max([len(_NAME.sub("", line[index])) for row in rows for line in row])
    return {name for name, before, after in zip(table.columns, widths, narrowed, strict=True) if after < before}


def _natural(table: Table, rows: Sequence[Lines]) -> list[int]:
    """The width of each column when nothing gives way."""
    lines = [tuple(COLUMNS[name].header for name in table.columns), *[line for row in rows for line in row]]
    return [max(map(len, column)) for column in zip(*lines, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _narrowed(table: Table, widths: Sequence[int], width: int) -> list[int]:
    """The width of each column, taken from those that can give way until all of them fit."""
    found = list(widths)
    deepest: int | None = None
    for name, least in _GIVES_WAY:
        excess = _total(found) - width
        if excess <= 0:
            break
        if name in table.columns:
            index = table.columns.index(name)
            at_least = max(least, len(COLUMNS[name].header))
            if name == "layer" and table.nested:
                deepest = max(map(_room, table.rows), default=0) if deepest is None else deepest
                at_least = max(at_least, deepest)
            found[index] = min(found[index], max(found[index] - excess, at_least))
    return found


def _room(row: Row) -> int:
    """How wide a name in a tree has to be for its words to stay whole."""
    longest = max(map(len, _WORD.findall(row.name)), default=0)
    return INDENT * row.level + min(max(longest, _LEAST), _LONGEST_WORD)


# Paths


def _with_short_paths(table: Table, rows: Sequence[Lines], width: int, *, ascii_only: bool) -> list[Lines]:
    """The same lines with paths that do not fit shortened in the middle, no two of them alike."""
    index = table.columns.index("layer")
    written = words.ascii_only if ascii_only else str
    paths = [written(row.name if table.nested else row.path) if _has_path(row) else "" for row in table.rows]
    known = set(paths)
    stands_for = Counter(form for path in known for form in dict.fromkeys(map(written, _forms(path))))
    found: list[Lines] = []
    for path, lines in zip(paths, rows, strict=True):
        if path and lines and len(lines[0][index]) > width:
            label = lines[0][index]
            room = width - (len(label) - len(path))
            forms = [form for form in map(written, _forms(path)) if stands_for[form] == 1 and form not in known]
            fit = [form for form in forms if len(form) <= room]
            # The longest that fits tells most; where none does, the shortest.
            chosen = max(fit, key=len) if fit else min([*forms, path], key=len)
            first = list(lines[0])
            first[index] = label.replace(path, chosen, 1)
            lines = [tuple(first), *lines[1:]]
        found.append(lines)
    return found


def _has_path(row: Row) -> bool:
    return bool(row.path) and row.kind not in ("function", "rest")


def _forms(path: str) -> Iterator[str]:
    """Ways to shorten a path: names left out in the middle.

    >>> list(_forms("encoder.layers.0.fc"))
    ['encoder.layers.….fc', 'encoder.….0.fc', 'encoder.….fc']
    """
    names = path.split(".")
    for start in range(len(names) - 2, 0, -1):
        for stop in range(max(start + 1, len(names) - _MOST_AT_END), len(names)):
            yield ".".join([*names[:start], _LEFT_OUT, *names[stop:]])


# Cells


def _wrapped(lines: Lines, widths: Sequence[int]) -> Lines:
    """One row with every cell broken where it is too wide; each column goes on by itself."""
    if not any(True in map(gt, map(len, line), widths) for line in lines):
        return lines
    columns = []
    for number, width in enumerate(widths):
        cells = [part for line in lines for part in broken(line[number], width)]
        while cells and not cells[-1]:
            cells.pop()
        columns.append(cells)
    return list(zip_longest(*columns, fillvalue=""))


def broken(text: str, width: int) -> list[str]:
    """A cell in pieces of at most ``width`` signs, broken between words where it can be.

    >>> broken("⌊(224 + 2·3 − 7)/2⌋ + 1 = 112, W likewise 96", 30)
    ['⌊(224 + 2·3 − 7)/2⌋ + 1 = 112,', 'W likewise 96']
    >>> broken("⌊(224 + 2·3 − 7)/2⌋ + 1 = 112", 22)
    ['⌊(224 + 2·3 − 7)/2⌋', '+ 1 = 112']
    >>> broken("needs in_features=2048, has 2049", 24)
    ['needs in_features=2048,', 'has 2049']
    >>> broken("NonDynamicallyQuantizableLinear", 20)
    ['NonDynamically', 'QuantizableLinear']
    """
    indent = " " * (len(text) - len(text.lstrip(" ")))
    name = text.removeprefix(indent)
    return [indent + part for part in _broken(name, max(width - len(indent), _LEAST), _BREAKS)]


def _broken(text: str, width: int, breaks: Sequence[str]) -> list[str]:
    """Broken at the first of ``breaks``; only a part that is still too long is broken at the next."""
    if len(text) <= width:
        return [text]
    pattern, *others = breaks
    found: list[str] = []
    for part in re.findall(pattern, text, re.DOTALL):
        solid = part.rstrip()
        if found and len(found[-1]) + len(solid) <= width:
            found[-1] += part
        elif len(solid) <= width:
            found.append(part)
        else:
            found += _broken(solid, width, others)
            found[-1] += part[len(solid) :]
    return [line.rstrip() for line in found if line.strip()]
