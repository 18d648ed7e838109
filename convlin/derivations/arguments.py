"""Reading what a call was configured with, under the names of PyTorch's parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from convlin.arithmetic.common import is_size
from convlin.records import Call, Shape, Size

Given: TypeAlias = Mapping[str, Any]
"""The plain arguments of a function under PyTorch's parameter names."""


#: Other names that PyTorch's functions take for the same parameter.
_ALIASES: Mapping[str, str] = {"axis": "dim", "keepdims": "keepdim", "axis0": "dim0", "axis1": "dim1"}


def first(call: Call) -> Shape:
    """Shape of the first tensor that a function was given."""
    return call.inputs[0].shape


def argument_shape(call: Call, position: int, name: str) -> Shape | None:
    """Shape of the tensor that a layer was given at ``position`` or as ``name``; None where there is none.

    >>> from convlin.records import TensorInfo
    >>> bag = Call("bag", "EmbeddingBag", (TensorInfo("[0]", (6,), "", ""), TensorInfo("offsets", (2,), "", "")))
    >>> argument_shape(bag, 1, "offsets"), argument_shape(bag, 2, "per_sample_weights")
    ((2,), None)
    """
    places = (name, f"[{position}]", "") if position == 0 else (name, f"[{position}]")
    found = next((info.shape for info in call.inputs if info.place in places), None)
    return call.input_shape if found is None and position == 0 else found


def taken(settings: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of the settings that have one of the names: what was not given keeps its default."""
    return {name: settings[name] for name in names if name in settings}


def arguments(call: Call, names: Sequence[str]) -> dict[str, Any] | None:
    """The plain arguments of a function by name; ``names`` are its parameters behind the first.

    None where an argument is neither a plain value nor a tensor, so that nothing can be said.

    >>> arguments(Call("", "F.max_pool2d", settings={"1": 3, "stride": 2}), ("kernel_size", "stride"))
    {'kernel_size': 3, 'stride': 2}
    """
    given: dict[str, Any] = {}
    positions: set[int] = set()
    for key, value in call.settings.items():
        if not key.isdecimal():
            given[_ALIASES.get(key, key)] = value
            continue
        position = int(key)
        if not 0 < position <= len(names):
            return None
        positions.add(position)
        given[names[position - 1]] = value
    skipped = max(positions, default=0) - len(positions)
    return given if skipped <= max(len(call.inputs) - 1, 0) else None


def spread(call: Call, *names: str) -> tuple[Size, ...] | None:
    """The sizes of ``x.view(2, -1)``, ``x.view((2, -1))`` or ``x.view(size=(2, -1))``.

    None where one of them was neither an integer nor a closed form.

    >>> spread(Call("", "Tensor.view", settings={"1": 2, "2": -1}), "size"), spread(Call("", "Tensor.view"), "size")
    ((2, -1), None)
    """
    if len(call.inputs) > 1:  # a tensor among the sizes
        return None
    named = next((call.settings[name] for name in names if name in call.settings), None)
    places = sorted(int(key) for key in call.settings if key.isdecimal())
    if named is None:
        if not places or places != list(range(1, len(places) + 1)):
            return None
        values: Any = [call.settings[str(place)] for place in places]
        if len(values) == 1 and isinstance(values[0], list | tuple):
            values = values[0]
    else:
        values = named if isinstance(named, list | tuple) else [named]
    return tuple(values) if all(map(is_size, values)) else None
