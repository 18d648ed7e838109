"""Explanations: the way to a layer, everything that is wrong, and one layer by itself."""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import re
from pathlib import Path
from typing import Any

import pytest
import sympy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convlin
from convlin import InputError, summarize
from convlin.derivations import of_layers
from convlin.explanation.of_model import explain_report
from convlin.ops import catalog
from convlin.records import Call, Location, Report, Source, TensorInfo
from tests.readme_example import blocks


class CNN(nn.Module):
    """The small network of the thread."""

    def __init__(self, in_features: int = 2048) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.max_pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(in_features, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = self.max_pool(x)
        x = x.view(-1, 32 * 8 * 8)
        return self.fc1(x)


def line_of(text: str) -> str:
    """This file and the line on which the text stands, as explanations name it."""
    with open(__file__, encoding="utf-8") as file:
        number = next(number for number, line in enumerate(file, 1) if line.strip() == text)
    return f"{os.path.relpath(__file__)}:{number}"


VIEW = line_of("x = x.view(-1, 32 * 8 * 8)")

WAY = f"""how fc1 gets its input size

input  1×3×32×32
conv1  Conv2d  1×3×32×32 → 1×16×32×32
    C  out_channels = 16
conv2  Conv2d  1×16×32×32 → 1×32×16×16
    C     out_channels = 32
    H, W  ⌊(H + 2·padding − dilation·(kernel_size−1) − 1)/stride⌋ + 1
          ⌊(32 + 2·1 − 1·(3−1) − 1)/2⌋ + 1 = 16
max_pool  MaxPool2d  1×32×16×16 → 1×32×8×8
    H, W  ⌊(16 + 2·0 − 1·(2−1) − 1)/2⌋ + 1 = 8
Tensor.view at {VIEW}  1×32×8×8 → 1×2048
    features  dim 1·dim 2·dim 3
              32·8·8 = 2048
"""


def test_the_way_to_a_linear() -> None:
    summary = summarize(CNN(), (3, 32, 32))
    assert summary.explain("fc1") == f"{WAY}fc1  Linear\n    has in_features=2048, which is right: 32·8·8 = 2048"


def test_the_way_to_a_linear_that_is_wrong() -> None:
    text = summarize(CNN(999), (3, 32, 32)).explain("fc1")
    assert text.startswith(f"{WAY}fc1  Linear ✗\n    fix  ")
    assert text.endswith("\n    has in_features=999, but needs 32·8·8 = 2048")


def test_how_did_they_arrive_at_4096() -> None:
    def block(before: int, between: int, after: int, *more: nn.Module) -> list[nn.Module]:
        return [
            nn.Conv2d(before, between, 3, padding=1), nn.BatchNorm2d(between), nn.ReLU(),
            nn.Conv2d(between, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2), *more,
        ]  # fmt: skip

    features = nn.Sequential(*block(3, 32, 64), *block(64, 128, 128, nn.Dropout2d(0.05)), *block(128, 256, 256))
    head = nn.Sequential(nn.Dropout(0.1), nn.Linear(4096, 1024), nn.ReLU(), nn.Linear(1024, 10))
    text = summarize(nn.Sequential(features, nn.Flatten(), head), (3, 32, 32)).explain("2.1")
    assert text.endswith("256·4·4 = 4096")
    assert re.findall(r" = (\d+)$", text, re.MULTILINE) == [
        "32", "64", "16", "128", "8", "256", "4", "4096", "4096",
    ]  # fmt: skip
    assert text.count("kernel_size") == 1, "a formula stands in words once"
    assert "BatchNorm" not in text
    assert "Dropout" not in text


def test_other_layers_say_what_they_need_and_do() -> None:
    summary = summarize(CNN(), (3, 32, 32))
    assert summary.explain("conv2").splitlines()[-4:] == [
        "    C     out_channels = 32",
        "    H, W  ⌊(H + 2·padding − dilation·(kernel_size−1) − 1)/stride⌋ + 1",
        "          ⌊(32 + 2·1 − 1·(3−1) − 1)/2⌋ + 1 = 16",
        "    has in_channels=16, which is right: conv1 gives 16",
    ]
    assert summary.explain("conv1").endswith("has in_channels=3, which is right: the input has 3")
    assert summary.explain("bn2").splitlines()[-3:] == [
        "bn2  BatchNorm2d  1×32×16×16",
        "    keeps the size",
        "    has num_features=32, which is right: conv2 gives 32",
    ]
    assert summary.explain("max_pool").endswith("⌊(16 + 2·0 − 1·(2−1) − 1)/2⌋ + 1 = 8")
    assert summary.explain("").endswith("CNN  1×3×32×32 → 1×10\n    returns 1×10")


def test_a_line_is_explained_as_well() -> None:
    summary = summarize(CNN(), (3, 32, 32))
    for name in (VIEW, f"Tensor.view at {VIEW}"):
        assert summary.explain(name).endswith("    features  dim 1·dim 2·dim 3\n              32·8·8 = 2048")


def test_paths_that_are_not_there() -> None:
    model = CNN()
    model.unused = nn.Linear(3, 4)
    summary = summarize(model, (3, 32, 32))
    with pytest.raises(KeyError, match="there is no module 'fc'; did you mean 'fc1'"):
        summary.explain("fc")
    with pytest.raises(KeyError, match="'unused' was not called in this pass"):
        summary.explain("unused")
    for path in (None, "fc1"):
        with pytest.raises(InputError, match="no forward pass was run: give summarize an input"):
            summarize(model).explain(path)


# Meetings


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = F.relu(self.block(x) + x)
        return self.fc(self.pool(x).flatten(1))


def test_a_residual_connection_names_the_other_side() -> None:
    text = summarize(Residual(), (3, 9, 9)).explain("fc")
    add = line_of("x = F.relu(self.block(x) + x)")
    assert f"Tensor.add at {add}  with stem, 1×8×4×4: the size is kept" in text
    assert text.endswith("8·1·1 = 8")
    assert "block" not in text.replace("with stem", "")


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.bottom = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.up, self.out = nn.ConvTranspose2d(16, 8, 2, stride=2), nn.Conv2d(16, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x)
        return self.out(torch.cat([self.up(self.bottom(F.max_pool2d(skip, 2))), skip], dim=1))


CAT = line_of("return self.out(torch.cat([self.up(self.bottom(F.max_pool2d(skip, 2))), skip], dim=1))")


def test_a_concatenation_names_all_parts() -> None:
    text = summarize(UNet(), (3, 32, 32)).explain("out")
    assert (
        f"""
torch.cat at {CAT}  1×8×32×32 → 1×16×32×32
      with up  1×8×32×32   (the one followed here)
      with down  1×8×32×32
    dim 1  dim 1 of input 0 + dim 1 of input 1
           8 + 8 = 16
"""
        in text
    )
    assert text.endswith(f"has in_channels=16, which is right: torch.cat at {CAT} gives 16")


def test_a_concatenation_that_fails_shows_both_ways() -> None:
    text = summarize(UNet(), (3, 33, 33)).explain()
    assert text.startswith(f"1 problem in UNet\n\nhow torch.cat at {CAT} gets its input size\n\ninput  1×3×33×33\n")
    assert "      with up  1×8×32×32   (the one followed here)\n      with down  1×8×33×33\n" in text


class States(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        _, (hidden, _) = self.lstm(x)
        return self.fc(hidden[-1])


def test_the_state_of_a_recurrent_layer_has_its_own_formula() -> None:
    text = summarize(States(), (5, 8)).explain("fc")
    assert "lstm  LSTM  1×5×8 → 4×1×6\n    dim 0     directions·num_layers\n              2·2 = 4\n" in text
    assert "hidden[-1]" not in text
    assert "one place of a dimension is taken, which is gone" in text


class Own(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], -1)


class Positions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, 5, 6))
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.table) + x


