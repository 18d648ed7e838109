"""The same elements under another shape: flatten, view, permute, squeeze; and parts of them: split, chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlin.arithmetic.common import (
    SizeError,
    certain,
    declared,
    differ,
    page,
    position,
    product,
    quotient,
    require_sizes,
    smaller,
    step_of,
)
from convlin.records import Derivation, Shape, Size, Step
from convlin.sizes.spell import divisor, factor, spell, spell_product, spell_shape


def flatten(input_shape: Shape, /, *, start_dim: int, end_dim: int = -1) -> Derivation:
    """Shape after ``torch.flatten`` (which starts at 0 unless told) or ``nn.Flatten`` (at 1).

    Raises `SizeError` for dimensions that are not there or in the wrong order.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.flatten.html

    >>> derivation = flatten((1, 32, 8, 8), start_dim=1)
    >>> derivation.shape, derivation.steps[0].text
    ((1, 2048), '32·8·8 = 2048')
    """
    rank = len(input_shape)
    start, end = position(start_dim, rank), position(end_dim, rank)
    if start > end:
        raise SizeError(f"start_dim {start_dim} comes after end_dim {end_dim}")
    merged = input_shape[start : end + 1]
    total = product(merged)
    steps: tuple[Step, ...] = ()
    if len(merged) > 1:
        axis = "features" if end == rank - 1 and start else f"dim {start}"
        steps = (Step(axis, _dims(start, end + 1), spell_product(merged), total, tuple(merged)),)
    return Derivation((*input_shape[:start], total, *input_shape[end + 1 :]), steps, page("flatten"))


def _dims(start: int, stop: int) -> str:
    return "·".join(f"dim {dim}" for dim in range(start, stop))


def unflatten(input_shape: Shape, /, *, dim: int, sizes: Sequence[Size]) -> Derivation:
    """Shape after ``Tensor.unflatten`` or ``nn.Unflatten(dim, sizes)``; one of the sizes may be −1.

    Raises `SizeError` where the sizes do not multiply up to the dimension.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.Unflatten.html

    >>> derivation = unflatten((1, 2048), dim=1, sizes=(32, -1, 8))
    >>> derivation.shape, derivation.steps[0].text
    ((1, 32, 8, 8), '2048/(32·8) = 8')
    """
    where = position(dim, len(input_shape))
    if not input_shape:
        raise SizeError("a scalar has no dimension to unflatten")
    if not sizes:
        raise SizeError("unflatten needs at least one size")
    size = input_shape[where]
    filled = _fill((size,), tuple(sizes), f"dim {where}")
    steps: list[Step] = []
    for offset, (old, new) in enumerate(zip(sizes, filled, strict=True)):
        if _is_open(old) and len(sizes) > 1:
            others = filled[:offset] + filled[offset + 1 :]
            steps.append(_remainder(f"dim {where + offset}", f"dim {where}", (size,), others, new))
    shape = (*input_shape[:where], *filled, *input_shape[where + 1 :])
    return Derivation(shape, tuple(steps), page("nn.Unflatten"))


def _is_open(size: Size) -> bool:
    """Whether it is the −1 that stands for what remains."""
    return isinstance(size, int) and size == -1


def _remainder(axis: str, total_name: str, total: Sequence[Size], others: Sequence[Size], size: Size) -> Step:
    """What is left for one axis after the others took theirs."""
    below = divisor(others[0]) if len(others) == 1 else f"({spell_product(others)})"
    return Step(axis, f"{total_name}/the other sizes", f"{spell_product(total)}/{below}", size, (*total, *others))


def _fill(available: Sequence[Size], sizes: tuple[Size, ...], axis: str) -> tuple[Size, ...]:
    """The sizes with their −1 worked out, checked against the elements there are."""
    require_sizes("a size", sizes)
    total = product(available)
    unknown = [index for index, size in enumerate(sizes) if _is_open(size)]
    if len(unknown) > 1:
        raise SizeError("only one size can be −1")
    if any(certain(size < 0) for size in sizes if not _is_open(size)):
        raise SizeError(f"{spell_shape(sizes)} has a negative size")
    known = product(size for size in sizes if not _is_open(size))
    if not unknown:
        if differ(known, total):
            there = spell_product(available) + (f" = {spell(total)}" if len(available) > 1 else "")
            message = f"{spell_product(sizes) or '1'} = {spell(known)}, but there are {there or '1'} elements"
            raise SizeError(message, axis=axis, size=total)
        return sizes
    rest = quotient(total, known)
    if rest is None:
        left_over = f" and {spell(known)} does not divide that" if known != 0 else " and −1 could be anything"
        given = f"there are {spell_product(available) or '1'} = {spell(total)} elements,"
        raise SizeError(given + left_over, axis=axis, size=total)
    return tuple(rest if _is_open(size) else size for size in sizes)


def reshape(input_shape: Shape, /, *, shape: Sequence[Size]) -> Derivation:
    """Shape after ``Tensor.view`` or ``torch.reshape``; one size of ``shape`` may be −1.

    Raises `SizeError` where the elements do not come out even.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view.html

    >>> derivation = reshape((1, 32, 8, 8), shape=(-1, 32 * 8 * 8))
    >>> derivation.shape, derivation.steps[0].text
    ((1, 2048), '32·8·8 = 2048')
    >>> reshape((2, 4096), shape=(-1, 2048)).steps[0].text
    '2·4096/2048 = 4'
    """
    wanted = tuple(shape)
    filled = _fill(input_shape, wanted, "")
    steps: list[Step] = []
    for (start, stop), (first, last) in _groups(tuple(input_shape), filled):
        merged, made = tuple(input_shape[start:stop]), filled[first:last]
        if len(made) == 1 and len(merged) > 1:
            axis = "features" if first == last - 1 == len(filled) - 1 and first else f"dim {first}"
            steps.append(Step(axis, _dims(start, stop), spell_product(merged), made[0], merged))
            continue
        for index in range(first, last):
            if _is_open(wanted[index]) and len(made) > 1:
                others = filled[first:index] + filled[index + 1 : last]
                total = _dims(start, stop) or "1"
                steps.append(_remainder(f"dim {index}", total, merged or (1,), others, filled[index]))
    return Derivation(filled, tuple(steps), page("Tensor.view"))


def _groups(before: Shape, after: Shape) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Which dimensions were merged or split into which: ranges of equal product, as short as possible."""
    groups: list[tuple[tuple[int, int], tuple[int, int]]] = []
    start = first = 0
    for last in range(1, len(after) + 1):
        made = product(after[first:last])
        for stop in range(start + 1, len(before) + 1):
            if product(before[start:stop]) == made:
                groups.append(((start, stop), (first, last)))
                start, first = stop, last
                break
    # What remains on either side are ones (or everything, where a size is zero); it goes with the last group.
    if (start, first) != (len(before), len(after)):
        begun = groups.pop() if groups else ((0, 0), (0, 0))
        groups.append(((begun[0][0], len(before)), (begun[1][0], len(after))))
    return groups


