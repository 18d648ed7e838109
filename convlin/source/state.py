"""What is known at a point of the code, and what is known where several ways of the code meet.

A branch works on a copy.  Where branches meet, or a loop turns, what is the same in all of them stands
once in a log and the rest becomes an alternative or a repetition.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, compress, count, islice
from operator import is_, is_not
from typing import Any

from convlin.source.values import (
    NEXT,
    Anything,
    Bunch,
    Const,
    Either,
    Item,
    Log,
    Made,
    Part,
    Repeat,
    Thing,
    Value,
    blurred,
    constant,
    is_shuffled,
    items,
    key_of,
    rekeyed,
    union,
)


@dataclass(slots=True)
class State:
    """What is known at one point of the code: local names, and what was put into every thing."""

    locals: dict[str, Value] = field(default_factory=dict)
    log: dict[Thing, Log] = field(default_factory=dict)
    is_dead: bool = False
    """The code does not get here."""
    owner: type | None = None
    """The class whose code was followed up to here, from its first line to its last."""

    def copy(self) -> State:
        """An independent copy, for a branch."""
        return State(dict(self.locals), dict(self.log))

    def known(self, thing: Thing) -> Log | None:
        """The log of a thing; None for one that this way of the code has not made."""
        return self.log.get(thing, None if isinstance(thing, Bunch | Made) else ())

    def record(self, value: Value, *parts: Part) -> None:
        """Something happens to a thing: for certain if the value is one thing, else perhaps."""
        added = parts if len(value) == 1 else tuple(map(_perhaps, parts))
        for thing in value:
            self.log[thing] = self.log.get(thing, ()) + added

    def contents(self, value: Value) -> Log:
        """The elements that one gets by iterating over a value."""
        return _one_of([self._contents(thing) for thing in value])

    def mapping(self, value: Value) -> Log:
        """The entries that one gets by reading a value as a dict, or as a list of pairs."""
        return _one_of([self._mapping(thing) for thing in value])

    def elements(self, value: Value) -> list[Value] | None:
        """The elements of a value whose length is known."""
        log = self.contents(value)
        found = [part.value for part in log if isinstance(part, Item)]
        return found if len(found) == len(log) else None

    def _contents(self, thing: Thing) -> Log:
        if isinstance(thing, Const) and isinstance(thing.value, tuple):
            return tuple(Item(NEXT, constant(part, firm=thing.firm)) for part in thing.value)
        if not isinstance(thing, Made | Bunch):
            return (Anything(),)
        log = self.log.get(thing, ())
        log = rekeyed(log, lambda item: Item(NEXT, item.value)) if isinstance(thing, Made) else log
        # A name is that of an element exchanged afterwards, or of a dict's entry: a dict gives its keys.
        is_keyed = any(item.key is not NEXT for item in items(log))
        return (Anything(),) if is_keyed or is_shuffled(log) else log

    def _mapping(self, thing: Thing) -> Log:
        log = self.log.get(thing, ())
        if not isinstance(thing, Bunch) or is_shuffled(log):
            return (Anything(),)
        return log if thing.kind == "dict" else rekeyed(log, self._pair)

    def _pair(self, item: Item) -> Item | Anything:
        parts = self.elements(item.value)
        return Item(key_of(parts[0]), parts[1]) if parts and len(parts) == 2 else Anything()


def joined(states: Iterable[State]) -> State:
    """What is known where several ways of the code meet, those left out that do not get there."""
    first, *others = [state for state in states if not state.is_dead] or [State(is_dead=True)]
    for other in others:
        first = State(_joined_locals(first.locals, other.locals), _joined_logs(first, other))
    return first


# Most of what two ways know is the very same object, told by its identity: a long constructor has many branches.


def _joined_locals(one: dict[str, Value], other: dict[str, Value]) -> dict[str, Value]:
    if _are_same(one, other):
        return dict(one)
    return {
        name: one[name]
        if name in one and one[name] is other.get(name)
        else union([one.get(name, ()), other.get(name, ())])
        for name in {**one, **other}
    }


def _joined_logs(one: State, other: State) -> dict[Thing, Log]:
    logs = dict(one.log)
    for thing in _changed(one.log, other.log):
        logs[thing] = _either(one.known(thing), other.log[thing])
    for thing in islice(one.log, _common(one.log, other.log), None):
        if thing not in other.log:
            logs[thing] = _either(one.log[thing], other.known(thing))
    return logs


def _changed(before: dict[Thing, Log], now: dict[Thing, Log]) -> Iterator[Thing]:
    """The things whose log is not the very same any more.

    Things that both met first in the same order are told without a step for each: one is slow to look up, as its hash
    goes through all that it is made of.
    """
    same = _common(before, now)
    yield from compress(now, map(is_not, islice(before.values(), same), now.values()))
    yield from (thing for thing in islice(now, same, None) if now[thing] is not before.get(thing))


def _are_same(one: dict[Any, Any], other: dict[Any, Any]) -> bool:
    """Whether two ways know the very same, as behind most branches: told without a step for each thing."""
    return len(one) == len(other) and all(map(is_, one, other)) and all(map(is_, one.values(), other.values()))


def repeated(start: State, entry: State, end: State) -> State:
    """What is known after a loop, whose body led from ``entry`` to ``end``, was entered at ``start``."""
    names = {
        name: value if value is start.locals.get(name) else union([start.locals.get(name, ()), blurred(value)])
        for name, value in end.locals.items()
    }
    logs = dict(end.log)
    for thing in dict.fromkeys(chain(_changed(entry.log, end.log), _changed(start.log, end.log))):
        log = end.log[thing]
        known, before = entry.known(thing), start.known(thing)
        # A thing made inside the loop is made afresh at every turn: its log is that of one turn.
        if known is None or before is None or _common(known, log) < len(known):
            continue
        rest = log[len(known) :]
        logs[thing] = (*before, Repeat(rest)) if rest else before
    return State(names, logs)


def partly(start: State, end: State) -> State:
    """What is known when of all that happened between two states only some may have happened."""
    logs = dict(end.log)
    for thing in _changed(start.log, end.log):
        log = end.log[thing]
        same = _common(start.known(thing) or (), log)
        logs[thing] = (*log[:same], *map(_perhaps, log[same:]))
    return State(end.locals, logs)


def _perhaps(part: Part) -> Part:
    return Either(((part,), ()))


def _one_of(logs: list[Log]) -> Log:
    return logs[0] if len(logs) == 1 else (Either(tuple(logs)),)


def _either(one: Log | None, other: Log | None) -> Log:
    if one is None or other is None:
        return one or other or ()
    same = _common(one, other)
    if same == len(one) == len(other):
        return one
    return (*one[:same], Either((one[same:], other[same:])))


def _common(one: Collection[object], other: Collection[object]) -> int:
    """How many parts two logs share at their start, or things that were met."""
    return next(compress(count(), map(is_not, one, other)), min(len(one), len(other)))
