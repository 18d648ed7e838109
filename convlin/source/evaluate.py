"""What an expression may evaluate to."""

from __future__ import annotations

import ast
import builtins
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from types import ModuleType
from typing import Final

from convlin.source.constants import arithmetic, comparison, lifted, named, negated, pattern, single, truth
from convlin.source.contents import contents, elements, mapping
from convlin.source.session import Session
from convlin.source.state import State, repeated, ways
from convlin.source.values import (
    ABSENT,
    NEXT,
    Anything,
    Arguments,
    Bunch,
    Closure,
    Const,
    Derived,
    Frame,
    Instance,
    Item,
    Log,
    Made,
    Ref,
    Repeat,
    Text,
    Thing,
    Unknown,
    Value,
    blurred,
    constant,
    is_shuffled,
    key_of,
    reaching,
    union,
)

# None is a constant that a class may keep.
_NOTHING: Final = object()


class Evaluator(ABC):
    """Expressions of one frame.  ``state`` is changed by what they do."""

    def __init__(self, session: Session, frame: Frame) -> None:
        self.session = session
        self.frame = frame
        self.looping = 0

    @abstractmethod
    def call(self, node: ast.Call, state: State) -> Value:
        """What a call gives back."""

    def value(self, node: ast.expr, state: State) -> Value:
        """The things that an expression may evaluate to."""
        self.session.spend()
        match node:
            case ast.Constant(value=plain):
                return constant(plain, node, self.frame, firm=True)
            case ast.Name(id=name):
                return self._name(name, node, state)
            case ast.Attribute(value=base, attr=attr):
                owners = self.value(base, state)
                return union(self.attribute(owner, attr, node, state) for owner in owners)
            case ast.Call():
                return self.call(node, state)
            case ast.Tuple() | ast.List() | ast.Set():
                return self._sequence(node, state)
            case ast.Dict():
                return self._dict(node, state)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, state)
            case ast.Subscript(value=base, slice=index):
                return self._subscript(self.value(base, state), self.value(index, state), node, state)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._choice(test, body, orelse, state)
            case ast.BoolOp(values=values):
                return ways([partial(self.value, each) for each in values], state)
            case ast.NamedExpr(target=target, value=inner):
                state.locals[target.id] = found = self.value(inner, state)
                return found
            case ast.Lambda():
                return (Closure(node, self.frame, dict(state.locals)),)
            case ast.Starred(value=inner):
                return self.value(inner, state)
        return self._computed(node, state)

    def attribute(self, owner: Thing, name: str, node: ast.expr, state: State) -> Value:
        """``owner.name``."""
        if isinstance(owner, Ref):
            if isinstance(owner.target, ModuleType):
                # vars and not getattr: a module may load things when asked for an attribute.
                return named(vars(owner.target), name, node)
            plain = _class_attribute(owner.target, name) if isinstance(owner.target, type) else None
            return plain or (Derived(owner, name),)
        stored = reaching(state.log.get(owner, ()), frozenset([name]), (ABSENT,))
        if ABSENT not in stored:
            return stored
        rest = tuple(thing for thing in stored if thing is not ABSENT)
        if isinstance(owner, Instance) and not rest:
            return _class_attribute(owner.cls, name) or (Derived(owner, name),)
        return (*rest, Derived(owner, name))

    def bind(self, target: ast.expr, value: Value, state: State) -> None:
        """Assign a value."""
        match target:
            case ast.Name(id=name):
                state.locals[name] = value
            case ast.Attribute(value=base, attr=attr):
                state.record(self.value(base, state), Item(attr, value))
            case ast.Subscript(value=ast.Attribute(value=base, attr="_modules"), slice=index):
                state.record(self.value(base, state), Item(key_of(self.value(index, state)), value))
            case ast.Subscript(value=base, slice=index):
                key = key_of(self.value(index, state))
                part = Anything(shuffled=True) if isinstance(index, ast.Slice) else Item(key, value)
                state.record(self.value(base, state), part)
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                parts = elements(value, state)
                fits = parts is not None and len(parts) == len(targets)
                fits = fits and not any(isinstance(each, ast.Starred) for each in targets)
                for each, found in zip(targets, parts if parts and fits else [()] * len(targets), strict=True):
                    self.bind(each, found or (Unknown(each, self.frame),), state)
            case ast.Starred(value=inner):
                self.bind(inner, (Unknown(inner, self.frame),), state)

    def loop(self, body: Callable[[State], State | None], rebound: Iterable[str], state: State) -> State:
        """What is known after any number of turns of a loop."""
        start = state.copy()
        for name in rebound:
            if name in start.locals:
                start.locals[name] = blurred(start.locals[name])
        entry = start
        self.looping += 1
        # What the first turn leaves behind is there in the second; more turns add nothing new,
        # because numbers, which could change for ever, are not kept from one turn to the next.
        for _ in range(2):
            end = body(entry.copy())
            if end is None:
                entry = start
                break
            entry = repeated(start, entry, end)
        self.looping -= 1
        return entry

    def turn(self, iterated: Value, node: ast.expr, state: State) -> Value:
        """What the variable of a loop may stand for."""
        parts = elements(iterated, state)
        return blurred(union(parts)) if parts else (Unknown(node, self.frame),)

    def bunch(self, node: ast.AST, kind: str, log: Log, state: State) -> Value:
        """A new list, tuple or dict."""
        made = Bunch(node, self.frame, kind)
        state.log[made] = log
        return (made,)

    def _name(self, name: str, node: ast.Name, state: State) -> Value:
        if name in state.locals:
            return state.locals[name] or (Unknown(node, self.frame),)
        if name in self.frame.local_names:
            return (Unknown(node, self.frame),)
        if name in self.frame.outer:
            return self.frame.outer[name]
        return named(self.frame.globals if name in self.frame.globals else vars(builtins), name, node)

    def _sequence(self, node: ast.Tuple | ast.List | ast.Set, state: State) -> Value:
        log = self.arguments(node.elts, [], state).log
        values = [single(part.value) for part in log if isinstance(part, Item)]
        plain = [found for found in values if found is not None and found.kind is not tuple]
        if isinstance(node, ast.Tuple) and len(plain) == len(log):
            firm = all(found.firm for found in plain)
            return constant(tuple(found.value for found in plain), node, self.frame, firm=firm)
        return self.bunch(node, "tuple" if isinstance(node, ast.Tuple) else "list", log, state)

    def arguments(self, positional: list[ast.expr], keywords: list[ast.keyword], state: State) -> Arguments:
        """What is passed in a call, or listed in a display."""
        log: Log = ()
        for node in positional:
            value = self.value(node, state)
            log += contents(value, state) if isinstance(node, ast.Starred) else (Item(NEXT, value),)
        known = next((i for i, part in enumerate(log) if not isinstance(part, Item)), len(log))
        named: dict[str, Value] = {}
        is_open = known < len(log)
        for keyword in keywords:
            value = self.value(keyword.value, state)
            if keyword.arg is not None:
                named[keyword.arg] = value
                continue
            for part in mapping(value, state):
                if isinstance(part, Item) and isinstance(part.key, str):
                    named[part.key] = part.value
                else:
                    is_open = True
        values = tuple(part.value for part in log[:known] if isinstance(part, Item))
        return Arguments(values, named, is_open, log)

    def _dict(self, node: ast.Dict, state: State) -> Value:
        log: Log = ()
        for key, inner in zip(node.keys, node.values, strict=True):
            name = None if key is None else key_of(self.value(key, state))
            value = self.value(inner, state)
            log += mapping(value, state) if key is None else (Item(name, value),)
        return self.bunch(node, "dict", log, state)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, state: State) -> Value:
        result = self.bunch(node, "dict" if isinstance(node, ast.DictComp) else "list", (), state)
        kept = dict(state.locals)

        def element(turn: State) -> State:
            for generator in node.generators:
                iterated = self.value(generator.iter, turn)
                self.bind(generator.target, self.turn(iterated, generator.target, turn), turn)
                for test in generator.ifs:
                    self.value(test, turn)
            if isinstance(node, ast.DictComp):
                turn.record(result, Item(key_of(self.value(node.key, turn)), self.value(node.value, turn)))
            else:
                turn.record(result, Item(NEXT, self.value(node.elt, turn)))
            return turn

        state.become(self.loop(element, (), state))
        state.locals = kept
        return result

    def _subscript(self, owners: Value, index: Value, node: ast.Subscript, state: State) -> Value:
        key = key_of(index)
        if not isinstance(key, str):
            return (Unknown(node, self.frame),)
        return union(self._element(owner, key, node, state) for owner in owners)

    def _element(self, owner: Thing, key: str, node: ast.Subscript, state: State) -> Value:
        log = state.log.get(owner, ())
        if isinstance(owner, Ref | Text | Closure) or is_shuffled(log):
            return (Unknown(node, self.frame),)
        parts = elements((owner,), state) if isinstance(owner, Const | Bunch | Made) else None
        if parts is not None and key.lstrip("-").isdecimal() and -len(parts) <= int(key) < len(parts):
            return parts[int(key)]
        stored = reaching(log, frozenset([key]), (ABSENT,))
        return union((Derived(owner, key),) if thing is ABSENT else (thing,) for thing in stored)

    def _choice(self, test: ast.expr, body: ast.expr, orelse: ast.expr, state: State) -> Value:
        holds = truth(self.value(test, state))
        if holds is not None:
            return self.value(body if holds else orelse, state)
        return ways([partial(self.value, body), partial(self.value, orelse)], state)

    def _computed(self, node: ast.expr, state: State) -> Value:
        unknown = (Unknown(node, self.frame),)
        match node:
            case ast.BinOp(left=left, op=operation, right=right):
                return self.operation(node, operation, self.value(left, state), self.value(right, state), state)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return negated(self.value(operand, state)) or unknown
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                holds = truth(self.value(operand, state))
                return unknown if holds is None else constant(not holds, firm=True)
            case ast.Compare(left=left, ops=operations, comparators=others):
                return comparison(operations, [self.value(each, state) for each in (left, *others)]) or unknown
            case ast.JoinedStr(values=values):
                return self._joined(values, state)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child, state)
        return unknown

    def operation(self, node: ast.AST, operation: ast.operator, left: Value, right: Value, state: State) -> Value:
        """Two things computed with: numbers, text, or lists that are put together."""
        unknown = (Unknown(node, self.frame),)
        if not any(isinstance(thing, Bunch) for thing in (*left, *right)):
            return arithmetic(operation, left, right) or unknown
        if isinstance(operation, ast.Mult):
            sides = [contents((thing,), state) for thing in (*left, *right) if isinstance(thing, Bunch)]
            return self.bunch(node, "list", tuple(Repeat(side) for side in sides), state)
        if not isinstance(operation, ast.Add):
            return unknown
        return self.bunch(node, "list", contents(left, state) + contents(right, state), state)

    def _joined(self, values: list[ast.expr], state: State) -> Value:
        parts = [
            self.value(part.value if isinstance(part, ast.FormattedValue) else part, state)
            for part in values
        ]  # fmt: skip
        known = [single(part) for part in parts]
        if any(isinstance(part, ast.FormattedValue) and part.format_spec for part in values) or None in known:
            return (Text("".join(map(pattern, parts))),)
        return constant("".join(str(found.value) for found in known if found is not None))


def _class_attribute(cls: type, name: str) -> Value | None:
    """A class or a constant that a class keeps; None for a method, and for what is not there."""
    found = inspect.getattr_static(cls, name, _NOTHING)
    plain = lifted(found)
    return plain if isinstance(found, type) or single(plain) is not None else None
