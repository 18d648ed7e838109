"""What letters say of code in the style of papers and forums: held against real runs of PyTorch at many sizes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import sympy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import Summary, summarize
from tests.test_letters_told_apart import Calls, faults, grid, runs, to_square

SIZES = (1, 2, 3, 5, 8, 9, 13, 16, 24, 31, 40)


class SpatialPyramid(nn.Module):
    """Spatial pyramid pooling: at the first level a window is all there is, and half of what is left over is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4 * (1 + 4), 3)

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for level in (1, 2):
            kernel = [math.ceil(size / level) for size in x.shape[2:]]
            padding = [
                math.floor((each * level - size + 1) / 2) for each, size in zip(kernel, x.shape[2:], strict=True)
            ]
            found.append(F.max_pool2d(x, kernel, kernel, padding).flatten(1))
        out: Tensor = self.head(torch.cat(found, 1))
        return out


def test_what_is_rounded_and_comes_to_a_number() -> None:
    model = SpatialPyramid()
    summary = summarize(model, (4, "H", "W"))
    assert summary.ok
    assert faults(summary, model, [(1, 4, "H", "W")], grid("HW", SIZES[1:])) == []


class Rows(nn.Module):
    """A table of rows that is added along the height of every sample."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Embedding(40, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.rows(torch.arange(x.shape[2])).t()[None, :, :, None]


@pytest.mark.parametrize("batch", [1, 2, "N"])
def test_a_table_ends_a_range_beside_a_letter_without_an_end(batch: Any) -> None:
    """A run on the meta device, where the other letter is large, shows no end."""
    model = Rows()
    summary = summarize(model, (4, "H", "W"), batch_size=batch)
    points = [{"H": height, "W": width, "N": 2} for height in (1, 39, 40, 41, 90) for width in (1, 7, 41, 200)]
    assert summary.accepts is not None
    assert summary.report.remarks == ()
    assert faults(summary, model, [(batch, 4, "H", "W")], points) == []


class Cells(nn.Module):
    """A table that limits how many cells a map has, and not how they lie: no range of each letter says so."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.Embedding(40, 4)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        return x + self.cells(torch.arange(height * width)).t().reshape(1, 4, height, width)


def test_the_batch_is_not_blamed_where_the_sample_is_too_large() -> None:
    model = Cells()
    assert all(runs(model, [(rows, 4, 5, 8)], {}) for rows in (1, 2, 3, 5))
    assert runs(model, [(1, 4, 5, 9)], {}) is None
    summary = summarize(model, (4, "H", "W"), batch_size="N")
    assert summary.accepts is None
    assert not any("not every batch" in remark for remark in summary.report.remarks)


class Warped(nn.Module):
    """What is wider than high is contiguous; of what is not, sampling asks that everything is on one device."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] > x.shape[3]:
            x = x.transpose(2, 3)
        rows, channels, height, width = x.shape
        theta = torch.eye(2, 3).expand(rows, 2, 3)  # as people write it, without a device
        return F.grid_sample(
            x, F.affine_grid(theta, [rows, channels, height // 2 + 1, width], False), align_corners=False
        )


def test_what_stays_on_the_cpu_on_one_way_alone() -> None:
    model = Warped()
    summary = summarize(model, (4, "H", "W"))
    assert faults(summary, model, [(1, 4, "H", "W")], grid("HW", SIZES)) == []
    assert summary.accepts is not None


class Remembers(nn.Module):
    """It keeps text of the sizes that it saw, and one that it did not see."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = {"44"}

    def forward(self, x: Tensor) -> Tensor:
        self.seen.add(f"{x.shape[-1]}")
        return x if len(self.seen) > 1 else x[..., ::2]


def test_text_that_is_kept_is_no_message() -> None:
    assert Remembers()(torch.zeros(1, 4, 44)).shape[-1] == 22
    assert Remembers()(torch.zeros(1, 4, 45)).shape[-1] == 45
    remarks = summarize(Remembers(), (4, "L")).report.remarks
    assert any("text of a size" in remark or "not for L = 44" in remark for remark in remarks)


