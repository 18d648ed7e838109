"""Several tensors, or one with itself: cat, stack, broadcasting, matmul, expand, repeat; and reductions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from convlin.arithmetic.common import SizeError, certain, differ, page, position, require_sizes
from convlin.records import Derivation, Shape, Size, Step
from convlin.sizes.spell import factor, spell, spell_shape

#: So many sizes that are the same are no longer written one by one.
_MANY = 5


def cat(input_shapes: Sequence[Shape], /, *, dim: int = 0) -> Derivation:
    """Shape after ``torch.cat``: the sizes along ``dim`` added, all others alike.

    A tensor of shape ``(0,)`` is passed over, as PyTorch does.  Raises `SizeError` for shapes that
    differ elsewhere.  Formula: https://docs.pytorch.org/docs/stable/generated/torch.cat.html

    >>> derivation = cat([(1, 64, 28, 28), (1, 64, 28, 28)], dim=1)
    >>> derivation.shape, derivation.steps[0].text
    ((1, 128, 28, 28), '64 + 64 = 128')
    """
    if not input_shapes:
        raise SizeError("cat needs at least one tensor")
    shapes = [tuple(shape) for shape in input_shapes if tuple(shape) != (0,)]
    if not shapes:
        return Derivation((0,), (), page("cat"))
    first = shapes[0]
    if any(not shape for shape in input_shapes):
        raise SizeError("scalars cannot be joined by cat; stack joins them")
    where = position(dim, len(first))
    for shape in shapes[1:]:
        if len(shape) != len(first):
            raise SizeError(f"{spell_shape(first)} and {spell_shape(shape)} differ in their number of dimensions")
        for index, (one, other) in enumerate(zip(first, shape, strict=True)):
            if index != where and differ(one, other):
                message = (
                    f"{spell_shape(first)} and {spell_shape(shape)} differ in dim {index}, not only in dim {where}"
                )
                raise SizeError(message, axis=f"dim {index}", size=other)
    total: Any = sum(shape[where] for shape in shapes)
    step = Step(
        f"dim {where}",
        " + ".join(f"dim {where} of input {index}" for index in range(len(shapes))),
        _sum([factor(shape[where]) for shape in shapes]),
        total,
        tuple(shape[where] for shape in shapes),
    )
    steps = (step,) if len(shapes) > 1 else ()
    return Derivation((*first[:where], total, *first[where + 1 :]), steps, page("cat"))


def stack(input_shapes: Sequence[Shape], /, *, dim: int = 0) -> Derivation:
    """Shape after ``torch.stack``: a new dimension with one place for each tensor.

    Raises `SizeError` for shapes that differ.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.stack.html

    >>> derivation = stack([(3, 32), (3, 32)], dim=1)
    >>> derivation.shape, derivation.steps[0].text
    ((3, 2, 32), '1 + 1 = 2')
    """
    if not input_shapes:
        raise SizeError("stack needs at least one tensor")
    first = tuple(input_shapes[0])
    where = position(dim, len(first) + 1)
    for shape in input_shapes[1:]:
        if len(shape) != len(first) or any(map(differ, first, shape)):
            raise SizeError(f"{spell_shape(first)} and {spell_shape(shape)} differ, but stack needs them alike")
    count = len(input_shapes)
    step = Step(f"dim {where}", "1 for each input", _sum("1" * count), count, (1,) * count)
    return Derivation((*first[:where], count, *first[where:]), (step,), page("stack"))


def _sum(sizes: Sequence[str]) -> str:
    """Sizes added; many of the same that follow one another are a product.

    >>> _sum("111"), _sum(["64", *["32"] * 6])
    ('1 + 1 + 1', '64 + 6·32')
    """
    runs = [(text, len(list(alike))) for text, alike in groupby(sizes)]
    return " + ".join(f"{times}·{text}" if times >= _MANY else " + ".join([text] * times) for text, times in runs)


def broadcast(*input_shapes: Shape) -> Derivation:
    """Shape of an elementwise operation: sizes line up from the last, and a 1 stretches to the other.

    A size in letters is taken to be larger than 1.  Raises `SizeError` where two sizes differ.
    Source: https://docs.pytorch.org/docs/stable/notes/broadcasting.html

    >>> broadcast((8, 1, 32), (64, 1)).shape
    (8, 64, 32)
    """
    rank = max(map(len, input_shapes), default=0)
    result: list[Size] = [1] * rank
    for shape in input_shapes:
        for index, size in enumerate(shape, rank - len(shape)):
            if result[index] == 1:
                result[index] = size
            elif size != 1 and differ(result[index], size):
                shapes = " and ".join(map(spell_shape, input_shapes))
                message = f"{shapes} do not go together: {spell(result[index])} and {spell(size)} in dim {index}"
                raise SizeError(message, axis=f"dim {index}", size=size)
            elif size != 1 and isinstance(size, int):
                result[index] = size  # equal, and a number says more than a letter
    return Derivation(tuple(result), (), "https://docs.pytorch.org/docs/stable/notes/broadcasting.html")


def matmul(input_shape: Shape, other_shape: Shape, /) -> Derivation:
    """Shape after ``torch.matmul`` (``@``): ``(*, n, k) @ (*, k, m)`` is ``(*, n, m)``, a vector loses its side.

    Raises `SizeError` where the sizes summed over differ, or the batch dimensions do not broadcast.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.matmul.html

    >>> matmul((8, 12, 100, 64), (8, 12, 64, 100)).shape
    (8, 12, 100, 100)
    """
    if not input_shape or not other_shape:
        raise SizeError("matmul does not take scalars")
    inner, other = input_shape[-1], other_shape[max(-2, -len(other_shape))]
    if differ(inner, other):
        shapes = f"{spell_shape(input_shape)} and {spell_shape(other_shape)} do not go together"
        message = f"{shapes}: {spell(inner)} and {spell(other)} are summed over in pairs"
        raise SizeError(message, axis=f"dim {len(input_shape) - 1}", size=inner)
    batch = broadcast(tuple(input_shape[:-2]), tuple(other_shape[:-2])).shape
    rows = tuple(input_shape[-2:-1])
    columns = tuple(other_shape[-1:]) if len(other_shape) > 1 else ()
    return Derivation((*batch, *rows, *columns), (), page("matmul"))


def expand(input_shape: Shape, /, *, sizes: Sequence[Size]) -> Derivation:
    """Shape after ``Tensor.expand(sizes)``: a size of 1 stretches, −1 keeps, new dimensions go in front.

    Raises `SizeError` where a size other than 1 would change.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.expand.html

    >>> expand((1, 64), sizes=(8, -1, 64)).shape
    (8, 1, 64)
    """
    require_sizes("a size", sizes)
    added = len(sizes) - len(input_shape)
    if added < 0:
        raise SizeError(f"{spell_shape(input_shape)} has more dimensions than the {len(sizes)} asked for")
    result: list[Size] = []
    for index, size in enumerate(sizes):
        keeps = isinstance(size, int) and size == -1
        if certain(size < 0) and not (keeps and index >= added):
            raise SizeError(f"size {spell(size)} in dim {index} is not possible", axis=f"dim {index}")
        old = input_shape[index - added] if index >= added else 1
        if not keeps and old != 1 and differ(old, size):
            message = f"dim {index - added} is {spell(old)}, which cannot become {spell(size)}: only a 1 stretches"
            raise SizeError(message, axis=f"dim {index - added}", size=old)
        result.append(old if keeps else size)
    return Derivation(tuple(result), (), page("Tensor.expand"))


def repeat(input_shape: Shape, /, *, repeats: Sequence[Size]) -> Derivation:
    """Shape after ``Tensor.repeat(repeats)``: each size times its number, new dimensions in front.

    Raises `SizeError` for fewer numbers than dimensions, or negative ones.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.repeat.html

    >>> derivation = repeat((3, 32), repeats=(2, 1, 4))
    >>> derivation.shape, [step.text for step in derivation.steps]
    ((2, 3, 128), ['1·2 = 2', '32·4 = 128'])
    """
    require_sizes("a repeat", repeats)
    added = len(repeats) - len(input_shape)
    if added < 0:
        raise SizeError(f"{len(repeats)} repeats are too few for {spell_shape(input_shape)}")
    shape: list[Size] = []
    steps = []
    for index, (size, count) in enumerate(zip((1,) * added + tuple(input_shape), repeats, strict=True)):
        if certain(size * count < 0):
            raise SizeError(f"repeat {spell(count)} in dim {index} is negative", axis=f"dim {index}")
        shape.append(size * count)
        if count != 1:
            text = f"{factor(size)}·{factor(count)}"
            steps.append(Step(f"dim {index}", f"size·repeats[{index}]", text, shape[-1], (size, count)))
    return Derivation(tuple(shape), tuple(steps), page("Tensor.repeat"))


def reduce(input_shape: Shape, /, *, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Derivation:
    """Shape after ``mean``, ``sum``, ``amax`` and their like over ``dim`` (None or empty: over all).

    The dimensions are gone, or 1 with ``keepdim``.  Raises `SizeError` for a dimension that is not
    there or named twice.  Source: https://docs.pytorch.org/docs/stable/generated/torch.mean.html

    >>> reduce((1, 512, 7, 7), dim=(2, 3)).shape
    (1, 512)
    """
    rank = len(input_shape)
    named: Sequence[int] = () if dim is None else dim if isinstance(dim, Sequence) else (dim,)
    dims = [position(one, rank) for one in named] or list(range(rank))
    if len(set(dims)) != len(dims):
        raise SizeError(f"dims {tuple(named)} name a dimension twice")
    if keepdim:
        shape = tuple(1 if index in dims else size for index, size in enumerate(input_shape))
    else:
        shape = tuple(size for index, size in enumerate(input_shape) if index not in dims)
    return Derivation(shape, (), page("mean"))
