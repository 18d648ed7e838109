"""What is said of letters holds at every size that is tried: real runs of PyTorch decide, one size after the other."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import sympy
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from convlin import InputError, summarize
from convlin.records import Accepts
from convlin.symbolic.trials import Trials


class Calls(nn.Module):
    """A model that is one function."""

    def __init__(self, call: Callable[[Tensor], Any], **held: Any) -> None:
        super().__init__()
        self.call = call
        for name, value in held.items():
            setattr(self, name, value)

    def forward(self, x: Tensor) -> Any:
        return self.call(x)


def taken(model: nn.Module, shape: Sequence[Any], sizes: Sequence[int], **options: Any) -> list[int]:
    """Of ``sizes``, given to every letter at once, those at which PyTorch runs the model to the end."""
    found = []
    for size in sizes:
        given = torch.zeros(1, *(size if isinstance(axis, str) else axis for axis in shape), **options)
        try:
            with torch.no_grad():
                model(given)
        except (RuntimeError, IndexError, ValueError):
            continue
        found.append(size)
    return found


def said(accepts: Accepts | None, sizes: Sequence[int]) -> list[int]:
    """Of ``sizes`` those that are told to be taken."""
    assert accepts is not None
    assert accepts.verified
    return [size for size in sizes if all(size in each for each in accepts.sizes)]


# Tables that an index may reach beyond: neither a shape nor the meta device tells of that


class Positions(nn.Module):
    """Words and positions behind a stride, which are looked up in a table."""

    def __init__(self, rows: int, stride: int = 1) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(50, 8), nn.Embedding(rows, 8)
        self.stride = stride

    def forward(self, words: Tensor) -> Tensor:
        found = F.max_pool1d(self.words(words).transpose(1, 2), self.stride).transpose(1, 2)
        return found + self.positions(torch.arange(found.shape[1], device=words.device))


class RelativeBias(nn.Module):
    """A bias for every distance, out of a table."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.table, self.way = nn.Parameter(torch.zeros(31, 1)), way

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device)
        distances = (places[:, None] - places[None] + 15).clamp(min=-20)
        if self.way == "index_select":
            bias = self.table.index_select(0, distances.flatten()).view_as(distances)
        elif self.way == "gather":
            bias = torch.gather(self.table[:, 0], 0, distances.flatten().clamp(min=0)).view_as(distances)
        else:
            bias = self.table[distances][..., 0]
        return bias @ x


