"""Letters that differ: which of two is larger, a batch that is a letter, two sizes that fit, numbers in the code.

Real runs of PyTorch decide, at every pair of sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import Summary, summarize
from convlin.symbolic.runs import Runs


class Calls(nn.Module):
    """A model that is one function."""

    def __init__(self, call: Callable[..., Any]) -> None:
        super().__init__()
        self.call = call

    def forward(self, *args: Tensor) -> Any:
        return self.call(*args)


def runs(model: nn.Module, shapes: Sequence[Sequence[Any]], point: Mapping[str, int]) -> tuple[int, ...] | None:
    """What PyTorch makes of inputs of these sizes; None where it refuses them."""
    given = [torch.zeros([point.get(str(size), size) for size in shape]) for shape in shapes]
    try:
        with torch.no_grad():
            return tuple(model(*given).shape)
    except (RuntimeError, IndexError, ValueError, ZeroDivisionError):
        return None


def faults(summary: Summary, model: nn.Module, shapes: Any, points: Iterable[Mapping[str, int]]) -> list[str]:
    """Where a form is not what comes out, or what is said to be taken is not what is."""
    found = []
    ranges = summary.accepts.sizes if summary.accepts is not None else ()
    for point in points:
        made = runs(model, shapes, point)
        told = all(point[each.name] in each for each in ranges)
        if ranges and told != (made is not None):
            found.append(f"{point}: taken {made is not None}, told {told}")
        form = summary.output_shape
        if made is not None and form is not None:
            value = tuple(int(size.subs(point)) if hasattr(size, "subs") else size for size in form)
            if any(one not in (-1, other) for one, other in zip(value, made, strict=True)):
                found.append(f"{point}: {made}, told {value}")
    return found


def grid(names: Sequence[str], sizes: Iterable[int]) -> list[dict[str, int]]:
    return [dict(zip(names, each, strict=True)) for each in product([*sizes], repeat=len(names))]


def to_square(x: Tensor) -> Tensor:
    side = max(x.shape[-2:])
    return F.pad(x, (0, side - x.shape[-1], 0, side - x.shape[-2]))


def as_long(a: Tensor, b: Tensor) -> Tensor:
    longer = max(a.shape[1], b.shape[1])
    return torch.cat([F.pad(each, (0, 0, 0, longer - each.shape[1])) for each in (a, b)], -1)


ORDERS: dict[str, Callable[[Tensor], Tensor]] = {
    "padded to a square": to_square,
    "cut to the width": lambda x: x[..., : x.shape[-1], :],
    "resized to the larger": lambda x: F.interpolate(x, size=(max(x.shape[-2:]),) * 2),
    "narrowed": lambda x: x.narrow(-2, 0, min(x.shape[-1], x.shape[-2])),
    "sorted": lambda x: F.adaptive_avg_pool2d(x, sorted(x.shape[-2:], reverse=True)[0]),
    "padded and convolved": lambda x: F.avg_pool2d(to_square(x), 2, 2, ceil_mode=True),
}


@pytest.mark.parametrize("name", ORDERS)
def test_which_of_two_letters_is_larger(name: str) -> None:
    """In the sample each is larger than the one before: ``max(h, w)`` would be ``W`` everywhere."""
    model = Calls(ORDERS[name])
    summary = summarize(model, (3, "H", "W"))
    points = grid("HW", (1, 2, 3, 4, 5, 8, 9, 16, 31, 40))
    assert summary.accepts is not None
    assert faults(summary, model, [(1, 3, "H", "W")], points) == []
    assert -1 not in (summary.output_shape or (-1,))


def test_which_of_two_inputs_is_longer() -> None:
    model = Calls(as_long)
    summary = summarize(model, [("A", 8), ("B", 8)])
    assert faults(summary, model, [(1, "A", 8), (1, "B", 8)], grid("AB", range(1, 12))) == []
    assert str(summary.output_shape) == "(1, Max(A, B), 16)"


def to_cube(x: Tensor) -> Tensor:
    side = max(x.shape[2:])
    return F.pad(x, [each for size in reversed(x.shape[2:]) for each in (0, side - size)])


def longest(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    steps = max(each.shape[1] for each in (a, b, c))
    return torch.cat([F.pad(each, (0, 0, 0, steps - each.shape[1])) for each in (a, b, c)], -1)


THREE: dict[str, tuple[nn.Module, list[tuple[Any, ...]]]] = {
    "padded to a cube": (nn.Sequential(Calls(to_cube), nn.Conv3d(2, 3, 3, padding=1)), [(2, "A", "B", "C")]),
    "a cube, halved": (nn.Sequential(Calls(to_cube), nn.MaxPool3d(2, ceil_mode=True)), [(2, "A", "B", "C")]),
    "the smallest": (Calls(lambda x: x[..., : min(x.shape[2:])]), [(2, "A", "B", "C")]),
    "the longest of three": (Calls(longest), [("A", 4), ("B", 4), ("C", 4)]),
    "of two of three": (Calls(lambda x: x[..., : min(x.shape[2:4])]), [(2, "A", "B", "C")]),
}


@pytest.mark.parametrize("name", THREE)
def test_which_of_three_is_the_largest(name: str) -> None:
    model, given = THREE[name]
    summary = summarize(model, given)
    assert summary.accepts is not None
    assert faults(summary, model, [(1, *shape) for shape in given], grid("ABC", (1, 2, 3, 5, 8, 11))) == []
    assert -1 not in (summary.output_shape or (-1,))


class Joined(nn.Module):
    """A U-Net of one level behind a padding to a square."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.up = nn.Conv2d(3, 4, 3, padding=1), nn.ConvTranspose2d(4, 4, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(to_square(x))
        return torch.cat([x, self.up(F.max_pool2d(x, 2))], 1)


