"""What a name may stand for while source is followed without running it.

A *value* is the set of *things* an expression may evaluate to.  What is put into a thing (elements
of a list, children and attributes of a module) stands in a log, in the order in which it happens,
with the branches and loops that it happens in.  A log therefore is a regular expression over
elements, and it covers everything that can have happened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, TypeAlias, TypeGuard

if TYPE_CHECKING:
    import ast

    from convlin.source.syntax import Function, Parsed


@dataclass(eq=False, slots=True)
class Frame:
    """A body of code in its surroundings: one way in which a function was called."""

    parsed: Parsed
    globals: Mapping[str, object] = field(repr=False)
    local_names: frozenset[str] = field(default=frozenset(), repr=False)
    outer: Mapping[str, Value] = field(default_factory=dict, repr=False)
    """Names of the functions around this one."""
    owner: type | None = None
    """The class whose body holds the function; ``super()`` looks behind it."""
    this: Value = ()
    """What the first parameter stands for."""
    callers: tuple[ast.AST, ...] = ()
    """The functions through which this code was reached, and itself."""
    repeated: bool = False
    """The call that led here may have run more than once."""
    call: Called | None = field(default=None, repr=False)
    """The call itself, where all that it gives is written in it."""
    is_module: bool = False
    """Names bound here are those of ``globals``: the top of a file, or code that is read as if it stood there."""


@dataclass(frozen=True, eq=False, slots=True)
class Called:
    """The call that led to a body of code."""

    node: ast.Call
    frame: Frame
    is_bound: bool
    """The first parameter is not among its arguments: ``self``, or the class."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing was put here, as far as this log goes."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Anything at all.

    A *soft* one stems from code that may or may not have run (a setter, a helper that was given the
    module): what else was found still holds, though not beyond doubt.
    """

    node: ast.AST | None = None
    frame: Frame | None = None
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Const:
    """A plain immutable value."""

    value: object
    kind: type
    node: ast.expr | None = field(default=None, compare=False)
    frame: Frame | None = field(default=None, compare=False)
    firm: bool = False
    """The value is what the code had when it ran, not merely what a global name holds today."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string of which only a pattern is known, as in ``f"fc{i}"``."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Ref:
    """A live class, function or module."""

    identity: int
    target: object = field(compare=False)


@dataclass(frozen=True, slots=True)
class Closure:
    """A function written inside of the code that is followed."""

    node: Function
    frame: Frame
    names: Mapping[str, Value] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Bunch:
    """A list, tuple or dict; its elements stand in the log."""

    node: ast.AST
    frame: Frame
    kind: str = field(default="list", compare=False)


@dataclass(frozen=True, slots=True)
class Arguments:
    """Arguments of a call."""

    node: ast.AST | None = None
    """The call that they are written in."""
    positional: tuple[Value, ...] = ()
    keywords: Mapping[str, Value] = field(default_factory=dict)
    is_open: bool = False
    """There may be more of them: ``*args`` or ``**kwargs`` of unknown content."""
    log: Log = ()
    """All positional ones, with what is unknown among them."""

    def get(self, index: int, name: str) -> Value:
        """The argument at a position or of a name; empty if it is not there."""
        return self.positional[index] if index < len(self.positional) else self.keywords.get(name, ())

    def behind(self, first: Value) -> Arguments:
        """The same behind another one, as a method gets them behind ``self``."""
        return replace(self, positional=(first, *self.positional), log=(Item(NEXT, first), *self.log))

    def things(self) -> Iterator[Thing]:
        """Everything that is passed."""
        for value in (*self.positional, *self.keywords.values()):
            yield from value


@dataclass(frozen=True, slots=True)
class Made:
    """What a call has made: a module of class ``callee`` (None if the class is not known)."""

    node: ast.Call
    frame: Frame
    callee: type | None
    arguments: Arguments = field(default=Arguments(), compare=False)
    repeated: bool = field(default=False, compare=False)
    """The call may have run more than once."""
    before: Mapping[Thing, Log] | None = field(default=None, compare=False)
    """What had been put into every thing when the call was made; what the arguments hold stands there."""


@dataclass(frozen=True, slots=True)
class Instance:
    """``self`` of the class whose code is followed."""

    cls: type
    serial: int
    """Tells two of one class apart."""


@dataclass(frozen=True, slots=True)
class Derived:
    """An attribute or element of a thing, when nothing more is known about it."""

    owner: Thing
    key: str


@dataclass(frozen=True, slots=True)
class Super:
    """``super()``: the classes behind ``owner``."""

    owner: type
    this: Thing


Thing: TypeAlias = (
    Absent | Unknown | Const | Text | Ref | Closure | Bunch | Made | Instance | Derived | Super
)  # fmt: skip
Value: TypeAlias = tuple[Thing, ...]
"""The alternatives, without repetition."""

ABSENT: Final = Absent()
SOFT: Final = Unknown(soft=True)


class Next(Enum):
    """Key of an element that goes to the end."""

    NEXT = auto()


