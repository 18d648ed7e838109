"""Shapes after functions that only stand between layers: indexing, einsum, attention and the like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from convlin.arithmetic import SizeError, broadcast, permute
from convlin.arithmetic.common import certain, declared, differ, page, position, product, quotient, step_of
from convlin.records import Derivation, Shape, Size, Step
from convlin.sizes.serialize import is_size
from convlin.sizes.spell import factor, spell, spell_shape


def halve(input_shape: Shape, /, *, dim: int = -1) -> Derivation:
    """Shape after ``GLU``: one half of ``dim`` gates the other.

    Raises `SizeError` for an odd size.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.GLU.html

    >>> halve((2, 64, 38), dim=1).steps[0].text
    '64/2 = 32'
    """
    where = position(dim, len(input_shape))
    half = quotient(input_shape[where], 2) if input_shape else None
    if half is None:
        raise SizeError(f"dim {where} must divide by 2", axis=f"dim {where}")
    step = step_of(f"dim {where}", "{axis}/2", half, input_shape[where])
    return Derivation((*input_shape[:where], half, *input_shape[where + 1 :]), (step,), page("nn.GLU"))


def index(input_shape: Shape, /, items: Any) -> Derivation | None:
    """Shape after ``x[items]``: numbers take a dimension away, slices shorten it, ``None`` adds one.

    A list of numbers picks that many, one list at most; None for any other index.
    Source: https://docs.pytorch.org/docs/stable/tensor_view.html

    >>> derivation = index((2, 17, 32), (slice(None), slice(1, None)))
    >>> derivation.shape, derivation.steps[0].text
    ((2, 16, 32), '17 − 1 = 16')
    >>> index((2, 17, 32), (..., 0)).shape, index((2, 8), (slice(None), None)).shape
    ((2, 17), (2, 1, 8))
    """
    given = items if isinstance(items, tuple) else (items,)
    if any(isinstance(item, bool) for item in given) or sum(isinstance(item, list) for item in given) > 1:
        return None
    taking = sum(item is not None and item is not Ellipsis for item in given)
    if taking > len(input_shape) or sum(item is Ellipsis for item in given) > 1:
        return None
    shape: list[Size] = []
    steps: list[Step] = []
    axis = 0
    for item in (*given, ...) if Ellipsis not in given else given:
        if item is None:
            shape.append(1)
        elif item is Ellipsis:
            rest = len(input_shape) - taking
            shape += input_shape[axis : axis + rest]
            axis += rest
        elif isinstance(item, slice):
            step = _cut(f"dim {axis}", input_shape[axis], item)
            if step is None:
                return None
            shape.append(step.size)
            if step.size != input_shape[axis]:
                steps.append(step)
            axis += 1
        elif isinstance(item, list):
            if not all(type(number) is int for number in item):
                return None
            steps.append(Step(f"dim {axis}", "the indices given", "the indices given", len(item)))
            shape.append(len(item))
            axis += 1
        else:
            axis += 1
    return Derivation(tuple(shape), tuple(steps), "https://docs.pytorch.org/docs/stable/tensor_view.html")


def _cut(axis: str, size: Size, given: slice) -> Step | None:
    """What a slice leaves of a dimension; a size in letters is taken to reach as far as the slice does."""
    start, stop, stride = given.start or 0, given.stop, given.step or 1
    if not all(map(is_size, (start, 0 if stop is None else stop))) or type(stride) is not int or stride < 1:
        return None
    if all(isinstance(each, int) for each in (size, start, stop or 0)):
        start, stop, stride = given.indices(size)
    else:
        start = size + start if certain(start < 0) else start
        stop = size if stop is None else size + stop if certain(stop < 0) else stop
    length: Any = stop - start
    if certain(length < 0):
        length, start = 0, stop
    numbers = f"{factor(stop)} − {factor(start)}" if start != 0 else factor(stop)
    words = "stop − start" if start != 0 else "stop"
    if stride == 1:
        return Step(axis, words, numbers if start != 0 else spell(stop), length, (stop, start))
    if start != 0:
        words, numbers = f"({words})", f"({numbers})"
    left = (length + stride - 1) // stride
    return Step(axis, f"⌈{words}/step⌉", f"⌈{numbers}/{stride}⌉", left, (stop, start, stride))


def einsum(input_shapes: Sequence[Shape], /, equation: str) -> Derivation | None:
    """Shape after ``torch.einsum``: the size of each letter behind the arrow; None for shapes that do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.einsum.html

    >>> einsum([(2, 5, 6), (6, 4)], "nlc,cd->nld").shape, einsum([(2, 3, 5, 6), (6, 4)], "...c,cd->...d").shape
    ((2, 5, 4), (2, 3, 5, 4))
    """
    given, arrow, wanted = equation.replace(" ", "").partition("->")
    operands = given.split(",")
    if len(operands) != len(input_shapes):
        return None
    sizes: dict[str, Size] = {}
    dots = ""
    for operand, shape in zip(operands, input_shapes, strict=True):
        hidden = len(shape) - len(operand) + 3 if "..." in operand else 0
        # The dimensions that an ellipsis stands for get signs of their own, counted from the last.
        signs = "".join(map(str, reversed(range(hidden))))
        dots = max(dots, signs, key=len)
        names = operand.replace("...", signs)
        if hidden > 9 or len(names) != len(shape):
            return None
        for name, size in zip(names, shape, strict=True):
            if sizes.get(name, 1) == 1:
                sizes[name] = size
    if not arrow:
        wanted = "..." + "".join(
            sorted(name for name, count in Counter(given).items() if count == 1 and name.isalpha())
        )
    names = wanted.replace("...", dots)
    return Derivation(tuple(sizes[name] for name in names), (), page("einsum"))


def attention(query: Shape, key: Shape, value: Shape, /, *, enable_gqa: bool = False) -> Derivation:
    """Shape after ``scaled_dot_product_attention``: a value for every query.

    ``enable_gqa`` lets several heads of the query share one of key and value.  Raises `SizeError` for
    widths, lengths or batches that do not go together.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html

    >>> attention((2, 4, 16, 8), (2, 4, 20, 8), (2, 4, 20, 32)).shape
    (2, 4, 16, 32)
    """
    least = 3 if enable_gqa else 2
    for shape in (query, key, value):
        if len(shape) < least:
            raise SizeError(f"{spell_shape(shape)} has fewer than the {least} dimensions of a query, key or value")
    if differ(query[-1], key[-1]):
        raise SizeError(f"a query has {spell(query[-1])} features and a key {spell(key[-1])}", size=key[-1])
    # The CPU's fused kernel looks at the length of the values alone, and leaves out the keys behind it.
    fused = len(query) == len(key) == len(value) == 4 and query[0] == key[0] == value[0] and query[-1] == value[-1]
    if differ(key[-2], value[-2]) and not (fused and certain(key[-2] > value[-2])):
        raise SizeError(f"there are {spell(key[-2])} keys and {spell(value[-2])} values", size=value[-2])
    shared = [tuple(shape[:-2]) for shape in (key, value)]
    if enable_gqa:
        for index, (*front, heads) in enumerate(shared):
            if quotient(query[-3], heads) is None:
                raise SizeError(f"{spell(heads)} heads do not divide the {spell(query[-3])} of the query", size=heads)
            shared[index] = (*front, query[-3])
    batch = broadcast(tuple(query[:-2]), *shared).shape
    source = page("nn.functional.scaled_dot_product_attention")
    return Derivation((*batch, query[-2], value[-1]), (), source)


def pick(input_shape: Shape, /, *, dim: int, size: Size, name: str, function: str) -> Derivation:
    """Shape after a function that leaves ``size`` places of ``dim``, as many as its argument ``name`` says.

    >>> pick((2, 84), dim=-1, size=5, name="k", function="topk").steps[0].text
    'k = 5'
    """
    where = position(dim, len(input_shape))
    shape = (*input_shape[:where], size, *input_shape[where + 1 :])
    return Derivation(shape, (declared(f"dim {where}", name, size),), page(function))


def repeat_interleave(input_shape: Shape, /, *, repeats: int, dim: int | None = None) -> Derivation:
    """Shape after ``repeat_interleave`` with one number; without ``dim`` the tensor is flattened first.

    Formula: https://docs.pytorch.org/docs/stable/generated/torch.repeat_interleave.html

    >>> repeat_interleave((2, 7, 32), repeats=2, dim=1).steps[0].text
    '7·2 = 14'
    """
    if dim is None:
        input_shape, dim = (product(input_shape),), 0
    where = position(dim, len(input_shape))
    size = input_shape[where]
    longer = size * repeats
    step = step_of(f"dim {where}", "{axis}·{repeats}", longer, size, repeats=repeats)
    return Derivation((*input_shape[:where], longer, *input_shape[where + 1 :]), (step,), page("repeat_interleave"))


def move(input_shape: Shape, /, *, source: int | Sequence[int], destination: int | Sequence[int]) -> Derivation:
    """Shape after ``movedim``: the dimensions ``source`` stand at ``destination``, the others keep their order.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.movedim.html

    >>> move((2, 3, 4, 5), source=1, destination=-1).shape
    (2, 4, 5, 3)
    """
    rank = len(input_shape)
    sources = [position(dim, rank) for dim in ([source] if isinstance(source, int) else source)]
    places = [position(dim, rank) for dim in ([destination] if isinstance(destination, int) else destination)]
    order = dict(zip(places, sources, strict=True))
    rest = iter(dim for dim in range(rank) if dim not in sources)
    return permute(input_shape, dims=[order[place] if place in order else next(rest) for place in range(rank)])
