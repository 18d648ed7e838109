"""From a live module's path to the call in the source that made it.

The path is walked from the root.  At every step the code of the class is followed, the children
that it may have put under that name are gathered, and those that do not fit the live module are
dropped.  An answer is given when one call is left.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

from convlin.source.follow import constructor, method
from convlin.source.hints import Hint, files_of, makings, stored_value
from convlin.source.match import Candidate, Matcher, child_at, children, within
from convlin.source.rewrite import Site
from convlin.source.session import Session, TooMuchError
from convlin.source.sites import site_of
from convlin.source.state import State
from convlin.source.syntax import Files, Trail, mentioned, unwrapped
from convlin.source.torch_names import (
    container,
    is_base,
    is_torch,
    takes_children,
)
from convlin.source.values import (
    ABSENT,
    SOFT,
    Arguments,
    Derived,
    Instance,
    Made,
    Thing,
    Unknown,
    is_known,
    is_shuffled,
    reaching,
)

if TYPE_CHECKING:
    from torch import nn

# Of so many readings of a path no single call will be left.
_MOST_SIGHTINGS = 32
_NOTHING_KNOWN = State()


@dataclass(frozen=True, eq=False, slots=True)
class _Sighting:
    """A thing that may have become the live module at the current step."""

    thing: Thing
    state: State
    outer: tuple[Candidate, ...] = ()
    """The same module as the code around it names it, the outermost last."""


@dataclass(frozen=True, eq=False, slots=True)
class _Constructed:
    """What the constructor of a class has put into ``this``."""

    this: Instance
    state: State
    followed: frozenset[CodeType]


class Finder:
    """Finds the calls that made the modules of one model; what was read is kept between searches."""

    def __init__(self, root: nn.Module, hints: Iterable[Hint] = ()) -> None:
        self.root = root
        self._hints = tuple(hints)
        self._session = Session(Files())
        self._matcher = Matcher()
        self._counts = Counter(type(module) for _, module in within(root))
        self._constructed: dict[tuple[type, int], tuple[Thing | None, _Constructed | None]] = {}
        self._starts: list[_Sighting] | None = None
        self._later: dict[tuple[int, frozenset[str]], list[Candidate]] = {}
        self._owners: dict[int, type] = {}

    def site(self, path: str) -> Site | None:
        """The call that made the module at ``path``; None unless one call is left that can have."""
        self._session.renew()
        try:
            found = self._walk(path)
            return None if found is None else self._decided(found, path)
        except (TooMuchError, RecursionError):
            return None

    def may_have_made(self, site: Site, path: str) -> bool:
        """Whether the call is among those that may have made another module as well."""
        self._session.renew()
        try:
            found = self._walk(path) or []
        except (TooMuchError, RecursionError):
            return True  # nothing was found out that speaks against it
        made = [each.thing for each in found if isinstance(each.thing, Made)]
        return any(
            thing.frame.parsed.source.name == site.location.file
            and thing.frame.parsed.span(thing.node) == (site.start, site.end)
            for thing in made
        )

    def _walk(self, path: str) -> list[_Sighting] | None:
        module: nn.Module | None = self.root
        sightings = self._roots()
        for name in path.split(".") if path else ():
            child = None if module is None else children(module).get(name)
            if module is None or child is None or len(sightings) > _MOST_SIGHTINGS:
                return None
            sightings = _distinct(step for each in sightings for step in self._step(each, module, name, child))
            module = child
        return sightings

    def _roots(self) -> list[_Sighting]:
        if self._starts is None:
            found = makings(self._session, self._hints, self.root, self._matcher)
            starts = [_Sighting(thing, state) for thing, state in found.candidates]
            # A bare container has no code of its own; all that is known of it is what made it.
            if not found.is_all and not is_base(type(self.root)):
                starts.append(_Sighting(Unknown(), _NOTHING_KNOWN))
            self._starts = starts
        return self._starts

    def _step(self, sighting: _Sighting, module: nn.Module, name: str, child: nn.Module) -> Iterator[_Sighting]:
        """What may have become one child of a module."""
        thing = sighting.thing
        constructed = self._construct(type(module), thing if is_known(thing) else None)
        views: list[Candidate] = [(thing, sighting.state), *sighting.outer]
        if constructed is not None:
            views.insert(0, (constructed.this, constructed.state))
        names = _names(module, name)
        outer = tuple(
            (Derived(owner, key), state) for owner, state in views for key in names if Derived(owner, key) in state.log
        )
        found = self._stored(views, names, module)
        if constructed is not None:
            found += self._late(type(module), constructed, names)
        for each, state in found:
            if each is ABSENT:
                yield _Sighting(SOFT if thing == SOFT else Unknown(), _NOTHING_KNOWN, outer)
            elif self._may_be(each, state, child, bool(outer)):
                yield _Sighting(each, state, outer)

    def _stored(self, views: list[Candidate], names: frozenset[str], module: nn.Module) -> list[Candidate]:
        """What was put under a name; ``ABSENT`` stands for what these views do not show."""
        found: list[Candidate] = [(ABSENT, _NOTHING_KNOWN)]
        logs = [(state.log.get(owner, ()), state) for owner, state in views]
        holds_children = container(type(module)) is not None
        if holds_children and any(is_shuffled(log) for log, _ in logs):
            return found
        # From the inside out: what comes later takes the place of what was there.
        for log, state in logs:
            value = reaching(log, names, (ABSENT,))
            here = [(thing, state) for thing in value if thing is not ABSENT]
            found = [*here, *found] if ABSENT in value else here
        if found[-1:] != [(ABSENT, _NOTHING_KNOWN)]:
            return found
        first = views[0][0]
        if holds_children and (isinstance(first, Instance) or _shows_children(first)):
            placed = self._matcher.children(logs, children(module)) or {}
            found[-1:] = [each for name in names for each in placed.get(name, ())]
        # The child is there: a class that puts it there under a condition has done so.
        elif isinstance(first, Instance) and len(found) > 1:
            found.pop()
        return found or [(ABSENT, _NOTHING_KNOWN)]

    def _may_be(self, thing: Thing, state: State, module: nn.Module, changed: bool) -> bool:
        if thing == SOFT:
            return True
        # Children that other code has exchanged are not those of the call.
        return self._matcher.may_be(thing, None if changed else state, module)

    def _construct(self, cls: type, made: Made | None) -> _Constructed | None:
        key = (cls, id(made))
        if key not in self._constructed:
            # What was found is kept, so what it costs must not depend on what was looked for before.
            self._session.renew()
            self._session.followed = set()
            this = Instance(cls, len(self._constructed))
            state = constructor(self._session, cls, this, made)
            result = None if state is None else _Constructed(this, state, frozenset(self._session.followed))
            if state is not None:
                self._owners[id(state)] = cls
            # The thing is kept so that its identity is not given to another.
            self._constructed[key] = (made, result)
        return self._constructed[key][1]

    def _late(self, cls: type, constructed: _Constructed, names: frozenset[str]) -> list[Candidate]:
        """What methods that the constructor does not call may have put under a name."""
        key = (id(constructed), names)
        if key not in self._later:
            self._later[key] = list(self._find_late(cls, constructed, names))
        return self._later[key]

    def _find_late(self, cls: type, constructed: _Constructed, names: frozenset[str]) -> Iterator[Candidate]:
        this, before = constructed.this, constructed.state
        for owner, function in _methods(cls):
            if function.__code__ in constructed.followed or not names & mentioned(function.__code__):
                continue
            source = self._session.files.function(function)
            if source is None or not _stores(source[1], names):
                continue
            self._session.renew()
            state = method(self._session, function, owner, this, Arguments(is_open=True), before)
            if state is None:
                yield SOFT, _NOTHING_KNOWN
                continue
            self._owners[id(state)] = cls
            value = reaching(state.log.get(this, ())[len(before.log.get(this, ())) :], names, (ABSENT,))
            for thing in value:
                if thing is not ABSENT:
                    yield thing, state

    def _decided(self, sightings: list[_Sighting], path: str) -> Site | None:
        firm = [each for each in sightings if each.thing != SOFT]
        calls = {id(each.thing.node): each for each in firm if isinstance(each.thing, Made)}
        if len(calls) != 1 or not all(isinstance(each.thing, Made) for each in firm):
            return None
        ((node, sighting),) = calls.items()
        made = sighting.thing
        assert isinstance(made, Made)
        rivals = list(self._rivals(made, path))
        if any(map(is_known, rivals)):
            return None
        return site_of(
            made,
            certain=not rivals and len(firm) == len(sightings) and made.callee is not None,
            repeated=any(self._is_repeated(each, node) for each in firm),
        )

    def _is_repeated(self, sighting: _Sighting, node: int) -> bool:
        made = sighting.thing
        assert isinstance(made, Made)
        if made.repeated or sum(isinstance(thing, Made) and id(thing.node) == node for thing in sighting.state.log) > 1:
            return True
        owner = made.frame.owner or self._owners.get(id(sighting.state))
        if owner is None:
            return False
        return sum(count for cls, count in self._counts.items() if issubclass(cls, owner)) > 1

    def _rivals(self, made: Made, path: str) -> Iterator[Thing]:
        """What other code of the same files may have put there: ``net.fc = ...`` after ``net`` was made."""
        if not path:
            return
        module = self.root
        names: list[tuple[str, bool]] = []
        for name in path.split("."):
            names.append((name, container(type(module)) is not None))
            module = child_at(module, name)
        here = made.frame.parsed.statement(made.node)
        main = getattr(sys.modules.get("__main__"), "__file__", None)
        own = None if is_torch(type(self.root)) else type(self.root)
        files = dict.fromkeys([made.frame.parsed.source.name, *files_of([own, *self._hints, main])])
        for parsed in filter(None, map(self._session.files.get, files)):
            for trail, target in parsed.stores:
                if not _leads_to(trail, names) or (statement := parsed.statement(target)) is here:
                    continue
                for thing, state in stored_value(self._session, parsed, statement, target):
                    # Assignments to x[i] are everywhere; one counts if it plainly makes such a layer.
                    if self._may_be(thing, state, module, changed=False) and (is_known(thing) or any(trail)):
                        yield thing


def _names(module: nn.Module, name: str) -> frozenset[str]:
    """A child's name, and its index counted from the end."""
    if container(type(module)) is None or not name.isdecimal():
        return frozenset([name])
    return frozenset([name, str(int(name) - len(children(module)))])


