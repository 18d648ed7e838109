"""Whether what source says fits the live modules: the class, plain arguments, the children in their order.

A container's log is a regular expression over its elements, and its live children are the word.
What can stand at a position in *some* reading of the word is found, so that a unique answer is one
beyond doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, reduce
from itertools import accumulate
from operator import or_
from typing import TYPE_CHECKING

from convlin.source.state import State
from convlin.source.torch_names import Parameter, is_torch, made_by, parameters_of, takes_children
from convlin.source.values import (
    NEXT,
    Anything,
    Arguments,
    Const,
    Derived,
    Either,
    Instance,
    Item,
    Log,
    Made,
    Repeat,
    Thing,
    Unknown,
    Value,
    fits_key,
    is_shuffled,
    items,
)

if TYPE_CHECKING:
    from torch import nn

Candidate = tuple[Thing, State]


class _Reader:
    """Reads a log as a row of elements, each of which fits in some places of the row only.

    A set of positions in the row is a number with a bit for each.
    """

    def __init__(self, length: int, fits: Callable[[Item, int], bool]) -> None:
        self._all = (2 << length) - 1
        self._length = length
        self._fits = fits
        self._known: dict[int, int] = {}

    def across(self, log: Log, positions: int, *, back: bool = False) -> int:
        """The positions that the log leads to from some others, or those that lead to them."""
        for part in reversed(log) if back else log:
            match part:
                case Item(key=key):
                    moved = positions >> 1 & self._places(part) if back else (positions & self._places(part)) << 1
                    # Something kept under a name may be an attribute, or take the place of another.
                    positions = moved if key is NEXT else moved | positions
                case Either(branches=branches):
                    reached = (self.across(branch, positions, back=back) for branch in branches)
                    positions = reduce(or_, reached, 0)
                case Repeat(log=inner):
                    while (more := positions | self.across(inner, positions, back=back)) != positions:
                        positions = more
                case Anything():
                    lower, upper = (1 << positions.bit_length()) - 1, self._all & -(positions & -positions)
                    positions = lower if back else upper
        return positions

    def elements(self, log: Log, starts: int, ends: int) -> Iterator[tuple[int, Value]]:
        """What can stand at which place when the log leads from one of ``starts`` to one of ``ends``."""
        reached = list(accumulate(log, lambda now, part: self.across((part,), now), initial=starts))
        for part, before, behind in zip(reversed(log), reached[-2::-1], reached[::-1], strict=False):
            in_front = self.across((part,), ends, back=True)
            match part:
                case Item(value=value):
                    yield from ((index, value) for index in _bits(before & self._places(part) & ends >> 1))
                case Either(branches=branches):
                    for branch in branches:
                        yield from self.elements(branch, before, ends)
                case Repeat(log=inner):
                    yield from self.elements(inner, behind, in_front)
                case Anything():
                    yield from ((index, (Unknown(),)) for index in _bits(behind & in_front >> 1))
            ends = in_front

    def _places(self, item: Item) -> int:
        """Where an element fits."""
        if id(item) not in self._known:
            self._known[id(item)] = sum(1 << index for index in range(self._length) if self._fits(item, index))
        return self._known[id(item)]


def _bits(number: int) -> Iterator[int]:
    return (index for index in range(number.bit_length()) if number >> index & 1)


class Matcher:
    """What things may have become which live modules."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], bool] = {}
        # The keys are identities, so what they belong to must live as long.
        self._kept: list[object] = []

    def may_be(self, thing: Thing, state: State | None, module: nn.Module | None) -> bool:
        """Whether a thing may be this module; ``state`` says what it holds, None that this does not count."""
        if module is None or not isinstance(thing, Made):
            return not isinstance(thing, Const) if module is None else _is_open(thing)
        key = (id(thing), id(state), id(module))
        if key not in self._known:
            self._known[key] = True
            self._kept.append((thing, state, module))
            self._known[key] = self._made(thing, state, module)
        return self._known[key]

    def children(
        self, logs: Sequence[tuple[Log, State]], modules: Mapping[str, nn.Module | None]
    ) -> dict[str, list[Candidate]] | None:
        """What can have become each child of a container; None if the source does not fit it."""
        names = list(modules)
        replaced = [self._replaced([log for log, _ in logs], index, names) for index in range(len(names))]

        def fits(state: State, item: Item, index: int) -> bool:
            name = names[index]
            if not (name == str(index) if item.key is NEXT else fits_key(item.key, [name])):
                return False
            return replaced[index] or any(self.may_be(thing, state, modules[name]) for thing in item.value)

        readers = [(_Reader(len(names), partial(fits, state)), log, state) for log, state in logs]
        starts = list(accumulate(readers, lambda now, each: each[0].across(each[1], now), initial=1))
        ends = 1 << len(names)
        if not starts[-1] & ends:
            return None
        found: dict[str, list[Candidate]] = {name: [] for name in names}
        for (reader, log, state), start in zip(reversed(readers), starts[-2::-1], strict=True):
            for index, value in reader.elements(log, start, ends):
                found[names[index]] += [(thing, state) for thing in value]
            ends = reader.across(log, ends, back=True)
        return found

    def _replaced(self, logs: list[Log], index: int, names: list[str]) -> bool:
        """Whether the element that was here at first may have been exchanged."""
        here = [names[index], str(index - len(names))]
        return any(item.key is not NEXT and fits_key(item.key, here) for log in logs for item in items(log))

    def _made(self, thing: Made, state: State | None, module: nn.Module) -> bool:
        if thing.callee is None:
            return True
        if not made_by(thing.callee, type(module)) or not agrees(thing.callee, thing.arguments, module):
            return False
        if state is None:
            return True
        log = state.log.get(thing, ())
        if takes_children(thing.callee) not in ("Sequential", "ModuleList") or is_shuffled(log):
            return True
        return self.children([(log, state)], children(module)) is not None


