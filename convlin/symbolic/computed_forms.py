"""What a layer's own arithmetic makes of the forms that reach it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sympy

from convlin._util.torch_private import symbolic_function
from convlin.records import Call, Shape, Size, TensorInfo
from convlin.sizes.closed_form import Letter


def computed(call: Call, inputs: tuple[TensorInfo, ...]) -> Shape | None:
    """The shape of the first output of ``call``, were ``inputs`` what reaches it; None where no formula tells.

    A float is multiplied and cut off as PyTorch does that: ``int(0.7·(3·L))``, which is not ``int(2.1·L)`` everywhere.
    """
    shape = _derived(call, inputs)
    if shape is None or not any(_has_float(size) for size in shape):
        return shape
    forms = [size for info in inputs for size in info.shape if not isinstance(size, int)]
    whole = {form: Letter(f"_{place}") for place, form in enumerate(dict.fromkeys(forms))}
    named = tuple(info._replace(shape=tuple(whole.get(size, size) for size in info.shape)) for info in inputs)
    shape = _derived(call, named)
    if shape is None:
        return None
    given = {letter: form for form, letter in whole.items()}
    found = [_cut_off(size).xreplace(given) if isinstance(size, sympy.Expr) else size for size in shape]
    return tuple(found)


def _derived(call: Call, inputs: Sequence[TensorInfo]) -> Shape | None:
    if call.derive is None or any(size == -1 for info in inputs for size in info.shape):
        return None
    try:
        derivation = call.derive(replace(call, inputs=tuple(inputs)))
    except ValueError:  # a size that the formula refuses
        return None
    return None if derivation is None else derivation.shape


def _has_float(size: Size) -> bool:
    return isinstance(size, sympy.Expr) and bool(size.has(sympy.Float))


def _cut_off(form: sympy.Expr) -> sympy.Expr:
    """The same with every float cut off by PyTorch's own function, which computes in floats."""
    to_float, truncated = symbolic_function("ToFloat"), symbolic_function("TruncToInt")

    def in_floats(floor: Any) -> sympy.Expr:
        inside = floor.args[0]
        return truncated(inside.xreplace({letter: to_float(letter) for letter in inside.free_symbols}))

    found: sympy.Expr = form.replace(lambda part: isinstance(part, sympy.floor) and _has_float(part), in_floats)
    return found
