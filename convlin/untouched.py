"""A context that gives a model and the random state back as they were.

What a forward pass can change is saved before and put back after, whether the pass returned or
raised: every module's attributes (hooks, training flags, containers, plain objects), the identity
of its parameters and buffers, their bytes, their ``.grad``; the random state of torch, CUDA, numpy
and Python; the grad mode, the default dtype, the autocast cache.

Bytes are not copied up front, or a model would need twice its memory.  Small buffers are; anything
else is copied right before a torch function writes to it (``Keeper.before_write``, called by the
function mode of ``trace``).  A write that neither sees is noticed by the tensor's version counter
and told with an ``UntouchedWarning``, never passed over.
"""

from __future__ import annotations

import random
import sys
import threading
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import is_
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convlin.collector import paused
from convlin.errors import UntouchedWarning

#: Tensors up to this many elements that are no parameters are copied up front.
SMALL = 1 << 16

#: One pass at a time in a process: the random state and the modules' hooks are shared by threads.
ONE_AT_A_TIME = threading.RLock()

_ATOMS = frozenset(
    {int, float, bool, str, bytes, complex, type(None), type, torch.dtype, torch.device, torch.Size, type(len)}
)
_CONTAINERS = frozenset({dict, OrderedDict, list, set, deque})
_GENERATORS = frozenset({torch.Generator, random.Random})