TABLES: dict[str, tuple[Callable[[], nn.Module], tuple[Any, ...]]] = {
    "embedding": (lambda: Positions(64), ("L",)),
    "embedding of one row": (lambda: Positions(1), ("L",)),
    "behind a stride": (lambda: Positions(20, 4), ("L",)),
    "index": (lambda: RelativeBias("index"), ("L", 4)),
    "index_select": (lambda: RelativeBias("index_select"), ("L", 4)),
    "gather": (lambda: RelativeBias("gather"), ("L", 4)),
    "a list in Python": (
        lambda: Calls(lambda x: x * [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0][x.shape[1] // 3]),
        ("L",),
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_table_ends_a_range(case: str) -> None:
    make, shape = TABLES[case]
    model, sizes = make().eval(), range(1, 140)
    options = {"dtype": torch.long} if isinstance(model, Positions) else {}
    assert said(summarize(model, shape).accepts, sizes) == taken(model, shape, sizes, **options)


class AnyPatches(nn.Module):
    """A table that limits how many patches there are, and not how they lie."""

    def __init__(self, patch: int, rows: int) -> None:
        super().__init__()
        self.patch, self.features = patch, nn.Linear(3 * patch * patch, 8)
        self.positions = nn.Parameter(torch.zeros(1, rows, 8))

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        high, wide = height // self.patch, width // self.patch
        x = x.view(batch, channels, high, self.patch, wide, self.patch).permute(0, 2, 4, 3, 5, 1)
        x = self.features(x.reshape(batch, high * wide, -1))
        return x + self.positions[:, : x.shape[1]]


@pytest.mark.parametrize(("patch", "rows"), [(1, 17), (8, 17), (4, 10)])
def test_a_part_of_what_the_product_of_two_letters_allows_is_no_answer(patch: int, rows: int) -> None:
    model = AnyPatches(patch, rows).eval()
    summary = summarize(model, (3, "H", "W"))
    for height, width in ((rows, 1), (1, rows), (2, 3), (3, 2)):
        assert model(torch.zeros(1, 3, patch * height, patch * width)).shape == (1, height * width, 8)
    with pytest.raises(RuntimeError):  # so no range of each letter holds all that is taken
        model(torch.zeros(1, 3, patch * rows, patch * rows))
    assert (summary.ok, summary.accepts) == (True, None)


def test_a_table_that_is_too_dear_to_reach_beyond_leaves_no_answer() -> None:
    model = nn.Sequential(nn.Linear(4, 64), Calls(lambda x: x[..., None].expand(-1, -1, -1, 64).exp().sum(-1)))
    table = nn.Embedding(1 << 20, 2)
    whole = Calls(lambda x: (model(x), table(torch.arange(x.shape[1]))), model=model, table=table)
    assert summarize(whole, ("L", 4)).accepts is None


# A size of 1 stretches to any other: that is no size that the model is for


class Patches(nn.Module):
    """Patches of an image with positions for a number of them."""

    def __init__(self, count: int, *, first: bool = True, pooled: bool = False) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 4, 16, 16)
        self.positions = nn.Parameter(torch.zeros(1, count, 4))
        self.first, self.pooled = first, pooled

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.positions if self.first else self.positions + x
        return x.mean(1) if self.pooled else x


STRETCHED: dict[str, tuple[Callable[[], nn.Module], tuple[Any, ...], str]] = {
    "positions": (lambda: Patches(196), (3, "H", "W"), "H, W from 224 to 239"),
    "positions first": (lambda: Patches(196, first=False), (3, "H", "W"), "H, W from 224 to 239"),
    "pooled": (lambda: Patches(196, first=False, pooled=True), (3, "H", "W"), "H, W from 224 to 239"),
    "a gate": (lambda: Calls(lambda x: x * torch.zeros(28, 28)), (2, "H", "W"), "H, W exactly 28"),
    "a mask": (lambda: Calls(lambda x: x.masked_fill(torch.zeros(9, 9) > 0, 0)), (2, "H", 9), "H exactly 9"),
    "a vector": (lambda: Calls(lambda x: x + torch.zeros(64)), (2, "L"), "L exactly 64"),
    "1 at all sizes": (lambda: Calls(lambda x: x * x.mean((2, 3), keepdim=True)), (2, "H", "W"), "H, W any"),
    "two of the same size": (lambda: Calls(lambda x: x[:, :1] * x.relu()), (2, "H", "W"), "H, W any"),
}  # fmt: skip


@pytest.mark.parametrize("case", STRETCHED)
def test_what_fits_only_because_1_stretches_is_no_answer(case: str) -> None:
    make, shape, text = STRETCHED[case]
    model = make().eval()
    accepts = summarize(model, shape).accepts
    assert accepts is not None
    assert (accepts.text, accepts.verified) == (text, True)
    there = [size for size in range(min(200, accepts.sizes[0].minimum), 300) if size in accepts.sizes[0]]
    near = sorted({*there, *(size + step for size in there for step in (-1, 1))} - {0, 1, 300})
    assert taken(model, shape, near) == [size for size in there if size in near]


# A model that a real run takes is not accused


def image_net(size: int) -> nn.Module:
    """A network whose Linear is right for images of ``size``."""
    features = 8 * (size // 8) ** 2
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(8), nn.Flatten(), nn.Linear(features, 10))


def halved(x: Tensor) -> Tensor:
    """A size that goes through a float."""
    return x[:, : int(x.shape[1] * 0.5), : int(x.shape[2] * 0.5)]


def cut_to_square(x: Tensor) -> Tensor:
    """A square root of a length."""
    side = int(math.sqrt(x.shape[1]))
    return x[:, : side * side].unflatten(1, (side, side))


def by_a_loop(x: Tensor) -> Tensor:
    """One step after the other."""
    return torch.cat([x[:, 64 * step] * step for step in range(x.shape[1] // 64)], 1)


RIGHT: dict[str, tuple[Callable[[], nn.Module], tuple[Any, ...], tuple[int, ...]]] = {
    "two letters, 448": (lambda: image_net(448), (3, "H", "W"), (448, 448)),
    "two letters, 512": (lambda: image_net(512), (3, "H", "W"), (512, 512)),
    "two letters, 1000": (lambda: image_net(1000), (3, "H", "W"), (1000, 1000)),
    "a long sequence": (
        lambda: nn.Sequential(nn.Conv1d(1, 8, 80, 4), nn.MaxPool1d(4), nn.Flatten(), nn.Linear(8 * 995, 10)),
        (1, "L"), (16000,),
    ),
    "a vector": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(2049, 10)), ("L",), (2049,)),
    "a very long sequence": (lambda: nn.Sequential(nn.AvgPool1d(1000), nn.Linear(90, 2)), (1, "L"), (90_000,)),
    "insisting": (lambda: Calls(insisting), (4, "T"), (3000,)),
    "a float": (lambda: nn.Sequential(Calls(halved), nn.Flatten(), nn.Linear(256, 3)), ("H", "W"), (32, 32)),
    "a square root": (lambda: nn.Sequential(Calls(cut_to_square), nn.Flatten(), nn.Linear(49, 3)), ("L",), (50,)),
    "a loop": (lambda: nn.Sequential(Calls(by_a_loop), nn.Linear(8, 3)), ("L", 4), (130,)),
}  # fmt: skip


def insisting(mel: Tensor) -> Tensor:
    """Takes one size only, and says so."""
    if mel.shape[-1] != 3000:
        raise ValueError(f"expects 3000 frames, got {mel.shape[-1]}")
    return mel


#: The same network for another size.
LARGER = {"two letters, 448", "two letters, 1000"}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.thorough] * (case in LARGER)) for case in RIGHT]
)
def test_a_right_model_is_not_accused(case: str) -> None:
    make, shape, sizes = RIGHT[case]
    model = make().eval()
    there = iter(sizes)
    model(torch.zeros(1, *(next(there) if isinstance(axis, str) else axis for axis in shape)))
    s = summarize(model, shape)
    assert [problem.message for problem in s.problems] == []
    if s.accepts is not None:
        assert all(size in found for size, found in zip(sizes, s.accepts.sizes, strict=True))


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(), nn.Linear(999, 10)), (3, "H", "W")),
        (nn.Sequential(Calls(halved), nn.Linear(7, 2), nn.Linear(3, 2)), ("H", "W")),
    ],
)
def test_a_wrong_model_is_accused_all_the_same(model: nn.Module, shape: tuple[Any, ...]) -> None:
    assert not taken(model.eval(), shape, range(1, 200))
    assert not summarize(model, shape).ok


