"""The record that describes a model of the zoo, and the tensors its entries are fed with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
ShapeSpec = tuple[int, ...] | list[tuple[int, ...]] | Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class ZooModel:
    """How to build a model and how to call it.

    ``build`` makes the same model again after ``torch.manual_seed(0)``; ``inputs`` makes the arguments of a call and
    draws nothing from the global random states.  ``shape`` is what a caller would give instead of tensors, without
    the batch: one shape, a list of them or keyword shapes; None where the model needs real values.  ``dtypes`` goes
    with it: the name of a dtype of torch for all of them, or one for each.  An ``image`` model takes a single
    (C, H, W) input and nothing else.  ``requires`` names the packages that the build imports.  ``training`` says that
    the case shows itself with the training flags as built; all others are meant to run in eval mode.
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], Arguments]
    shape: ShapeSpec | None = None
    dtypes: str | tuple[str, ...] | Mapping[str, str] | None = None
    image: bool = False
    family: str = "small"
    note: str = ""
    requires: tuple[str, ...] = ()
    training: bool = False

    def __str__(self) -> str:
        return self.name


def floats(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normally distributed numbers of the given shape, the same in every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def integers(*shape: int, below: int = 32, seed: int = 0) -> torch.Tensor:
    """Whole numbers from 3 (after the usual special tokens) up to ``below``, the same in every call."""
    return torch.randint(min(3, below - 1), below, shape, generator=torch.Generator().manual_seed(seed))


def positional(*makers: Callable[[], Any]) -> Callable[[], Arguments]:
    """``inputs`` of a model that takes positional arguments only."""
    return lambda: (tuple(make() for make in makers), {})


def keywords(**makers: Callable[[], Any]) -> Callable[[], Arguments]:
    """``inputs`` of a model that takes keyword arguments only."""
    return lambda: ((), {name: make() for name, make in makers.items()})


def dummy_arguments(entry: ZooModel, batch_size: int = 1, device: str | torch.device = "cpu") -> Arguments:
    """The arguments that ``entry.shape`` stands for: zeros, with the batch in front."""

    def dummy(shape: tuple[int, ...], dtype: str | None) -> torch.Tensor:
        return torch.zeros(batch_size, *shape, dtype=getattr(torch, dtype) if dtype else None, device=device)

    shape, dtypes = entry.shape, entry.dtypes
    if isinstance(shape, Mapping):
        named = {name: dtypes.get(name) if isinstance(dtypes, Mapping) else dtypes for name in shape}
        return (), {name: dummy(sizes, _one(named[name])) for name, sizes in shape.items()}
    shapes = shape if isinstance(shape, list) else [shape]
    each = dtypes if isinstance(dtypes, tuple) else [dtypes] * len(shapes)
    return tuple(dummy(_given(sizes), _one(dtype)) for sizes, dtype in zip(shapes, each, strict=True)), {}


def _one(dtype: object) -> str | None:
    assert dtype is None or isinstance(dtype, str), f"not the name of one dtype: {dtype!r}"
    return dtype


def _given(sizes: tuple[int, ...] | None) -> tuple[int, ...]:
    assert sizes is not None, "this entry has no shape"
    return sizes
