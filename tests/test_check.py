"""``assert_shapes``: what an expectation may hold, and what a failure says."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
import sympy
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import convlin
from convlin import InputError, ShapeError, Summary, assert_shapes, summarize
from convlin.checks.patterns import aligned, read_wanted
from convlin.records import Call, Report, TensorInfo
from convlin.sizes.parse import read
from convlin.sizes.prove import compare, spelled
from tests.properties import examples

H = sympy.Symbol("H", integer=True, positive=True)
W = sympy.Symbol("W", integer=True, positive=True)


class SmallCNN(nn.Module):
    def __init__(self, features: int = 2048) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.fc1 = nn.Linear(features, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        return self.fc1(x.flatten(1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.unused = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        out, (h, _) = self.lstm(x)
        return out, h


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.again = self.conv

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.conv(x))


def message(model: nn.Module, shape: Any, expected: Any, **options: Any) -> str:
    with pytest.raises(ShapeError) as caught:
        assert_shapes(model, shape, expected, **options)
    return str(caught.value)


# What holds


@pytest.mark.parametrize(
    "expected",
    [
        {"conv1": (1, 16, 32, 32), "fc1": (1, 10)},
        {"conv1": ("N", 16, 32, 32), "fc1": ("N", 10)},
        {"conv1": (None, 16, None, None)},
        {"conv1": (1, ..., 32)},
        {"conv1": (..., 32)},
        {"conv1": ("N", 16, ..., ...)},
        {"conv1": [1, 16, 32, 32]},
        {"conv1": torch.Size([1, 16, 32, 32])},
        {"conv1": ...},
        {"conv1": None, "": None},
        {"conv1": ("N", "C", "H", "W"), "conv2": ("N", "2*C", "H//2", "W//2"), "fc1": ("N", "10")},
        {"conv2": ("N", "2*C", "H//2", "ceil(W/2)"), "conv1": ("N", "C", "H", "W")},
        {"conv2": ("N", "⌊(64 + 1)/2⌋", 16, "max(7, 16) % 17")},
        (1, 10),
        ("N", 10),
        [("N", 10)],
        {"": ("N", 10), "bn1": ("N", ...)},
    ],
)
def test_holds(expected: Any) -> None:
    assert assert_shapes(SmallCNN(), (3, 32, 32), expected).output_shape == (1, 10)


def test_returns_the_summary_and_leaves_the_model() -> None:
    model = SmallCNN().train()
    summary = assert_shapes(model, (3, 32, 32), (1, 10))
    assert isinstance(summary, Summary)
    assert model.training
    assert summary.assert_shapes({"fc1": ("N", 10)}) is summary


def test_options_are_those_of_summarize() -> None:
    assert_shapes(SmallCNN(), (3, 32, 32), {"fc1": (4, 10)}, batch_size=4, mode="train", device="meta")
    assert_shapes(nn.Embedding(9, 5), (7,), (1, 7, 5), dtypes="long")
    with pytest.raises(TypeError, match="batchsize"):
        assert_shapes(SmallCNN(), (3, 32, 32), (4, 10), batchsize=4)  # type: ignore[call-arg]


def test_several_tensors() -> None:
    model = Recurrent()
    assert_shapes(model, (5, 8), {"lstm": ("N", "T", 16), "": [("N", "T", 16), (1, "N", 16)]})
    assert_shapes(model, (5, 8), {"lstm": [("N", 5, "D"), (1, "N", "D"), ...]})
    text = message(model, (5, 8), {"lstm": [("N", 5, 16), (1, "N", 17)]})
    assert "3 tensors, and 2 expected" in text
    text = message(model, (5, 8), {"": [("N", 5, 16), (1, "N", 17)]})
    assert "tensor 1: dimension 2 is 16, not 17" in text
    assert "N×5×16, 1×N×17" in text


def test_every_call_of_a_shared_module() -> None:
    assert_shapes(Shared(), (4, 8, 8), {"conv": ("N", 4, ...), "again": (1, ...)})
    text = message(Shared(), (4, 8, 8), {"again": ("N", 4, 4, 4)})
    assert "call 2 of 2: dimension 2 is 2, not 4; dimension 3 is 2, not 4" in text


# What does not


def test_one_table_with_every_difference() -> None:
    text = message(
        SmallCNN(),
        (3, 32, 32),
        {
            "conv1": ("N", 8, 32, 32),
            "conv2": ("N", 32, 16, 16),
            "fc2": ("N", 10),
            "fc1": ("N", 11),
            "bn2": ("N", 32),
            "bn1": ("N", "C", "H//3", 32),
            "": ("C", 10),
            "bn1.x": ("H", ...),
        },
    )
    assert text == (
        "SmallCNN: 7 of 8 shapes are not as expected\n\n"
        "Layer     Expected       Found       Difference\n"
        "conv1     N×8×32×32      1×16×32×32  dimension 1 is 16, not 8\n"
        "fc2       N×10                       there is no module 'fc2'; did you mean 'fc1'?\n"
        "fc1       N×11           1×10        dimension 1 is 10, not 11\n"
        "bn2       N×32           1×32×16×16  4 dimensions, and 2 expected\n"
        "bn1       N×C×(H//3)×32  1×16×32×32  dimension 2 needs H, and no shape that fits gives it\n"
        "(output)  C×10           1×10        dimension 0 is 1, and C is 16 at bn1\n"
        "bn1.x     H×…                        there is no module 'bn1.x'; did you mean 'bn1'?"
    )  # fmt: skip


def test_one_shape_alone() -> None:
    text = message(SmallCNN(), (3, 32, 32), (1, 11))
    assert text.startswith("SmallCNN: the shape is not as expected\n")
    assert "(output)  1×11      1×10   dimension 1 is 10, not 11" in text


def test_a_shape_without_the_batch() -> None:
    """With it in front the same expectation holds; what the sizes do not bear out is not said."""
    text = message(SmallCNN(), (3, 32, 32), {"conv1": (16, "H", "W"), "conv2": (16, 16, 16), "bn1": ("N", 16, 32)})
    assert '4 dimensions, and 3 expected: the batch goes in front, as "N"\n' in text
    assert text.count("the batch goes in front") == 1
    assert_shapes(SmallCNN(), (3, 32, 32), {"conv1": ("N", 16, "H", "W")})


def test_formula_that_is_not_met() -> None:
    text = message(SmallCNN(), (3, 32, 32), {"conv1": ("N", "C", "H", "W"), "conv2": ("N", "C", "H//3", "H/3")})
    assert "dimension 1 is 32, and C is 16 at conv1; dimension 2 is 16, and H//3 is 10; dimension 3" in text
    assert "H/3 is 32/3" in text
    text = message(SmallCNN(), (3, 32, 32), {"conv1": ("N", "C", "H", "W"), "conv2": ("N", "C*2", "H//(W-H)", 16)})
    assert "H//(W-H) divides by zero" in text


def test_the_same_name_twice_in_one_shape() -> None:
    text = message(SmallCNN(), (3, 32, 48), {"conv1": ("N", 16, "S", "S")})
    assert "dimension 3 is 48, and S is 32" in text


def test_nearest_path() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Conv2d(3, 4, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.encoder(x)

    assert "did you mean 'encoder.0'" in message(Outer(), (3, 8, 8), {"encodr.0": (1,)})
    assert "did you mean" not in message(Outer(), (3, 8, 8), {"quite_another": (1,)})


def test_module_that_was_not_called() -> None:
    assert "was not called in this pass" in message(Recurrent(), (5, 8), {"unused": (1,)})


def test_model_that_cannot_run() -> None:
    """A stand-in took the place of what did not fit: the shapes behind it are not the model's."""
    text = message(SmallCNN(features=999), (3, 32, 32), {"fc1": ("N", 10)})
    assert text.startswith("SmallCNN cannot run as it is, so its shapes are not real:\n\n✗ fc1: Linear(in_features=999")
    text = message(SmallCNN(features=999), (3, 32, 32), {"fc1": ("N", 11), "conv1": (1, 2, 3, 4)})
    assert "2 of 2 shapes are not as expected" in text
    assert "✗ fc1" in text