def test_what_was_not_seen_is_said() -> None:
    text = summarize(nn.Sequential(nn.MaxPool2d(4), Own(), nn.Linear(9, 2)), (3, 8, 8)).explain()
    assert "1  Own  1×3×2×2 → 1×12\n    3·2·2 = 12: as many elements as before\n" in text
    assert "    (what is computed here was not seen)\n" in text
    assert text.endswith("has in_features=9, but needs 3·2·2 = 12")
    text = summarize(Positions(), (7, 1, 1)).explain("fc")
    assert "1×5×6  (made in a way that is not seen: a parameter, or made in forward)" in text


# Everything


class Wrong(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 5), nn.Conv2d(4, 8, 5)
        self.fc1, self.fc2 = nn.Linear(2048, 10), nn.Linear(11, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(self.two(self.one(x)).flatten(1)))


def test_everything_that_is_wrong_each_told_from_where_the_last_one_ended() -> None:
    text = summarize(Wrong(), (3, 16, 16)).explain()
    assert text.startswith("3 problems in Wrong\n\nhow two gets its input size\n\ninput  1×3×16×16\n")
    assert text.count("one  Conv2d") == 1
    assert "how fc1 gets its input size\n\none  1×8×12×12, as above\ntwo  Conv2d" in text
    assert [line for line in text.splitlines() if line.startswith("    has ")] == [
        "    has in_channels=4, but one gives 8",
        "    has in_features=2048, but needs 8·8·8 = 512",
        "    has in_features=11, but fc1 gives 10",
    ]


