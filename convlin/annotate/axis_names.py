"""Names for the axes of what a function takes and returns, which hold in every call of it.

In a signature a name stands for one size in one call: ``"N 16 H W"`` says nothing of another function's
``H``.  So a size that is the same number in all calls is written as that number, one that is not gets a name,
and what follows from names that stand in front of it is written as a formula of them, ``H//2``.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from convlin.errors import InputError
from convlin.records import Shape, Size
from convlin.sizes.parse import read
from convlin.sizes.prove import compare, spelled

#: One axis in each call; None for a call that was not given the tensor.
Sizes: TypeAlias = "tuple[Size | None, ...]"

#: What a layer with a stride or a scale makes of a size, as text and as a function.
_FORMS: Sequence[tuple[str, Callable[[Any, int], Size]]] = (
    ("{factor}*{name}", lambda base, factor: base * factor),
    ("{name}//{factor}", lambda base, factor: base // factor),
    ("({name}+{less})//{factor}", lambda base, factor: (base + factor - 1) // factor),
)
#: A size at which factors between forms show.
_LARGE = 1 << 20


class AxisNames:
    """The names of one signature, given in the order in which a reader meets them.

    >>> import sympy
    >>> H = sympy.Symbol("H", integer=True, positive=True)
    >>> names = AxisNames()
    >>> names.text([(1, 3, H), (1, 8, H // 2)]), names.text([(1, 3, H // 2), (1, 8, H // 2 // 2)])
    ('1 C H', '1 C H//2')

    Where nothing tells what a size has to do with those before it, it has a name of its own:

    >>> names.text([(1, 6), (1, 17)])
    '1 C2'
    """

    def __init__(self) -> None:
        self._known: dict[str, Sizes] = {}
        self._axis: dict[str, int] = {}

    def text(self, shapes: Sequence[Shape | None], wanted: Sequence[str | None] = ()) -> str:
        """The axes of a tensor whose shape in each call is given, all of the same number of dimensions.

        ``wanted`` are the names that its axes have already: they stay where they are true.
        """
        rank = next(len(shape) for shape in shapes if shape is not None)
        columns = [tuple(None if shape is None else shape[axis] for shape in shapes) for axis in range(rank)]
        preferred = [*wanted, *[None] * rank]
        return " ".join(self._axis_text(axis, rank, sizes, preferred[axis]) for axis, sizes in enumerate(columns))

    def _axis_text(self, axis: int, rank: int, sizes: Sizes, wanted: str | None) -> str:
        if wanted is not None and (wanted not in self._known or _agree(sizes, self._known[wanted])):
            return wanted if wanted in self._known else self._new(axis, wanted, sizes)
        distinct = set(sizes) - {None}
        if len(distinct) == 1 and all(isinstance(size, int) for size in distinct):
            return str(distinct.pop())
        return self._same(axis, sizes) or self._formula(sizes) or self._new(axis, _base(axis, rank, sizes), sizes)

    def _same(self, axis: int, sizes: Sizes) -> str | None:
        """A name that has these sizes; numbers alone, which may be alike by chance, only at the same axis."""
        is_proof = any(_letters(size) for size in sizes)
        for name, known in self._known.items():
            if _agree(sizes, known) and (is_proof or self._axis[name] == axis):
                return name
        return None

    def _formula(self, sizes: Sizes) -> str | None:
        """A formula of the names so far that is proved to hold in each call."""
        if None in sizes or not any(_letters(size) for size in sizes):
            return None
        return self._by_letters(sizes) or next(self._by_factors(sizes), None)

    def _by_letters(self, sizes: Sizes) -> str | None:
        """What the run wrote, where each letter in it is one of the names."""
        texts = set()
        for call, size in enumerate(sizes):
            names = {str(known[call]): name for name, known in self._known.items() if _is_letter(known[call])}
            letters = _letters(size)
            if size is None or not letters or not letters <= names.keys():
                return None
            try:
                text = read(spelled(size)).text
            except InputError:
                return None  # in functions that PyTorch has and Python has not
            if "int(" in text or "round(" in text:
                return None  # and those of floats are too long for a comment
            texts.add("".join(names.get(word, word) for word in re.split(r"(\w+)", text)).replace(" ", ""))
        return texts.pop() if len(texts) == 1 else None

    def _by_factors(self, sizes: Sizes) -> Iterator[str]:
        """A name times or divided by a number, rounded down or up."""
        for name, known in self._known.items():
            pairs = list(zip(sizes, known, strict=True))
            few, many = map(_at_large, pairs[0])
            factor = round(max(few, many) / min(few, many)) if few and many else 0
            if factor < 2 or None in known:
                continue
            for form, formula in _FORMS:
                if all(_equal(size, formula(base, factor)) for size, base in pairs):
                    yield form.format(name=name, factor=factor, less=factor - 1)

    def _new(self, axis: int, base: str, sizes: Sizes) -> str:
        name = base
        number = 2
        while name in self._known:
            name = f"{base}{number}"
            number += 1
        self._known[name] = sizes
        self._axis[name] = axis
        return name


def is_axis_name(text: str) -> bool:
    """Whether an axis of a signature is a plain name.

    >>> is_axis_name("batch"), is_axis_name("_"), is_axis_name("H//2"), is_axis_name("3")
    (True, False, False, False)
    """
    return text.isidentifier() and not text.startswith("_") and not keyword.iskeyword(text)


def _base(axis: int, rank: int, sizes: Sizes) -> str:
    """The letter that the sizes depend on, or what people call an axis: the batch, the channels or features, others."""
    letters = set[str]().union(*map(_letters, sizes))
    if len(letters) == 1:
        return letters.pop()
    if axis == 0 and rank > 1:
        return "N"
    return "C" if axis == 1 or rank == 1 else "L"


def _agree(sizes: Sizes, known: Sizes) -> bool:
    """Whether a name with the sizes ``known`` has these in every call that has any."""
    return all(size is None or size == other for size, other in zip(sizes, known, strict=True))


def _is_letter(size: Size | None) -> bool:
    return size is not None and not isinstance(size, int) and bool(size.is_Symbol)


def _letters(size: Size | None) -> set[str]:
    return set() if size is None or isinstance(size, int) else {str(each) for each in size.free_symbols}


def _at_large(size: Size | None) -> float:
    """A form where each of its letters is a large number."""
    if size is None or isinstance(size, int):
        return size or 0
    return float(size.subs(dict.fromkeys(size.free_symbols, _LARGE)))


def _equal(found: Size | None, expected: Size) -> bool:
    return found is not None and (found == expected or compare(found, expected).holds)
