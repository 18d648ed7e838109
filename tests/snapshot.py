"""The complete state of a model and of the process, as one comparable value.

``snapshot(model)`` reads everything that a caller could find changed afterwards, and ``difference`` says what was.
The reading itself goes around every door a model may have built: attributes come from the instance dictionary and not
through ``__getattr__``, tensors are read with torch function modes switched off, and a ``.grad`` is only asked for
where asking gives no warning.

A snapshot holds on to the objects that it compares by identity, so that an address cannot be used twice.
"""

from __future__ import annotations

import collections
import enum
import functools
import hashlib
import itertools
import random
import sys
import types
import weakref
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy
import torch
import torch.nn.modules.module as module_namespace
from torch import nn
from torch.nn.parameter import is_lazy

ROOT = "<root>"

_PLAIN = (type(None), bool, int, float, complex, str, bytes, range, slice, type(...), type(NotImplemented))
_TORCH_PLAIN = (torch.dtype, torch.device, torch.layout, torch.memory_format, torch.qscheme)
_OPAQUE = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    types.GeneratorType,
    types.CodeType,
    property,
    classmethod,
    staticmethod,
)
# Objects of these modules are compared by identity alone: inside are locks, handlers and the interpreter's own state.
_CLOSED_MODULES = ("_thread", "threading", "logging", "weakref", "_weakref", "inspect", "functools", "torch._C")


class Identity:
    """Equal to the identity of the same object only; keeps the object alive."""

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __repr__(self) -> str:
        return f"<{type(self.thing).__name__} at {id(self.thing):#x}>"


@dataclass(frozen=True)
class Snapshot:
    """What was read: one comparable value for each place."""

    facts: Mapping[str, Hashable]
    kept: tuple[object, ...] = field(repr=False)


def snapshot(model: nn.Module) -> Snapshot:
    """Read the state of ``model``, of its classes and of the process.

    Example: ``before = snapshot(model); model(x); assert difference(before, snapshot(model)) == []``.
    """
    reader = _Reader()
    # The process first: reading the model must not be what moved it.
    modes = _modes()
    with torch.no_grad(), torch._C.DisableTorchFunction():
        reader.read_process(modes)
        reader.read_model(model)
    return Snapshot(facts=reader.facts, kept=tuple(reader.kept))


