"""What every formula needs: the error, checks of sizes and settings, and like steps merged.

A size is an integer or a closed form in named sizes.  Closed forms are met only through the methods
they share with numbers, so that nothing here imports sympy (most of a second) for plain integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from convlin.records import Derivation, Shape, Size, Step
from convlin.sizes.spell import factor, spell, spell_shape

Setting: TypeAlias = "Size | Sequence[Size]"
"""One value for all spatial axes, or one for each, as PyTorch's layers take it."""

#: Names of the spatial axes, by their number.
SPATIAL_AXES = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


class SizeError(ValueError):
    """A size that PyTorch refuses.

    ``axis`` names the axis (``"H"``, ``"dim 1"``), ``size`` is what arrived there and ``minimum`` the
    smallest size of that axis which passes, each where there is such a thing.

    >>> SizeError("H is 1, but must be at least 2", axis="H", size=1, minimum=2).minimum
    2
    """

    def __init__(self, message: str, *, axis: str = "", size: Size | None = None, minimum: Size | None = None) -> None:
        super().__init__(message)
        self.axis = axis
        self.size = size
        self.minimum = minimum


def page(name: str) -> str:
    """Address of the page of PyTorch's documentation about ``name``."""
    return f"https://docs.pytorch.org/docs/stable/generated/torch.{name}.html"


def certain(condition: Any) -> bool:
    """Whether a comparison of sizes is known to hold; between letters it often is not."""
    try:
        return bool(condition)
    except TypeError:  # sympy's answer for a relation that depends on the letters
        return False


def differ(first: Size, second: Size) -> bool:
    """Whether two sizes are known to be different."""
    return certain(first < second) or certain(first > second)


def smaller(first: Size, second: Size) -> Size:
    """The smaller of two sizes, as a closed form where that depends on the letters."""
    if certain(first <= second):
        return first
    if certain(second <= first):
        return second
    import sympy

    return sympy.Min(first, second)


def product(sizes: Iterable[Size]) -> Size:
    """The sizes multiplied; the numbers last, so that ``8·(H − 2)·(W − 2)`` is not multiplied out on the way."""
    number, result = 1, None
    for size in sizes:
        if isinstance(size, int):
            number *= size
        else:
            result = size if result is None else result * size
    return number if result is None else result * number


def quotient(size: Size, divisor: Size) -> Size | None:
    """``size/divisor`` where that is a whole number, or may be one for the right letters; else None."""
    if isinstance(size, int) and isinstance(divisor, int):
        return size // divisor if divisor and size % divisor == 0 else None
    ratio = size / divisor
    if getattr(ratio, "is_integer", None) is False:
        return None
    return int(ratio) if getattr(ratio, "is_Integer", False) else ratio


def is_sequence(value: object) -> bool:
    """Whether a setting has one value for each axis (lists, tuples, ``torch.Size``)."""
    return isinstance(value, (list, tuple))


def is_size(value: object) -> bool:
    """Whether it is a whole number or a closed form, and no text or fraction.

    >>> is_size(3), is_size("3"), is_size(3.0)
    (True, False, False)
    """
    return hasattr(value, "__index__") or hasattr(value, "as_numer_denom")


def require_sizes(name: str, values: Iterable[object]) -> None:
    """Settings that are counted in cells or features are whole numbers."""
    for value in values:
        if not is_size(value):
            raise SizeError(f"{name} is {value!r}, but must be a whole number")


def per_axis(value: Any, count: int, name: str, *, one_for_all: bool = True) -> tuple[Any, ...]:
    """A setting for each of ``count`` axes, from one for all or one for each.

    ``one_for_all`` says whether PyTorch lets a tuple with a single value stand for all axes, too.
    """
    if not is_sequence(value):
        return (value,) * count
    if len(value) == 1 and one_for_all:
        return (value[0],) * count
    if len(value) != count:
        raise SizeError(f"{name} has {len(value)} values for {count} spatial axes")
    return tuple(value)


def sizes_per_axis(value: Any, count: int, name: str, *, one_for_all: bool = True) -> tuple[Any, ...]:
    """The same for a setting that is counted in cells."""
    values = per_axis(value, count, name, one_for_all=one_for_all)
    require_sizes(name, values)
    return values


