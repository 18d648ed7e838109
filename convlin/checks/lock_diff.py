"""Two locks compared: not which lines differ, but what happened to the calls.

The calls of both are laid side by side, in order, at the lowest cost: the same call costs nothing,
the same shapes under another name little, other shapes under the same name a little more, and a
call that only one of them has the most.  So a layer put into a ``Sequential`` is one layer added
and others renamed, not a change of every line behind it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple, TypeAlias

from convlin._util.paths import shown
from convlin.checks.lock_file import Line, Lock, lock_of, read_lock, write_lock
from convlin.errors import InputError, ShapeError
from convlin.records import Report, Size
from convlin.render.grid import grid
from convlin.render.text import not_real
from convlin.sizes.parse import read
from convlin.sizes.prove import compare

#: More pairs than this are not weighed against each other.
_MOST_PAIRS = 300_000
_ONE_SIDED = 1.0
_MOST_ROWS = 60

_Pair: TypeAlias = tuple[Line | None, Line | None]


class Change(NamedTuple):
    """One thing that is no longer as the lock says."""

    kind: str
    """``model``, ``mode``, ``input``, ``total``; ``added``, ``removed``, ``moved``, ``renamed``, ``reshaped``,
    ``params``, ``type``."""
    path: str
    """The call's path now, or in the lock if it is gone."""
    label: str
    before: str
    now: str


def require(report: Report, path: str | os.PathLike[str], *, again: str = "") -> None:
    """Raise a ``ShapeError`` about everything that is not as the lock at ``path`` says.

    ``again`` is what to write in order to renew the lock.
    """
    found = changes(read_lock(path, again), lock_of(report))
    parts = []
    if found:
        parts.append(f"{report.model} does not match {shown(path)}: {told(found)}")
    if report.problems:
        parts.append(not_real(report))
    elif found:
        parts.append(f"If this is intended, write the lock again: {again or f's.lock({str(path)!r})'}")
    if parts:
        raise ShapeError("\n\n".join(parts))


def renewed(report: Report, path: str | os.PathLike[str]) -> str:
    """Write the lock of ``report`` unless the one at ``path`` says the same: ``written``, ``changed`` or nothing."""
    is_new = not os.path.exists(path)
    try:
        same = not is_new and not changes(read_lock(path), lock_of(report))
    except InputError:  # damaged, or of another format: that is what writing it again is for
        same = False
    if same:
        return ""
    write_lock(report, path)
    return "written" if is_new else "changed"


def changes(lock: Lock, now: Lock) -> list[Change]:
    """Everything that is not as ``lock`` says, in the order of the calls; empty when all is."""
    pairs = list(_side_by_side(lock.lines, now.lines))
    found = [*_head(lock, now), *_calls(pairs, _moves(pairs))]
    if not found and lock.total != now.total:
        found.append(Change("total", "", "total params", str(lock.total), str(now.total)))
    return found


def _calls(pairs: Sequence[_Pair], moves: Mapping[int, Change | None]) -> Iterator[Change]:
    names = Counter(_prefixes(old.path, new.path) for old, new in pairs if old and new)
    told: set[tuple[str, str]] = set()
    for index, (old, new) in enumerate(pairs):
        if index in moves:
            if (move := moves[index]) is not None:
                yield move
        elif old is None or new is None:
            yield _one_sided(old, new)
        else:
            prefixes = _prefixes(old.path, new.path)
            if old.path != new.path and prefixes not in told:
                told.add(prefixes)
                yield _renamed(prefixes, old, new, names[prefixes])
            yield from _changed(old, new)


def _moves(pairs: Sequence[_Pair]) -> dict[int, Change | None]:
    """The calls that only come at another place, by index: told where they are now, not where they were."""
    gone = {index: old for index, (old, new) in enumerate(pairs) if old and new is None}
    moves: dict[int, Change | None] = {}
    for index, (old, new) in enumerate(pairs):
        if new is None or old is not None:
            continue
        for before, line in gone.items():
            if before not in moves and _key(line) == _key(new) and line.params == new.params:
                was, now = (_behind(pairs[:at], side) for at, side in ((before, 0), (index, 1)))
                moves[before], moves[index] = None, Change("moved", new.path, new.label, was, now)
                break
    return moves


