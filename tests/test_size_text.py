"""Sizes as text: what convlin prints is read back, and comes to what PyTorch gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import sympy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import InputError, summarize
from convlin.sizes import parse
from convlin.sizes.prove import spelled
from convlin.sizes.spell import spell


@pytest.mark.parametrize(
    "text",
    ["int(0.29*L)", "round(0.7*L)", "int(L/3)", "math.floor(0.29*L)", "math.ceil(1.1*L)", "int(2.5*(L + 1)) + 3"],
)
def test_floats_are_multiplied_as_python_does_it(text: str) -> None:
    expression = parse.read(text.replace("math.", ""))
    for size in range(1, 1200):
        assert expression.value({"L": size}) == eval(text, {"math": math, "L": size})


@pytest.mark.parametrize(
    "text",
    [
        "L//(2*H)", "L//(H*H)", "(L + 1)//(2*H)", "L//((L + 1)*(H + 1))", "6*L*H//(2*H)", "-L//2 + 3", "(3 - L)*H//7",
        "(L//2)*(L//2) - L//3", "(L//3)//(H//3 + 1)", "min(2*H, L)*(L - H)//3", "-((L + 1)//2)*H",
    ],
)  # fmt: skip
def test_both_ways_to_write_a_form_are_read_as_it(text: str) -> None:
    letters = {name: sympy.Symbol(name, integer=True, positive=True) for name in ("L", "H")}
    form = parse.read(text).value(letters)
    for written in (spell(form), spelled(form)):
        for values in ({"L": 7, "H": 5}, {"L": 64, "H": 9}, {"L": 101, "H": 3}):
            expected = eval(text, {"min": min}, values)
            assert parse.read(written).value(values) == expected, written


@pytest.mark.parametrize("text", ["0.7*L", "2**70", "L**99", "int(1e400*L)", "int()", "round(0.7*L, 2)", "int(L**-1)"])
def test_what_no_size_comes_to_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse.read(text)


PRINTED: dict[str, tuple[Callable[[Tensor], Tensor], tuple[Any, ...]]] = {
    "rounded": (lambda x: x[:, : round(x.shape[1] * 0.7)], ("L",)),
    "cut off": (lambda x: F.interpolate(x[:, None], scale_factor=0.29)[:, 0], ("L",)),
    "cut off of three times": (
        lambda x: F.interpolate(x.repeat_interleave(3, 1)[:, None], scale_factor=0.7)[:, 0],
        ("L",),
    ),
    "61/7": (lambda x: F.interpolate(x[:, None], scale_factor=61 / 7)[:, 0], ("L",)),
    "square": (lambda x: x.flatten(1), ("H", "H")),
    "the last": (lambda x: x[:, -100:], ("L",)),
    "between": (lambda x: x.tensor_split((5, 20), 1)[1], ("L",)),
    "a third": (lambda x: x.chunk(3, 1)[0], ("L",)),
    "a rest": (lambda x: x[:, : x.shape[1] % 7], ("L",)),
}


class Applies(nn.Module):
    def __init__(self, call: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.call, self.end = call, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.call(x))


@pytest.mark.parametrize("case", PRINTED)
def test_what_is_printed_is_read_back(case: str) -> None:
    call, shape = PRINTED[case]
    model = Applies(call)
    summary = summarize(model, shape)
    form = summary["end"].output_shape
    assert form is not None
    for text in (spell(form[-1]), spelled(form[-1])):
        summary.assert_shapes({"end": ("N", text)})
        expression = parse.read(text)
        for size in (7, 50, 100, 101, 200):
            made = model(torch.zeros(1, *(size for _ in shape)))
            assert expression.value({shape[0]: size}) == made.shape[-1]
        with pytest.raises(AssertionError, match="end"):
            summary.assert_shapes({"end": ("N", f"{text} + 1")})
