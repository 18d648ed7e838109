"""Named sizes: closed forms held against passes in numbers, and accepted sizes against real runs."""

from __future__ import annotations

import functools
import random
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import sympy
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.parameter import is_lazy

from convlin import summarize
from convlin._summary import Summary
from convlin.errors import ConvlinError, InputError
from convlin.sizes.closed_form import ClosedForms, Letter
from convlin.sizes.evaluate import Evaluation
from convlin.symbolic import fakes
from tests.readme_example import run
from tests.snapshot import assert_unchanged, snapshot

D, H, W, N, L, T = map(Letter, "DHWNLT")
floor = sympy.floor


class SmallCNN(nn.Module):
    def __init__(self, features: int = 2048, *, view: int | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.max_pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(features, 10)
        self.view = view

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.max_pool(F.relu(self.bn2(self.conv2(x))))
        x = x.view(-1, self.view) if self.view else torch.flatten(x, 1)
        return self.fc1(x)


def alexnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Flatten(), nn.Linear(9216, 8),
    )  # fmt: skip


class UNet(nn.Module):
    def __init__(self, levels: int = 2) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1) for i in range(levels))
        self.up = nn.ModuleList(nn.ConvTranspose2d(4, 4, 2, stride=2) for _ in range(levels))
        self.merge = nn.ModuleList(nn.Conv2d(8, 4, 3, padding=1) for _ in range(levels))

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for conv in self.down:
            x = conv(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], dim=1))
        return x


