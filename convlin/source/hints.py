"""Where a model was put together, when that is not in the code of its own class.

A bare ``nn.Sequential(...)`` has no class of the user's.  A hint (a file, a function, the frame
that holds the model) names the code in which to look for the call that made it.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from os import PathLike, fspath
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from convlin._util.cells import cell_name
from convlin._util.packages import CONVLIN, PYTHON
from convlin.source.frames import Session, TooMuchError
from convlin.source.match import Candidate, Matcher
from convlin.source.state import State
from convlin.source.statements import Run
from convlin.source.syntax import Parsed, bound_names, parse, unwrapped
from convlin.source.text import indexed
from convlin.source.torch_names import made_by
from convlin.source.values import Arguments, Frame, Made, Thing, Unknown, is_known, union

if TYPE_CHECKING:
    from torch import nn

Hint: TypeAlias = "str | PathLike[str] | FrameType | CodeType | FunctionType | ModuleType | type"
"""Code to look in: a file name, a module, a function that returns the model, or a frame that holds it.  The model's
class says that it was called without arguments."""

#: The name of a text that stands in no file: the call of a class which is its own hint.
NO_FILE = "<call of the class>"


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
    if found:
        return Makings(found)
    for name, namespace in _elsewhere(hints, root):
        session.renew()
        try:
            parsed = session.files.get(name)
            here = Makings([]) if parsed is None else _Search(session, root, matcher).named(parsed, namespace)
        except TooMuchError:
            continue
        if here.is_all:
            return here
    return Makings([])


def _elsewhere(hints: Iterable[Hint], root: nn.Module) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Files of the user's whose names hold the model: the cells of a notebook, the last one first, and modules."""
    for hint in hints:
        if isinstance(hint, FrameType) and cell_name(hint.f_code.co_filename) is not None:
            yield from ((name, hint.f_globals) for name in reversed(list(linecache.cache)) if cell_name(name))
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        file = names.get("__file__")
        # Of some thousand modules all but a few are installed: they are told without a call for each.
        if not isinstance(file, str) or "-packages" in file or file.startswith((PYTHON, CONVLIN)):
            continue
        if id(root) in map(id, list(names.values())):
            yield file, names


