"""Layers that are kept in a plain list: they run, and PyTorch and every hook know nothing of them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

from torch import nn

from convlin.module_tree import Node
from convlin.records import Location
from convlin.trace.recording import Recording

_RIGHT: Mapping[type, str] = {list: "nn.ModuleList", tuple: "nn.ModuleList", dict: "nn.ModuleDict"}


def remarks(nodes: Sequence[Node], recording: Recording) -> tuple[str, ...]:
    """A remark for every list, tuple or dict whose layers have weights that a function of the pass used."""
    kinds = {type(node.module) for node in nodes}
    own = {kind for kind in kinds if kind.__module__.startswith("torch.nn.")}  # which register what they run
    if own == kinds:
        return ()
    known = {id(node.module) for node in nodes}
    return tuple(
        f"{path + '.' if path else ''}{name} is a plain {type(kept).__name__}: its layers run and are not registered, "
        f"so they have no rows, and model.parameters() has none of theirs; write {_RIGHT[type(kept)]}"
        f"{_at(module, name)} unless that is intended"
        for path, module, _ in nodes
        if type(module) not in own
        for name, kept in vars(module).items()
        if type(kept) in _RIGHT and kept and name[0] != "_" and _are_used(kept, nodes, known, recording.used)
    )


def _at(module: nn.Module, name: str) -> str:
    """Where the list is put into the module, if its constructor says so in one place."""
    from convlin.diagnosis.messages.tools import at  # words and source: only where such a list is found
    from convlin.source.syntax import Files

    constructor = inspect.getattr_static(type(module), "__init__", None)
    found = Files().function(constructor) if isinstance(constructor, FunctionType) else None
    if found is None:
        return ""
    parsed, node = found
    lines = [
        each.lineno
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and each.attr == name and isinstance(each.ctx, ast.Store)
    ]
    return at(Location(parsed.source.name, lines[0])) if len(lines) == 1 else ""


def _are_used(kept: Any, nodes: Sequence[Node], known: set[int], used: set[int]) -> bool:
    items = kept.values() if isinstance(kept, dict) else kept
    hidden = [each for each in items if isinstance(each, nn.Module) and id(each) not in known]
    weights = {id(weight) for each in hidden for weight in nn.Module.parameters(each)} & used
    return bool(weights) and not weights <= {
        id(weight) for node in nodes for weight in node.module._parameters.values()
    }