class OnlyAt(nn.Module):
    """A vision transformer's patches, which insist on one size."""

    def __init__(self, size: int = 32) -> None:
        super().__init__()
        self.size = size
        self.patches = nn.Conv2d(3, 8, 8, stride=8)
        self.position = nn.Parameter(torch.zeros(1, (size // 8) ** 2, 8))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.size or x.shape[-2] != self.size:
            raise ValueError(f"the image must be {self.size}×{self.size}")
        return self.patches(x).flatten(2).transpose(1, 2) + self.position


class Positions(OnlyAt):
    """The same without the question: the sum refuses another number of patches."""

    def forward(self, x: Tensor) -> Tensor:
        return self.patches(x).flatten(2).transpose(1, 2) + self.position


class Padded(nn.Module):
    """Pads up to a multiple of 4, only where that is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 4, stride=4)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] % 4:
            x = F.pad(x, (0, 4 - x.shape[-1] % 4))
        if x.shape[-2] % 4:
            x = F.pad(x, (0, 0, 0, 4 - x.shape[-2] % 4))
        return self.conv(x)


class Calls(nn.Module):
    """A forward of one line."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


# The forms


def test_the_number_of_the_thread_in_letters() -> None:
    s = summarize(SmallCNN(), (3, "H", "W"), batch_size="N")
    required: Any = s.required_in_features["fc1"]
    assert required == 32 * floor((H + 1) / 4) * floor((W + 1) / 4)
    assert required.subs({"H": 32, "W": 32}) == 2048
    assert required.subs({sympy.Symbol("H"): 64, sympy.Symbol("W"): 32}) == 4096
    assert s["conv2"].output_shape == (N, 32, floor((H + 1) / 2), floor((W + 1) / 2))
    assert s.output_shape == (N, 10)
    assert s.ok
    text = str(s)
    assert "N×(32·⌊(H + 1)/4⌋·⌊(W + 1)/4⌋)" in text
    assert "accepts H, W from 31 to 34" in text


def test_alexnet_without_its_adaptive_pooling() -> None:
    s = summarize(alexnet(), (3, "H", "W"))
    assert s.required_in_features["14"] == 256 * floor((H - 31) / 32) * floor((W - 31) / 32)
    assert "256·⌊(H − 31)/32⌋·⌊(W − 31)/32⌋" in str(s)
    assert s.accepts is not None
    assert s.accepts.text == "H, W from 223 to 254"
    assert s.accepts.verified
    assert "accepts H, W from 223 to 254" in s.to_markdown()


def test_a_fixed_view_is_a_demand_and_no_mistake() -> None:
    s = summarize(SmallCNN(view=2048), (3, "H", "W"))
    assert s.ok
    assert s.required_in_features["fc1"] == 32 * floor((H + 1) / 4) * floor((W + 1) / 4)
    assert s.accepts is not None
    assert s.accepts.text == "H, W from 31 to 34"


def test_what_fits_at_no_size_is_a_mistake() -> None:
    s = summarize(SmallCNN(999), (3, "H", "W"))
    assert [(problem.kind, problem.path) for problem in s.problems] == [("in_features", "fc1")]
    assert s.problems[0].required == s.required_in_features["fc1"]
    number = "32·⌊(H + 1)/4⌋·⌊(W + 1)/4⌋"
    assert (
        s.problems[0]
        .message.partition("receives ")[2]
        .startswith(f"{number} features\n{number}, the output of max_pool")
    )
    assert s.problems[0].fix == 's = summarize(SmallCNN(32*((H + 1)//4)*((W + 1)//4)), (3, "H", "W"))'
    assert s.accepts is None
    wrong = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(5))
    s = summarize(wrong, (3, "H", "W"))
    assert [(problem.path, problem.required) for problem in s.problems] == [("0", 3), ("1", 4)]


def test_a_wrong_layer_does_not_pin_the_letters() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(100, 7), nn.Linear(7, 2))
    s = summarize(model, (1, "H", "W"))
    assert s.required_in_features == {"1": H * W, "2": 7}


@pytest.mark.parametrize(
    ("model", "shape", "expected"),
    [
        (nn.Conv1d(2, 3, 5, stride=2), (2, "L"), (1, 3, floor((L - 3) / 2))),
        (nn.Conv2d(3, 4, 3, padding=1), (3, "H", 32), (1, 4, H, 32)),
        (nn.Conv3d(1, 2, 2, stride=2), (1, "D", "H", "W"), (1, 2, floor(D / 2), floor(H / 2), floor(W / 2))),
        (nn.ConvTranspose2d(3, 4, 4, stride=2, padding=1), (3, "H", "W"), (1, 4, 2 * H, 2 * W)),
        (nn.Upsample(scale_factor=2), (3, "H", "W"), (1, 3, 2 * H, 2 * W)),
        (nn.AdaptiveAvgPool2d(6), (3, "H", "W"), (1, 3, 6, 6)),
        (nn.AvgPool2d(3, 2, ceil_mode=True), (3, "H", "W"), None),
        (nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(4)), (3, "H", "W"), (1, 3, floor(H / 8), floor(W / 8))),
        (nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, -1))), (3, "H", "W"), (1, 3, H * W)),
        (nn.PixelUnshuffle(1), (3, "H", "W"), (1, 3, H, W)),
        (nn.LSTM(4, 5, batch_first=True), ("L", 4), (1, L, 5)),
        (nn.Embedding(9, 4), ("L",), (1, L, 4)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)  # fmt: skip
def test_single_layers(model: nn.Module, shape: tuple[Any, ...], expected: tuple[Any, ...] | None) -> None:
    s = summarize(model, shape, dtypes=torch.long if isinstance(model, nn.Embedding) else None)
    assert s.ok, s.problems
    if expected is not None:
        assert s.output_shape == expected
    for size in (37, 50):
        numbers = tuple(size if isinstance(part, str) else part for part in shape)
        there = summarize(model, numbers, dtypes=torch.long if isinstance(model, nn.Embedding) else None)
        assert at(s.output_shape, dict.fromkeys("DHWL", size)) == there.output_shape


def at(shape: Any, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else int(size.subs(sizes)) for size in shape)


def test_several_inputs_share_a_letter() -> None:
    class Two(nn.Module):
        def forward(self, first: Tensor, second: Tensor) -> Tensor:
            return torch.cat([first, second], dim=1)

    s = summarize(Two(), [(3, "H", "W"), (5, "H", "W")], batch_size="N")
    assert s.output_shape == (N, 8, H, W)
    assert summarize(Two(), {"first": ("L", 2), "second": ("S", 2)}).output_shape == (1, L + Letter("S"), 2)


