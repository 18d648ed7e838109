"""What was saved of one model, and how to put it back.

Every module's attributes (hooks, training flags, containers, plain objects), the identity of its
parameters and buffers, and through ``KeptTensors`` their bytes and their ``.grad``.
"""

from __future__ import annotations

import random
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from operator import eq, is_, methodcaller
from types import MemberDescriptorType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from convlin.errors import UntouchedWarning
from convlin.module_tree import modules_of, of_class
from convlin.untouched.tensor_state import KeptTensors

_ATOMS = frozenset(
    {int, float, bool, str, bytes, complex, type(None), type, torch.dtype, torch.device, torch.Size, type(len)}
)
_CONTAINERS = frozenset({dict, OrderedDict, list, set, deque})
#: Numpy's generators by their names: it is not loaded for this.
_OF_NUMPY = (("numpy.random._generator", "Generator"), ("numpy.random.mtrand", "RandomState"))
_values = methodcaller("values")
_WITH_STATISTICS = ("torch.nn.modules.batchnorm", "torch.nn.modules.instancenorm")


class _Kind(NamedTuple):
    """What has to be known of a class of modules."""

    is_scripted: bool
    has_slots: bool
    tells_writes: bool
    """Its buffers are statistics that ``F.batch_norm`` and its like write to, which say so beforehand."""

    @classmethod
    def of(cls, kind: type) -> _Kind:
        own = kind.__module__ in _WITH_STATISTICS and not issubclass(kind, nn.SyncBatchNorm)
        return cls(issubclass(kind, torch.jit.ScriptModule), _has_slots(kind), own)