class _Search:
    """The search for one model's making."""

    def __init__(self, session: Session, root: nn.Module, matcher: Matcher) -> None:
        self._session = session
        self._root = root
        self._matcher = matcher

    def hint(self, hint: Hint) -> Makings:
        exact = list[Candidate]()
        if isinstance(hint, FunctionType):
            exact = self._returned(unwrapped(hint))
        elif isinstance(hint, FrameType):
            exact = self._held(hint)
        elif isinstance(hint, type):
            return self._called(hint)
        if exact:
            return Makings(exact, is_all=True)
        name = file_of(hint)
        parsed = None if name is None else self._session.files.get(name)
        return Makings([]) if parsed is None else self._file(parsed, namespace_of(hint, parsed))

    def named(self, parsed: Parsed, namespace: Mapping[str, object]) -> Makings:
        """What the code of a file binds the names to that hold the model."""
        held = self._bound(namespace, self._run(parsed, parsed.tree.body, namespace))
        return Makings(held, is_all=bool(held))

    def _returned(self, function: FunctionType) -> list[Candidate]:
        """What a function gives back, if all of that may be the model."""
        entered = self._session.enter(function, None, ("hint",))
        if entered is None:
            return []
        node, frame = entered
        run = Run(self._session, frame)
        return self._all(run.function(node, Arguments(is_open=True)), run.state)

    def _held(self, frame: FrameType) -> list[Candidate]:
        """What the names that hold the model in a running frame were bound to, or the call that it was handed on by."""
        parsed = self._session.files.get(frame.f_code.co_filename)
        if parsed is None:
            return []
        given = _given_calls(parsed, frame)
        if not given and not any(value is self._root for value in frame.f_locals.values()):
            return []
        # What comes after the line that is running has not happened.
        past = [node for node in _body(parsed, frame.f_code) if node.lineno <= frame.f_lineno]
        names = dict(frame.f_locals)
        state = self._run(parsed, past, ChainMap(names, frame.f_globals))
        if held := self._bound(names, state):
            return held
        handed = [thing for thing in state.log if isinstance(thing, Made) and thing.node in given]
        return [(thing, state) for thing in handed if self._fits(thing, state)]

    def _called(self, cls: type) -> Makings:
        """The model as its class makes it without arguments."""
        parsed = parse(indexed(NO_FILE, f"model = {cls.__name__}()", None))
        if parsed is None or cls is not type(self._root):
            return Makings([])
        return self._file(parsed, {cls.__name__: cls, "model": self._root})

    def _file(self, parsed: Parsed, namespace: Mapping[str, object]) -> Makings:
        found: list[Candidate] = []
        functions = [each for each in parsed.nodes if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
        mentioning = self._mentioning(parsed, namespace)
        for scope in (parsed.tree, *functions):
            if scope not in mentioning:
                continue
            local = frozenset() if scope is parsed.tree else bound_names(*scope.body)
            known = {name: value for name, value in namespace.items() if name not in local}
            state = self._run(parsed, scope.body, known)
            held = self._bound(namespace, state) if scope is parsed.tree else []
            if held:
                return Makings(held, is_all=True)
            found += [(thing, state) for thing in state.log if self._fits(thing, state)]
        return Makings(found)

    def _bound(self, names: Mapping[str, object], state: State) -> list[Candidate]:
        """What code has bound the names to that hold the model, if all of that may be the model."""
        holding = [name for name, value in names.items() if value is self._root]
        return self._all(union(state.locals.get(name, ()) for name in holding), state)

    def _run(self, parsed: Parsed, body: Sequence[ast.stmt], namespace: Mapping[str, object]) -> State:
        run = Run(self._session, Frame(parsed, namespace, is_module=True))
        run.whole(body)
        return run.state

    def _all(self, value: tuple[Thing, ...], state: State) -> list[Candidate]:
        """The alternatives, if each of them may be the model."""
        if not all(map(is_known, value)):
            return []
        return [(thing, state) for thing in value if self._fits(thing, state)]

    def _fits(self, thing: Thing, state: State) -> bool:
        return is_known(thing) and self._matcher.may_be(thing, state, self._root)

    def _mentioning(self, parsed: Parsed, namespace: Mapping[str, object]) -> set[ast.AST]:
        """What the calls of the model's class stand in, under whichever name it is called."""
        cls = type(self._root)
        names = {name for name, value in namespace.items() if isinstance(value, type) and made_by(value, cls)}
        names |= {base.__name__ for base in cls.__mro__}
        calls = (each for each in parsed.nodes if isinstance(each, ast.Call))
        named = (each for each in calls if getattr(each.func, "id", getattr(each.func, "attr", None)) in names)
        return {outer for each in named for outer in parsed.around(each)}


def file_of(hint: object) -> str | None:
    """The file that a hint is about."""
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


def namespace_of(hint: object, parsed: Parsed) -> Mapping[str, object]:
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


def _given_calls(parsed: Parsed, frame: FrameType) -> list[ast.expr]:
    """What the call that a frame is running is given by other calls: ``Net(8)`` of ``summarize(Net(8).eval(), …)``."""
    found = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    running = [
        node
        for node in parsed.nodes
        if isinstance(node, ast.Call) and (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset) == found
    ]
    given = (each for node in running for each in (*node.args, *(keyword.value for keyword in node.keywords)))
    return [call for each in given for call in _chain(each)]


def _chain(node: ast.expr) -> Iterator[ast.Call]:
    """A call, and those whose results its method and theirs are of."""
    while isinstance(node, ast.Call):
        yield node
        node = node.func.value if isinstance(node.func, ast.Attribute) else node.func


def _body(parsed: Parsed, code: CodeType) -> list[ast.stmt]:
    if code.co_name == "<module>" or code.co_name.startswith("<cell"):
        return parsed.tree.body
    node = parsed.function(code)
    return [] if node is None or isinstance(node, ast.Lambda) else node.body
