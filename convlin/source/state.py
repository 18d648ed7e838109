"""What is known at a point of the code, and what is known where several ways of the code meet.

A branch works on a copy.  Where branches meet, or a loop turns, what is the same in all of them stands
once in a log and the rest becomes an alternative or a repetition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from convlin.source.values import Bunch, Either, Log, Made, Part, Repeat, Thing, Value, blurred, union


@dataclass(slots=True)
class State:
    """What is known at one point of the code: local names, and what was put into every thing."""

    locals: dict[str, Value] = field(default_factory=dict)
    log: dict[Thing, Log] = field(default_factory=dict)

    def copy(self) -> State:
        """An independent copy, for a branch."""
        return State(dict(self.locals), dict(self.log))

    def become(self, other: State | None) -> None:
        """Go on with what is known at another point; None, from code that never comes back, changes nothing."""
        if other is not None:
            self.locals, self.log = other.locals, other.log

    def known(self, thing: Thing) -> Log | None:
        """The log of a thing; None for one that this way of the code has not made."""
        return self.log.get(thing, None if isinstance(thing, Bunch | Made) else ())

    def record(self, value: Value, part: Part) -> None:
        """Something happens to a thing: for certain if the value is one thing, else perhaps."""
        added: Log = (part,) if len(value) == 1 else (Either(((part,), ())),)
        for thing in value:
            self.log[thing] = self.log.get(thing, ()) + added


def joined(states: Iterable[State | None]) -> State | None:
    """What is known where several ways of the code meet; None stands for a way that does not get there."""
    result: State | None = None
    for state in states:
        if result is None or state is None:
            result = state or result
            continue
        result = State(
            {
                name: union([result.locals.get(name, ()), state.locals.get(name, ())])
                for name in {**result.locals, **state.locals}
            },
            {
                thing: _either(result.known(thing), state.known(thing))
                for thing in {**result.log, **state.log}
            },
        )  # fmt: skip
    return result


def ways(evaluations: Iterable[Callable[[State], Value]], state: State) -> Value:
    """Several ways in which the code may go on, and what each of them evaluates to."""
    values: list[Value] = []
    states: list[State] = []
    for evaluate in evaluations:
        way = state.copy()
        values.append(evaluate(way))
        states.append(way)
    state.become(joined(states))
    return union(values)


def repeated(start: State, entry: State, end: State) -> State:
    """What is known after a loop, whose body led from ``entry`` to ``end``, was entered at ``start``."""
    names = {
        name: union([start.locals.get(name, ()), blurred(end.locals[name])])
        if end.locals[name] is not start.locals.get(name)
        else end.locals[name]
        for name in end.locals
    }
    logs = dict(end.log)
    for thing, log in end.log.items():
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
    for thing, log in end.log.items():
        known = start.known(thing) or ()
        count = _common(known, log)
        logs[thing] = (*log[:count], *(Either(((part,), ())) for part in log[count:]))
    return State(end.locals, logs)


def _either(one: Log | None, other: Log | None) -> Log:
    if one is None or other is None:
        return one or other or ()
    same = _common(one, other)
    if same == len(one) == len(other):
        return one
    return (*one[:same], Either((one[same:], other[same:])))


def _common(one: Log, other: Log) -> int:
    """How many parts two logs share at their start."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left is not right:
            break
        count += 1
    return count
