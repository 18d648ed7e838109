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
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convlin.errors import UntouchedWarning

#: Tensors up to this many elements that are no parameters are copied up front.
SMALL = 1 << 16

#: One pass at a time in a process: the random state and the modules' hooks are shared by threads.
ONE_AT_A_TIME = threading.RLock()

_ATOMS = frozenset(
    {int, float, bool, str, bytes, complex, type(None), type, torch.dtype, torch.device, torch.Size, type(len)}
)


class Keeper:
    """What was saved of one model, and how to put it back."""

    def __init__(self, model: nn.Module) -> None:
        self._undo: list[Callable[[], None]] = []
        self._seen: set[int] = set()
        self._tensors: dict[int, _SavedTensor] = {}
        self._storages: set[int] = set()
        self._alive: list[Any] = []
        self._modules: list[tuple[nn.Module, type, dict[str, Any]]] = []
        self._scripted = any(isinstance(module, torch.jit.ScriptModule) for module in model.modules())
        for module in model.modules():
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
        self._modules.append((module, type(module), attributes.copy()))
        for value in attributes.values():
            if type(value) not in _ATOMS:
                self._save_value(value)

    def _save_scripted(self, module: torch.jit.ScriptModule) -> None:
        # A scripted module keeps its state in C++: only the training flag and the tensors can be read.
        training = module.training
        self._undo.append(lambda: module.train(training) if module.training != training else None)
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            self._save_tensor(tensor)

    def _save_value(self, value: Any) -> None:
        """Containers, plain objects and tensors that hang on a module, each once."""
        kind = type(value)
        if kind is dict or kind is OrderedDict:
            if value or kind is OrderedDict:
                self._save_container(value, dict(value), lambda now, saved: (now.clear(), now.update(saved)))
        elif kind is list:
            self._save_container(value, list(value), lambda now, saved: now.__setitem__(slice(None), saved))
        elif kind is set:
            self._save_container(value, set(value), lambda now, saved: (now.clear(), now.update(saved)))
        elif kind is deque:
            self._save_container(value, list(value), lambda now, saved: (now.clear(), now.extend(saved)))
        elif kind is tuple:
            for item in value:
                if type(item) not in _ATOMS:
                    self._save_value(item)
        elif isinstance(value, Tensor):
            self._save_tensor(value)
        elif isinstance(value, nn.Module):
            self._save_module(value)
        elif isinstance(getattr(value, "__dict__", None), dict) and not _is_library_object(value):
            self._save_container(
                value.__dict__, dict(value.__dict__), lambda now, saved: (now.clear(), now.update(saved))
            )

    def _save_container(self, value: Any, saved: Any, put_back: Callable[[Any, Any], object]) -> None:
        if id(value) in self._seen:
            return
        self._seen.add(id(value))

        def undo() -> None:
            if not _same(value, saved):
                put_back(value, saved)

        self._undo.append(undo)
        for item in saved.values() if isinstance(saved, dict) else saved:
            if type(item) not in _ATOMS:
                self._save_value(item)

    def _save_tensor(self, tensor: Tensor) -> None:
        if id(tensor) in self._tensors:
            return
        saved = _SavedTensor(tensor)
        self._tensors[id(tensor)] = saved
        if saved.pointer:
            self._storages.add(saved.pointer)
        small = not isinstance(tensor, nn.Parameter) and saved.elements <= SMALL
        if small or self._scripted:
            saved.copy_now()

    # While the pass runs

    def before_write(self, tensor: Tensor) -> None:
        """Called before a torch function writes to ``tensor``: keep the bytes of what it belongs to."""
        saved = self._tensors.get(id(tensor))
        if saved is not None:
            saved.copy_now()
            return
        pointer = _pointer(tensor)
        if pointer in self._storages:  # a view, or ``parameter.data``
            for other in self._tensors.values():
                if other.pointer == pointer:
                    other.copy_now()

    # Putting back

    def restore(self) -> None:
        """Everything as it was; what could not be is told with an ``UntouchedWarning``."""
        for module, kind, attributes in self._modules:
            if type(module) is not kind:
                module.__class__ = kind
            now = module.__dict__
            if not _same_items(now, attributes):
                now.clear()
                now.update(attributes)
        for undo in reversed(self._undo):
            undo()
        for saved in self._tensors.values():
            saved.restore()
        lost = [saved for saved in self._tensors.values() if saved.lost]
        if lost:
            shapes = ", ".join("×".join(map(str, saved.tensor.shape)) for saved in lost[:3])
            warnings.warn(
                f"forward wrote to {len(lost)} tensor(s) of the model ({shapes}) by an operation that convlin "
                "cannot see; their old values are not restored. Pass copy.deepcopy(model) to keep the model",
                UntouchedWarning,
                stacklevel=2,
            )