def children(module: nn.Module) -> Mapping[str, nn.Module | None]:
    """The children of a module by the names in its code: those of a compiled one, and what is inside compiled ones."""
    from convlin._util.torch_private import uncompiled  # what looks for source alone needs no torch

    return {name: uncompiled(child) for name, child in module._modules.items()}


def within(root: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module once with its path, read past a model that uses ``named_modules`` for something of its own."""
    seen: set[int] = set()
    pending = [("", root)]
    while pending:
        path, module = pending.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        yield path, module
        inner = [(f"{path}.{name}" if path else name, child) for name, child in children(module).items()]
        pending += [(name, child) for name, child in reversed(inner) if child is not None]


def child_at(root: nn.Module, path: str) -> nn.Module:
    """The module at ``path``, which exists."""
    for name in filter(None, path.split(".")):
        inner = children(root)[name]
        assert inner is not None
        root = inner
    return root


def agrees(callee: type, arguments: Arguments, module: nn.Module) -> bool:
    """Whether the plain arguments of a call are what the module declares.

    Only asked of PyTorch's own layers, which keep their arguments under the same names.  Fractions
    are left out: people change ``eps`` or ``momentum`` of a layer that is there.
    """
    if not is_torch(callee):
        return True
    return all(_agrees(parameter, arguments, module) for parameter in parameters_of(callee))


def _agrees(parameter: Parameter, arguments: Arguments, module: nn.Module) -> bool:
    value = arguments.get(parameter.position, parameter.name)
    if not value:
        return arguments.is_open or not parameter.has_default or _same(parameter.default, parameter.name, module)
    return any(not isinstance(thing, Const) or _same(thing.value, parameter.name, module) for thing in value)


def _same(value: object, name: str, module: nn.Module) -> bool:
    if not isinstance(value, int | str | tuple) or not (name in module.__dict__ or name in module._parameters):
        return True
    if name not in module.__dict__:
        return not isinstance(value, bool) or value is (module._parameters[name] is not None)
    declared = module.__dict__[name]
    if isinstance(declared, tuple | list) and isinstance(value, int):
        return all(each == value for each in declared)
    if isinstance(declared, tuple | list) and isinstance(value, tuple):
        return tuple(declared) == value
    numbers = isinstance(declared, int | float) and isinstance(value, int)
    texts = isinstance(declared, str) and isinstance(value, str)
    return declared == value if numbers or texts else True


def _is_open(thing: Thing) -> bool:
    return isinstance(thing, Unknown | Derived | Instance)
