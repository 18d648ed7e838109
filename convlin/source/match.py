"""Whether what source says fits the live modules: the class, plain arguments, the children in their order.

A container's log is a regular expression over its elements, and its live children are the word.
What can stand at a position in *some* reading of the word is found, so that a unique answer is one
beyond doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from convlin.source.state import State
from convlin.source.torch_names import Parameter, is_torch, made_by, parameters_of, takes_children
from convlin.source.values import (
    Anything,
    Arguments,
    Const,
    Derived,
    Either,
    Instance,
    Item,
    Key,
    Log,
    Made,
    Next,
    Repeat,
    Thing,
    Unknown,
    Value,
    is_shuffled,
    items,
)

if TYPE_CHECKING:
    from torch import nn

Candidate = tuple[Thing, State]


class _Edge(NamedTuple):
    start: int
    end: int
    item: Item | None
    state: State


class _Automaton:
    """The readings of a log: Thompson's construction."""

    def __init__(self) -> None:
        self.edges: list[_Edge] = []
        self._jumps: list[tuple[int, int]] = []
        self._count = 0

    def node(self) -> int:
        self._count += 1
        return self._count - 1

    def add(self, log: Log, state: State, start: int) -> int:
        """Append a log; the node at its end."""
        for part in log:
            start = self._add(part, state, start)
        return start

    def _add(self, part: Item | Either | Repeat | Anything, state: State, start: int) -> int:
        end = self.node()
        match part:
            case Item(key=key):
                self.edges.append(_Edge(start, end, part, state))
                # Something kept under a name may be an attribute, or take the place of another.
                if not isinstance(key, Next):
                    self._jumps.append((start, end))
            case Either(branches=branches):
                for branch in branches:
                    self._jumps.append((self.add(branch, state, start), end))
            case Repeat(log=log):
                self._jumps += [(start, end), (self.add(log, state, end), end)]
            case Anything():
                self._jumps.append((start, end))
                self.edges.append(_Edge(end, end, None, state))
        return end

    def closure(self, nodes: Iterable[int], *, backward: bool = False) -> frozenset[int]:
        """All nodes that can be reached without consuming an element."""
        steps: dict[int, list[int]] = {}
        for start, end in self._jumps:
            steps.setdefault(end if backward else start, []).append(start if backward else end)
        found: set[int] = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += steps.get(node, [])
        return frozenset(found)


def readings(
    logs: Sequence[tuple[Log, State]], length: int, fits: Callable[[_Edge, int], bool]
) -> list[list[_Edge]] | None:
    """For each position the elements that can stand there; None if no reading has that length."""
    automaton = _Automaton()
    start = end = automaton.node()
    for log, state in logs:
        end = automaton.add(log, state, end)
    steps = [[edge for edge in automaton.edges if fits(edge, index)] for index in range(length)]
    forward = [automaton.closure([start])]
    for edges in steps:
        forward.append(automaton.closure(edge.end for edge in edges if edge.start in forward[-1]))
    if end not in forward[-1]:
        return None
    backward = [automaton.closure([end], backward=True)]
    for edges in reversed(steps):
        backward.append(automaton.closure((edge.start for edge in edges if edge.end in backward[-1]), backward=True))
    backward.reverse()
    return [
        [edge for edge in edges if edge.start in forward[index] and edge.end in backward[index + 1]]
        for index, edges in enumerate(steps)
    ]


def fits_key(key: Key, names: Iterable[str]) -> bool:
    """Whether something stored under a key may be found under one of some names."""
    if isinstance(key, str):
        return key in names
    if isinstance(key, re.Pattern):
        return any(map(key.fullmatch, names))
    return key is None


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

        def fits(edge: _Edge, index: int) -> bool:
            name = names[index]
            if edge.item is None:
                return True
            key = edge.item.key
            if not (name == str(index) if isinstance(key, Next) else fits_key(key, [name])):
                return False
            return replaced[index] or any(self.may_be(thing, edge.state, modules[name]) for thing in edge.item.value)

        found = readings(logs, len(names), fits)
        if found is None:
            return None
        return {name: list(_candidates(edges)) for name, edges in zip(names, found, strict=True)}

    def _replaced(self, logs: list[Log], index: int, names: list[str]) -> bool:
        """Whether the element that was here at first may have been exchanged."""
        here = [names[index], str(index - len(names))]
        return any(not isinstance(item.key, Next) and fits_key(item.key, here) for log in logs for item in items(log))

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
    """The children of a module by name; one that TorchScript runs keeps them in something of its own."""
    held = module._modules
    return held if isinstance(held, dict) else dict(held.items())


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


def _candidates(edges: list[_Edge]) -> Iterator[Candidate]:
    for edge in edges:
        value: Value = (Unknown(),) if edge.item is None else edge.item.value
        for thing in value:
            yield thing, edge.state
