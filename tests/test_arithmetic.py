"""The arithmetic against the real layers: the same shape, or refused by both; and every printed line is true."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
import sympy
import torch
from hypothesis import assume, given, note
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import convlin.arithmetic as arithmetic
from convlin.arithmetic import Layer, ReceptiveField, SizeError
from convlin.records import Derivation, Step
from tests.processes import python
from tests.properties import examples

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths"),
    pytest.mark.filterwarnings("ignore:LSTM with projections"),
]

thorough = examples(100)
brief = examples(40)

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MAX_POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVG_POOLS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
LP_POOLS = {1: nn.LPPool1d, 2: nn.LPPool2d, 3: nn.LPPool3d}
UNPOOLS = {1: nn.MaxUnpool1d, 2: nn.MaxUnpool2d, 3: nn.MaxUnpool3d}
FRACTIONAL = {2: nn.FractionalMaxPool2d, 3: nn.FractionalMaxPool3d}
ADAPTIVE = {
    ("Avg", 1): nn.AdaptiveAvgPool1d,
    ("Avg", 2): nn.AdaptiveAvgPool2d,
    ("Avg", 3): nn.AdaptiveAvgPool3d,
    ("Max", 1): nn.AdaptiveMaxPool1d,
    ("Max", 2): nn.AdaptiveMaxPool2d,
    ("Max", 3): nn.AdaptiveMaxPool3d,
}
PADS = {
    ("constant", 1): nn.ConstantPad1d,
    ("constant", 2): nn.ConstantPad2d,
    ("constant", 3): nn.ConstantPad3d,
    ("reflect", 1): nn.ReflectionPad1d,
    ("reflect", 2): nn.ReflectionPad2d,
    ("reflect", 3): nn.ReflectionPad3d,
    ("replicate", 1): nn.ReplicationPad1d,
    ("replicate", 2): nn.ReplicationPad2d,
    ("replicate", 3): nn.ReplicationPad3d,
    ("circular", 1): nn.CircularPad1d,
    ("circular", 2): nn.CircularPad2d,
    ("circular", 3): nn.CircularPad3d,
}
RECURRENT = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Tensors of a few elements gain nothing from threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield
    torch.set_num_threads(threads)


# ---------------------------------------------------------------------------------------------------
# Reading the printed arithmetic back
# ---------------------------------------------------------------------------------------------------

_SIGNS = str.maketrans({"·": "*", "−": "-", "⌋": ")", "⌉": ")", "²": "**2"} | {"⌊": "floor(", "⌈": "ceil("})
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"floor": math.floor, "ceil": math.ceil, "min": min, "max": max}


def evaluate(text: str, names: Mapping[str, Any] | None = None) -> Any:
    """What the printed arithmetic comes to, by Python's own reading of it; division is exact."""

    def value(node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name(id=name):
                return (names or {})[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.BinOp(left=left, op=operator, right=right):
                one, other = value(left), value(right)
                match operator:
                    case ast.Add():
                        return one + other
                    case ast.Sub():
                        return one - other
                    case ast.Mult():
                        return one * other
                    case ast.Pow():
                        return one**other
                    case ast.Div():
                        return Fraction(one) / other
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return _FUNCTIONS[name](*map(value, arguments))
        raise AssertionError(f"{text!r} is not arithmetic")

    return value(ast.parse(text.translate(_SIGNS), mode="eval").body)


def words_to_names(text: str) -> str:
    """``dim 1`` and ``size[0]`` as names that Python reads."""
    return re.sub(r"\[(\d)\]", r"_\1", re.sub(r"dim (\d)", r"dim_\1", text))


def is_declared(step: Step) -> bool:
    """A bare name: a number that the user wrote down."""
    return re.fullmatch(r"[a-z_]+(\[\d\])?", step.arithmetic) is not None


def assert_true(derivation: Derivation, names: Mapping[str, Any] | None = None) -> None:
    """Each step's numbers come to its size, and its size stands in the shape."""
    for step in derivation.steps:
        assert step.size in derivation.shape
        if is_declared(step):
            assert step.formula == step.arithmetic
        else:
            assert evaluate(step.arithmetic, names) == step.size, step
        assert step.text == f"{step.arithmetic} = {step.size}"
    assert derivation.source.startswith("https://docs.pytorch.org/docs/stable/")


def numbers_for(
    step: Step, derivation: Derivation, shape: Any, dims: int, options: Mapping[str, Any]
) -> dict[str, Any]:
    """What the words in a step's formula stand for."""
    axes = {1: "L", 2: "HW", 3: "DHW"}[dims]
    axis = step.axis[0]
    index = axes.index(axis)
    names: dict[str, Any] = {axis: shape[len(shape) - dims + index]}
    for name, value in options.items():
        names[name] = value[min(index, len(value) - 1)] if isinstance(value, (list, tuple)) else value
    if names.get("stride") is None:
        names["stride"] = names.get("kernel_size")
    if names.get("padding") == "valid":
        names["padding"] = 0
    return names


def agree(
    derive: Callable[[], Derivation], observe: Callable[[], Any], *, may_refuse_empty: bool = False
) -> Derivation | None:
    """Both give the same shape, or both refuse; ``may_refuse_empty`` lets us alone refuse an empty result."""
    try:
        expected = tuple(observe().shape)
        # Reflection of an empty batch, and expand of a scalar, can come out with a size of −1.
        if min(expected, default=0) < 0:
            raise ValueError(f"{expected} is not a valid shape")
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, AssertionError) as error:
        note(f"PyTorch refuses: {error}")
        with pytest.raises(SizeError):
            note(f"accepted: {derive()}")
        return None
    note(f"PyTorch gives {expected}")
    try:
        derivation = derive()
    except SizeError:
        if may_refuse_empty and 0 in expected:
            return None
        raise
    assert derivation.shape == expected
    assert all(isinstance(size, int) for size in derivation.shape)
    assert_true(derivation)
    return derivation


def agree_spatially(
    function: Callable[..., Derivation],
    shape: Any,
    dims: int,
    options: Mapping[str, Any],
    observe: Callable[[], Any],
    **leniency: bool,
) -> None:
    """The same, and the formula in words comes to the same, too; and a refusal names the smallest size."""
    derivation = agree(lambda: function(shape, spatial_dims=dims, **options), observe, **leniency)
    if derivation is None:
        assert_minimum_passes(lambda sizes: function(sizes, spatial_dims=dims, **options), shape, dims)
        return
    for step in derivation.steps:
        if step.axis != "C" and not is_declared(step):
            assert evaluate(step.formula, numbers_for(step, derivation, shape, dims, options)) == step.size


def assert_minimum_passes(derive: Callable[[Any], Derivation], shape: Any, dims: int) -> None:
    """With each too small axis brought to the minimum named, it goes through; one less is refused."""
    axes = {1: "L", 2: "HW", 3: "DHW"}[dims]
    sizes, mended = list(shape), set()
    for _ in range(2 * dims + 1):
        try:
            derive(tuple(sizes))
            break
        except SizeError as error:
            if error.minimum is None or error.axis not in axes:
                return
            index = len(sizes) - dims + axes.index(error.axis)
            if not error.size == sizes[index] < error.minimum:
                raise AssertionError(f"{error.minimum} is not larger than {error.size}") from error
            sizes[index] = error.minimum
            mended.add(index)
    else:
        raise AssertionError("the smallest size named does not pass")
    for index in mended:
        with pytest.raises(SizeError):
            derive((*sizes[:index], sizes[index] - 1, *sizes[index + 1 :]))


# ---------------------------------------------------------------------------------------------------
# Layers with windows
# ---------------------------------------------------------------------------------------------------


def one_or_each(values: st.SearchStrategy[Any], dims: int) -> st.SearchStrategy[Any]:
    """A number for all axes, or a tuple with one for each."""
    return st.one_of(values, st.tuples(*[values] * dims))


@st.composite
def images(draw: st.DrawFn, dims: int, channels: int = 2, smallest: int = 0, largest: int = 9) -> tuple[int, ...]:
    """A shape with spatial axes, batched (the batch may be empty) or not."""
    sizes = st.sampled_from([*range(1, largest + 1), *range(1, largest + 1), smallest])
    spatial = draw(st.one_of(st.tuples(*[sizes] * dims), sizes.map(lambda size: (size,) * dims)))
    batch = draw(st.sampled_from([(), (1,), (2,), (2,), (0,)]))
    return (*batch, channels, *spatial)


ranks = st.sampled_from([1, 2, 2, 3])
kernels = st.integers(1, 4)
strides = st.sampled_from([1, 1, 2, 2, 3, 4, 0, -1])
dilations = st.sampled_from([1, 1, 1, 2, 3, 0])


@thorough
@given(st.data())
def test_convolution(data: st.DataObject) -> None:
    dims = data.draw(ranks)
    shape = data.draw(images(dims))
    options = {
        "out_channels": data.draw(st.integers(1, 3)),
        "kernel_size": data.draw(one_or_each(kernels, dims)),
        "stride": data.draw(one_or_each(strides, dims)),
        "padding": data.draw(
            st.one_of(one_or_each(st.integers(0, 4), dims), st.sampled_from(["same", "valid", "other", -1]))
        ),
        "dilation": data.draw(one_or_each(dilations, dims)),
        "padding_mode": data.draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"])),
    }
    in_channels = data.draw(st.sampled_from([2, 2, 2, 2, 2, 3]))
    agree_spatially(
        lambda *arguments, **named: arithmetic.convolution(*arguments, in_channels=in_channels, **named),
        shape,
        dims,
        options,
        lambda: CONVOLUTIONS[dims](in_channels, **options)(torch.zeros(shape)),
        may_refuse_empty=True,  # with an empty batch PyTorch skips its checks
    )


@thorough
@given(st.data())
def test_convolution_with_padding_same(data: st.DataObject) -> None:
    dims = data.draw(ranks)
    shape = data.draw(images(dims, smallest=1))
    options = {
        "out_channels": 3,
        "kernel_size": data.draw(one_or_each(kernels, dims)),
        "padding": "same",
        "dilation": data.draw(one_or_each(st.integers(1, 3), dims)),
        "padding_mode": data.draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
    }
    observe = lambda: CONVOLUTIONS[dims](2, **options)(torch.zeros(shape))  # noqa: E731
    agree_spatially(arithmetic.convolution, shape, dims, {**options, "stride": 1}, observe)


@thorough
@given(st.data())
def test_max_pool(data: st.DataObject) -> None:
    dims = data.draw(ranks)
    shape = data.draw(images(dims))
    options = {
        "kernel_size": data.draw(one_or_each(kernels, dims)),
        "stride": data.draw(st.one_of(st.none(), one_or_each(strides, dims))),
        "padding": data.draw(one_or_each(st.sampled_from([0, 0, 1, 2, -1]), dims)),
        "dilation": data.draw(one_or_each(dilations, dims)),
        "ceil_mode": data.draw(st.booleans()),
    }
    observe = lambda: MAX_POOLS[dims](**options)(torch.zeros(shape))  # noqa: E731
    agree_spatially(arithmetic.max_pool, shape, dims, options, observe)


@thorough
@given(st.data())
def test_avg_pool(data: st.DataObject) -> None:
    dims = data.draw(ranks)
    shape = data.draw(images(dims))
    options = {
        "kernel_size": data.draw(one_or_each(kernels, dims)),
        "stride": data.draw(st.one_of(st.none(), one_or_each(strides, dims))),
        "padding": data.draw(one_or_each(st.sampled_from([0, 0, 1, 2, -1]), dims)),
        "ceil_mode": data.draw(st.booleans()),
    }
    observe = lambda: AVG_POOLS[dims](**options)(torch.zeros(shape))  # noqa: E731
    agree_spatially(arithmetic.avg_pool, shape, dims, options, observe)


@thorough
@given(st.data())
def test_lp_pool(data: st.DataObject) -> None:
    dims = data.draw(ranks)
    shape = data.draw(images(dims))
    options = {  # LPPool1d takes no tuple
        "kernel_size": data.draw(kernels if dims == 1 else one_or_each(kernels, dims)),
        "stride": data.draw(st.one_of(st.none(), one_or_each(strides, dims))),
        "ceil_mode": data.draw(st.booleans()),
    }
    observe = lambda: LP_POOLS[dims](2, **options)(torch.zeros(shape))  # noqa: E731
    agree_spatially(arithmetic.lp_pool, shape, dims, options, observe)


@thorough
@given(st.data())
def test_conv_transpose(data: st.DataObject) -> None:
    dims = data.draw(ranks)
    shape = data.draw(images(dims, largest=5))
    options = {
        "out_channels": data.draw(st.integers(1, 3)),
        "kernel_size": data.draw(one_or_each(kernels, dims)),
        "stride": data.draw(one_or_each(strides, dims)),
        "padding": data.draw(one_or_each(st.sampled_from([0, 0, 1, 2, -1]), dims)),
        "output_padding": data.draw(one_or_each(st.sampled_from([0, 0, 0, 1, 2, -1]), dims)),
        "dilation": data.draw(one_or_each(st.integers(1, 3), dims)),
    }
    in_channels = data.draw(st.sampled_from([2, 2, 2, 2, 2, 3]))
    agree_spatially(
        lambda *arguments, **named: arithmetic.conv_transpose(*arguments, in_channels=in_channels, **named),
        shape,
        dims,
        options,
        lambda: TRANSPOSED[dims](in_channels, **options)(torch.zeros(shape)),
        # Whether an empty result passes, or a dilation of 0, depends on the library that PyTorch chooses.
        may_refuse_empty=True,
    )


@thorough
@given(st.data())
def test_conv_transpose_output_size(data: st.DataObject) -> None:
    dims = data.draw(ranks)
    shape = data.draw(images(dims, smallest=1, largest=4))
    options: dict[str, Any] = {
        "kernel_size": data.draw(kernels),
        "stride": data.draw(st.integers(1, 3)),
        "padding": data.draw(st.integers(0, 1)),
        "dilation": data.draw(st.integers(1, 2)),
    }
    least = (shape[-1] - 1) * options["stride"] + options["dilation"] * (options["kernel_size"] - 1) + 1
    wanted = data.draw(st.lists(st.integers(least - 3, least + 3), min_size=dims, max_size=dims))
    front = data.draw(st.sampled_from([[], [], [1, 3], [3]]))
    derivation = agree(
        lambda: arithmetic.conv_transpose(
            shape, spatial_dims=dims, out_channels=3, output_size=[*front, *wanted], **options
        ),
        lambda: TRANSPOSED[dims](2, 3, **options)(torch.zeros(shape), output_size=[*front, *wanted]),
        may_refuse_empty=True,
    )
    assert derivation is None or derivation.shape[-dims:] == tuple(wanted)


@thorough
@given(st.data())
def test_max_unpool(data: st.DataObject) -> None:
    dims = data.draw(ranks)
    shape = data.draw(images(dims, smallest=1, largest=4))
    options = {
        "kernel_size": data.draw(one_or_each(kernels, dims)),
        "stride": data.draw(st.one_of(st.none(), one_or_each(st.integers(1, 3), dims))),
        "padding": data.draw(one_or_each(st.integers(0, 1), dims)),
    }
    output_size = None
    if data.draw(st.booleans()):
        sizes = st.lists(st.integers(1, 9), min_size=dims, max_size=dims)
        output_size = data.draw(st.sampled_from([[], [], [2, 2], [2]])) + data.draw(sizes)
    observe = lambda: UNPOOLS[dims](**options)(  # noqa: E731
        torch.zeros(shape), torch.zeros(shape, dtype=torch.long), output_size=output_size
    )
    agree_spatially(arithmetic.max_unpool, shape, dims, {**options, "output_size": output_size}, observe)


@thorough
@given(st.data())
def test_fractional_max_pool(data: st.DataObject) -> None:
    dims = data.draw(st.sampled_from([2, 3]))
    shape = data.draw(images(dims))
    options: dict[str, Any] = {"kernel_size": data.draw(one_or_each(kernels, dims))}
    if data.draw(st.booleans()):
        options["output_size"] = data.draw(one_or_each(st.integers(0, 9), dims))
    else:
        options["output_ratio"] = data.draw(one_or_each(st.floats(0.01, 0.99), dims))
    observe = lambda: FRACTIONAL[dims](**options)(torch.zeros(shape))  # noqa: E731
    agree_spatially(arithmetic.fractional_max_pool, shape, dims, options, observe)


@thorough
@given(st.data())
def test_adaptive_pool(data: st.DataObject) -> None:
    kind, dims = data.draw(st.sampled_from(sorted(ADAPTIVE)))
    shape = data.draw(images(dims, channels=data.draw(st.sampled_from([2, 2, 2, 0]))))
    one = st.sampled_from([1, 1, 2, 3, 7, 0, -1, None])
    output_size = data.draw(st.one_of(one_or_each(one, dims), st.tuples(one)))
    agree(
        lambda: arithmetic.adaptive_pool(shape, spatial_dims=dims, output_size=output_size, kind=kind),
        lambda: ADAPTIVE[kind, dims](output_size)(torch.zeros(shape)),
    )


@thorough
@given(st.data())
def test_unfold(data: st.DataObject) -> None:
    shape = data.draw(images(2))
    options = {
        "kernel_size": data.draw(one_or_each(kernels, 2)),
        "stride": data.draw(one_or_each(strides, 2)),
        "padding": data.draw(one_or_each(st.sampled_from([0, 0, 1, 2, -1]), 2)),
        "dilation": data.draw(one_or_each(dilations, 2)),
    }
    agree(lambda: arithmetic.unfold(shape, **options), lambda: nn.Unfold(**options)(torch.zeros(shape)))


@thorough
@given(st.data())
def test_fold(data: st.DataObject) -> None:
    size = data.draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    options: dict[str, Any] = {
        "kernel_size": data.draw(one_or_each(st.integers(1, 3), 2)),
        "stride": data.draw(one_or_each(st.sampled_from([1, 1, 2, 3]), 2)),
        "padding": data.draw(one_or_each(st.integers(0, 1), 2)),
        "dilation": data.draw(one_or_each(st.sampled_from([1, 1, 2]), 2)),
    }
    batch = data.draw(st.sampled_from([(), (1,), (2,), (0,)]))
    try:  # mostly what unfold made, so that it can be folded
        shape = arithmetic.unfold((*batch, 2, *size), **options).shape
    except SizeError:
        shape = (*batch, 4, 4)
    change = data.draw(st.sampled_from([(0, 0), (0, 0), (1, 0), (0, 1), (0, -1)]))
    shape = (*shape[:-2], shape[-2] + change[0], shape[-1] + change[1])
    agree(
        lambda: arithmetic.fold(shape, output_size=size, **options),
        lambda: nn.Fold(size, **options)(torch.zeros(shape)),
    )


@thorough
@given(
    st.lists(st.integers(0, 6), max_size=4).map(tuple),
    st.integers(-5, 4),
    st.integers(-1, 5),
    st.integers(-1, 4),
)
def test_unfold_dimension(shape: tuple[int, ...], dimension: int, size: int, step: int) -> None:
    agree(
        lambda: arithmetic.unfold_dimension(shape, dimension=dimension, size=size, step=step),
        lambda: torch.zeros(shape).unfold(dimension, size, step),
    )


# ---------------------------------------------------------------------------------------------------
# Padding and resampling
# ---------------------------------------------------------------------------------------------------


def cuts_all(shape: tuple[int, ...], padding: tuple[int, ...]) -> bool:
    """Whether more is cut off somewhere than there is."""
    pairs = zip(padding[::2], padding[1::2], strict=False)
    return any(size + min(one, 0) + min(other, 0) < 0 for size, (one, other) in zip(shape[::-1], pairs, strict=False))


@thorough
@given(st.data())
def test_pad_layers(data: st.DataObject) -> None:
    mode, dims = data.draw(st.sampled_from(sorted(PADS)))
    shape = data.draw(images(dims, largest=6))
    amount = data.draw(one_or_each(st.sampled_from([0, 1, 1, 2, 3, 6, -1, -2]), 2 * dims))
    arguments = (amount, 0.0) if mode == "constant" else (amount,)
    padding = amount if isinstance(amount, tuple) else (amount,) * 2 * dims
    # There PyTorch's slices count from the other end, and sometimes come out even.
    assume(mode != "circular" or not cuts_all(shape, padding))
    agree(
        lambda: arithmetic.pad(shape, padding=padding, mode=mode),
        lambda: PADS[mode, dims](*arguments)(torch.zeros(shape)),
    )


@thorough
@given(
    st.lists(st.sampled_from([1, 2, 3, 4, 5, 6, 0]), max_size=5).map(tuple),
    st.lists(st.sampled_from([0, 0, 1, 2, 4, -1, -3, -5]), max_size=7).map(tuple),
    st.sampled_from(["constant", "constant", "reflect", "replicate", "circular"]),
)
def test_pad(shape: tuple[int, ...], padding: tuple[int, ...], mode: str) -> None:
    assume(mode != "circular" or not cuts_all(shape, padding))
    agree(
        lambda: arithmetic.pad(shape, padding=padding, mode=mode),
        lambda: functional.pad(torch.zeros(shape), padding, mode=mode),
    )


@thorough
@given(st.data())
def test_interpolate(data: st.DataObject) -> None:
    rank = data.draw(st.integers(2, 6))
    options: dict[str, Any] = {"mode": data.draw(st.sampled_from(["nearest", "nearest-exact", "area", "linear"]))}
    sizes = st.sampled_from([1, 2, 3, 5, 8, 0])
    shape = tuple(data.draw(st.lists(sizes, min_size=rank, max_size=rank)))
    if options["mode"] == "linear":
        options["mode"] = {4: "bilinear", 5: "trilinear"}.get(rank, "linear")
    how = data.draw(st.sampled_from(["size", "size", "scale_factor", "scale_factor", "both", "neither"]))
    dims = max(rank - 2, 1)
    if how in ("size", "both"):
        options["size"] = data.draw(st.one_of(one_or_each(st.integers(0, 9), dims), st.just((3,))))
    if how in ("scale_factor", "both"):
        factors = st.one_of(st.sampled_from([1, 2, 2.0, 0.5, 1.5, 2.5, 0.1, 1 / 3, 0.29, -1.0]), st.floats(0.05, 3))
        options["scale_factor"] = data.draw(one_or_each(factors, dims))
    options["recompute_scale_factor"] = data.draw(st.sampled_from([None, None, False, True]))
    agree(
        lambda: arithmetic.interpolate(shape, **options),
        lambda: functional.interpolate(torch.zeros(shape), **options),
    )


@brief
@given(st.integers(1, 20000), st.floats(0.001, 2))
def test_interpolate_rounds_as_the_layer_does(length: int, scale: float) -> None:
    agree(
        lambda: arithmetic.interpolate((1, 1, length), scale_factor=scale),
        lambda: nn.Upsample(scale_factor=scale)(torch.zeros(1, 1, length)),
    )


@thorough
@given(
    st.lists(st.sampled_from([1, 2, 3, 4, 8, 9, 12, 0]), min_size=2, max_size=5).map(tuple),
    st.sampled_from([1, 2, 2, 3, 0, -1]),
    st.booleans(),
)
def test_pixel_shuffle(shape: tuple[int, ...], scale: int, down: bool) -> None:
    if down:
        agree(
            lambda: arithmetic.pixel_unshuffle(shape, downscale_factor=scale),
            lambda: nn.PixelUnshuffle(scale)(torch.zeros(shape)),
        )
    else:
        agree(
            lambda: arithmetic.pixel_shuffle(shape, upscale_factor=scale),
            lambda: nn.PixelShuffle(scale)(torch.zeros(shape)),
        )


# ---------------------------------------------------------------------------------------------------
# Reshaping, dividing, combining
# ---------------------------------------------------------------------------------------------------

small_shapes = st.lists(st.sampled_from([1, 2, 2, 3, 4, 5, 0]), max_size=5).map(tuple)


@thorough
@given(small_shapes, st.integers(-6, 5), st.integers(-6, 5))
def test_flatten(shape: tuple[int, ...], start_dim: int, end_dim: int) -> None:
    agree(
        lambda: arithmetic.flatten(shape, start_dim=start_dim, end_dim=end_dim),
        lambda: torch.flatten(torch.zeros(shape), start_dim, end_dim),
    )


@st.composite
def reshapings(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape, and another that mostly holds as many elements, by merging, splitting, shuffling."""
    primes = draw(st.lists(st.sampled_from([1, 1, 2, 2, 2, 3, 5]), max_size=6))

    def grouped() -> tuple[int, ...]:
        sizes: list[int] = []
        for prime in primes:
            if bool(sizes) and draw(st.booleans()):
                sizes[-1] *= prime
            else:
                sizes.append(prime)
        return tuple(sizes)

    before, after = grouped(), list(grouped())
    kind = draw(st.sampled_from(["exact", "exact", "open", "open", "open", "wrong", "empty"]))
    if kind == "open" and after:
        after[draw(st.integers(0, len(after) - 1))] = -1
    if kind == "wrong":
        after = draw(st.lists(st.sampled_from([-1, -2, 0, 1, 2, 3, 4]), max_size=4))
    if kind == "empty":
        before = (*before, 0)
        after = [*after, draw(st.sampled_from([0, -1]))]
    return before, tuple(after)


@thorough
@given(reshapings())
def test_reshape(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    before, after = shapes
    agree(lambda: arithmetic.reshape(before, shape=after), lambda: torch.zeros(before).reshape(after))
    agree(lambda: arithmetic.reshape(before, shape=after), lambda: torch.zeros(before).view(after))


@thorough
@given(reshapings(), small_shapes, small_shapes, st.integers(-3, 3))
def test_unflatten(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], front: tuple[int, ...], back: tuple[int, ...], slip: int
) -> None:
    before, sizes = shapes
    shape = (*front[:2], math.prod(before), *back[:2])
    dim = len(front[:2]) if abs(slip) < 3 else slip
    agree(
        lambda: arithmetic.unflatten(shape, dim=dim, sizes=sizes),
        lambda: torch.zeros(shape).unflatten(dim, sizes),
    )


@thorough
@given(st.data(), small_shapes)
def test_permute_and_transpose(data: st.DataObject, shape: tuple[int, ...]) -> None:
    dims = data.draw(st.one_of(st.permutations(range(len(shape))), st.lists(st.integers(-4, 4), max_size=5)))
    agree(lambda: arithmetic.permute(shape, dims=dims), lambda: torch.zeros(shape).permute(dims))
    first, second = data.draw(st.integers(-6, 5)), data.draw(st.integers(-6, 5))
    agree(
        lambda: arithmetic.transpose(shape, dim0=first, dim1=second),
        lambda: torch.zeros(shape).transpose(first, second),
    )


@thorough
@given(small_shapes, st.one_of(st.none(), st.integers(-6, 5), st.lists(st.integers(-5, 4), max_size=4).map(tuple)))
def test_squeeze_and_unsqueeze(shape: tuple[int, ...], dim: Any) -> None:
    agree(
        lambda: arithmetic.squeeze(shape, dim=dim),
        lambda: torch.zeros(shape).squeeze() if dim is None else torch.zeros(shape).squeeze(dim),
    )
    if isinstance(dim, int):
        agree(lambda: arithmetic.unsqueeze(shape, dim=dim), lambda: torch.zeros(shape).unsqueeze(dim))


@thorough
@given(small_shapes, st.integers(-1, 6), st.integers(-4, 4), st.integers(0, 5))
def test_chunk(shape: tuple[int, ...], chunks: int, dim: int, index: int) -> None:
    agree(
        lambda: arithmetic.chunk(shape, chunks=chunks, dim=dim, index=index),
        lambda: torch.zeros(shape).chunk(chunks, dim)[index],
    )


@thorough
@given(
    small_shapes,
    st.one_of(st.integers(-1, 6), st.lists(st.integers(-1, 3), max_size=4)),
    st.integers(-4, 4),
    st.integers(0, 4),
)
def test_split(shape: tuple[int, ...], parts: Any, dim: int, index: int) -> None:
    agree(
        lambda: arithmetic.split(shape, split_size_or_sections=parts, dim=dim, index=index),
        lambda: torch.zeros(shape).split(parts, dim)[index],
    )


@thorough
@given(st.data(), small_shapes, st.integers(-6, 5))
def test_cat_and_stack(data: st.DataObject, shape: tuple[int, ...], dim: int) -> None:
    others = [shape]
    for _ in range(data.draw(st.integers(0, 3))):
        other = list(shape)
        if bool(other) and data.draw(st.booleans()):
            other[data.draw(st.integers(0, len(other) - 1))] = data.draw(st.integers(0, 5))
        if data.draw(st.integers(0, 9)) == 0:
            other = data.draw(st.sampled_from([[0], [1], [], [2, 2]]))
        others.append(tuple(other))
    tensors = [torch.zeros(other) for other in others]
    agree(lambda: arithmetic.cat(others, dim=dim), lambda: torch.cat(tensors, dim=dim))
    agree(lambda: arithmetic.stack(others, dim=dim), lambda: torch.stack(tensors, dim=dim))


@pytest.mark.parametrize("function", [arithmetic.cat, arithmetic.stack])
def test_nothing_cannot_be_joined(function: Callable[..., Derivation]) -> None:
    with pytest.raises(SizeError):
        function([])


@thorough
@given(st.lists(st.lists(st.sampled_from([1, 1, 2, 2, 3, 0]), max_size=4).map(tuple), min_size=1, max_size=3))
def test_broadcast(shapes: list[tuple[int, ...]]) -> None:
    agree(
        lambda: arithmetic.broadcast(*shapes),
        lambda: torch.broadcast_tensors(*[torch.zeros(shape) for shape in shapes])[0],
    )


@thorough
@given(small_shapes, small_shapes, st.booleans())
def test_matmul(one: tuple[int, ...], other: tuple[int, ...], mend: bool) -> None:
    if mend and one and other:
        other = (*other[:-2], one[-1], other[-1]) if len(other) > 1 else (one[-1],)
    agree(lambda: arithmetic.matmul(one, other), lambda: torch.zeros(one) @ torch.zeros(other))


@thorough
@given(small_shapes, st.lists(st.sampled_from([-1, -1, 1, 2, 3, 4, 0, -2]), max_size=5).map(tuple), st.booleans())
def test_expand(shape: tuple[int, ...], sizes: tuple[int, ...], mend: bool) -> None:
    if mend:
        sizes = (*sizes[:1], *(size if size != 1 else 6 for size in shape))
    agree(lambda: arithmetic.expand(shape, sizes=sizes), lambda: torch.zeros(shape).expand(sizes))


@thorough
@given(small_shapes, st.lists(st.sampled_from([1, 1, 2, 3, 0, -1]), max_size=6).map(tuple))
def test_repeat(shape: tuple[int, ...], repeats: tuple[int, ...]) -> None:
    agree(lambda: arithmetic.repeat(shape, repeats=repeats), lambda: torch.zeros(shape).repeat(repeats))


@thorough
@given(
    st.lists(st.integers(1, 4), max_size=4).map(tuple),
    st.one_of(st.none(), st.integers(-5, 4), st.lists(st.integers(-4, 3), max_size=4).map(tuple)),
    st.booleans(),
    st.sampled_from([torch.mean, torch.sum, torch.amax, torch.amin]),
)
def test_reduce(shape: tuple[int, ...], dim: Any, keepdim: bool, function: Any) -> None:
    agree(
        lambda: arithmetic.reduce(shape, dim=dim, keepdim=keepdim),
        lambda: function(torch.zeros(shape), dim=dim, keepdim=keepdim),
    )


# ---------------------------------------------------------------------------------------------------
# Features
# ---------------------------------------------------------------------------------------------------


@thorough
@given(small_shapes, st.sampled_from([1, 2, 3]), st.integers(1, 4))
def test_linear(shape: tuple[int, ...], in_features: int, out_features: int) -> None:
    agree(
        lambda: arithmetic.linear(shape, in_features=in_features, out_features=out_features),
        lambda: nn.Linear(in_features, out_features)(torch.zeros(shape)),
    )


@thorough
@given(small_shapes, small_shapes, st.booleans(), st.integers(1, 2), st.integers(1, 2))
def test_bilinear(one: tuple[int, ...], other: tuple[int, ...], alike: bool, first: int, second: int) -> None:
    if alike:
        other = (*one[:-1], second)
    agree(
        lambda: arithmetic.bilinear(one, other, in1_features=first, in2_features=second, out_features=3),
        lambda: nn.Bilinear(first, second, 3)(torch.zeros(one), torch.zeros(other)),
    )


@thorough
@given(small_shapes, st.integers(1, 4))
def test_embedding(shape: tuple[int, ...], width: int) -> None:
    agree(
        lambda: arithmetic.embedding(shape, embedding_dim=width),
        lambda: nn.Embedding(2, width)(torch.zeros(shape, dtype=torch.long)),
    )


@thorough
@given(
    st.lists(st.integers(0, 4), max_size=3).map(tuple),
    st.one_of(st.none(), st.integers(0, 3)),
    st.booleans(),
)
def test_embedding_bag(shape: tuple[int, ...], offsets: int | None, include_last_offset: bool) -> None:
    marks = None if offsets is None else torch.zeros(offsets, dtype=torch.long)
    if marks is not None and len(marks) > 1 and include_last_offset and shape:
        marks[-1] = shape[0]
    agree(
        lambda: arithmetic.embedding_bag(
            shape, embedding_dim=3, offsets=offsets, include_last_offset=include_last_offset
        ),
        lambda: nn.EmbeddingBag(2, 3, include_last_offset=include_last_offset)(
            torch.zeros(shape, dtype=torch.long), marks
        ),
    )


@thorough
@given(
    st.lists(st.sampled_from([1, 2, 3, 3, 0]), min_size=1, max_size=4).map(tuple),
    st.sampled_from(["RNN", "LSTM", "GRU"]),
    st.integers(1, 2),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 0, 1, 2, 5, 6]),
    st.integers(1, 4),
)
def test_rnn(
    shape: tuple[int, ...],
    kind: str,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
    proj_size: int,
    input_size: int,
) -> None:
    options: dict[str, Any] = {"bidirectional": bidirectional, "batch_first": batch_first, "hidden_size": 5}
    options["input_size"] = input_size if input_size < 4 else shape[-1]
    if kind == "LSTM" or proj_size > 4:
        options["proj_size"] = proj_size
    if options["input_size"] == 0:
        return
    x = torch.zeros(shape)
    layer: Any = None

    def observe_output() -> Any:
        nonlocal layer
        layer = RECURRENT[kind](num_layers=num_layers, **options)
        return layer(x)[0]

    agree(lambda: arithmetic.rnn(shape, kind=kind, **options), observe_output)
    for index, state in enumerate("hc" if kind == "LSTM" else "h"):
        observe = lambda index=index: layer(x)[1][index] if kind == "LSTM" else layer(x)[1]  # noqa: E731
        agree(
            partial(arithmetic.rnn_state, shape, kind=kind, num_layers=num_layers, state=state, **options),
            observe,
        )


@thorough
@given(
    st.lists(st.sampled_from([1, 2, 3, 0]), min_size=1, max_size=3).map(tuple),
    st.sampled_from([nn.RNNCell, nn.GRUCell, nn.LSTMCell]),
    st.integers(1, 3),
)
def test_rnn_cell(shape: tuple[int, ...], cell: Any, input_size: int) -> None:
    def observe() -> Any:
        result = cell(input_size, 4)(torch.zeros(shape))
        return result[0] if isinstance(result, tuple) else result

    agree(lambda: arithmetic.rnn_cell(shape, hidden_size=4, input_size=input_size, kind=cell.__name__), observe)


# ---------------------------------------------------------------------------------------------------
# Sizes in letters
# ---------------------------------------------------------------------------------------------------

H, W = sympy.symbols("H W", integer=True, positive=True)


def assert_generalizes(
    derive: Callable[[Any, Any], Derivation], samples: list[tuple[int, int]], *, refused: bool = True
) -> Derivation:
    """What comes out for letters is, with numbers put in, what comes out for those numbers."""
    closed = derive(H, W)
    for h, w in samples:
        try:
            expected = derive(h, w)
        except SizeError:
            assert refused
            continue
        put_in = {H: h, W: w}
        assert tuple(sympy.sympify(size).subs(put_in) for size in closed.shape) == expected.shape
        assert closed.source == expected.source
        for step in closed.steps:
            if not is_declared(step):
                numbers = {"H": h, "W": w}
                assert evaluate(step.arithmetic, numbers) == sympy.sympify(step.size).subs(put_in)
    return closed


@examples(30)
@given(st.data(), st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=4, max_size=4))
def test_windows_in_letters(data: st.DataObject, samples: list[tuple[int, int]]) -> None:
    kernel_size = data.draw(one_or_each(kernels, 2))
    stride = data.draw(one_or_each(st.integers(1, 4), 2))
    ceil_mode = data.draw(st.booleans())
    windows: dict[str, Any] = {"spatial_dims": 2, "kernel_size": kernel_size, "stride": stride}
    padded = {
        **windows,
        "padding": data.draw(one_or_each(st.integers(0, 1), 2)),
        "dilation": data.draw(st.integers(1, 2)),
    }
    assert_generalizes(lambda h, w: arithmetic.convolution((1, 3, h, w), out_channels=8, **padded), samples)
    assert_generalizes(lambda h, w: arithmetic.conv_transpose((1, 3, h, w), out_channels=8, **padded), samples)
    assert_generalizes(lambda h, w: arithmetic.lp_pool((1, 3, h, w), ceil_mode=ceil_mode, **windows), samples)
    assert_generalizes(lambda h, w: arithmetic.avg_pool((1, 3, h, w), ceil_mode=ceil_mode, **windows), samples)
    assert_generalizes(lambda h, w: arithmetic.max_unpool((1, 3, h, w), **windows), samples)
    assert_generalizes(
        lambda h, w: arithmetic.max_pool(
            arithmetic.convolution((1, 3, h, w), out_channels=8, **padded).shape, ceil_mode=ceil_mode, **windows
        ),
        samples,
    )


IN_LETTERS: list[Callable[[Any, Any], Derivation]] = [
    lambda h, w: arithmetic.interpolate((1, 3, h, w), scale_factor=2),
    lambda h, w: arithmetic.interpolate((1, 3, h, w), scale_factor=(0.5, 2.5)),
    lambda h, w: arithmetic.interpolate((1, 3, h, w), scale_factor=(0.29, 1 / 3)),
    lambda h, w: arithmetic.fractional_max_pool((1, 3, h, w), spatial_dims=2, kernel_size=1, output_ratio=0.7),
    lambda h, w: arithmetic.interpolate((1, 3, 2 * h + 1, w), size=(h, w)),
    lambda h, w: arithmetic.adaptive_pool((1, 3, h, w), spatial_dims=2, output_size=(None, 3)),
    lambda h, w: arithmetic.pad((1, 3, h, w), padding=(1, 2, -1, 0)),
    lambda h, w: arithmetic.pad((1, 3, h, w), padding=(1, 1, 2, 1), mode="reflect"),
    lambda h, w: arithmetic.pixel_shuffle((1, 12, h, w), upscale_factor=2),
    lambda h, w: arithmetic.pixel_unshuffle((1, 12, 4 * h, 2 * w), downscale_factor=2),
    lambda h, w: arithmetic.unfold((1, 3, h, w), kernel_size=2, stride=2),
    lambda h, w: arithmetic.flatten((1, 32, h // 2, (w + 1) // 2), start_dim=1),
    lambda h, w: arithmetic.unflatten((1, 32 * h), dim=1, sizes=(4, -1)),
    lambda h, w: arithmetic.reshape((2, 32, h // 2, w), shape=(2, -1)),
    lambda h, w: arithmetic.reshape((2, 32, h // 2, w), shape=(-1, 32 * (h // 2) * w)),
    lambda h, w: arithmetic.reshape((2, 32, h, w), shape=(2, 4, -1, h, w)),
    lambda h, w: arithmetic.reshape((h, w, 12), shape=(h * w, 3, -1)),
    lambda h, w: arithmetic.reshape((h, 12), shape=(-1, 2 * h)),
    lambda h, w: arithmetic.cat([(1, h, w), (1, 3, w), (1, w, w)], dim=1),
    lambda h, w: arithmetic.stack([(h, w), (h, w)]),
    lambda h, w: arithmetic.broadcast((h, 1), (w,)),
    lambda h, w: arithmetic.matmul((2, h, 64), (64, w)),
    lambda h, w: arithmetic.chunk((h, 4), chunks=2),
    lambda h, w: arithmetic.chunk((2 * h, 4), chunks=2, index=1),
    lambda h, w: arithmetic.chunk((h, 4), chunks=2, index=1),
    lambda h, w: arithmetic.split((h, 4), split_size_or_sections=2),
    lambda h, w: arithmetic.split((h, 4), split_size_or_sections=2, index=1),
    lambda h, w: arithmetic.split((h + w, 4), split_size_or_sections=[h, w], index=1),
    lambda h, w: arithmetic.repeat((h, 4), repeats=(2, 3, w)),
    lambda h, w: arithmetic.expand((1, h), sizes=(w, -1)),
    lambda h, w: arithmetic.reduce((1, 3, h, w), dim=(2, 3)),
    lambda h, w: arithmetic.permute((h, w, 3), dims=(2, 0, 1)),
    lambda h, w: arithmetic.squeeze((1, h, 1, w)),
    lambda h, w: arithmetic.linear((h, w, 8), in_features=8, out_features=5),
    lambda h, w: arithmetic.rnn((h, w, 8), hidden_size=8, bidirectional=True),
    lambda h, w: arithmetic.rnn_state((h, w, 8), hidden_size=8, batch_first=True),
    lambda h, w: arithmetic.embedding((h, w), embedding_dim=8),
    lambda h, w: arithmetic.unfold_dimension((h, w), dimension=1, size=2, step=2),
]


@pytest.mark.parametrize("derive", IN_LETTERS)
def test_the_rest_in_letters(derive: Callable[[Any, Any], Derivation]) -> None:
    assert_generalizes(derive, [(2, 3), (3, 2), (4, 4), (5, 12), (8, 7), (20, 31), (100, 59), (64, 200)])


def test_letters_stay_letters_that_a_person_would_write() -> None:
    first = arithmetic.convolution((1, 3, H, W), spatial_dims=2, out_channels=8, kernel_size=3, stride=2, padding=1)
    assert [step.axis for step in first.steps] == ["C", "H", "W"]
    assert first.steps[1].arithmetic == "⌊(H + 2·1 − 1·(3−1) − 1)/2⌋ + 1"
    halved = (H + 1) // 4
    assert arithmetic.spell(32 * halved * ((W + 1) // 4)) == "32·⌊(H + 1)/4⌋·⌊(W + 1)/4⌋"
    assert arithmetic.spell(H / 2) == "H/2"
    assert arithmetic.spell((H - 1) // 2 + 1) == "⌊(H − 1)/2⌋ + 1"
    assert arithmetic.spell(H**2 - W) == "H² − W"
    assert arithmetic.spell(-H) == "−H"
    assert arithmetic.spell(sympy.Min(H, 3 * W)) == "min(3·W, H)"
    assert arithmetic.spell(sympy.ceiling(H / 3)) == "⌈H/3⌉"
    second = arithmetic.flatten((1, 8, (H - 1) // 2 + 1, halved), start_dim=1)
    assert second.steps[0].arithmetic == "8·(⌊(H − 1)/2⌋ + 1)·⌊(H + 1)/4⌋"
    pooled = arithmetic.max_pool((1, 8, H, H), spatial_dims=2, kernel_size=3, stride=2, ceil_mode=True)
    assert pooled.steps[0][:3:2] == ("H, W", "⌈(H + 2·0 − 1·(3−1) − 1)/2⌉ + 1")


def test_what_letters_cannot_decide_is_not_refused() -> None:
    assert arithmetic.convolution((1, 3, H, 8), spatial_dims=2, out_channels=1, kernel_size=5).shape == (1, 1, H - 4, 4)
    assert arithmetic.broadcast((H, 1), (8, W)).shape == (8, W)
    assert arithmetic.unflatten((1, H), dim=1, sizes=(4, -1)).shape == (1, 4, H / 4)
    with pytest.raises(SizeError):
        arithmetic.matmul((2, H), (H + 1, 3))
    with pytest.raises(SizeError):
        arithmetic.pixel_shuffle((1, 6, H, W), upscale_factor=2)


def test_pytorch_own_closed_forms_are_spelled_alike() -> None:
    from torch.utils._sympy.functions import FloorDiv

    assert arithmetic.spell(32 * FloorDiv(H + 1, 4)) == "32·⌊(H + 1)/4⌋"


# ---------------------------------------------------------------------------------------------------
# What is printed
# ---------------------------------------------------------------------------------------------------


def test_a_layer_shows_every_term() -> None:
    derivation = arithmetic.convolution(
        (1, 3, 30, 32), spatial_dims=2, out_channels=16, kernel_size=(3, 5), padding=1, dilation=(1, 2)
    )
    assert derivation == Derivation(
        (1, 16, 30, 26),
        (
            Step("C", "out_channels", "out_channels", 16),
            Step(
                "H",
                "⌊(H + 2·padding − dilation·(kernel_size−1) − 1)/stride⌋ + 1",
                "⌊(30 + 2·1 − 1·(3−1) − 1)/1⌋ + 1",
                30,
                (30, 3, 1, 1, 1),
            ),
            Step(
                "W",
                "⌊(W + 2·padding − dilation·(kernel_size−1) − 1)/stride⌋ + 1",
                "⌊(32 + 2·1 − 2·(5−1) − 1)/1⌋ + 1",
                26,
                (32, 5, 1, 1, 2),
            ),
        ),
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html",
    )


def test_padding_same_shows_why_the_size_stays() -> None:
    (step,) = arithmetic.convolution((3, 10), spatial_dims=1, out_channels=3, kernel_size=4, padding="same").steps
    assert step.text == "⌊(10 + 1·(4−1) − 1·(4−1) − 1)/1⌋ + 1 = 10"


def test_padding_valid_is_none() -> None:
    (step,) = arithmetic.convolution((3, 10), spatial_dims=1, out_channels=3, kernel_size=4, padding="valid").steps
    assert step.text == "⌊(10 + 2·0 − 1·(4−1) − 1)/1⌋ + 1 = 7"


def test_a_last_window_must_start_inside() -> None:
    (step,) = arithmetic.max_pool((1, 1, 5), spatial_dims=1, kernel_size=2, stride=2, padding=1, ceil_mode=True).steps
    assert step.text == "min(⌈(5 + 2·1 − 1·(2−1) − 1)/2⌉ + 1, ⌈(5 + 1)/2⌉) = 3"


@pytest.mark.parametrize(
    ("before", "shape", "lines"),
    [
        ((1, 32, 8, 8), (1, -1), ["32·8·8 = 2048"]),
        ((4, 32, 8, 8), (-1, 2048), ["32·8·8 = 2048"]),
        ((4, 512, 1, 1), (4, 512), ["512·1·1 = 512"]),
        ((2, 4096), (-1, 2048), ["2·4096/2048 = 4"]),
        ((2, 512), (2, 8, -1), ["512/8 = 64"]),
        ((2, 10, 8, 64), (2, 10, 512), ["8·64 = 512"]),
        ((2, 3, 4), (-1,), ["2·3·4 = 24"]),
        ((2, 3, 4), (2, 3, 4), []),
        ((2, 2, 2), (2, 4), ["2·2 = 4"]),
        ((2, 12), (2, 3, 4), []),
        ((), (1,), []),
        ((), (-1,), []),
        ((1,), (), []),
    ],
)
def test_a_view_shows_what_was_merged(before: tuple[int, ...], shape: tuple[int, ...], lines: list[str]) -> None:
    assert [step.text for step in arithmetic.reshape(before, shape=shape).steps] == lines


@pytest.mark.parametrize(
    ("before", "shape", "axis"),
    [((2, 3, 4), (-1,), "dim 0"), ((2, 3, 4), (6, 4), "dim 0"), ((2, 3, 4, 5), (2, 12, 5), "dim 1"),
     ((2, 3, 4), (2, 12), "features")],
)  # fmt: skip
def test_only_what_is_merged_into_the_last_axis_of_several_is_called_features(
    before: tuple[int, ...], shape: tuple[int, ...], axis: str
) -> None:
    assert [step.axis for step in arithmetic.reshape(before, shape=shape).steps] == [axis]


def test_elements_that_do_not_come_out_even_are_counted() -> None:
    with pytest.raises(SizeError, match=r"^3·7 = 21, but there are 2·10 = 20 elements$"):
        arithmetic.reshape((2, 10), shape=(3, 7))
    with pytest.raises(SizeError, match=r"^3·7 = 21, but there are 20 elements$"):
        arithmetic.unflatten((2, 20), dim=1, sizes=(3, 7))
    with pytest.raises(SizeError, match=r"^1 = 1, but there are 2·3 = 6 elements$"):
        arithmetic.reshape((2, 3), shape=())
    with pytest.raises(SizeError, match=r"^2 = 2, but there are 1 elements$"):
        arithmetic.reshape((), shape=(2,))
    with pytest.raises(SizeError, match=r"^\(−2\)×3 has a negative size$"):
        arithmetic.reshape((2, 3), shape=(-2, 3))
    with pytest.raises(SizeError, match=r"^there are 2·10 = 20 elements, and 3 does not divide that$"):
        arithmetic.reshape((2, 10), shape=(3, -1))
    with pytest.raises(SizeError, match=r"^there are 2·0 = 0 elements, and −1 could be anything$"):
        arithmetic.reshape((2, 0), shape=(0, -1))


def test_what_the_other_tests_do_not_come_by() -> None:
    assert arithmetic.broadcast().shape == tuple(torch.broadcast_shapes())
    assert arithmetic.pad((2, 3, 4, 5, 6), padding=(1,) * 8).source.endswith("torch.nn.functional.pad.html")
    with pytest.raises((RuntimeError, IndexError)):  # the latter of torch 2.6
        torch.zeros(()).unflatten(0, (1,))
    with pytest.raises(SizeError):
        arithmetic.unflatten((), dim=0, sizes=(1,))
    with pytest.raises(RuntimeError):
        nn.Fold(5, 2)(torch.zeros(1, 0, 16))
    with pytest.raises(SizeError):
        arithmetic.fold((1, 0, 16), output_size=5, kernel_size=2)
    with pytest.raises(SizeError, match=r"^1×2×3×4×5 has 5 dimensions instead of 3 \(unbatched\) or 4$"):
        arithmetic.max_pool((1, 2, 3, 4, 5), spatial_dims=2, kernel_size=2)
    for divided in (arithmetic.chunk, arithmetic.split):
        how = {"chunks": 2} if divided is arithmetic.chunk else {"split_size_or_sections": 2}
        with pytest.raises(SizeError):
            divided((4,), index=-1, **how)


@pytest.mark.parametrize(
    ("refused", "observe"),
    [
        (lambda: arithmetic.expand((1, 4), sizes=(-2, 4)), lambda: torch.zeros(1, 4).expand(-2, 4)),
        (
            lambda: arithmetic.convolution((1, 2, 9), spatial_dims=1, out_channels=2, kernel_size=1, padding=-1),
            lambda: nn.Conv1d(2, 2, 1, padding=-1)(torch.zeros(1, 2, 9)),
        ),
        (
            lambda: arithmetic.adaptive_pool((1, 2, 7, 8), spatial_dims=2, output_size=(3,)),
            lambda: nn.AdaptiveMaxPool2d((3,))(torch.zeros(1, 2, 7, 8)),
        ),
        (
            lambda: arithmetic.fractional_max_pool((1, 2, 7, 8), spatial_dims=2, kernel_size=2, output_size=(-1, 3)),
            lambda: nn.FractionalMaxPool2d(2, output_size=(-1, 3))(torch.zeros(1, 2, 7, 8)),
        ),
    ],
)
def test_settings_that_nothing_suits(refused: Callable[[], Derivation], observe: Callable[[], Any]) -> None:
    with pytest.raises((RuntimeError, ValueError)):
        observe()
    with pytest.raises(SizeError):
        refused()


def test_a_state_has_the_batch_wherever_it_stands() -> None:
    for batch_first in (False, True):
        state = nn.LSTM(4, 2, batch_first=batch_first)(torch.zeros(5, 3, 4))[1][0]
        assert arithmetic.rnn_state((5, 3, 4), hidden_size=2, batch_first=batch_first).shape == state.shape
    with pytest.raises(SizeError, match=r"^dim 1 is 4, which cannot become 5: only a 1 stretches$"):
        arithmetic.expand((3, 4), sizes=(2, 3, 5))


def test_a_factor_may_be_computed_again() -> None:
    options: dict[str, Any] = {"scale_factor": 2.5, "recompute_scale_factor": True}
    expected = functional.interpolate(torch.zeros(1, 2, 3), **options).shape
    assert arithmetic.interpolate((1, 2, 3), **options).shape == expected


@pytest.mark.parametrize("kernel_size", [(3,), [2]])
def test_a_single_value_in_a_tuple_is_for_all_axes_where_pytorch_says_so(kernel_size: Any) -> None:
    x = torch.zeros(1, 2, 7, 8)
    expected = nn.MaxPool2d(kernel_size)(x).shape
    assert arithmetic.max_pool(tuple(x.shape), spatial_dims=2, kernel_size=kernel_size).shape == expected


def _said_range(derive: Callable[[], Derivation]) -> range:
    """The numbers that the error says there may be."""
    with pytest.raises(SizeError) as caught:
        derive()
    found = re.search(r"be (\d+) to (\d+)$", str(caught.value))
    assert found is not None
    return range(int(found[1]), int(found[2]) + 1)


def test_the_range_that_an_error_names_is_what_pytorch_takes() -> None:
    def takes(run: Callable[[], Any]) -> bool:
        try:
            run()
        except (RuntimeError, ValueError):
            return False
        return True

    unpool, x, where = nn.MaxUnpool1d(3, 2), torch.zeros(1, 2, 4), torch.zeros(1, 2, 4, dtype=torch.long)
    sizes = _said_range(
        lambda: arithmetic.max_unpool((1, 2, 4), spatial_dims=1, kernel_size=3, stride=2, output_size=(90,))
    )
    assert [size for size in range(1, 20) if takes(lambda: unpool(x, where, output_size=[size]))] == list(sizes)  # noqa: B023
    options: dict[str, Any] = {"kernel_size": 3, "stride": 3}
    sizes = _said_range(
        lambda: arithmetic.conv_transpose((1, 2, 4), spatial_dims=1, out_channels=2, output_size=(90,), **options)
    )
    transposed = nn.ConvTranspose1d(2, 2, **options)
    assert [size for size in range(1, 30) if takes(lambda: transposed(x, output_size=[size]))] == list(sizes)  # noqa: B023
    for stride, dilation in [(3, 1), (1, 2), (2, 2)]:
        options = {"kernel_size": 3, "stride": stride, "dilation": dilation}
        extras = _said_range(
            lambda: arithmetic.conv_transpose((1, 2, 4), spatial_dims=1, out_channels=2, output_padding=9, **options)  # noqa: B023
        )
        assert [
            extra
            for extra in range(9)
            if takes(lambda: nn.ConvTranspose1d(2, 2, output_padding=extra, **options)(x))  # noqa: B023
        ] == list(extras)


def test_parts_in_letters_say_no_more_than_they_must() -> None:
    (whole,) = arithmetic.chunk((H, 4), chunks=2).steps
    assert (whole.formula, whole.arithmetic) == ("⌈dim 0/chunks⌉", "⌈H/2⌉")
    (first,) = arithmetic.split((H, 4), split_size_or_sections=2).steps
    assert first.arithmetic == "min(2, H)"
    (second,) = arithmetic.split((H, 4), split_size_or_sections=2, index=1).steps
    assert second.arithmetic == "min(2, H − 1·2)"
    (scaled,) = arithmetic.interpolate((1, 2, H), scale_factor=2.5).steps
    assert arithmetic.spell(scaled.size) == "⌊5·H/2⌋"
    assert arithmetic.spell(H ** sympy.Rational(3, 2)) == "H**(3/2)"


def test_the_network_of_the_question() -> None:
    shape: Any = (1, 3, 32, 32)
    for channels in ((32, 64), (128, 128), (256, 256)):
        for out_channels in channels:
            shape = arithmetic.convolution(
                shape, spatial_dims=2, out_channels=out_channels, kernel_size=3, padding=1
            ).shape
        shape = arithmetic.max_pool(shape, spatial_dims=2, kernel_size=2, stride=2).shape
    assert arithmetic.flatten(shape, start_dim=1).steps[0].text == "256·4·4 = 4096"


@pytest.mark.parametrize("padding", [0, "valid"])
def test_without_padding_its_mode_asks_for_nothing(padding: Any) -> None:
    options: dict[str, Any] = {"kernel_size": 3, "padding": padding, "padding_mode": "reflect"}
    with pytest.raises(SizeError) as caught:
        arithmetic.convolution((1, 2, 0), spatial_dims=1, out_channels=2, **options)
    assert caught.value.minimum == 3
    assert nn.Conv1d(2, 2, **options)(torch.zeros(1, 2, 3)).shape == (1, 2, 1)


def test_an_error_says_where_and_how_much() -> None:
    with pytest.raises(SizeError) as caught:
        arithmetic.max_pool((1, 8, 1, 3), spatial_dims=2, kernel_size=2)
    assert (caught.value.axis, caught.value.size, caught.value.minimum) == ("H", 1, 2)
    assert str(caught.value) == "H is 1, but must be at least 2: ⌊(1 + 2·0 − 1·(2−1) − 1)/2⌋ + 1 = 0"


@pytest.mark.parametrize(
    ("derive", "observe", "axis", "minimum"),
    [
        (
            lambda n: arithmetic.rnn((n, 2, 3), hidden_size=4),
            lambda n: nn.LSTM(3, 4)(torch.zeros(n, 2, 3)),
            "L",
            1,
        ),
        (
            lambda n: arithmetic.embedding_bag((3,), embedding_dim=2, offsets=n, include_last_offset=True),
            lambda n: nn.EmbeddingBag(2, 2, include_last_offset=True)(
                torch.zeros(3, dtype=torch.long), torch.zeros(n, dtype=torch.long)
            ),
            "dim 0",
            1,
        ),
        (
            lambda n: arithmetic.unfold_dimension((2, n), dimension=1, size=4, step=2),
            lambda n: torch.zeros(2, n).unfold(1, 4, 2),
            "dim 1",
            4,
        ),
        (
            lambda n: arithmetic.pad((1, 2, n, 9), padding=(0, 0, 1, 4), mode="reflect"),
            lambda n: functional.pad(torch.zeros(1, 2, n, 9), (0, 0, 1, 4), mode="reflect"),
            "H",
            5,
        ),
        (
            lambda n: arithmetic.pad((1, 2, 9, n), padding=(3, 1, 0, 0), mode="circular"),
            lambda n: functional.pad(torch.zeros(1, 2, 9, n), (3, 1, 0, 0), mode="circular"),
            "W",
            3,
        ),
        (
            lambda n: arithmetic.pad((2, n), padding=(-2, -1)),
            lambda n: functional.pad(torch.zeros(2, n), (-2, -1)),
            "L",
            3,
        ),
        (
            lambda n: arithmetic.fractional_max_pool((1, 2, 9, n), spatial_dims=2, kernel_size=3, output_size=4),
            lambda n: nn.FractionalMaxPool2d(3, output_size=4)(torch.zeros(1, 2, 9, n)),
            "W",
            6,
        ),
        (
            lambda n: arithmetic.avg_pool((1, 2, 9, n, 9), spatial_dims=3, kernel_size=3, padding=1),
            lambda n: nn.AvgPool3d(3, padding=1)(torch.zeros(1, 2, 9, n, 9)),
            "H",
            3,
        ),
        (
            lambda n: arithmetic.convolution(
                (1, 2, n), spatial_dims=1, out_channels=2, kernel_size=3, padding="valid", padding_mode="reflect"
            ),
            lambda n: nn.Conv1d(2, 2, 3, padding="valid", padding_mode="reflect")(torch.zeros(1, 2, n)),
            "L",
            3,
        ),
        (
            lambda n: arithmetic.convolution((1, 2, n), spatial_dims=1, out_channels=2, kernel_size=2, padding=1),
            lambda n: nn.Conv1d(2, 2, 2, padding=1)(torch.zeros(1, 2, n)),
            "L",
            1,
        ),
        (
            lambda n: arithmetic.interpolate((1, 2, n), scale_factor=2),
            lambda n: functional.interpolate(torch.zeros(1, 2, n), scale_factor=2),
            "L",
            1,
        ),
    ],
)
def test_the_smallest_size_named_is_the_smallest_that_pytorch_takes(
    derive: Callable[[int], Derivation], observe: Callable[[int], Any], axis: str, minimum: int
) -> None:
    with pytest.raises((RuntimeError, ValueError)):
        observe(minimum - 1)
    with pytest.raises(SizeError) as caught:
        derive(minimum - 1)
    assert (caught.value.axis, caught.value.size) == (axis, minimum - 1)
    assert caught.value.minimum == minimum
    observe(minimum)
    derive(minimum)


@pytest.mark.parametrize(
    ("refused", "axis", "size"),
    [
        (lambda: arithmetic.cat([(2, 3, 4), (7, 3, 5)]), "dim 2", 5),
        (lambda: arithmetic.broadcast((8, 1, 5), (3, 6)), "dim 2", 6),
        (lambda: arithmetic.matmul((2, 3, 4), (5, 6)), "dim 2", 4),
        (lambda: arithmetic.expand((3, 4), sizes=(2, 3, 5)), "dim 1", 4),
        (lambda: arithmetic.expand((3, 4), sizes=(-1, 3, 4)), "dim 0", None),
        (lambda: arithmetic.repeat((3, 4), repeats=(2, -2)), "dim 1", None),
        (lambda: arithmetic.linear((2, 9), in_features=8, out_features=3), "features", 9),
        (lambda: arithmetic.bilinear((2, 5), (3, 6), out_features=1), "dim 0", 3),
        (lambda: arithmetic.bilinear((2, 5), (2, 6), in2_features=7, out_features=1), "features", 6),
        (
            lambda: arithmetic.convolution((1, 5, 9), spatial_dims=1, in_channels=4, out_channels=2, kernel_size=1),
            "C",
            5,
        ),
        (lambda: arithmetic.fold((1, 7, 16), output_size=5, kernel_size=2), "C", 7),
        (lambda: arithmetic.fold((1, 8, 15), output_size=5, kernel_size=2), "L", 15),
        (lambda: arithmetic.pixel_shuffle((1, 6, 8, 9), upscale_factor=2), "C", 6),
        (lambda: arithmetic.pixel_unshuffle((1, 6, 8, 9), downscale_factor=2), "W", 9),
        (lambda: arithmetic.interpolate((1, 2, 3), scale_factor=0.1), "L", 3),
        (lambda: arithmetic.adaptive_pool((1, 2, 5, 6), spatial_dims=2, output_size=(3, -1)), "W", None),
        (
            lambda: arithmetic.max_unpool((1, 2, 3, 4), spatial_dims=2, kernel_size=2, output_size=(6, 11)),
            "W",
            None,
        ),
        (
            lambda: arithmetic.conv_transpose(
                (1, 2, 3, 4), spatial_dims=2, out_channels=1, kernel_size=2, stride=2, output_size=(6, 11)
            ),
            "W",
            None,
        ),
        (
            lambda: arithmetic.conv_transpose(
                (1, 2, 3, 4), spatial_dims=2, out_channels=1, kernel_size=2, output_padding=(0, 1)
            ),
            "W",
            None,
        ),
        (lambda: arithmetic.unflatten((2, 10), dim=1, sizes=(3, 4)), "dim 1", 10),
        (lambda: arithmetic.unflatten((2, 10), dim=1, sizes=(3, -1)), "dim 1", 10),
        (lambda: arithmetic.reshape((2, 10), shape=(3, 7)), "", 20),
        (lambda: arithmetic.reshape((2, 10), shape=(3, -1)), "", 20),
        (lambda: arithmetic.split((2, 10), split_size_or_sections=[4, 5], dim=1), "dim 1", 10),
        (lambda: arithmetic.split((2, 10), split_size_or_sections=[4, 6], dim=1, index=2), "dim 1", None),
        (lambda: arithmetic.split((2, 10), split_size_or_sections=4, dim=1, index=3), "dim 1", 10),
        (lambda: arithmetic.unfold_dimension((2, 10), dimension=1, size=-1, step=1), "dim 1", None),
        (lambda: arithmetic.permute((2, 3), dims=(0, 4)), "dim 4", None),
        (lambda: arithmetic.pad((1, 2, 3), padding=(-1, -2), mode="replicate"), "L", None),
    ],
)
def test_an_error_names_the_axis_and_what_arrived_there(
    refused: Callable[[], Derivation], axis: str, size: int | None
) -> None:
    with pytest.raises(SizeError) as caught:
        refused()
    assert (caught.value.axis, caught.value.size, caught.value.minimum) == (axis, size, None)
    assert size is None or re.search(rf"\b{size}\b", str(caught.value))


# ---------------------------------------------------------------------------------------------------
# Receptive field
# ---------------------------------------------------------------------------------------------------


def seen(layers: list[Layer], length: int) -> list[list[int]]:
    """The cells of the input that each unit answers to, by PyTorch's own layers."""
    y = torch.eye(length).unsqueeze(1)  # one cell lit in each sample of the batch
    for layer in layers:
        weight = torch.ones(1, 1, layer.kernel_size)
        options: dict[str, Any] = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
        if layer.transposed:
            y = functional.conv_transpose1d(y, weight, **options)
        elif layer.scale != 1:
            mode = "nearest" if layer.kernel_size == 1 else "linear"
            y = functional.interpolate(y, scale_factor=float(layer.scale), mode=mode)
        else:
            y = functional.conv1d(y, weight, **options)
    return [unit.nonzero().flatten().tolist() for unit in y.squeeze(1).T]


def layers_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Layer]:
    """Layers with these fields drawn, and their defaults for the others."""
    return st.fixed_dictionaries(fields).map(lambda drawn: Layer(**drawn))


sliding = layers_of(
    kernel_size=st.integers(1, 4), stride=st.integers(1, 3), padding=st.integers(0, 2), dilation=st.integers(1, 2)
) | layers_of(kernel_size=st.integers(1, 4), padding=st.just("same"), dilation=st.integers(1, 2))
transposed = layers_of(
    kernel_size=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 1),
    dilation=st.integers(1, 2),
    transposed=st.just(True),
)
upsampling = layers_of(kernel_size=st.sampled_from([1, 2]), scale=st.sampled_from([2, 3]))