class _SavedTensor:
    """One tensor: its flags, its version, and its bytes once something is about to write to it."""

    __slots__ = ("alias", "bytes", "elements", "grad", "lost", "pointer", "requires_grad", "tensor", "version")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.requires_grad = tensor.requires_grad
        # .grad of a non-leaf warns and is None unless it was retained.
        self.grad = tensor.grad if tensor.is_leaf else None
        # Inference tensors do not count versions, and lazy ones have nothing yet.
        lazy = is_lazy(tensor)
        self.version = None if lazy or tensor.is_inference() else tensor._version
        self.elements = 0 if lazy else tensor.numel()
        self.pointer = 0 if lazy else _pointer(tensor)
        self.alias: Tensor | None = None
        self.bytes: Tensor | None = None
        self.lost = False

    def copy_now(self) -> None:
        if self.bytes is None and self.version is not None and self.tensor.device.type != "meta":
            self.alias = self.tensor.detach()
            try:
                self.bytes = self.alias.clone()
            except (RuntimeError, NotImplementedError):
                self.alias = None  # a layout without clone: the version counter still tells of a write

    def restore(self) -> None:
        tensor = self.tensor
        if self.version is None:
            return
        if tensor.requires_grad != self.requires_grad and tensor.is_leaf:
            tensor.requires_grad_(self.requires_grad)
        if tensor.is_leaf and tensor.grad is not self.grad:
            tensor.grad = self.grad
        changed = tensor._version != self.version
        swapped = self.pointer != _pointer(tensor)
        if self.bytes is not None and self.alias is not None:
            if swapped:
                tensor.data = self.alias.data
            if changed or swapped or not _equal(self.alias, self.bytes):
                # By .data, so that autograd's version counter does not take this for one more write.
                tensor.data.copy_(self.bytes)
                _set_version(tensor, self.version)
        elif changed or swapped:
            self.lost = True


def _pointer(tensor: Tensor) -> int:
    """Address of the storage; 0 where there is none (meta, sparse, fake)."""
    if tensor.device.type == "meta" or tensor.layout != torch.strided:
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
    return all(left is right for left, right in zip(now, saved, strict=True))


def _same_items(now: dict[str, Any], saved: dict[str, Any]) -> bool:
    if len(now) != len(saved):
        return False
    return all(left is right for left, right in zip(now.values(), saved.values(), strict=True)) and all(
        left == right for left, right in zip(now, saved, strict=True)
    )


def _is_library_object(value: Any) -> bool:
    """Objects whose inside is not the model's: functions, classes, modules, torch's own."""
    if isinstance(value, type) or callable(value):
        return True
    package = type(value).__module__.partition(".")[0]
    return package in ("builtins", "torch", "numpy", "logging", "threading", "_thread", "weakref", "types", "re")


@contextmanager
def untouched(model: nn.Module) -> Iterator[Keeper]:
    """Hold ``model`` and the process's random state; put both back at the end, also after an exception.

    Passes of several threads take turns: the random state belongs to all of them.
    """
    with ONE_AT_A_TIME, _random_state(), _torch_state():
        keeper = Keeper(model)
        try:
            yield keeper
        finally:
            keeper.restore()


@contextmanager
def _random_state() -> Iterator[None]:
    python = random.getstate()
    torch_state = torch.get_rng_state()
    numpy = sys.modules.get("numpy")
    numpy_state = numpy.random.get_state() if numpy is not None else None
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
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
