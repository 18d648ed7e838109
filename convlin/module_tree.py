"""The modules of a model, each once, with every path that leads to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from convlin._util.gc_pause import paused


class Node(NamedTuple):
    """One module of the tree with every path that leads to it."""

    path: str
    module: nn.Module
    aliases: tuple[str, ...]


@paused()
def walk(model: nn.Module) -> list[Node]:
    """Every module once, in the order of ``named_modules()``, with the other paths it goes by.

    In time linear in the modules, which ``named_modules()`` with its nested generators is not.
    """
    order: list[tuple[str, nn.Module]] = []
    aliases: dict[int, list[str]] = {}
    seen: set[int] = set()
    pending: list[tuple[str, nn.Module]] = [("", model)]
    while pending:
        path, module = entry = pending.pop()
        key = id(module)
        if key in seen:
            aliases.setdefault(key, []).append(path)
            continue
        seen.add(key)
        order.append(entry)
        inner = module._modules
        if inner:
            prefix = f"{path}." if path else ""
            children = [(prefix + name, child) for name, child in inner.items() if child is not None]
            children.reverse()
            pending += children
    return [Node(path, module, tuple(aliases.get(id(module), ()))) for path, module in order]


def is_leaf(module: nn.Module) -> bool:
    """Without children, or with none that can be seen."""
    return isinstance(module, torch.jit.ScriptModule) or not module._modules


def of_class(modules: Sequence[nn.Module], wanted: type) -> list[nn.Module]:
    """The modules of a class or of one that inherits from it: few classes are asked, not many modules."""
    kinds = {kind for kind in set(map(type, modules)) if issubclass(kind, wanted)}
    return [module for module in modules if type(module) in kinds] if kinds else []
