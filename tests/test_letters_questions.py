"""What a model asks about its sizes behind another question, or of two letters at once: held against PyTorch.

At the sample the first question is answered one way, and what is asked behind it is asked nowhere there.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import InputError, summarize
from tests.test_letters_told_apart import Calls, faults, grid, runs

#: Sizes around what the models below ask.
SIZES = (1, 2, 3, 5, 8, 9, 12, 16, 19, 20, 24, 25, 29, 36, 40, 41, 48, 50, 60, 61, 75, 89, 90, 100)


def halved_between(x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    return F.max_pool2d(x, 2) if 40 < height <= 60 and 40 < width <= 60 else x


def halved_at(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2) if x.shape[2:] == (24, 24) else x


def in_tens(x: Tensor) -> Tensor:
    length = x.shape[-1]
    return x.view(x.shape[0], 4, -1, 10).mean(-1) if length < 128 and length % 10 == 0 else x


def squared(x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    side = max(height, width)
    return F.pad(x, (0, side - width, 0, side - height)) if abs(height - width) == 1 else x


#: Models of any size that go another way at some of them.
BEHIND: dict[str, tuple[Callable[[Tensor], Tensor], tuple[Any, ...]]] = {
    "between two bounds of each": (halved_between, (4, "H", "W")),
    "at one size of both": (halved_at, (4, "H", "W")),
    "a multiple below a bound": (in_tens, (4, "L")),
    "one larger than the other": (squared, (4, "H", "W")),
}


@pytest.mark.parametrize("name", BEHIND)
def test_a_way_behind_a_question_is_told_with_a_size_that_goes_it(name: str) -> None:
    call, shape = BEHIND[name]
    model = Calls(call)
    summary = summarize(model, shape)
    [told] = [each for each in summary.report.remarks if "not for all" in each]
    point = {name: int(size) for name, size in re.findall(r"(\w) = (\d+)", told.partition("not for all")[2])}
    form = summary.output_shape
    assert form is not None
    value = tuple(int(size.subs(point)) if hasattr(size, "subs") else size for size in form)
    assert runs(model, [(1, *shape)], point) not in (None, value)
    held, ran = map(int, re.findall(r"at (\d+) of (\d+) sizes", told)[0])
    assert 0 < held < ran


def refused_between(x: Tensor) -> Tensor:
    if 50 < x.shape[2] < 90 and 10 < x.shape[3] < 30:
        raise ValueError("between")
    return x


class Positions(nn.Module):
    """A table that is used as it is where the number of patches is right, whatever they are beside each other."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.table = nn.Conv2d(4, 8, 4, 4), nn.Parameter(torch.zeros(1, 8, 6, 6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)
        height, width = x.shape[2:]
        table = self.table if height * width == 36 else F.interpolate(self.table, size=(height, width))
        return x + table


