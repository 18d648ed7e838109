"""A weight that several layers share: a layer that is made with another size does not have it for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from convlin.layers import CannotRemakeError, remade
from convlin.module_tree import module_at, named_tensors_of
from convlin.records import Shape


class Tie(NamedTuple):
    """One tensor with every name that it goes by, that of the layer in question first."""

    names: tuple[str, ...]
    shape: Shape


def ties(model: nn.Module, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, Tie]:
    """By path the layers whose new arguments ask for a weight of another shape than some other layer that has it.

    ``wanted`` are all the new arguments that there are, by path.  PyTorch itself says which shape they ask for.

    >>> model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 9))
    >>> model[1].weight = model[0].weight
    >>> ties(model, {"1": {"in_features": 6}})
    {'1': Tie(names=('1.weight', '0.weight'), shape=(9, 4))}
    >>> ties(model, {"1": {"in_features": 6}, "0": {"embedding_dim": 6}})
    {}
    """
    names: dict[int, list[str]] = {}
    shapes: dict[int, Shape] = {}
    for name, tensor in named_tensors_of(model):
        if isinstance(tensor, nn.Parameter) and not is_lazy(tensor):
            names.setdefault(id(tensor), []).append(name)
            shapes[id(tensor)] = tuple(tensor.shape)
    shared = {key: tuple(each) for key, each in names.items() if len(each) > 1}
    if not shared:
        return {}
    found: dict[str, Tie] = {}
    asked = {path: _asked(module_at(model, path), path, changes) for path, changes in wanted.items()}
    for key, same in shared.items():
        new = {name: shape for one in asked.values() for name, shape in one.items() if name in same}
        then = {new.get(name, shapes[key]) for name in same}
        if len(then) == 1 and None not in then:
            continue
        for path, one in asked.items():
            own = [name for name in same if one.get(name, shapes[key]) != shapes[key]]
            if own:
                found[path] = Tie((*own, *(name for name in same if name not in own)), shapes[key])
    return found


def _asked(layer: nn.Module, path: str, changes: Mapping[str, Any]) -> dict[str, Shape | None]:
    """The shapes of a layer's parameters with other arguments; None where such a layer cannot be made."""
    prefix = f"{path}." if path else ""
    try:
        made = remade(layer, changes, device=torch.device("meta"))
    except CannotRemakeError:
        return {prefix + name: None for name, _ in named_tensors_of(layer)}
    return {prefix + name: tuple(tensor.shape) for name, tensor in named_tensors_of(made)}