class Keeper:
    """What was saved of one model, and how to put it back."""

    def __init__(self, model: nn.Module) -> None:
        self._undo: list[Callable[[], None]] = []
        self._containers: list[tuple[Any, Any, Callable[[Any, Any], object]]] = []
        self._empty: list[Any] = []
        self._seen: set[int] = set()
        self._slotted: set[int] = set()
        self._tensors: dict[int, Tensor] = {}
        self._facts: list[_Facts] = []
        self._copies: dict[int, _Copy] = {}
        self._by_storage: dict[int, list[Tensor]] = {}
        self._modules: list[tuple[nn.Module, type, dict[str, Any]]] = []
        modules = list(model.modules())
        self._scripted = any(isinstance(module, torch.jit.ScriptModule) for module in modules)
        for module in modules:
            self._save_module(module)

    # Saving

    def _save_module(self, module: nn.Module) -> None:
        if id(module) in self._seen:
            return
        self._seen.add(id(module))
        if isinstance(module, torch.jit.ScriptModule):
            self._save_scripted(module)
            return
        attributes = module.__dict__
        kind = type(module)
        self._modules.append((module, kind, attributes.copy()))
        if _has_slots(kind):
            self._save_slots(module)
        for name, value in attributes.items():
            # Containers that are empty now are looked at again when they are put back.
            if type(value) in _ATOMS or (type(value) in _CONTAINERS and not value):
                continue
            if name == "_modules":
                self._save_shallow(value, _refill)
            elif name == "_parameters":
                self._save_shallow(value, _refill)
                for tensor in value.values():
                    if tensor is not None:
                        self._save_tensor(tensor)
            else:
                self._save_value(value)

    def _save_shallow(self, value: Any, put_back: Callable[[Any, Any], object]) -> None:
        if id(value) not in self._seen:
            self._seen.add(id(value))
            self._containers.append((value, value.copy(), put_back))

    def _save_scripted(self, module: torch.jit.ScriptModule) -> None:
        # A scripted module keeps its state in C++: only the training flag and the tensors can be read.
        training = module.training

        def undo() -> None:
            if module.training != training:
                module.train(training)

        self._undo.append(undo)
        # Looking up a method of a scripted module stores it in the wrapper's attributes.
        self._save_container(module.__dict__, dict(module.__dict__), _refill)
        for tensors in (module._parameters, module._buffers):
            held = {name: tensor for name, tensor in tensors.items() if tensor is not None}
            for tensor in held.values():
                self._save_tensor(tensor)
            self._undo.append(partial(_put_back, tensors, held))

    def _save_value(self, value: Any) -> None:
        """Containers, plain objects and tensors that hang on a module, each once."""
        kind = type(value)
        if kind in _CONTAINERS and not value:
            self._empty.append(value)
        elif kind is dict or kind is OrderedDict:
            self._save_container(value, dict(value), _refill)
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
            self._save_tensor(value)
        elif isinstance(value, nn.Module):
            self._save_module(value)
        elif kind in _GENERATORS or (kind.__module__ == "numpy.random._generator" and kind.__name__ == "Generator"):
            self._save_generator(value)
        elif isinstance(getattr(value, "__dict__", None), dict) and not _is_library_object(value):
            self._save_container(value.__dict__, dict(value.__dict__), _refill)
            self._save_slots(value)
        elif hasattr(kind, "__slots__") and not _is_library_object(value):
            self._save_slots(value)

    def _save_container(self, value: Any, saved: Any, put_back: Callable[[Any, Any], object]) -> None:
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        self._containers.append((value, saved, put_back))
        for item in saved.values() if isinstance(saved, dict) else saved:
            if type(item) not in _ATOMS:
                self._save_value(item)

    def _save_slots(self, value: Any) -> None:
        """An object whose attributes are slots, not items of a ``__dict__``."""
        if id(value) in self._slotted:
            return
        self._slotted.add(id(value))
        names = {name for kind in type(value).__mro__ for name in _slots(kind)}
        saved = {name: getattr(value, name) for name in names if hasattr(value, name)}

        def undo() -> None:
            for name in names:
                if name in saved and getattr(value, name, None) is not saved[name]:
                    object.__setattr__(value, name, saved[name])
                elif name not in saved and hasattr(value, name):
                    object.__delattr__(value, name)

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
        elif isinstance(generator, random.Random):
            python = generator.getstate()
            self._undo.append(lambda: generator.setstate(python))
        else:
            numpy_state = generator.bit_generator.state
            self._undo.append(lambda: setattr(generator.bit_generator, "state", numpy_state))

    def _save_tensor(self, tensor: Tensor) -> None:
        key = id(tensor)
        if key in self._tensors:
            return
        self._tensors[key] = tensor
        facts = _facts(tensor)
        self._facts.append(facts)
        if facts.storage:
            self._by_storage.setdefault(facts.storage, []).append(tensor)
        small = not isinstance(tensor, nn.Parameter) and facts.version is not None and tensor.numel() <= SMALL
        if small or self._scripted:
            self._copy(tensor)

    def _copy(self, tensor: Tensor) -> None:
        """Keep the bytes of a tensor, once."""
        if id(tensor) in self._copies or is_lazy(tensor) or tensor.is_inference() or tensor.device.type == "meta":
            return
        alias = tensor.detach()
        try:
            self._copies[id(tensor)] = _Copy(alias, alias.clone())
        except (RuntimeError, NotImplementedError):
            return  # a layout without clone: the version counter still tells of a write

    # While the pass runs

    def before_write(self, tensor: Tensor) -> None:
        """Called before a torch function writes to ``tensor``: keep the bytes of what it belongs to."""
        if id(tensor) in self._tensors:
            self._copy(tensor)
            return
        for other in self._by_storage.get(_storage(tensor), ()):  # a view, or ``parameter.data``
            self._copy(other)

    # Putting back

    def restore(self) -> None:
        """Everything as it was; what could not be is told with an ``UntouchedWarning``."""
        seen = self._seen
        for module, kind, attributes in self._modules:
            if type(module) is not kind:
                module.__class__ = kind
            now = module.__dict__
            if not _same_items(now, attributes):
                now.clear()
                now.update(attributes)
            for value in attributes.values():
                if type(value) in _CONTAINERS and value and id(value) not in seen:
                    value.clear()
        for container in self._empty:
            if container:
                container.clear()
        for container, saved, put_back in reversed(self._containers):
            if not _same(container, saved):
                put_back(container, saved)
        for undo in reversed(self._undo):
            undo()
        lost = [facts.tensor for facts in self._facts if not self._restore_tensor(facts)]
        if lost:
            shapes = ", ".join("×".join(map(str, tensor.shape)) for tensor in lost[:3])
            warnings.warn(
                f"forward wrote to {len(lost)} tensor(s) of the model ({shapes}) by an operation that convlin "
                "cannot see; their old values are not restored. Pass copy.deepcopy(model) to keep the model",
                UntouchedWarning,
                stacklevel=2,
            )

    def _restore_tensor(self, facts: _Facts) -> bool:
        """One tensor as it was; False if its bytes changed and nobody kept them."""
        tensor, version, pointer, _, grad, requires_grad = facts
        if version is None:
            return True
        if tensor.requires_grad != requires_grad and tensor.is_leaf:
            tensor.requires_grad_(requires_grad)
        if tensor.is_leaf and tensor.grad is not grad:
            tensor.grad = grad
        swapped = pointer != _address(tensor)
        copy = self._copies.get(id(tensor))
        if copy is None:
            return tensor._version == version and not swapped
        if swapped:
            tensor.data = copy.alias.data
        if swapped or tensor._version != version or not _equal(copy.alias, copy.bytes):
            # By .data, so that autograd's version counter does not take this for one more write.
            tensor.data.copy_(copy.bytes)
            _set_version(tensor, version)
        return True


class _Copy(NamedTuple):
    """The bytes of a tensor, and another name for its storage, which keeps that alive."""

    alias: Tensor
    bytes: Tensor


