"""What letters said wrongly without a word of doubt: held against real runs of PyTorch at many sizes."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import InputError, summarize
from tests.test_letters_told_apart import Calls, faults, grid, runs

#: Sizes at which floats of two letters fall short of a whole number, and others.
SIZES = (1, 2, 3, 7, 11, 15, 20, 30, 31, 48, 49, 50, 64, 79)


@pytest.mark.parametrize(
    "size",
    [
        lambda h, w: math.floor(w * (64 / h)) + 1,
        lambda h, w: int(0.7 * (h + w)) + 1,
        lambda h, w: int(h * 0.29 + w * 0.71) + 1,
        lambda h, w: round(w * 64 / h) + 1,
        lambda h, w: (h + w + 1) // 2,
    ],
)
def test_what_a_float_makes_of_two_letters(size: Callable[[int, int], int]) -> None:
    """``w * (64 / h)`` is a little less than 64 where both are 49, and where they are not equal it is not."""
    model = Calls(lambda x: F.adaptive_avg_pool2d(x, (size(*x.shape[2:]), 1)))
    s = summarize(model, (4, "H", "W"))
    assert s.ok
    assert -1 not in (s.output_shape or (-1,))
    assert faults(s, model, [(1, 4, "H", "W")], grid("HW", SIZES)) == []


def by_a_remainder(x: Tensor) -> Tensor:
    length = x.shape[-1]
    return x if (3 * length) % (length - 5) else x[:]


def by_a_quotient(x: Tensor) -> Tensor:
    return x if 1000 // (x.shape[-1] - 7) > 0 else x[:]


def by_what_is_left(x: Tensor) -> Tensor:
    tiles = x.shape[-1] // 8
    return x if x.shape[-1] % tiles == 0 else x[:]


@pytest.mark.parametrize("call", [by_a_remainder, by_a_quotient, by_what_is_left])
def test_a_size_that_is_divided_by_nothing_is_in_no_range(call: Callable[[Tensor], Tensor]) -> None:
    model = Calls(call)
    s = summarize(model, (4, "L"))
    assert s.accepts is not None
    taken = {size: runs(model, [(1, 4, "L")], {"L": size}) is not None for size in range(1, 60)}
    assert not all(taken.values())
    assert all(taken[size] for size in taken if size in s.accepts["L"])
    assert all(size in s.accepts["L"] for size in range(8, 60))
    outside = any(taken[size] for size in taken if size not in s.accepts["L"])
    assert any("accepts other sizes as well" in said for said in s.report.remarks) is outside


def halved_if(asked: Callable[[int, int, int], bool]) -> Callable[[Tensor], Tensor]:
    return lambda x: F.max_pool3d(x, 2) if asked(*x.shape[2:]) else x


@pytest.mark.parametrize(
    "asked",
    [
        lambda d, h, w: d * h * w > 1000,
        lambda d, h, w: d * h * w == 512,
        lambda d, h, w: d + h + w > 100,
    ],
)
def test_no_range_is_told_where_three_letters_are_asked_for_together(asked: Callable[[int, int, int], bool]) -> None:
    """``D, H, W any`` was told: a map of 1×1×1001 is halved to nothing, and one of 1×1×1000 is not."""
    s = summarize(Calls(halved_if(asked)), (2, "D", "H", "W"))
    assert s.ok
    assert s.accepts is None
    assert any("asks for D, H, W together" in said for said in s.report.remarks)


def with_a_hole(x: Tensor) -> Tensor:
    return F.pad(x, (0, 1)) if 8 / (x.shape[-1] - 3) > 0.5 else x


@pytest.mark.parametrize(
    ("call", "shape"),
    [(with_a_hole, (4, "L")), (halved_if(lambda d, h, w: d > 10 and h > 20 and w < 15), (2, "D", "H", "W"))],
)
def test_a_range_that_leaves_out_sizes_that_are_taken_says_so(
    call: Callable[[Tensor], Tensor], shape: tuple[int | str, ...]
) -> None:
    """Behind a hole a range begins anew; in front of it sizes are taken as well, such as 1 and 2."""
    model = Calls(call)
    s = summarize(model, shape)
    assert s.accepts is not None
    [told] = [said for said in s.report.remarks if "accepts other sizes as well" in said]
    point = {name: int(size) for name, size in re.findall(r"(\w) = (\d+)", told)}
    assert runs(model, [(1, *shape)], point) is not None
    assert not all(point[each.name] in each for each in s.accepts.sizes)


def test_what_is_asked_of_three_letters_one_by_one_is_held_at_every_corner() -> None:
    model = Calls(halved_if(lambda d, h, w: d > 10 and h > 20 and w < 15))
    s = summarize(model, (2, "D", "H", "W"))
    assert s.accepts is not None
    assert runs(model, [(1, 2, "D", "H", "W")], {"D": 11, "H": 21, "W": 1}) is None
    assert s.accepts["W"].minimum == 2


@pytest.mark.parametrize("bound", [60, 1000])
def test_what_two_letters_come_to_is_held_beside_the_smallest_of_each(bound: int) -> None:
    model = Calls(lambda x: F.max_pool2d(x, 2) if x.shape[2] * x.shape[3] > bound else x)
    s = summarize(model, (2, "H", "W"))
    for point in ({"H": 1, "W": bound + 1}, {"H": bound + 1, "W": 1}):
        assert runs(model, [(1, 2, "H", "W")], point) is None
        assert s.accepts is None or not all(point[each.name] in each for each in s.accepts.sizes)


class Heads(nn.Module):
    """A layer for each width, found by a name or by a key."""

    def __init__(self, find: Callable[[Heads, int], nn.Module]) -> None:
        super().__init__()
        self.find = find
        self.head_8, self.head_16 = nn.Linear(8, 3), nn.Linear(16, 3)
        self.heads = {8: self.head_8, 16: self.head_16}

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.find(self, x.shape[-1])(x)
        return found


@pytest.mark.parametrize(
    "find", [lambda self, size: getattr(self, f"head_{size}"), lambda self, size: self.heads[size]]
)
def test_a_layer_that_is_found_by_a_size_is_a_limit_of_letters_and_no_mistake(
    find: Callable[[Heads, int], nn.Module],
) -> None:
    model = Heads(find)
    assert all(runs(model, [(1, "L")], {"L": size}) == (1, 3) for size in (8, 16))
    with pytest.raises(InputError, match="named sizes cannot be followed"):
        summarize(model, ("L",))


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(8, 6, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        last: Tensor = self.rnn(packed)[1][-1]
        return last


def test_lengths_of_a_packed_sequence_are_a_limit_of_letters_and_no_mistake() -> None:
    """With zeros, which convlin makes of integers, the model does not run at numbers either; with lengths it does."""
    model = Packed()
    with torch.no_grad():
        assert model(torch.zeros(1, 5, 8), torch.tensor([5])).shape == (1, 6)
    with pytest.raises(InputError, match="named sizes cannot be followed"):
        summarize(model, [("L", 8), ()], dtypes=[torch.float, torch.long])


class ByText(nn.Module):
    """At a height of 32, and at no other up to 60, it gives one column: by what it makes of the text of it."""

    def __init__(self, is_found: Callable[[nn.Module, int, int], bool]) -> None:
        super().__init__()
        self.conv, self.head_32, self.is_found = nn.Conv2d(4, 4, 3, padding=1), nn.Identity(), is_found
        self.heads, self.halves = nn.ModuleDict({"32": nn.Identity()}), {"h16": 1}
        self.sizes, self.seen, self.pairs = ["32", "96"], {"32x32": 1}, {"40-15": 1}

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x[..., :1] if self.is_found(self, *x.shape[2:]) else x


@pytest.mark.parametrize(
    "is_found",
    [
        lambda model, h, w: bool({"32": 1}.get(str(h), 0)),
        lambda model, h, w: str(h) in ("32", "96"),
        lambda model, h, w: format(h) == "32",
        lambda model, h, w: hasattr(model, f"head_{h}"),
        lambda model, h, w: str(h) in model.heads,
        lambda model, h, w: f"h{h // 2}" in model.halves and h % 2 == 0,
        lambda model, h, w: str(h) in model.sizes,
        lambda model, h, w: f"{h}x{w}" in model.seen,
    ],
)
def test_what_is_looked_up_by_the_text_of_a_size_is_noted(is_found: Callable[[nn.Module, int, int], bool]) -> None:
    model = ByText(is_found)
    s = summarize(model, (4, "H", "W"))
    assert s.output_shape is not None
    assert str(s.output_shape) == "(1, 4, H, W)"
    widths = {height: model(torch.zeros(1, 4, height, 32)).shape[-1] for height in range(30, 35)}
    assert widths == {30: 32, 31: 32, 32: 1, 33: 32, 34: 32}
    [told] = [each for each in s.report.remarks if "not for all" in each]
    assert "not for H = 32" in told or "not for H = 96" in told
    assert f"test_letters_unsaid.py:{is_found.__code__.co_firstlineno}" in told


@pytest.mark.parametrize(
    ("is_found", "at"),
    [
        (lambda model, h, w: f"{h}x{w}" in ("32x64", "300x20"), {"H": 32, "W": 64}),
        (lambda model, h, w: f"{h} x {w}" in ("32 x 64",), None),
        (lambda model, h, w: "-".join(map(str, (h, w // 2))) in model.pairs, {"H": 40, "W": 30}),
        (lambda model, h, w: "{}_{}".format(h, w) == "32_64", {"H": 32, "W": 64}),  # noqa: UP032  # written so
        (lambda model, h, w: len(str(h)) > 2, None),
        (lambda model, h, w: str(h).endswith("0"), None),
        (lambda model, h, w: repr((h, w)) == "(300, 20)", None),
    ],
)
def test_what_is_made_of_the_text_of_a_size_is_told(
    is_found: Callable[[nn.Module, int, int], bool], at: dict[str, int] | None
) -> None:
    """Where the numbers of one string are no size is left out; of other text a note says where it was tried."""
    model = ByText(is_found)
    widths = {(h, w): model(torch.zeros(1, 4, h, w)).shape[-1] for h in (31, 32, 40, 300) for w in (20, 30, 64)}
    assert any(found != w for (_, w), found in widths.items())
    remarks = summarize(model, (4, "H", "W")).report.remarks
    line = f"test_letters_unsaid.py:{is_found.__code__.co_firstlineno}"
    assert any(line in each and ("text of a size" in each or "not for all" in each) for each in remarks), remarks
    assert at is None or any(f"not for H = {at['H']}, W = {at['W']}" in each for each in remarks), remarks


def refused_by_its_text(x: Tensor) -> Tensor:
    if str(x.shape[-1]) in {"32", "48"}:
        raise ValueError(f"{x.shape[-1]} is not supported")
    return x


def test_a_size_that_is_refused_by_its_text_is_in_no_range() -> None:
    model = Calls(refused_by_its_text)
    s = summarize(model, (4, "L"))
    assert s.accepts is None or not any(size in s.accepts["L"] for size in (32, 48))


def test_a_message_with_a_size_in_it_is_no_question() -> None:
    """It is written at every size, and nobody compares it with anything."""

    def told(x: Tensor) -> Tensor:
        assert x.shape[-1] > 0, f"expected 32 or 64, got {x.shape[-1]}"
        said = f"a map of {tuple(x.shape)}, not 32"
        logging.getLogger(__name__).debug(f"{x.shape[-1]}")
        return x if said else x[..., :1]

    s = summarize(Calls(told), (4, "L"))
    assert s.accepts is not None
    assert (s.accepts.text, s.report.remarks) == ("L any", ())


def of_common_divisors(x: Tensor) -> Tensor:
    side, rest = x.shape[-2:]
    while rest:
        side, rest = rest, side % rest
    return x[..., :side]


def test_a_remainder_of_remainders_has_no_form() -> None:
    """Spelled out it is twice as long with every round, and how many rounds there are the sizes say."""
    model = Calls(of_common_divisors)
    s = summarize(model, (4, "H", "W"))
    assert s.output_shape is not None
    assert s.output_shape[-1] == -1
    assert any("no formula was found" in each for each in s.report.remarks)
    assert s.accepts is not None
    assert all(runs(model, [(1, 4, "H", "W")], {"H": size, "W": 1 + size // 3}) for size in (1, 2, 17, 64))


@pytest.mark.parametrize(
    "refuses", [lambda h, w: int(h) >> 3 == 2, lambda h, w: len(range(0, h, 7)) == 5, lambda h, w: len(str(w)) == 2]
)
def test_what_is_asked_of_a_plain_number_is_held_at_every_small_size(refuses: Callable[[int, int], bool]) -> None:
    """``H, W any`` was told: the sizes that are refused are not beside the numbers in the code."""

    def call(x: Tensor) -> Tensor:
        if refuses(*x.shape[2:]):
            raise ValueError("not this size")
        return x

    model = Calls(call)
    s = summarize(model, (4, "H", "W"))
    points = [
        {"H": height, "W": width} for height in (1, 9, 16, 20, 23, 29, 35, 60) for width in (1, 7, 10, 45, 99, 120)
    ]
    inside = (
        [] if s.accepts is None else [p for p in points if all(size in s.accepts[name] for name, size in p.items())]
    )
    assert [point for point in inside if runs(model, [(1, 4, "H", "W")], point) is None] == []


def test_what_comes_of_a_plain_number_is_held_at_every_small_size() -> None:
    model = Calls(lambda x: x[..., ::2] if int(x.shape[-1]) >> 3 == 2 else x)
    s = summarize(model, (4, "L"))
    assert s.output_shape is not None
    assert runs(model, [(1, 4, "L")], {"L": 16}) != runs(model, [(1, 4, "L")], {"L": 15})
    assert s.output_shape[-1] == -1 or any("not for all" in said for said in s.report.remarks)


def without_squares(x: Tensor) -> Tensor:
    if f"{x.shape[2] / x.shape[3]:.2f}" == "1.00":
        raise ValueError("no squares")
    return x


def into_twos(x: Tensor) -> Tensor:
    y = F.adaptive_avg_pool3d(x, (max(1, x.shape[2] // 2), x.shape[3] // 2 + 1, min(x.shape[4], 9)))
    return y.view(1, 4, y.shape[2] // 2, 2, y.shape[3] // 2, 2, y.shape[4] // 2, 2)


@pytest.mark.parametrize(
    ("call", "shape", "sizes"),
    [(without_squares, (4, "H", "W"), (64, 128)), (into_twos, (4, "T", "H", "W"), (4, 2, 2))],
)
def test_a_model_that_runs_at_no_square_is_not_at_fault(
    call: Callable[[Tensor], Tensor], shape: tuple[int | str, ...], sizes: tuple[int, ...]
) -> None:
    model = Calls(call)
    assert runs(model, [(1, *shape)], dict(zip(shape[1:], sizes, strict=True))) is not None  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot be followed through this forward, which runs at numbers"):
        summarize(model, shape)


@pytest.mark.parametrize(("step", "count"), [(2, 1), (8, 1), (16, 1), (8, -1)])
def test_what_is_counted_up_or_down_to_a_multiple(step: int, count: int) -> None:
    def call(x: Tensor) -> Tensor:
        length = x.shape[-1]
        while length % step:
            length += count
        return F.pad(x, (0, length - x.shape[-1])) if count > 0 else x[..., :length]

    model = Calls(call)
    s = summarize(model, (4, "L"))
    assert -1 not in (s.output_shape or (-1,))
    assert faults(s, model, [(1, 4, "L")], grid("L", tuple(range(step, 150)))) == []