def test_where_nothing_is_wrong_the_flattened_sizes_are_explained() -> None:
    text = summarize(CNN(), (3, 32, 32)).explain()
    assert text == f"No size in CNN is wrong.\n\n{summarize(CNN(), (3, 32, 32)).explain('fc1')}"
    text = summarize(UNet(), (3, 32, 32)).explain()
    assert text == (
        "No size in UNet is wrong.\n"
        "No Linear follows a flatten; explain(path) shows how any layer gets its input size."
    )  # fmt: skip


def test_an_input_that_is_too_small_is_told_by_the_formula() -> None:
    text = summarize(nn.Sequential(nn.Conv2d(3, 8, 5), nn.MaxPool2d(4)), (3, 6, 6)).explain()
    assert "1  MaxPool2d ✗  1×8×2×2\n" in text
    assert "    ✗ H is 2, but must be at least 4: ⌊(2 + 2·0 − 1·(4−1) − 1)/4⌋ + 1 = 0\n" in text


def test_a_layer_used_twice() -> None:
    layer = nn.Linear(4, 4)
    text = summarize(nn.Sequential(layer, layer), (4,)).explain("0")
    assert "\n(called 2 times; this is number 1)\n" in text


def test_named_sizes() -> None:
    height = sympy.Symbol("H", integer=True, positive=True)
    half = sympy.floor(height / 2)
    shapes = [(1, 3, height, 32), (1, 3, half, 16), (1, 48 * half)]
    tensors = [TensorInfo("", shape, "float32", "cpu") for shape in shapes]
    pool = Call(
        "pool", "MaxPool2d", (tensors[0],), (tensors[1],), sources=(Source.input(0),), settings={"kernel_size": 2},
        derive=lambda call: of_layers.max_pool(call, spatial_dims=2),
    )  # fmt: skip
    flat = Call(
        "", "torch.flatten", (tensors[1],), (tensors[2],), is_function=True, settings={"1": 1},
        sources=(Source.call(0),), where=Location("net.py", 27), derive=catalog.derive,
    )  # fmt: skip
    linear = Call("fc", "Linear", (tensors[2],), (), sources=(Source.call(1),), settings={"in_features": 48 * half})
    report = Report("Net", (tensors[0],), (), "cpu", "eval", (pool, flat, linear), ())
    assert (
        explain_report(report, 2)
        == """how fc gets its input size

input  1×3×H×32
pool  MaxPool2d  1×3×H×32 → 1×3×⌊H/2⌋×16
    H  ⌊(H + 2·padding − dilation·(kernel_size−1) − 1)/stride⌋ + 1
       ⌊(H + 2·0 − 1·(2−1) − 1)/2⌋ + 1 = ⌊H/2⌋
    W  ⌊(32 + 2·0 − 1·(2−1) − 1)/2⌋ + 1 = 16
torch.flatten at net.py:27  1×3×⌊H/2⌋×16 → 1×(48·⌊H/2⌋)
    features  dim 1·dim 2·dim 3
              3·⌊H/2⌋·16 = 48·⌊H/2⌋
fc  Linear
    has in_features=48·⌊H/2⌋, which is right: 3·⌊H/2⌋·16 = 48·⌊H/2⌋"""
    )


# One layer


def test_one_convolution() -> None:
    assert (
        convlin.explain(nn.Conv2d(3, 16, 3, stride=2), (3, 32, 32))
        == """\
Conv2d(3, 16, kernel_size=(3, 3), stride=(2, 2))
1×3×32×32 → 1×16×15×15

    C  out_channels = 16
    H, W  ⌊(H + 2·padding − dilation·(kernel_size−1) − 1)/stride⌋ + 1
        = ⌊(32 + 2·0 − 1·(3−1) − 1)/2⌋ + 1
        = ⌊29/2⌋ + 1
        = 14 + 1
        = 15

where the numbers come from
    H = W         32  the input
    out_channels  16  declared
    kernel_size    3  declared
    stride         2  declared (the default is 1)
    padding        0  the default
    dilation       1  the default

what goes wrong most
    + 1         the first place of the window also counts: without it 14
    ( )/stride  the stride divides everything in the parentheses: (H − kernel_size +
                2·padding/stride) + 1 would be 30
    ⌊ ⌋         29/2 = 14.5 is rounded down: at the end 1 cell is left over that no window reaches
    dilation    1 here, so that the kernel spans 1·(3−1) + 1 = 3; 2 would make it 5

https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html"""
    )


