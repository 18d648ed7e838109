"""The tree behind a table: which call was made inside which, and the row of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from convlin.records import Call, Report
from convlin.render.named_outputs import part_taken
from convlin.render.row import Row

#: Modules that only hold others: they are never called, and one level of nesting less is meant by them.
LISTS = frozenset({"ModuleList", "ModuleDict"})


class Block:
    """A call (or, without a pass, a module) with all that was called inside it, and its row if it has one."""

    __slots__ = ("calls", "children", "count", "extras", "own_first", "path", "row", "type")

    def __init__(self, path: str, type: str, call: int | None = None, *, own_first: bool = False) -> None:
        self.path = path
        self.type = type
        self.calls: tuple[int, ...] = () if call is None else (call,)
        """The call it is; several where blocks were folded into one."""
        self.count = 1
        self.row: Row | None = None
        self.children: list[Block] = []
        self.extras: list[Row] = []
        """Rows that follow the block's own: its single parameters."""
        self.own_first = own_first

    @property
    def own(self) -> list[Row]:
        """The rows of the block itself, without what lies inside."""
        return self.extras if self.row is None else [self.row, *self.extras]


def seen(blocks: Sequence[Block]) -> list[Block]:
    """The blocks that have rows, at every level: what lies too deep or is not asked for is dropped."""
    for block in blocks:
        if block.children:
            block.children = seen(block.children)
    return [block for block in blocks if block.row is not None or block.children or block.extras]


def rows_of(blocks: Sequence[Block]) -> list[Row]:
    """Every row of the blocks, in the order of the table."""
    found: list[Row] = []
    for block in blocks:
        if not block.children:
            found += block.own
        elif block.own_first:
            found += [*block.own, *rows_of(block.children)]
        else:
            found += [*rows_of(block.children), *block.own]
    return found


class Alike:
    """Numbers of calls: those of which a table shows the same have the same, and each is looked at once."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = calls
        self._known: dict[int, int] = {}
        self._numbers: dict[Any, int] = {}

    def number(self, index: int) -> int:
        """The number of ``calls[index]``."""
        found = self._known.get(index)
        if found is None:
            call = self._calls[index]
            key = (call.type, call.inputs, call.outputs, repr(call.settings), call.stood_in)
            found = self._known[index] = self._numbers.setdefault(key, len(self._numbers))
        return found

    def but_for_index(self, index: int) -> Any:
        """The same for calls that take other parts of a tensor, too: ``x[:, 0]`` and ``x[:, 1]``."""
        call = self._calls[index]
        part = part_taken(call)
        if part is None:
            return self.number(index)
        return call.type, call.inputs, call.outputs, call.stood_in, part[0]

    def index(self, index: int) -> tuple[int, ...]:
        """The numbers of the index of ``calls[index]``, where it takes a part of a tensor."""
        part = part_taken(self._calls[index])
        return () if part is None else part[1]


def repetition(rest: int, times: Callable[[int], int], longest: int, least: int = 2) -> tuple[int, int]:
    """The unit that repeats, and how often: what covers most of ``rest``, in the shortest unit.

    >>> repetition(7, lambda unit: {1: 1, 2: 3, 3: 2}[unit], longest=12)
    (2, 3)
    """
    best = (1, 1)
    for unit in range(1, min(longest, rest // 2) + 1):
        if best[0] * best[1] == rest:
            break  # nothing can cover more
        found = times(unit)
        if found >= least and unit * found > best[0] * best[1]:
            best = (unit, found)
    return best


def parents(calls: Sequence[Call]) -> list[int]:
    """For every call the index of the one it was made in, or -1.

    >>> parents([Call("a", "ReLU"), Call("b", "ReLU"), Call("", "Net", inner=2)])
    [2, 2, -1]
    """
    found = [-1] * len(calls)
    open_calls: list[int] = []
    for index, call in enumerate(calls):
        while call.inner and open_calls and open_calls[-1] >= index - call.inner:
            found[open_calls.pop()] = index
        open_calls.append(index)
    return found


def depths(report: Report) -> Callable[[str], int]:
    """How deep a path lies below the model; lists of modules are no level of their own."""
    types = {module.path: module.type for module in report.modules}
    known: dict[str, int] = {"": 0}

    def depth(path: str) -> int:
        found = known.get(path)
        if found is None:
            found = known[path] = depth(path.rpartition(".")[0]) + (types.get(path) not in LISTS)
        return found

    return depth


def holding(report: Report) -> set[str]:
    """The paths of the modules that hold parameters, their own or those of what is in them."""
    found: set[str] = set()
    for module in report.modules:
        path = module.path
        while module.parameters and path not in found:
            found.add(path)
            path = path.rpartition(".")[0]
    return found


def above(path: str) -> Iterator[str]:
    """The path itself and everything it lies in, up to the model.

    >>> list(above("a.b"))
    ['a.b', 'a', '']
    """
    yield path
    while path:
        path = path.rpartition(".")[0]
        yield path