@brief
@given(st.lists(sliding, min_size=1, max_size=3))
def test_receptive_field_of_a_chain(layers: list[Layer]) -> None:
    field = arithmetic.receptive_field(layers)
    reach = 0
    for index, unit in enumerate(seen(layers, 120)):
        first = field.start + index * field.jump
        last = first + field.size - 1
        assert first == int(first)
        if unit:
            assert first <= unit[0]
            assert unit[-1] <= last
        if first >= 0 and last < 120:  # nothing of it lies in the padding
            assert (unit[0], unit[-1]) == (first, last)
            reach = unit[-1] - unit[0] + 1
    assert reach in (0, field.size)


@brief
@given(st.lists(sliding, max_size=2), transposed | upsampling)
def test_receptive_field_of_an_upsampling_is_the_most_that_a_unit_sees(layers: list[Layer], last: Layer) -> None:
    field = arithmetic.receptive_field([*layers, last])
    before = arithmetic.receptive_field(layers)
    assert field.jump == Fraction(before.jump, last.stride if last.transposed else Fraction(last.scale))
    spans = [unit[-1] - unit[0] + 1 for unit in seen([*layers, last], 40) if unit and unit[0] > 0 and unit[-1] < 39]
    assert max(spans, default=0) <= field.size
    if not layers:
        assert max(spans) == field.size
        # On average the units look where the field says.
        period = last.stride if last.transposed else int(last.scale)
        middles = [
            Fraction(unit[0] + unit[-1], 2) - index * Fraction(field.jump)
            for index, unit in enumerate(seen([last], 40))
            if unit
        ]
        window = middles[12 * period : 15 * period]
        assert abs(sum(window, Fraction()) / len(window) - field.offset) <= Fraction(1, 4)