def permute(input_shape: Shape, /, *, dims: Sequence[int]) -> Derivation:
    """Shape after ``Tensor.permute(dims)``: the same sizes in another order, so there is no arithmetic.

    Raises `SizeError` unless ``dims`` names every dimension once.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.permute.html

    >>> permute((1, 32, 48, 3), dims=(0, 3, 1, 2)).shape
    (1, 3, 32, 48)
    """
    order = [position(dim, len(input_shape)) for dim in dims]
    if sorted(order) != list(range(len(input_shape))):
        raise SizeError(f"dims {tuple(dims)} do not name each of {len(input_shape)} dimensions once")
    return Derivation(tuple(input_shape[dim] for dim in order), (), page("permute"))


def transpose(input_shape: Shape, /, *, dim0: int, dim1: int) -> Derivation:
    """Shape after ``Tensor.transpose(dim0, dim1)``: two dimensions changed places.

    Raises `SizeError` for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.transpose.html

    >>> transpose((8, 100, 64), dim0=1, dim1=2).shape
    (8, 64, 100)
    """
    first, second = position(dim0, len(input_shape)), position(dim1, len(input_shape))
    sizes = list(input_shape)
    if sizes:
        sizes[first], sizes[second] = sizes[second], sizes[first]
    return Derivation(tuple(sizes), (), page("transpose"))


def squeeze(input_shape: Shape, /, *, dim: int | Sequence[int] | None = None) -> Derivation:
    """Shape after ``Tensor.squeeze``: dimensions of size 1 are gone (of ``dim`` only, where given).

    A size in letters is taken to be larger than 1.  Raises `SizeError` for a dimension that is not
    there or named twice.  Source: https://docs.pytorch.org/docs/stable/generated/torch.squeeze.html

    >>> squeeze((1, 512, 1, 1), dim=(2, 3)).shape
    (1, 512)
    """
    rank = len(input_shape)
    named: Sequence[int] = range(rank) if dim is None else dim if isinstance(dim, Sequence) else (dim,)
    dims = [position(one, rank) for one in named]
    if len(set(dims)) != len(dims):
        raise SizeError(f"dims {dim} name a dimension twice")
    kept = tuple(size for index, size in enumerate(input_shape) if index not in dims or size != 1)
    return Derivation(kept, (), page("squeeze"))