def test_the_slips_are_those_of_the_layer() -> None:
    text = convlin.explain(nn.Conv2d(3, 16, 3, dilation=3), (3, 32, 32))
    assert "the kernel spans 3·(3−1) + 1 = 7 cells, not 3: left out, it would be 30" in text
    assert "⌊ ⌋ " not in text, "with a stride of 1 there is nothing to round"
    text = convlin.explain(nn.MaxPool2d(3), (3, 33, 33))
    assert "stride        3  the default of a pooling layer: its kernel_size" in text
    assert "unless given, not 1, which would give 31" in text
    text = convlin.explain(nn.MaxPool2d(3, stride=1), (3, 33, 33))
    assert "stride        1  declared (the default of a pooling layer is its kernel_size, 3)" in text
    assert "unless given" not in text
    text = convlin.explain(nn.AvgPool2d(2, ceil_mode=True), (3, 33, 33))
    assert "31/2 = 15.5 is rounded up, as ceil_mode says" in text
    assert "dilation" not in text
    text = convlin.explain(nn.Flatten(), (32, 8, 8))
    assert "belong into the product: 8·8 = 64 is one channel of 32" in text


def test_what_a_layer_is_called_does_not_tell_what_it_is() -> None:
    class PooledConv(nn.Conv2d):
        pass

    class Down(nn.MaxPool2d):
        pass

    text = convlin.explain(PooledConv(3, 16, 2, stride=2), (3, 32, 32))
    assert re.search(r"stride +2  declared \(the default is 1\)\n", text)
    assert "pooling" not in text
    text = convlin.explain(Down(3), (3, 33, 33))
    assert "stride        3  the default of a pooling layer: its kernel_size" in text


