"""How a pass goes on behind a product whose factors do not go together: ``@``, ``bmm``, ``einsum``."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from convlin.ops.misfit import Misfit, resized
from convlin.ops.names import op_of
from convlin.ops.refused_calls import Recovery, RefusedCall, declared_as
from convlin.records import Shape
from convlin.tensors import zeros


def einsum(call: RefusedCall) -> Recovery | None:
    """A sum over letters, one of which has two sizes: the first of them counts."""
    equation, *tensors = call.args or ("",)
    if len(tensors) == 1 and isinstance(tensors[0], tuple | list):
        tensors = list(tensors[0])
    if not isinstance(equation, str) or not all(isinstance(value, Tensor) for value in tensors):
        return None
    given, arrow, made = equation.replace(" ", "").partition("->")
    if not arrow:
        made = "".join(sorted(name for name in set(given) - {","} if given.count(name) == 1))
    operands = given.split(",")
    if [len(names) for names in operands] != [value.dim() for value in tensors]:
        return None
    met: dict[str, tuple[int, int]] = {}
    sizes = [list(value.shape) for value in tensors]
    misfits: list[Misfit] = []
    for index, names in enumerate(operands):
        for axis, name in enumerate(names):
            first, at = met.setdefault(name, (index, axis))
            known, size = sizes[first][at], sizes[index][axis]
            if known == size or 1 in (known, size):
                continue
            sizes[index][axis] = known
            shapes = (tuple(tensors[first].shape), tuple(tensors[index].shape))
            pair = operands[first], operands[index]
            detail = {"shapes": shapes, "tensors": (first, index), "meet": ((at, axis),), "letter": name,
                      "made": _letters_of_map(name, pair, shapes, made)}  # fmt: skip
            misfits.append(Misfit("operands", size, known, "einsum", detail))
    if not misfits:
        return None
    fitting = [zeros(value, shape) for value, shape in zip(tensors, sizes, strict=True)]
    return Recovery(tuple(misfits), call.function(equation, *fitting))


def _letters_of_map(name: str, pair: tuple[str, str], shapes: tuple[Shape, Shape], made: str) -> tuple[int, ...]:
    """The axes of a sum over letters that are a guess where ``name`` has two sizes: as ``_axes_of_map`` says."""
    sizes = [dict(zip(letters, shape, strict=True)) for letters, shape in zip(pair, shapes, strict=True)]
    alone = [(one, other) for one, other in (sizes, sizes[::-1])]
    guessed = {letter for one, other in alone for letter in one.keys() - other if one[letter] == one[name]}
    return tuple(index for index, letter in enumerate(made) if letter in guessed | {name})


def matmul(call: RefusedCall) -> Recovery | None:
    given = call.two_tensors("input", "other", "mat2")
    if given is None:
        return None
    left, right = given
    if op_of(call.function).rank == 3 and (left.dim() != 3 or right.dim() != 3):
        return _without_axis(call, left, right)
    inner = right.shape[-2] if right.dim() > 1 else right.shape[0]
    if left.dim() == 0 or right.dim() == 0 or left.shape[-1] == inner:
        return None
    meet = ((-1, -2 if right.dim() > 1 else 0),)
    detail: dict[str, Any] = {"shapes": (tuple(left.shape), tuple(right.shape)), "meet": meet}
    name = declared_as(call.layer, inner) if _is_weight_of(call.layer, right) else ""
    if name:
        misfit = resized(name, inner, left.shape[-1])
        return Recovery((misfit,), call.function(zeros(left, (*left.shape[:-1], inner)), right))
    turned = _turned(left, right)
    if turned is not None:
        which, made = turned
        misfit = Misfit("operands", inner, left.shape[-1], "turned", {**detail, "which": which})
        return Recovery((misfit,), made)
    result = call.function(zeros(left, (*left.shape[:-1], inner)), right)
    misfit = Misfit("operands", inner, left.shape[-1], "matmul", {**detail, "made": _axes_of_map(left, right, result)})
    return Recovery((misfit,), result)


def _without_axis(call: RefusedCall, left: Tensor, right: Tensor) -> Recovery | None:
    """A product of batches, one of which is a matrix: with an axis of 1 where they go together, if in one place."""
    if sorted((left.dim(), right.dim())) != [2, 3]:
        return None
    found: dict[int, tuple[Tensor, Tensor]] = {}
    for axis in range(3):
        one = left.unsqueeze(axis) if left.dim() == 2 else left
        two = right.unsqueeze(axis) if right.dim() == 2 else right
        if one.shape[0] == two.shape[0] and one.shape[2] == two.shape[1]:
            found[axis] = one, two
    if len(found) != 1:
        return None
    ((axis, (one, two)),) = found.items()
    shapes = tuple(left.shape), tuple(right.shape)
    misfit = Misfit("operands", *shapes, "ranks", {"shapes": shapes, "axis": axis})
    return Recovery((misfit,), call.function(one, two))


def _axes_of_map(left: Tensor, right: Tensor, result: Tensor) -> tuple[int, ...]:
    """The axes of a product that are a guess where its factors do not go together.

    A square matrix maps features to as many: made for another number it is another on both of its axes.
    """
    rows = (result.dim() - 1 - (right.dim() > 1),) if left.dim() > 1 and left.shape[-2] == left.shape[-1] else ()
    columns = (result.dim() - 1,) if right.dim() > 1 and right.shape[-2] == right.shape[-1] else ()
    return rows + columns


def _is_weight_of(layer: nn.Module | None, tensor: Tensor) -> bool:
    """Whether it is a matrix of the layer's own, with a row for each feature that comes in."""
    return layer is not None and tensor.dim() == 2 and any(tensor is each for each in layer._parameters.values())


def _turned(left: Tensor, right: Tensor) -> tuple[tuple[int, ...], Tensor] | None:
    """Which of two factors, the other way round, would do, and a product of the first such size."""
    if left.dim() < 2 or right.dim() < 2 or right.shape[:-2] not in (left.shape[:-2], ()):
        return None
    ways = {1: (left, right.mT), 0: (left.mT, right)}
    fitting = {which: (one, two) for which, (one, two) in ways.items() if one.shape[-1] == two.shape[-2]}
    if not fitting:
        return None
    one, two = next(iter(fitting.values()))
    return tuple(fitting), zeros(left, (*left.shape[:-2], one.shape[-2], two.shape[-1]))
