"""The modules of a model, each once, with every path that leads to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from operator import attrgetter, methodcaller
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

from convlin._util.gc_pause import paused
from convlin._util.torch_private import uncompiled, wrapper
from convlin.errors import InputError

_parameters, _buffers, _values = attrgetter("_parameters"), attrgetter("_buffers"), methodcaller("values")


class Node(NamedTuple):
    """One module of the tree with every path that leads to it."""

    path: str
    module: nn.Module
    aliases: tuple[str, ...]


@paused()
def walk(model: nn.Module) -> list[Node]:
    """Every module once, in the order of ``named_modules()``, with the other paths it goes by.

    In time linear in the modules, which ``named_modules()`` with its nested generators is not.  What
    ``torch.compile`` wraps stands under the name that its user gave it, and the wrapper is left out.
    """
    compiled = wrapper()
    order: list[tuple[str, nn.Module]] = []
    aliases: dict[int, list[str]] = {}
    seen: set[int] = set()
    pending: list[tuple[str, nn.Module]] = [("", model)]
    while pending:
        path, module = entry = pending.pop()
        if type(module) is compiled:
            module = uncompiled(module)
            entry = path, module
        key = id(module)
        if key in seen:
            aliases.setdefault(key, []).append(path)
            continue
        seen.add(key)
        order.append(entry)
        inner = module.__dict__.get("_modules")
        if inner is None:
            inner = children_of(module)
        if inner:
            prefix = f"{path}." if path else ""
            children = [(prefix + name, child) for name, child in inner.items() if child is not None]
            children.reverse()
            pending += children
    return [Node(path, module, tuple(aliases.get(id(module), ()))) for path, module in order]


def children_of(module: nn.Module) -> Mapping[str, nn.Module | None]:
    """What a module holds.

    Raises:
        InputError: its class has an ``__init__`` that leaves out that of ``nn.Module``.
    """
    try:
        return module._modules
    except AttributeError:
        if "_modules" in vars(module):
            raise
        name = type(module).__name__
        raise InputError(f"{name}.__init__ does not call super().__init__(): write that as its first line") from None


def is_leaf(module: nn.Module) -> bool:
    """Without children, or with none that can be seen."""
    return isinstance(module, torch.jit.ScriptModule) or not module._modules


def of_class(modules: Sequence[nn.Module], wanted: type) -> list[nn.Module]:
    """The modules of a class or of one that inherits from it: few classes are asked, not many modules."""
    kinds = {kind for kind in set(map(type, modules)) if issubclass(kind, wanted)}
    return [module for module in modules if type(module) in kinds] if kinds else []


def holding_lazy(modules: Sequence[nn.Module]) -> list[nn.Module]:
    """The modules with a parameter or buffer that has no size yet: PyTorch's lazy ones, and other packages' own.

    >>> holding_lazy([nn.Linear(3, 4), nn.LazyLinear(4)])
    [LazyLinear(in_features=0, out_features=4, bias=True)]
    """
    scripted = set(map(id, of_class(modules, torch.jit.ScriptModule)))
    open_ones = [module for module in modules if id(module) not in scripted] if scripted else modules
    # Hardly any model has a lazy tensor, and all of them are asked.
    held = map(_values, chain(map(_parameters, open_ones), map(_buffers, open_ones)))
    kinds = set(map(type, chain.from_iterable(held)))
    if not any(issubclass(kind, UninitializedParameter | UninitializedBuffer) for kind in kinds):
        return []
    return [
        module
        for module in open_ones
        if any(
            tensor is not None and is_lazy(tensor)
            for tensor in (*module._parameters.values(), *module._buffers.values())
        )
    ]


# Read from where PyTorch keeps them: a model may use the name of a method for something of its own, as in
# ``self.modules = [...]``, and PyTorch's methods call each other.


def modules_of(model: nn.Module) -> list[nn.Module]:
    """Every module of a model once, itself first, as ``model.modules()`` gives them."""
    return [node.module for node in walk(model)]


def mode_of(model: nn.Module) -> str:
    """``eval`` or ``train``, or ``mixed`` where its modules differ."""
    training = {module.training for module in modules_of(model)}
    return "mixed" if len(training) > 1 else "train" if True in training else "eval"


def module_at(model: nn.Module, path: str) -> nn.Module:
    """The module at ``path``, which exists."""
    for name in filter(None, path.split(".")):
        model = uncompiled(model._modules[name])
    return model


def sharing(model: nn.Module) -> list[list[Node]]:
    """For each parameter that several modules hold, these modules."""
    owners: dict[int, dict[str, Node]] = {}
    for node in walk(model):
        for parameter in node.module._parameters.values():
            if parameter is not None:
                owners.setdefault(id(parameter), {})[node.path] = node
    return [list(nodes.values()) for nodes in owners.values() if len(nodes) > 1]


def named_tensors_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every parameter and buffer with its full name."""
    for path, module, _ in walk(model):
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                yield (f"{path}.{name}" if path else name), tensor


def offloaded_to(model: nn.Module) -> torch.device | None:
    """Where accelerate's hooks run a model whose weights they bring for each call; None where nothing does that."""
    for _, module, _ in walk(model):
        kept: Any = module.__dict__.get("_hf_hook")
        for hook in getattr(kept, "hooks", (kept,)):
            if getattr(hook, "offload", False) and getattr(hook, "execution_device", None) is not None:
                return torch.device(hook.execution_device)
    return None


def parameters_of(model: nn.Module) -> Iterator[Tensor]:
    """Every parameter in order, without names; who wants the first alone need not wait for all."""
    return (each for module in _one_by_one(model) for each in module._parameters.values() if each is not None)


def buffers_of(model: nn.Module) -> Iterator[Tensor]:
    """Every buffer, likewise."""
    return (each for module in _one_by_one(model) for each in module._buffers.values() if each is not None)


def _one_by_one(model: nn.Module) -> Iterator[nn.Module]:
    """The modules of ``walk``, none of them looked at before its turn."""
    seen: set[int] = set()
    pending: list[Iterator[nn.Module | None]] = [iter([model])]
    while pending:
        for module in pending[-1]:
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield module
                pending.append(iter(module._modules.values()))
                break
        else:
            pending.pop()