class _Facts(NamedTuple):
    """What tells whether a tensor was changed."""

    tensor: Tensor
    version: int | None
    """None for a tensor that does not count its versions: one of inference mode, or a lazy one."""
    pointer: int
    storage: int
    grad: Tensor | None
    requires_grad: bool


def _facts(tensor: Tensor) -> _Facts:
    try:
        version = tensor._version
        address = tensor.data_ptr()
        offset = int(tensor.storage_offset())
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return _slow_facts(tensor)
    storage = address - offset * tensor.element_size() if offset else address
    # .grad of a tensor that is no leaf warns, and is None unless it was retained.
    grad = tensor.grad if tensor.is_leaf else None
    return _Facts(tensor, version, address, storage, grad, tensor.requires_grad)


def _slow_facts(tensor: Tensor) -> _Facts:
    """The same of a tensor that lacks a storage, a version or both."""
    lazy = is_lazy(tensor)
    version = None if lazy or tensor.is_inference() else tensor._version
    grad = tensor.grad if tensor.is_leaf else None
    storage = 0 if lazy else _storage(tensor)
    return _Facts(tensor, version, _address(tensor), storage, grad, tensor.requires_grad)


def _address(tensor: Tensor) -> int:
    """Where the elements start; 0 where there are none (lazy, meta, sparse, fake)."""
    try:
        return tensor.data_ptr()
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return 0


def _storage(tensor: Tensor) -> int:
    """Address of the storage; 0 where there is none (meta, sparse, fake)."""
    if is_lazy(tensor) or tensor.device.type == "meta" or tensor.layout != torch.strided:
        return 0
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return 0


def _equal(left: Tensor, right: Tensor) -> bool:
    try:
        return bool(torch.equal(left, right))
    except (RuntimeError, NotImplementedError):
        return False


def _set_version(tensor: Tensor, version: int) -> None:
    # Private, and the only way to tell autograd that the bytes are those it saved.
    setter = getattr(torch._C._autograd, "_unsafe_set_version_counter", None)
    if setter is not None:
        setter((tensor,), (version,))


def _same(now: Any, saved: Any) -> bool:
    if isinstance(saved, dict):
        return _same_items(now, saved)
    if len(now) != len(saved):
        return False
    if isinstance(saved, set):
        return bool(now == saved)
    return all(map(is_, now, saved))


def _same_items(now: dict[str, Any], saved: dict[str, Any]) -> bool:
    """The same objects under the same names in the same order."""
    return len(now) == len(saved) and all(map(is_, now.values(), saved.values())) and list(now) == list(saved)


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


def _slots(kind: type) -> tuple[str, ...]:
    """The names of a class's slots, private ones as Python stores them."""
    names = kind.__dict__.get("__slots__", ())
    names = (names,) if isinstance(names, str) else tuple(names)
    own = kind.__name__.lstrip("_")
    plain = [name for name in names if name not in ("__dict__", "__weakref__")]
    return tuple(f"_{own}{name}" if name.startswith("__") and not name.endswith("__") else name for name in plain)


def _has_slots(kind: type) -> bool:
    return any("__slots__" in base.__dict__ and _slots(base) for base in kind.__mro__)


def _is_library_object(value: Any) -> bool:
    """Objects whose inside is not the model's: functions, classes, modules, torch's own."""
    if isinstance(value, type) or callable(value):
        return True
    package = type(value).__module__.partition(".")[0]
    return package in ("builtins", "torch", "numpy", "logging", "threading", "_thread", "weakref", "re")


@contextmanager
def untouched(model: nn.Module) -> Iterator[Keeper]:
    """Hold ``model`` and the process's random state; put both back at the end, also after an exception.

    Passes of several threads take turns: the random state belongs to all of them.
    """
    with ONE_AT_A_TIME, _random_state(), _torch_state():
        with paused():
            keeper = Keeper(model)
        try:
            yield keeper
        finally:
            with paused():
                keeper.restore()


@contextmanager
def _random_state() -> Iterator[None]:
    python = random.getstate()
    torch_state = torch.get_rng_state()
    numpy = sys.modules.get("numpy")
    numpy_state = numpy.random.get_state() if numpy is not None else None
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        random.setstate(python)
        torch.set_rng_state(torch_state)
        if numpy is not None:
            numpy.random.set_state(numpy_state)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


@contextmanager
def _torch_state() -> Iterator[None]:
    """The default dtype and the autocast cache.

    The cache is off inside: a weight cast under ``no_grad`` would be handed to a training step that
    runs in the same ``autocast`` block afterwards, and get no gradient.
    """
    dtype = torch.get_default_dtype()
    cache = torch.is_autocast_cache_enabled()
    grad = torch.is_grad_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(cache)
        torch.set_grad_enabled(grad)
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)