def test_a_number_that_no_run_could_check_is_told() -> None:
    model = nn.Sequential(Calls(by_a_loop), nn.Linear(7, 2))
    s = summarize(model, ("L", 4))
    assert s.ok  # another number of steps may fit
    assert s.calls[0].output_shape == (1, -1)
    assert any("no formula was found" in each for each in s.report.remarks)
    assert len({by_a_loop(torch.zeros(1, size, 4)).shape for size in (64, 128, 640)}) == 3


# Forms: each is what PyTorch gives at every size, or there is none, or a remark names a size where it is not


def forms_hold(
    model: nn.Module, shape: Sequence[Any], sizes: Sequence[int], *, wrong: Sequence[int] = ()
) -> tuple[Any, ...] | None:
    """Hold the output's shape in letters, which is returned, against real runs; at sizes in ``wrong`` it may differ."""
    s = summarize(model, tuple(shape))
    letters = list(dict.fromkeys(axis for axis in shape if isinstance(axis, str)))
    for size in sizes:
        there = {letter: size + 5 * place for place, letter in enumerate(letters)}
        try:
            with torch.no_grad():
                real = tuple(model(torch.zeros(1, *(there.get(axis, axis) for axis in shape))).shape)
        except (RuntimeError, ValueError, IndexError):
            continue
        if size in wrong:
            assert s.report.remarks
            continue
        told = s.output_shape
        assert told is not None
        assert len(told) == len(real), (there, s.report.remarks)
        for one, other in zip(told, real, strict=True):
            value = one if isinstance(one, int) else one.subs(there)
            assert value in (-1, other), (there, told, real, s.report.remarks)
        assert s.report.remarks or -1 not in told
    return s.output_shape