def test_a_square_that_either_letter_fills() -> None:
    """Of 3×3 features either side may be less: the box has one of them, and the note another."""
    model = nn.Sequential(Squared(), nn.Flatten(), nn.Linear(36, 2))
    summary = summarize(model, (4, "H", "W"))
    taken = [each for each in grid("HW", range(1, 7)) if runs(model, [(1, 4, "H", "W")], each)]
    assert summary.accepts is not None
    inside = [each for each in taken if all(each[found.name] in found for found in summary.accepts.sizes)]
    told = [remark for remark in summary.report.remarks if "accepts other sizes as well" in remark]
    assert len(inside) < len(taken)
    assert any(f"H = {each['H']}, W = {each['W']}" in told[0] for each in taken if each not in inside)


class Squared(nn.Module):
    """Padded to a square, whose rows look at each other: behind that no sample is small enough to be run."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = to_square(x)
        rows, channels, height, width = x.shape
        x = x.permute(0, 2, 3, 1).reshape(rows * height, width, channels)
        return self.look(x, x, x)[0].reshape(rows, height, width, channels).permute(0, 3, 1, 2)


class Diagonal(nn.Module):
    """The diagonal of a third of a map: which of its two sides ends it nothing asks."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.norm(x.tensor_split(3, -1)[1])
        return found.diagonal(3, 2, 3)


def test_a_form_of_two_letters_is_not_replaced_by_one_of_one() -> None:
    """At all sizes that were compared the third of the width was less than the height."""
    model = Diagonal()
    summary = summarize(model, (4, "H", "W"))
    points = [{"H": height, "W": width} for height in (2, 3, 9, 27) for width in (2, 11, 31, 64, 100)]
    wrong = [fault for fault in faults(summary, model, [(1, 4, "H", "W")], points) if "told (" in fault]
    assert wrong == []


class Differences(nn.Module):
    """A norm refuses a single cell, and takes none."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.norm(x.diff(dim=-1))
        return found


def test_sizes_that_two_letters_are_refused_at_together_are_in_no_range() -> None:
    model = Differences()
    assert runs(model, [(1, 4, 1, 2)], {}) is None
    assert all(runs(model, [(1, 4, *sizes)], {}) for sizes in ((1, 1), (1, 3), (2, 2)))
    accepts = summarize(model, (4, "H", "W")).accepts
    assert accepts is None or not (1 in accepts["H"] and 2 in accepts["W"])


class Residual(nn.Module):
    """Two signals of which one is four times as long."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Conv1d(4, 4, 2, padding=2, dilation=2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x[..., -(x.shape[-1] // 4 + 1) :] + self.narrow(y)


