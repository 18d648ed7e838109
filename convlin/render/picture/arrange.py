"""Which blocks stand one after the other and which side by side.

Every edge that another path makes superfluous is a *skip*, drawn as an arc over what it skips: the
identity of a residual block, the long lines of a U-Net.  What is left is taken apart at the blocks
that every path goes through; between two of them branches stand side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from convlin.render.picture.graph import Graph, Key

Edge: TypeAlias = tuple[Key, Key]


@dataclass(frozen=True, slots=True)
class Series:
    """Parts one after the other."""

    parts: tuple[Part, ...]

    @property
    def blocks(self) -> list[Key]:
        """Every block in it."""
        return [key for part in self.parts for key in keys_of(part)]


@dataclass(frozen=True, slots=True)
class Parallel:
    """Branches side by side; one without blocks is a line past the others."""

    branches: tuple[Series, ...]


Part: TypeAlias = "Key | Parallel"


def keys_of(part: Part) -> list[Key]:
    """Every block of a part."""
    if isinstance(part, Parallel):
        return [key for branch in part.branches for key in branch.blocks]
    return [part]


@dataclass(slots=True)
class Plan:
    """The whole picture's order, and its edges told apart."""

    series: Series
    flows: list[Edge] = field(default_factory=list)
    """From one part to the next."""
    skips: list[Edge] = field(default_factory=list)
    """Past other parts."""


def arrange(graph: Graph) -> Plan:
    """The plan of a graph of a few dozen blocks."""
    return _Arranger(graph).plan


class _Arranger:
    def __init__(self, graph: Graph) -> None:
        self._order = sorted(graph.nodes)
        self._bit = {key: 1 << place for place, key in enumerate(self._order)}
        self._before: dict[Key, int] = {}
        flows: list[Edge] = []
        skips: list[Edge] = []
        for key in self._order:
            sources = sorted(graph.sources[key])
            self._before[key] = 0
            for source in sources:
                self._before[key] |= self._before[source] | self._bit[source]
            for source in sources:
                longer = any(self._before[other] & self._bit[source] for other in sources)
                (skips if longer else flows).append((source, key))
        self._frames = graph.frames
        self._flows = flows
        self._skips = skips
        self._after = dict.fromkeys(self._order, 0)
        for key in reversed(self._order):
            for source in graph.sources[key]:
                self._after[source] |= self._after[key] | self._bit[key]
        series = self._series(self._order)
        self.plan = Plan(series, self._flows, self._skips)

    def _series(self, keys: list[Key]) -> Series:
        everything = sum(self._bit[key] for key in keys)
        parts: list[Part] = []
        between: list[Key] = []
        found = False
        for key in keys:
            if (self._before[key] | self._after[key] | self._bit[key]) & everything == everything:
                parts += self._side_by_side(between)
                parts.append(key)
                between = []
                found = True
            else:
                between.append(key)
        if between:
            parts += self._side_by_side(between, hopeless=not found)
        return Series(tuple(self._out_of_frames(parts)))

    def _out_of_frames(self, parts: list[Part]) -> list[Part]:
        """What stands beside the first blocks of a frame, but not in it, goes before it: the frame is one then."""
        found: list[Part] = []
        for part, follower in pairwise([*parts, None]):
            if isinstance(part, Parallel) and found and follower is not None:
                for frame in self._frames:
                    aside = tuple(branch for branch in part.branches if not frame.keys.intersection(branch.blocks))
                    inside = tuple(branch for branch in part.branches if frame.keys.issuperset(branch.blocks))
                    around = frame.keys.issuperset(keys_of(follower)) and not frame.keys.intersection(
                        keys_of(found[-1])
                    )
                    if around and aside and inside and len(aside) + len(inside) == len(part.branches):
                        self._skip_from({key for branch in aside for key in branch.blocks})
                        found.append(Parallel((Series(()), *aside)))
                        found += inside[0].parts if len(inside) == 1 else [Parallel(inside)]
                        break
                else:
                    found.append(part)
            elif part is not None:
                found.append(part)
        return found

    def _skip_from(self, keys: set[Key]) -> None:
        """What leads on from some blocks is drawn over what stands behind them now."""
        self._skip([edge for edge in self._flows if edge[0] in keys and edge[1] not in keys])

    def _skip(self, far: list[tuple[Key, Key]]) -> None:
        self._flows = [edge for edge in self._flows if edge not in far]
        self._skips += far

    def _side_by_side(self, keys: list[Key], *, hopeless: bool = False) -> list[Part]:
        """The branches between two blocks that every path goes through."""
        if not keys:
            return []
        groups = self._components(keys)
        if len(groups) > 1:
            return [Parallel(tuple(self._series(group) for group in groups))]
        return self._columns(keys) if hopeless or len(keys) > 1 else [keys[0]]

    def _components(self, keys: list[Key]) -> list[list[Key]]:
        root = {key: key for key in keys}

        def find(key: Key) -> Key:
            while root[key] != key:
                root[key] = root[root[key]]
                key = root[key]
            return key

        for source, target in self._flows:
            if source in root and target in root:
                root[find(target)] = find(source)
        groups: dict[Key, list[Key]] = {}
        for key in keys:
            groups.setdefault(find(key), []).append(key)
        return sorted(groups.values())

    def _columns(self, keys: list[Key]) -> list[Part]:
        """Where branches cross there is no nesting: blocks stand in columns by their longest way from the start."""
        inside = set(keys)
        column: dict[Key, int] = {}
        for key in keys:
            sources = [source for source, target in self._flows if target == key and source in inside]
            column[key] = 1 + max((column[source] for source in sources), default=-1)
        within = [edge for edge in self._flows if inside.issuperset(edge)]
        self._skip([(source, target) for source, target in within if column[target] - column[source] > 1])
        parts: list[Part] = []
        for number in range(max(column.values()) + 1):
            here = [key for key in keys if column[key] == number]
            parts.append(here[0] if len(here) == 1 else Parallel(tuple(Series((key,)) for key in here)))
        return parts