def test_receptive_field_of_known_networks() -> None:
    convolution, pool = Layer(kernel_size=3, padding=1), Layer(kernel_size=2, stride=2)
    vgg16 = [layer for count in (2, 2, 3, 3, 3) for layer in [convolution] * count + [pool]]
    # The sizes that Araujo, Norris and Sim give for VGG-16 and AlexNet.
    assert arithmetic.receptive_field(vgg16)[:2] == (32, 212)
    alexnet = [
        Layer(kernel_size=11, stride=4),
        Layer(kernel_size=3, stride=2),
        Layer(kernel_size=5, padding=2),
        Layer(kernel_size=3, stride=2),
        *[convolution] * 3,
        Layer(kernel_size=3, stride=2),
    ]
    assert arithmetic.receptive_field(alexnet)[:2] == (32, 195)


def test_receptive_field_becomes_the_whole_input_and_stays_so() -> None:
    field = arithmetic.receptive_field([Layer(kernel_size=3), Layer(whole=True), Layer(kernel_size=3)])
    assert field == ReceptiveField(jump=1, size=3, offset=1, whole=True)
    assert arithmetic.join(field, ReceptiveField()).whole
    assert arithmetic.join(ReceptiveField(), field).whole


def test_receptive_field_of_paths_that_meet() -> None:
    block = arithmetic.receptive_field([Layer(kernel_size=3, padding=1)] * 2)
    assert arithmetic.join(block, ReceptiveField()) == ReceptiveField(jump=1, size=5, offset=0)
    shifted = arithmetic.receptive_field([Layer(kernel_size=3)])
    assert arithmetic.join(shifted, ReceptiveField()) == ReceptiveField(jump=1, size=3, offset=1)
    with pytest.raises(ValueError, match="not aligned"):
        arithmetic.join(ReceptiveField(jump=2), ReceptiveField())