NEXT: Final = Next.NEXT
Key: TypeAlias = "str | re.Pattern[str] | Next | None"
"""A name, the pattern of a name, the end of a list, or (None) a name that is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One thing was put in."""

    key: Key
    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class Either:
    """One of several things happened."""

    branches: tuple[Log, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """A loop: any number of times."""

    log: Log


@dataclass(frozen=True, slots=True, eq=False)
class Anything:
    """Something unknown may have happened; when ``shuffled``, also to what was there before."""

    shuffled: bool = False


Part: TypeAlias = Item | Either | Repeat | Anything
Log: TypeAlias = tuple[Part, ...]

_MOST_ALTERNATIVES = 24


def union(values: Iterable[Value]) -> Value:
    """All alternatives of some values."""
    found = [value for value in values if value]
    if len(found) == 1 and len(found[0]) == 1:  # nearly always
        return found[0]
    # Of two equal things the later one is kept: it knows the arguments of every turn of a loop.
    things = tuple({thing: thing for value in found for thing in value}.values())
    return things if len(things) <= _MOST_ALTERNATIVES else (Unknown(),)


def constant(value: object, node: ast.expr | None = None, frame: Frame | None = None, *, firm: bool = False) -> Value:
    """A value that is one plain constant."""
    return (Const(value, type(value), node, frame, firm),)


def ref(target: object) -> Value:
    """A value that is one live object."""
    return (Ref(id(target), target),)


def key_of(value: Value) -> Key:
    """The key that a value makes when something is stored under it."""
    match value:
        case (Const(value=str() | int() as name),):
            return str(name)
        case (Text(pattern=pattern),):
            return re.compile(pattern)
    return None


def fits_key(key: Key, names: Collection[str]) -> bool:
    """Whether something stored under a key may be found under one of some names."""
    if isinstance(key, str):
        return key in names
    if isinstance(key, re.Pattern):
        return any(map(key.fullmatch, names))
    return key is None


_Known: TypeAlias = "dict[tuple[int, ...], tuple[Value, Value]]"
"""Answers by the identity of what was looked into and of what was there before, which stands beside each: an object
that is gone gives its identity to another."""


def reaching(log: Log, names: frozenset[str], before: Value, known: _Known | None = None) -> Value:
    """What may be stored under one of some names for the same place, after everything in a log.

    ``known`` are the answers so far: what several branches have in common is one object, to which there are more ways
    than could be counted.
    """
    known = {} if known is None else known
    for part in log:
        match part:
            case Item(key=key) if not fits_key(key, names):
                continue
            case Item(key=str(), value=value):
                before = value
            case Item(key=re.Pattern(), value=value):
                before = union([before, value])
            case Item(value=value):
                # Code that stores what it is given where it is told to is hardly about this name.
                before = union([before, map_things(softened, value)])
            case Either() | Repeat():
                way = (id(part), *map(id, before))
                if way not in known:
                    known[way] = before, _reaching_inside(part, names, before, known)
                before = known[way][1]
            case Anything():
                before = union([before, (SOFT,)])
    return before


def _reaching_inside(part: Either | Repeat, names: frozenset[str], before: Value, known: _Known) -> Value:
    if isinstance(part, Either):
        return union([reaching(branch, names, before, known) for branch in part.branches])
    return union([before, blurred(reaching(part.log, names, before, known))])


def is_known(thing: Thing) -> TypeGuard[Made]:
    """Made by a call of a class that is known."""
    return isinstance(thing, Made) and thing.callee is not None


def softened(thing: Thing) -> Thing:
    """A thing put somewhere by code that may not have run at all."""
    return thing if isinstance(thing, Const) or is_known(thing) else SOFT


def map_things(change: Callable[[Thing], Thing], value: Value) -> Value:
    """A value with every alternative replaced."""
    return union((change(thing),) for thing in value)


def blurred(value: Value) -> Value:
    """A value that changes from one turn of a loop to the next; numbers then are anybody's guess."""
    return map_things(lambda thing: Unknown() if isinstance(thing, Const) else thing, value)


def leaves(log: Log) -> Iterator[Item | Anything]:
    """Everything in a log that may have happened, in branches and loops too.

    What several branches have in common is one object, and is looked into once: behind many loops and branches there
    are more ways than could be counted.
    """
    seen: set[int] = set()
    waiting = [*reversed(log)]
    while waiting:
        part = waiting.pop()
        match part:
            case Item() | Anything():
                yield part
            case Either(branches=branches) if id(part) not in seen:
                seen.add(id(part))
                waiting += (each for branch in reversed(branches) for each in reversed(branch))
            case Repeat(log=inner) if id(part) not in seen:
                seen.add(id(part))
                waiting += reversed(inner)


def items(log: Log) -> Iterator[Item]:
    """Every element in a log, whether it was put in for certain or not."""
    return (part for part in leaves(log) if isinstance(part, Item))


def is_shuffled(log: Log) -> bool:
    """The order of the elements, or which of them are left, is not known."""
    return any(isinstance(part, Anything) and part.shuffled for part in leaves(log))


def some_of(log: Log) -> Log:
    """A log of which any elements may be missing; those that are there stand in their order."""
    return rekeyed(log, lambda item: Either(((item,), ())))


def rekeyed(log: Log, change: Callable[[Item], Part]) -> Log:
    """The same log with every element replaced."""
    parts: list[Part] = []
    for part in log:
        match part:
            case Item():
                parts.append(change(part))
            case Either(branches=branches):
                parts.append(Either(tuple(rekeyed(branch, change) for branch in branches)))
            case Repeat(log=inner):
                parts.append(Repeat(rekeyed(inner, change)))
            case Anything():
                parts.append(part)
    return tuple(parts)
