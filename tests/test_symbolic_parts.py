"""The parts behind named sizes, each held against PyTorch's own functions or against plain numbers."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import logging
import math
import random
import re
import sys
import types
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sympy
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._sympy import functions as theirs

from convlin import summarize
from convlin._util.torch_private import compiling
from convlin.inputs import read_inputs
from convlin.layers import Misfit
from convlin.ops.fake_shapes import KnownSizes
from convlin.records import UNSEEN, Accepts, SizeRange
from convlin.sizes.closed_form import ClosedForms, Letter
from convlin.sizes.evaluate import Evaluation
from convlin.sizes.simplify import written
from convlin.symbolic.accepts import Search
from convlin.symbolic.assumed import Assumed
from convlin.symbolic.budget import MOST_ELEMENTS_BEYOND
from convlin.symbolic.caches import forgetting
from convlin.symbolic.checks import Checks
from convlin.symbolic.conditions import Condition, demands
from convlin.symbolic.confirm import Confirmed
from convlin.symbolic.follow import _SAMPLES, Passes, sampled
from convlin.symbolic.found_forms import known_forms
from convlin.symbolic.limits import Limits
from convlin.symbolic.questions import asks_for_windows_alone, questions
from convlin.symbolic.quiet import unlogged
from convlin.symbolic.ranges import far_in, inside_of, pattern
from convlin.symbolic.replaced_forms import with_right_forms
from convlin.symbolic.runs import keeps_batch
from convlin.symbolic.stretching import Stretching
from convlin.symbolic.trials import Trials
from convlin.trace.recording import Finding
from tests.properties import examples
from tests.recording import record

H, W = Letter("H"), Letter("W")
NUMBERS = [(1, 1), (2, 3), (7, 2), (12, 4), (9, 6), (64, 5), (100, 7)]

#: Functions that PyTorch writes into its sizes, of two letters.
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "FloorDiv": lambda h, w: theirs.FloorDiv(h + 1, w),
    "FloorDiv of a negative": lambda h, w: theirs.FloorDiv(1 - h, w),
    "CeilDiv": lambda h, w: theirs.CeilDiv(h, w),
    "CleanDiv": lambda h, w: theirs.CleanDiv(h * w, w),
    "Mod": lambda h, w: theirs.Mod(h, w),
    "PythonMod": lambda h, w: theirs.PythonMod(1 - h, w),
    "ModularIndexing": lambda h, w: theirs.ModularIndexing(h, 2, 3),
    "Max": lambda h, w: theirs.Max(h, w + 2, 5),
    "Min": lambda h, w: theirs.Min(h, w + 2, 5),
    "IntTrueDiv": lambda h, w: theirs.IntTrueDiv(h, w),
    "FloorToInt": lambda h, w: theirs.FloorToInt(theirs.IntTrueDiv(h, w)),
    "CeilToInt": lambda h, w: theirs.CeilToInt(theirs.IntTrueDiv(h, w)),
    "TruncToInt": lambda h, w: theirs.TruncToInt(theirs.IntTrueDiv(h, w)),
    "TruncToInt of a negative": lambda h, w: theirs.TruncToInt(theirs.IntTrueDiv(-h, w)),
    "PowByNatural": lambda h, w: theirs.PowByNatural(h, 3),
    "Add": lambda h, w: 3 * h - 2 * w + 1,
    "Pow": lambda h, w: h**2 * w,
}
#: What has no closed form in sympy's words, or none that is a size.
VALUES: dict[str, Callable[[Any, Any], Any]] = {
    "ToFloat": lambda h, w: theirs.ToFloat(h) * 2,
    "FloatTrueDiv": lambda h, w: theirs.FloatTrueDiv(theirs.ToFloat(h), theirs.ToFloat(w)),
    "FloatPow": lambda h, w: theirs.FloatPow(theirs.ToFloat(h), sympy.Float(2.0)),
    "TruncToFloat": lambda h, w: theirs.TruncToFloat(theirs.IntTrueDiv(-h, w)),
    "RoundToInt": lambda h, w: theirs.RoundToInt(theirs.IntTrueDiv(h, 4)),
    "OpaqueUnaryFn_sqrt": lambda h, w: theirs.OpaqueUnaryFn_sqrt(h),
    "Where": lambda h, w: theirs.Where(h > w, h, w + 1),
    "Eq": lambda h, w: sympy.Eq(h, w),
    "Ne": lambda h, w: sympy.Ne(h, w),
    "Lt": lambda h, w: sympy.Lt(h, w),
    "Le": lambda h, w: sympy.Le(h, w),
    "Gt": lambda h, w: sympy.Gt(h, w),
    "Ge": lambda h, w: sympy.Ge(h, w),
    "And": lambda h, w: sympy.And(h > w, h > 8),
    "Or": lambda h, w: sympy.Or(h > w, h > 8),
    "Not": lambda h, w: sympy.Not(sympy.And(h > w, h > 8), evaluate=False),
}


def number(value: Any) -> float:
    """PyTorch's own answer for plain numbers."""
    value = sympy.sympify(value).doit()
    return float(bool(value) if value in (sympy.true, sympy.false) else value)


@pytest.mark.parametrize("make", [*FUNCTIONS.values(), *VALUES.values()], ids=[*FUNCTIONS, *VALUES])
def test_a_value_is_what_pytorch_makes_of_the_numbers(make: Callable[[Any, Any], Any]) -> None:
    expression = make(H, W)
    expected = [number(make(sympy.Integer(h), sympy.Integer(w))) for h, w in NUMBERS]
    for (h, w), one in zip(NUMBERS, expected, strict=True):
        assert float(Evaluation({H: h, W: w})(expression)) == pytest.approx(one)
    many = Evaluation({H: torch.tensor([h for h, _ in NUMBERS]), W: torch.tensor([w for _, w in NUMBERS])})(expression)
    assert torch.as_tensor(many).double().expand(len(NUMBERS)).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("make", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_closed_form_is_what_pytorch_makes_of_the_numbers(make: Callable[[Any, Any], Any]) -> None:
    form = ClosedForms()(make(H, W))
    for h, w in NUMBERS:
        assert number(sympy.sympify(form).subs({"H": h, "W": w})) == number(make(sympy.Integer(h), sympy.Integer(w)))


def test_many_large_sizes_are_divided_as_python_divides() -> None:
    sizes = [2**power + more for power in (10, 24, 26) for more in range(20)]
    part = theirs.TruncToInt(theirs.IntTrueDiv(7 * H, 10))
    assert Evaluation({H: torch.tensor(sizes)})(part).tolist() == [int(7 * size / 10) for size in sizes]
    times = theirs.TruncToInt(theirs.IntTrueDiv(2**40 + 1, H))
    assert Evaluation({H: torch.tensor(sizes)})(times).tolist() == [int((2**40 + 1) / size) for size in sizes]


def test_many_floats_are_divided_as_python_divides() -> None:
    """``1.0 / 0.1`` is rounded up to 10, and 0.1 is a little more than a tenth."""
    above, below = [each / 10 for each in range(1, 200)], 0.1
    many = Evaluation({H: torch.tensor(above, dtype=torch.double), W: torch.tensor(below, dtype=torch.double)})
    assert many(theirs.FloorDiv(H, W)).tolist() == [each // below for each in above]


@pytest.mark.parametrize("scale", [0.29, 0.7, 2.3, 1.5, 0.1, 1 / 3])
def test_a_fraction_is_told_for_a_float_where_both_come_to_the_same_at_every_size(scale: float) -> None:
    form: Any = ClosedForms({H: Letter("H")})(theirs.TruncToInt(scale * theirs.ToFloat(H)))
    assert [Evaluation({Letter("H"): size})(form) for size in range(1, 500)] == [
        int(scale * size) for size in range(1, 500)
    ]
    assert bool(sympy.sympify(form).atoms(sympy.Float)) == any(
        int(scale * size) != int(size * Fraction(scale).limit_denominator(1000)) for size in range(1, 4097)
    )


def test_a_size_of_nothing_known_has_no_value() -> None:
    with pytest.raises(NotImplementedError):
        Evaluation({H: 3})(H + W)
    with pytest.raises(NotImplementedError):
        Evaluation({H: 3})(sympy.gamma(H, evaluate=False))
    assert Evaluation({H: 3}, {W: 2 * H + 1})(W - H) == 4


def test_where_many_sizes_are_asked_at_once_a_division_by_zero_is_zero() -> None:
    quotient = theirs.FloorDiv(H, W - 2)
    assert Evaluation({H: torch.tensor([7, 7]), W: torch.tensor([2, 4])})(quotient).tolist() == [0, 3]
    with pytest.raises(ZeroDivisionError):
        Evaluation({H: 7, W: 2})(quotient)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (sympy.floor(H / 2) - sympy.floor(H / 4), "floor(H/4 + 1/2)"),
        (W + sympy.floor(H / 2) + 1 - sympy.floor((H + 2) / 4), "W + floor(H/4) + 1"),
        (sympy.floor(H / 2) + sympy.floor(H / 4), "floor(H/4) + floor(H/2)"),
        (sympy.floor(sympy.floor((H + 1) / 2) / 3), "floor(H/6 + 1/6)"),
        (2 * sympy.floor((H - 1) / 2) + 2, "2*floor(H/2 + 1/2)"),
        (sympy.floor(H / 2) * 3 + sympy.floor(H / 2) * W, "(W + 3)*floor(H/2)"),
        (sympy.floor((2 * H + 3) / 2), "H + 1"),
        (-sympy.floor(-H / 3), "floor(H/3 + 2/3)"),
        (sympy.floor(sympy.Rational(7, 2)) + H, "H + 3"),
        (sympy.floor(2 * H * W / (2 * W)), "H"),
        ((sympy.floor((H - 1) / 2) + 1) ** 2, "floor(H/2 + 1/2)**2"),
    ],
)
def test_a_form_as_a_person_writes_it(size: Any, text: str) -> None:
    form = ClosedForms()(size)
    assert str(form) == text
    for h in range(1, 30):
        assert sympy.sympify(form).subs({"H": h, "W": 5}) == size.subs({"H": h, "W": 5})


