"""What an expression may evaluate to."""

from __future__ import annotations

import ast
import builtins
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Final

from convlin.source.constants import computed, is_literal, lifted, named, pattern, single, truth
from convlin.source.frames import Session
from convlin.source.state import State, joined, repeated
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
    some_of,
    union,
)

# None is a constant that a class may keep.
_NOTHING: Final = object()


class Expressions(ABC):
    """Expressions of one frame.  ``state`` is what is known where the code has got to."""

    def __init__(self, session: Session, frame: Frame, state: State) -> None:
        self.session = session
        self.frame = frame
        self.state = state
        self.looping = 0

    @abstractmethod
    def call(self, node: ast.Call) -> Value:
        """What a call gives back."""

    def value(self, node: ast.expr) -> Value:
        """The things that an expression may evaluate to."""
        self.session.spend()
        match node:
            case ast.Constant(value=plain):
                return constant(plain, node, self.frame, firm=True)
            case ast.Name(id=name):
                return self._name(name, node)
            case ast.Attribute(value=base, attr=attr):
                return self.attribute(self.value(base), attr, node)
            case ast.Call():
                return self.call(node)
            case ast.Tuple() | ast.List() | ast.Set():
                return self._sequence(node)
            case ast.Dict():
                return self._dict(node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node)
            case ast.Subscript(value=base, slice=ast.Slice(step=None)):
                return self._slice(self.value(base), node)
            case ast.Subscript(value=base, slice=index):
                return self._subscript(self.value(base), key_of(self.value(index)), node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.choice(test, partial(self.value, body), partial(self.value, orelse))
            case ast.BoolOp(values=values):
                return self.one_of([partial(self.value, each) for each in values])
            case ast.NamedExpr(target=target, value=inner):
                self.state.locals[target.id] = found = self.value(inner)
                return found
            case ast.Lambda():
                return (Closure(node, self.frame, dict(self.state.locals)),)
            case ast.Starred(value=inner):
                return self.value(inner)
            case ast.BinOp(left=left, op=operation, right=right):
                found = self.operation(node, operation, self.value(left), self.value(right))
                number = single(found) if is_literal(node) else None
                return found if number is None else (replace(number, node=node, frame=self.frame),)
            case ast.UnaryOp(op=sign, operand=operand):
                return computed(sign, self.value(operand)) or self.unknown(node)
            case ast.Compare(left=left, ops=[operation], comparators=[right]):
                return computed(operation, self.value(left), self.value(right)) or self.unknown(node)
            case ast.JoinedStr(values=parts):
                return self._joined(parts)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
        return self.unknown(node)

    def unknown(self, node: ast.AST | None) -> Value:
        """Anything at all, the same each time that the node is evaluated."""
        return (Unknown(node, self.frame),)

    def attribute(self, owners: Value, name: str, node: ast.AST | None) -> Value:
        """``owner.name``."""
        return union(self._attribute(owner, name, node) for owner in owners)

    def _attribute(self, owner: Thing, name: str, node: ast.AST | None) -> Value:
        if isinstance(owner, Ref) and isinstance(owner.target, ModuleType):
            # vars and not getattr: a module may load things when asked for an attribute.
            return named(vars(owner.target), name, node)
        cls = owner.target if isinstance(owner, Ref) else owner.cls if isinstance(owner, Instance) else None
        stored = reaching(self.state.log.get(owner, ()), frozenset([name]), (ABSENT,))
        if ABSENT not in stored:
            return stored
        rest = tuple(thing for thing in stored if thing is not ABSENT)
        kept = _class_attribute(cls, name) if isinstance(cls, type) and not rest else None
        return kept or (*rest, Derived(owner, name))

    def bind(self, target: ast.expr, value: Value) -> None:
        """Assign a value."""
        match target:
            case ast.Name(id=name):
                self.state.locals[name] = value
            case ast.Attribute(value=base, attr=attr):
                self.state.record(self.value(base), Item(attr, value))
            case ast.Subscript(value=ast.Attribute(value=base, attr="_modules") | base, slice=index):
                key = key_of(self.value(index))
                is_slice = isinstance(index, ast.Slice)
                self.state.record(self.value(base), Anything(shuffled=True) if is_slice else Item(key, value))
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                parts = self.state.elements(value)
                if not parts or len(parts) != len(targets) or any(isinstance(each, ast.Starred) for each in targets):
                    parts = [()] * len(targets)
                for each, found in zip(targets, parts, strict=True):
                    self.bind(each, found or self.unknown(each))
            case ast.Starred(value=inner):
                self.bind(inner, self.unknown(inner))

    def one_of(self, ways: Sequence[Callable[[], Value]]) -> Value:
        """Several ways in which the code may go on, and what each of them evaluates to."""
        if len(ways) == 1:
            return ways[0]()
        start = self.state
        values: list[Value] = []
        ends: list[State] = []
        for way in ways:
            self.state = start.copy()
            values.append(way())
            ends.append(self.state)
        self.state = joined(ends)
        return union(values)

    def choice(self, test: ast.expr, yes: Callable[[], Value], no: Callable[[], Value]) -> Value:
        """One of two ways, or both where nothing tells which."""
        holds = truth(self.value(test))
        if holds is None:
            return self.one_of([yes, no])
        return yes() if holds else no()

    def loop(self, turn: Callable[[], None], rebound: Iterable[str] = ()) -> None:
        """Any number of turns of a loop."""
        start = self.state.copy()
        for name in start.locals.keys() & rebound:
            start.locals[name] = blurred(start.locals[name])
        entry = start
        self.looping += 1
        # What the first turn leaves behind is there in the second; more turns add nothing new,
        # because numbers, which could change for ever, are not kept from one turn to the next.
        for _ in range(2):
            self.state = entry.copy()
            turn()
            entry = start if self.state.is_dead else repeated(start, entry, self.state)
        self.looping -= 1
        self.state = entry

    def turn(self, iterated: Value, target: ast.expr) -> None:
        """Let the variable of a loop stand for any of the elements."""
        parts = self.state.elements(iterated)
        self.bind(target, blurred(union(parts)) if parts else self.unknown(target))

    def bunch(self, node: ast.AST | None, kind: str, log: Log) -> Value:
        """A new list, tuple or dict."""
        assert node is not None
        made = Bunch(node, self.frame, kind)
        self.state.log[made] = log
        return (made,)

    def arguments(
        self, node: ast.AST, positional: Iterable[ast.expr], keywords: Iterable[ast.keyword] = ()
    ) -> Arguments:
        """What is passed in a call, or listed in a display."""
        log: Log = ()
        for each in positional:
            value = self.value(each)
            log += self.state.contents(value) if isinstance(each, ast.Starred) else (Item(NEXT, value),)
        known = next((i for i, part in enumerate(log) if not isinstance(part, Item)), len(log))
        entries: Log = ()
        for keyword in keywords:
            value = self.value(keyword.value)
            entries += (Item(keyword.arg, value),) if keyword.arg is not None else self.state.mapping(value)
        by_name = {part.key: part.value for part in entries if isinstance(part, Item) and isinstance(part.key, str)}
        return Arguments(
            node,
            tuple(part.value for part in log[:known] if isinstance(part, Item)),
            by_name,
            known < len(log) or any(not isinstance(part, Item) or not isinstance(part.key, str) for part in entries),
            log,
        )

    def operation(self, node: ast.AST, operation: ast.operator, left: Value, right: Value) -> Value:
        """Two things computed with: numbers, text, or lists that are put together."""
        lists = [thing for thing in (*left, *right) if isinstance(thing, Bunch)]
        if not lists:
            return computed(operation, left, right) or self.unknown(node)
        if isinstance(operation, ast.Mult):
            return self.bunch(node, "list", tuple(Repeat(self.state.contents((each,))) for each in lists))
        if isinstance(operation, ast.Add):
            return self.bunch(node, "list", self.state.contents(left) + self.state.contents(right))
        return self.unknown(node)

    def _name(self, name: str, node: ast.Name) -> Value:
        if name in self.state.locals or name in self.frame.local_names:
            return self.state.locals.get(name) or self.unknown(node)
        if name in self.frame.outer:
            return self.frame.outer[name]
        return named(self.frame.globals if name in self.frame.globals else vars(builtins), name, node)

    def _sequence(self, node: ast.Tuple | ast.List | ast.Set) -> Value:
        log = self.arguments(node, node.elts).log
        if not isinstance(node, ast.Tuple):
            return self.bunch(node, "list", log)
        values = [single(part.value) for part in log if isinstance(part, Item)]
        plain = [found for found in values if found is not None and found.kind is not tuple]
        if len(plain) < len(log):
            return self.bunch(node, "tuple", log)
        firm = all(found.firm for found in plain)
        return constant(tuple(found.value for found in plain), node, self.frame, firm=firm)

    def _dict(self, node: ast.Dict) -> Value:
        log: Log = ()
        for key, inner in zip(node.keys, node.values, strict=True):
            name = None if key is None else key_of(self.value(key))
            value = self.value(inner)
            log += self.state.mapping(value) if key is None else (Item(name, value),)
        return self.bunch(node, "dict", log)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Value:
        result = self.bunch(node, "dict" if isinstance(node, ast.DictComp) else "list", ())
        kept = dict(self.state.locals)

        def element() -> None:
            for generator in node.generators:
                self.turn(self.value(generator.iter), generator.target)
                for test in generator.ifs:
                    self.value(test)
            key = key_of(self.value(node.key)) if isinstance(node, ast.DictComp) else NEXT
            made = self.value(node.value if isinstance(node, ast.DictComp) else node.elt)
            self.state.record(result, Item(key, made))

        self.loop(element)
        self.state.locals = kept
        return result

    def _slice(self, owners: Value, node: ast.Subscript) -> Value:
        """A part of a list that was written out: which of its elements that are is not followed."""
        if not all(isinstance(owner, Bunch) and owner.kind != "dict" for owner in owners):
            return self.unknown(node)
        return self.bunch(node, "list", some_of(self.state.contents(owners)))

    def _subscript(self, owners: Value, key: object, node: ast.Subscript) -> Value:
        if not isinstance(key, str):
            return self.unknown(node)
        return union(self._element(owner, key, node) for owner in owners)

    def _element(self, owner: Thing, key: str, node: ast.Subscript) -> Value:
        log = self.state.log.get(owner, ())
        if isinstance(owner, Ref | Text | Closure) or is_shuffled(log):
            return self.unknown(node)
        parts = self.state.elements((owner,)) if isinstance(owner, Const | Bunch | Made) else None
        if parts is not None and key.lstrip("-").isdecimal() and -len(parts) <= int(key) < len(parts):
            return parts[int(key)]
        stored = reaching(log, frozenset([key]), (ABSENT,))
        return union((Derived(owner, key),) if thing is ABSENT else (thing,) for thing in stored)

    def _joined(self, parts: list[ast.expr]) -> Value:
        values = [self.value(part.value if isinstance(part, ast.FormattedValue) else part) for part in parts]
        known = [single(value) for value in values]
        if any(isinstance(part, ast.FormattedValue) and part.format_spec for part in parts) or None in known:
            return (Text("".join(map(pattern, values))),)
        return constant("".join(str(found.value) for found in known if found is not None))


def _class_attribute(cls: type, name: str) -> Value | None:
    """A class or a constant that a class keeps; None for a method, and for what is not there."""
    found = inspect.getattr_static(cls, name, _NOTHING)
    plain = lifted(found)
    return plain if isinstance(found, type) or single(plain) is not None else None