def odd_padding(x: Tensor) -> Tensor:
    """The padding that TensorFlow calls SAME, written out."""
    pads = [max((-(-size // 2) - 1) * 2 + 3 - size, 0) for size in x.shape[2:]]
    return F.pad(x, (0, pads[1], 0, pads[0]))


FORMS: dict[str, tuple[Callable[[Tensor], Tensor], tuple[Any, ...], str | None]] = {
    "a part": (lambda x: x[:, :100], ("L",), "Min(100, L)"),
    "the last part": (lambda x: x[:, -100:], ("L",), "Min(100, L)"),
    "a part of half": (lambda x: x[:, ::2][:, :40], ("L",), None),
    "pooled, rounded up": (lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True), (2, "H", "W"), "floor(H/2)"),
    "averaged, rounded up": (lambda x: F.avg_pool2d(x, 2, 3, 1, ceil_mode=True), (2, "H", "W"), "floor(H/3) + 1"),
    "padded as needed": (odd_padding, (2, "H", "W"), None),
    "the first of three": (lambda x: x.tensor_split(3, 1)[0], ("L",), "floor(L/3 + 2/3)"),
    "the second of three": (lambda x: x.tensor_split(3, 1)[1], ("L",), "floor(L/3 + 1/3)"),
    "the third of five": (lambda x: x.tensor_split(5, 1)[2], ("L",), None),
    "between two places": (lambda x: x.tensor_split((5, 20), 1)[1], ("L",), "Max(0, Min(15, L - 5))"),
    "without both ends": (lambda x: x[:, 50:-50], ("L",), "Max(0, L - 100)"),
    "0.29 of it": (lambda x: F.interpolate(x, scale_factor=0.29), (2, "L"), None),
    "0.7 of it": (lambda x: x[:, : round(x.shape[1] * 0.7)], ("L",), None),
    "61/7 of it": (lambda x: F.interpolate(x, scale_factor=61 / 7), (2, "L"), None),
    "half of it": (lambda x: F.interpolate(x, scale_factor=0.5), (2, "L"), "floor(L/2)"),
    "an int of it": (lambda x: x[:, : int(x.shape[1] * 0.29)], ("L",), None),
    "by chance": (lambda x: F.fractional_max_pool2d(x, 2, output_ratio=(0.5, 0.5)), (2, "H", "W"), None),
    "as wide as high": (lambda x: F.avg_pool2d(x, x.size(2)), (2, "H", "W"), None),
}


@pytest.mark.parametrize("case", FORMS)
def test_a_form_is_what_comes_out_or_there_is_none(case: str) -> None:
    call, shape, written = FORMS[case]
    model = Calls(call)
    told = forms_hold(model, shape, [*range(1, 140), 200, 223, 255, 256, 257, 700, 896, 1000])
    if written is not None:
        assert told is not None
        assert written in map(str, told)


class Mistaken(nn.Module):
    """A mistake in front of a function whose form is another at small sizes."""

    def __init__(self, call: Callable[[Tensor], Tensor], channels: int) -> None:
        super().__init__()
        self.first, self.second, self.call = nn.Conv1d(2, 4, 3), nn.Conv1d(channels, 5, 3), call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self.second(self.first(x)))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x[..., -100:],
        lambda x: x[..., :100],
        lambda x: x[..., 30:-30],
        lambda x: x.tensor_split(3, -1)[1],
        lambda x: x[..., -100:].flatten(1),
    ],
)
def test_a_form_behind_a_mistake_holds_at_every_size(call: Callable[[Tensor], Tensor]) -> None:
    s, fixed = summarize(Mistaken(call, 9), (2, "L")), Mistaken(call, 4)
    (problem,) = s.problems
    assert (problem.path, problem.required) == ("second", 4)
    told = s.output_shape
    assert told is not None
    made = [call for call in s.calls if call.is_function][-1].outputs
    for size in [*range(5, 140), 700, 1000]:
        with torch.no_grad():
            real = tuple(fixed(torch.zeros(1, 2, size)).shape)
        assert [one if isinstance(one, int) else one.subs({"L": size}) for one in told] == list(real)
        assert real in {_at(info.shape, size) for info in made}


def _at(shape: Sequence[Any], size: int) -> tuple[int, ...]:
    return tuple(one if isinstance(one, int) else int(one.subs({"L": size})) for one in shape)


def test_what_a_linear_needs_behind_a_slice_is_told_for_every_size() -> None:
    last, linear = Calls(lambda x: x[..., -100:]), nn.Linear(170, 8)
    (problem,) = summarize(nn.Sequential(last, linear), (3, "L")).problems
    for size in (7, 99, 100, 101, 300):
        assert problem.required.subs({"L": size}) == last(torch.zeros(1, 3, size)).shape[-1]
    accepts = summarize(nn.Sequential(last, nn.Linear(7, 8)), (3, "L")).accepts
    assert accepts is not None
    assert said(accepts, range(1, 200)) == taken(nn.Sequential(last, nn.Linear(7, 8)), (3, "L"), range(1, 200)) == [7]


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda x: x.split(4, 1)[0], ("L",)),
        (lambda x: x.chunk(3, 1)[-1], ("L",)),
        (lambda x: x.squeeze(-1), (2, "L")),
    ],
)
def test_where_another_number_of_tensors_or_axes_comes_out_a_remark_says_so(
    call: Callable[[Tensor], Tensor], shape: tuple[Any, ...]
) -> None:
    remarks = "".join(summarize(Calls(call), shape).report.remarks)
    assert "not for L = " in remarks or "makes a plain number of a size" in remarks


def test_what_a_function_of_no_module_gives_is_held_against_runs() -> None:
    s = summarize(Calls(odd_padding), (2, "H", "W"))
    (pad,) = [call for call in s.calls if call.type == "F.pad"]
    for size in range(1, 30):
        real = odd_padding(torch.zeros(1, 2, size, size + 5)).shape
        if tuple(real) != (1, 2, size, size + 5):  # else it is no row
            axes: tuple[Any, ...] = pad.outputs[0].shape[2:]
            assert [axis.subs({"H": size, "W": size + 5}) for axis in axes] == list(real[2:])