class Keeper:
    """What was saved of one model, and how to put it back."""

    def __init__(self, model: nn.Module, modules: Sequence[nn.Module] | None = None) -> None:
        self._undo: list[Callable[[], None]] = []
        self._dicts: list[dict[Any, Any]] = []
        self._saved: list[dict[Any, Any]] = []
        """What the dicts held, one for each."""
        self._others: list[tuple[Any, Any, Callable[[Any, Any], object]]] = []
        """Lists, sets and queues, what they held, and how to give it back."""
        self._empty: list[Any] = []
        """Containers of every kind that held nothing."""
        self._seen: set[int] = set()
        self._slotted: set[int] = set()
        self._modules: list[nn.Module] = []
        self._types: list[type] = []
        self._kinds: dict[type, _Kind] = {}
        held = modules_of(model) if modules is None else modules
        # Inside TorchScript no function mode sees who writes.
        self._tensors = KeptTensors(copy_all=bool(of_class(held, torch.jit.ScriptModule)))
        for module in held:
            self._save_module(module)

    # Saving

    def _save_module(self, module: nn.Module) -> None:
        seen = self._seen
        if id(module) in seen:
            return
        seen.add(id(module))
        kind = type(module)
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = _Kind.of(kind)
        if known.is_scripted:
            self._save_scripted(module)
            return
        attributes = module.__dict__
        self._modules.append(module)
        self._types.append(kind)
        self._dicts.append(attributes)
        self._saved.append(attributes.copy())
        if known.has_slots:
            self._save_slots(module)
        for name, value in attributes.items():
            held = type(value)
            if held in _CONTAINERS:
                if not value:
                    self._empty.append(value)
                    continue
            elif held in _ATOMS or (held is tuple and _ATOMS.issuperset(map(type, value))):
                continue
            if name == "_modules":
                self._save_shallow(value)
            elif name == "_parameters" or (name == "_buffers" and known.tells_writes and "forward" not in attributes):
                self._save_shallow(value)
                for tensor in value.values():
                    if tensor is not None:
                        self._tensors.save(tensor, writes_are_seen=name == "_buffers")
            else:
                self._save_value(value)

    def _save_shallow(self, value: dict[Any, Any]) -> bool:
        """A dict, and not what it holds; whether it is met for the first time."""
        if id(value) in self._seen:
            return False
        self._seen.add(id(value))
        self._dicts.append(value)
        self._saved.append(value.copy())
        return True

    def _save_scripted(self, module: nn.Module) -> None:
        # A scripted module keeps its state in C++: only the training flag and the tensors can be read.
        training = module.training

        def undo() -> None:
            if module.training != training:
                module.training = training  # not train(), which sets those of all modules inside as well

        self._undo.append(undo)
        # Looking up a method of a scripted module stores it in the wrapper's attributes.
        self._save_dict(module.__dict__)
        for tensors in (module._parameters, module._buffers):
            held = {name: tensor for name, tensor in tensors.items() if tensor is not None}
            for tensor in held.values():
                self._tensors.save(tensor)
            self._undo.append(partial(_put_back, tensors, held))

    def _save_value(self, value: Any) -> None:
        """Containers, plain objects and tensors that hang on a module, each once."""
        kind = type(value)
        if kind in _CONTAINERS and not value:
            self._empty.append(value)
        elif kind is dict or kind is OrderedDict:
            self._save_dict(value)
        elif kind is list:
            self._save_container(value, list(value), lambda now, saved: now.__setitem__(slice(None), saved))
        elif kind is set:
            self._save_container(value, set(value), _refill)
        elif kind is deque:
            self._save_container(value, list(value), lambda now, saved: (now.clear(), now.extend(saved)))
        elif kind is tuple or kind is frozenset:
            for item in value:
                if type(item) not in _ATOMS:
                    self._save_value(item)
        elif isinstance(value, Tensor):
            self._tensors.save(value)
        elif isinstance(value, nn.Module):
            self._save_module(value)
        elif _is_generator(value):
            self._save_generator(value)
        elif isinstance(getattr(value, "__dict__", None), dict) and not _is_library_object(value):
            self._save_dict(value.__dict__)
            self._save_slots(value)
        elif hasattr(kind, "__slots__") and not _is_library_object(value):
            self._save_slots(value)

    def _save_dict(self, value: dict[Any, Any]) -> None:
        if self._save_shallow(value):
            self._save_items(value.values())

    def _save_container(self, value: Any, saved: Any, put_back: Callable[[Any, Any], object]) -> None:
        if id(value) not in self._seen:
            self._seen.add(id(value))
            self._others.append((value, saved, put_back))
            self._save_items(saved)

    def _save_items(self, items: Iterable[Any]) -> None:
        for item in items:
            if type(item) not in _ATOMS:
                self._save_value(item)

    def _save_slots(self, value: Any) -> None:
        """An object whose attributes are slots, not items of a ``__dict__``."""
        if id(value) in self._slotted:
            return
        self._slotted.add(id(value))
        # By descriptor: a class may have a property by the name of a slot of its base, as Python 3.13's paths do.
        slots = [vars(kind).get(name) for kind in type(value).__mro__ for name in _slots(kind)]
        members = [slot for slot in slots if isinstance(slot, MemberDescriptorType)]
        saved = {slot: slot.__get__(value) for slot in members if _is_filled(slot, value)}

        def undo() -> None:
            for slot in members:
                if slot in saved and not (_is_filled(slot, value) and slot.__get__(value) is saved[slot]):
                    slot.__set__(value, saved[slot])
                elif slot not in saved and _is_filled(slot, value):
                    slot.__delete__(value)

        self._undo.append(undo)
        for item in saved.values():
            if type(item) not in _ATOMS:
                self._save_value(item)

    def _save_generator(self, generator: Any) -> None:
        """A random generator of the model's own."""
        if id(generator) in self._seen:
            return
        self._seen.add(id(generator))
        if isinstance(generator, torch.Generator):
            state = generator.get_state()
            self._undo.append(lambda: _discard(generator.set_state(state)))
        elif isinstance(generator, random.SystemRandom):
            return  # without a state
        elif isinstance(generator, random.Random):
            python = generator.getstate()
            self._undo.append(lambda: generator.setstate(python))
            self._save_dict(generator.__dict__)
        elif hasattr(generator, "bit_generator"):
            numpy_state = generator.bit_generator.state
            self._undo.append(lambda: setattr(generator.bit_generator, "state", numpy_state))
        else:
            legacy = generator.get_state()
            self._undo.append(lambda: generator.set_state(legacy))

    def save_inputs(self, inputs: Iterable[Any]) -> None:
        """What the caller gave the model, and a ``forward`` may write to: tensors, and what holds them."""
        self._save_items(inputs)

    def hide_gradients(self) -> None:
        """Take ``.grad`` off every tensor until the end: a backward pass adds to what is there."""
        self._tensors.hide_gradients()

    # While the pass runs

    def before_write(self, tensor: Tensor) -> None:
        """Called before a torch function writes to ``tensor``: keep the bytes of what it belongs to."""
        self._tensors.before_write(tensor)

    # Putting back

    def restore(self) -> None:
        """Everything as it was; what could not be is told with an ``UntouchedWarning``."""
        if not all(map(is_, map(type, self._modules), self._types)):
            for module, kind in zip(self._modules, self._types, strict=True):
                if type(module) is not kind:
                    module.__class__ = kind
        if not _all_same(self._dicts, self._saved):
            for now, saved in zip(self._dicts, self._saved, strict=True):
                if not _same_items(now, saved):
                    _refill(now, saved)
        if any(self._empty):
            for container in self._empty:
                container.clear()
        for container, held, put_back in reversed(self._others):
            if not _same(container, held):
                put_back(container, held)
        for undo in reversed(self._undo):
            undo()
        lost = self._tensors.restore()
        if lost:
            shapes = ", ".join("×".join(map(str, tensor.shape)) for tensor in lost[:3])
            warnings.warn(
                f"forward wrote to {len(lost)} tensor(s) of the model ({shapes}) by an operation that convlin "
                "cannot see; their old values are not restored. Pass copy.deepcopy(model) to keep the model",
                UntouchedWarning,
                stacklevel=2,
            )


