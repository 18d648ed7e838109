"""What a call gives back, and what it does to the things that it is given."""

from __future__ import annotations

import ast
import copy
import functools
from abc import abstractmethod
from collections import OrderedDict
from dataclasses import replace
from types import FunctionType
from typing import Final

from convlin.source.constants import filled, single
from convlin.source.expressions import Expressions
from convlin.source.syntax import unwrapped
from convlin.source.torch_names import (
    GIVES_ITSELF,
    exchanges_layers,
    is_base,
    is_foreign,
    is_module_class,
    is_torch,
    is_wrapper,
    takes_children,
)
from convlin.source.values import (
    NEXT,
    Anything,
    Arguments,
    Bunch,
    Closure,
    Const,
    Derived,
    Instance,
    Item,
    Log,
    Made,
    Ref,
    Super,
    Text,
    Thing,
    Value,
    key_of,
    ref,
    rekeyed,
    some_of,
    union,
)

#: Methods after which the order of the elements is another, or some are gone.
_SHUFFLES: Final = frozenset(
    ["insert", "pop", "popitem", "remove", "clear", "sort", "reverse", "setdefault", "move_to_end"]
)
_GROWS: Final = frozenset(["append", "extend", "add_module", "register_module", "update", "__setattr__", "__setitem__"])
_COPIES: Final = (copy.copy, copy.deepcopy)


