"""Records of a model's modules: noted at the end of a pass, and made when somebody reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, compress, islice, repeat
from operator import attrgetter, methodcaller
from types import NoneType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convlin._util.deferred import Deferred
from convlin._util.gc_pause import paused
from convlin.module_tree import Node, holding_lazy, modules_of, of_class
from convlin.records import ModuleInfo, ParameterInfo, Shape
from convlin.tensors import device_name, dtype_name, sizes
from convlin.trace.recording import Recording

#: Classes of tensors of which those that are alike have everything in common that a record tells.
_PLAIN = {nn.Parameter, Tensor}
_NEVER_CALLED = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)

_parameters, _buffers, _modules = attrgetter("_parameters"), attrgetter("_buffers"), attrgetter("_modules")
_values, _name = methodcaller("values"), attrgetter("__name__")
_shape, _dtype, _requires_grad = attrgetter("shape"), attrgetter("dtype"), attrgetter("requires_grad")
_is_nested, _is_cpu = attrgetter("is_nested"), attrgetter("is_cpu")


def lazy_modules(nodes: Sequence[Node]) -> list[nn.Module]:
    """The modules whose parameters have no size yet."""
    return holding_lazy([node.module for node in nodes])


class Held:
    """What a model holds while a pass has it: sizes of lazy layers, and parameters used without a call.

    ``known`` has the parameters and buffers of the lazy modules, by the module's identity; ``used`` what is said of
    the modules that were not called although a function took their parameters, by identity as well.
    """

    def __init__(self, nodes: Sequence[Node], recording: Recording, lazy: Iterable[nn.Module] = ()) -> None:
        self.known = {
            id(module): (
                next(_Tensors([module._parameters]).infos([""])),
                next(_Tensors([module._buffers]).infos([""])),
            )
            for module in lazy
        }
        called = set(map(id, recording.modules))
        others = [node.module for node in nodes if node.module._parameters and id(node.module) not in called]
        # Inside one of PyTorch's own layers nobody looks who takes which weight: that layer's own.
        used = recording.used if not others else recording.used.union(*map(_own_parameters, recording.modules))
        self.used: dict[int, str] = {}
        if not used:
            return
        holders: dict[int, str] = {}
        for path, module, _ in nodes if others else ():
            if id(module) in called:
                holders.update((key, holders.get(key, path)) for key in _own_parameters(module))
        for module in others:
            taken = {
                name: id(weight)
                for name, weight in module._parameters.items()
                if weight is not None and id(weight) in used
            }
            if taken:
                self.used[id(module)] = _said_of_use(taken, holders)


def _said_of_use(taken: Mapping[str, int], holders: Mapping[int, str]) -> str:
    """What is said of a module whose parameters ``taken`` were used, by the layers that hold them or by a function."""
    owners = {holders.get(key, "") for key in taken.values()}
    owner = owners.pop()
    if owners or not owner:
        return "not called as a module, but its parameters are used"
    return f"its {' and '.join(taken)} {'is' if len(taken) == 1 else 'are'} tied to {owner}"


def _own_parameters(module: nn.Module | None) -> Iterator[int]:
    return map(id, module._parameters.values() if module is not None else ())


def module_infos(nodes: Sequence[Node], recording: Recording, during: Held, *, ran: bool) -> Sequence[ModuleInfo]:
    """A record of every module, made when somebody reads them, of what is noted now: the model may change meanwhile."""
    counts = Counter([id(module) for module in recording.modules if module is not None])
    modules = [node.module for node in nodes]
    keys = list(map(id, modules))
    calls = list(map(counts.__getitem__, keys))
    opaque = _run_by_torchscript(modules, counts)
    remarks = _remarks(nodes, recording, during, counts, opaque) if ran and not all(calls) else {}
    parameters, buffers = _Tensors(list(map(_parameters, modules))), _Tensors(list(map(_buffers, modules)))
    known = [during.known.get(key) for key in keys] if during.known else []
    leaves = [not inner for inner in map(_modules, modules)]
    types = list(map(_name, map(type, modules)))
    if opaque:
        # It makes modules of a few classes of its own, which say the name of the one that was scripted.
        named = (getattr(module, "original_name", "") if id(module) in opaque else "" for module in modules)
        types = [str(name) or kind for name, kind in zip(named, types, strict=True)]
    places = [(path, aliases) for path, _, aliases in nodes]

    @paused()
    def make() -> tuple[ModuleInfo, ...]:
        paths = [path for path, _ in places]
        held = list(zip(parameters.infos(paths), buffers.infos(paths), strict=True))
        held = [lazy or now for lazy, now in zip(known, held, strict=True)] if known else held
        return tuple(
            ModuleInfo(path, kind, called, own, also, aliases, is_leaf, None, remarks.get(path, ""))
            for (path, aliases), kind, called, (own, also), is_leaf in zip(
                places, types, calls, held, leaves, strict=True
            )
        )

    return Deferred(make)


def _run_by_torchscript(modules: Sequence[nn.Module], counts: Mapping[int, int]) -> set[int]:
    """The modules inside scripted ones, as far as no call of them was seen."""
    scripted = of_class(modules, torch.jit.ScriptModule)
    return {id(inner) for module in scripted for inner in modules_of(module) if not counts[id(inner)]}


def _remarks(
    nodes: Sequence[Node], recording: Recording, during: Held, counts: Mapping[int, int], opaque: set[int]
) -> Mapping[str, str]:
    """Why there is no call of the modules without one, by their paths."""
    busy = _with_called_descendants(nodes, counts)
    stopped = _where_it_stopped(recording)
    silent = (node for node in nodes if not counts[id(node.module)])
    return {path: stopped.get(path) or _remark(module, during, opaque, busy) for path, module, _ in silent}


def _with_called_descendants(nodes: Sequence[Node], counts: Mapping[int, int]) -> set[int]:
    """The modules without a call that have one with a call inside them."""
    busy: set[int] = set()
    called: str | None = None
    for path, module, _ in reversed(nodes):  # what is inside a module comes right behind it
        if counts[id(module)]:
            called = path
        elif called is not None and (not path or called.startswith(f"{path}.")):
            busy.add(id(module))
    return busy


def _where_it_stopped(recording: Recording) -> dict[str, str]:
    """What is said of the modules that were running when the pass stopped."""
    failure = recording.failure
    if failure is None or not recording.under_way:
        return {}
    said = dict.fromkeys(recording.under_way, "the pass stopped here")
    if not failure.refused:
        said[recording.under_way[-1]] = "raised here"
    return said


def _remark(module: nn.Module, during: Held, opaque: set[int], busy: set[int]) -> str:
    """Why a module has no call, as far as that can be said."""
    if isinstance(module, _NEVER_CALLED):
        return "a list of modules: it is never called itself"
    if id(module) in opaque:
        return "runs inside TorchScript, where no call can be seen"
    if id(module) in busy:
        return "not called itself, only modules inside it"
    return during.used.get(id(module), "never called")


class _Tensors:
    """What is noted of the parameters, or the buffers, of many modules: none of them is kept alive.

    All are asked together, question by question: a step of the interpreter for each costs more than the answers.
    """

    def __init__(self, held: Sequence[Mapping[str, Tensor | None]]) -> None:
        # Of a scripted module it is a view that has items alone.
        held = [each if isinstance(each, dict) else dict(each.items()) for each in held]
        self._lengths = list(map(len, held))
        names: Iterable[str] = chain.from_iterable(held)
        tensors: list[Any] = list(chain.from_iterable(map(_values, held)))
        kinds = set(map(type, tensors))
        if NoneType in kinds:
            there = [tensor is not None for tensor in tensors]
            names, tensors = compress(names, there), list(compress(tensors, there))
            self._lengths = [sum(tensor is not None for tensor in each.values()) for each in held]
            kinds.remove(NoneType)
        self._names, self._ids, self._trained = list(names), list(map(id, tensors)), list(map(_requires_grad, tensors))
        self._dtypes = list(map(_dtype, tensors))
        self._shapes: list[Shape]
        if kinds <= _PLAIN and not any(map(_is_nested, tensors)) and not torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
            self._shapes = list(map(_shape, tensors))
        else:
            self._shapes = [(0,) if is_lazy(tensor) else sizes(tensor) for tensor in tensors]
        on_the_cpu = kinds <= _PLAIN and all(map(_is_cpu, tensors))
        self._devices: Iterable[str] = repeat("cpu") if on_the_cpu else list(map(device_name, tensors))

    def infos(self, paths: Sequence[str]) -> Iterator[tuple[ParameterInfo, ...]]:
        """The records of each module; a tensor met before has the name that it had there."""
        alike: dict[tuple[Shape, Any, str], tuple[Shape, str, str]] = {}
        first: dict[int, str] = {}
        kinds = zip(self._shapes, self._dtypes, self._devices, strict=False)
        each = zip(self._names, self._ids, self._trained, kinds, strict=True)
        for path, length in zip(paths, self._lengths, strict=True):
            infos, prefix = [], f"{path}." if path else ""
            for name, key, is_trained, kind in islice(each, length):
                full = prefix + name
                known = first.setdefault(key, full)
                facts = alike.get(kind)
                if facts is None:
                    facts = alike[kind] = tuple(kind[0]), dtype_name(kind[1]), kind[2]
                # Not by name, which is a call more: there may be a hundred thousand.
                infos.append(tuple.__new__(ParameterInfo, (name, *facts, is_trained, None if known is full else known)))
            yield tuple(infos)