def _behind(pairs: Sequence[_Pair], side: int) -> str:
    """What comes right before, in the lock (0) or now (1)."""
    for pair in reversed(pairs):
        line = pair[side]
        if line is not None:
            return f"behind {line.label}"
    return "first"


_COUNTED = {
    "model": "another model",
    "mode": "another mode",
    "input": "another input",
    "total": "another total",
    "params": "{} with other params",
    "type": "{} of another type",
}


def told(found: Sequence[Change], heads: tuple[str, ...] = ("Change", "Layer", "Lock", "Now")) -> str:
    """The changes as text: how many of each kind, and a row for each."""
    counts = Counter(change.kind for change in found)
    rows = [(change.kind, change.label, change.before, change.now) for change in found[:_MOST_ROWS]]
    text = grid(heads, rows)
    more = f"\n… and {len(found) - _MOST_ROWS} more" if len(found) > _MOST_ROWS else ""
    total = ", ".join(_COUNTED.get(kind, f"{{}} {kind}").format(count) for kind, count in counts.items())
    return f"{total}\n\n{text}{more}"


def _head(lock: Lock, now: Lock) -> Iterator[Change]:
    if lock.model != now.model:
        yield Change("model", "", "", lock.model, now.model)
    if lock.mode != now.mode:
        yield Change("mode", "", "", lock.mode, now.mode)
    if len(lock.inputs) != len(now.inputs) or not all(map(_same_input, lock.inputs, now.inputs)):
        yield Change("input", "", "", ", ".join(lock.inputs), ", ".join(now.inputs))


def _same_input(one: str, other: str) -> bool:
    *place, shape, dtype = one.rsplit(" ", 2)
    *other_place, other_shape, other_dtype = other.rsplit(" ", 2)
    return place == other_place and dtype == other_dtype and same_shapes(shape, other_shape)


def _one_sided(old: Line | None, new: Line | None) -> Change:
    line = new or old
    assert line is not None
    label = line.label if line.is_function else f"{line.label} ({line.type})"
    return Change(
        "added" if new else "removed", line.path, label, "" if new else _told(line), _told(line) if new else ""
    )


def _renamed(prefixes: tuple[str, str], old: Line, new: Line, count: int) -> Change:
    if count == 1:
        return Change("renamed", new.path, new.label, old.path or ".", new.path or ".")
    before, now = (f"{prefix}.*" if prefix else "*" for prefix in prefixes)
    return Change("renamed", new.path, f"{count} calls", before, now)


def _changed(old: Line, new: Line) -> Iterator[Change]:
    if old.type != new.type:
        yield Change("type", new.path, new.label, old.type, new.type)
    same_in, same_out = same_shapes(old.inputs, new.inputs), same_shapes(old.outputs, new.outputs)
    if not (same_in and same_out):
        both = not same_in
        yield Change("reshaped", new.path, new.label, _shapes(old, both=both), _shapes(new, both=both))
    if old.params != new.params:
        yield Change("params", new.path, new.label, str(old.params), str(new.params))


def _told(line: Line) -> str:
    return _shapes(line, both=True) + (f"  params {line.params}" if line.params else "")


def _shapes(line: Line, *, both: bool) -> str:
    return f"{line.inputs} -> {line.outputs}" if both else f"-> {line.outputs}"


def _prefixes(old: str, new: str) -> tuple[str, str]:
    """What differs at the start of two paths that end alike."""
    left, right = old.split("."), new.split(".")
    while left and right and left[-1] == right[-1]:
        left.pop()
        right.pop()
    return ".".join(left), ".".join(right)


# Side by side


def _side_by_side(old: Sequence[Line], new: Sequence[Line]) -> Iterator[_Pair]:
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        yield old[start], new[start]
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    old_rest, new_rest = old[start : len(old) - end], new[start : len(new) - end]
    if len(old_rest) * len(new_rest) <= _MOST_PAIRS:
        yield from _cheapest(old_rest, new_rest)
    else:
        yield from _by_names(old_rest, new_rest)
    yield from zip(old[len(old) - end :], new[len(new) - end :], strict=True)


