"""Windows that make two sizes of what meets in a sum or a join: the oracle is PyTorch, with the fix applied and run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from convlin import fit, summarize
from convlin.records import Evidence, Problem
from convlin.source import apply
from tests.mistakes.mending import loaded

NET = """\
import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(c, c, 3), nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, c, 3))

    def forward(self, x):
        return F.relu(x + self.body(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        LAYERS

    def forward(self, x):
        return FORWARD
"""

#: What is made and called, the paths of the layers that lack their padding and that padding.
NETS = {
    "residual": ("self.c = nn.Conv2d(3, 3, 3)", "x + self.c(x)", {"c": 1}),
    "wide": ("self.c = nn.Conv2d(3, 3, 5, padding=1)", "self.c(x) + x", {"c": 2}),
    "long": ("self.c = nn.Conv2d(3, 3, (3, 5))", "x + self.c(x)", {"c": (1, 2)}),
    "dilated": ("self.c = nn.Conv2d(3, 3, 3, dilation=4, padding=1)", "x + torch.relu(self.c(x))", {"c": 4}),
    "two": (
        "self.a, self.b = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 3, 3)",
        "x + self.b(F.dropout(self.a(x), 0.1, self.training))",
        {"a": 1, "b": 1},
    ),
    "again": ("self.c = nn.Conv2d(3, 3, 3)", "self.c(x) + self.c(x + self.c(x))", {"c": 1}),
    "branches": (
        "self.a, self.b, self.c = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 5)\n"
        "        self.pool, self.out = nn.MaxPool2d(3, stride=1), nn.Conv2d(15, 2, 1)",
        "self.out(torch.cat([self.a(x), self.b(x), self.c(x), self.pool(x)], 1))",
        {"b": 1, "c": 2, "pool": 1},
    ),
    "blocks": (
        "self.stem, self.blocks = nn.Conv2d(3, 6, 1), nn.Sequential(*[Block(6) for _ in range(3)])",
        "self.blocks(self.stem(x)).mean((2, 3))",
        {f"blocks.{place}.body.{layer}": 1 for place in range(3) for layer in (0, 3)},
    ),
    "with a Linear": (
        "self.c, self.f = nn.Conv2d(3, 3, 3), nn.Linear(3 * 12 * 12, 4)", "self.f((x + self.c(x)).flatten(1))", {"c": 1}
    ),
}  # fmt: skip

#: Where other settings than a lacking padding make two sizes: the layers, the call and what is to be changed.
OTHER_SETTINGS = {
    "too much padding": (
        "self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 5, padding=3)",
        "torch.cat([x, self.a(x), self.b(x)], 1)",
        {"b": {"padding": "2"}},
    ),
    "too much and too little": (
        "self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 5, padding=3)",
        "self.a(x) + self.b(x)",
        {"a": {"padding": "1"}, "b": {"padding": "2"}},
    ),
    "channels last on the way": (
        "self.c, self.f = nn.Conv2d(3, 3, 7, groups=3), nn.Linear(3, 3)",
        "x + self.f(self.c(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)",
        {"c": {"padding": "3"}},
    ),
    "a pool without its stride": (
        "self.c, self.pool = nn.Conv2d(3, 3, 3, padding=1), nn.MaxPool2d(3, padding=1)",
        "torch.cat([self.c(x), self.pool(x)], 1)",
        {"pool": {"stride": "1"}},
    ),
    "a pool without both": (
        "self.pool = nn.AvgPool2d((3, 5))", "x + self.pool(x)", {"pool": {"stride": "1", "padding": "(1, 2)"}},
    ),
    "a pool of a square without both": (
        "self.pool = nn.AvgPool2d(5)", "x + self.pool(x)", {"pool": {"stride": "1", "padding": "2"}},
    ),
    "a shortcut without its stride": (
        "self.a, self.b = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.Conv2d(6, 6, 3, padding=1)\n"
        "        self.short = nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6))",
        "F.relu(self.b(F.relu(self.a(x))) + self.short(x))",
        {"short.0": {"stride": "2"}},
    ),
    "a shortcut of a stride of three": (
        "self.a, self.short = nn.Conv2d(3, 6, 3, stride=3), nn.Conv2d(3, 6, 1, bias=False)",
        "self.short(x) + self.a(x)",
        {"short": {"stride": "3"}},
    ),
    "a pool without its stride beside a convolution without its padding": (
        "self.c, self.pool = nn.Conv2d(3, 3, 5), nn.MaxPool2d(3)",
        "torch.cat([self.c(x), self.pool(x)], 1)",
        {"c": {"padding": "2"}, "pool": {"stride": "1", "padding": "1"}},
    ),
    "a transposed convolution without its stride": (
        "self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)\n"
        "        self.up, self.out = nn.ConvTranspose2d(8, 6, 2), nn.Conv2d(12, 2, 1)",
        "(lambda a: self.out(torch.cat([a, self.up(self.b(F.max_pool2d(a, 2)))], 1)))(self.a(x))",
        {"up": {"stride": "2"}},
    ),
    "a shortcut in front of a Linear": (
        "self.a, self.short = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.Conv2d(3, 6, 1)\n"
        "        self.f = nn.Linear(6 * 6 * 6, 4)",
        "self.f((self.short(x) + self.a(x)).flatten(1))",
        {"short": {"stride": "2"}},
    ),
}  # fmt: skip


def written(tmp_path: Path, layers: str, forward: str) -> Path:
    path = tmp_path / "net.py"
    path.write_text(NET.replace("LAYERS", layers).replace("FORWARD", forward))
    return path


def told_and_mended(path: Path) -> tuple[Problem, ...]:
    """What is told of the net in a file; with what it proposes made and written PyTorch runs the net."""
    image = torch.zeros(2, 3, 12, 12)
    net = loaded(path).Net()
    with pytest.raises(RuntimeError):
        net(image)
    problems = summarize(net, (3, 12, 12)).problems
    assert all(each.evidence is Evidence.RUN for each in problems)
    wanted = fit(net, (3, 12, 12))(image).shape
    (fixed,) = apply([*dict.fromkeys(edit for each in problems for edit in each.edits)]).values()
    path.write_bytes(fixed)
    assert loaded(path).Net()(image).shape == wanted
    assert summarize(loaded(path).Net(), (3, 12, 12)).ok
    lines = [line.strip() for line in fixed.decode().splitlines()]
    assert all(line in lines for each in problems if each.fix for line in each.fix.splitlines())
    return problems


@pytest.mark.parametrize(("layers", "forward", "lacking"), NETS.values(), ids=NETS)
def test_the_padding_that_a_sum_lacks(
    tmp_path: Path, layers: str, forward: str, lacking: dict[str, int | tuple[int, int]]
) -> None:
    problems = told_and_mended(written(tmp_path, layers, forward))
    assert {each.path: each.required for each in problems} == lacking
    assert {each.kind for each in problems} == {"padding"}
    assert all(f"padding={each.required} keeps the size" in " ".join(each.message.split()) for each in problems)


@pytest.mark.parametrize(("layers", "forward", "changes"), OTHER_SETTINGS.values(), ids=OTHER_SETTINGS)
def test_other_settings_that_make_two_sizes(
    tmp_path: Path, layers: str, forward: str, changes: dict[str, dict[str, str]]
) -> None:
    problems = told_and_mended(written(tmp_path, layers, forward))
    assert {each.path: dict(each.changes) for each in problems} == changes


class Strided(nn.Module):
    def __init__(self, given: int, made: int, stride: int, shortcut: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, made, 3, stride, 1)
        self.shortcut = nn.Conv2d(given, made, 1, shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x) + self.shortcut(x))


def test_the_stride_that_the_shortcuts_of_several_blocks_lack() -> None:
    """It shows in a block once the one in front is right, and a block without a stride has none to lack."""

    def model(*shortcuts: int) -> nn.Module:
        strides = zip((1, 2, 2, 3), shortcuts, strict=True)
        return nn.Sequential(*(Strided(3, 3, stride, shortcut) for stride, shortcut in strides)).eval()

    with pytest.raises(RuntimeError):
        model(1, 1, 1, 1)(torch.zeros(1, 3, 24, 24))
    problems = summarize(model(1, 1, 1, 1), (3, 24, 24)).problems
    assert {each.path: each.required for each in problems} == {"1.shortcut": 2, "2.shortcut": 2, "3.shortcut": 3}
    assert all(each.evidence is Evidence.RUN for each in problems)
    assert model(1, 2, 2, 3)(torch.zeros(1, 3, 24, 24)).shape == (1, 3, 2, 2)


@pytest.mark.parametrize(
    ("layers", "forward"),
    [
        (  # which of the two convolutions of the shortcut?
            "self.a = nn.Conv2d(3, 6, 3, stride=2, padding=1)\n"
            "        self.short = nn.Sequential(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 1))",
            "self.short(x) + self.a(x)",
        ),
        ("self.a, self.b = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(3, 6, 3, 1, 1)", "self.a(x) + self.b(x)"),
        ("self.a = nn.MaxPool2d(3, stride=2, padding=1)", "self.a(x) + x"),
        (
            "self.a, self.short = nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 3, 1)",
            "self.short(x) + self.a(x)[..., :5, :5].expand(-1, -1, 5, 5)",
        ),
    ],
)
def test_where_other_settings_may_be_meant_none_are_told(tmp_path: Path, layers: str, forward: str) -> None:
    net = loaded(written(tmp_path, layers, forward)).Net()
    with pytest.raises(RuntimeError):
        net(torch.zeros(2, 3, 12, 12))
    assert [each.kind for each in summarize(net, (3, 12, 12)).problems] == ["operands"]


@pytest.mark.parametrize(
    ("layers", "forward"),
    [
        ("self.c = nn.Conv2d(3, 3, 4)", "x + self.c(x)"),  # no half of an even window
        ("self.c = nn.Conv2d(3, 3, 3, stride=2)", "x + self.c(x)"),
        ("self.c, self.d = nn.Conv2d(3, 3, 3, 2, 1), nn.Conv2d(3, 3, 3)", "x + self.d(self.c(x))"),
        ("self.c, self.w = nn.Conv2d(3, 3, 3), nn.Parameter(torch.zeros(3, 12, 12))", "self.w + self.c(x)"),
        ("self.c = nn.Conv2d(3, 3, 3)", "x + F.max_pool2d(self.c(x), 3, 1)"),
        (
            "self.c, self.up = nn.Conv2d(3, 3, 3), nn.ConvTranspose2d(3, 3, 2, 2)",
            "torch.cat([x, self.up(F.max_pool2d(self.c(x), 2))], 1)",  # may be cut as well
        ),
    ],
)
def test_where_something_else_narrows_it_no_padding_is_told(tmp_path: Path, layers: str, forward: str) -> None:
    net = loaded(written(tmp_path, layers, forward)).Net()
    with pytest.raises(RuntimeError):
        net(torch.zeros(2, 3, 12, 12))
    assert [each for each in summarize(net, (3, 12, 12)).problems if each.kind == "padding"] == []


@pytest.mark.parametrize("shape", [(3, 12, 12), (3, 12)])
def test_a_map_without_a_batch_is_told_by_its_sizes(shape: tuple[int, ...]) -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = (nn.Conv1d if len(shape) == 2 else nn.Conv2d)(3, 3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.relu(self.conv(x))

    with pytest.raises(RuntimeError, match="must match the size"):
        Sum()(torch.zeros(shape))
    (problem,) = summarize(Sum(), torch.zeros(shape)).problems
    assert (problem.kind, "12 and 10" in problem.message) == ("operands", True)


PADDED = """\
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, padding):
        super().__init__()
        self.c = nn.Conv2d(4, 4, 3, padding=padding)

    def forward(self, x):
        return x + self.c(x)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(Block(1), Block(0), nn.MaxPool2d(2), Block(0))
"""


def test_of_blocks_that_have_their_padding_nothing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(PADDED)
    net = loaded(path).Net()
    first, second = summarize(net, (4, 12, 12)).problems
    assert (first.path, second.path) == ("1.c", "3.c")
    assert "cannot combine 1×4×12×12 and 1×4×10×10: padding=1 keeps the size" in " ".join(first.message.split())
    assert second.message.endswith("1×4×4×4 of 1×4×6×6\npadding=1 keeps the size, as in 1.c")
    assert net[0].c.padding == (1, 1)
    assert fit(net, (4, 12, 12))(torch.zeros(2, 4, 12, 12)).shape == (2, 4, 6, 6)


def test_a_layer_that_is_narrow_on_purpose_is_none_that_lacks_padding() -> None:
    narrow = (nn.Conv2d(3, 4, 3), nn.Flatten())
    assert summarize(nn.Sequential(*narrow, nn.Linear(4 * 10 * 10, 2)), (3, 12, 12)).ok
    (problem,) = summarize(nn.Sequential(*narrow, nn.Linear(4 * 12 * 12, 2)), (3, 12, 12)).problems
    assert problem.kind == "in_features"


class Residual(nn.Module):
    def __init__(self, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=padding)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x)


def test_a_block_in_which_the_pass_stopped_lacks_it_as_well() -> None:
    def model(padding: int) -> nn.Module:
        return nn.Sequential(
            Residual(padding), nn.MaxPool2d(2), Residual(padding), nn.MaxPool2d(2), Residual(padding)
        ).eval()

    problems = summarize(model(0), (8, 8, 8)).problems
    assert [problem.path for problem in problems] == ["0.conv", "2.conv"]
    assert all(problem.changes == {"padding": "1"} for problem in problems)
    assert model(1)(torch.zeros(1, 8, 8, 8)).shape == (1, 8, 2, 2)