def _shows_children(thing: Thing) -> bool:
    """A container whose call says what it holds."""
    return isinstance(thing, Made) and thing.callee is not None and takes_children(thing.callee) is not None


def _distinct(sightings: Iterable[_Sighting]) -> list[_Sighting]:
    return list({(each.thing, id(each.state)): each for each in sightings}.values())


def _methods(cls: type) -> Iterator[tuple[type, FunctionType]]:
    """The methods that calls on an instance can reach."""
    for owner in cls.__mro__:
        if is_base(owner):
            continue
        for name, raw in vars(owner).items():
            if isinstance(raw, FunctionType) and inspect.getattr_static(cls, name) is raw:
                yield owner, unwrapped(raw)


def _stores(function: ast.AST, names: frozenset[str]) -> bool:
    """Whether code puts something under one of some names, as an attribute or by the name as text."""
    for node in ast.walk(function):
        match node:
            case ast.Attribute(attr=name, ctx=ast.Store()) if name in names:
                return True
            case ast.Call(args=[*arguments]) if any(_is_text(each, names) for each in arguments):
                return True
    return False


def _leads_to(trail: Trail, names: list[tuple[str, bool]]) -> bool:
    """Whether a chain of names may end at a path; what its variable stands for is not known.

    With each name of the path goes whether a container holds it: only there an index may lead.
    """
    pairs = zip(reversed(trail), reversed(names), strict=False)
    return all(one == name or (one is None and is_element) for one, (name, is_element) in pairs)


def _is_text(node: ast.expr, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