def _by_names(old: Sequence[Line], new: Sequence[Line]) -> Iterator[_Pair]:
    """Long ones: calls of the same name are taken for the same, and only what lies between is weighed."""
    matcher = SequenceMatcher(None, [_key(line) for line in old], [_key(line) for line in new], autojunk=False)
    at_old = at_new = 0
    for block in matcher.get_matching_blocks():
        between = old[at_old : block.a], new[at_new : block.b]
        if len(between[0]) * len(between[1]) <= _MOST_PAIRS:
            yield from _cheapest(*between)
        else:
            yield from ((line, None) for line in between[0])
            yield from ((None, line) for line in between[1])
        at_old, at_new = block.a + block.size, block.b + block.size
        yield from zip(old[block.a : at_old], new[block.b : at_new], strict=True)


def _cheapest(old: Sequence[Line], new: Sequence[Line]) -> Iterator[_Pair]:
    """The alignment of lowest cost, by the table of all beginnings."""
    width = len(new) + 1
    costs = [column * _ONE_SIDED for column in range(width)]
    ways = [bytearray(b"\2" * width)]  # 0: a pair, 1: only the old one, 2: only the new one
    for line in old:
        row, way = [costs[0] + _ONE_SIDED], bytearray(b"\1" * width)
        for column, other in enumerate(new, 1):
            best, choice = costs[column] + _ONE_SIDED, 1
            if row[-1] + _ONE_SIDED < best:
                best, choice = row[-1] + _ONE_SIDED, 2
            pair = _cost(line, other)
            if pair is not None and costs[column - 1] + pair <= best:
                best, choice = costs[column - 1] + pair, 0
            row.append(best)
            way[column] = choice
        costs = row
        ways.append(way)
    pairs: list[_Pair] = []
    at_old, at_new = len(old), len(new)
    while at_old or at_new:
        choice = ways[at_old][at_new]
        at_old -= choice != 2
        at_new -= choice != 1
        pairs.append((old[at_old] if choice != 2 else None, new[at_new] if choice != 1 else None))
    yield from reversed(pairs)


def _cost(old: Line, new: Line) -> float | None:
    """What it costs to take two calls for the same; None if they cannot be."""
    if old.is_function != new.is_function:
        return None
    same_path, same_type = old.path == new.path, old.type == new.type
    same_sizes = old.inputs == new.inputs and old.outputs == new.outputs
    if same_path:
        if same_type:
            return 0.0 if same_sizes and old.params == new.params else 0.5
        return 0.9 if same_sizes else None if old.is_function else 1.3
    if not same_type:
        return None
    (parent, _, name), (other_parent, _, other_name) = (line.path.rpartition(".") for line in (old, new))
    if same_sizes and old.params == new.params:
        return 0.2 if name == other_name else 0.3
    # Renamed and changed at once: only where half of the name is left, a block's or the layer's own.
    return 0.9 if name == other_name else 1.1 if parent == other_parent else None


def _key(line: Line) -> tuple[str, str, bool]:
    return line.path, line.type, line.is_function


# Shapes with letters


def same_shapes(one: str, other: str) -> bool:
    """Whether two lists of shapes are the same, formulas in other words included."""
    if one == other:
        return True
    left, right = _sizes(one), _sizes(other)
    if len(left) != len(right) or not any(part[0].isalpha() or part[0] == "(" for part in (*left, *right)):
        return False
    return all(a == b or _same_size(a, b) for a, b in zip(left, right, strict=True))


def _sizes(shapes: str) -> list[str]:
    """The sizes and the signs between them, in order."""
    parts, depth, current = [], 0, ""
    for sign in shapes:
        depth += (sign == "(") - (sign == ")")
        if depth == 0 and sign in "x, ":
            parts += [current, sign]
            current = ""
        else:
            current += sign
    return [part for part in (*parts, current) if part]


def _same_size(one: str, other: str) -> bool:
    import sympy

    values: list[Size] = []
    for text in (one, other):
        try:
            expression = read(text)
        except InputError:
            return False
        symbols: dict[str, Size] = {name: sympy.Symbol(name, integer=True, positive=True) for name in expression.names}
        values.append(expression.value(symbols))
    return compare(values[0], values[1]).holds