class Wide(Positions):
    """The same, of as many positions in another order: some of them are refused however large both sides are."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, 8, 4, 9))


REFUSED: dict[str, nn.Module] = {"between": Calls(refused_between)}


def test_sizes_that_are_refused_for_their_product_however_large_they_are_leave_no_range() -> None:
    model = Wide()
    taken = {size: runs(model, [(1, 4, "H", "W")], {"H": size, "W": size}) is not None for size in (20, 24, 28)}
    assert taken == {20: True, 24: False, 28: True}
    s = summarize(model, (4, "H", "W"))
    assert s.accepts is None
    [told] = s.report.remarks
    said = "no range is reported: no rule was found for the sizes that were run, of which the model takes "
    assert told.startswith(said)
    shown = [dict(re.findall(r"(\w) = (\d+)", each)) for each in told.split(" and refuses ")]
    ran = [runs(model, [(1, 4, "H", "W")], {name: int(size) for name, size in each.items()}) for each in shown]
    assert [found is not None for found in ran] == [True, False]


def test_sizes_behind_those_that_are_refused_for_their_product_are_a_range() -> None:
    """Of 36 patches in another order than six times six one side has fewer than five."""
    model = Positions()
    s = summarize(model, (4, "H", "W"))
    assert s.accepts is not None
    inside = [
        point for point in grid("HW", range(4, 160, 3)) if all(point[each.name] in each for each in s.accepts.sizes)
    ]
    assert len(inside) > 1000
    assert all(runs(model, [(1, 4, "H", "W")], point) is not None for point in inside)
    assert runs(model, [(1, 4, "H", "W")], {"H": 4, "W": 144}) is None
    assert any("accepts other sizes as well" in said for said in s.report.remarks)


@pytest.mark.parametrize("name", REFUSED)
def test_sizes_that_are_refused_between_others_leave_no_range(name: str) -> None:
    model = REFUSED[name]
    summary = summarize(model, (4, "H", "W"))
    assert summary.ok
    assert summary.accepts is None
    [told] = [each for each in summary.report.remarks if each.startswith("no range is reported: the model refuses ")]
    point = {name: int(size) for name, size in re.findall(r"(\w) = (\d+)", told)}
    assert runs(model, [(1, 4, "H", "W")], point) is None
    taken = [each for each in grid("HW", range(1, 200, 7)) if runs(model, [(1, 4, "H", "W")], each) is not None]
    assert any(each["H"] <= point["H"] and each["W"] <= point["W"] for each in taken)
    assert any(each["H"] >= point["H"] and each["W"] >= point["W"] for each in taken)


def halved_in_the_middle(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2) if 10 <= x.shape[2] < 20 else x


def test_what_is_asked_of_one_letter_beside_the_smallest_size_of_another() -> None:
    model = Calls(halved_in_the_middle)
    summary = summarize(model, (4, "H", "W"))
    assert summary.accepts is not None
    assert summary.accepts.text == "H any; W any from 2 up"
    for point in grid("HW", SIZES):
        inside = all(point[each.name] in each for each in summary.accepts.sizes)
        assert not inside or runs(model, [(1, 4, "H", "W")], point) is not None, point
    assert any("such as H = 1, W = 1" in each for each in summary.report.remarks)


def pyramid(x: Tensor) -> Tensor:
    length = x.shape[-1]
    return F.linear(F.avg_pool1d(x, length // 2, length // 2), torch.ones(3, 2))


def odd_and_even(x: Tensor) -> Tensor:
    even, odd = x[..., ::2], x[..., 1::2]
    return even + (odd if even.shape == odd.shape else F.pad(odd, (2, 2), mode="reflect")[..., : even.shape[-1]])


def in_quarters(x: Tensor) -> Tensor:
    part = math.ceil(x.shape[-1] / 4)
    pad = (part * 4 - x.shape[-1] + 1) // 2
    return F.linear(F.max_pool1d(x, part, part, pad), torch.ones(3, 4))


#: Models that refuse some small sizes and take all larger ones.
FROM_SOME: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "a spatial pyramid": (pyramid, "L any from 4 up"),
    "odd and even steps": (odd_and_even, "L any from 6 up"),
    "in quarters": (in_quarters, "L any from 10 up"),
}


@pytest.mark.parametrize("name", FROM_SOME)
def test_some_small_sizes_that_are_refused_make_no_multiples_of_the_others(name: str) -> None:
    call, text = FROM_SOME[name]
    model = Calls(call)
    summary = summarize(model, (4, "L"))
    assert summary.accepts is not None
    assert summary.accepts.text == text
    least = summary.accepts.sizes[0].minimum
    taken = [size for size in range(1, 200) if runs(model, [(1, 4, "L")], {"L": size}) is not None]
    assert {*range(least, 200)} <= {*taken}
    smallest = next(size for size in taken if size < least)
    assert any(f"such as L = {smallest}" in each for each in summary.report.remarks)


class Joined(nn.Module):
    """Two inputs one behind the other, which have to be as long together as what is behind them declares."""

    def __init__(self, behind: str) -> None:
        super().__init__()
        self.behind, self.fc, self.table = behind, nn.Linear(30, 3), nn.Parameter(torch.zeros(1, 40, 4))

    def forward(self, a: Tensor, b: Tensor) -> Any:
        joined = torch.cat([a, b], 1)
        return joined + self.table if self.behind == "table" else self.fc(joined.transpose(1, 2))


@pytest.mark.parametrize(("behind", "sum_of_both"), [("table", 40), ("linear", 30)])
def test_other_parts_of_the_same_sum_are_told(behind: str, sum_of_both: int) -> None:
    model, given = Joined(behind), [("A", 4), ("B", 4)]
    summary = summarize(model, given)
    assert summary.accepts is not None
    assert summary.accepts.text == f"A, B exactly {sum_of_both // 2}"
    [told] = [each for each in summary.report.remarks if "other sizes as well" in each]
    point = {name: int(size) for name, size in re.findall(r"(\w) = (\d+)", told)}
    assert point["A"] + point["B"] == sum_of_both
    assert point["A"] != point["B"]
    assert runs(model, [(1, *shape) for shape in given], point) is not None


def test_zero_steps_away_is_refused() -> None:
    """A form in a difference without its sign: where it is nothing, nothing is made."""

    def apart(x: Tensor) -> Tensor:
        steps = abs(x.shape[-1] - 20)
        return F.interpolate(x, steps).view(x.shape[0], 4, steps // 4, 4)

    model = Calls(apart)
    summary = summarize(model, (4, "L"))
    assert summary.accepts is not None
    for size in range(1, 120):
        inside = size in summary.accepts.sizes[0]
        assert not inside or runs(model, [(1, 4, "L")], {"L": size}) is not None, size


class Groups(nn.Module):
    """The standard deviation over groups of a batch, as StyleGAN has it."""

    def forward(self, x: Tensor) -> Tensor:
        parts = min(4, x.shape[0])
        return x.view(parts, -1, *x.shape[1:]).mean(0)


def test_a_form_of_the_batch_that_two_sizes_bear_out_is_none() -> None:
    model = Groups()
    summary = summarize(model, (4, "L"), batch_size="N")
    points = [{"N": batch, "L": 5} for batch in (1, 2, 3, 4, 8, 12, 40, 200)]
    found = faults(summary, model, [("N", 4, "L")], [point for point in points if runs(model, [("N", 4, "L")], point)])
    assert found == []
    [told] = [each for each in summary.report.remarks if each.startswith("not every batch size works")]
    assert runs(model, [("N", 4, "L")], {"N": 5, "L": 5}) is None
    assert re.search(r"N = [\d, ]*\b5\b[\d, ]* were run", told)


class Correlated(nn.Module):
    """A convolution whose kernel is an input; counts the products of each real run."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def forward(self, x: Tensor, kernel: Tensor) -> Tensor:
        found = F.conv2d(x, kernel, padding=kernel.shape[-1] // 2)
        if type(found.shape[-1]) is int and type(kernel.shape[-1]) is int and found.device.type == "cpu":
            self.most = max(self.most, found.numel() * kernel.numel())
        return found


def test_a_kernel_as_large_as_a_letter_is_no_larger_than_what_may_be_run() -> None:
    model = Correlated()
    summary = summarize(model, [(4, "H", "W"), (4, "K", "K")])
    assert summary.accepts is not None
    shapes = [(1, 4, "H", "W"), (1, 4, "K", "K")]
    assert faults(summary, Correlated(), shapes, grid("HWK", (1, 2, 3, 6, 9, 10))) == []
    assert model.most < 10**10  # at the sizes of the sample it would be 10**12


def test_a_model_that_runs_at_no_size_that_was_tried() -> None:
    def odd(x: Tensor) -> Tensor:
        x = F.interpolate(x, 2 ** int(math.log2(x.shape[-1])) + 1)
        return x.view(x.shape[0], 4, x.shape[-1] // 4, 4)

    model = Calls(odd)
    summary = summarize(model, (4, "L"))
    assert not any(runs(model, [(1, 4, "L")], {"L": size}) for size in range(2, 300))
    assert summary.accepts is None
    assert not summary.ok or "of the sizes that were run none is taken by the model as it is" in summary.report.remarks


class Named(nn.Module):
    """One head for each length, looked up by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({str(length): nn.Linear(length, 3) for length in (16, 24)})

    def forward(self, x: Tensor) -> Any:
        return self.heads[str(x.shape[-1])](x)


def test_a_size_as_part_of_a_name_is_refused_in_letters() -> None:
    assert summarize(Named(), (4, 24)).output_shape == (1, 4, 3)
    with pytest.raises(InputError, match=r"a forward that makes text of a size.*: KeyError: 'L'; write numbers"):
        summarize(Named(), (4, "L"))


def in_columns(x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    return F.avg_pool2d(x, (height // width, 1)) if height % width == 0 else x


#: Forms that fit wherever each letter is larger than the one before, or wherever a float is what it stands for.
BY_CHANCE: dict[str, tuple[Callable[[Tensor], Tensor], tuple[Any, ...]]] = {
    "a multiple of the width": (in_columns, (4, "H", "W")),
    "64 by a float": (lambda x: F.interpolate(x, scale_factor=64 / x.shape[-1]), (4, "L")),
    "48 by a float": (lambda x: F.interpolate(x, scale_factor=48 / x.shape[-1]), (4, "L")),
}


@pytest.mark.parametrize("name", BY_CHANCE)
def test_a_form_that_fits_by_chance_is_none_or_told_with_a_size(name: str) -> None:
    call, shape = BY_CHANCE[name]
    model = Calls(call)
    summary = summarize(model, shape)
    names = [each for each in shape if isinstance(each, str)]
    found = faults(summary, model, [(1, *shape)], grid(names, (1, 2, 5, 7, 15, 22, 30, 35, 37, 49, 61, 98, 103)))
    assert found == [] or any("not for all" in each for each in summary.report.remarks)


def test_a_model_that_runs_at_small_sizes_alone_is_not_accused() -> None:
    """The pool makes a plain number of the size, 877 at the sample, which is no multiple of four."""

    def in_fours(x: Tensor) -> Tensor:
        steps = abs(x.shape[-1] - 20) + 1
        return F.adaptive_avg_pool1d(x, steps).view(x.shape[0], 4, steps // 4, 4)

    assert runs(Calls(in_fours), [(1, 4, "L")], {"L": 23}) == (1, 4, 1, 4)
    with pytest.raises(InputError, match="which runs at numbers"):
        summarize(Calls(in_fours), (4, "L"))


def test_a_table_that_is_kept_for_each_size() -> None:
    @functools.lru_cache
    def positions(length: int) -> Tensor:
        return torch.arange(length).float()

    model = Calls(lambda x: x + positions(x.shape[-1]))
    assert summarize(model, (4, 9)).ok
    with pytest.raises(InputError, match=r"looks something up by a size \(a dict, lru_cache\)") as raised:
        summarize(model, (4, "L"))
    assert Path(__file__).name in str(raised.value)


def test_bags_and_where_they_begin_are_integers() -> None:
    class Bags(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bags = nn.EmbeddingBag(20, 5)

        def forward(self, text: Tensor, offsets: Tensor) -> Any:
            return self.bags(text.flatten(), offsets.flatten())

    long = torch.zeros(1, 8, dtype=torch.long), torch.zeros(1, 3, dtype=torch.long)
    assert summarize(Bags(), [(8,), (3,)]).output_shape == Bags()(*long).shape
    summary = summarize(Bags(), [("T",), ("K",)])
    assert summary.ok
    assert [each.dtype for each in summary.report.inputs] == ["int64", "int64"]


def to_area(x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    times = (1024 / (height * width)) ** 0.5
    return F.interpolate(x, (int(height * times), int(width * times)))


def no_strip(x: Tensor) -> Tensor:
    if max(x.shape[2:]) / min(x.shape[2:]) > 200:
        raise ValueError("a strip")
    return x


def test_a_smallest_size_that_grows_with_another_one_is_none() -> None:
    """At 5 it is refused beside 1,001, at 6 beside 1,201: no range of each by itself says that."""
    for call in (to_area, no_strip):
        model = Calls(call)
        accepts = summarize(model, (4, "H", "W")).accepts
        for point in [{"H": low, "W": high} for low in (2, 4, 5, 6, 20) for high in (900, 1300, 3000)]:
            inside = accepts is not None and all(point[each.name] in each for each in accepts.sizes)
            assert not inside or runs(model, [(1, 4, "H", "W")], point) is not None, point


def test_the_batch_is_no_size_that_a_letter_refuses() -> None:
    model = Calls(lambda x: x.view(x.shape[0] // 3, 3, *x.shape[1:]).mean(1).repeat_interleave(3, 0))
    remarks = summarize(model, (4, "L"), batch_size="N").report.remarks
    assert runs(model, [("N", 4, "L")], {"N": 3, "L": 1}) == (3, 4, 1)
    assert not any("refuses" in each for each in remarks)


def test_on_the_meta_device_it_says_why_no_sizes_are_told() -> None:
    def made() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(100, 3))

    summary = summarize(made(), (3, "H", "W"), device="meta")
    (remark,) = summary.report.remarks
    assert summary.accepts is None
    assert remark.endswith('leave out device="meta"')
    assert summarize(made(), (3, "H", "W")).accepts is not None
    with torch.device("meta"):
        hollow = made()
    (remark,) = summarize(hollow, (3, "H", "W")).report.remarks
    assert remark.endswith("make the model on the CPU")
    assert summarize(hollow, (3, 14, 14), batch_size="N").report.remarks == ()  # no size in letters but the batch


def test_forms_are_those_of_the_accepted_sizes_where_the_sample_is_outside_of_them() -> None:
    """A single step is squeezed away, and the Linear gets the channels; of four steps it gets these."""
    pooled = nn.Sequential(nn.Conv1d(8, 4, 10), nn.AvgPool1d(21))
    model = nn.Sequential(pooled, Calls(lambda x: x.squeeze(-1)), nn.Linear(4, 2))
    s = summarize(model, (8, "L"))
    assert s.accepts is not None
    assert s.accepts.text == "L from 30 to 50"
    assert not any("not for all" in remark for remark in s.report.remarks)
    assert s.output_shape is not None
    for length in range(30, 51):
        assert s.output_shape == tuple(model(torch.zeros(1, 8, length)).shape)
    with pytest.raises(RuntimeError):
        model(torch.zeros(1, 8, 29))
    with pytest.raises(RuntimeError):
        model(torch.zeros(1, 8, 51))