def split_spatial(shape: Shape, spatial_dims: int) -> tuple[Shape, Shape]:
    """The batch (if there is one) with the channels, and the spatial sizes."""
    shape = tuple(shape)
    if len(shape) not in (spatial_dims + 1, spatial_dims + 2):
        expected = f"{spatial_dims + 1} (unbatched) or {spatial_dims + 2}"
        raise SizeError(f"{spell_shape(shape)} has {len(shape)} dimensions instead of {expected}")
    return shape[:-spatial_dims], shape[-spatial_dims:]


def require_filled(sizes: Iterable[Size], axes: Iterable[str]) -> None:
    """Only the batch may be empty."""
    for axis, size in zip(axes, sizes, strict=True):
        if certain(size < 1):
            raise SizeError(f"{axis} is {spell(size)}, but must be at least 1", axis=axis, size=size, minimum=1)


def require_averaged(leading: Shape, spatial: Shape, sizes: Iterable[Size]) -> None:
    """What averaging into ``sizes`` asks of its input: anything where it is one value, which is a plain mean."""
    if all(size == 1 for size in sizes):
        return
    if len(spatial) == 3:
        require_filled_behind_first(leading, spatial)
    else:
        require_filled(spatial, SPATIAL_AXES[len(spatial)])


def require_filled_behind_first(leading: Shape, spatial: Shape) -> None:
    """Only the first axis may be empty: the batch, or of one sample without a batch the channels."""
    axes = SPATIAL_AXES[len(spatial)]
    require_filled((*leading[1:], *spatial), ("C", *axes) if len(leading) > 1 else axes)


def require_width(size: Size, declared: Size | None, axis: str, name: str) -> None:
    """The size that a layer was built for is the one that arrives."""
    if declared is None:
        return
    require_sizes(name, (declared,))
    if differ(size, declared):
        raise SizeError(f"{axis} is {spell(size)}, but {name} is {spell(declared)}", axis=axis, size=size)


def position(dim: int, rank: int) -> int:
    """A dimension counted from the front; a scalar is taken as having one, as PyTorch does."""
    require_sizes("dim", (dim,))
    bound = max(rank, 1)
    if not -bound <= dim < bound:
        raise SizeError(f"there is no dim {dim} among {rank}", axis=f"dim {dim}")
    return dim % bound


def declared(axis: str, name: str, size: Size) -> Step:
    """A size that no arithmetic leads to: it was written down when the layer was built."""
    require_sizes(name, (size,))
    return Step(axis, name, name, size)


def step_of(axis: str, form: str, result: Size, given: Any, /, **settings: Any) -> Step:
    """A step that is one ``form`` with names in it, and the same with numbers put in.

    ``{axis}`` stands for the axis, along which a size of ``given`` arrives, and ``{stride}`` for a setting; one that is
    None is not there.

    >>> step = step_of("C", "{axis}/{upscale_factor}²", 16, 64, upscale_factor=2)
    >>> step.formula, step.text
    ('C/upscale_factor²', '64/2² = 16')
    """
    put_in = {"axis": given, **{name: value for name, value in settings.items() if value is not None}}
    words = {name: name for name in put_in} | {"axis": axis}
    numbers = {name: str(size) if type(size) is int and size >= 0 else factor(size) for name, size in put_in.items()}
    return Step(axis, form.format(**words), form.format(**numbers), result, tuple(put_in.values()))


def channel_step(before: Size, after: Size, name: str = "out_channels") -> tuple[Step, ...]:
    """The step of the channels, where their number changes."""
    return (declared("C", name, after),) if before != after else ()


def along_axes(leading: Shape, steps: Sequence[Step], name: str, before: tuple[Step, ...] = ()) -> Derivation:
    """What a layer of PyTorch's makes that keeps ``leading`` and gives each axis behind it a size by a step."""
    return Derivation((*leading, *(step.size for step in steps)), before + merge_alike(steps), page(name))


def merge_alike(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Steps of several axes with the same numbers become one, named ``H, W``; the order stays."""
    merged: dict[tuple[str, Size], Step] = {}
    for step in steps:
        first = merged.get((step.arithmetic, step.size))
        merged[step.arithmetic, step.size] = first._replace(axis=f"{first.axis}, {step.axis}") if first else step
    return tuple(merged.values())