@pytest.mark.parametrize("shape", [(3, "", "W"), (3, "H W", 5), (3, "2H", 5)])
def test_bad_letters(shape: tuple[Any, ...]) -> None:
    with pytest.raises(InputError, match="is not a valid size: sizes are positive integers, or letters as in"):
        summarize(nn.Identity(), shape)


def test_padding_up_to_a_multiple_is_one_form() -> None:
    s = summarize(Padded(), (3, "H", "W"))
    assert s.output_shape == (1, 4, floor((H + 3) / 4), floor((W + 3) / 4))
    assert s.report.remarks == ()


def test_explain_in_letters() -> None:
    text = summarize(SmallCNN(), (3, "H", "W")).explain("fc1")
    assert "⌊(⌊(H + 1)/2⌋ + 2·0 − 1·(2−1) − 1)/2⌋ + 1 = ⌊(H + 1)/4⌋" in text
    assert "32·⌊(H + 1)/4⌋·⌊(W + 1)/4⌋" in text


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.mix = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)
        n, channels, height, width = x.shape
        return self.mix(x.view(n, channels, height * width).expand(2 * n, -1, -1).transpose(1, 2))


def test_explain_a_view_with_letters_among_its_sizes() -> None:
    text = summarize(Tokens(), (3, "H", "W")).explain("mix")
    assert "dim 2·dim 3\n              ⌊(H + 1)/2⌋·⌊(W + 1)/2⌋" in text
    assert "not seen" not in text


def test_a_summary_in_letters_is_read_back(tmp_path: Path) -> None:
    s = summarize(SmallCNN(), (3, "H", "W"))
    assert Summary.from_json(s.to_json()) == s
    s.lock(tmp_path / "net.shapes").check(tmp_path / "net.shapes")


class Square(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, stride=8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2)
        side = int(x.shape[-1] ** 0.5)
        return x.reshape(x.shape[0], 8, side, side)


def test_a_problem_in_letters_is_read_back() -> None:
    s = summarize(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(99, 3)), (3, "H", "W"))
    assert s.problems[0].required == sympy.Mul(8, H - 2, W - 2)
    assert "the last axis of 1×(8·(H − 2)·(W − 2))" in s.problems[0].message
    assert Summary.from_json(s.to_json()) == s
    assert s.explain("2").endswith("needs 8·(H − 2)·(W − 2)")


def test_operations_are_counted_in_numbers_only() -> None:
    s = summarize(SmallCNN(), (3, "H", "W"), columns="layer,flops,mult_adds,memory,receptive_field")
    assert all(call.flops is None for call in s.calls)
    assert "FLOPs were not counted in this pass: they are counted at numbers, so write numbers" in str(s)
    assert "(64·H·W) B  3×3" in str(s)


# What cannot be followed


def test_a_size_that_became_a_plain_number_is_told() -> None:
    s = summarize(Square(), (3, "H", "W"), batch_size="N")
    line = Square.forward.__code__.co_firstlineno + 2
    assert s.ok
    assert s.accepts is None
    assert f"forward makes a plain number of a size (tests/test_symbolic.py:{line})" in str(s)


