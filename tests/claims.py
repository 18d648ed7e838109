"""What convlin says of other inputs, tried on the model by PyTorch itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor, nn

from convlin import ShapeError, fit, summarize
from convlin.records import Claim, ClaimKind, Evidence, Problem


def runs(model: nn.Module, *inputs: Tensor) -> bool:
    try:
        with torch.no_grad():
            copy.deepcopy(model)(*inputs)
    except (RuntimeError, ValueError, IndexError):
        return False
    return True


def hold(claim: Claim, problem: Problem, model: nn.Module, at: Callable[[tuple[int, ...]], list[Tensor]]) -> None:
    """One claim, tried: ``at`` makes what the model is called with at a size."""

    def takes(*size: int) -> bool:
        return runs(model, *at(size))

    def beside(size: tuple[int, ...], step: int) -> tuple[int, ...]:
        return tuple(each + step for each in size)

    assert claim.text in " ".join(problem.message.split())
    sizes = claim.inputs
    match claim.kind:
        case ClaimKind.PASSES:
            assert all(takes(*size) for size in sizes)
        case ClaimKind.JOINS | ClaimKind.REACHES:
            assert not any(takes(*size) for size in sizes), "something else is wrong there"
            # And that alone, which new layers fix: the tensors go together there, and nothing is too small.
            with suppress(ShapeError):
                assert runs(fit(copy.deepcopy(model), at(sizes[0])), *at(sizes[0]))
        case ClaimKind.MULTIPLES:
            number = int(claim.text.rpartition(" ")[2])
            assert all(each % number == 0 for size in sizes for each in size)
            assert claim.evidence is Evidence.DERIVED, "no run shows it of all"
            assert all(joined(model, at(beside(sizes[-1], number * step))) for step in range(1, 6))
        case ClaimKind.FITS if problem.kind == "num_embeddings":
            assert indices_fit(model, problem.path, at(sizes[0]))
            assert not indices_fit(model, problem.path, at(beside(sizes[0], 1)))
        case ClaimKind.FITS:
            smallest, largest = sizes[0], sizes[-1]
            path = problem.path if problem.kind == "in_features" else claim.text.partition(" ")[0]
            assert fitted(model, path, at(smallest))
            assert fitted(model, path, at(largest))
            assert not fitted(model, path, at(beside(smallest, -1)))
            assert not fitted(model, path, at(beside(largest, 1)))
        case ClaimKind.SMALLEST:
            assert takes(*sizes[0])
            assert not takes(*beside(sizes[0], -1))
        case ClaimKind.LARGEST:
            assert takes(*sizes[0])
            assert not takes(*beside(sizes[0], 1))
        case ClaimKind.BATCH:
            raise AssertionError("tried by a test of its own")


def fitted(model: nn.Module, path: str, inputs: list[Tensor]) -> bool:
    """Whether what reaches the layer has the size that it declares; what stands behind it may be wrong."""
    shapes: list[torch.Size] = []
    layer = model.get_submodule(path)
    with layer.register_forward_pre_hook(lambda _, args: shapes.append(args[0].shape)):
        runs(model, *inputs)  # a copy, which has the same hook
    return bool(shapes) and all(shape[-1] == layer.in_features for shape in shapes)


def indices_fit(model: nn.Module, path: str, inputs: list[Tensor]) -> bool:
    """Whether a table has a row for each index that reaches it."""
    largest: list[int] = []
    table = model.get_submodule(path)
    with table.register_forward_pre_hook(lambda _, args: largest.append(int(args[0].max()))):
        runs(model, *inputs)
    return bool(largest) and all(index < int(table.num_embeddings) for index in largest)  # type: ignore[arg-type]


def joined(model: nn.Module, inputs: list[Tensor]) -> bool:
    """Whether nothing but a layer's number is in the way."""
    shape = tuple(inputs[0].shape[1:])
    return runs(model, *inputs) or all(problem.changes for problem in summarize(model, shape).problems)