class Calls(Expressions):
    """Calls in one frame."""

    @abstractmethod
    def enter(self, code: FunctionType | Closure, owner: type | None, given: Arguments) -> Value | None:
        """Follow a function's own code; None where that cannot be done."""

    def call(self, node: ast.Call) -> Value:
        """What a call gives back."""
        callees = self.value(node.func)
        given = self.arguments(node, node.args, node.keywords)
        return self.one_of([functools.partial(self._invoke, each, given) for each in callees])

    def _invoke(self, callee: Thing, given: Arguments) -> Value:
        match callee:
            case Closure():
                return self._entered(callee, None, given)
            case Derived(owner=owner, key=name):
                return self._method(owner, name, given)
            case Ref(target=type() as cls):
                return self._construct(cls, given)
            case Ref(target=FunctionType() as function):
                return self._function(function, None, given)
            case Ref(target=functools.partial(func=type() as cls, args=())) if is_module_class(cls):
                return self._construct(cls, replace(given, is_open=True))
            case Ref(target=target) if target is setattr:
                self.state.record(given.get(0, ""), Item(key_of(given.get(1, "")), given.get(2, "")))
                return self.unknown(given.node)
            case Ref(target=target) if target is getattr and (key := single(given.get(1, ""))):
                return union([self.attribute(given.get(0, ""), str(key.value), given.node), given.get(2, "")])
            case Ref(target=target) if is_foreign(str(getattr(target, "__module__", ""))):
                return self.unknown(given.node)
        return self._opaque(given)

    def _opaque(self, given: Arguments) -> Value:
        """A call of something that is not known."""
        result = self._unfollowed(given)
        match given.node:
            # A name may stand for a class, as in norm_layer(64); then this is where the layer was made.
            case ast.Call(func=ast.Name() | ast.Attribute(value=ast.Name(id="self"))):
                return self._made(None, given, ())
        return result

    def _unfollowed(self, given: Arguments) -> Value:
        """A call of code that is not known, which may do anything to what it is given."""
        for thing in given.things():
            if isinstance(thing, Bunch | Made | Instance | Derived):
                self.state.record((thing,), Anything(shuffled=isinstance(thing, Bunch)))
        return self.unknown(given.node)

    def _entered(self, code: FunctionType | Closure, owner: type | None, given: Arguments) -> Value:
        return self.enter(code, owner, given) or self._unfollowed(given)

    # Constructors

    def _construct(self, cls: type, given: Arguments) -> Value:
        if is_module_class(cls):
            return self._made(cls, given, self._children(cls, given))
        if cls in (list, tuple, set, frozenset):
            log = self.state.contents(given.positional[0]) if given.positional else ()
            return self.bunch(given.node, "tuple" if cls is tuple else "list", log)
        if cls in (dict, OrderedDict):
            log = self.state.mapping(given.positional[0]) if given.positional else ()
            return self.bunch(given.node, "dict", log + _named(given))
        if cls is super:
            return self._super(given) or self.unknown(given.node)
        return self.unknown(given.node) if is_foreign(cls.__module__) else self._unfollowed(given)

    def _made(self, cls: type | None, given: Arguments, log: Log) -> Value:
        # Only a constructor that is followed later needs to know what its arguments hold.
        is_plain = all(isinstance(thing, Const | Text | Ref) for thing in given.things())
        before = None if cls is None or is_base(cls) or is_plain else dict(self.state.log)
        assert isinstance(given.node, ast.Call)
        made = Made(given.node, self.frame, cls, given, self.frame.repeated or self.looping > 0, before)
        # An equal key stays as it was: the new one knows the arguments of this turn of a loop.
        self.state.log.pop(made, None)
        self.state.log[made] = log
        return (made,)

    def _children(self, cls: type, given: Arguments) -> Log:
        """What a new container holds."""
        kind = takes_children(cls)
        if kind is None:
            return ()
        first = given.get(0, "modules" if kind != "Sequential" else "")
        if kind == "Sequential" and (len(given.log) != 1 or given.is_open or any(map(_is_child, first))):
            return given.log
        if not first:
            return (Anything(),) if given.is_open else ()
        return self.state.contents(first) if kind == "ModuleList" else self.state.mapping(first)

    def _super(self, given: Arguments) -> Value | None:
        match given.positional:
            case ((Ref(target=type() as owner),), (Instance() as this,)):
                return (Super(owner, this),)
            case () if self.frame.owner is not None and len(self.frame.this) == 1:
                return (Super(self.frame.owner, self.frame.this[0]),)
        return None

    # Functions and methods with code of their own

    def _function(self, function: FunctionType, owner: type | None, given: Arguments) -> Value:
        function = unwrapped(function)
        module = str(function.__module__)
        if is_wrapper(module, function.__name__):
            return given.get(0, "module") or given.get(0, "model") or self.unknown(given.node)
        if function in _COPIES:
            return union(self._copied(thing, given) for thing in given.get(0, "x"))
        if exchanges_layers(module, function.__name__):
            return self._unfollowed(given)
        return self.unknown(given.node) if is_foreign(module) else self._entered(function, owner, given)

    def _copied(self, thing: Thing, given: Arguments) -> Value:
        """A copy was made by the call that made the original, but what happens to it is its own."""
        match thing:
            case Made(frame=made_in):
                frame = self.session.frame((given.node, self.frame, made_in), lambda: replace(made_in))
                made: Thing = replace(thing, frame=frame, repeated=True)
            case Bunch(kind=kind):
                return self.bunch(given.node, kind, self.state.log.get(thing, ()))
            case Const() | Text():
                return (thing,)
            case _:
                return self.unknown(given.node)
        self.state.log[made] = self.state.log.get(thing, ())
        return (made,)

    def _method(self, owner: Thing, name: str, given: Arguments) -> Value:
        match owner:
            case Super(owner=cls, this=Instance(cls=actual) as this):
                mro = actual.__mro__
                return self._looked_up(mro[mro.index(cls) + 1 :] if cls in mro else (), (this,), name, given)
            case Instance(cls=actual):
                return self._looked_up(actual.__mro__, (owner,), name, given)
            case Ref(target=type() as actual):
                return self._looked_up(actual.__mro__, (owner,), name, given)
        return self._builtin(owner, name, given)

    def _looked_up(self, classes: tuple[type, ...], this: Value, name: str, given: Arguments) -> Value:
        """``self.make(...)``, ``super().make(...)``, ``Base.__init__(self, ...)``, ``Net.small(...)``."""
        holder = next((cls for cls in classes if name in vars(cls)), None)
        if holder is None:
            return self._opaque(given)  # no method: a class or a function kept as an attribute
        raw = vars(holder)[name]
        cls = this[0].cls if isinstance(this[0], Instance) else classes[0]
        if isinstance(raw, FunctionType) and isinstance(this[0], Ref):
            this = given.get(0, "self")
            given = replace(given, positional=given.positional[1:], log=given.log[1:])
        if is_base(holder):
            return self._builtin(this[0], name, given) if len(this) == 1 else self.unknown(given.node)
        match raw:
            case FunctionType():
                return self._function(raw, holder, given.behind(this))
            case staticmethod(__func__=FunctionType() as function):
                return self._function(function, holder, given)
            case classmethod(__func__=FunctionType() as function):
                return self._function(function, holder, given.behind(ref(cls)))
            case type():
                return self._construct(raw, given)
        return self._unfollowed(given.behind(this))

    # Methods of Python's and PyTorch's own

    def _builtin(self, owner: Thing, name: str, given: Arguments) -> Value:
        """A method of a text, a list, a dict or a module."""
        itself, unknown = (owner,), self.unknown(given.node)
        log = self.state.log.get(owner, ())
        match owner, name:
            case (Const(value=form), "format"):
                return filled(str(form), "{")
            case (Const() | Text(), _):
                return unknown
            case (Bunch(kind=kind), "copy"):
                return self.bunch(given.node, kind, log)
            case (Bunch(), "values"):
                return self.bunch(given.node, "list", rekeyed(log, lambda item: Item(NEXT, item.value)))
            case (Bunch(kind=kind), "pop") if kind != "dict" and not self.looping:
                self.state.log[owner] = some_of(log)
                return unknown
            case (Instance(cls=cls), "__init__"):
                self.state.record(itself, *self._children(_base_of(cls), given))
                return unknown
        if name in GIVES_ITSELF:
            return itself
        if name in _SHUFFLES:
            self.state.record(itself, Anything(shuffled=True))
            return itself if name == "insert" else unknown
        if name in _GROWS:
            self.state.record(itself, *self._added(name, given))
            return itself if name in ("append", "extend") else unknown
        if isinstance(owner, Made) and owner.callee is not None and _is_users(owner.callee, name):
            self.state.record(itself, Anything())  # it may exchange its layers; those that PyTorch brings do not
        return unknown

    def _added(self, name: str, given: Arguments) -> Log:
        """What a method puts into its list, dict or module."""
        first = given.get(0, "module")
        if given.is_open:
            return (Anything(shuffled=True),)
        if name == "append":
            return (Item(NEXT, first),)
        if name == "extend":
            return self.state.contents(given.get(0, "modules"))
        if name == "update":
            return (self.state.mapping(first) if first else ()) + _named(given)
        return (Item(key_of(given.get(0, "name")), given.get(1, "module")),)


def _is_child(thing: Thing) -> bool:
    """A single argument of Sequential that is a module, and not an OrderedDict of modules."""
    return isinstance(thing, Made | Derived)


def _named(given: Arguments) -> Log:
    return tuple(Item(name, value) for name, value in given.keywords.items())


def _base_of(cls: type) -> type:
    """The class of PyTorch's own, or Python's, whose constructor a class comes to in the end."""
    return next(base for base in cls.__mro__ if "__init__" in vars(base) and is_base(base))


def _is_users(cls: type, name: str) -> bool:
    """Whether a method of a class is neither PyTorch's nor Python's own."""
    holder = next((base for base in cls.__mro__ if name in vars(base)), object)
    return not (is_base(holder) or is_torch(holder))
