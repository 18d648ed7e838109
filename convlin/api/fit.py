"""``fit``: every layer with a wrong input size replaced by one of the required size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import torch
from torch import nn

from convlin._util.torch_private import compiled_like
from convlin.api.summarize import summarize
from convlin.diagnosis.runs.evidence import arguments_of
from convlin.errors import InputError, ShapeError
from convlin.inputs import DtypeLike, Input, check_model
from convlin.layers import EVERY_AXIS_OF, GIVEN_OR_HIDDEN, CannotRemakeError, places_of, remade
from convlin.module_tree import module_at, sharing
from convlin.observe import unwrapped
from convlin.records import Problem

#: What a new layer can fix; for anything else the model's code has to change.
_SIZES = frozenset({*EVERY_AXIS_OF, *GIVEN_OR_HIDDEN, "num_embeddings", "padding", "stride"})

#: Each round fixes what the one before made visible; a model has no more layers in a row than this.
_MOST_ROUNDS = 50

Model = TypeVar("Model", bound=nn.Module)

_Place: TypeAlias = "tuple[nn.Module, str, nn.Module | None]"
"""A module, the name of one of its children, and that child as it was."""


def fit(
    model: Model,
    input: Input,
    *more: object,
    kwargs: Mapping[str, Any] | None = None,
    batch_size: int = 1,
    dtypes: DtypeLike | Sequence[DtypeLike] | Mapping[str, DtypeLike] | None = None,
    device: torch.device | str | None = None,
    mode: str = "eval",
) -> Model:
    """Replace every layer whose input size is wrong by one of the required size; return the model.

    The new layer has the same type, dtype, device and settings, and fresh weights as PyTorch
    initializes them.  Layers that are right keep their weights, tied layers stay tied.

    Raises:
        ShapeError: some problem is none that a new layer can fix; nothing was changed then.
        InputError: the call cannot be right.

    >>> from torch import nn
    >>> fit(nn.Sequential(nn.Flatten(), nn.Linear(999, 10)), (3, 32, 32))[1]
    Linear(in_features=3072, out_features=10, bias=True)
    """
    __tracebackhide__ = True
    root = unwrapped(check_model(model))
    if input is None and kwargs is None:
        raise InputError("fit runs the model: give it an input, as in fit(model, (3, 32, 32))")
    replaced: list[_Place] = []
    tied: dict[tuple[int, tuple[int, ...]], nn.Parameter] = {}
    try:
        for _ in range(_MOST_ROUNDS):
            summary = summarize(
                model, input, *more, kwargs=kwargs, batch_size=batch_size, dtypes=dtypes, device=device, mode=mode
            )
            if any(not isinstance(size, int) for info in summary.report.inputs for size in info.shape):
                raise InputError("a layer is built with numbers: write numbers for all sizes, as in (3, 32, 32)")
            if summary.ok:
                return model
            if not all(_is_fixed_by_layer(problem) for problem in summary.problems):
                break
            sizes: dict[str, dict[str, Any]] = {}
            for problem in summary.problems:
                layer = problem.layer or problem.path
                known = sizes.setdefault(layer, {})
                for name, value in arguments_of(problem).items():
                    if known.setdefault(name, value) != value:
                        raise ShapeError(
                            f"{layer} is called with {name}={known[name]} and with {name}={value}: "
                            "one layer cannot be both"
                        )
            _check_ties(root, sizes)
            for path, changes in sizes.items():
                replaced += _exchange(root, path, changes, tied)
        problems: Sequence[Problem] = summary.problems
        listed = "\n".join(f"{problem.path or type(root).__name__}: {problem.message}" for problem in problems)
        raise ShapeError(f"no new layer can fix this; the model is unchanged\n\n{listed}")
    except BaseException:
        for parent, name, before in reversed(replaced):
            parent._modules[name] = before
        raise


def _is_fixed_by_layer(problem: Problem) -> bool:
    return bool(problem.changes) and (problem.kind in _SIZES or bool(problem.layer))


def _check_ties(root: nn.Module, sizes: Mapping[str, Mapping[str, Any]]) -> None:
    """Layers that share a weight can only get one new weight."""
    for nodes in sharing(root):
        wanted = [sizes.get(node.path) for node in nodes]
        if any(changes != wanted[0] for changes in wanted):
            listed = ", ".join(
                f"{node.path} needs {_spelled(changes)}" if changes else f"{node.path} is right"
                for node, changes in zip(nodes, wanted, strict=True)
            )
            raise ShapeError(f"one weight is shared by layers that need different sizes: {listed}")


def _exchange(
    root: nn.Module, path: str, changes: Mapping[str, Any], tied: dict[tuple[int, tuple[int, ...]], nn.Parameter]
) -> list[_Place]:
    """Put a new layer everywhere the old one is; what was there, to be put back if need be."""
    old = module_at(root, path)
    if not path:
        raise ShapeError(f"the model is a single {type(old).__name__}: make a new one with {_spelled(changes)}")
    if hasattr(old, "parametrizations"):
        raise ShapeError(f"{type(old).__name__} has parametrizations: remove them, or write {_spelled(changes)}")
    try:
        new = remade(old, changes, tied)
    except CannotRemakeError as error:
        raise ShapeError(f"{error}: write {_spelled(changes)}") from error
    replaced = [(parent, name, parent._modules[name]) for parent, name in places_of(root, old)]
    for parent, name, before in replaced:
        parent._modules[name] = compiled_like(before, new)
    return replaced


def _spelled(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in changes.items())