def difference(before: Snapshot, after: Snapshot) -> list[str]:
    """Every place where the two snapshots differ, one line each; empty if nothing does."""
    lines = []
    for place in dict.fromkeys([*before.facts, *after.facts]):
        if place not in after.facts:
            lines.append(f"{place}: gone, was {_short(before.facts[place])}")
        elif place not in before.facts:
            lines.append(f"{place}: new, {_short(after.facts[place])}")
        elif before.facts[place] != after.facts[place]:
            lines.append(f"{place}: {_short(before.facts[place])} became {_short(after.facts[place])}")
    return lines


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _type_name(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


#: What most values are; a subclass of one of these is asked in full.
_MOST_LEAVES: dict[type, str] = {kind: f"builtins.{kind.__name__}" for kind in (int, bool, str, type(None))}
_MOST_CONTAINERS = (dict, collections.OrderedDict, list, tuple, set)


def _leaf(value: object) -> Hashable | None:
    """The comparable form of a value that has no inside, or None if it has one."""
    name = _MOST_LEAVES.get(type(value))
    if name is not None:
        return (name, value)
    if type(value) in _MOST_CONTAINERS:
        return None
    if isinstance(value, enum.Enum):
        return Identity(value)
    if isinstance(value, float):
        return (_type_name(value), float.hex(value))  # bit for bit, and NaN equals itself
    if isinstance(value, (complex, slice)):
        return (_type_name(value), repr(value))
    if isinstance(value, (*_PLAIN, *_TORCH_PLAIN)):
        return (_type_name(value), value)
    if isinstance(value, _OPAQUE):
        return Identity(value)
    return None


def _digest(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _bytes_of(tensor: torch.Tensor) -> str:
    """A digest of the elements of a dense tensor, exact for NaN and for the sign of zero."""
    dense = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    # Of a copy: a storage that NumPy has seen can no longer be resized, and a model may do so to its buffers.
    return _digest(dense.clone().view(torch.uint8).numpy().tobytes()) if dense.numel() else _digest(b"")


def _instance_dictionary(thing: object) -> dict[str, Any] | None:
    try:
        found = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return None
    return found if isinstance(found, dict) else None


def _slots(kind: type) -> Iterator[tuple[str, types.MemberDescriptorType]]:
    """What reads the values kept in ``__slots__`` of a class, those of its parents included."""
    for parent in kind.__mro__:
        names = vars(parent).get("__slots__", ())
        for name in [names] if isinstance(names, str) else list(names):
            mangled = f"_{parent.__name__.lstrip('_')}{name}" if name[:2] == "__" and name[-2:] != "__" else name
            member = vars(parent).get(mangled)
            if isinstance(member, types.MemberDescriptorType):
                yield name, member


class _Reader:
    """Walks from the model to everything it holds, without recursion, so that depth is no limit."""

    def __init__(self) -> None:
        self.facts: dict[str, Hashable] = {}
        self.kept: list[object] = []
        self._seen: set[int] = set()
        self._classes: set[type] = set()
        self._slots: dict[type, list[tuple[str, types.MemberDescriptorType]]] = {}
        # (place, value, whether the identity of the value counts)
        self._waiting: list[tuple[str, object, bool]] = []

    # The process --------------------------------------------------------------------------------------------------

    def read_process(self, modes: Mapping[str, Hashable]) -> None:
        for name, value in {**modes, **_process_state()}.items():
            self.facts[f"process: {name}"] = value
        for name, value in vars(module_namespace).items():
            if name.startswith("_global_"):
                self._waiting.append((f"process: {name}", value, True))
        self._read_namespace("torch.nn.functional", vars(torch.nn.functional))
        self._read_namespace("torch.Tensor", vars(torch.Tensor))
        self._drain()

    def _read_namespace(self, name: str, namespace: Mapping[str, object]) -> None:
        """The functions of a class or module, to notice one that was replaced."""
        for key, value in namespace.items():
            if callable(value) or isinstance(value, (property, classmethod, staticmethod)):
                self.facts[f"{name}.{key}"] = Identity(value)

    # The model ----------------------------------------------------------------------------------------------------

    def read_model(self, model: nn.Module) -> None:
        self._waiting.append((ROOT, model, True))
        self._drain()

    def _drain(self) -> None:
        while self._waiting:
            place, value, identity = self._waiting.pop()
            self._read(place, value, identity)

    def _push(self, place: str, value: object, identity: bool = True) -> None:
        self._waiting.append((place, value, identity))

    def _push_slots(self, place: str, thing: object) -> None:
        kind = type(thing)
        if kind not in self._slots:
            self._slots[kind] = [*_slots(kind)]
        for name, member in self._slots[kind]:
            try:
                value = member.__get__(thing, kind)
            except AttributeError:
                value = "<unset slot>"
            self._push(f"{place}{name}", value)

    def _read(self, place: str, value: object, identity: bool) -> None:
        leaf = _leaf(value)
        if leaf is not None:
            self.facts[place] = leaf
            return
        if isinstance(value, types.MethodType):
            self.facts[place] = (Identity(value.__self__), Identity(value.__func__))
            return
        self.kept.append(value)
        # What cannot be changed in place is as good as its equal; only what is in it counts.
        if identity and not isinstance(value, (tuple, frozenset)):
            self.facts[place] = Identity(value)
            if id(value) in self._seen:
                return  # An alias; what is inside stands at its first place.
            self._seen.add(id(value))
        self.facts[f"{place} type"] = Identity(type(value))

        if type(value) in _MOST_CONTAINERS:
            self._read_container(place, value, identity)
            self._read_object(place, value)
        elif isinstance(value, nn.Module):
            self._read_module(place, value)
        elif isinstance(value, torch.Tensor):
            self._read_tensor(place, value, identity)
        elif isinstance(value, numpy.ndarray):
            self._read_array(place, value)
        elif isinstance(value, numpy.generic):
            self.facts[f"{place} value"] = value.tobytes()
        elif isinstance(value, torch.Generator):
            self.facts[f"{place} state"] = _bytes_of(value.get_state())
        elif isinstance(value, random.Random):
            self.facts[f"{place} state"] = value.getstate()
        elif isinstance(value, numpy.random.RandomState):
            self.facts[f"{place} state"] = repr(value.get_state())
        elif isinstance(value, numpy.random.Generator):
            self.facts[f"{place} state"] = repr(value.bit_generator.state)
        elif isinstance(value, torch.ScriptObject):
            self._read_script_object(place, value)
        elif isinstance(value, weakref.ref):
            self.facts[f"{place} referent"] = Identity(value())
        elif isinstance(value, itertools.count):
            self.facts[f"{place} state"] = repr(value)
        elif isinstance(value, functools.partial):
            self._push(f"{place}.func", value.func)
            self._push(f"{place}.args", value.args)
            self._push(f"{place}.keywords", value.keywords)
        else:
            self._read_container(place, value, identity)
            self._read_object(place, value)

    def _read_container(self, place: str, value: object, identity: bool) -> None:
        if isinstance(value, (dict, types.MappingProxyType)):
            pairs = list(value.items())
            self.facts[f"{place} keys"] = tuple(_leaf(key) or Identity(key) for key, _ in pairs)
            for position, (key, entry) in enumerate(pairs):
                text = repr(key) if _leaf(key) is not None and not isinstance(key, _OPAQUE) else f"key {position}"
                self._push(f"{place}[{text}]", entry, identity)
        elif isinstance(value, (list, tuple, collections.deque)):
            self.facts[f"{place} length"] = len(value)
            for position, entry in enumerate(value):
                self._push(f"{place}[{position}]", entry, identity)
        elif isinstance(value, (set, frozenset)):
            self.facts[f"{place} members"] = frozenset(_leaf(entry) or Identity(entry) for entry in value)
        elif isinstance(value, bytearray):
            self.facts[f"{place} value"] = bytes(value)

    def _read_object(self, place: str, value: object) -> None:
        """The attributes of an object of any other class."""
        if type(value).__module__.partition(".")[0] in _CLOSED_MODULES or type(value).__module__ in _CLOSED_MODULES:
            return
        dictionary = _instance_dictionary(value)
        if dictionary is not None:
            self.facts[f"{place} attributes"] = tuple(dictionary)
            for name, entry in dictionary.items():
                self._push(f"{place}.{name}", entry)
        self._push_slots(f"{place}.", value)

    def _read_module(self, place: str, module: nn.Module) -> None:
        self.facts[f"{place} __class__"] = Identity(object.__getattribute__(module, "__class__"))
        for kind in type(module).__mro__[:-1]:
            if kind not in self._classes:
                self._classes.add(kind)
                self._read_namespace(f"class {kind.__module__}.{kind.__qualname__}", vars(kind))
        dictionary = _instance_dictionary(module) or {}
        self.facts[f"{place} attributes"] = tuple(dictionary)
        prefix = "" if place == ROOT else f"{place}."
        children = dictionary.get("_modules")
        for name, entry in dictionary.items():
            if name == "_modules":
                continue
            if isinstance(entry, torch.jit._script.OrderedDictWrapper):
                self._read_script_dictionary(f"{place}:{name}", entry)
            else:
                self._push(f"{place}:{name}", entry)
        self._push_slots(f"{place}:", module)
        if isinstance(children, torch.jit._script.OrderedModuleDict):
            self._read_script_attributes(place, module)
        elif children is not None:
            self.facts[f"{place}:_modules"] = Identity(children)
        if children is not None:
            self.facts[f"{place}:_modules keys"] = tuple(name for name, _ in children.items())
            # Last in, first out: pushed backwards, a shared module is first met at its canonical path.
            for name, child in reversed(list(children.items())):
                self._push(f"{prefix}{name}", child)

    def _read_script_dictionary(self, place: str, wrapper: torch.jit._script.OrderedDictWrapper) -> None:
        """Parameters or buffers of a scripted module; they live outside Python and are handed out one by one."""
        pairs = list(wrapper.items())
        self.facts[f"{place} keys"] = tuple(name for name, _ in pairs)
        for name, entry in pairs:
            self._push(f"{place}[{name!r}]", entry)

    def _read_script_attributes(self, place: str, module: nn.Module) -> None:
        """Attributes of a scripted module, the training flag among them; lists come as copies, so by value."""
        dictionary = _instance_dictionary(module) or {}
        compiled, concrete_type = dictionary["_c"], dictionary.get("_concrete_type")
        names = set(concrete_type.get_attributes()) if concrete_type is not None else set()
        for name in sorted({*names, "training"}):
            if compiled.hasattr(name):
                self._push(f"{place}:{name} (compiled)", compiled.getattr(name), identity=False)

    def _read_script_object(self, place: str, value: torch.ScriptObject) -> None:
        """What an object of a C++ class, such as the packed weights of a quantized layer, gives to a pickle."""
        try:
            state = value.__getstate__()
        except RuntimeError:
            return  # The class defines no state; its identity is all there is.
        self._push(f"{place} state", state, identity=False)

    # Tensors ------------------------------------------------------------------------------------------------------

    def _read_array(self, place: str, array: numpy.ndarray[Any, Any]) -> None:
        self.facts[f"{place} shape"] = (array.shape, str(array.dtype), array.strides)
        if array.dtype.hasobject:
            self._push(f"{place} elements", array.ravel().tolist())
        else:
            self.facts[f"{place} bytes"] = _digest(array.tobytes())

    def _read_tensor(self, place: str, tensor: torch.Tensor, identity: bool) -> None:
        self.facts[f"{place} dtype"] = tensor.dtype
        self.facts[f"{place} device"] = tensor.device
        self.facts[f"{place} requires_grad"] = tensor.requires_grad
        self.facts[f"{place} is_leaf"] = tensor.is_leaf
        for name in ("_backward_hooks", "_post_accumulate_grad_hooks"):
            self._push(f"{place}.{name}", getattr(tensor, name, None))
        dictionary = _instance_dictionary(tensor)
        if dictionary:
            self.facts[f"{place} attributes"] = tuple(dictionary)
            for name, entry in dictionary.items():
                self._push(f"{place}.{name}", entry)
        if tensor.grad_fn is not None:
            self.facts[f"{place} grad_fn"] = Identity(tensor.grad_fn)
        if is_lazy(tensor):
            self.facts[f"{place} shape"] = "uninitialized"
            return
        self.facts[f"{place} is_inference"] = tensor.is_inference()
        if tensor.is_leaf or tensor.retains_grad:
            self._push(f"{place}.grad", tensor.grad)
        self._read_elements(place, tensor, identity)

    def _read_elements(self, place: str, tensor: torch.Tensor, identity: bool) -> None:
        self.facts[f"{place} layout"] = tensor.layout
        for name, part in _parts(tensor):
            self._push(f"{place} {name}", part, identity=False)
        if tensor.is_nested:
            return
        self.facts[f"{place} shape"] = tuple(tensor.shape)
        if tensor.layout is not torch.strided:
            return
        self.facts[f"{place} strides"] = (tensor.stride(), tensor.storage_offset())
        if tensor.is_meta or type(tensor).__name__ == "FakeTensor":
            return
        if identity:
            self.facts[f"{place} data_ptr"] = tensor.data_ptr()
            self.facts[f"{place} storage size"] = tensor.untyped_storage().nbytes()
        if not tensor.is_quantized:
            self.facts[f"{place} bytes"] = _bytes_of(tensor)


def _parts(tensor: torch.Tensor) -> list[tuple[str, object]]:
    """The dense tensors that a sparse, nested or quantized one is made of."""
    if tensor.is_nested:
        return [("components", list(tensor.unbind()))]
    if tensor.layout is torch.sparse_coo:
        return [("indices", tensor._indices()), ("values", tensor._values()), ("coalesced", tensor.is_coalesced())]
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [("rows", tensor.crow_indices()), ("columns", tensor.col_indices()), ("values", tensor.values())]
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return [("columns", tensor.ccol_indices()), ("rows", tensor.row_indices()), ("values", tensor.values())]
    if tensor.layout is torch._mkldnn:  # type: ignore[attr-defined]
        return [("dense", tensor.to_dense())]
    if tensor.is_quantized:
        scheme = tensor.qscheme()
        if scheme in (torch.per_tensor_affine, torch.per_tensor_symmetric):
            scales: list[tuple[str, object]] = [("scale", tensor.q_scale()), ("zero", tensor.q_zero_point())]
        else:
            scales = [("scales", tensor.q_per_channel_scales()), ("zeros", tensor.q_per_channel_zero_points())]
        return [("integers", tensor.int_repr()), ("scheme", scheme), *scales]
    return []


def _modes() -> dict[str, Hashable]:
    """The modes that reading a model has to leave, or that show only where function modes are on."""
    return {
        "grad mode": torch.is_grad_enabled(),
        # In torch 2.6 the first does not tell of `with torch.device(…)`.
        "default device": (torch.get_default_device(), torch.empty(0).device),
        "torch function enabled": torch._C._is_torch_function_enabled(),
        "function modes": torch._C._len_torch_function_stack(),
    }


def _process_state() -> dict[str, Hashable]:
    """Switches and random states that belong to no model."""
    state: dict[str, Hashable] = {
        "inference mode": torch.is_inference_mode_enabled(),
        "anomaly detection": (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        "autocast cache": torch.is_autocast_cache_enabled(),
        "default dtype": torch.get_default_dtype(),
        "deterministic algorithms": torch.get_deterministic_debug_mode(),
        "float32 matmul precision": torch.get_float32_matmul_precision(),
        "transformer fast path": torch.backends.mha.get_fastpath_enabled(),
        "threads": torch.get_num_threads(),
        "dispatch modes": torch._C._len_torch_dispatch_stack(),
        "recursion limit": sys.getrecursionlimit(),
        "trace function": Identity(sys.gettrace()),
        "profile function": Identity(sys.getprofile()),
        "scaled dot product": (
            torch.backends.cuda.flash_sdp_enabled(),
            torch.backends.cuda.mem_efficient_sdp_enabled(),
            torch.backends.cuda.math_sdp_enabled(),
            torch.backends.cuda.cudnn_sdp_enabled(),
        ),
        "random state of torch": _bytes_of(torch.get_rng_state()),
        "random state of numpy": repr(_numpy_state()),
        "random state of python": random.getstate(),
    }
    for device_type in ("cpu", "cuda"):
        state[f"autocast on {device_type}"] = (
            torch.is_autocast_enabled(device_type),
            torch.get_autocast_dtype(device_type),
        )
    cudnn = torch.backends.cudnn
    state["cudnn"] = (cudnn.enabled, cudnn.benchmark, cudnn.deterministic)
    if torch.cuda.is_available():
        state["random state of cuda"] = tuple(_bytes_of(part) for part in torch.cuda.get_rng_state_all())
        state["current cuda device"] = torch.cuda.current_device()
    return state


def _numpy_state() -> tuple[object, ...]:
    name, keys, *rest = numpy.random.get_state()
    return (name, _digest(numpy.asarray(keys).tobytes()), *rest)


def assert_unchanged(before: Snapshot, model: nn.Module) -> None:
    """Raise ``AssertionError`` that lists every difference between ``before`` and the model as it is now."""
    __tracebackhide__ = True
    lines = difference(before, snapshot(model))
    if lines:
        raise AssertionError("\n".join(["the model or the process changed:", *lines]))
