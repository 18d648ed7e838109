"""Statements: the code of a function followed from its first line to its last, without running it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping, Sequence
from types import FunctionType

from convlin.source.calls import Caller
from convlin.source.constants import lifted, named, truth
from convlin.source.contents import contents, mapping
from convlin.source.frames import function_frame, is_generator
from convlin.source.session import Session, TooMuchError
from convlin.source.state import State, joined, partly
from convlin.source.syntax import Function, bound_names, parameters, unwrapped
from convlin.source.torch_names import init_class, is_base
from convlin.source.values import (
    ABSENT,
    Anything,
    Arguments,
    Bunch,
    Closure,
    Const,
    Derived,
    Frame,
    Instance,
    Item,
    Made,
    Unknown,
    Value,
    constant,
    union,
)

# Helpers that call helpers: no one builds layers deeper, and each level costs Python several frames.
_DEEPEST = 12


class Run(Caller):
    """The code of one frame, followed once."""

    def __init__(self, session: Session, frame: Frame) -> None:
        super().__init__(session, frame)
        self._returns: list[tuple[Value, State]] = []
        self._breaks: list[list[State]] = []
        self._continues: list[list[State]] = []
        self._tried: list[list[State]] = []

    def whole(self, node: Function, state: State) -> tuple[Value, State | None]:
        """What a function returns, and what is known afterwards (None if it does not come back)."""
        if isinstance(node, ast.Lambda):
            return self.value(node.body, state), state
        end = self.body(node.body, state)
        values = [value for value, _ in self._returns]
        if end is not None:
            values.append(constant(None, firm=True))
        return union(values), joined([*(state for _, state in self._returns), end])

    def body(self, nodes: Sequence[ast.stmt], state: State | None) -> State | None:
        """What is known after some statements; None if the code does not get to their end."""
        for node in nodes:
            if state is None:
                return None
            self.session.spend()
            state = self._statement(node, state)
            if state is not None:
                for states in self._tried:
                    states.append(state.copy())
        return state

    def top(self, nodes: Sequence[ast.stmt]) -> State | None:
        """What is known after code that stands at the top of a file, or in a running frame."""
        state = State()
        end = self.body(nodes, state)
        return joined([*(state for _, state in self._returns), end])

    def enter(
        self, code: FunctionType | Closure, owner: type | None, arguments: Arguments, node: ast.AST, state: State
    ) -> Value | None:
        """Follow a function's own code; None where that cannot be done."""
        entered = function_frame(self.session, code, owner, (node, self.frame))
        if entered is None or len(self.frame.callers) >= _DEEPEST or entered[0] in self.frame.callers:
            return None
        function, frame = entered
        if isinstance(code, Closure):
            frame.outer = {**code.frame.outer, **code.names, **(state.locals if code.frame is self.frame else {})}
        frame.callers = (*self.frame.callers, function)
        frame.repeated = self.frame.repeated or self.looping > 0
        inner = State({}, dict(state.log))
        try:
            with self.session.share():
                value, end = Run(self.session, frame).called(function, arguments, inner)
        except TooMuchError:
            return None
        if end is not None:
            state.log = end.log
        return value or (Unknown(node, frame),)

    def called(self, function: Function, arguments: Arguments, state: State) -> tuple[Value, State | None]:
        """What a function returns for some arguments, and what is known afterwards."""
        state.locals = self.bound(function.args, arguments, state)
        first = parameters(function.args)[:1]
        self.frame.this = state.locals.get(first[0].arg, ()) if first else ()
        return self.whole(function, state)

    def bound(self, signature: ast.arguments, arguments: Arguments, state: State) -> dict[str, Value]:
        """The parameters of a function, as a call binds them."""
        positional = [*signature.posonlyargs, *signature.args]
        offset = len(positional) - len(signature.defaults)
        defaults: dict[str, ast.expr | None] = {
            parameter.arg: signature.defaults[index - offset]
            for index, parameter in enumerate(positional)
            if index >= offset
        }
        defaults |= {
            parameter.arg: default
            for parameter, default in zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
        }
        names: dict[str, Value] = {}
        for index, parameter in enumerate(positional):
            names[parameter.arg] = arguments.get(index, parameter.arg)
        for parameter in signature.kwonlyargs:
            names[parameter.arg] = arguments.keywords.get(parameter.arg, ())
        for parameter in (*positional, *signature.kwonlyargs):
            default = defaults.get(parameter.arg)
            if not names[parameter.arg] and default is not None and not arguments.is_open:
                names[parameter.arg] = self.value(default, state)
            names[parameter.arg] = names[parameter.arg] or (Unknown(parameter, self.frame),)
        return names | self._stars(signature, arguments, len(positional), frozenset(names), state)

    def _stars(
        self, signature: ast.arguments, arguments: Arguments, taken: int, named: frozenset[str], state: State
    ) -> dict[str, Value]:
        """``*args`` and ``**kwargs``."""
        stars: dict[str, Value] = {}
        if signature.vararg is not None:
            exact = len(arguments.positional) >= min(taken, len(arguments.log))
            log = arguments.log[taken:] if exact else (Anything(),)
            stars[signature.vararg.arg] = self.bunch(signature.vararg, "tuple", log, state)
        if signature.kwarg is not None:
            rest = tuple(Item(name, value) for name, value in arguments.keywords.items() if name not in named)
            more = (Anything(),) if arguments.is_open else ()
            stars[signature.kwarg.arg] = self.bunch(signature.kwarg, "dict", rest + more, state)
        return stars

    def _statement(self, node: ast.stmt, state: State) -> State | None:
        match node:
            case ast.Expr(value=value):
                self.value(value, state)
            case ast.Assign(targets=targets, value=value):
                found = self.value(value, state)
                for target in targets:
                    self.bind(target, found, state)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.bind(target, self.value(value, state), state)
            case ast.AugAssign():
                self._augmented(node, state)
            case ast.If():
                return self._if(node, state)
            case ast.For() | ast.AsyncFor() | ast.While():
                return self._loop(node, state)
            case ast.Return(value=value):
                returned = constant(None, firm=True) if value is None else self.value(value, state)
                self._returns.append((returned, state))
                return None
            case ast.Raise():
                return None
            case ast.Break():
                self._breaks[-1].append(state)
                return None
            case ast.Continue():
                self._continues[-1].append(state)
                return None
            case ast.With(items=managers, body=body) | ast.AsyncWith(items=managers, body=body):
                for manager in managers:
                    found = self.value(manager.context_expr, state)
                    if manager.optional_vars is not None:
                        self.bind(manager.optional_vars, (Unknown(manager.context_expr, self.frame),), state)
                return self.body(body, state)
            case ast.Try() | ast.TryStar():
                return self._try(node, state)
            case ast.Match(subject=subject, cases=cases):
                self.value(subject, state)
                names = bound_names([node])
                state.locals.update({name: (Unknown(node, self.frame),) for name in names})
                ends = [self.body(case.body, state.copy()) for case in cases]
                return joined([state, *ends])
            case _:
                self._declaration(node, state)
        return state

    def _declaration(self, node: ast.stmt, state: State) -> None:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                known = self.frame.globals.get(name) if self.frame.is_module else None
                plain = not node.decorator_list and not is_generator(node)
                local = (Closure(node, self.frame, dict(state.locals)),) if plain else (Unknown(node, self.frame),)
                state.locals[name] = lifted(known) if isinstance(known, FunctionType) else local
            case ast.ClassDef(name=name):
                state.locals[name] = named(self.frame.globals if self.frame.is_module else {}, name, node)
            case ast.Import(names=names):
                for alias in names:
                    name = alias.name if alias.asname else alias.name.partition(".")[0]
                    bound = alias.asname or name
                    state.locals[bound] = named(sys.modules, name, node)
            case ast.ImportFrom(module=module, names=names):
                # A relative import names no module that could be looked up here.
                source = None if node.level else sys.modules.get(module or "")
                found: Mapping[str, object] = {} if source is None else vars(source)
                for alias in names:
                    state.locals[alias.asname or alias.name] = named(found, alias.name, node)
            case ast.Delete(targets=targets):
                for target in targets:
                    self._delete(target, state)
            case ast.Assert(test=test):
                self.value(test, state)

    def _delete(self, target: ast.expr, state: State) -> None:
        match target:
            case ast.Attribute(value=base, attr=attr):
                state.record(self.value(base, state), Item(attr, (ABSENT,)))
            case ast.Subscript(value=base):
                state.record(self.value(base, state), Anything(shuffled=True))

    def _augmented(self, node: ast.AugAssign, state: State) -> None:
        current = self.value(node.target, state)
        added = self.value(node.value, state)
        grows = isinstance(node.op, ast.Add) and all(_is_list(thing) for thing in current)
        if grows and not all(isinstance(thing, Const) for thing in added):
            for part in contents(added, state):
                state.record(current, part)
        elif isinstance(node.op, ast.BitOr) and all(isinstance(thing, Bunch | Made) for thing in current):
            for part in mapping(added, state):
                state.record(current, part)
        else:
            self.bind(node.target, self.operation(node, node.op, current, added, state), state)

    def _if(self, node: ast.If, state: State) -> State | None:
        holds = truth(self.value(node.test, state))
        if holds is not None:
            return self.body(node.body if holds else node.orelse, state)
        return joined([self.body(node.body, state.copy()), self.body(node.orelse, state.copy())])

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, state: State) -> State | None:
        iterated = None if isinstance(node, ast.While) else self.value(node.iter, state)

        def turn(start: State) -> State | None:
            self._breaks.append([])
            self._continues.append([])
            if isinstance(node, ast.While):
                self.value(node.test, start)
            else:
                value = self.turn(iterated or (), node.target, start)
                self.bind(node.target, value, start)
            end = self.body(node.body, start)
            broken.extend(self._breaks.pop())
            return joined([end, *self._continues.pop()])

        broken: list[State] = []
        after = self.loop(turn, bound_names([node]), state)
        return joined([self.body(node.orelse, after), *broken])

    def _try(self, node: ast.Try | ast.TryStar, state: State) -> State | None:
        start = state.copy()
        self._tried.append([])
        end = self.body(node.body, state)
        # An exception may come after any statement of the body, or in the middle of one.
        broken = partly(start, joined([start, *self._tried.pop()]) or start)
        ends = [self.body(node.orelse, end.copy())] if end is not None else []
        for handler in node.handlers:
            way = broken.copy()
            if handler.name:
                way.locals[handler.name] = (Unknown(handler, self.frame),)
            ends.append(self.body(handler.body, way))
        return self.body(node.finalbody, joined(ends))


def constructor(session: Session, cls: type, this: Instance, made: Made | None) -> State | None:
    """What is known after the constructor of a class; None where its source is not to be had."""
    owner = init_class(cls)
    function = vars(owner)["__init__"]
    if is_base(owner) or not isinstance(function, FunctionType):
        return None
    arguments = Arguments(is_open=True) if made is None else made.arguments
    state = State({}, dict(made.before)) if made is not None and made.before is not None else State()
    return method(session, function, owner, this, arguments, state)


def method(
    session: Session, function: FunctionType, owner: type, this: Instance, arguments: Arguments, state: State
) -> State | None:
    """What is known after a method; None where its source is not to be had, or it does not come back."""
    entered = function_frame(session, unwrapped(function), owner, (this,))
    if entered is None:
        return None
    node, frame = entered
    try:
        return Run(session, frame).called(node, arguments.behind((this,)), State({}, dict(state.log)))[1]
    except TooMuchError:
        return None


def _is_list(thing: object) -> bool:
    return isinstance(thing, Made | Derived | Instance) or (isinstance(thing, Bunch) and thing.kind != "tuple")