def halves_and_wholes(a: Tensor, b: Tensor) -> Tensor:
    longer = max(a.shape[-1] // 2, b.shape[-1])
    half = a[..., : a.shape[-1] // 2]
    found = torch.cat([F.pad(each, (0, longer - each.shape[-1])) for each in (half, b)], 1)
    if longer % 4:
        raise ValueError("no multiple of 4")
    return found


TWO: dict[str, tuple[nn.Module, list[tuple[Any, ...]]]] = {
    "a square in blocks of four": (Calls(lambda x: F.pixel_unshuffle(to_square(x), 4)), [(3, "A", "B")]),
    "a square that is joined": (Joined(), [(3, "A", "B")]),
    "the longer one in pairs": (Calls(lambda a, b: as_long(a, b).unflatten(1, (-1, 2))), [("A", 8), ("B", 8)]),
    "a raise behind the longer one": (Calls(halves_and_wholes), [(4, "A"), (4, "B")]),
    "cut to another input": (Calls(lambda a, b: F.avg_pool1d(a, 2)[..., : b.shape[-1]]), [(4, "A"), (4, "B")]),
    "cut to the height": (Calls(lambda x: F.avg_pool2d(x, (1, 2))[..., : x.shape[-2]]), [(4, "A", "B")]),
    "a difference": (Calls(lambda a, b: F.pad(a, (0, abs(a.shape[-1] - b.shape[-1])))), [(4, "A"), (4, "B")]),
    "in sevens": (
        Calls(lambda x: x[..., : min(x.shape[-2:]), : min(x.shape[-2:])].unflatten(-1, (-1, 7))), [(4, "A", "B")]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TWO)
def test_what_is_asked_of_the_larger_or_the_smaller(name: str) -> None:
    """A range is right at every pair, and a form everywhere, unless a note names a size where it is not."""
    model, shapes = TWO[name]
    summary = summarize(model.eval(), shapes if len(shapes) > 1 else shapes[0])
    assert summary.ok
    found = faults(summary, model, [(1, *shape) for shape in shapes], grid("AB", (*range(1, 18), 21, 28, 30, 32)))
    if any("not for all" in remark for remark in summary.report.remarks):
        found = [each for each in found if "taken" in each]
    assert found == []


#: A branch in front of a layer that fits at one size.
BRANCHES: dict[str, nn.Module] = {
    "fewer channels": nn.Sequential(Calls(lambda x: x[:, :2] if x.shape[-1] > 15 else x), nn.Linear(7, 3)),
    "pooled": nn.Sequential(
        Calls(lambda x: F.max_pool1d(x.transpose(1, 2), 2).transpose(1, 2) if x.shape[-1] > 15 else x), nn.LayerNorm(7)
    ),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_the_way_that_is_gone_at_the_only_size_that_fits(name: str) -> None:
    model = BRANCHES[name]
    summary = summarize(model, (4, "L"))
    assert summary.accepts is not None
    assert summary.accepts.text == "L exactly 7"
    assert faults(summary, model, [(1, 4, "L")], [{"L": size} for size in range(1, 20)]) == []


class Doubled(nn.Module):
    """A U-Net of one level in front of a Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(8 * 49, 3)

    def forward(self, x: Tensor) -> Any:
        x = self.first(x)
        y = F.interpolate(self.second(F.max_pool2d(x, 2)), scale_factor=2)
        return self.fc(F.avg_pool2d(torch.cat([x, y], 1), 4).flatten(1))


def unless_multiple(x: Tensor) -> Tensor:
    if x.shape[-1] % 4:
        raise ValueError("no multiple of 4")
    return x


FEW: dict[str, tuple[nn.Module, tuple[Any, ...], str]] = {
    "a U-Net and a Linear": (Doubled(), (1, "H", "W"), "H, W 28 or 30"),
    "space to depth": (
        nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 4, 3, 2, 1), nn.Flatten(), nn.Linear(4 * 49, 3)),
        (1, "H", "W"), "H, W 26 or 28",
    ),
    "a check and a stride": (
        nn.Sequential(Calls(unless_multiple), nn.Conv1d(2, 3, 8, 8), nn.Flatten(), nn.Linear(15, 3)),
        (2, "L"), "L 40 or 44",
    ),
    "one that fits": (nn.Sequential(nn.Conv1d(2, 3, 3), nn.Flatten(), nn.Linear(15, 3)), (2, "L"), "L exactly 7"),
    "three of them": (
        nn.Sequential(
            Calls(lambda x: x.unflatten(-1, (-1, 2)).mean(-1)), Calls(lambda x: x.tensor_split(3, -1)[-1]),
            nn.Linear(7, 3),
        ),
        (4, "L"), "L multiples of 2 from 42 to 46",
    ),
    "of every other multiple each": (
        nn.Sequential(
            Calls(lambda x: x.unflatten(-1, (-1, 4)).mean(-1)), Calls(lambda x: x.tensor_split(2, -1)[1].amax(-1))
        ),
        (4, "L"), "L multiples of 4 from 8 up",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FEW)
def test_no_size_beside_a_range_is_left_out(name: str) -> None:
    """Of two multiples that a Linear takes one was told as the only one, and of fours every other."""
    model, shape, told = FEW[name]
    summary = summarize(model.eval(), shape)
    assert summary.accepts is not None
    assert summary.accepts.text == told
    names = [size for size in shape if isinstance(size, str)]
    assert faults(summary, model, [(1, *shape)], grid(names, range(1, 61) if len(names) < 2 else range(20, 36))) == []


def test_sizes_that_no_range_holds_are_told_besides() -> None:
    """56, 57, 60 and 61 fit: from 60 to 61 is half of it."""
    model = nn.Sequential(
        nn.MaxPool1d(2), Calls(lambda x: x.reshape(x.shape[0], 4, -1, 2).mean(-1)), nn.MaxPool1d(2),
        nn.Flatten(), nn.Linear(28, 3),
    )  # fmt: skip
    assert [size for size in range(1, 80) if runs(model, [(1, 4, size)], {})] == [56, 57, 60, 61]
    summary = summarize(model, (4, "L"))
    besides = [remark for remark in summary.report.remarks if "accepts other sizes as well, such as L = 5" in remark]
    assert summary.accepts is None or besides


# The batch as a letter


def shifted(x: Tensor) -> Tensor:
    """Of eight frames each, as temporal shift modules have it."""
    frames, channels, height, width = x.shape
    x = x.view(frames // 8, 8, channels, height, width)
    out = torch.zeros_like(x)
    out[:, :-1, :1], out[:, :, 1:] = x[:, 1:, :1], x[:, :, 1:]
    return out.view(frames, channels, height, width)


BATCHES: dict[str, tuple[nn.Module, Sequence[int]]] = {
    "in eights": (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Calls(shifted)), (8, 16, 24)),
    "four views": (Calls(lambda x: x.view(4, -1, *x.shape[1:]).mean(0)), (4, 8, 20)),
    "the first five": (Calls(lambda x: x[:5]), range(1, 13)),
    "the first twenty": (Calls(lambda x: x[:20]), (*range(1, 13), 19, 20, 21, 25, 40)),
    "in sixteens": (Calls(lambda x: x.view(x.shape[0] // 16, 16, *x.shape[1:]).roll(1, 1).flatten(0, 1)), (16, 32)),
    "the last three": (Calls(lambda x: x[-3:]), range(1, 13)),
    "in eight pieces": (Calls(lambda x: torch.stack(x.chunk(8, 0)).mean(1)), (1, 2, 3, 8, 10, 16, 24)),
}


@pytest.mark.parametrize("name", BATCHES)
def test_what_is_made_of_a_batch_that_is_a_letter(name: str) -> None:
    model, sizes = BATCHES[name]
    model.eval()
    summary = summarize(model, (3, "H", "W"), batch_size="N")
    assert summary.ok, summary
    points = [{"N": size, "H": 6, "W": 9} for size in sizes if runs(model, [(size, 3, 6, 9)], {}) is not None]
    assert points
    form = summary.output_shape
    assert form is not None
    for point in points:
        value = tuple(int(size.subs(point)) if hasattr(size, "subs") else size for size in form)
        if not any("not for all" in remark for remark in summary.report.remarks):
            assert value == runs(model, [("N", 3, "H", "W")], point), point


def test_a_batch_is_a_letter_where_samples_are_taken_one_by_one() -> None:
    """At a batch of one, where the rows are others, a pass would have no letter left."""
    model = Calls(lambda x: torch.stack([each * 2 for each in x]))
    summary = summarize(model, (6,), batch_size="N")
    assert str(summary.output_shape) == "(N, 6)"
    assert [str(each.shape) for each in summary.report.inputs] == ["(N, 6)"]


# Numbers in the code that a plain number is compared with


def only_a_hundred(x: Tensor) -> Tensor:
    if int(x.shape[-1]) != 100:
        raise ValueError("expects a length of 100")
    return x


def not_in_the_middle(x: Tensor) -> Tensor:
    if 300 <= int(x.shape[-1]) <= 330:
        raise ValueError("not supported")
    return x


def shorter_in_the_middle(x: Tensor) -> Tensor:
    return F.avg_pool1d(x, 2) if 300 <= int(x.shape[-1]) <= 330 else x


def three_pieces(x: Tensor) -> Tensor:
    q, k, v = x.split(16, -1)
    return (q @ k.transpose(1, 2)).softmax(-1) @ v


LOW, HIGH = 300, 330


class Limits(nn.Module):
    """What a length may not be stands elsewhere."""

    low = 300

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.high = where, 330
        self.config, self.sizes = SimpleNamespace(low=300), {"high": (330, 1)}

    def forward(self, x: Tensor) -> Tensor:
        length = int(x.shape[-1])
        if self.where == "a module":
            refused = LOW <= length <= HIGH
        elif self.where == "a class and an object":
            refused = self.low <= length <= self.high
        else:
            refused = self.config.low <= length <= self.sizes["high"][0]
        if refused:
            raise ValueError("not supported")
        return x


@pytest.mark.parametrize("where", ["a module", "a class and an object", "a configuration"])
def test_a_number_that_stands_elsewhere(where: str) -> None:
    model = Limits(where)
    summary = summarize(model, (2, "L"))
    assert summary.accepts is not None
    assert summary.accepts.text == "L from 1 to 299"
    assert any("accepts other sizes as well" in remark for remark in summary.report.remarks)


@pytest.mark.parametrize("call", [only_a_hundred, not_in_the_middle, shorter_in_the_middle])
def test_what_is_compared_where_nobody_sees_it(call: Callable[[Tensor], Tensor]) -> None:
    model = Calls(call)
    summary = summarize(model, (2, "L"))
    points = [{"L": size} for size in (*range(1, 20), *range(95, 105), *range(295, 335), 500)]
    found = faults(summary, model, [(1, 2, "L")], points)
    if any("accepts other sizes as well" in remark for remark in summary.report.remarks):
        found = [each for each in found if "taken True" not in each]
    assert found == []


def test_a_number_of_pieces_is_found_in_the_code() -> None:
    summary = summarize(Calls(three_pieces), (5, "C"))
    assert summary.ok
    assert Calls(three_pieces)(torch.zeros(1, 5, 48)).shape == (1, 5, 16)
    assert summary.output_shape is not None
    assert [int(size.subs({"C": 48})) for size in summary.output_shape if hasattr(size, "subs")] == [16]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.interpolate(x, scale_factor=50 / x.shape[-1]),
        lambda x: x[..., : max(1, int(math.log2(x.shape[-1] / 8)))],
        lambda x: F.interpolate(x, size=round(math.sqrt(x.shape[-1] / 4))),
    ],
    ids=["to 50", "a logarithm", "half a root"],
)
def test_a_number_that_is_no_whole_one(call: Callable[[Tensor], Tensor]) -> None:
    """Was a ``TypeError`` from inside."""
    model = Calls(call)
    summary = summarize(model, (3, "L"))
    assert summary.ok
    assert faults(summary, model, [(1, 3, "L")], [{"L": size} for size in (16, 33, 64, 100, 257)]) == []


@pytest.mark.parametrize("most", [20_000, 100_000, 1_000_000])
def test_an_end_beyond_what_is_looked_at(most: int) -> None:
    def limited(x: Tensor) -> Tensor:
        if x.shape[-1] > most:
            raise ValueError("too long")
        return x

    accepts = summarize(Calls(limited), (2, "L")).accepts
    assert accepts is not None
    assert accepts.text == f"L from 1 to {most}"


# What no row shows counts where it is asked whether a run is too large


class Weighted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        return (flat @ (flat.transpose(1, 2) @ flat)).view(x.shape)


class Attends(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 8)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.words(x)
        if found.shape[1] > 100_000:
            raise ValueError("too long")
        return F.scaled_dot_product_attention(found, found, found)


class Encodes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        if x.shape[-1] % 3:
            raise ValueError("no multiple of 3")
        return self.layer(x.flatten(2).transpose(1, 2))


LARGE: dict[str, tuple[nn.Module, tuple[Any, ...], Callable[[Mapping[str, int]], float]]] = {
    "a product": (
        nn.Sequential(Weighted(), Calls(lambda x: x[..., :38, :])), (4, "H", "W"), lambda at: (at["H"] * at["W"]) ** 2
    ),
    "an attention": (Attends(), ("L",), lambda at: at["L"] ** 2),
    "a layer of PyTorch's": (Encodes(), (8, "H", "W"), lambda at: 2 * (at["H"] * at["W"]) ** 2),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_no_real_run_makes_more_than_is_allowed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 GB of weights for every two positions were made for real, where no row shows them."""
    model, shape, elements = LARGE[name]
    ran: list[Mapping[str, int]] = []
    plain, passed = Runs.plain, Runs._passed

    def alone(self: Runs, point: Mapping[str, int]) -> Any:
        ran.append(point)
        return plain(self, point)

    def noted(self: Runs, retry: Any, point: Mapping[str, int], **options: Any) -> Any:
        if not options["on_meta"]:
            ran.append(point)
        return passed(self, retry, point, **options)

    monkeypatch.setattr(Runs, "plain", alone)
    monkeypatch.setattr(Runs, "_passed", noted)
    summary = summarize(model.eval(), shape)
    assert ran
    assert max(map(elements, ran)) <= 200e6
    assert summary.ok


def test_the_forms_beside_a_layer_that_fits_at_one_size() -> None:
    """A Linear over the last axis of a map: where it fits nothing stands in, and the slice in front is compared."""
    model = nn.Sequential(nn.MaxPool2d(4, 1), Calls(lambda x: x[..., :7, :]), nn.Linear(22, 3))
    summary = summarize(model, (4, "H", "W"))
    points = [{"H": size, "W": 25} for size in range(1, 20)]
    assert faults(summary, model, [(1, 4, "H", "W")], points) == []
