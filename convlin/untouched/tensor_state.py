"""The bytes of a model's tensors, kept where a pass writes to them.

Bytes are not copied up front, or a model would need twice its memory.  Small tensors that are no
parameters are; anything else is copied right before a torch function writes to it (``before_write``,
called by the function mode of a pass).  A write that neither sees is noticed by the tensor's version
counter.
"""

from __future__ import annotations

from operator import attrgetter, eq, is_, methodcaller
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convlin._util.torch_private import set_version

_version, _is_leaf, _gradient = attrgetter("_version"), attrgetter("is_leaf"), attrgetter("grad")
_wants_gradient, _pointer = attrgetter("requires_grad"), methodcaller("data_ptr")

#: Tensors up to this many elements that are no parameters are copied up front.
SMALL = 1 << 16

_Facts: TypeAlias = "tuple[Tensor, int, int, Tensor | None, bool]"
"""A tensor, its version, the address of its first element, its ``.grad``, and whether it wants one."""


class _Copy(NamedTuple):
    """The bytes of a tensor, and another name for its storage, which keeps that alive."""

    alias: Tensor
    bytes: Tensor


class KeptTensors:
    """What tells whether a tensor was changed, and what it takes to change it back."""

    def __init__(self, *, copy_all: bool) -> None:
        self._copy_all = copy_all
        self._facts: dict[int, _Facts] = {}
        self._uncounted: dict[int, Tensor] = {}
        """Tensors that do not count their versions: those of inference mode, and lazy ones."""
        self._copies: dict[int, _Copy] = {}
        self._leaves: set[int] = set()
        self._by_storage: dict[int, tuple[Tensor, ...]] | None = None

    def save(self, tensor: Tensor, *, writes_are_seen: bool = False) -> None:
        """Take down a tensor, once.

        ``writes_are_seen`` of a buffer that only functions write to that say so beforehand.
        """
        key = id(tensor)
        if key in self._facts or key in self._uncounted:
            return
        # .grad of a tensor that is no leaf warns, and is None unless it was retained.
        grad = tensor.grad if tensor.is_leaf else None
        if tensor.is_leaf:
            self._leaves.add(key)
        try:
            self._facts[key] = (tensor, tensor._version, tensor.data_ptr(), grad, tensor.requires_grad)
        except (RuntimeError, NotImplementedError, ValueError, TypeError):
            if is_lazy(tensor) or tensor.is_inference():
                self._uncounted[key] = tensor
                return
            self._facts[key] = (tensor, tensor._version, _address(tensor), grad, tensor.requires_grad)
        # The class first: an isinstance of torch's own is ten times as slow.
        can_wait = writes_are_seen or type(tensor) is nn.Parameter or isinstance(tensor, nn.Parameter)
        if self._copy_all or not (can_wait or tensor.numel() > SMALL):
            self._copy(tensor)

    def before_write(self, tensor: Tensor) -> None:
        """Called before a torch function writes to ``tensor``: keep the bytes of what it belongs to."""
        if id(tensor) in self._facts:
            self._copy(tensor)
            return
        if id(tensor) in self._uncounted or tensor.is_meta:  # which shares no bytes with anything
            return
        if self._by_storage is None:
            self._by_storage = self._found_by_storage()
        for other in self._by_storage.get(_storage(tensor), ()):  # a view, or ``parameter.data``
            self._copy(other)

    def _found_by_storage(self) -> dict[int, tuple[Tensor, ...]]:
        """The tensors of each storage, by its address."""
        tensors = [facts[0] for facts in self._facts.values()]
        found: dict[int, tuple[Tensor, ...]] = {facts[2]: (facts[0],) for facts in self._facts.values()}
        # Hardly any model has two tensors in one storage; then each starts where its elements do.
        if len(found) < len(tensors) or 0 in found or any(map(Tensor.storage_offset, tensors)):
            found = {}
            for tensor in tensors:
                found[_storage(tensor)] = (*found.get(_storage(tensor), ()), tensor)
            found.pop(0, None)
        return found

    def _copy(self, tensor: Tensor) -> None:
        """Keep the bytes of a tensor, once."""
        if id(tensor) in self._copies or is_lazy(tensor) or tensor.is_inference() or tensor.device.type == "meta":
            return
        if tensor.is_nested:
            return  # it cannot be compared with its copy; the version counter tells of a write
        alias = tensor.detach()
        try:
            self._copies[id(tensor)] = _Copy(alias, alias.clone())
        except (RuntimeError, NotImplementedError):
            return  # a layout without clone: the version counter still tells of a write

    def hide_gradients(self) -> None:
        """Take ``.grad`` off every tensor; ``restore`` gives it back."""
        for tensor, *_ in self._facts.values():
            if tensor.is_leaf and tensor.grad is not None:
                tensor.grad = None

    def restore(self) -> list[Tensor]:
        """Every tensor as it was; those whose bytes changed and were kept by nobody are returned."""
        if not self._copies and self._are_as_saved():
            return []
        lost: list[Tensor] = []
        for key, facts in self._facts.items():
            tensor, version, pointer, grad, requires_grad = facts
            if not tensor.is_leaf and key in self._leaves and not tensor._is_view():
                tensor.detach_()  # written to where gradients were taken
            if tensor.is_leaf:
                if tensor.requires_grad is not requires_grad:
                    tensor.requires_grad_(requires_grad)
                if tensor.grad is not grad:
                    tensor.grad = grad
            copy = self._copies.get(key)
            if copy is not None:
                self._write_back(facts, copy)
            elif tensor.device.type == "meta":
                set_version(tensor, version)  # without bytes there is nothing to lose
            elif tensor._version != version or _address(tensor) != pointer:
                lost.append(tensor)
        return lost

    def _are_as_saved(self) -> bool:
        """Whether nothing about any tensor changed, asked of all of them together: hardly any pass changes one."""
        if not self._facts:
            return True
        if len(self._leaves) < len(self._facts):  # .grad of a tensor that is no leaf warns
            return False
        tensors, versions, pointers, grads, wanted = zip(*self._facts.values(), strict=True)
        try:
            return (
                all(map(eq, map(_version, tensors), versions))
                and all(map(eq, map(_pointer, tensors), pointers))
                and all(map(_is_leaf, tensors))
                and all(map(is_, map(_wants_gradient, tensors), wanted))
                and all(map(is_, map(_gradient, tensors), grads))
            )
        except (RuntimeError, NotImplementedError, ValueError, TypeError):  # one of them has no bytes, say
            return False

    def _write_back(self, facts: _Facts, copy: _Copy) -> None:
        tensor, version, pointer, *_ = facts
        # A function that resizes what it writes to may find room enough where the bytes are.
        swapped = _address(tensor) != pointer or tensor.shape != copy.alias.shape
        if swapped:
            tensor.data = copy.alias.data
        if swapped or tensor._version != version or not _equal(copy.alias, copy.bytes):
            # By .data, so that autograd's version counter does not take this for one more write.
            tensor.data.copy_(copy.bytes)
            set_version(tensor, version)


def _address(tensor: Tensor) -> int:
    """Where the elements start; 0 where there are none (lazy, meta, sparse, fake)."""
    try:
        return tensor.data_ptr()
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return 0


def _storage(tensor: Tensor) -> int:
    """Address of the storage; 0 where there is none (lazy, meta, sparse, fake)."""
    try:
        return tensor.data_ptr() - int(tensor.storage_offset()) * tensor.element_size()
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return 0


def _equal(left: Tensor, right: Tensor) -> bool:
    try:
        return bool(torch.equal(left, right))
    except (RuntimeError, NotImplementedError):
        return False