def test_pass_that_stopped() -> None:
    class Stops(SmallCNN):
        def forward(self, x: Tensor) -> Tensor:
            x = self.conv1(x)
            torch.linalg.inv(x[..., :5])
            return self.fc1(x)

    text = message(Stops(), (3, 32, 32), {"conv1": ("N", 16, 32, 32), "fc1": (1, 10), "": (1, 10)})
    assert "not reached: the pass stopped before" in text
    assert "the pass did not reach the end of forward" in text


def test_output_without_a_tensor() -> None:
    class Silent(nn.Module):
        def forward(self, x: Tensor) -> int:
            return 3

    assert "no tensor comes out" in message(Silent(), (3,), (1, 3))


# What cannot be right


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({}, "no shape is expected"),
        ({3: (1, 10)}, "3 is not a valid path"),
        ({"fc1": (1, -1)}, "write None for any size"),
        ({"fc1": (1, 10.0)}, "10.0 in the shape (1, 10.0) for 'fc1' is not a valid size"),
        ({"fc1": (1, True)}, "True in the shape"),
        ({"fc1": (1, -5)}, "-5 in the shape"),
        ({"fc1": 10}, "10 is not a valid shape for 'fc1'"),
        ({"fc1": "N, 10"}, "'N, 10' is not a valid shape for 'fc1': write a tuple"),
        ("N", "'N' is not a valid shape for the output"),
        ({"fc1": ("N", "H H")}, "'H H' is not a valid size"),
        ({"fc1": ("N", "")}, "'' is not a valid size"),
        ({"fc1": ("N", "H.real")}, "'H.real' is not a valid size"),
        ({"fc1": ("N", "__import__('os')")}, "is not a valid size"),
        ({"fc1": ("N", "open(N)")}, "is not a valid size"),
        ({"fc1": ("N", "9**9**9")}, "is not a valid size"),
        ({"fc1": ("N", "[N]*9")}, "is not a valid size"),
        ({"fc1": ("N", "floor(N, N)")}, "is not a valid size"),
        ({"fc1": ("N", "N" * 300)}, "is not a valid size"),
        ({"fc1": ("N", "(" * 190)}, "is not a valid size"),
        ({"fc1": ("N", "2*C")}, "'2*C' needs C, which stands for no size: write 'C' as a size of its own somewhere"),
    ],
)
def test_expectation_that_cannot_be_right(expected: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        assert_shapes(SmallCNN(), (3, 32, 32), expected)
    assert said in str(caught.value)


def test_said_before_anything_runs() -> None:
    class Bomb(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise AssertionError("ran")

    with pytest.raises(InputError, match="is not a valid size"):
        assert_shapes(Bomb(), (3,), (1, -1))


def test_summary_without_a_pass() -> None:
    with pytest.raises(InputError, match="this summary holds no shapes"):
        summarize(SmallCNN()).assert_shapes((1, 10))


def test_error_of_the_user_is_the_users() -> None:
    class Raises(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        assert_shapes(Raises(), (3,), (1, 3))


# Where pytest points


def test_traceback_ends_at_the_users_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from torch import nn
        from convlin import assert_shapes, summarize

        def test_function():
            assert_shapes(nn.Linear(4, 3), (4,), {"": (1, 7)})  # mine 1

        def test_method():
            summarize(nn.Linear(4, 3), (4,)).assert_shapes((1, 7))  # mine 2

        def test_bad_call():
            assert_shapes(nn.Linear(4, 3), (4,), (1, -1))  # mine 3

        def test_bad_input():
            assert_shapes(nn.Linear(4, 3), (0,), (1, 3))  # mine 4

        def test_check():
            summarize(nn.Linear(4, 3), (5,)).check()  # mine 5

        def test_lock(tmp_path):
            summarize(nn.Linear(4, 3), (4,)).lock(tmp_path / "a")
            summarize(nn.Linear(4, 5), (4,)).check(tmp_path / "a")  # mine 6

        def test_no_lock(tmp_path):
            summarize(nn.Linear(4, 5), (4,)).check(tmp_path / "a")  # mine 7
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=7)
    text = result.stdout.str()
    for number in range(1, 8):
        assert f"# mine {number}" in text
    assert "convlin/checks/shapes.py" not in text
    assert "convlin/api/shortcuts.py" not in text
    assert "convlin/_summary.py" not in text
    assert "convlin/inputs.py" not in text


# Sizes with letters


def with_letters(**shapes: tuple[Any, ...]) -> Summary:
    """A summary as named sizes give it, made by hand: the output shape of every call."""
    given = TensorInfo("", (1, 3, H, W), "float32", "cpu")
    calls = tuple(
        Call(path, "Conv2d", (given,), (TensorInfo("", shape, "float32", "cpu"),)) for path, shape in shapes.items()
    )
    return Summary(Report("Net", (given,), calls[-1].outputs, "cpu", "eval", calls, ()))


def down(size: Any) -> Any:
    """A convolution with kernel 3, stride 2, padding 1."""
    return (size - 1) // 2 + 1


def test_formula_proved_for_all_sizes() -> None:
    pooled = with_letters(layer4=(1, 2048, (((H // 2) // 2) // 2) // 4, W // 32))
    pooled.assert_shapes({"layer4": ("N", 2048, "H//32", "W//32")})
    strided = with_letters(layer4=(1, 2048, down(down(down(down(down(H))))), down(W)))
    strided.assert_shapes({"layer4": ("N", 2048, "(H + 31)//32", "ceil(W/2)")})
    strided.assert_shapes({"layer4": ("N", 2048, "-(-H//32)", "S")})


def test_formula_that_holds_on_some_sizes_only() -> None:
    strided = with_letters(layer4=(1, 2048, down(down(down(down(down(H))))), down(W)))
    with pytest.raises(ShapeError) as caught:
        strided.assert_shapes({"layer4": ("N", 2048, "H//32", "W//2 + 1")})
    text = str(caught.value)
    assert "not H//32 for every size: only where H is a multiple of 32: at H = 65 it is 3, and H//32 is 2" in text
    assert "only where W divided by 2 leaves 1: at W = 64 it is 32, and W//2 + 1 is 33" in text


def test_number_where_a_letter_stands() -> None:
    with pytest.raises(ShapeError, match="dimension 2 is H, not 32"):
        with_letters(conv=(1, 16, H, W)).assert_shapes({"conv": ("N", 16, 32, "W")})
    with pytest.raises(ShapeError, match="dimension 2 is H, not W; dimension 3 is W, not H"):
        with_letters(conv=(1, 16, H, W)).assert_shapes({"conv": ("N", 16, "W", "H")})
    with pytest.raises(ShapeError, match="dimension 2 is 7, not H; dimension 3 is 7, not W"):
        with_letters(conv=(1, 16, 7, 7)).assert_shapes({"conv": ("N", 16, "H", "W")})
    with pytest.raises(ShapeError, match=r"dimension 3 is W//2, and S is H//2$"):
        with_letters(conv=(1, 16, H // 2, W // 2)).assert_shapes({"conv": ("N", 16, "S", "S")})


def test_letters_through_a_real_model() -> None:
    def strided(width: int) -> nn.Module:
        return nn.Conv2d(3, width, 3, stride=2, padding=1)

    pooled = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.MaxPool2d(2))
    assert_shapes(pooled, (3, "H", "W"), {"0": ("N", 8, "H", "W"), "2": ("N", 8, "H//4", "W//4")})
    assert_shapes(pooled, (3, "H", "W"), ("N", "C", "H//4", "W//4"), batch_size="N")
    down = nn.Sequential(strided(3), strided(3), strided(8))
    assert_shapes(down, (3, "H", "W"), {"2": ("N", 8, "(H + 7)//8", "-(-W//8)")})
    with pytest.raises(
        ShapeError, match=r"not H//8 for every size: only where H is a multiple of 8: at H = 65 it is 9"
    ):
        assert_shapes(down, (3, "H", "W"), {"2": ("N", 8, "H//8", "(W + 7)//8")})


# Formulas and proofs


def formulas() -> st.SearchStrategy[Any]:
    atoms = st.one_of(st.sampled_from([H, W]), st.integers(1, 5).map(sympy.Integer))

    def extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.one_of(
            st.builds(lambda a, b: a + b, inner, inner),
            st.builds(lambda a, b: a - b, inner, inner),
            st.builds(lambda a, b: a * b, inner, inner),
            st.builds(lambda a, plus, by: (a + plus) // by, inner, st.integers(-3, 3), st.integers(2, 4)),
        )

    return st.recursive(atoms, extend, max_leaves=4)


POINTS = [{H: h, W: w} for h in (5, 6, 7, 8, 33, 64) for w in (5, 6, 9, 12)]


@examples(60)
@given(formulas())
def test_spelled_reads_back(formula: Any) -> None:
    text = spelled(formula)
    value = read(text).value({"H": H, "W": W})
    assert compare(formula, value, text).holds
    for point in POINTS[::7]:
        numbers = {str(symbol): size for symbol, size in point.items()}
        assert read(text).value(numbers) == sympy.sympify(formula).subs(point)


@examples(60)
@given(formulas(), formulas())
def test_verdict_agrees_with_the_numbers(one: Any, other: Any) -> None:
    verdict = compare(one, other)
    left, right = sympy.sympify(one), sympy.sympify(other)
    if any(left.subs(point) != right.subs(point) for point in POINTS):
        assert not verdict.holds
    elif not verdict.holds:  # it says where, and is right about it
        numbers = dict(
            part.split(" = ") for part in verdict.why.partition("at ")[2].partition(" it is ")[0].split(", ")
        )
        point = {symbol: int(numbers.get(str(symbol), 7)) for symbol in (H, W)}
        assert left.subs(point) != right.subs(point)


def test_the_kinds_of_division_that_torch_has() -> None:
    functions = pytest.importorskip("torch.utils._sympy.functions")
    assert compare(functions.FloorDiv(H - 1, 2) + 1, (H + 1) // 2).holds
    assert compare(functions.CeilDiv(H, 4), (H + 3) // 4).holds
    assert compare(functions.ModularIndexing(H, 2, 3), ((H // 2) % 3)).holds
    assert compare(functions.Max(H, sympy.Integer(7)), read("max(H, 7)").value({"H": H})).holds
    assert spelled(functions.FloorDiv(H - 1, 2) + 1) == "(H - 1)//2 + 1"
    assert not compare(functions.Mod(H, 2), 0).holds


def test_what_cannot_be_decided_is_no_proof() -> None:
    assert not compare(sympy.Function("f")(H), H).holds
    assert not compare(sympy.Max(H, 2), H).holds or sympy.Max(H, 2) == H
    assert compare(sympy.Max(H, 0), H).holds


@given(st.lists(st.integers(1, 3), max_size=5), st.data())
def test_alignment_with_gaps(shape: list[int], data: st.DataObject) -> None:
    """A pattern made from a shape by leaving runs out fits it, whatever the gaps."""
    random.seed(0)
    expected: list[Any] = []
    for size in shape:
        kind = data.draw(st.sampled_from(["keep", "any", "gap"]))
        expected.append({"keep": size, "any": None, "gap": ...}[kind])
    (pattern,) = read_wanted(tuple(expected), "it").patterns
    pairs = aligned(pattern, tuple(shape))
    assert pairs is not None
    assert all(element == size for _, element, size in pairs if isinstance(element, int))


def test_public() -> None:
    assert convlin.assert_shapes is assert_shapes
    assert "assert_shapes" in convlin.__all__
    assert dataclasses.is_dataclass(Report)
