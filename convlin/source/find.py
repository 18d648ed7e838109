"""From a live module's path to the call in the source that made it.

The path is walked from the root.  At every step the code of the class is followed, the children
that it may have put under that name are gathered, and those that do not fit the live module are
dropped.  An answer is given when one call is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from convlin._util.gc_pause import paused
from convlin.source.classes import ClassCode, constructed
from convlin.source.frames import Session, TooMuchError
from convlin.source.hints import NO_FILE, Hint, makings
from convlin.source.match import Candidate, Matcher, child_at, children, within
from convlin.source.rivals import Rivals
from convlin.source.sites import Site, site_of
from convlin.source.state import State
from convlin.source.torch_names import container, is_base, takes_children
from convlin.source.values import (
    ABSENT,
    SOFT,
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


class Finder:
    """Finds the calls that made the modules of one model; what was read is kept between searches."""

    def __init__(self, root: nn.Module, hints: Iterable[Hint] = ()) -> None:
        self.root = root
        self._hints = tuple(hints)
        self._session = Session()
        self._matcher = Matcher()
        self._rivals = Rivals(self._session, self._matcher, root, self._hints)
        self._counts = Counter(type(module) for _, module in within(root))
        self._classes: dict[tuple[type, int], tuple[Made | None, ClassCode | None]] = {}

    @paused()
    def site(self, path: str) -> Site | None:
        """The call that made the module at ``path``; None unless one call is left that can have."""
        self._session.renew()
        try:
            found = self._walk(path)
            return None if found is None else self._decided(found, path)
        except (TooMuchError, RecursionError):
            return None

    @paused()
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
        sightings = self._roots
        for name in path.split(".") if path else ():
            child = None if module is None else children(module).get(name)
            if module is None or child is None or len(sightings) > _MOST_SIGHTINGS:
                return None
            sightings = _distinct(step for each in sightings for step in self._step(each, module, name, child))
            module = child
        return sightings

    @cached_property
    def _roots(self) -> list[_Sighting]:
        found = makings(self._session, self._hints, self.root, self._matcher)
        starts = [_Sighting(thing, state) for thing, state in found.candidates]
        # A bare container has no code of its own; all that is known of it is what made it.
        if not found.is_all and not is_base(type(self.root)):
            starts.append(_Sighting(Unknown(), _NOTHING_KNOWN))
        return starts

    def _step(self, sighting: _Sighting, module: nn.Module, name: str, child: nn.Module) -> Iterator[_Sighting]:
        """What may have become one child of a module."""
        thing = sighting.thing
        views: list[Candidate] = [(thing, sighting.state), *sighting.outer]
        code = self._class_code(type(module), thing if is_known(thing) else None)
        if code is not None:
            views.insert(0, (code.this, code.state))
        names = _names(module, name)
        outer = tuple(
            (Derived(owner, key), state) for owner, state in views for key in names if Derived(owner, key) in state.log
        )
        found = self._stored(views, names, module)
        if code is not None:
            found += code.stored_later(names)
        for each, state in found:
            if each is ABSENT:
                yield _Sighting(SOFT if thing == SOFT else Unknown(), _NOTHING_KNOWN, outer)
            # Children that other code has exchanged are not those of the call.
            elif self._matcher.may_be(each, None if outer else state, child):
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
        callee = first.callee if isinstance(first, Made) else None  # whose call may say what it holds
        shows = callee is not None and takes_children(callee) is not None
        if holds_children and (isinstance(first, Instance) or shows):
            placed = self._matcher.children(logs, children(module)) or {}
            found[-1:] = [each for name in names for each in placed.get(name, ())]
        # The child is there: a class that puts it there under a condition has done so.
        elif isinstance(first, Instance) and len(found) > 1:
            found.pop()
        return found or [(ABSENT, _NOTHING_KNOWN)]

    def _class_code(self, cls: type, made: Made | None) -> ClassCode | None:
        key = (cls, id(made))
        if key not in self._classes:
            # The thing is kept so that its identity is not given to another.
            self._classes[key] = (made, constructed(self._session, Instance(cls, len(self._classes)), made))
        return self._classes[key][1]

    def _decided(self, sightings: list[_Sighting], path: str) -> Site | None:
        firm = [each for each in sightings if each.thing != SOFT]
        calls = {id(each.thing.node): each for each in firm if isinstance(each.thing, Made)}
        if len(calls) != 1 or not all(isinstance(each.thing, Made) for each in firm):
            return None
        ((node, sighting),) = calls.items()
        made = sighting.thing
        assert isinstance(made, Made)
        if made.frame.parsed.source.name == NO_FILE:
            return None
        rivals = list(self._rivals.of(made, path))
        if any(map(is_known, rivals)):
            return None
        certain = not rivals and len(firm) == len(sightings) and made.callee is not None
        repeated = any(self._is_repeated(each, node) for each in firm)
        site, *others = (
            site_of(thing, certain=certain, repeated=repeated, is_made_once=self._is_made_once)
            for thing in dict.fromkeys([made, *(each.thing for each in firm)])
            if isinstance(thing, Made)
        )
        site = site.with_origins_of(others)
        return site.with_first_rounds(lambda name, number: self._is_the_only_one(site, path, name, number))

    def _is_the_only_one(self, site: Site, path: str, name: str, number: int) -> bool:
        """Whether of all layers that a call may have made the one at a path alone has ``number`` as an attribute."""
        own = child_at(self.root, path)
        return (
            own is not None
            and getattr(own, name, None) == number
            and not any(
                type(module) is type(own)
                and module is not own
                and getattr(module, name, None) == number
                and self.may_have_made(site, other)
                for other, module in within(self.root)
            )
        )

    def _is_repeated(self, sighting: _Sighting, node: int) -> bool:
        made = sighting.thing
        assert isinstance(made, Made)
        if made.repeated or sum(isinstance(thing, Made) and id(thing.node) == node for thing in sighting.state.log) > 1:
            return True
        owner = made.frame.owner or sighting.state.owner
        return owner is not None and not self._is_made_once(owner)

    def _is_made_once(self, owner: type) -> bool:
        return sum(count for cls, count in self._counts.items() if issubclass(cls, owner)) <= 1


def _names(module: nn.Module, name: str) -> frozenset[str]:
    """A child's name, and its index counted from the end."""
    if container(type(module)) is None or not name.isdecimal():
        return frozenset([name])
    return frozenset([name, str(int(name) - len(children(module)))])


def _distinct(sightings: Iterable[_Sighting]) -> list[_Sighting]:
    return list({(each.thing, id(each.state)): each for each in sightings}.values())