class Resized(nn.Module):
    """Patches of 2×2 as MobileViT makes them: a map that does not divide is resized, and back again."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        rows, channels, *size = x.shape
        height, width = (math.ceil(side / 2) for side in size)
        is_resized = [2 * height, 2 * width] != size
        if is_resized:
            x = F.interpolate(x, size=(2 * height, 2 * width), mode="bilinear")
        x = x.reshape(rows * channels * height, 2, width, 2).transpose(1, 2)
        x = x.reshape(rows, channels, height * width, 4).transpose(1, 3).reshape(rows * 4, height * width, -1)
        x = self.norm(x).contiguous().view(rows, 4, height * width, -1)
        x = x.transpose(1, 3).reshape(rows * channels * height, width, 2, 2)
        x = x.transpose(1, 2).reshape(rows, channels, height * 2, width * 2)
        return F.interpolate(x, size=size, mode="bilinear") if is_resized else x


@pytest.mark.parametrize("blocks", [1, pytest.param(3, marks=pytest.mark.thorough)])
def test_a_view_that_asks_for_equal_sizes_stretches_nothing(blocks: int) -> None:
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1)]
    for _ in range(blocks):
        layers += [nn.Conv2d(8, 8, 3, 2, 1), Resized()]
    model = nn.Sequential(*layers).eval()
    summary = summarize(model, (3, "H", "W"))
    assert summary.accepts is not None
    assert (summary.accepts.text, summary.accepts.verified) == ("H, W any", True)
    assert summary.report.remarks == ()
    assert summary.output_shape is not None
    for height, width in [
        (1, 2),
        (40, 72),
        (64, 96),
        (225, 321),
        (256, 416),
        (288, 320),
        (33, 47),
        (448, 672),
        (447, 70),
    ]:
        with torch.no_grad():
            made = model(torch.zeros(1, 3, height, width))
        sizes = {"H": height, "W": width}
        told = [size if isinstance(size, int) else size.subs({each: sizes[str(each)] for each in size.free_symbols})
                for size in summary.output_shape]  # fmt: skip
        assert tuple(told) == tuple(made.shape)


# Sizes that are out of the ordinary


@pytest.mark.parametrize(("window", "features"), [(10_000, 150), (10_000, 5), (3, 7)])
def test_a_size_that_fits_is_found_however_large(window: int, features: int) -> None:
    model = nn.Sequential(nn.AvgPool1d(window), nn.Flatten(), nn.Linear(features, 3)).eval()
    summary = summarize(model, (1, "L"))
    assert summary.ok
    first, last = window * features, window * (features + 1) - 1
    sizes = [first - 1, first, first + 1, last, last + 1]
    assert said(summary.accepts, sizes) == taken(model, (1, "L"), sizes) == [first, first + 1, last]


def test_a_model_that_fits_beyond_what_is_run_is_not_accused() -> None:
    model = nn.Sequential(nn.AvgPool1d(100_000), nn.Flatten(), nn.Linear(150, 3)).eval()
    assert taken(model, (1, "L"), [15_000_000]) == [15_000_000]
    summary = summarize(model, (1, "L"))
    assert (summary.ok, summary.accepts) == (True, None)
    assert not summarize(nn.Sequential(model, nn.Linear(4, 1)), (1, "L")).ok


def test_a_letter_that_may_be_what_a_linear_declares_is_no_flatten_forgotten() -> None:
    model = nn.Sequential(nn.Conv1d(4, 4, 3, padding=1), nn.Linear(4, 6)).eval()
    summary = summarize(model, (4, "L"))
    assert summary.ok
    assert said(summary.accepts, range(1, 30)) == taken(model, (4, "L"), range(1, 30)) == [4]
    assert summary.output_shape == (1, 4, 6)


def test_a_flatten_that_is_missing_is_a_mistake_at_every_size() -> None:
    layers = nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), nn.Linear(1024, 10)
    (problem,) = summarize(nn.Sequential(*layers), (3, "H", "W")).problems
    assert "flatten" in problem.message
    fixed = nn.Sequential(*layers[:2], nn.Flatten(), layers[2]).eval()
    assert taken(nn.Sequential(*layers).eval(), (3, "H", "W"), range(2, 70)) == []
    assert said(summarize(fixed, (3, "H", "W")).accepts, range(2, 70)) == taken(fixed, (3, "H", "W"), range(2, 70))


def test_memory_that_depends_on_an_unknown_size_is_unknown() -> None:
    summary = summarize(Calls(lambda x: x[:, : int(math.sqrt(x.shape[1])) ** 2]), ("L", 16))
    assert summary.output_shape == (1, -1, 16)
    assert summary.memory().activations == summary.memory().total == -1
    assert "activations ?" in str(summary)


class Steps(nn.Module):
    """A cell for every step of a sequence, its first state made on the CPU; it counts the steps taken in letters."""

    followed = 0

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        state, states = torch.zeros(x.shape[0], 8), []
        for step in range(x.shape[1]):
            Steps.followed += isinstance(x, FakeTensor)
            state = self.cell(x[:, step], state)
            states.append(state)
        return torch.stack(states, 1)


def test_a_loop_over_a_length_is_followed_in_letters_at_a_short_one() -> None:
    model, before = Steps(), Steps.followed
    s = summarize(model, ("L", 8))
    assert 0 < Steps.followed - before <= 300
    for size in (3, 24, 200):
        real = model(torch.zeros(1, size, 8)).shape
        assert s.report.remarks or _at(s.output_shape or (), size) == tuple(real)


# A check of the size that is left out while the model is followed


class LeavesItsCheckOut(nn.Module):
    """A network for segmentation with the check of segmentation-models-pytorch."""

    def __init__(self, stride: int, asked: Callable[[], bool]) -> None:
        super().__init__()
        self.stride, self.asked = stride, asked
        self.down, self.up = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(7, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if not self.asked():
            height, width = x.shape[-2:]
            if height % self.stride or width % self.stride:
                raise RuntimeError(f"{height}×{width} is not divisible by {self.stride}")
        return self.up(torch.cat([x, F.interpolate(self.down(x), size=x.shape[-2:])], 1))


@pytest.mark.parametrize("stride", [6, 16, 32])
def test_multiples_that_only_a_real_run_asks_for(stride: int) -> None:
    s = summarize(LeavesItsCheckOut(stride, torch.compiler.is_compiling), (3, "H", "W"))
    assert s.ok
    assert s.accepts is not None
    assert s.accepts.text == f"H, W multiples of {stride}"
    assert s.accepts.verified


# The index of a slice is shown where it is explained, in letters as in numbers


@pytest.mark.parametrize(
    ("call", "head", "arithmetic"),
    [
        (lambda x: x[..., : x.shape[-1] // 2], "Tensor[..., :⌊L/2⌋]", "⌊L/2⌋"),
        (lambda x: x[..., x.shape[-1] // 2 :], "Tensor[..., ⌊L/2⌋:]", "L − ⌊L/2⌋"),
        (lambda x: x[:, :, ::2], "Tensor[:, :, ::2]", "⌈L/2⌉ = ⌊(L + 1)/2⌋"),
        (lambda x: F.pad(x, (1, 1))[..., ::3], "Tensor[..., ::3]", "⌈(L + 2)/3⌉ = ⌊(L + 4)/3⌋"),
    ],
)
def test_a_slice_is_explained_with_its_index(call: Callable[[Tensor], Tensor], head: str, arithmetic: str) -> None:
    class Sliced(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(48, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(torch.flatten(call(x), 1))

    told = summarize(Sliced(), (3, "L")).explain("fc")
    assert f"{head} at " in told
    assert arithmetic in told
    assert "was not seen" not in told


class TopDown(nn.Module):
    """What a pyramid of features adds: a map and the one below it, enlarged, in either order."""

    def __init__(self, stem: nn.Module, ways_down: Sequence[nn.Module], *, skip_first: bool) -> None:
        super().__init__()
        self.stem, self.down, self.skip_first = stem, nn.ModuleList(ways_down), skip_first

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.stem(x)]
        for down in self.down:
            maps.append(down(maps[-1]))
        x = maps.pop()
        for skip in reversed(maps):
            x = F.interpolate(x, scale_factor=2)
            self.meet(x, skip)
            x = skip + x if self.skip_first else x + skip
        return x

    def meet(self, enlarged: Tensor, skip: Tensor) -> None:
        pass


class SameOnly(TopDown):
    """The same, refusing a map of a single cell that only stretches."""

    def meet(self, enlarged: Tensor, skip: Tensor) -> None:
        if enlarged.shape != skip.shape:
            raise RuntimeError("stretched")


@pytest.mark.parametrize("shape", [(3, "S", "S"), (3, "S", 64)])
@pytest.mark.parametrize("skip_first", [False, True])
@pytest.mark.parametrize(
    "parts",
    [
        lambda: (nn.Conv2d(3, 4, 4, 4), [nn.Conv2d(4, 4, 3, 2, 1)]),
        lambda: (nn.Conv2d(3, 4, 7, 2, 3), [nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2)]),
        lambda: (nn.Conv2d(3, 4, 7, 4, 3), [nn.Conv2d(4, 4, 3, 2, 1), nn.MaxPool2d(3, 2, 1)]),
    ],
)
def test_a_map_of_one_cell_that_stretches_is_no_accepted_size_in_either_order(
    parts: Callable[[], tuple[nn.Module, list[nn.Module]]], skip_first: bool, shape: tuple[Any, ...]
) -> None:
    accepts = summarize(TopDown(*parts(), skip_first=skip_first), shape).accepts
    assert accepts is not None
    strict = SameOnly(*parts(), skip_first=skip_first)
    for size in range(1, 100):
        try:
            strict(torch.zeros(1, 3, size, size if shape[2] == "S" else 64))
            runs = True
        except RuntimeError:
            runs = False
        assert (size in accepts["S"]) == runs, (size, accepts.text)


class Causal(nn.Module):
    """Attention as small language models are written, with a mask for 32 positions."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)
        self.register_buffer("mask", torch.tril(torch.ones(32, 32)).view(1, 1, 32, 32))

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = (part.view(batch, length, 4, -1).transpose(1, 2) for part in self.qkv(x).split(width, dim=2))
        scores = q @ k.transpose(-2, -1)
        assert isinstance(self.mask, Tensor)
        scores = scores.masked_fill(self.mask[:, :, :length, :length] == 0, -torch.inf).softmax(-1)
        return (scores @ v).transpose(1, 2).reshape(batch, length, width)


