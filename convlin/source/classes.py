"""What the code of a class puts into its instances: in the constructor, and perhaps later in other methods."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType

from convlin.source.frames import Session, TooMuchError
from convlin.source.match import Candidate
from convlin.source.state import State
from convlin.source.statements import Run
from convlin.source.syntax import unwrapped
from convlin.source.torch_names import init_class, is_base
from convlin.source.values import ABSENT, SOFT, Arguments, Called, Instance, Made, reaching


class ClassCode:
    """The code of a class, followed for one instance."""

    def __init__(self, session: Session, this: Instance, state: State) -> None:
        self.this = this
        self.state = state
        """What is known after the constructor."""
        self._session = session
        self._followed = frozenset(session.followed)
        self._late: dict[frozenset[str], list[Candidate]] = {}

    def stored_later(self, names: frozenset[str]) -> list[Candidate]:
        """What methods that the constructor does not call may have put under one of some names."""
        if names not in self._late:
            self._late[names] = list(self._find_late(names))
        return self._late[names]

    def _find_late(self, names: frozenset[str]) -> Iterator[Candidate]:
        known = len(self.state.log.get(self.this, ()))
        for owner, function in _methods(self.this.cls):
            if function.__code__ in self._followed or not names & _mentioned(function.__code__):
                continue
            source = self._session.files.function(function)
            if source is None or not _stores(source[1], names):
                continue
            self._session.renew()
            state = _after(self._session, function, owner, self.this, Arguments(is_open=True), self.state)
            if state is None:
                yield SOFT, State()
                continue
            value = reaching(state.log.get(self.this, ())[known:], names, (ABSENT,))
            yield from ((thing, state) for thing in value if thing is not ABSENT)


def constructed(session: Session, this: Instance, made: Made | None) -> ClassCode | None:
    """The code of a class after its constructor, called as ``made`` was; None where its source is not to be had."""
    # What was found is kept, so what it costs must not depend on what was looked for before.
    session.renew()
    session.followed = set()
    owner = init_class(this.cls)
    function = vars(owner)["__init__"]
    if is_base(owner) or not isinstance(function, FunctionType):
        return None
    given = Arguments(is_open=True) if made is None else made.arguments
    before = None if made is None else made.before
    is_known = made is not None and not given.is_open and not made.repeated
    call = Called(made.node, made.frame, is_bound=True) if made is not None and is_known else None
    state = _after(session, function, owner, this, given, State({}, dict(before or {})), call)
    return None if state is None else ClassCode(session, this, state)


def _after(
    session: Session,
    function: FunctionType,
    owner: type,
    this: Instance,
    given: Arguments,
    state: State,
    call: Called | None = None,
) -> State | None:
    """What is known after a method; None where its source is not to be had, or it does not come back."""
    entered = session.enter(unwrapped(function), owner, (this,))
    if entered is None:
        return None
    node, frame = entered
    frame.call = call
    run = Run(session, frame, State({}, dict(state.log)))
    try:
        run.function(node, given.behind((this,)))
    except TooMuchError:
        return None
    run.state.owner = this.cls
    return None if run.state.is_dead else run.state


def _methods(cls: type) -> Iterator[tuple[type, FunctionType]]:
    """The methods that calls on an instance can reach."""
    for owner in cls.__mro__:
        if is_base(owner):
            continue
        for name, raw in vars(owner).items():
            if isinstance(raw, FunctionType) and inspect.getattr_static(cls, name) is raw:
                yield owner, unwrapped(raw)


def _mentioned(code: CodeType) -> frozenset[str]:
    """Every name and every text in a function: what it may speak of."""
    names = frozenset({*code.co_names, *(each for each in code.co_consts if isinstance(each, str))})
    return names.union(*(_mentioned(each) for each in code.co_consts if isinstance(each, CodeType)))


def _stores(function: ast.AST, names: frozenset[str]) -> bool:
    """Whether code puts something under one of some names, as an attribute or by the name as text."""
    for node in ast.walk(function):
        match node:
            case ast.Attribute(attr=name, ctx=ast.Store()) if name in names:
                return True
            case ast.Call(args=[*arguments]) if any(_is_text(each, names) for each in arguments):
                return True
    return False


def _is_text(node: ast.expr, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
