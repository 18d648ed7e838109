"""Where a model was put together, when that is not in the code of its own class.

A bare ``nn.Sequential(...)`` has no class of the user's.  A hint (a file, a function, the frame
that holds the model) names the code in which to look for the call that made it.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from convlin.source.constants import PLAIN
from convlin.source.follow import Run
from convlin.source.frames import function_frame
from convlin.source.match import Candidate, Matcher
from convlin.source.session import Session, TooMuchError
from convlin.source.state import State
from convlin.source.syntax import Parsed, bound_names, unwrapped
from convlin.source.torch_names import made_by
from convlin.source.values import Arguments, Frame, Thing, Unknown, is_known, union

if TYPE_CHECKING:
    from torch import nn

Hint: TypeAlias = "str | PathLike[str] | FrameType | CodeType | FunctionType | ModuleType"
"""Code to look in: a file name, a module, a function that returns the model, or a frame that holds it."""
_HINTS = (str, PathLike, FrameType, CodeType, FunctionType, ModuleType)


class Makings(NamedTuple):
    """Calls that may have made the root."""

    candidates: list[Candidate]
    is_all: bool = False
    """One of these it was."""


def makings(session: Session, hints: Iterable[Hint], root: nn.Module, matcher: Matcher) -> Makings:
    """Search the hints for the calls that may have made ``root``."""
    found: list[Candidate] = []
    for hint in hints:
        session.renew()
        try:
            here = _Search(session, root, matcher).hint(hint)
        except TooMuchError:
            here = Makings([(Unknown(), State())])
        if here.is_all:
            return here
        found += here.candidates
    return Makings(found)


def files_of(hints: Iterable[Hint | type | None]) -> Iterator[str]:
    """The files that hints, or classes, name."""
    for hint in hints:
        code = inspect.getattr_static(hint, "__init__", None) if isinstance(hint, type) else hint
        name = _file_of(code) if isinstance(code, _HINTS) else None
        if name is not None:
            yield name


def stored_value(session: Session, parsed: Parsed, statement: ast.stmt, target: ast.expr) -> Iterator[Candidate]:
    """What a statement assigns to a target, as far as that can be told from the statement alone."""
    match statement:
        case ast.Assign(targets=targets, value=value) if target in targets:
            names = {name: known for name, known in _namespace(None, parsed).items() if type(known) not in PLAIN}
            state = State()
            run = Run(session, Frame(parsed, names, is_module=True))
            yield from ((thing, state) for thing in run.value(value, state))
        case _:
            yield Unknown(), State()


class _Search:
    """The search for one model's making."""

    def __init__(self, session: Session, root: nn.Module, matcher: Matcher) -> None:
        self._session = session
        self._root = root
        self._matcher = matcher

    def hint(self, hint: Hint) -> Makings:
        if isinstance(hint, FunctionType):
            returned = self._returned(unwrapped(hint))
            if returned:
                return Makings(returned, is_all=True)
        if isinstance(hint, FrameType):
            held = self._held(hint)
            if held:
                return Makings(held, is_all=True)
        name = _file_of(hint)
        parsed = None if name is None else self._session.files.get(name)
        return Makings([]) if parsed is None else self._file(parsed, _namespace(hint, parsed))

    def _returned(self, function: FunctionType) -> list[Candidate]:
        """What a function gives back, if all of that may be the model."""
        entered = function_frame(self._session, function, None, ("hint",))
        if entered is None:
            return []
        node, frame = entered
        run = Run(self._session, frame)
        state = State()
        state.locals = run.bound(node.args, Arguments(is_open=True), state)
        value, end = run.whole(node, state)
        return self._all(value, end)

    def _held(self, frame: FrameType) -> list[Candidate]:
        """What the names that hold the model in a running frame were bound to."""
        names = [name for name, value in frame.f_locals.items() if value is self._root]
        parsed = self._session.files.get(frame.f_code.co_filename)
        if parsed is None or not names:
            return []
        body = _body(parsed, frame.f_code)
        # What comes after the line that is running has not happened.
        past = [node for node in body if node.lineno <= frame.f_lineno]
        state = self._run(parsed, past, ChainMap(dict(frame.f_locals), frame.f_globals))
        return [] if state is None else self._all(union(state.locals.get(name, ()) for name in names), state)

    def _file(self, parsed: Parsed, namespace: Mapping[str, object]) -> Makings:
        found: list[Candidate] = []
        for body, is_module in _scopes(parsed.tree):
            if not self._mentions(body, namespace):
                continue
            local = frozenset() if is_module else bound_names(body)
            known = {name: value for name, value in namespace.items() if name not in local}
            state = self._run(parsed, body, known)
            if state is None:
                continue
            if is_module:
                names = [name for name, value in namespace.items() if value is self._root]
                held = self._all(union(state.locals.get(name, ()) for name in names), state)
                if held:
                    return Makings(held, is_all=True)
            found += [(thing, state) for thing in state.log if self._fits(thing, state)]
        return Makings(found)

    def _run(self, parsed: Parsed, body: Sequence[ast.stmt], namespace: Mapping[str, object]) -> State | None:
        frame = Frame(parsed, namespace, is_module=True)
        return Run(self._session, frame).top(body)

    def _all(self, value: tuple[Thing, ...], state: State | None) -> list[Candidate]:
        """The alternatives, if each of them may be the model."""
        if state is None or not all(map(is_known, value)):
            return []
        return [(thing, state) for thing in value if self._fits(thing, state)]

    def _fits(self, thing: Thing, state: State) -> bool:
        return is_known(thing) and self._matcher.may_be(thing, state, self._root)

    def _mentions(self, body: Sequence[ast.stmt], namespace: Mapping[str, object]) -> bool:
        """Whether some code calls the model's class, under any name."""
        cls = type(self._root)
        names = {name for name, value in namespace.items() if isinstance(value, type) and made_by(value, cls)}
        names |= {base.__name__ for base in cls.__mro__}
        for node in body:
            for inner in ast.walk(node):
                match inner:
                    case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in names:
                        return True
        return False


def _file_of(hint: object) -> str | None:
    match hint:
        case FrameType():
            return hint.f_code.co_filename
        case CodeType():
            return hint.co_filename
        case FunctionType():
            return hint.__code__.co_filename
        case ModuleType():
            return getattr(hint, "__file__", None)
        case str() | PathLike():
            return fspath(hint)
    return None


def _namespace(hint: object, parsed: Parsed) -> Mapping[str, object]:
    """The live names of a file, or what its imports would bind."""
    match hint:
        case FrameType():
            return hint.f_globals
        case FunctionType():
            return hint.__globals__
        case ModuleType():
            return vars(hint)
    path = Path(parsed.source.name)
    for module in list(sys.modules.values()):
        name = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(name, str) and Path(name).name == path.name and _is_same(Path(name), path):
            return vars(module)
    return {}


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _body(parsed: Parsed, code: CodeType) -> list[ast.stmt]:
    if code.co_name == "<module>" or code.co_name.startswith("<cell"):
        return parsed.tree.body
    node = parsed.function(code)
    return [] if node is None or isinstance(node, ast.Lambda) else node.body


def _scopes(tree: ast.Module) -> Iterator[tuple[list[ast.stmt], bool]]:
    """The body of a file and those of its functions."""
    yield tree.body, True
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.body, False
