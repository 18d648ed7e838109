"""What one gets by going through a value: its elements, or its entries as a dict."""

from __future__ import annotations

from convlin.source.state import State
from convlin.source.values import (
    NEXT,
    Anything,
    Bunch,
    Const,
    Either,
    Item,
    Log,
    Made,
    Next,
    Value,
    constant,
    is_shuffled,
    items,
    key_of,
    rekeyed,
)


def contents(value: Value, state: State) -> Log:
    """The elements that one gets by iterating over a value."""
    logs: list[Log] = []
    for thing in value:
        match thing:
            case Const(value=tuple() as parts, firm=firm):
                logs.append(tuple(Item(NEXT, constant(part, firm=firm)) for part in parts))
            case Made() | Bunch():
                log = state.log.get(thing, ())
                log = rekeyed(log, lambda item: Item(NEXT, item.value)) if isinstance(thing, Made) else log
                # A name is that of an element exchanged afterwards, or of a dict's entry: a dict gives its keys.
                keyed = any(not isinstance(item.key, Next) for item in items(log))
                logs.append((Anything(),) if keyed or is_shuffled(log) else log)
            case _:
                logs.append((Anything(),))
    return _one_of(logs)


def mapping(value: Value, state: State) -> Log:
    """The entries that one gets by reading a value as a dict, or as a list of pairs."""
    logs: list[Log] = []
    for thing in value:
        log = state.log.get(thing, ())
        if not isinstance(thing, Bunch) or is_shuffled(log):
            logs.append((Anything(),))
        elif thing.kind == "dict":
            logs.append(log)
        else:
            logs.append(rekeyed(log, lambda item: _pair(item, state)))
    return _one_of(logs)


def elements(value: Value, state: State) -> list[Value] | None:
    """The elements of a value whose length is known."""
    log = contents(value, state)
    found = [part.value for part in log if isinstance(part, Item)]
    return found if len(found) == len(log) else None


def _one_of(logs: list[Log]) -> Log:
    return logs[0] if len(logs) == 1 else (Either(tuple(logs)),)


def _pair(item: Item, state: State) -> Item | Anything:
    parts = elements(item.value, state)
    return Item(key_of(parts[0]), parts[1]) if parts and len(parts) == 2 else Anything()