# Ranges


@given(st.integers(1, 50), st.integers(1, 9), st.integers(3, 40))
@examples(60)
def test_equal_steps_are_one_range(minimum: int, step: int, count: int) -> None:
    sizes = list(range(minimum, minimum + step * count, step))
    assert pattern("H", sizes, 4096) == SizeRange("H", minimum, sizes[-1], step)
    # Up to the last size that was looked at: the range has no end.
    assert pattern("H", sizes, sizes[-1]) == (
        SizeRange("H", minimum, None, step)
        if count * step * 2 > sizes[-1]
        else SizeRange("H", minimum, sizes[-1], step)
    )


@pytest.mark.parametrize(
    ("sizes", "near", "found"),
    [
        ([], None, None),
        ([5], None, SizeRange("H", 5, 5)),
        ([10, 30], None, SizeRange("H", 10, 30, 20)),
        ([10, 11], None, SizeRange("H", 10, 11)),
        ([3, 7, *range(8, 101)], None, SizeRange("H", 7, None)),
        ([*range(60, 101)], None, SizeRange("H", 60, 100)),
        ([1, 2, 3, 10, 12, 14, 16], 12, SizeRange("H", 10, 16, 2)),
        ([1, 2, 3, 10, 12, 14, 16], 2, None),  # most of what is taken lies elsewhere
        ([1, 2, 3, 10, 12, 14, 16], 1, None),
        ([1, 2, 3, 10, 12], 2, SizeRange("H", 1, 3)),
        ([1, 2, 3, 10, 12, 14, 16], 16, SizeRange("H", 10, 16, 2)),
        ([1, 2, 3, 10, 12, 14, 16], 5, SizeRange("H", 10, 16, 2)),
        ([4, 8, 12, 50], 8, SizeRange("H", 4, 12, 4)),
        ([1, 4, 9, 16, 25, 36, 49, 64, 81, 91, 94, 97, 100], 94, None),  # four of thirteen
    ],
)
def test_of_several_runs_the_one_that_is_meant(sizes: list[int], near: int | None, found: SizeRange | None) -> None:
    assert pattern("H", sizes, 100, near) == found


@given(st.integers(1, 60), st.integers(3, 40), st.integers(2, 39), st.integers(0, 3))
@examples(100)
def test_as_many_sizes_again_and_again_are_one_range(minimum: int, step: int, width: int, odd: int) -> None:
    width = min(width, step - 1)
    start = minimum + (step + 1) * bool(odd)
    sizes = [size for size in range(start, 2049) if (size - start) % step < width]
    before = list(range(minimum, minimum + odd))  # another run in front
    found = SizeRange("H", start, None, step, width)
    assert pattern("H", [*(size for size in before if size < start - 1), *sizes], 2048) == found
    assert [size for size in range(1, 2049) if size in found] == sizes
    cut = [size for size in sizes if size < 1000]
    assert pattern("H", cut, 2048) != found  # they come to an end


@given(st.integers(1, 300), st.integers(1, 40), st.none() | st.integers(0, 60), st.integers(0, 2))
@examples(60)
def test_a_size_inside_a_range(minimum: int, step: int, steps: int | None, index: int) -> None:
    found = SizeRange("H", minimum, None if steps is None else minimum + step * steps, step)
    size = inside_of(found, index)
    assert size in found
    if steps is None or steps > 1:  # no end
        assert size not in (found.minimum, found.maximum)
    if steps is None:
        assert len({inside_of(found, other) for other in range(3)}) == 3
        assert (size - minimum) // step % 2 == 1


@pytest.mark.parametrize(("found", "index"), [(SizeRange("H", 1), 0), (SizeRange("H", 30, None, 32), 1)])
def test_a_far_size_is_as_large_as_can_be_run(found: SizeRange, index: int) -> None:
    free = far_in(found, index, lambda size: True)
    assert free in found
    assert 900 < free <= 1000 + 37 * index
    for most in (700, 300, 120):
        size = far_in(found, index, lambda size, most=most: size <= most)  # type: ignore[misc]
        assert size in found
        assert size <= most or size == found.minimum + 11 * found.step
        assert size > most // 3


