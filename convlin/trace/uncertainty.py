"""Which axes of a tensor are a guess, because something stood in for what did not fit.

Behind most stand-ins the sizes are those that the fixed model will have.  Behind some (two
tensors that do not go together, a view into sizes that do not multiply up) nobody can know, and a
size that does not fit there is no mistake of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from torch import nn

from convlin.layers import EVERY_AXIS_OF, Misfit
from convlin.ops.op import Family
from convlin.records import Shape

Axes: TypeAlias = frozenset[int]

NONE: Axes = frozenset()

_CONVOLVE = (Family.CONVOLUTION, Family.TRANSPOSED_CONVOLUTION)


def settled_by(family: Family, shape: Shape) -> Axes:
    """The axes of the result whose sizes a layer or function of that family declares itself."""
    if family is Family.ADAPTIVE_POOL:
        return frozenset(range(2, len(shape)))
    if family in _CONVOLVE:
        return frozenset({1})
    return frozenset({len(shape) - 1}) if family in (Family.LINEAR, Family.RECURRENT) else NONE


def has_window(family: Family) -> bool:
    """Whether a layer or function of that family moves a window along its input: a size of 1 depends on that."""
    return family in (*_CONVOLVE, Family.POOL)


def handed_on(
    doubted: Axes,
    given: Shape,
    made: Shape,
    settled: Axes = NONE,
    order: Sequence[int] | None = None,
    *,
    window: bool = False,
) -> Axes:
    """The doubtful axes of ``made``, which a call made of ``given``; ``order`` is that of the axes, where they move.

    ``window`` says whether the call moves one along its input.
    """
    if not doubted:
        return NONE
    if order is not None:
        return frozenset(axis for axis, before in enumerate(order) if before in doubted)
    # A size of 1 where there was another is the result of a mean or a maximum, whatever went into it.
    if len(given) == len(made):
        return frozenset(axis for axis in doubted - settled if window or made[axis] != 1 or given[axis] == 1)
    # With sizes of 1 a flatten gives the same as a mean.
    is_told_apart = any(given[axis] != 1 for axis in doubted)
    if is_told_apart and made == tuple(size for axis, size in enumerate(given) if axis not in doubted):
        return NONE
    return frozenset(range(1, len(made))) - settled


def is_doubtful(misfit: Misfit, doubts: Iterable[tuple[Shape, Axes]]) -> bool:
    """Whether a misfit is about a size that is a guess; ``doubts`` are shapes that arrived, each with such axes."""
    return any(_is_about(misfit, axes, len(shape)) for shape, axes in doubts)


def _is_about(misfit: Misfit, doubted: Axes, rank: int) -> bool:
    if not doubted:
        return False
    axis = EVERY_AXIS_OF.get(misfit.kind) if misfit.axis is None else misfit.axis
    if axis is not None:
        return axis % rank in doubted or bool(misfit.detail.get("flattened"))
    if misfit.kind == "operands":
        return any(axis % rank in doubted for axis in misfit.detail.get("axes", range(rank)))
    return misfit.kind in ("reshape", "batch") and misfit.note != "strides"


def declared_size(layer: nn.Module, doubts: Sequence[tuple[Shape, Axes]]) -> Misfit | None:
    """What a layer declares of a size that is a guess and that it happens to take; None where it declares nothing."""
    for kind in EVERY_AXIS_OF:
        declared = getattr(layer, kind, None)
        if isinstance(declared, int) and not isinstance(declared, bool):
            misfit = Misfit(kind, declared, declared)
            if is_doubtful(misfit, doubts[:1]):
                return misfit
    return None


def of_result(misfits: tuple[Misfit, ...], result: Any) -> Axes:
    """The axes that are a guess in what stands in for the result of a function."""
    rank = result.dim() if hasattr(result, "dim") else 0
    found: set[int] = set()
    for misfit in misfits:
        if misfit.note in ("elementwise", "concatenate", "stack"):
            found.update(axis % rank for axis in misfit.detail["axes"] if rank)
        elif misfit.note in ("matmul", "einsum", "linear", "convolution"):
            found.update(axis % rank for axis in misfit.detail.get("made", ()) if rank)
        elif misfit.note == "no_time" and rank == 3:
            axis = 1 if misfit.detail["batch_first"] else 0
            if result.shape[axis] == misfit.detail["steps"]:
                # What is added to the result of an attention has its own width.
                found.update((axis, 2) if misfit.detail.get("follows") else (axis,))
        elif misfit.note == "no_size" or (misfit.note == "no_channels" and misfit.detail["channels"] > 1):
            # Whoever forgot one size may have meant others; only a gray image has no other reading.
            found.update(range(2, rank))
        elif misfit.note == "turned":
            found.update((rank - 2, rank - 1))
        elif misfit.note == "pixel_shuffle":
            found.add(rank - 3)
        elif misfit.note == "unflatten" or (misfit.note == "size" and rank > 2) or misfit.note == "ranks":
            found.update(range(1, rank))
        elif misfit.kind in ("output_size", "output_padding"):
            found.update(range(2, rank))
    return frozenset(found)