def test_a_product_of_a_single_row_stretches_nothing() -> None:
    accepts = summarize(Causal(), ("T", 16)).accepts
    assert accepts is not None
    assert accepts.text == "T from 1 to 32"
    for length in (1, 2, 32):
        assert Causal()(torch.zeros(1, length, 16)).shape == (1, length, 16)
    with pytest.raises(RuntimeError):
        Causal()(torch.zeros(1, 33, 16))


class Masked(nn.Module):
    """As PyTorch's tutorials write it: whether the mask is the causal one is looked up in its values."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device)
        made: Tensor = self.encoder(x, mask=mask)
        return made


def test_whether_a_mask_is_causal_needs_no_values() -> None:
    summary = summarize(Masked(), ("T", 16), batch_size="N")
    assert summary.ok
    assert summary.accepts is not None
    assert summary.accepts.text == "T any"
    for batch, length in ((1, 1), (2, 7), (3, 50)):
        assert summary.output_shape is not None
        shape = tuple(int(sympy.sympify(size).subs({"N": batch, "T": length})) for size in summary.output_shape)
        assert Masked()(torch.zeros(batch, length, 16)).shape == shape
    meta, real = summarize(Masked(), (8, 16), device="meta"), summarize(Masked(), (8, 16))
    assert meta.ok
    assert [call.output_shape for call in meta.calls] == [call.output_shape for call in real.calls]


class PackedSequence(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.read = nn.Embedding(20, 8), nn.LSTM(8, 6, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        lengths = torch.full((x.shape[0],), x.shape[1])
        packed = nn.utils.rnn.pack_padded_sequence(self.words(x), lengths, batch_first=True, enforce_sorted=False)
        _, (state, _) = self.read(packed)
        last: Tensor = state[-1]
        return last


def test_a_stop_that_letters_alone_make_is_no_mistake_of_the_model() -> None:
    assert summarize(PackedSequence(), (9,), dtypes=torch.long).ok
    with pytest.raises(InputError, match="which runs at numbers"):
        summarize(PackedSequence(), ("L",), dtypes=torch.long)


def test_a_function_of_maps_is_refused_a_signal_as_pytorch_does() -> None:
    model = Calls(lambda x: F.conv2d(x, torch.zeros(4, 2, 3)))
    with pytest.raises(RuntimeError):
        model(torch.zeros(1, 2, 9))
    assert not summarize(model, (2, "L")).ok
    assert not summarize(model, (2, 9)).ok


class NormedPatches(nn.Module):
    """Takes all images of at least two patches: in a row, or in a column."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.norm = nn.Conv2d(3, 4, 4, stride=4), nn.InstanceNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.norm(self.patches(x))
        return made