def test_two_inputs_that_have_to_agree_behind_a_stride_have_no_range() -> None:
    model = Residual()
    shapes = [(1, 4, "L"), (1, 4, "S")]
    assert all(
        runs(model, shapes, {"L": long, "S": short}) for long, short in ((8, 1), (164, 40), (167, 40), (400, 99))
    )
    accepts = summarize(model, [(4, "L"), (4, "S")]).accepts
    assert accepts is None


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_a_range_of_two_inputs_is_none_at_which_one_is_stretched(times: int) -> None:
    """Of one that is halved three times a single step is left of 8 to 15, which any other input takes."""

    class Halved(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            for _ in range(times):
                y = F.max_pool1d(y, 2)
            return x + y

    s = summarize(Halved(), [(4, "L"), (4, "K")])
    assert s.accepts is None
    assert not any("not for all" in remark or "no other size ran" in remark for remark in s.report.remarks)
    for length in (2, 5, 40):
        sizes = {"L": length, "K": 2**times * length + 1}
        (seen,) = Halved()(torch.zeros(1, 4, sizes["L"]), torch.zeros(1, 4, sizes["K"])).shape[2:]
        assert s.output_shape is not None
        assert int(sympy.sympify(s.output_shape[-1]).subs(sizes)) == seen


@pytest.mark.parametrize("step", [6, 12, 20])
@pytest.mark.parametrize("way", [1, -1])
def test_a_loop_to_the_next_multiple_has_a_form(step: int, way: int) -> None:
    def call(x: Tensor) -> Tensor:
        size = x.shape[-1]
        while size % step:
            size += way
        return F.pad(x, (0, size - x.shape[-1]))

    model = Calls(call)
    s = summarize(model, (4, "L"))
    assert s.output_shape is not None
    form = sympy.sympify(s.output_shape[-1])
    assert form.free_symbols
    for length in (*range(step, 3 * step), 97, 128, 250):
        assert int(form.subs({"L": length})) == call(torch.zeros(1, 4, length)).shape[-1]
    assert not any("no formula" in remark or "not for all" in remark for remark in s.report.remarks)


def added_places(x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    return x + torch.linspace(0.5, height - 0.5, height)[:, None] + torch.linspace(-1, 1, steps=width)


def warped(x: Tensor) -> Tensor:
    theta = torch.eye(2, 3).expand(x.shape[0], 2, 3)
    return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)


def in_quarters(x: Tensor) -> Tensor:
    steps = [size // 4 for size in x.shape[2:]]
    kernel = [size - 3 * step for size, step in zip(x.shape[2:], steps, strict=True)]
    return F.max_pool2d(x, kernel, steps)


@pytest.mark.parametrize(
    "call",
    [
        added_places,
        warped,
        in_quarters,
        lambda x: F.avg_pool2d(x, x.size()[2:]),
        lambda x: F.max_pool2d(x, kernel_size=(x.shape[2], 1)),
        lambda x: F.avg_pool2d(x, x.shape[-1] // 2 + 1, stride=2, padding=x.shape[-1] // 8),
        lambda x: F.avg_pool2d(x, (x.shape[2] // 2, x.shape[3] // 3), ceil_mode=True),
    ],
)
def test_what_pytorch_makes_no_plain_number_of(call: Callable[[Tensor], Tensor]) -> None:
    model = Calls(call)
    summary = summarize(model, (4, "H", "W"))
    told = [remark for remark in summary.report.remarks if "plain number" in remark]
    assert (told, -1 in (summary.output_shape or (-1,))) == ([], False)
    points = grid("HW", SIZES) if summary.accepts is not None else grid("HW", (16, 31, 40))
    assert faults(summary, model, [(1, 4, "H", "W")], points) == []


def said_besides(model: nn.Module, summary: Summary, points: Sequence[Mapping[str, int]]) -> bool:
    """Whether sizes of ``points`` that PyTorch takes and no range has are known by one that is named."""
    assert summary.accepts is not None
    ranges = summary.accepts.sizes
    outside = [each for each in points if not all(each[found.name] in found for found in ranges)]
    assert any(runs(model, [(1, 4, "H", "W")], each) for each in outside)
    (said,) = (each for each in summary.report.remarks if "accepts other sizes as well, such as" in each)
    named = dict(zip("HW", map(int, re.findall(r"= (\d+)", said)), strict=True))
    return bool(runs(model, [(1, 4, "H", "W")], named)) and not all(named[found.name] in found for found in ranges)


def test_sizes_that_go_together_in_no_box_are_named() -> None:
    def call(x: Tensor) -> Tensor:
        x = F.pad(x, (0, x.shape[2] % 3))
        rows, channels, height, width = x.shape
        return x.reshape(rows, channels, height // 4, 4, width // 4, 4).mean((3, 5))

    model = Calls(call)
    assert said_besides(model, summarize(model, (4, "H", "W")), grid("HW", (3, 4, 8, 11, 12)))


@pytest.mark.parametrize(
    "wide",
    [
        lambda x: F.max_pool2d(x, 2) if x.shape[-1] > 58 else x,
        lambda x: x[..., ::2, ::2] if x.shape[-1] >= 100 else x,
    ],
)
def test_sizes_of_another_way_are_named_where_no_square_fits(wide: Callable[[Tensor], Tensor]) -> None:
    """The ranges are those of one way: that the other one takes sizes, too, is said with some of them."""

    def call(x: Tensor) -> Tensor:
        x = wide(x)
        x = x[..., : x.shape[-1] // 2 + 1]
        rows, channels, height, width = x.shape
        return x.reshape(rows, channels, height // 3, 3, width // 3, 3).mean((3, 5))

    model = Calls(call)
    assert said_besides(model, summarize(model, (4, "H", "W")), grid("HW", (3, 6, 12, 16, 23, 33, 70)))