@pytest.mark.parametrize(
    ("layer", "shape", "wrong"),
    [
        (nn.Conv2d(3, 4, 3, 2, 1), (3, 9, 9), (9 + 2 - 2 - 1) // 2),
        (nn.MaxPool1d(3, 2), (3, 12), (12 - 3) // 2),
        (nn.LPPool2d(2, 3), (3, 10, 10), (10 - 3) // 3),
    ],
)
def test_what_a_slip_would_give(layer: nn.Module, shape: Any, wrong: int) -> None:
    assert f"without it {wrong}\n" in convlin.explain(layer, shape)


def test_one_layer_that_refuses_its_input() -> None:
    text = convlin.explain(nn.MaxPool2d(2), (3, 1, 1))
    assert text.startswith(
        "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)\n1×3×1×1\n\n"
        "    ✗ H is 1, but must be at least 2: ⌊(1 + 2·0 − 1·(2−1) − 1)/2⌋ + 1 = 0\n"
    )
    assert "stride        2  the default of a pooling layer: its kernel_size" in text
    text = convlin.explain(nn.Conv2d(3, 16, 3), (1, 28, 28))
    assert "receives 1 channel, expects 3" in text
    assert "        = 26\n" in text
    text = convlin.explain(nn.Linear(9, 2), (7,))
    assert "receives 7 features" in text


@pytest.mark.parametrize(
    ("layer", "shape", "said"),
    [
        (nn.BatchNorm2d(8), (8, 4, 4), "    the size is kept\n"),
        (nn.LSTM(8, 7, bidirectional=True, batch_first=True), (5, 8), "    features  directions·hidden_size\n"),
        (nn.ConvTranspose2d(8, 4, 3, stride=2), (8, 7, 7), "        = (7−1)·2 − 2·0 + 1·(3−1) + 0 + 1\n"),
        (nn.Conv1d(3, 4, 3, padding="same"), (3, 9), "padding       same  declared (the default is 0)"),
        (nn.Upsample(scale_factor=2), (3, 4, 5), "    scale_factor  2  declared"),
        (nn.AdaptiveAvgPool2d(1), (3, 4, 5), "    H, W  output_size = 1\n"),
        (nn.Unfold(2), (3, 4, 5), "= (⌊(4 + 2·0 − 1·(2−1) − 1)/1⌋ + 1)·"),
        (nn.PixelShuffle(2), (8, 4, 5), "    C  C/upscale_factor²\n     = 8/2²\n     = 2\n"),
        (nn.Embedding(10, 4), torch.zeros(2, 3, dtype=torch.long), "    features  embedding_dim = 4\n"),
        (nn.Sequential(nn.Flatten(), nn.Linear(9, 2)), (3, 4), "has in_features=9, but needs 3·4 = 12"),
        (Own(), (3, 4), "    how this size comes about is not known to convlin"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_single_layers(layer: nn.Module, shape: Any, said: str) -> None:
    text = convlin.explain(layer, shape)
    assert said in text
    for line in text.splitlines():
        assert line == line.rstrip()
        assert len(line) <= 100


def test_plain_signs() -> None:
    text = summarize(CNN(), (3, 32, 32), ascii_only=True).explain("fc1")
    assert text.isascii()
    assert text.endswith("32*8*8 = 2048")
    assert "floor((32 + 2*1 - 1*(3-1) - 1)/2) + 1 = 16" in text


# The page


def test_the_page_prints_what_it_shows() -> None:
    page = (Path(__file__).parent.parent / "docs" / "arithmetic.md").read_text(encoding="utf-8")
    namespace: dict[str, object] = {"__name__": "page"}
    shown = 0
    for number, (code, expected) in enumerate(blocks(page)):
        named = re.match(r"# (\S+\.py)\n", code)
        source = named[1] if named else f"block{number}.py"
        # Known to linecache, so that lines are found as in a file.
        linecache.cache[source] = (len(code), None, code.splitlines(keepends=True), source)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, source, "exec"), namespace)
        assert printed.getvalue().rstrip() == (expected or "").rstrip()
        shown += expected is not None
    assert shown == page.count("```text")


@pytest.mark.parametrize(
    ("model", "shape", "maker"),
    [
        (lambda: nn.Sequential(nn.Linear(16, 32), nn.Linear(32, 32), nn.ReLU(), nn.Linear(30, 4)), (16,), "1"),
        (lambda: nn.Sequential(nn.Conv2d(8, 8, 1), nn.Dropout(), nn.Flatten(), nn.Linear(9, 3)), (8, 4, 4), "0"),
        (lambda: nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.Linear(5, 5)), (3, 6), "0"),
    ],
    ids=["linear", "conv", "norm"],
)  # fmt: skip
def test_a_layer_that_keeps_the_width_is_named_as_the_one_that_made_it(model, shape, maker) -> None:
    """Changing that layer's declared width, and nothing in front of it, changes what arrives."""
    summary = summarize(model(), shape)
    (problem,) = summary.problems
    assert f"the output of {maker}" in problem.message
    if "flattened" not in problem.message:
        assert re.search(rf"^{maker}  Linear  ", summary.explain(problem.path), re.MULTILINE)


# One layer whose children only hold its weights, or compute them


def test_an_attention_and_a_parametrized_layer_are_one_layer() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    query, other = torch.zeros(1, 5, 8), torch.zeros(1, 7, 8)
    made, weights = attention(query, other, other)
    assert (made.shape, weights.shape) == ((1, 5, 8), (1, 5, 7))  # PyTorch agrees
    told = convlin.explain(attention, [(5, 8), (7, 8), (7, 8)])
    assert told.startswith("MultiheadAttention(embed_dim=8, num_heads=2")
    assert "1×5×8, 1×7×8, 1×7×8 → 1×5×8, 1×5×7" in told
    assert "Linear follows" not in told
    wrong = convlin.explain(attention, [(5, 9), (7, 9), (7, 9)])
    assert "MultiheadAttention(embed_dim=8, …) receives 9 features, expects 8" in wrong

    plain, normed = nn.Conv2d(3, 4, 3), torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
    assert normed(torch.zeros(1, 3, 9, 9)).shape == plain(torch.zeros(1, 3, 9, 9)).shape == (1, 4, 7, 7)
    assert convlin.explain(normed, (3, 9, 9)) == "Parametrized" + convlin.explain(plain, (3, 9, 9))


def test_a_layer_that_calls_others_is_explained_as_a_model() -> None:
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert convlin.explain(encoder, (3, 8)).startswith("No size in TransformerEncoderLayer is wrong.")