# What is answered without PyTorch's own arithmetic


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.relu(x),
        lambda x: F.relu(x, True),
        lambda x: F.relu(x, inplace=True),
        lambda x: F.silu(x, inplace=False),
        lambda x: x.sigmoid(),
        lambda x: F.elu(x, 0.5, True),
        lambda x: F.batch_norm(x, torch.zeros(3), torch.ones(3)),
        lambda x: F.batch_norm(x, torch.zeros(3), torch.ones(3), torch.ones(3), torch.ones(3)),
        lambda x: F.batch_norm(x, torch.zeros(2), torch.ones(2)),
        lambda x: F.batch_norm(x, torch.zeros(3), torch.ones(3), torch.ones(2), torch.ones(3)),
        lambda x: F.batch_norm(x, torch.zeros(3), torch.ones(3), training=True),
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: F.batch_norm(x, None, None),
        lambda x: F.softmax(x, 0),
        lambda x: F.layer_norm(x, (4,)),
        lambda x: F.layer_norm(x, (3,), torch.ones(3), torch.zeros(3)),
        lambda x: F.layer_norm(x, (3, 4), torch.ones(3, 4)),
        lambda x: F.layer_norm(x, (4,), torch.ones(3)),
        lambda x: F.layer_norm(x, ()),
        lambda x: F.layer_norm(x, (1, 2, 3, 4)),
        lambda x: F.rms_norm(x, (3,), torch.ones(3).to(x.dtype), 1e-5),
        lambda x: F.rms_norm(x, (4,), eps=1e-5),
        lambda x: F.linear(x, torch.ones(5, 4)),
        lambda x: F.linear(x, torch.ones(5, 3), torch.ones(5)),
        lambda x: F.linear(x, torch.ones(5, 3), torch.ones(4)),
        lambda x: F.linear(x, torch.ones(3)),
    ],
)
@pytest.mark.parametrize(
    "x",
    [torch.ones(2, 3, 4), torch.ones(2, 3), torch.ones(3), torch.ones(2, 3, 4, dtype=torch.int64),
     torch.ones(2, 3, dtype=torch.float64), torch.ones(2, 3).to_sparse(), torch.ones(2, 4, 3).transpose(1, 2)],
    ids=["three", "two", "one", "whole", "double", "sparse", "transposed"],
)  # fmt: skip
def test_what_keeps_its_size_is_answered_as_pytorch_would(call: Callable[[Tensor], Tensor], x: Tensor) -> None:
    def outcome() -> tuple[Any, ...]:
        given = x.clone()
        try:
            made = call(given)
        except (RuntimeError, ValueError, NotImplementedError, IndexError) as error:
            return (type(error),)
        return made.shape, made.dtype, made.layout, made is given, made.layout == torch.strided and made.stride()

    with torch.no_grad():
        expected = outcome()
        with KnownSizes():
            assert outcome() == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.hardtanh(x, 0.0, 6.0), lambda x: F.hardtanh(x, 6.0, 0.0), lambda x: F.relu6(x),
        lambda x: F.hardtanh(x, inplace=True), lambda x: F.hardtanh(x, 0, 2), lambda x: F.gelu(x, approximate="other"),
        lambda x: F.group_norm(x, 2), lambda x: F.group_norm(x, 4), lambda x: F.group_norm(x, 3),
        lambda x: F.group_norm(x, 2, torch.ones(4), torch.ones(4)), lambda x: F.group_norm(x, 2, torch.ones(3)),
        lambda x: F.interpolate(x, (6, 4)), lambda x: F.interpolate(x, 6), lambda x: F.interpolate(x, 0),
        lambda x: F.interpolate(x, (6, 4), mode="bilinear"), lambda x: F.interpolate(x, 6, mode="linear"),
        lambda x: F.interpolate(x, (6, 4), mode="bilinear", align_corners=True),
        lambda x: F.interpolate(x, (6, 4), align_corners=True), lambda x: F.interpolate(x, (6, 4), mode="bicubic"),
        lambda x: F.interpolate(x, (6, 4), mode="area"), lambda x: F.interpolate(x, (6, 4), 2.0),
        lambda x: F.interpolate(x, scale_factor=2.0, mode="nearest-exact"), lambda x: F.interpolate(x, None, 0.7),
        lambda x: F.interpolate(x, scale_factor=(2, 0.5), mode="bilinear"), lambda x: F.interpolate(x, None, (2, 2, 2)),
        lambda x: F.interpolate(x, scale_factor=2.3, mode="bicubic", recompute_scale_factor=True),
        lambda x: F.interpolate(x, scale_factor=0.2, mode="linear"), lambda x: F.interpolate(x, scale_factor=-2.0),
        lambda x: F.interpolate(x, (6, 4), mode="bilinear", antialias=True), lambda x: F.interpolate(x, (6, 4, 2)),
        lambda x: F.grid_sample(x, torch.zeros(2, 5, 6, 2, dtype=x.dtype), align_corners=False),
        lambda x: F.grid_sample(x, torch.zeros(1, 5, 6, 2), align_corners=False),
        lambda x: F.grid_sample(x, torch.zeros(2, 2, 5, 6).permute(0, 2, 3, 1), align_corners=False),
        lambda x: F.grid_sample(x, torch.zeros(2, 5, 6, 3), align_corners=False),
        lambda x: F.grid_sample(x, torch.zeros(2, 0, 6, 2), mode="nearest", align_corners=False),
        lambda x: F.grid_sample(x, torch.zeros(2, 5, 6, 2), "bicubic", "border", align_corners=False),
        lambda x: F.grid_sample(x, torch.zeros(2, 5, 2, 6).transpose(2, 3), "other", align_corners=False),
        lambda x: F.grid_sample(x, torch.zeros(2, 5, 2, 6).transpose(2, 3), padding_mode="other", align_corners=False),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "x",
    [torch.ones(2, 4, 3, 5), torch.ones(2, 4, 3), torch.ones(2, 4), torch.ones(2, 4, 3, 5, dtype=torch.int64),
     torch.ones(2, 4, 3, 5, dtype=torch.float64), torch.ones(2, 4, 0, 5), torch.ones(1, 4, 1, 1),
     torch.ones(2, 4, 3, 5).to(memory_format=torch.channels_last), torch.ones(2, 4, 2, 3, 5)],
    ids=["map", "signal", "rows", "whole", "double", "empty", "point", "channels last", "volume"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_a_map_whose_size_is_known_is_answered_as_pytorch_would(call: Callable[[Tensor], Tensor], x: Tensor) -> None:
    test_what_keeps_its_size_is_answered_as_pytorch_would(call, x)


class Kernels(TorchDispatchMode):
    """Notes which of PyTorch's kernels run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "layer",
    [nn.ReLU(), nn.GELU(), nn.BatchNorm1d(3), nn.LayerNorm(4), nn.LayerNorm((3, 4)), nn.LayerNorm(4, bias=False),
     nn.Linear(4, 5), nn.Linear(4, 5, bias=False), nn.ReLU6(), nn.GroupNorm(1, 3), nn.Upsample(7)],
    ids=str,
)  # fmt: skip
def test_a_layer_whose_size_is_known_computes_nothing(layer: nn.Module) -> None:
    with torch.no_grad(), KnownSizes(), Kernels() as kernels:
        layer.eval()(torch.ones(2, 3, 4))
    assert [name.partition(".")[2] for name in kernels.names if "ones" not in name] in (
        ["empty_like.default"], ["new_empty.default"],
    )  # fmt: skip


def test_what_is_made_under_autocast_has_its_dtype() -> None:
    x, weight = torch.ones(2, 3), torch.ones(5, 3)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), KnownSizes():
        assert F.linear(x, weight).dtype is torch.bfloat16
        assert F.layer_norm(x, (3,)).dtype is F.layer_norm(x.clone(), (3,)).dtype


def test_a_model_that_takes_gradients_is_followed_in_letters() -> None:
    class Saliency(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(3, 5)

        def forward(self, x: Tensor) -> Tensor:
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(F.relu(self.norm(self.conv(x))).sum(), x)
            return self.fc(gradient.mean((2, 3)))

    model = Saliency().eval()
    for batch in (1, "N"):
        found = summarize(model, (3, "H", "W"), batch_size=batch)
        assert not found.problems
        assert [str(size) for size in found.report.outputs[0].shape] == [str(batch), "5"]
    assert model(torch.ones(1, 3, 9, 7)).shape == (1, 5)


# What is put back


def test_the_logs_and_the_flag_are_as_they_were() -> None:
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = logger.level
    with contextlib.suppress(KeyError), unlogged(), compiling():
        assert torch.compiler.is_compiling()
        assert not logger.isEnabledFor(logging.CRITICAL)
        raise KeyError
    assert logger.level == level
    assert not torch.compiler.is_compiling()


@functools.lru_cache
def squared(number: int) -> int:
    return number**2


@functools.lru_cache
def cubed(number: int) -> int:
    return number**3


def test_only_what_was_added_to_is_forgotten() -> None:
    class Remembers(nn.Module):
        @staticmethod
        @functools.lru_cache
        def halved(number: int) -> int:
            return number // 2

    squared(3), cubed(3), Remembers.halved(3)
    with contextlib.suppress(KeyError), forgetting([Remembers()]):
        squared(3), cubed(4), Remembers.halved(4)
        raise KeyError
    assert squared.cache_info().currsize == 1
    assert cubed.cache_info().currsize == 0
    assert Remembers.halved.cache_info().currsize == 0


# Forms that hold one way only, replaced by others of the same model


class TwoWays(nn.Module):
    """One pooling rounds up, the other is given what makes it come out the same."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.MaxPool1d(2, ceil_mode=True), nn.MaxPool1d(2)

    def forward(self, x: Tensor) -> Tensor:
        first = self.up(x)
        if x.shape[-1] % 2:
            x = F.pad(x, (0, 1))
        return self.down(x) + first


class Even(nn.Module):
    """Fills up to an even length, or cuts down to one, and no way writes that as it is at all lengths."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.conv, self.pool, self.up = nn.Conv1d(2, 2, 3, padding=1), nn.MaxPool1d(2), nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] % 2:
            x = F.pad(x, (0, self.side))
        skip = self.conv(x)
        return self.up(self.pool(skip)) + skip


class InPieces(nn.Module):
    """Pieces of 8, the last one filled up: as many numbers in each at all lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Linear(128, 4)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        if length % 8:
            x = F.pad(x, (0, 0, 0, 8 - length % 8))
        return self.each(x.reshape(x.shape[0], x.shape[1] // 8, -1))


class Windows(nn.Module):
    """A block of a Transformer with shifted windows."""

    def __init__(self, width: int, side: int = 4) -> None:
        super().__init__()
        self.side = side
        self.mix, self.norm = nn.Linear(width, width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        n, high, wide, width = x.shape
        side, shift = self.side, self.side // 2
        if min(high, wide) <= side:
            side, shift = min(high, wide), 0
        down, right = (side - high % side) % side, (side - wide % side) % side
        x = F.pad(x, (0, 0, 0, right, 0, down))
        rows, columns = x.shape[1] // side, x.shape[2] // side
        if shift:
            x = torch.roll(x, (-shift, -shift), (1, 2))
        x = x.view(n, rows, side, columns, side, width).transpose(2, 3).reshape(-1, side * side, width)
        x = self.mix(x).view(n, rows, columns, side, side, width).transpose(2, 3)
        x = x.reshape(n, rows * side, columns * side, width)
        if shift:
            x = torch.roll(x, (shift, shift), (1, 2))
        if down or right:
            x = x[:, :high, :wide]
        return self.norm(x)


class Windowed(nn.Module):
    """Two such blocks, and between them half the height and width, of what was made even."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.first = nn.Conv2d(3, 8, 2, stride=2), Windows(8)
        self.merge, self.second = nn.Linear(32, 16), Windows(16)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.patches(x).permute(0, 2, 3, 1))
        if x.shape[1] % 2 or x.shape[2] % 2:
            x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        return self.second(self.merge(torch.cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1)))


@pytest.mark.parametrize(
    ("model", "shape", "least"),
    [
        (TwoWays(), (2, "L"), 1),
        (Even(1), (2, "L"), 1),
        (Even(-1), (2, "L"), 2),
        (InPieces(), ("L", 16), 1),
        # Where a map is smaller than its window, there is another way, as a remark says.
        pytest.param(Windowed(), (3, "H", "W"), 20, marks=pytest.mark.thorough),
    ],
)
def test_forms_that_are_wrong_one_way_are_replaced(model: nn.Module, shape: tuple[Any, ...], least: int) -> None:
    summary = summarize(model, shape)
    remark = "".join(summary.report.remarks)
    assert ("not for H = " in remark) == (least > 2)
    forms = {call.path: [made.shape for made in call.outputs] for call in summary.calls if not call.is_function}
    draw, letters = random.Random(0), [size for size in shape if isinstance(size, str)]
    for _ in range(30):
        sizes = {letter: draw.randint(least, 120) for letter in letters}
        seen = record(model, torch.zeros(1, *(sizes.get(size, size) for size in shape)))
        evaluation = Evaluation({Letter(name): size for name, size in sizes.items()})
        told = {path: [tuple(map(evaluation, made)) for made in outputs] for path, outputs in forms.items()}
        assert told == {call.path: list(call.output_shapes) for call in seen}, sizes
    assert summary.required_in_features == {
        path: layer.in_features for path, layer in model.named_modules() if isinstance(layer, nn.Linear)
    }


class Halves(nn.Module):
    """Half the length where ``wanted`` says so: another way, and no form that comes to both."""

    def __init__(self, wanted: Callable[[int], bool]) -> None:
        super().__init__()
        self.wanted, self.down = wanted, nn.Conv1d(2, 2, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(x) if self.wanted(x.shape[-1]) else x


@pytest.mark.parametrize(
    ("wanted", "wrong"),
    [
        (lambda length: bool(length > 300), 896),
        (lambda length: bool(length != 225 and 4096 // (length - 225) < 5000), 225),  # which asks nothing more there
    ],
)
def test_another_way_is_told_with_its_line(wanted: Callable[[int], bool], wrong: int) -> None:
    model = Halves(wanted)
    summary = summarize(model, (2, "L"))
    assert summary.output_shape is not None
    (remark,) = summary.report.remarks
    line = f"{Path(__file__).relative_to(Path.cwd()).as_posix()}:{wanted.__code__.co_firstlineno}"
    told = re.fullmatch(
        r"the sizes in letters hold at (\d+) of (\d+) sizes that were run, and not for all: "
        rf"not for L = {wrong}: forward goes another way there \({re.escape(line)}\)",
        remark,
    )
    assert told is not None
    assert 0 < int(told[1]) < int(told[2])
    for length in (226, 232, 257, wrong):
        said = Evaluation({Letter("L"): length})(summary.output_shape[-1])
        assert (said == model(torch.zeros(1, 2, length)).shape[-1]) == (length != wrong)


class Rows(nn.Module):
    """Rows of 64, the last one filled up."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2)

    def forward(self, x: Tensor) -> Tensor:
        rest = x.shape[1] % 64
        if rest:
            x = F.pad(x, (0, 0, 0, 64 - rest))
        rows = x.shape[1] // 64
        return self.norm(x.view(x.shape[0], rows, x.shape[1] // rows, 2))


def test_what_is_the_same_number_at_all_sizes_is_that_number() -> None:
    model = Rows()
    plan = read_inputs(model, ("L", 2))
    followed = Passes(model, plan, "eval").at({"L": 896})
    (before,) = followed.recording.outputs
    assert not isinstance(before.shape[2], int)  # the length divided by the rows, and at 40 there would be none
    trials, seen = Trials(model, plan, "eval", ()), []
    for length in (896, 225, 300, 40):
        recording = trials.record({"L": length})
        assert recording is not None
        assert recording.outputs[0].shape == tuple(model(torch.zeros(1, length, 2)).shape)
        seen.append(({"L": length}, recording))
    (after,) = with_right_forms(followed, seen, known_forms([followed])).recording.outputs
    assert after.shape == (1, -1, 64, 2)  # no form of this pass is right for the rows, and none is told


# Which sizes are taken, asked of a plain function in place of a model


@pytest.fixture
def few_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same at a sixteenth of the time."""
    monkeypatch.setattr("convlin.symbolic.assumed._LARGEST_ALONE", 4096)
    monkeypatch.setattr("convlin.symbolic.assumed._LARGEST", 2048)


class Asked:
    """In place of runs of a model: whether ``takes`` holds, which no arithmetic of convlin decides."""

    def __init__(self, takes: Callable[..., bool], largest: int = 1 << 20) -> None:
        self.takes, self.largest, self.count, self.limits = takes, largest, 0, Limits()
        self.stopped: dict[tuple[int, ...], Mapping[str, int]] = {}
        self.taken: list[Mapping[str, int]] = []

    def passes(self, point: Mapping[str, int], *, expected: bool) -> bool | None:
        return self.for_real(point)

    def for_real(self, point: Mapping[str, int]) -> bool | None:
        self.count += 1
        return self.takes(**point)

    def affordable(self, point: Mapping[str, int]) -> bool:
        return max(point.values()) <= self.largest

    def affordable_for_real(self, point: Mapping[str, int], most: float) -> bool:
        return self.affordable(point)


class Letters:
    """In place of a pass in letters, in which the model's own code asked nothing."""

    decisions = ()
    texts = ()

    def names_in(self, expression: Any) -> tuple[str, ...]:
        return tuple(sorted(symbol.name for symbol in expression.free_symbols))

    def evaluation(self, sizes: Mapping[str, Any]) -> Evaluation:
        return Evaluation({Letter(name): size for name, size in sizes.items()})


def settled(takes: Callable[..., bool], *conditions: Condition, names: str = "H", **options: Any) -> Accepts | None:
    asked: Any = Asked(takes, **options)
    letters: Any = Letters()
    search = Search(Checks(Assumed(letters, list(conditions), tuple(names), {}), asked))
    found = search.settled()
    assert asked.count <= search.most_runs + 1
    return found


def test_a_size_that_ran_before_is_asked_for_first() -> None:
    """What a pass in letters took for granted at its sample does not hold there: no run has to find that out."""

    def search(*taken: Mapping[str, int]) -> tuple[Accepts | None, int]:
        asked: Any = Asked(lambda H, W: H >= 75 and W >= 75)
        asked.taken += taken
        letters: Any = Letters()
        larger = [Condition(sympy.Ge(size, least), None) for size in (H, W) for least in (75, 107)]
        return Search(Checks(Assumed(letters, larger, ("H", "W"), {}), asked)).settled(), asked.count

    found, without = search()
    again, count = search({"H": 75, "W": 75})
    assert found is not None
    assert again == found
    assert found.text == "H, W any from 75 up"
    assert count < without - 8


quarters_in_sevens = Condition(sympy.Eq(theirs.Mod(theirs.FloorDiv(H, 4), 7), 0))
multiple_of_32 = Condition(sympy.Eq(theirs.Mod(H, 32), 0))


@pytest.mark.parametrize(
    ("takes", "conditions", "text"),
    [
        (lambda H: True, [], "any"),
        (lambda H: H >= 2, [], "any from 2 up"),
        (lambda H: H >= 31, [], "any from 31 up"),
        (lambda H: H >= 31, [Condition(H >= 29)], "any from 31 up"),
        (lambda H: H >= 31, [Condition(H >= 35)], "any from 31 up"),
        (lambda H: H <= 100, [], "from 1 to 100"),
        (lambda H: 31 <= H <= 600, [Condition(H <= 512)], "from 31 to 600"),
        (lambda H: 31 <= H <= 600, [Condition(H >= 40), Condition(H <= 1000)], "from 31 to 600"),
        (lambda H: H == 224, [Condition(sympy.Eq(H, 224), declared=True)], "exactly 224"),
        (lambda H: 223 <= H <= 254, [Condition(sympy.Eq(sympy.floor((H + 1) / 32), 7), None, True)], "from 223 to 254"),
        (lambda H: H % 32 == 0, [multiple_of_32], "multiples of 32"),
        (lambda H: H % 32 == 0 and H >= 96, [multiple_of_32], "multiples of 32 from 96 up"),
        (lambda H: H >= 3, [multiple_of_32], "any from 3 up"),
        (lambda H: H % 4 == 0, [Condition(H >= 4)], "multiples of 4"),
        (lambda H: H % 7 == 0, [Condition(H >= 7)], "multiples of 7"),
        (lambda H: H % 2 == 1 and H >= 3, [Condition(H >= 3)], ""),
        (lambda H: H % 28 < 4 and H >= 28, [quarters_in_sevens], "multiples of 28, or up to 3 more"),
        (lambda H: H % 28 < 4 and H >= 56, [quarters_in_sevens], "multiples of 28, or up to 3 more from 56 up"),
        (lambda H: H % 28 < 3 and H >= 28, [quarters_in_sevens], None),  # which the condition does not tell
        (lambda H: True, [Condition(sympy.Function("unknown")(H) > 3)], "any"),
        (lambda H: False, [], None),
        (lambda H: sympy.isprime(H), [], None),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("few_sizes")
def test_the_sizes_that_are_found_are_those_that_are_taken(
    takes: Callable[[int], bool], conditions: list[Condition], text: str | None
) -> None:
    found = settled(takes, *conditions)
    if found is None:
        assert text is None
        return
    assert text == "" or found["H"].text == text
    assert found.verified
    for size in range(1, 700):
        assert (size in found["H"]) == takes(size)


@pytest.mark.parametrize(
    ("takes", "conditions", "condition"),
    [
        (lambda H, W: True, [], ""),
        (lambda H, W: H >= 5 and W >= 9, [], ""),
        (lambda H, W: H >= 5 and W >= 9, [Condition(H >= 7), Condition(W >= 3)], ""),
        (lambda H, W: 20 <= H <= 60 and W % 8 == 0, [Condition(sympy.Eq(theirs.Mod(W, 8), 0)), Condition(H >= 18)], ""),
        (lambda H, W: H == W >= 6, [Condition(sympy.Eq(H, W), declared=True)], "H = W"),
        (lambda H, W: H == W and H % 16 == 0,
         [Condition(sympy.Eq(H, W), declared=True), Condition(sympy.Eq(theirs.Mod(H, 16), 0))], "H = W"),
        (lambda H, W: H == 12 and W == 40,
         [Condition(sympy.Eq(H, 12), declared=True), Condition(sympy.Eq(W, 40), declared=True)], ""),
        (lambda H, W: H >= 3 and W >= 3, [Condition(H * W > 500), Condition(sympy.Eq(H, W))], ""),
        (lambda H, W: H % 8 == 0 and H <= 64 and W >= 2,
         [Condition(sympy.Eq(theirs.Mod(H, 8), 0)), Condition(H <= 64), Condition(W >= 2)], ""),
        # The model came by an equal height and width; sizes that would show it are too large for it.
        (lambda H, W: H <= 60 and W <= 60, [Condition(sympy.Eq(H, W)), Condition(H <= 60), Condition(W <= 60)], ""),
        (lambda H, W: H + W > 600, [], None),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("few_sizes")
def test_the_sizes_of_two_letters(
    takes: Callable[[int, int], bool], conditions: list[Condition], condition: str | None
) -> None:
    found = settled(takes, *conditions, names="HW")
    assert (found.condition if found is not None else None) == condition
    if found is not None:
        for h, w in itertools.product([*range(1, 50), 60, 61, 64], [*range(1, 42, 3), 16, 32, 40, 48, 64]):
            thought = h in found["H"] and w in found["W"] and (not condition or h == w)
            assert thought == takes(h, w)


@pytest.mark.usefixtures("few_sizes")
def test_what_cannot_be_run_is_not_told() -> None:
    asked: Any = Asked(lambda H: None if H > 900 else True)  # type: ignore[arg-type, return-value]
    letters: Any = Letters()
    assert Search(Checks(Assumed(letters, [], ("H",), {}), asked)).settled() is None
    few: Any = Asked(lambda H: H >= 31)
    assert Search(Checks(Assumed(letters, [], ("H",), {}), few), most_runs=3).settled() is None
    small: Any = Asked(lambda H: H >= 31 or None, largest=600)  # type: ignore[arg-type, return-value]
    assert Search(Checks(Assumed(letters, [Condition(H >= 31)], ("H",), {}), small)).settled() is None


# What is said of a letter


def test_a_truth_and_a_fraction_have_values() -> None:
    assert Evaluation({})(sympy.true) is True
    assert Evaluation({})(sympy.false) is False
    assert Evaluation({H: 3, W: 5})(H / 2 + W / 2) == 4
    assert Evaluation({H: 6})(3 * H / 2) == 9
    assert Evaluation({H: 7})(sympy.ceiling(H / 2)) == 4
    assert Evaluation({H: torch.tensor([7, 8])})(sympy.ceiling(H / 2)).tolist() == [4, 4]
    assert Evaluation({H: torch.tensor([3, 4]), W: 5})(H / 2 + W / 2).tolist() == [4, 4]


@pytest.mark.parametrize("scale", [0.1, 0.3, 1.5, 2.7, 1 / 3, 0.123456789])
def test_a_scale_is_the_fraction_that_is_meant(scale: float) -> None:
    form = sympy.sympify(ClosedForms()(sympy.floor(H * sympy.Float(scale))))
    for h in (1, 7, 20, 33, 64, 101, 999, 10**8):
        assert form.subs({"H": h}) == int(Fraction(str(scale)).limit_denominator(10**9) * h)
    assert not form.atoms(sympy.Float)


def test_functions_of_pytorchs_are_what_they_say() -> None:
    for h in range(1, 40):
        for form, value in (
            (theirs.TruncToInt(theirs.IntTrueDiv(-H, 2)), math.trunc(-h / 2)),
            (theirs.TruncToInt(theirs.IntTrueDiv(3 - H, 2)), math.trunc((3 - h) / 2)),
            (theirs.TruncToInt(theirs.IntTrueDiv(H, 2)), math.trunc(h / 2)),
            (theirs.FloorToInt(theirs.IntTrueDiv(H, 4)), h // 4),
            (theirs.CeilToInt(theirs.IntTrueDiv(H + 1, 4)), math.ceil((h + 1) / 4)),
            (sympy.Abs(H - 5), abs(h - 5)),
        ):
            found = sympy.sympify(ClosedForms()(form)).subs({H: h})
            assert found.is_integer
            assert int(found) == value  # torch 2.15's TruncToInt answers 0.0


def test_what_no_form_is_found_for_is_written_in_letters_all_the_same() -> None:
    s, a0, a1 = sympy.symbols("s a0 a1", integer=True)
    definitions = {a0: theirs.FloorToInt(theirs.IntTrueDiv(s, 3)), a1: theirs.TruncToInt(theirs.IntTrueDiv(3 - a0, 2))}
    form = ClosedForms({s: H}, definitions)(a1)
    assert not isinstance(form, int)
    assert {symbol.name for symbol in form.free_symbols} == {"H"}
    for h in range(1, 60):
        assert Evaluation({H: h})(form) == math.trunc((3 - h // 3) / 2)


def test_every_letter_has_a_sample_of_its_own() -> None:
    plan: Any = types.SimpleNamespace(names=[f"L{index}" for index in range(64)], batch_size="L7")
    sizes = sampled(plan, _SAMPLES)
    assert len(set(sizes.values())) == 64
    assert all(size % 64 == 0 or name == "L7" for name, size in sizes.items())
    assert min(sizes.values()) > 0
    assert set(sampled(plan, (896,)).values()) == {6, 896}


def test_operands_ask_for_equal_sizes() -> None:
    def asked(misfit: Misfit) -> list[Any]:
        return [condition.expression for condition in demands(Finding(misfit, "", 0, (), UNSEEN))]

    shapes = {"shapes": ((H, 3, W), (W, 3, 4), (H, 2, 4)), "axes": (0, 2)}
    assert asked(Misfit("operands", None, None, detail=shapes)) == [
        sympy.Eq(W, H), sympy.Eq(4, W), sympy.Eq(4, W)
    ]  # fmt: skip
    assert asked(Misfit("operands", H, W)) == [sympy.Eq(W, H)]
    assert asked(Misfit("operands", H, W, detail=shapes | {"axes": (1,)})) == []  # no letter can mend 3 and 2
    assert asked(Misfit("in_features", 128, 4 * H * W)) == [sympy.Eq(4 * H * W, 128)]
    assert asked(Misfit("in_features", 128, 64)) == []
    assert asked(Misfit("reshape", (4, 2), H, "unflatten", {"product": 8})) == [sympy.Eq(H, 8)]
    assert asked(Misfit("reshape", (4, -1), H, "unflatten", {"product": 4})) == [sympy.Eq(sympy.Mod(H, 4), 0)]
    assert asked(Misfit("reshape", (4, -1), 6, "unflatten", {"product": 4})) == []
    assert asked(Misfit("normalized_shape", (4, 8), (4, W))) == [sympy.Eq(W, 8)]
    assert asked(Misfit("normalized_shape", (4, 8), (W,))) == []
    assert asked(Misfit("normalized_shape", (4,), W)) == []
    assert asked(Misfit("batch", None, 16 * H)) == [sympy.Eq(16 * H, 0)]
    assert asked(Misfit("batch", None, 16 * H, detail={"wanted": (-1, 2048)})) == [sympy.Eq(16 * H, 2048)]


@pytest.mark.parametrize(
    ("misfit", "bends"),
    [
        (Misfit("operands", H, W), True),
        (Misfit("in_features", 128, 4 * H * W), False),
        (Misfit("reshape", 2048, 16 * H, "size", {"wanted": (-1, 16, 128)}), True),
        (Misfit("reshape", 2048, 16 * H, "size", {"wanted": (-1, 2048)}), False),  # with 16·H features no other axis
        (Misfit("reshape", 2048, 16 * H, "size", {"wanted": (2048,)}), True),
        (Misfit("reshape", (4, -1), H, "unflatten", {"product": 4}), True),
    ],
)
def test_whether_the_shapes_that_follow_are_those_of_a_stand_in(misfit: Misfit, bends: bool) -> None:
    (condition,) = demands(Finding(misfit, "", 0, (), UNSEEN))
    assert condition.declared
    assert condition.bends_shapes is bends


def test_operands_of_other_ranks_are_compared_from_the_last_axis() -> None:
    def asked(axis: int, *shapes: tuple[Any, ...]) -> list[Any]:
        misfit = Misfit("operands", None, None, detail={"shapes": shapes, "axes": (axis,)})
        return [condition.expression for condition in demands(Finding(misfit, "", 0, (), UNSEEN))]

    assert asked(-1, (2, H), (W,)) == [sympy.Eq(W, H)]
    assert asked(-1, (H,), (2, W)) == [sympy.Eq(W, H)]
    assert asked(-2, (2, H), (W,)) == []
    assert asked(-2, (W,), (2, H)) == []


def test_a_number_is_drawn_into_one_of_several_floors() -> None:
    total = 2 * sympy.floor((H - 1) / 2) + 3 * sympy.floor(W / 5) + 4
    drawn = written(total)
    assert drawn != total
    for h, w in itertools.product(range(1, 12), range(1, 12)):
        assert drawn.subs({H: h, W: w}) == 2 * ((h - 1) // 2) + 3 * (w // 5) + 4


def test_a_condition_on_the_batch_asks_nothing_of_the_other_letters() -> None:
    asked: Any = Asked(lambda H, N: H >= 5)
    letters: Any = Letters()
    conditions = [Condition(Letter("N") >= 4), Condition(H >= 5)]
    found = Search(Checks(Assumed(letters, conditions, ("H",), {"N": 2}), asked)).settled()
    assert found is not None
    assert found["H"].text == "any from 5 up"


class Folds(nn.Module):
    """Not a batch any more, where a sample has not 64 values: nothing is raised."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, 64)


def test_a_run_whose_output_has_another_batch_did_not_pass() -> None:
    plan = read_inputs(Folds(), ("L",), batch_size=2)
    for device in ("cpu", "meta"):
        trials = Trials(Folds(), plan._replace(device=torch.device(device)), "eval", (True,))
        assert trials.passes({"L": 64}, expected=True) or device == "meta"
        assert not trials.passes({"L": 128}, expected=True)
    anything = Trials(Folds(), plan, "eval", ())
    assert anything.passes({"L": 128}, expected=True)


def test_the_first_axis_is_the_batch_where_it_is_as_long() -> None:
    plan = read_inputs(Folds(), ("L",), batch_size=2)
    followed = Passes(Folds(), plan, "eval").at({"L": 128})
    assert keeps_batch(plan, followed.recording) == (False,)  # 2·L/64
    kept = Passes(nn.Sequential(nn.Flatten()), plan, "eval").at({"L": 64})
    assert keeps_batch(plan, kept.recording) == (True,)


def test_only_what_forward_itself_asks_is_a_question() -> None:
    def asked(model: nn.Module, *axes: str) -> list[int]:
        followed = Passes(model, read_inputs(model, (2, *axes)), "eval").at({"H": 896, "W": 640, "L": 224})
        assert followed.session.decisions
        return [decision.where.line for decision in questions(followed) if decision.where and not decision.is_number]

    up = nn.Upsample(scale_factor=2, recompute_scale_factor=True)  # which PyTorch itself computes in letters
    plain = nn.Sequential(up, nn.AdaptiveAvgPool2d(3), nn.Conv2d(2, 4, 3), nn.Flatten())
    assert asked(plain, "H", "W") == []
    (line,) = asked(Even(1), "L")
    source = inspect.getsource(sys.modules[__name__]).splitlines()
    assert "if " in source[line - 1]


def test_a_torch_without_the_flag_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.compiler, "_is_compiling_flag")
    with compiling():
        assert not hasattr(torch.compiler, "_is_compiling_flag")


# What only some models ask of a pass in letters


class Does(nn.Module):
    """A forward of one function."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


TABLE = torch.ones(2, 1)


def test_a_tensor_that_is_no_part_of_the_model_may_be_used() -> None:
    s = summarize(Does(lambda x: x * TABLE), (2, "L"))
    assert s.output_shape == (1, 2, Letter("L"))


def test_a_size_that_depends_on_values_is_not_told() -> None:
    for call in (lambda x: x.nonzero(), lambda x: (x + 1).nonzero()[::2]):
        s = summarize(Does(call), (2, "L"))
        assert s.output_shape == (-1, call(torch.ones(1, 2, 5)).shape[1])


def test_a_size_that_depends_on_values_stays_untold_behind_runs() -> None:
    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        if x.shape[-1] % 2:
            x = F.pad(x, (0, 1))
        return x, (x + 1).nonzero()

    model = Does(both)
    plan = read_inputs(model, (2, "L"))
    followed = Passes(model, plan, "eval").at({"L": 896})
    trials = Trials(model, plan, "eval", ())
    assert trials.passes({"L": 6}, expected=True)  # for real only: the meta device has no values
    looked = Confirmed(followed, trials)
    looked.look_at([{"L": 6}, {"L": 7}])
    assert [len(recording.outputs) for _, recording in looked.seen] == [2, 2]
    assert looked.right == [{"L": 6}]
    one = looked.seen[:1]
    after = with_right_forms(followed, one, known_forms([followed])).recording.outputs
    assert after[1].shape[0] == -1
    # Held against nothing, nothing is changed.
    assert with_right_forms(followed, [], known_forms([followed])).recording.calls == followed.recording.calls


def padded_by_more(x: Tensor) -> Tensor:
    return F.pad(x, (0, 4 - x.shape[-1] % 4)) if x.shape[-1] % 4 > 0 else x


def padded_by_less(x: Tensor) -> Tensor:
    return x if x.shape[-1] % 4 <= 0 else F.pad(x, (0, 4 - x.shape[-1] % 4))


def padded_by_equal(x: Tensor) -> Tensor:
    return x if x.shape[-1] % 4 == 0 else F.pad(x, (0, 4 - x.shape[-1] % 4))


def padded_by_unequal(x: Tensor) -> Tensor:
    return F.pad(x, (0, 4 - x.shape[-1] % 4)) if x.shape[-1] % 4 != 0 else x


@pytest.mark.parametrize("call", [padded_by_more, padded_by_less, padded_by_equal, padded_by_unequal])
def test_however_a_remainder_is_asked_for_it_is_known_from_then_on(call: Callable[[Tensor], Tensor]) -> None:
    model = Does(call)
    followed = Passes(model, read_inputs(model, (2, "L")), "eval").at({"L": 897})
    form = followed.recording.outputs[0].shape[-1]
    for length in range(1, 40):  # of a pass that padded: right where nothing is to be padded, too
        assert Evaluation({Letter("L"): length})(form) == call(torch.zeros(1, 2, length)).shape[-1]


def test_what_is_negative_is_asked_as_such() -> None:
    def call(x: Tensor) -> Tensor:
        return x[..., :1] if (10 - x.shape[-1]) // 2 < 0 else x

    s = summarize(Does(call), (2, "L"))
    assert s.output_shape is not None
    for length in (11, 12, 100, 896):
        assert Evaluation({Letter("L"): length})(s.output_shape[-1]) == call(torch.zeros(1, 2, length)).shape[-1]


def test_a_function_that_only_sympy_knows_has_a_value_in_a_pass() -> None:
    def call(x: Tensor) -> Tensor:
        if math.log2(x.shape[-1]) > 9.5:
            return x[..., :5]
        return x

    for length in (300, 600, 896):
        model = Does(call)
        followed = Passes(model, read_inputs(model, (2, "L")), "eval").at({"L": length})
        assert followed.recording.failure is None
        told = Evaluation({Letter("L"): length})(followed.recording.outputs[0].shape[-1])
        assert told == call(torch.zeros(1, 2, length)).shape[-1]


def test_a_letter_may_be_called_as_what_abbreviates_a_size() -> None:
    model, sample = nn.MaxPool2d(2), {"a1": 896, "a0": 640}
    followed = Passes(model, read_inputs(model, (3, "a1", "a0")), "eval").at(sample)
    definitions = followed.session.definitions
    assert sample.keys() <= {symbol.name for symbol in definitions}
    for symbol in definitions:
        before = followed.session.evaluation(sample)(symbol)
        depends = [name for name in sample if followed.session.evaluation(sample | {name: 301})(symbol) != before]
        assert list(followed.session.names_in(symbol)) == depends


KEPT: dict[int, Tensor] = {}


def test_what_a_model_keeps_where_nothing_compiles_is_no_stand_in() -> None:
    def positions(x: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            return x
        count = int(x.shape[-1])
        if x.shape[-1] % 2 == 0:
            KEPT[count] = x
        return x

    KEPT.clear()
    model = nn.Sequential(nn.Conv1d(2, 2, 3), Does(positions))
    summarize(model, (2, "L"))
    plan = read_inputs(model, (2, "L"))
    trials = Trials(model, plan, "eval", ())
    trials.record({"L": 10})
    trials.passes({"L": 12}, expected=False)
    assert not any(isinstance(kept, FakeTensor) or kept.is_meta for kept in KEPT.values())
    KEPT.clear()


# What is told of sizes that are plain numbers, and of mistakes among demands


def rooted(x: Tensor) -> Tensor:
    return x.new_zeros(x.shape[0], int(x.shape[-1] ** 0.5))


def test_one_size_makes_a_plain_number_right() -> None:
    def only(x: Tensor) -> Tensor:
        if x.shape[-1] != 64:
            raise ValueError("64 only")
        return rooted(x)

    s = summarize(Does(only), ("L",))
    assert s.accepts is not None
    assert s.accepts["L"].exact == 64
    assert s.report.remarks == ()
    assert s.output_shape == tuple(rooted(torch.zeros(1, 64)).shape)
    free = summarize(Does(rooted), ("L",))
    assert free.accepts is not None
    assert free.accepts.text == "L any"
    assert free.output_shape is not None
    for size in (1, 2, 3, 4, 8, 9, 15, 16, 99, 100, 1000):
        form = free.output_shape[1]
        assert not isinstance(form, int)
        assert form.subs("L", size) == rooted(torch.zeros(1, size)).shape[1]
    (said,) = free.report.remarks
    assert re.search(r"plain number of a size \(.*\): what comes of it was tried at \d+ sizes, L from 1 to 1000", said)


class Heads(nn.Module):
    """One fits at some length, the other at none: two of what comes is never odd."""

    def __init__(self) -> None:
        super().__init__()
        self.some, self.none = nn.Linear(64, 3), nn.Linear(33, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.some(x), self.none(torch.cat([x, x], -1))


def test_what_fits_at_some_size_is_no_problem_beside_one_that_is() -> None:
    assert [problem.path for problem in summarize(Heads(), ("L",)).problems] == ["none"]
    model = nn.Sequential(nn.Conv1d(2, 8, 3), nn.BatchNorm1d(5), nn.Flatten(), nn.Linear(80, 2))
    assert [problem.path for problem in summarize(model, (2, "L")).problems] == ["1"]


def test_a_linear_over_a_length_in_letters_takes_the_length_it_declares() -> None:
    model = nn.Sequential(nn.Conv1d(2, 8, 3), nn.Linear(9, 2))
    s = summarize(model, (2, "L"))
    assert s.problems == ()
    assert s.accepts is not None
    assert s.accepts["L"].exact == 11
    assert model(torch.zeros(1, 2, 11)).shape == s.output_shape
    with pytest.raises(RuntimeError):
        model(torch.zeros(1, 2, 12))
    wrong = nn.Sequential(nn.Conv1d(2, 8, 3), nn.BatchNorm1d(5), nn.Linear(9, 2))
    assert [problem.path for problem in summarize(wrong, (2, "L")).problems] == ["1"]


def test_the_batch_of_a_trial_is_more_than_one() -> None:
    s = summarize(nn.BatchNorm1d(4), (4, "L"), batch_size="N", mode="train")
    assert nn.BatchNorm1d(4)(torch.zeros(2, 4, 1)).shape == (2, 4, 1)
    assert s.accepts is not None
    assert s.accepts["L"].text == "any"


def test_only_the_line_that_goes_another_way_is_told() -> None:
    def call(x: Tensor) -> Tensor:
        if x.shape[-1] < 3:
            return x
        return x[..., ::2] if x.shape[-1] > 300 else x

    (remark,) = summarize(Does(call), (2, "L")).report.remarks
    first = call.__code__.co_firstlineno
    assert f".py:{first + 3})" in remark
    assert f".py:{first + 1}" not in remark


# Mends


def test_a_form_of_one_letter_is_one_of_the_others_too() -> None:
    model = nn.MaxPool2d((2, 1))
    followed = Passes(model, read_inputs(model, (3, "H", "W")), "eval").at({"H": 896, "W": 640})
    forms = known_forms([followed])
    for h, w in ((7, 9), (12, 31)):
        values = {Evaluation({H: h, W: w})(form) for form in forms}
        assert values == {h, w, h // 2, w // 2}


def test_what_goes_into_a_layer_is_mended_as_what_comes_out() -> None:
    model = nn.Sequential(Even(-1), nn.Conv1d(2, 2, 3), nn.ReLU())
    summary = summarize(model, (2, "L"))
    forms = {call.path: [taken.shape for taken in call.inputs] for call in summary.calls if not call.is_function}
    for length in (4, 5, 8, 17, 30, 63):
        evaluation = Evaluation({Letter("L"): length})
        told = {path: [tuple(map(evaluation, shape)) for shape in taken] for path, taken in forms.items()}
        assert told == {call.path: list(call.input_shapes) for call in record(model, torch.zeros(1, 2, length))}


# Runs at other sizes


def test_behind_a_lack_of_memory_nothing_is_run() -> None:
    seen: list[int] = []

    def call(x: Tensor) -> Tensor:
        seen.append(x.shape[-1])
        if x.shape[-1] > 9:
            raise MemoryError
        return x

    trials = Trials(Does(call), read_inputs(Does(call), ("L",)), "eval", ())
    assert trials.for_real({"L": 8}) is True
    assert trials.for_real({"L": 12}) is None
    assert trials.for_real({"L": 7}) is None
    assert trials.for_real({"L": 8}) is True  # known from before
    assert seen == [8, 12]


def test_real_runs_may_make_so_many_elements_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convlin.symbolic.trials.MOST_ELEMENTS", 10)
    monkeypatch.setattr("convlin.symbolic.budget._MOST_ELEMENTS_TOGETHER", 20)
    plan = read_inputs(nn.ReLU(), ("L",))
    trials = Trials(nn.ReLU(), plan, "eval", (), lambda point: point["L"])
    assert trials.for_real({"L": 11}) is None
    assert trials.for_real({"L": 10}) is True
    assert trials.for_real({"L": 10}) is True  # once only
    assert trials.for_real({"L": 9}) is True
    assert trials.for_real({"L": 1}) is True
    assert trials.for_real({"L": 2}) is None
    assert trials.count == 3
    assert trials.for_real({"L": 9}) is True


def test_nothing_runs_for_real_on_the_meta_device() -> None:
    plan = read_inputs(nn.ReLU(), ("L",))._replace(device=torch.device("meta"))
    assert Trials(nn.ReLU(), plan, "eval", ()).for_real({"L": 3}) is None


def test_what_a_real_run_said_counts_more_than_the_meta_device() -> None:
    def call(x: Tensor) -> Tensor:
        if not x.is_meta and x.shape[-1] % 2:
            raise ValueError("odd")
        return x

    dear = Trials(Does(call), read_inputs(Does(call), ("L",)), "eval", (), lambda point: 2e6)
    assert dear.passes({"L": 3}, expected=True) is True
    assert dear.for_real({"L": 3}) is False
    assert dear.passes({"L": 3}, expected=True) is False
    assert dear.passes({"L": 5}, expected=True) is False  # from then on what it takes is run for real, too
    cheap = Trials(Does(call), read_inputs(Does(call), ("L",)), "eval", ())
    assert cheap.passes({"L": 3}, expected=True) is False


def test_what_an_attention_makes_inside_counts() -> None:
    model = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    whole = Does(lambda x: model(x, x, x)[0])
    whole.attention = model
    trials = Trials(whole, read_inputs(whole, ("L", 8)), "eval", (), lambda point: 8.0 * point["L"])
    assert trials.affordable_for_real({"L": 500}, MOST_ELEMENTS_BEYOND)
    assert not trials.affordable_for_real({"L": 8000}, MOST_ELEMENTS_BEYOND)  # 2·8000² weights


class Counts(nn.Module):
    """Writes into what it holds."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(3))
        self.table = torch.zeros(3)

    def forward(self, x: Tensor) -> Tensor:
        self.seen.add_(1)
        self.table.mul_(0).add_(2)
        return x + self.table


def test_a_trial_leaves_the_model_as_it_was() -> None:
    model = Counts()
    trials = Trials(model, read_inputs(model, ("L",)), "eval", ())
    assert trials.for_real({"L": 3}) is True
    assert trials.for_real({"L": 4}) is False
    assert model.seen.tolist() == [0, 0, 0]
    assert model.table.tolist() == [0, 0, 0]


def test_a_trial_in_train_mode_leaves_the_statistics_as_they_were() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2, momentum=0.5), Does(lambda x: x + 1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(torch.full((3, 2, 5), 7.0))
    assert not torch.equal(model.state_dict()["0.running_mean"], before["0.running_mean"])
    model.load_state_dict(before)
    trials = Trials(model, read_inputs(model, (2, "L"), batch_size=3), "train", ())
    assert trials.for_real({"L": 5}) is True
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# What is answered without PyTorch's own arithmetic, in other words


def test_an_activation_may_be_given_its_input_by_name() -> None:
    x = torch.ones(1, 2)
    for call in (F.relu, F.gelu):
        with KnownSizes():
            found = call(input=x)
        assert found.shape == call(input=x).shape


@pytest.mark.parametrize("missing", [0, 1])
def test_a_batch_norm_in_eval_mode_needs_both_statistics(missing: int) -> None:
    x, statistics = torch.ones(2, 3, 4), [torch.zeros(3), torch.ones(3)]
    given: list[Any] = [None if index == missing else each for index, each in enumerate(statistics)]
    with pytest.raises(RuntimeError, match="must be defined"):
        F.batch_norm(x, *given)
    with KnownSizes(), pytest.raises(RuntimeError, match="must be defined"):
        F.batch_norm(x, *given)


def test_a_view_of_plain_sizes_is_pytorchs_own() -> None:
    x = torch.arange(12.0)
    with KnownSizes():
        view = x.view(3, 4)
        view.add_(1)
    assert view.data_ptr() == x.data_ptr()
    assert x.tolist() == [*range(1, 13)]


def added_in_place(x: Tensor) -> Tensor:
    y = x * 1.0
    y += x
    return y.mul_(0.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x + x, lambda x: x - 2 * x, lambda x: x / 2 + 1, lambda x: torch.add(input=x, other=x, alpha=2),
        lambda x: x * torch.ones(3, 1, 1), lambda x: torch.ones(3, 1, 1) * x, lambda x: x * torch.ones(1),
        lambda x: x * x.new_ones(x.shape[0], 3, 1, 1), lambda x: x.new_ones(x.shape[0], 3, 1, 1) - x, added_in_place,
        lambda x: x.new_ones(1, 1, *x.shape[2:]) + x, lambda x: x - x.new_ones(x.shape[0], 1, *x.shape[2:]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("batch", [1, "N"])
def test_what_meets_at_every_size_is_added_without_a_question(
    call: Callable[[Tensor], Tensor], batch: int | str
) -> None:
    model = Does(call)
    sample = {"N": 6, "H": 896, "W": 640} if batch == "N" else {"H": 896, "W": 640}
    followed = Passes(model, read_inputs(model, (3, "H", "W"), batch_size=batch), "eval").at(sample)
    assert [each.expression for each in followed.session.decisions if not each.own] == []
    for height, width in ((1, 1), (1, 5), (7, 2), (9, 9)):
        point = {**sample, "H": height, "W": width}
        shape = call(torch.zeros(point.get("N", 1), 3, height, width)).shape
        evaluation = followed.session.evaluation(point)
        assert tuple(int(evaluation(size)) for size in followed.recording.outputs[0].shape) == shape


@pytest.mark.parametrize(
    ("call", "turns"),
    [
        (lambda x: x + x.transpose(2, 3), True), (lambda x: x + x[:, :, :1], False),
        (lambda x: x[:, :, 3:] + x[:, :, :-3], False), (lambda x: torch.div(x, 2, rounding_mode="floor"), False),
        (lambda x: x * (torch.arange(4.0) * 2).sum(), False), (lambda x: x.long() + x, False),
        (lambda x: x.permute(0, 2, 3, 1) + x.permute(0, 2, 3, 1), False), (lambda x: x + x.double(), False),
    ],
)  # fmt: skip
def test_what_may_not_meet_is_left_to_pytorch(call: Callable[[Tensor], Tensor], turns: bool) -> None:
    model = Does(call)
    followed = Passes(model, read_inputs(model, (3, "H", "W")), "eval").at({"H": 896, "W": 640})
    assert (followed.recording.failure is not None or bool(followed.recording.findings)) is turns
    found = summarize(model, (3, "H", "W"))
    for size in (4, 5, 9, 32):
        output = call(torch.zeros(1, 3, size, size))
        if not turns:
            evaluation = followed.session.evaluation({"H": size, "W": size})
            assert tuple(int(evaluation(each)) for each in followed.recording.outputs[0].shape) == output.shape
        assert found.ok


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.max_pool2d(x, 2), lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: F.max_pool2d(x, 3, 1, 1, 2),
        lambda x: F.max_pool2d(x, (3, 2), ceil_mode=True), lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
        lambda x: F.max_pool1d(x.flatten(2), 4, 3), lambda x: F.avg_pool2d(x, 3, stride=(), padding=1),
        lambda x: F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False), lambda x: F.avg_pool1d(x[..., 0], 3),
        lambda x: F.max_pool3d(x[:, :, None], (1, 2, 3)), lambda x: F.avg_pool3d(x[:, :, None], (1, 3, 2), 1),
        lambda x: F.max_pool2d(x.to(memory_format=torch.channels_last), 2), lambda x: F.adaptive_avg_pool2d(x, 1),
        lambda x: F.adaptive_max_pool2d(x, (2, 3)), lambda x: F.adaptive_avg_pool2d(x, (None, 3)),
        lambda x: F.adaptive_avg_pool2d(x.to(memory_format=torch.channels_last), 1),
        lambda x: x.mean((2, 3)), lambda x: x.sum(-1, True), lambda x: x.mean(1, keepdim=True), lambda x: x.mean(),
        lambda x: torch.mean(x, dim=[-1, 1]), lambda x: x.sum(dim=2, dtype=torch.float64), lambda x: x.amax((2, 3)),
        lambda x: torch.cat([x, 2 * x], 1), lambda x: torch.cat((x, x, x), dim=-1), lambda x: torch.cat([x]),
        lambda x: torch.cat([x.to(memory_format=torch.channels_last)] * 2, 1), lambda x: torch.cat([x, x.double()], 1),
        lambda x: torch.cat([x, x.to(memory_format=torch.channels_last)], 1), lambda x: torch.concat([x, x], 2),
        lambda x: torch.cat([x, x[:, :1]], 1), lambda x: F.max_pool2d(x, 2, return_indices=True)[1],
    ],
)  # fmt: skip
@pytest.mark.parametrize("batch", [1, "N"])
def test_what_pools_join_and_means_give_is_of_the_size_and_order_that_pytorch_makes(
    call: Callable[[Tensor], Tensor], batch: int | str
) -> None:
    sample = {"N": 6, "H": 896, "W": 640} if batch == "N" else {"H": 896, "W": 640}
    shape: list[Any] = []
    strides: list[Any] = []

    def noted(x: Tensor) -> Tensor:
        made = call(x)
        shape[:], strides[:] = made.shape, made.stride()
        return made

    model = Does(noted)
    followed = Passes(model, read_inputs(model, (3, "H", "W"), batch_size=batch), "eval").at(sample)
    assert not followed.recording.findings
    symbolic = [followed.session.plain(tuple(sizes)) for sizes in (shape, strides)]
    for height, width in ((4, 4), (5, 9), (12, 7), (31, 32)):
        point = {**sample, "H": height, "W": width}
        made = call(torch.zeros(point.get("N", 1), 3, height, width))
        evaluation = followed.session.evaluation(point)
        found = [[int(evaluation(size)) for size in sizes] for sizes in symbolic]
        assert found == [list(made.shape), list(made.stride())]


@pytest.mark.parametrize(
    "call",
    [lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: F.avg_pool2d(x, 3, 1), lambda x: torch.cat([x, x], 1),
     lambda x: x.mean((2, 3)), lambda x: F.adaptive_avg_pool2d(x, 7), lambda x: F.max_pool1d(x.mean(3), 2)],
)  # fmt: skip
def test_of_pools_joins_and_means_nothing_is_asked_but_whether_windows_fit(call: Callable[[Tensor], Tensor]) -> None:
    model = Does(call)
    followed = Passes(model, read_inputs(model, (3, "H", "W")), "eval").at({"H": 896, "W": 640})
    assert asks_for_windows_alone(followed)


@pytest.mark.parametrize(
    "call",
    [lambda x: x if x.shape[2] > 5 else 2 * x, lambda x: x[:, :, : int(x.shape[2] * 0.5)], lambda x: x[:, :, :100],
     lambda x: x + x.new_ones(896, 1), lambda x: nn.functional.linear(x, torch.ones(2, 640)),
     lambda x: torch.ones(900)[torch.arange(x.shape[2])], lambda x: x.flatten(1) @ torch.ones(3 * 896 * 640, 2)],
)  # fmt: skip
def test_a_model_that_asks_for_more_is_none_that_asks_for_windows_alone(call: Callable[[Tensor], Tensor]) -> None:
    model = Does(call)
    followed = Passes(model, read_inputs(model, (3, "H", "W")), "eval").at({"H": 896, "W": 640})
    assert not asks_for_windows_alone(followed)


def test_what_is_only_looked_at_besides_a_range_is_no_limit_that_was_met() -> None:
    letters: Any = Letters()
    answered = 0
    for most in range(1, 60):
        asked: Any = Asked(lambda H, W: H >= 8 and W >= 8)
        conditions = [Condition(sympy.Ge(size, 8), None) for size in (H, W)]
        found = Search(Checks(Assumed(letters, conditions, ("H", "W"), {}), asked), most_runs=most).settled()
        if found is not None:
            answered += 1
            assert found.text == "H, W any from 8 up"
            assert [*asked.limits.remarks()] == []
    assert answered > 20


class AddsPositions(nn.Module):
    """A module without children: what it calls is no row."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(11, 11))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.positions


def test_of_forms_that_are_wrong_no_size_is_called_stretched_that_no_run_shows_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = nn.Sequential(
        nn.ConvTranspose2d(4, 4, 2, 2, output_padding=1), nn.Conv2d(4, 4, (4, 1), 3, (2, 0), (2, 1)), AddsPositions()
    )
    plan = read_inputs(model, (4, "H", "W"))
    followed = Passes(model, plan, "eval").at({"H": 16, "W": 16})
    single = {"H": 1, "W": 1}
    assert model(torch.zeros(1, 4, 1, 1)).shape == model(torch.zeros(1, 4, 16, 16)).shape
    assert Stretching(followed, Trials(model, plan, "eval", (True,)))(single)
    assert not Stretching(followed, Trials(model, plan, "eval", (True,)))({"H": 16, "W": 15})
    monkeypatch.setattr(Trials, "stretched", lambda self, point: None)  # too large to be run
    assert not Stretching(followed, Trials(model, plan, "eval", (True,)))(single)


def test_a_weight_is_a_parameter_in_letters_too() -> None:
    seen: list[tuple[bool, bool, torch.dtype, tuple[int, ...]]] = []
    model = nn.Conv2d(3, 4, 3).half()
    model.register_buffer("table", torch.zeros(4, 3).t())

    def noted(x: Tensor) -> Tensor:
        held = (model.weight, model.bias, model._buffers["table"])
        seen[:] = [(isinstance(each, nn.Parameter), each.requires_grad, each.dtype, each.stride()) for each in held]  # type: ignore[union-attr]
        return x

    real = Does(noted)
    real.held = model
    real(torch.zeros(1))
    expected = [*seen]
    summarize(real, (3, "H", "W"))
    assert seen == expected
    assert expected[0][:2] == (True, True)
