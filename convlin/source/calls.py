"""What a call gives back, and what it does to the things that it is given."""

from __future__ import annotations

import ast
import functools
import re
from abc import abstractmethod
from collections import OrderedDict
from dataclasses import replace
from types import FunctionType
from typing import Final

from convlin.source.constants import single
from convlin.source.contents import contents, mapping
from convlin.source.evaluate import Evaluator
from convlin.source.state import State, ways
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
    Unknown,
    Value,
    key_of,
    ref,
    rekeyed,
    union,
)

#: Methods after which the order of the elements is another, or some are gone.
_SHUFFLES: Final = frozenset(
    ["insert", "pop", "popitem", "remove", "clear", "sort", "reverse", "setdefault", "move_to_end"]
)
_GROWS: Final = frozenset(["append", "extend", "add_module", "register_module", "update", "__setattr__", "__setitem__"])


class Caller(Evaluator):
    """Calls in one frame."""

    @abstractmethod
    def enter(
        self, code: FunctionType | Closure, owner: type | None, arguments: Arguments, node: ast.AST, state: State
    ) -> Value | None:
        """Follow a function's own code; None where that cannot be done."""

    def call(self, node: ast.Call, state: State) -> Value:
        """What a call gives back."""
        callee = self.value(node.func, state)
        arguments = self.arguments(node.args, node.keywords, state)
        if len(callee) == 1:
            return self._invoke(callee[0], arguments, node, state)
        return ways([functools.partial(self._invoke, each, arguments, node) for each in callee], state)

    def _invoke(self, callee: Thing, arguments: Arguments, node: ast.Call, state: State) -> Value:
        match callee:
            case Ref(target=type() as cls):
                return self._construct(cls, arguments, node, state)
            case Ref(target=FunctionType() as function):
                return self._function(function, None, arguments, node, state)
            case Ref(target=functools.partial(func=type() as cls, args=())) if is_module_class(cls):
                return self._construct(cls, replace(arguments, is_open=True), node, state)
            case Ref(target=target) if target is setattr:
                state.record(arguments.get(0, ""), Item(key_of(arguments.get(1, "")), arguments.get(2, "")))
                return (Unknown(node, self.frame),)
            case Ref(target=target) if target is getattr and (name := single(arguments.get(1, ""))):
                owners = arguments.get(0, "")
                found = union(self.attribute(owner, str(name.value), node, state) for owner in owners)
                return union([found, arguments.get(2, "")])
            case Closure():
                return self.enter(callee, None, arguments, node, state) or self._opaque_result(arguments, node, state)
            case Derived(owner=owner, key=name):
                return self._method(owner, name, arguments, node, state)
            case Ref(target=target) if is_foreign(str(getattr(target, "__module__", ""))):
                return (Unknown(node, self.frame),)
        return self._opaque(arguments, node, state)

    def _opaque(self, arguments: Arguments, node: ast.Call, state: State) -> Value:
        """A call of something that is not known."""
        self._escape(arguments, state)
        # A name may stand for a class, as in norm_layer(64); then this is where the layer was made.
        match node.func:
            case ast.Name() | ast.Attribute(value=ast.Name(id="self")):
                return self._made(None, arguments, node, (), state)
        return (Unknown(node, self.frame),)

    def _escape(self, arguments: Arguments, state: State) -> None:
        """Unknown code may do anything to what it is given."""
        for thing in arguments.things():
            if isinstance(thing, Bunch | Made | Instance | Derived):
                state.record((thing,), Anything(shuffled=isinstance(thing, Bunch)))

    def _construct(self, cls: type, arguments: Arguments, node: ast.Call, state: State) -> Value:
        if is_module_class(cls):
            return self._made(cls, arguments, node, self._children(cls, arguments, state), state)
        if cls in (list, tuple, set, frozenset):
            log = contents(arguments.positional[0], state) if arguments.positional else ()
            return self.bunch(node, "tuple" if cls is tuple else "list", log, state)
        if cls in (dict, OrderedDict):
            log = mapping(arguments.positional[0], state) if arguments.positional else ()
            named = tuple(Item(name, value) for name, value in arguments.keywords.items())
            return self.bunch(node, "dict", log + named, state)
        if cls is super:
            return self._super(arguments) or (Unknown(node, self.frame),)
        if not is_foreign(cls.__module__):
            self._escape(arguments, state)
        return (Unknown(node, self.frame),)

    def _made(self, cls: type | None, arguments: Arguments, node: ast.Call, log: Log, state: State) -> Value:
        # Only a constructor that is followed later needs to know what its arguments hold.
        needs_state = cls is not None and not is_base(cls) and any(not _is_plain(each) for each in arguments.things())
        before = dict(state.log) if needs_state else None
        made = Made(node, self.frame, cls, arguments, self.frame.repeated or self.looping > 0, before)
        state.log.pop(made, None)
        state.log[made] = log
        return (made,)

    def _children(self, cls: type, arguments: Arguments, state: State) -> Log:
        """What a new container holds."""
        kind = takes_children(cls)
        if kind is None:
            return ()
        given = arguments.get(0, "modules" if kind != "Sequential" else "")
        if kind == "Sequential":
            if len(arguments.log) == 1 and not arguments.is_open and not any(map(_is_child, given)):
                return mapping(given, state)
            return arguments.log
        if not given:
            return (Anything(),) if arguments.is_open else ()
        return mapping(given, state) if kind == "ModuleDict" else contents(given, state)

    def _super(self, arguments: Arguments) -> Value | None:
        match arguments.positional:
            case ((Ref(target=type() as owner),), (Instance() as this,)):
                return (Super(owner, this),)
            case () if self.frame.owner is not None and len(self.frame.this) == 1:
                return (Super(self.frame.owner, self.frame.this[0]),)
        return None

    def _function(
        self, function: FunctionType, owner: type | None, arguments: Arguments, node: ast.Call, state: State
    ) -> Value:
        function = unwrapped(function)
        module = str(function.__module__)
        if is_wrapper(module):
            return arguments.get(0, "module") or (Unknown(node, self.frame),)
        if (module, function.__name__) in (("copy", "deepcopy"), ("copy", "copy")):
            return union(self._copied(thing, node, state) for thing in arguments.get(0, "x"))
        if exchanges_layers(module, function.__name__):
            return self._opaque_result(arguments, node, state)
        if is_foreign(module):
            return (Unknown(node, self.frame),)
        result = self.enter(function, owner, arguments, node, state)
        return result if result is not None else self._opaque_result(arguments, node, state)

    def _opaque_result(self, arguments: Arguments, node: ast.Call, state: State) -> Value:
        self._escape(arguments, state)
        return (Unknown(node, self.frame),)

    def _copied(self, thing: Thing, node: ast.Call, state: State) -> Value:
        """A copy was made by the call that made the original, but what happens to it is its own."""
        match thing:
            case Made():
                frame = self.session.frame((node, self.frame, thing.frame), lambda: replace(thing.frame))
                copy: Thing = Made(thing.node, frame, thing.callee, thing.arguments, True, thing.before)
            case Bunch():
                copy = Bunch(node, self.frame, thing.kind)
            case Const() | Text():
                return (thing,)
            case _:
                return (Unknown(node, self.frame),)
        state.log[copy] = state.log.get(thing, ())
        return (copy,)

    def _method(self, owner: Thing, name: str, arguments: Arguments, node: ast.Call, state: State) -> Value:
        match owner:
            case Super(owner=cls, this=Instance(cls=actual) as this):
                behind = actual.__mro__[actual.__mro__.index(cls) + 1 :] if cls in actual.__mro__ else ()
                return self._bound(behind, this, name, arguments, node, state)
            case Instance(cls=actual):
                return self._bound(actual.__mro__, owner, name, arguments, node, state)
            case Ref(target=type() as cls):
                return self._unbound(cls, name, arguments, node, state)
        return self._builtin(owner, name, arguments, node, state)

    def _bound(
        self, classes: tuple[type, ...], this: Thing, name: str, arguments: Arguments, node: ast.Call, state: State
    ) -> Value:
        """A method of the module whose class is followed."""
        for cls in classes:
            if name not in vars(cls):
                continue
            if is_base(cls):
                return self._builtin(this, name, arguments, node, state)
            return self._raw(vars(cls)[name], cls, (this,), arguments, node, state)
        # Not a method: a class or a function kept as an attribute.
        return self._opaque(arguments, node, state)

    def _unbound(self, cls: type, name: str, arguments: Arguments, node: ast.Call, state: State) -> Value:
        """``Base.__init__(self, ...)``, ``Net.small(...)``."""
        holder = next((base for base in cls.__mro__ if name in vars(base)), None)
        if holder is None:
            return self._opaque_result(arguments, node, state)
        raw = vars(holder)[name]
        if not isinstance(raw, FunctionType):
            return self._raw(raw, holder, ref(cls), arguments, node, state)
        if is_base(holder):
            rest = replace(arguments, positional=arguments.positional[1:], log=arguments.log[1:])
            this = arguments.get(0, "self")
            return self._builtin(this[0], name, rest, node, state) if len(this) == 1 else (Unknown(node, self.frame),)
        return self._function(raw, holder, arguments, node, state)

    def _raw(self, raw: object, owner: type, this: Value, arguments: Arguments, node: ast.Call, state: State) -> Value:
        with_this = arguments.behind(this)
        match raw:
            case FunctionType():
                return self._function(raw, owner, with_this, node, state)
            case staticmethod(__func__=FunctionType() as function):
                return self._function(function, owner, arguments, node, state)
            case classmethod(__func__=FunctionType() as function):
                cls = this[0].cls if isinstance(this[0], Instance) else None
                bound = with_this if cls is None else arguments.behind(ref(cls))
                return self._function(function, owner, bound, node, state)
            case type():
                return self._construct(raw, arguments, node, state)
        return self._opaque_result(with_this, node, state)

    def _builtin(self, owner: Thing, name: str, arguments: Arguments, node: ast.Call, state: State) -> Value:
        """A method of a list, a dict or a module."""
        if isinstance(owner, Const | Text):
            return self._formatted(owner, name) or (Unknown(node, self.frame),)
        if name in GIVES_ITSELF:
            return (owner,)
        if name in _SHUFFLES:
            state.record((owner,), Anything(shuffled=True))
            return (owner,) if name == "insert" else (Unknown(node, self.frame),)
        if name in _GROWS:
            for part in self._added(name, arguments, state):
                state.record((owner,), part)
            return (owner,) if name in ("append", "extend") else (Unknown(node, self.frame),)
        if name == "__init__" and isinstance(owner, Instance):
            base = next((base for base in owner.cls.__mro__ if "__init__" in vars(base) and is_base(base)), None)
            for part in self._children(base, arguments, state) if base is not None else ():
                state.record((owner,), part)
            return (Unknown(node, self.frame),)
        if name in ("copy", "values") and isinstance(owner, Bunch):
            log = state.log.get(owner, ())
            if name == "copy":
                return self.bunch(node, owner.kind, log, state)
            return self.bunch(node, "list", rekeyed(log, lambda item: Item(NEXT, item.value)), state)
        self._touched(owner, name, state)
        return (Unknown(node, self.frame),)

    def _touched(self, owner: Thing, name: str, state: State) -> None:
        """A method of a module's own may exchange its layers; those that PyTorch brings do not."""
        if isinstance(owner, Made) and owner.callee is not None:
            holder = next((base for base in owner.callee.__mro__ if name in vars(base)), object)
            if holder is object or is_base(holder) or is_torch(holder):
                return
            state.record((owner,), Anything())

    def _added(self, name: str, arguments: Arguments, state: State) -> Log:
        first, second = arguments.get(0, "module"), arguments.get(1, "module")
        if arguments.is_open:
            return (Anything(shuffled=True),)
        if name == "append":
            return (Item(NEXT, first),)
        if name == "extend":
            return contents(arguments.get(0, "modules"), state)
        if name == "update":
            named = tuple(Item(key, value) for key, value in arguments.keywords.items())
            return (mapping(first, state) if first else ()) + named
        return (Item(key_of(arguments.get(0, "name")), second),)

    def _formatted(self, owner: Const | Text, name: str) -> Value | None:
        if name != "format" or not isinstance(owner, Const):
            return None
        return (Text(re.escape(str(owner.value).partition("{")[0]) + ".*"),)


def _is_child(thing: Thing) -> bool:
    """A single argument of Sequential that is a module, and not an OrderedDict of modules."""
    return isinstance(thing, Made | Derived)


def _is_plain(thing: Thing) -> bool:
    return isinstance(thing, Const | Text | Ref)