def test_sizes_that_are_taken_beside_the_ranges_are_told() -> None:
    s = summarize(NormedPatches(), (3, "H", "W"))
    assert s.accepts is not None
    (said,) = (each for each in s.report.remarks if each.startswith("the model accepts other sizes as well"))
    height, width = map(int, re.findall(r"= (\d+)", said))
    ranges = {each.name: each for each in s.accepts.sizes}
    assert height not in ranges["H"] or width not in ranges["W"]
    assert NormedPatches()(torch.zeros(1, 3, height, width)).shape == (1, 4, height // 4, width // 4)
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        NormedPatches()(torch.zeros(1, 3, 4, 4))


def test_of_ranges_that_are_all_no_other_size_is_told() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.Conv2d(4, 4, 3))
    s = summarize(model, (3, "H", "W"))
    assert s.accepts is not None
    assert s.accepts.text == "H, W any from 12 up"
    assert s.report.remarks == ()


class TwoImages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 2, 3)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        made: Tensor = self.conv(torch.cat([x, y], 1))
        return made


def test_of_two_images_each_side_has_a_size_of_its_own() -> None:
    s = summarize(TwoImages(), [(3, "H", "W"), (3, "A", "B")])
    assert s.ok
    (said,) = (each for each in s.report.remarks if each.startswith("the model accepts other sizes as well"))
    sizes = {name: int(size) for name, size in re.findall(r"(\w) = (\d+)", said)}
    assert len({*sizes.values()}) == 2
    images = torch.zeros(1, 3, sizes["H"], sizes["W"]), torch.zeros(1, 3, sizes["A"], sizes["B"])
    assert TwoImages()(*images).shape == (1, 2, sizes["H"] - 2, sizes["W"] - 2)


