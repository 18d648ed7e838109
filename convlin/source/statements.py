"""Statements: the code of a function followed from its first line to its last, without running it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from functools import partial
from types import FunctionType

from convlin.source.calls import Calls
from convlin.source.constants import lifted, named
from convlin.source.frames import Session, TooMuchError, is_generator
from convlin.source.state import State, joined, partly
from convlin.source.syntax import Function, bound_names, defaults
from convlin.source.values import (
    ABSENT,
    Anything,
    Arguments,
    Bunch,
    Called,
    Closure,
    Const,
    Derived,
    Frame,
    Instance,
    Item,
    Log,
    Made,
    Thing,
    Value,
    constant,
    union,
)

# Helpers that call helpers: no one builds layers deeper, and each level costs Python several frames.
_DEEPEST = 12


class Run(Calls):
    """The code of one frame, followed once."""

    def __init__(self, session: Session, frame: Frame, state: State | None = None) -> None:
        super().__init__(session, frame, State() if state is None else state)
        self._returns: list[tuple[Value, State]] = []
        self._breaks: list[list[State]] = []
        self._continues: list[list[State]] = []
        self._tried: list[list[State]] = []

    def enter(self, code: FunctionType | Closure, owner: type | None, given: Arguments) -> Value | None:
        """Follow a function's own code; None where that cannot be done."""
        entered = self.session.enter(code, owner, (given.node, self.frame))
        if entered is None or len(self.frame.callers) >= _DEEPEST or entered[0] in self.frame.callers:
            return None
        function, frame = entered
        if isinstance(code, Closure):
            around = self.state.locals if code.frame is self.frame else {}
            frame.outer = {**code.frame.outer, **code.names, **around}
        frame.callers = (*self.frame.callers, function)
        frame.repeated = self.frame.repeated or self.looping > 0
        if isinstance(given.node, ast.Call) and not given.is_open:
            frame.call = Called(given.node, self.frame, is_bound=len(given.positional) > len(given.node.args))
        run = Run(self.session, frame, State({}, dict(self.state.log)))
        try:
            with self.session.share():
                value = run.function(function, given)
        except TooMuchError:
            return None
        if not run.state.is_dead:
            self.state.log = run.state.log
        return value or run.unknown(given.node)

    def function(self, node: Function, given: Arguments) -> Value:
        """What a function returns for some arguments; ``state`` then is what is known afterwards."""
        self.state.locals = self._bound(node.args, given)
        self.frame.this = next(iter(self.state.locals.values()), ())
        return self.value(node.body) if isinstance(node, ast.Lambda) else self.whole(node.body)

    def whole(self, body: Sequence[ast.stmt]) -> Value:
        """What all of some code returns; ``state`` then is what is known afterwards."""
        self._body(body)
        if not self.state.is_dead:
            self._returns.append((constant(None, firm=True), self.state))
        self.state = joined(state for _, state in self._returns)
        return union(value for value, _ in self._returns)

    def _bound(self, signature: ast.arguments, given: Arguments) -> dict[str, Value]:
        """The parameters of a function, as a call binds them."""
        known, names = defaults(signature), dict[str, Value]()
        positional = [*signature.posonlyargs, *signature.args]
        for index, parameter in enumerate([*positional, *signature.kwonlyargs]):
            name = parameter.arg
            is_positional = index < len(positional)
            value = given.get(index, name) if is_positional else given.keywords.get(name, ())
            if not value and name in known and not given.is_open:
                value = self.value(known[name])
            names[name] = value or self.unknown(parameter)
        more: Log = (Anything(),) if given.is_open else ()
        if signature.vararg is not None:
            is_exact = len(given.positional) >= min(len(positional), len(given.log))
            rest = given.log[len(positional) :] if is_exact else (Anything(),)
            names[signature.vararg.arg] = self.bunch(signature.vararg, "tuple", rest)
        if signature.kwarg is not None:
            rest = tuple(Item(name, value) for name, value in given.keywords.items() if name not in names)
            names[signature.kwarg.arg] = self.bunch(signature.kwarg, "dict", rest + more)
        return names

    def _body(self, nodes: Sequence[ast.stmt]) -> Value:
        """Follow some statements as far as the code gets."""
        for node in nodes:
            if self.state.is_dead:
                break
            self.session.spend()
            self._statement(node)
            if not self.state.is_dead:
                for states in self._tried:
                    states.append(self.state.copy())
        return ()

    def _leave(self, states: list[State] | None = None) -> None:
        """The code goes on elsewhere, where ``states`` are waited for."""
        if states is not None:
            states.append(self.state)
        self.state = State(is_dead=True)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=value) | ast.Assert(test=value):
                self.value(value)
            case ast.Assign(targets=targets, value=value):
                found = self.value(value)
                for target in targets:
                    self.bind(target, found)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.bind(target, self.value(value))
            case ast.AugAssign():
                self._augmented(node)
            case ast.If(test=test, body=body, orelse=orelse):
                self.choice(test, partial(self._body, body), partial(self._body, orelse))
            case ast.For() | ast.AsyncFor() | ast.While():
                self._loop(node)
            case ast.Return(value=value):
                returned = constant(None, firm=True) if value is None else self.value(value)
                self._returns.append((returned, self.state))
                self._leave()
            case ast.Raise():
                self._leave()
            case ast.Break():
                self._leave(self._breaks[-1])
            case ast.Continue():
                self._leave(self._continues[-1])
            case ast.With(items=managers, body=body) | ast.AsyncWith(items=managers, body=body):
                for manager in managers:
                    self.value(manager.context_expr)
                    if manager.optional_vars is not None:
                        self.bind(manager.optional_vars, self.unknown(manager.context_expr))
                self._body(body)
            case ast.Try() | ast.TryStar():
                self._try(node)
            case ast.Match(subject=subject, cases=cases):
                self.value(subject)
                self.state.locals.update(dict.fromkeys(bound_names(node), self.unknown(node)))
                self.one_of([partial(self._body, each) for each in ([], *(case.body for case in cases))])
            case _:
                self._declaration(node)

    def _declaration(self, node: ast.stmt) -> None:
        names = self.state.locals
        # Names bound at the top of a file are those of its live module.
        live = self.frame.globals if self.frame.is_module else {}
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                plain = not node.decorator_list and not is_generator(node)
                local: Value = (Closure(node, self.frame, dict(names)),) if plain else self.unknown(node)
                names[name] = lifted(live[name]) if isinstance(live.get(name), FunctionType) else local
            case ast.ClassDef(name=name):
                names[name] = named(live, name, node)
            case ast.Import(names=aliases):
                for alias in aliases:
                    name = alias.name if alias.asname else alias.name.partition(".")[0]
                    names[alias.asname or name] = named(sys.modules, name, node)
            case ast.ImportFrom(module=module, names=aliases):
                # A relative import names no module that could be looked up here.
                source = None if node.level else sys.modules.get(module or "")
                for alias in aliases:
                    names[alias.asname or alias.name] = named(vars(source) if source else {}, alias.name, node)
            case ast.Delete(targets=targets):
                for target in targets:
                    self._delete(target)

    def _delete(self, target: ast.expr) -> None:
        match target:
            case ast.Attribute(value=base, attr=attr):
                self.state.record(self.value(base), Item(attr, (ABSENT,)))
            case ast.Subscript(value=base):
                self.state.record(self.value(base), Anything(shuffled=True))

    def _augmented(self, node: ast.AugAssign) -> None:
        current = self.value(node.target)
        added = self.value(node.value)
        grows = isinstance(node.op, ast.Add) and all(map(_is_list, current))
        if grows and not all(isinstance(thing, Const) for thing in added):
            self.state.record(current, *self.state.contents(added))
        elif isinstance(node.op, ast.BitOr) and all(isinstance(thing, Bunch | Made) for thing in current):
            self.state.record(current, *self.state.mapping(added))
        else:
            self.bind(node.target, self.operation(node, node.op, current, added))

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While) -> None:
        iterated = () if isinstance(node, ast.While) else self.value(node.iter)
        broken: list[State] = []

        def turn() -> None:
            self._breaks.append(broken)
            self._continues.append([])
            if isinstance(node, ast.While):
                self.value(node.test)
            else:
                self.turn(iterated, node.target)
            self._body(node.body)
            self._breaks.pop()
            self.state = joined([self.state, *self._continues.pop()])

        self.loop(turn, bound_names(node))
        self._body(node.orelse)
        self.state = joined([self.state, *broken])

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        start = self.state.copy()
        self._tried.append([])
        self._body(node.body)
        # An exception may come after any statement of the body, or in the middle of one.
        broken = partly(start, joined([start, *self._tried.pop()]))
        self._body(node.orelse)
        ends = [self.state]
        for handler in node.handlers:
            self.state = broken.copy()
            if handler.name:
                self.state.locals[handler.name] = self.unknown(handler)
            self._body(handler.body)
            ends.append(self.state)
        self.state = joined(ends)
        self._body(node.finalbody)


def _is_list(thing: Thing) -> bool:
    return isinstance(thing, Made | Derived | Instance) or (isinstance(thing, Bunch) and thing.kind != "tuple")
