"""Repeated identical blocks become one: ``layers.0`` to ``layers.31`` are ``layers.0–31``, thirty-two times.

Blocks are alike when everything that a table shows of them is: types, shapes, settings, parameters
counted, and all of that for what lies inside.  Only their numbers may differ, and only evenly, so a
``Sequential`` that alternates Linear and ReLU folds as well as a list of Transformer layers does, and
a loop over the steps of a sequence, ``x[:, 0]`` to ``x[:, 99]``.
Whatever has a problem stays by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from convlin.render.row import Row
from convlin.render.tree import Alike, Block, repetition
from convlin.render.words import dots

#: A table longer than this is folded by itself.
LONG = 60

#: So many alike are worth folding when nobody asked for it.
ENOUGH = 3

#: The longest sequence of blocks that is looked for as one repeated unit.
_LONGEST_UNIT = 12


class _Step(NamedTuple):
    """How a path differs from the one before: which of its names, and by how much; -1 for not at all."""

    position: int
    by: int
    parts: tuple[int, ...] = ()
    """By how much the numbers of the indices differ, of the block's own and of those inside it."""


def fold(blocks: list[Block], alike: Alike, at_least: int = ENOUGH) -> list[Block]:
    """The same blocks, where ``at_least`` or more alike follow one another put into one."""
    return _Folder(alike, at_least).folded(blocks)


class _Folder:
    def __init__(self, alike: Alike, at_least: int) -> None:
        self._alike = alike
        self._at_least = at_least
        self._numbers: dict[Any, int] = {}
        self._likeness: dict[int, int] = {}
        """For each block, by identity, a number that it shares with those like it."""
        self._parts: dict[int, tuple[int, ...]] = {}
        """For each block, by identity, the numbers of the indices in it."""

    def folded(self, blocks: list[Block]) -> list[Block]:
        """Fold inside the blocks first, then the blocks themselves."""
        for block in blocks:
            if block.children:
                block.children = self.folded(block.children)
            self._likeness[id(block)] = self._number(block)
            is_layer = block.row is not None and block.row.kind != "function" and not block.children
            self._parts[id(block)] = () if is_layer else self._indices(block)
        result: list[Block] = []
        start = 0
        while start < len(blocks):
            unit, times = repetition(
                len(blocks) - start, partial(self._times, blocks, start), _LONGEST_UNIT, self._at_least
            )
            if times > 1:
                stop = start + unit * times
                result.extend(self._merged(blocks[first:stop:unit]) for first in range(start, start + unit))
                start = stop
            else:
                result.append(blocks[start])
                start += 1
        return result

    # Alike or not

    def _number(self, block: Block) -> int:
        key = (
            block.type,
            self._key(block.row, block.path),
            tuple([(_inside(child.path, block.path), self._likeness[id(child)]) for child in block.children]),
            tuple([self._key(row, block.path) for row in block.extras]),
        )
        return self._numbers.setdefault(key, len(self._numbers))

    def _key(self, row: Row | None, base: str) -> Any:
        if row is None:
            return None
        if row.problems or row.failed:
            return id(row)  # like nothing else
        number = self._alike.but_for_index if row.kind == "function" else self._alike.number
        return (
            row.kind, row.type, _inside(row.path, base), row.times, row.counted, row.remark,
            row.inputs, row.outputs,
            tuple([(info.name, info.shape, info.dtype, info.trainable) for _, info in row.owned]),
            row.named and (row.named.name, row.named.shape, row.named.dtype, row.named.alias_of is None),
            row.memory, row.flops, tuple(map(number, row.calls[: row.links])),
        )  # fmt: skip

    def _indices(self, block: Block) -> tuple[int, ...]:
        own = block.row.calls if block.row is not None and block.row.kind == "function" else ()
        numbers = [*map(self._alike.index, own), *[self._parts[id(child)] for child in block.children]]
        return tuple(chain.from_iterable(numbers))

    def _times(self, blocks: Sequence[Block], start: int, unit: int) -> int:
        likeness = self._likeness
        steps: list[_Step | None] = []
        times = 1
        while start + (times + 1) * unit <= len(blocks):
            here, there = start + (times - 1) * unit, start + times * unit
            for offset in range(unit):
                first, second = blocks[here + offset], blocks[there + offset]
                if likeness[id(first)] != likeness[id(second)]:
                    return times
                step = _step(first.path, second.path)
                if step is not None and (parts := self._parts[id(first)]):
                    pairs = zip(parts, self._parts[id(second)], strict=True)
                    step = step._replace(parts=tuple([after - before for before, after in pairs]))
                if times == 1:
                    steps.append(step)
                if step is None or step != steps[offset]:
                    return times
            if times == 1 and len({step.by for step in steps if step is not None and step.by}) > 1:
                return 1  # numbers that grow apart are no repetition
            times += 1
        return times

    # Into one

    def _merged(self, blocks: Sequence[Block]) -> Block:
        first, *others = blocks
        step = _step(first.path, others[0].path)
        if step is not None and step.position >= 0:
            base = int(first.path.split(".")[step.position])
            rename = _Rename(first.path, step.position, dots([base + n * step.by for n in range(len(blocks))]))
        else:
            rename = None
        _absorb(first, others, rename)
        return first


class _Rename(NamedTuple):
    """Which name of which paths becomes a range."""

    base: str
    position: int
    numbers: str

    def applied(self, path: str) -> str:
        if path != self.base and not path.startswith(f"{self.base}."):
            return path
        names = path.split(".")
        names[self.position] = self.numbers
        return ".".join(names)


def _absorb(block: Block, others: Sequence[Block], rename: _Rename | None) -> None:
    """Put blocks that are alike into the first of them."""
    rows: list[tuple[Row | None, list[Row | None]]] = [(block.row, [other.row for other in others])]
    rows += [(row, [other.extras[index] for other in others]) for index, row in enumerate(block.extras)]
    for row, alike in rows:
        if row is not None:
            row.absorb([each for each in alike if each is not None])  # alike blocks have rows at the same places
            if rename is not None:
                row.path = rename.applied(row.path)
    for index, child in enumerate(block.children):
        _absorb(child, [other.children[index] for other in others], rename)
    block.calls += tuple([call for other in others for call in other.calls])
    block.count += sum([other.count for other in others])
    if rename is not None:
        block.path = rename.applied(block.path)


def _inside(path: str, base: str) -> str:
    """The path below ``base``, or all of it when it lies elsewhere."""
    if path == base:
        return ""
    return path[len(base) :] if not base or path.startswith(f"{base}.") else f"/{path}"


def _step(first: str, second: str) -> _Step | None:
    """How the second path goes on from the first; None where that is no even numbering."""
    if first == second:
        return _Step(-1, 0)
    names, others = first.split("."), second.split(".")
    if len(names) != len(others):
        return None
    differing = [index for index, name in enumerate(names) if name != others[index]]
    if len(differing) != 1:
        return None
    position = differing[0]
    name, other = names[position], others[position]
    if not (name.isdecimal() and other.isdecimal()) or int(other) <= int(name):
        return None
    return _Step(position, int(other) - int(name))