# A mistake in front of which a map may be as small as one likes


class Residual(nn.Module):
    """What comes out of a convolution meets what went in."""

    def __init__(self, call: Callable[[Tensor, Tensor], Tensor], channels: int) -> None:
        super().__init__()
        self.conv, self.call = nn.Conv2d(3, channels, 3, padding=1), call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self.conv(x), x)


def added_in_place(made: Tensor, x: Tensor) -> Tensor:
    made += x
    return made


MEETINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "+": lambda made, x: made + x,
    "+=": added_in_place,
    "*": lambda made, x: made * x,
    "maximum": torch.maximum,
    "where": lambda made, x: torch.where(made > 0, made, x),
    "lerp": lambda made, x: torch.lerp(made, x, 0.5),
    "mse_loss": F.mse_loss,
}


@pytest.mark.parametrize("name", MEETINGS)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_other_channels_do_not_meet_at_any_size(name: str) -> None:
    wrong, right = Residual(MEETINGS[name], 8), Residual(MEETINGS[name], 3)
    assert taken(wrong, (3, "H", "W"), (1, 2, 3, 7, 16, 33)) == []
    (problem,) = summarize(wrong, (3, "H", "W")).problems
    assert "8 and 3" in problem.message
    assert summarize(right, (3, "H", "W")).ok


class Branches(nn.Module):
    """One of two branches halves the map: they meet where it has a single cell."""

    def __init__(self, join: Callable[[Tensor, Tensor], Tensor], stride: int, last: nn.Module) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 8, 3, stride, 1), nn.Conv2d(3, 8, 3, 1, 1)
        self.join, self.last = join, last

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.last(self.join(self.left(x), self.right(x)))
        return made


def side_by_side(left: Tensor, right: Tensor) -> Tensor:
    return torch.cat([left, right], 1)


@pytest.mark.parametrize("last", [nn.MaxPool2d(2), nn.Conv2d(16, 2, 3), nn.AvgPool2d(3, 1)], ids=str)
def test_branches_that_meet_only_where_a_window_behind_them_does_not_fit(last: nn.Module) -> None:
    wrong = Branches(side_by_side, 2, last)
    assert taken(wrong, (3, "H", "W"), range(1, 70)) == []
    s = summarize(wrong, (3, "H", "W"))
    assert not s.ok
    assert "dimension 2: ⌊(H + 1)/2⌋ and H" in s.problems[0].message
    assert summarize(Branches(side_by_side, 1, last), (3, "H", "W")).ok


def test_branches_that_meet_in_a_single_cell_are_right_there() -> None:
    right = Branches(side_by_side, 2, nn.Conv2d(16, 2, 3, padding=1))
    assert taken(right, (3, "H", "W"), range(1, 70)) == [1]
    s = summarize(right, (3, "H", "W"))
    assert s.ok
    assert said(s.accepts, range(1, 70)) == [1]


def test_branches_that_meet_only_where_one_is_stretched(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Branches(torch.add, 2, nn.MaxPool2d(2))
    assert taken(wrong, (3, "H", "W"), range(1, 70)) == [2]  # where a single cell meets four
    assert not summarize(wrong, (3, "H", "W")).ok
    # A model that runs is not accused where no run can tell why it does.
    monkeypatch.setattr(Trials, "stretched", lambda self, point: None)
    assert summarize(wrong, (3, "H", "W")).ok


# Sums of floors


def by_halves(x: Tensor) -> Tensor:
    for _ in range(3):
        x = F.pad(x, (0, x.shape[-1] % 2))
        x = x[..., ::2] + x[..., 1::2]
    return x


def without_every_second(x: Tensor) -> Tensor:
    length = x.shape[-1]
    for _ in range(2):
        length = length - length // 2
    return F.adaptive_avg_pool1d(x, 3 * length - 3 * (length // 2) + 1)


@pytest.mark.parametrize(
    ("call", "told"), [(by_halves, "floor(L/8 + 7/8)"), (without_every_second, "3*floor(L/8 + 7/8) + 1")]
)
def test_what_remains_of_halves_is_one_floor(call: Callable[[Tensor], Tensor], told: str) -> None:
    shape = summarize(Calls(call), (4, "L")).output_shape
    assert shape is not None
    form: Any = shape[-1]
    assert str(form) == told
    for length in (*range(1, 40), 511, 512, 513):
        assert form.subs({"L": length}) == call(torch.zeros(1, 4, length)).shape[-1]