class LooksAtValues(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            return x
        return x[:, :1]


def test_a_branch_on_values_is_told_with_its_line() -> None:
    line = LooksAtValues.forward.__code__.co_firstlineno + 1
    with pytest.raises(InputError, match=rf"values of a tensor.*tests/test_symbolic\.py:{line}.*write numbers"):
        summarize(LooksAtValues(), (3, "H", "W"))


def test_a_torch_that_lacks_a_private_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch._subclasses.fake_tensor", None)
    with pytest.raises(ConvlinError, match=r"named sizes need parts of PyTorch that torch .* keeps elsewhere"):
        summarize(nn.Identity(), (3, "H", "W"))


def test_an_error_of_the_model_leaves_as_itself() -> None:
    class Refuses(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyError("its own")

    with pytest.raises(KeyError, match="its own") as raised:
        summarize(Refuses(), (3, "H", "W"))
    assert "the calls up to here" in raised.value.__notes__[0]


# No trace


@functools.lru_cache(8)
def positions(count: int) -> Tensor:
    return torch.arange(count).float()


class Remembers(nn.Module):
    """Keeps what it computed, in itself and in a cache of its file."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.scale = nn.Parameter(torch.ones(4, 1))
        self.last: Tensor | None = None
        self.table = torch.ones(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.last = x
        self.count = x.shape[-1]
        return self.norm(x * self.scale * self.table + positions(4)[:, None]) + torch.rand(1)


def test_the_model_is_untouched() -> None:
    positions.cache_clear()
    for mode in ("eval", "train"):
        model = Remembers()
        before, state = snapshot(model), torch.get_rng_state()
        summarize(model, (4, "L"), mode=mode, batch_size="N")
        assert_unchanged(before, model)
        assert torch.equal(torch.get_rng_state(), state)
        assert not isinstance(positions(4), FakeTensor)
        assert not any(isinstance(value, FakeTensor) for value in vars(model).values())


def test_lazy_layers_stay_lazy() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.Linear(9, 2))
    s = summarize(model, (3, "H", "W"))
    assert s.required_in_features["2"] == (H - 2) * (W - 2) * 4
    first = model[0]
    assert isinstance(first, nn.LazyConv2d)
    assert first.has_uninitialized_params()
    assert s.report.modules[1].parameters[0].device == "cpu"
    assert all("materialize" not in vars(weight) for weight in model.parameters())


def test_a_lazy_weight_that_depends_on_a_letter_is_refused() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(5))
    with pytest.raises(InputError, match=r"2\.weight is lazy and would become 5×4·\(H − 2\)·\(W − 2\): .* write num"):
        summarize(model, (3, "H", "W"))
    assert all(is_lazy(weight) for weight in model.parameters())
    assert all("materialize" not in vars(weight) for weight in model.parameters())
    assert summarize(model, (3, 8, 8)).ok


def test_no_weight_is_copied() -> None:
    model = nn.Linear(2000, 2000)
    weights: list[Tensor] = []
    namespace: Any = fakes
    original = namespace.exchange

    def spied(modules: Iterable[nn.Module], change: Callable[[Tensor], Tensor]) -> None:
        def kept(tensor: Tensor) -> Tensor:
            weights.append(change(tensor))
            return weights[-1]

        original(modules, kept)

    namespace.exchange = spied
    try:
        summarize(model, ("L", 2000))
    finally:
        namespace.exchange = original
    assert len(weights) == 2
    assert all(isinstance(weight, FakeTensor) and weight.untyped_storage().device.type == "meta" for weight in weights)


# Axes that are asked for

ASKED: list[tuple[Callable[[Tensor], Tensor], tuple[int | None, ...]]] = [
    (lambda x: x.view(x.shape[0], 4, x.shape[2] // 6, 6, x.shape[3] // 6, 6), (None, 4, None, 6, None, 6)),
    (lambda x: x.reshape((-1, 4, 12)), (None, 4, 12)),
    (lambda x: torch.reshape(input=x, shape=(x.shape[0], -1, 36)), (None, None, 36)),
    (lambda x: x.permute(0, 2, 3, 1).reshape(-1, 12, 4), (None, 12, 4)),
    (lambda x: x.unflatten(2, (-1, 6)).unflatten(-1, (x.shape[3] // 6, 6)), (None, 4, None, 6, None, 6)),
    (lambda x: x.unflatten(-2, (6, -1)), (None, 4, 6, None, None)),
    (lambda x: torch.unflatten(input=x, dim=3, sizes=(6, -1)), (None, 4, None, 6, None)),
    (lambda x: F.pixel_unshuffle(x, 3), (None, 36, None, None)),
    (lambda x: F.pixel_unshuffle(input=x, downscale_factor=2)[0], (16, None, None)),
    (lambda x: F.channel_shuffle(x, 2), (None, 4, None, None)),
]


@pytest.mark.parametrize(("call", "asked"), ASKED)
def test_the_sizes_that_are_asked_for_are_those_that_come_out(
    call: Callable[[Tensor], Tensor], asked: tuple[int | None, ...]
) -> None:
    s = summarize(Calls(call), (4, "H", "W"), batch_size=2)
    assert s.output_shape is not None
    assert len(s.output_shape) == len(asked)
    assert all(size is None or told == size for told, size in zip(s.output_shape, asked, strict=True))
    for h, w in ((6, 6), (12, 18), (36, 24), (60, 6)):
        real = tuple(call(torch.zeros(2, 4, h, w)).shape)
        assert tuple(Evaluation({H: h, W: w})(size) for size in s.output_shape) == real


def test_a_view_as_another_dtype_asks_for_no_size() -> None:
    def call(x: Tensor) -> Tensor:
        return x.flatten().view(torch.int32)

    s = summarize(Calls(call), ("L",))
    assert s.output_shape is not None
    for length in (3, 8):
        real = tuple(call(torch.zeros(1, length)).shape)
        assert tuple(Evaluation({L: length})(size) for size in s.output_shape) == real


@pytest.mark.parametrize(
    "layer",
    [
        nn.GRU(5, 6), nn.GRU(5, 6, num_layers=2, batch_first=True), nn.LSTM(5, 6, bidirectional=True, batch_first=True),
        nn.LSTM(5, 6, proj_size=4, batch_first=True), nn.RNN(5, 6), nn.RNN(5, 6, nonlinearity="relu"),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:LSTM with projections")  # PyTorch's own, of a slower way
def test_a_recurrent_layer_over_a_length_in_letters(layer: nn.Module) -> None:
    s = summarize(layer, ("T", 5), batch_size=3)
    for length in (1, 2, 9):
        output, states = layer(torch.zeros(3, length, 5))
        real = [tuple(one.shape) for one in (output, *(states if isinstance(states, tuple) else (states,)))]
        told = [tuple(Evaluation({T: length})(size) for size in one.shape) for one in s.calls[-1].outputs]
        assert told == real
    accepts = summarize(layer, ("T", "C"), batch_size=3).accepts
    assert accepts is not None
    assert accepts["C"].exact == 5


def test_a_way_that_only_small_sizes_take_is_told() -> None:
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return F.interpolate(x, scale_factor=2) if x.shape[-1] <= 8 else x

    s = summarize(Small(), (3, "H", "W"))
    (remark,) = s.report.remarks
    wrong = re.search(r"not for H = (\d+), W = (\d+)", remark)
    assert wrong is not None
    h, w = map(int, wrong.groups())
    assert s.output_shape is not None
    for size in (w, 17, 32, 65):
        told = tuple(Evaluation({H: h, W: size})(one) for one in s.output_shape)
        assert (told == tuple(Small()(torch.zeros(1, 3, h, size)).shape)) == (size != w)


def test_what_raises_nothing_is_a_mistake_in_letters_too() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 10))
    plain, told = (summarize(model, (3, height, 8)).problems for height in (6, "H"))
    assert [(each.path, each.kind, each.declared) for each in told] == [
        (each.path, each.kind, each.declared) for each in plain
    ]
    assert "flatten" in plain[0].message
    assert [each.required for each in plain] == [8 * 6 * 8] * 2
    assert [each.required for each in told] == [64 * H] * 2


def test_indices_are_found_out_in_letters_too() -> None:
    model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2))
    s = summarize(model, ("L",))
    assert s.output_shape == (1, L, 2)
    assert s.report.inputs[0].dtype == "int64"


class WordsAndFeatures(nn.Module):
    """One input that is looked up and one that is multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.words = nn.Linear(12, 8), nn.Embedding(50, 8)

    def forward(self, features: Tensor, words: Tensor) -> Tensor:
        return self.features(features) + self.words(words).mean(1)


@pytest.mark.parametrize(
    ("shapes", "batch_size"),
    [([(12,), ("L",)], 1), ([(12,), (6,)], "N"), ([("F",), ("L",)], "N"), ([(12,), (12,)], "N"), ([("L",), ("L",)], 1)],
)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_each_input_has_a_dtype_of_its_own(shapes: list[Any], batch_size: Any, device: str) -> None:
    s = summarize(WordsAndFeatures(), shapes, batch_size=batch_size, device=device)
    assert s.ok
    assert [each.dtype for each in s.report.inputs] == ["float32", "int64"]


class CutsShort(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv1d(2, 3, 3), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.fc(F.max_pool1d(self.conv(x), 2)[..., :5])
        return made


@pytest.mark.parametrize("sets", [torch.set_default_device, None])
def test_letters_do_not_depend_on_the_device_that_new_tensors_are_made_on(
    sets: Callable[[str | None], None] | None,
) -> None:
    models: list[tuple[nn.Module, tuple[Any, ...]]] = [
        (CutsShort(), (2, "L")),
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 10)), (3, "H", "W")),
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(99, 10)), (3, "H", "W")),
    ]
    expected = [summarize(model, shape) for model, shape in models]
    if sets is not None:
        sets("meta")
    try:
        with torch.device("meta") if sets is None else nullcontext():
            found = [summarize(model, shape) for model, shape in models]
            assert torch.empty(0).is_meta
    finally:
        if sets is not None:
            sets(None)
    assert [each.accepts for each in found] == [each.accepts for each in expected]
    assert [each.problems for each in found] == [each.problems for each in expected]
    assert [each.output_shape for each in found] == [each.output_shape for each in expected]
    assert torch.empty(0).device.type == "cpu"