# ---------------------------------------------------------------------------------------------------
# The house
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", arithmetic.__all__)
def test_every_function_has_an_example(name: str) -> None:
    member = getattr(arithmetic, name)
    assert member.__doc__
    if not isinstance(member, type):
        assert ">>>" in member.__doc__
        assert "https://" in member.__doc__ or name in ("spell", "extend", "join")


def test_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys, convlin.arithmetic as a;"
        "a.max_pool((1, 8, 9), spatial_dims=1, kernel_size=2, ceil_mode=True);"
        "print([name for name in ('torch', 'sympy', 'numpy') if name in sys.modules])"
    )
    assert python(code).stdout.strip() == "[]"


#: A call of every formula that takes settings which are counted.
SETTINGS: list[tuple[Callable[..., Derivation], tuple[Any, ...], dict[str, Any]]] = [
    (arithmetic.convolution, ((1, 4, 9, 9),),
     {"spatial_dims": 2, "out_channels": 8, "kernel_size": 3, "stride": 2, "padding": 1, "dilation": 1,
      "in_channels": 4}),
    (arithmetic.conv_transpose, ((1, 4, 9, 9),),
     {"spatial_dims": 2, "out_channels": 8, "kernel_size": 3, "stride": 2, "padding": 1, "dilation": 1,
      "output_padding": 1}),
    (arithmetic.conv_transpose, ((1, 4, 9),),
     {"spatial_dims": 1, "out_channels": 8, "kernel_size": 3, "output_size": [11]}),
    (arithmetic.max_pool, ((1, 4, 9, 9),),
     {"spatial_dims": 2, "kernel_size": 3, "stride": 2, "padding": 1, "dilation": 1}),
    (arithmetic.avg_pool, ((1, 4, 9, 9),), {"spatial_dims": 2, "kernel_size": 3, "stride": 2, "padding": 1}),
    (arithmetic.lp_pool, ((1, 4, 9, 9),), {"spatial_dims": 2, "kernel_size": 3, "stride": 2}),
    (arithmetic.max_unpool, ((1, 4, 3),),
     {"spatial_dims": 1, "kernel_size": 3, "stride": 3, "padding": 0, "output_size": [9]}),
    (arithmetic.fractional_max_pool, ((1, 4, 9, 9),), {"spatial_dims": 2, "kernel_size": 2, "output_size": 4}),
    (arithmetic.fractional_max_pool, ((1, 4, 9, 9),), {"spatial_dims": 2, "kernel_size": 2, "output_ratio": 0.5}),
    (arithmetic.adaptive_pool, ((1, 4, 9, 9),), {"spatial_dims": 2, "output_size": (3, 3)}),
    (arithmetic.unfold, ((1, 4, 9, 9),), {"kernel_size": 3, "stride": 3, "padding": 0, "dilation": 1}),
    (arithmetic.fold, ((1, 36, 9),), {"output_size": 9, "kernel_size": 3, "stride": 3, "padding": 0, "dilation": 1}),
    (arithmetic.unfold_dimension, ((1, 9),), {"dimension": 1, "size": 3, "step": 3}),
    (arithmetic.pad, ((1, 4, 9, 9),), {"padding": (1, 1)}),
    (arithmetic.interpolate, ((1, 4, 9, 9),), {"size": 3}),
    (arithmetic.interpolate, ((1, 4, 9, 9),), {"scale_factor": 2}),
    (arithmetic.pixel_shuffle, ((1, 4, 8, 8),), {"upscale_factor": 2}),
    (arithmetic.pixel_unshuffle, ((1, 4, 8, 8),), {"downscale_factor": 2}),
    (arithmetic.flatten, ((1, 4, 9, 9),), {"start_dim": 1, "end_dim": -1}),
    (arithmetic.unflatten, ((1, 8),), {"dim": 1, "sizes": (2, 4)}),
    (arithmetic.reshape, ((1, 8),), {"shape": (2, 4)}),
    (arithmetic.transpose, ((1, 8),), {"dim0": 0, "dim1": 1}),
    (arithmetic.unsqueeze, ((1, 8),), {"dim": 0}),
    (arithmetic.chunk, ((1, 8),), {"chunks": 2, "dim": 1}),
    (arithmetic.split, ((1, 8),), {"split_size_or_sections": 2, "dim": 1}),
    (arithmetic.split, ((1, 8),), {"split_size_or_sections": [2, 6], "dim": 1}),
    (arithmetic.cat, ([(1, 8), (1, 8)],), {"dim": 1}),
    (arithmetic.stack, ([(1, 8), (1, 8)],), {"dim": 1}),
    (arithmetic.expand, ((1, 8),), {"sizes": (4, 8)}),
    (arithmetic.repeat, ((1, 8),), {"repeats": (4, 8)}),
    (arithmetic.linear, ((1, 8),), {"out_features": 2, "in_features": 8}),
    (arithmetic.bilinear, ((1, 8), (1, 9)), {"out_features": 2, "in1_features": 8, "in2_features": 9}),
    (arithmetic.embedding, ((1, 8),), {"embedding_dim": 3}),
    (arithmetic.embedding_bag, ((8,),), {"embedding_dim": 3, "offsets": 2}),
    (arithmetic.rnn, ((1, 8, 3),), {"hidden_size": 4, "proj_size": 2, "input_size": 3}),
    (arithmetic.rnn_state, ((1, 8, 3),), {"hidden_size": 4, "proj_size": 2, "num_layers": 2, "input_size": 3}),
    (arithmetic.rnn_cell, ((1, 3),), {"hidden_size": 4, "input_size": 3}),
]  # fmt: skip


@pytest.mark.parametrize("odd", ["odd", object(), 2.5j], ids=["text", "object", "complex"])
@pytest.mark.parametrize(("formula", "shapes", "given"), SETTINGS)
def test_a_setting_that_is_no_number_is_refused_by_name(
    formula: Callable[..., Derivation], shapes: tuple[Any, ...], given: dict[str, Any], odd: object
) -> None:
    assert formula(*shapes, **given).shape
    for name in given.keys() - {"spatial_dims"}:
        value = [odd, *given[name][1:]] if isinstance(given[name], (list, tuple)) else odd
        with pytest.raises(SizeError):
            formula(*shapes, **{**given, name: value})