def unsqueeze(input_shape: Shape, /, *, dim: int) -> Derivation:
    """Shape after ``Tensor.unsqueeze(dim)``: a new dimension of size 1.

    Raises `SizeError` where ``dim`` is out of range.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.unsqueeze.html

    >>> unsqueeze((3, 32, 32), dim=0).shape
    (1, 3, 32, 32)
    """
    where = position(dim, len(input_shape) + 1)
    return Derivation((*input_shape[:where], 1, *input_shape[where:]), (), page("unsqueeze"))


def chunk(input_shape: Shape, /, *, chunks: int, dim: int = 0, index: int = 0) -> Derivation:
    """Shape of one of the tensors (``index``) that ``torch.chunk`` returns.

    All have the size rounded up, but for the last, which has what remains; there may be fewer than
    asked for.  Raises `SizeError` where there is no such chunk.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.chunk.html

    >>> [chunk((2, 10), chunks=3, dim=1, index=index).steps[0].text for index in (0, 2)]
    ['⌈10/3⌉ = 4', '10 − 2·⌈10/3⌉ = 2']
    """
    where = _divided(input_shape, dim)
    size = input_shape[where]
    require_sizes("chunks", (chunks,))
    if chunks < 1:
        raise SizeError(f"chunks is {spell(chunks)}, but must be at least 1")
    length = (size + chunks - 1) // chunks
    piece = step_of(f"dim {where}", "⌈{axis}/{chunks}⌉", length, size, chunks=chunks)
    if index:
        piece = _piece(size, index, piece, piece.arithmetic, count=chunks)
    return Derivation((*input_shape[:where], piece.size, *input_shape[where + 1 :]), (piece,), page("chunk"))


def split(
    input_shape: Shape, /, *, split_size_or_sections: Size | Sequence[Size], dim: int = 0, index: int = 0
) -> Derivation:
    """Shape of one of the tensors (``index``) that ``torch.split`` returns.

    Raises `SizeError` where there is no such part, or the sections do not add up to the dimension.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.split.html

    >>> [split((2, 10), split_size_or_sections=4, dim=1, index=index).steps[0].text for index in (0, 2)]
    ['split_size = 4', '10 − 2·4 = 2']
    """
    where = _divided(input_shape, dim)
    size, axis, given = input_shape[where], f"dim {where}", split_size_or_sections
    require_sizes("split_size_or_sections", given if isinstance(given, Sequence) else (given,))
    if isinstance(given, Sequence):
        total: Any = sum(given)
        if differ(total, size) or any(certain(section < 0) for section in given):
            message = f"sections {' + '.join(map(spell, given))} = {spell(total)}, but {axis} is {spell(size)}"
            raise SizeError(message.replace("+ −", "− "), axis=axis, size=size)
        if not 0 <= index < len(given):
            raise SizeError(f"there is no part {index} of {len(given)}", axis=axis)
        piece = Step(axis, f"split_sections[{index}]", f"split_sections[{index}]", given[index])
    else:
        if certain(given < 0) or (certain(given <= 0) and certain(size > 0)):
            raise SizeError(f"split_size is {spell(given)}, but must be at least 1")
        piece = _piece(size, index, declared(axis, "split_size", given), spell(given), count=1)
    return Derivation((*input_shape[:where], piece.size, *input_shape[where + 1 :]), (piece,), page("split"))


def _divided(shape: Shape, dim: int) -> int:
    if not shape:
        raise SizeError("a scalar cannot be divided")
    return position(dim, len(shape))


def _piece(size: Size, index: int, whole: Step, numbers: str, *, count: int) -> Step:
    """The part with that index: as long as the ``whole`` ones, or the last with what remains.

    ``numbers`` is the length of a whole part where it is reckoned with; ``count`` is the number of
    parts that an empty dimension is divided into.
    """
    axis, words, _, length, _ = whole
    rest = size - index * length
    missing = index >= count if certain(size <= 0) else certain(rest <= 0)
    if index < 0 or missing:
        raise SizeError(f"there is no part {index} of {axis}, which is {spell(size)}", axis=axis, size=size)
    if certain(length <= rest):
        return whole
    last_words, last_numbers = axis, spell(size)
    if index:
        last_words, last_numbers = f"{axis} − {index}·{words}", f"{factor(size)} − {index}·{numbers}"
    if index and certain(rest <= length):
        return Step(axis, last_words, last_numbers, rest, (size, index, length))
    shorter = smaller(length, rest)
    return Step(axis, f"min({words}, {last_words})", f"min({numbers}, {last_numbers})", shorter, (size, index, length))
