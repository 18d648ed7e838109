"""The slips that people make with each formula, shown beside the right number for the very layer at hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any, NamedTuple

from convlin.arithmetic.common import SPATIAL_AXES, per_axis
from convlin.arithmetic.windows import Window
from convlin.derivations import of_layers
from convlin.records import Call, Step
from convlin.sizes.spell import spell_product

Note = tuple[str, str]
"""What the note is about, and the note."""

_WINDOWS = re.compile(r"([⌊⌈])\(([^⌊⌈]*)\)/(\d+)([⌋⌉]) \+ 1")


def worked_out(step: Step) -> list[str]:
    """The lines between the numbers put in and the result, for windows along an axis.

    >>> worked_out(Step("H", "", "⌊(32 + 2·0 − 1·(3−1) − 1)/2⌋ + 1", 15))
    ['⌊29/2⌋ + 1', '14 + 1']
    """
    found = _WINDOWS.fullmatch(step.arithmetic)
    if found is None:
        return []
    left, inside, stride, right = found.groups()
    above = _value(inside)
    if above is None or not isinstance(step.size, int):
        return []
    return [f"{left}{above}/{stride}{right} + 1", f"{step.size - 1} + 1"]


def _value(text: str) -> int | None:
    """The value of a sum of whole numbers and products as the formulas write it."""
    from convlin.errors import InputError
    from convlin.sizes.parse import read

    try:
        value = read(text).value({})
    except (InputError, KeyError):
        return None
    return value if isinstance(value, int) else None


class _Along(NamedTuple):
    """A window along the first axis of a layer, the size that it goes over, and how many there are."""

    axis: str
    size: int
    window: Window
    result: int

    @property
    def above(self) -> int:
        """What stands above the stride."""
        return self.size + self.window.both_sides - self.window.reach


def slips(call: Call) -> list[Note]:
    """The notes for one call of a layer; none for a layer about which people make no mistake."""
    notes = _NOTES.get(_formula(call))
    return notes(call) if notes is not None else []


def is_pooling(call: Call) -> bool:
    """Whether it is a layer whose ``stride`` is the ``kernel_size`` unless given."""
    return _NOTES.get(_formula(call)) is _of_pooling


def _formula(call: Call) -> Any:
    return call.derive.func if isinstance(call.derive, partial) else call.derive


def _along_first(call: Call) -> _Along | None:
    """The window along the first axis, in numbers; None where there are letters."""
    settings = call.settings
    keywords = call.derive.keywords if isinstance(call.derive, partial) else {}
    rank = keywords.get("spatial_dims") or len(settings["kernel_size"])
    given, made = (call.input_shape or ())[-rank:], (call.output_shape or ())[-rank:]
    if settings.get("padding") == "same" or not all(isinstance(size, int) for size in (*given[:1], *made[:1])):
        return None

    def first(name: str, default: Any) -> Any:
        value = settings.get(name)
        return per_axis(default if value is None else value, rank, name)[0]

    kernel = first("kernel_size", 1)
    ceil_mode = bool(settings.get("ceil_mode", False))
    window = Window(kernel, first("stride", kernel), first("padding", 0), first("dilation", 1), ceil_mode)
    return _Along(SPATIAL_AXES[rank][0], int(given[0]), window, int(made[0]))


def _of_windows(call: Call) -> list[Note]:
    along = _along_first(call)
    if along is None:
        return []
    notes = [("+ 1", f"the first place of the window also counts: without it {along.result - 1}")]
    if along.window.stride != 1:
        notes += [_parentheses(along), _rounding(along)]
    if "dilation" in call.settings:
        notes.append(("dilation", _dilation(along)))
    return notes


def _of_pooling(call: Call) -> list[Note]:
    along, notes = _along_first(call), _of_windows(call)
    if along is not None and along.window.stride != 1:
        stepwise = along.above + 1
        notes.append(
            ("stride", f"of a pooling layer it is the kernel_size unless given, not 1, which would give {stepwise}")
        )
    return notes


def _parentheses(along: _Along) -> Note:
    window = along.window
    wrong = along.size - window.kernel_size + window.both_sides / window.stride + 1
    formula = f"({along.axis} − kernel_size + 2·padding/stride) + 1"
    return "( )/stride", f"the stride divides everything in the parentheses: {formula} would be {wrong:g}"


def _rounding(along: _Along) -> Note:
    stride, ceil_mode = along.window.stride, along.window.ceil_mode
    left = along.above % stride
    exact = f"{along.above}/{stride} = {along.above / stride:g}"
    if not left:
        return "⌈ ⌉" if ceil_mode else "⌊ ⌋", f"{exact} comes out even here; otherwise it is rounded"
    if ceil_mode:
        return "⌈ ⌉", f"{exact} is rounded up, as ceil_mode says: the last window may hang over the end"
    cells = "cell is" if left == 1 else "cells are"
    return "⌊ ⌋", f"{exact} is rounded down: at the end {left} {cells} left over that no window reaches"


def _dilation(along: _Along) -> str:
    window, kernel = along.window, along.window.kernel_size
    if window.dilation == 1:
        span = f"1·({kernel}−1) + 1 = {window.reach}"
        return f"1 here, so that the kernel spans {span}; 2 would make it {2 * kernel - 1}"
    plain = (along.size + window.both_sides - kernel) // window.stride + 1
    spans = f"the kernel spans {window.dilation}·({kernel}−1) + 1 = {window.reach} cells, not {kernel}"
    return f"{spans}: left out, it would be {plain}"


def _of_transposed(call: Call) -> list[Note]:
    return [
        ("inverse", "this is the formula of a convolution solved for the input: the stride multiplies"),
        ("output_padding", "chooses among the sizes that a convolution with this stride maps to the same one"),
    ]


def _of_flatten(call: Call) -> list[Note]:
    shape = call.input_shape or ()
    start = call.settings.get("start_dim", 1)
    notes: list[Note] = []
    if start == 1 and len(shape) > 2 and all(isinstance(size, int) for size in shape):
        rest = shape[2:]
        text = f"{spell_product(rest)} = {prod(rest)}" if len(rest) > 1 else str(prod(rest))
        notes.append(("channels", f"belong into the product: {text} is one channel of {shape[1]}"))
        notes.append(("batch", "stays apart: nn.Flatten starts at dim 1; torch.flatten starts at 0 unless told"))
    return notes


_NOTES: Mapping[Any, Callable[[Call], list[Note]]] = {
    of_layers.convolution: _of_windows,
    of_layers.max_pool: _of_pooling,
    of_layers.avg_pool: _of_pooling,
    of_layers.lp_pool: _of_pooling,
    of_layers.conv_transpose: _of_transposed,
    of_layers.flatten: _of_flatten,
}
