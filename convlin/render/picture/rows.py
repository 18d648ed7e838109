"""Where the picture goes on in another row, and which frames go around several rows."""

from __future__ import annotations

from itertools import pairwise
from math import fsum, inf
from typing import NamedTuple

from convlin.render.picture.arrange import Parallel, Part, Plan, keys_of
from convlin.render.picture.graph import Frame
from convlin.render.picture.layout import FRAME_PAD, GAP, Piece, Placer

#: What a row gives up on each side for a frame around it and other rows.
INSET = 24.0


class Row(NamedTuple):
    """Parts in one row, and the frames around it that go around other rows, too, the outermost first."""

    parts: tuple[Part, ...]
    around: tuple[Frame, ...] = ()


class _Run(NamedTuple):
    """A frame around the parts from ``first`` to ``last``."""

    first: int
    last: int
    frame: Frame


def break_rows(placer: Placer, plan: Plan, widest: float, *, apart: bool = False) -> list[Row]:
    """The parts of the picture in rows no wider than ``widest``, broken where the fewest skips are cut.

    A frame that fits into one row is not cut.  One that does not begins and ends with a row.  With ``apart``, networks
    that no line joins stand below one another, each in rows of its own.
    """
    parts = plan.series.parts
    only = parts[0] if len(parts) == 1 else None
    if not apart or not isinstance(only, Parallel):
        return _Breaker(placer, plan, parts).rows(widest)
    return [row for branch in only.branches for row in _Breaker(placer, plan, branch.parts).rows(widest)]


class _Breaker:
    def __init__(self, placer: Placer, plan: Plan, parts: tuple[Part, ...]) -> None:
        self._parts = parts
        self._runs = [_Run(*found) for found in placer.frames_over(self._parts)]
        self._pieces: list[Piece] = [
            placer.part(part, frozenset(run.frame for run in self._runs if run.first <= at <= run.last))
            for at, part in enumerate(self._parts)
        ]
        place = {key: number for number, part in enumerate(self._parts) for key in keys_of(part)}
        self._skips = [(place[source], place[target]) for source, target in plan.skips if source in place]

    def rows(self, widest: float) -> list[Row]:
        """All the parts in rows."""
        return self._rows(0, len(self._parts), widest, ())

    def _rows(self, start: int, end: int, widest: float, around: tuple[Frame, ...]) -> list[Row]:
        """The rows of the parts from ``start`` to before ``end``, which stand inside the frames ``around``."""
        if self._width(start, end, around) <= widest:
            return [Row(self._parts[start:end], around)]
        found: list[Row] = []
        at = start
        for run in self._outermost(start, end, around):
            if self._width(run.first, run.last + 1, around) <= widest:
                continue
            if at < run.first:
                found += self._broken(at, run.first, widest, around)
            found += self._rows(run.first, run.last + 1, widest - 2 * INSET, (*around, run.frame))
            at = run.last + 1
        if at < end:
            found += self._broken(at, end, widest, around)
        return found

    def _outermost(self, start: int, end: int, around: tuple[Frame, ...]) -> list[_Run]:
        """The frames in a stretch that no other of its frames holds, in order."""
        inside = [run for run in self._runs if start <= run.first and run.last < end and run.frame not in around]
        inside.sort(key=lambda run: (run.first, -run.last))
        kept: list[_Run] = []
        for run in inside:
            if not kept or run.first > kept[-1].last:
                kept.append(run)
        return kept

    def _width(self, start: int, end: int, around: tuple[Frame, ...]) -> float:
        """Of the parts from ``start`` to before ``end`` in one row, with the frames that it cuts or holds."""
        cut = [run for run in self._runs if run.first < end and start <= run.last and run.frame not in around]
        return fsum(piece.width + GAP for piece in self._pieces[start:end]) + 2 * FRAME_PAD * len(cut)

    def _broken(self, start: int, end: int, widest: float, around: tuple[Frame, ...]) -> list[Row]:
        total = self._width(start, end, around)
        if total <= widest:
            return [Row(self._parts[start:end], around)]
        aim = total / -(-total // (widest * 0.97))
        cut = {at: self._cost(at, around) for at in range(start + 1, end)}
        best: dict[int, tuple[float, int]] = {start: (0.0, start)}
        for last in range(start + 1, end + 1):
            choices: list[tuple[float, int]] = []
            for first in range(last - 1, start - 1, -1):
                width = self._width(first, last, around)
                if width > widest and choices and min(choices)[0] < inf:
                    break
                slack = aim - width
                if last == end:
                    slack = max(slack / 2, -slack)
                choices.append((best[first][0] + slack**2 + cut.get(first, 0.0), first))
            best[last] = min(choices)
        ends = [end]
        while ends[-1] > start:
            ends.append(best[ends[-1]][1])
        ends.reverse()
        return [Row(self._parts[first:last], around) for first, last in pairwise(ends)]

    def _cost(self, at: int, around: tuple[Frame, ...]) -> float:
        """What it costs to begin a row at a part."""
        if any(run.first < at <= run.last and run.frame not in around for run in self._runs):
            return inf
        crossed = sum(first < at - 1 and at <= last for first, last in self._skips)
        cost = 500.0**2 * crossed + 40.0**2 * isinstance(self._parts[at], Parallel)
        return cost + 400.0**2 * isinstance(self._parts[at - 1], Parallel)