class TrainingFlags:
    """The training flags of a model that a pass can change in no other way."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._saved = [(module.__dict__, module.training) for module in modules]

    def save_inputs(self, inputs: Iterable[Any]) -> None:
        """Nothing of the caller's is ever written to."""

    def hide_gradients(self) -> None:
        """There is no code that could run a backward pass."""

    def before_write(self, tensor: Tensor) -> None:
        """Nothing of the model is ever written to."""

    def restore(self) -> None:
        """The flags as they were."""
        for attributes, training in self._saved:
            attributes["training"] = training


def _same(now: Any, saved: Any) -> bool:
    if len(now) != len(saved):
        return False
    if isinstance(saved, set):
        return bool(now == saved)
    return all(map(is_, now, saved))


def _same_items(now: dict[Any, Any], saved: dict[Any, Any]) -> bool:
    """The same objects under the same names in the same order."""
    return len(now) == len(saved) and all(map(is_, now.values(), saved.values())) and list(now) == list(saved)


def _all_same(now: list[dict[Any, Any]], saved: list[dict[Any, Any]]) -> bool:
    """What ``_same_items`` says of each pair, without a step of the interpreter for each."""
    return (
        all(map(eq, map(len, now), map(len, saved)))
        and all(map(is_, chain.from_iterable(map(_values, now)), chain.from_iterable(map(_values, saved))))
        and all(map(is_, chain.from_iterable(now), chain.from_iterable(saved)))
    )


def _put_back(tensors: Any, held: dict[str, Tensor]) -> None:
    """Give a scripted module the tensors it held; it takes them one by one."""
    for name, tensor in held.items():
        if tensors[name] is not tensor:
            tensors[name] = tensor


def _refill(now: Any, saved: Any) -> None:
    now.clear()
    now.update(saved)


def _discard(_: object) -> None:
    """Take a result that nobody wants."""


def _is_filled(slot: MemberDescriptorType, value: object) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


def _slots(kind: type) -> tuple[str, ...]:
    """The names of a class's slots, private ones as Python stores them."""
    names = kind.__dict__.get("__slots__", ())
    names = (names,) if isinstance(names, str) else tuple(names)
    own = kind.__name__.lstrip("_")
    plain = [name for name in names if name not in ("__dict__", "__weakref__")]
    return tuple(f"_{own}{name}" if name.startswith("__") and not name.endswith("__") else name for name in plain)


def _has_slots(kind: type) -> bool:
    return any("__slots__" in base.__dict__ and _slots(base) for base in kind.__mro__)


def _is_generator(value: Any) -> bool:
    if isinstance(value, torch.Generator | random.Random):
        return True
    return any((base.__module__, base.__name__) in _OF_NUMPY for base in type(value).__mro__)


def _is_library_object(value: Any) -> bool:
    """Objects whose inside is not the model's: functions, classes, modules, torch's own."""
    if isinstance(value, type) or callable(value):
        return True
    package = type(value).__module__.partition(".")[0]
    return package in ("builtins", "torch", "numpy", "logging", "threading", "_thread", "weakref", "re")