def test_the_model_makes_its_tensors_where_the_user_wants_them() -> None:
    class Adds(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.zeros(x.shape[-1])

    with torch.device("meta"):
        with pytest.raises(RuntimeError, match="meta"):
            Adds()(torch.zeros(1, 8, device="cpu"))
        (problem,) = summarize(Adds(), ("L",), device="cpu").problems
        assert "device meta" in problem.message
    assert summarize(Adds(), ("L",)).ok


def test_an_axis_taken_apart_is_for_the_linear_behind_it() -> None:
    model = nn.Sequential(nn.Conv1d(2, 6, 1), nn.Unflatten(2, (-1, 16)), nn.Linear(16, 2))
    for shape in ((2, 64), (2, "L")):
        assert summarize(model, shape).problems == ()
    (problem,) = summarize(nn.Sequential(*list(model)[:2], nn.Linear(18, 2)), (2, 64)).problems
    assert problem.required == 16


# Accepted sizes

#: Those of the long tail are larger ones of a kind that is there.
ACCEPTED: list[Any] = [
    (SmallCNN, (3, "H", "W"), "H, W from 31 to 34"),
    (alexnet, (3, "H", "W"), "H, W from 223 to 254"),
    (UNet, (3, "H", "W"), "H, W multiples of 4"),
    pytest.param(lambda: UNet(4), (3, "H", "W"), "H, W multiples of 16", marks=pytest.mark.thorough),
    (OnlyAt, (3, "H", "W"), "H, W exactly 32"),
    pytest.param(lambda: OnlyAt(224), (3, "H", "W"), "H, W exactly 224", marks=pytest.mark.thorough),
    pytest.param(lambda: nn.Conv2d(3, 4, 33), (3, "H", "W"), "H, W any from 33 up", marks=pytest.mark.thorough),
    (lambda: nn.Conv2d(3, 4, (3, 5)), (3, "H", "W"), "H any from 3 up; W any from 5 up"),
    (lambda: nn.Conv1d(2, 3, 7, dilation=3), (2, "L"), "L any from 19 up"),
    (lambda: nn.Sequential(nn.MaxPool2d(4), nn.Flatten(1, 2), nn.Linear(7, 2)), (3, "H", 28), "H any from 4 up"),
    (lambda: nn.Sequential(nn.MaxPool1d(4), nn.Flatten(), nn.Linear(60, 2)), (3, "L"), "L from 80 to 83"),
    (lambda: nn.PixelUnshuffle(3), (3, "H", "W"), "H, W multiples of 3"),
    (lambda: nn.Unflatten(1, (5, -1)), ("L",), "L multiples of 5"),
    (lambda: nn.Sequential(nn.Conv1d(2, 6, 1), nn.Unflatten(2, (-1, 16)), nn.Linear(16, 2)), (2, "L"),
     "L multiples of 16"),
    (Padded, (3, "H", "W"), "H, W any"),
    (lambda: nn.LayerNorm((5, 7)), ("H", "W"), "H exactly 5; W exactly 7"),
    (lambda: Calls(lambda x: x @ torch.zeros(12, 3)), ("L",), "L exactly 12"),
    (lambda: Calls(lambda x: F.conv1d(x, torch.zeros(5, 6, 1))), ("C", 4), "C exactly 6"),
    (lambda: Calls(lambda x: x.unflatten(1, (5, 4))), ("L",), "L exactly 20"),
    (lambda: Calls(lambda x: F.max_pool1d(x, 3) + torch.zeros(2, 10)), (2, "L"), "L from 30 to 32"),
    (lambda: Calls(lambda x: torch.cat([F.max_pool1d(x, 2), x[..., :7]], 1)), (2, "L"), "L from 14 to 15"),
    (lambda: Calls(lambda x: torch.stack([F.avg_pool1d(x, 4), x[..., :7]], 1)), (2, "L"), "L from 28 to 31"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "shape", "said"), ACCEPTED, ids=lambda value: value if isinstance(value, str) else "")
def test_accepted_sizes_by_real_runs(make: Callable[[], nn.Module], shape: tuple[Any, ...], said: str) -> None:
    torch.manual_seed(0)
    model = make().eval()
    accepts = summarize(model, shape).accepts
    assert accepts is not None
    assert accepts.text == said
    assert accepts.verified
    low = {found.name: found.minimum for found in accepts.sizes}
    high = {found.name: found.maximum or found.minimum + 11 * found.step for found in accepts.sizes}
    assert runs(model, shape, low)
    assert runs(model, shape, high)
    for found in accepts.sizes:
        for outside in {
            found.minimum - 1,
            found.minimum - found.step,
            *([found.minimum + found.width] if found.step > 1 else []),
        }:
            assert outside < 1 or not runs(model, shape, {**low, found.name: outside})
        if found.maximum is not None:
            assert not runs(model, shape, {**high, found.name: found.maximum + 1})


class Strided(nn.Module):
    """A stride in front of what has to divide: several sizes come out the same behind it."""

    def __init__(self, kernel: int, padding: int, stride: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, kernel, stride, padding)
        self.pool, self.up = nn.MaxPool2d(2), nn.ConvTranspose2d(4, 4, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return torch.cat([x, self.up(self.pool(x))], 1)


@pytest.mark.parametrize(
    ("kernel", "padding", "stride", "said"),
    [
        (3, 1, 2, "H, W multiples of 4, or 1 less"),
        (2, 0, 2, "H, W multiples of 4, or 1 more"),
        (7, 3, 4, "H, W multiples of 8, or up to 3 less"),
        (5, 1, 3, "H, W multiples of 6, or up to 2 more"),
        (5, 2, 3, "H, W multiples of 6, or up to 2 less"),
        (4, 1, 3, "H, W multiples of 6, or 1 less or 1 more"),
        (5, 0, 3, "H, W 8 to 10, 14 to 16, 20 to 22, …"),
    ],
)  # fmt: skip
def test_behind_a_stride_several_sizes_in_a_row_are_taken(kernel: int, padding: int, stride: int, said: str) -> None:
    model = Strided(kernel, padding, stride)
    accepts = summarize(model, (3, "H", "W")).accepts
    assert accepts is not None
    assert accepts.text == said
    assert accepts.verified
    low = accepts["H"].minimum
    for size in range(1, 50):
        assert runs(model, (3, "H", "W"), {"H": size, "W": low}) == (size in accepts["H"])
        assert runs(model, (3, "H", "W"), {"H": low, "W": size}) == (size in accepts["W"])


def runs(model: nn.Module, shape: tuple[Any, ...], sizes: Mapping[str, int]) -> bool:
    try:
        model(torch.zeros(2, *(sizes[size] if isinstance(size, str) else size for size in shape)))
    except (RuntimeError, ValueError):
        return False
    return True


@pytest.mark.parametrize("size", [24, 40, 88])
def test_sizes_that_only_a_sum_asks_for_are_found(size: int) -> None:
    model = Positions(size)
    s = summarize(model, (3, "H", "W"))
    assert not s.problems
    assert s.output_shape is not None
    assert s.accepts is not None
    for height in range(size - 9, size + 18):
        assert runs(model, (3, "H", "W"), {"H": height, "W": size}) == (height in s.accepts["H"])
    real = tuple(model(torch.zeros(1, 3, size, size)).shape)
    assert tuple(Evaluation({H: size, W: size})(one) for one in s.output_shape) == real


def test_what_a_call_that_stopped_was_given_is_in_letters() -> None:
    (call,) = (call for call in summarize(Calls(lambda x: F.max_pool2d(x, x.shape[-1] + 1)), (3, "H", "W")).calls
               if call.failed)  # fmt: skip
    assert call.settings["1"] == W + 1
    assert not any(isinstance(value, torch.SymInt) for value in call.settings.values())


def test_letters_that_have_to_be_equal() -> None:
    class Square(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ x

    accepts = summarize(Square(), (3, "H", "W")).accepts
    assert accepts is not None
    assert accepts.text == "H, W any; with H = W"


def test_the_page_shows_what_comes_out() -> None:
    assert run(Path(__file__).parent.parent / "docs" / "named-sizes.md") >= 8


# Reading and folding


def test_chains_of_convolutions_fold_to_the_same_numbers() -> None:
    draw = random.Random(0)
    for _ in range(60):
        form: Any = H
        chain = []
        for _ in range(draw.randint(1, 6)):
            kernel, stride, padding = draw.randint(1, 7), draw.randint(1, 4), draw.randint(0, 3)
            chain.append((kernel, stride, padding))
            form = ClosedForms()(floor((form + 2 * padding - kernel) / sympy.Integer(stride)) + 1)
        assert len(form.atoms(sympy.floor)) <= 1
        for size in (64, 97, 224, 1023):
            number = size
            for kernel, stride, padding in chain:
                number = (number + 2 * padding - kernel) // stride + 1
            assert form.subs({"H": size}) == number
            assert Evaluation({H: size})(form) == number


class Warns(nn.Module):
    """A loss that warns of each size it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return F.mse_loss(y, y.mean((2, 3), keepdim=True))


def test_nothing_is_heard_of_the_sizes_that_are_tried() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = summarize(Warns(), (3, "H", "W"))
    assert summary.accepts is not None
    assert summary.accepts.text == "H, W any"
    with pytest.warns(UserWarning, match="target size"):
        Warns()(torch.zeros(1, 3, 5, 5))


class Rows(nn.Module):
    """A map as rows, whose elements are not in that order in memory."""

    def __init__(self, function: str) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 4, 3), function

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = getattr(self.conv(x).permute(0, 2, 3, 1), self.function)(x.shape[0], -1)
        return made


def test_a_view_that_needs_a_copy_is_told_in_letters() -> None:
    (problem,) = summarize(Rows("view"), (3, "H", "W")).problems
    assert (problem.kind, problem.required) == ("reshape", "reshape")
    for height, width in ((5, 7), (9, 4)):  # but for a map of a single column or row, which is in both orders
        with pytest.raises(RuntimeError, match="view size is not compatible"):
            Rows("view")(torch.zeros(1, 3, height, width))
    right = summarize(Rows("reshape"), (3, "H", "W"))
    assert right.ok
    assert right.output_shape is not None
    assert str(right.output_shape[1]) == "4*(H - 2)*(W - 2)"
