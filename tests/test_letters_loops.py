"""Loops along a letter: how often something is called, at which sizes the forms hold, and that no sum is made of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import pytest
import sympy
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convlin import Summary, summarize
from convlin.inputs import read_inputs
from convlin.symbolic.again import Again
from convlin.symbolic.loops import loops
from convlin.symbolic.runs import Runs


class Slices(nn.Module):
    """A sum over the positions behind a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv1d(4, 8, 3), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Any:
        x = self.conv(x)
        total = torch.zeros(x.shape[0], 8)
        for place in range(x.shape[-1]):
            total = total + x[:, :, place]
        return self.fc(total)


class Cell(nn.Module):
    """A recurrent cell, one step after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.fc = nn.GRUCell(4, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Any:
        h = x.new_zeros(x.shape[0], 8)
        outputs = []
        for step in range(x.shape[1]):
            h = self.cell(x[:, step], h)
            outputs.append(h)
        return self.fc(torch.stack(outputs, 1))


class Windows(nn.Module):
    """The mean of every four positions, all of them in front of a Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 2)

    def forward(self, x: Tensor) -> Any:
        parts = [x[:, :, start : start + 4].mean(-1) for start in range(0, x.shape[-1], 4)]
        return self.fc(torch.cat(parts, 1))


class Shrinks(nn.Module):
    """The same convolution until one position is left."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv1d(4, 4, 2), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Any:
        while x.shape[-1] > 1:
            x = self.conv(x)
        return self.fc(x[..., 0])


class Rows(nn.Module):
    """A Linear for every row by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Any:
        return torch.stack([self.fc(row) for row in x.unbind(1)], 1)


SIZES = (3, 4, 5, 6, 7, 9, 16, 23, 24, 25, 31, 40, 61, 62, 64, 65)


#: The functions that have rows of their own in these models.
ROWS = {"__getitem__": "Tensor[...]", "mean": "Tensor.mean"}


class Counting(TorchFunctionMode):
    """Counts those functions."""

    def __init__(self, found: Counter[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in ROWS:
            self.found[ROWS[func.__name__]] += 1
        return func(*args, **(kwargs or {}))


def ran(model: nn.Module, shape: Sequence[Any], size: int) -> tuple[Counter[str], dict[str, list[Any]]] | None:
    """How often layers and functions are called, and what each layer returns; None where PyTorch refuses the size."""
    found: Counter[str] = Counter()
    shapes: dict[str, list[Any]] = {}

    def note(name: str, layer: nn.Module, args: Any, output: Tensor) -> None:
        found[name] += 1
        shapes.setdefault(name, []).append(output.shape)

    handles = [layer.register_forward_hook(partial(note, name)) for name, layer in model.named_modules() if name]
    try:
        with torch.no_grad(), Counting(found):
            model(torch.zeros(1, *(size if isinstance(axis, str) else axis for axis in shape)))
    except RuntimeError:
        return None
    finally:
        for handle in handles:
            handle.remove()
    return found, shapes


def calls(model: nn.Module, shape: Sequence[Any], size: int) -> Counter[str] | None:
    seen = ran(model, shape, size)
    return seen[0] if seen is not None else None


class Loop(NamedTuple):
    """A model, the shape it is asked about, and how many rows one of its names has in letters and in numbers."""

    make: Callable[[], nn.Module]
    shape: tuple[Any, ...]
    name: str
    told: str
    times: Callable[[int], int]

    def at(self, size: int) -> tuple[int, ...]:
        return tuple(size if isinstance(axis, str) else axis for axis in self.shape)


LOOPS = (
    Loop(Slices, (4, "L"), "Tensor[...]", "L − 2 times", lambda size: size - 2),
    Loop(Cell, ("L", 4), "cell", "L times", lambda size: size),
    Loop(Windows, (4, "L"), "Tensor.mean", "⌊(L + 3)/4⌋ times", lambda size: -(-size // 4)),
    Loop(Shrinks, (4, "L"), "conv", "L − 1 times", lambda size: size - 1),
    Loop(Rows, ("L", 16), "fc", "L times", lambda size: size),
)
#: Two of them say the same as others.
each_loop = pytest.mark.parametrize(
    "loop",
    [pytest.param(loop, marks=[pytest.mark.thorough] * (loop.make in (Slices, Rows))) for loop in LOOPS],
    ids=[loop.make.__name__ for loop in LOOPS],
)


@cache
def asked(loop: Loop) -> tuple[nn.Module, Summary]:
    model = loop.make().eval()
    return model, summarize(model, loop.shape)


@each_loop
def test_what_a_loop_calls_as_often_as_a_letter_says_is_told(loop: Loop) -> None:
    model, summary = asked(loop)
    remark = next(each for each in summary.report.remarks if each.startswith("the rows are those at L = "))
    assert re.search(rf"{re.escape(loop.name)}[^;]*? {re.escape(loop.told)}", remark), remark
    for size in SIZES:
        counted = calls(model, loop.shape, size)
        assert counted is None or loop.times(size) == counted[loop.name], size


@each_loop
def test_what_a_model_with_a_loop_takes_is_what_pytorch_takes(loop: Loop) -> None:
    model, summary = asked(loop)
    assert summary.accepts is not None
    assert summary.ok
    for size in SIZES:
        assert (size in summary.accepts["L"]) is (calls(model, loop.shape, size) is not None), size


@each_loop
def test_each_row_that_is_there_at_another_size_has_the_size_that_it_has_there(loop: Loop) -> None:
    model, summary = asked(loop)
    rows = [call for call in summary.calls if call.path and not call.is_function]
    for size in SIZES:
        seen = ran(model, loop.shape, size)
        for path, shapes in seen[1].items() if seen is not None else ():
            mine = [call.output_shapes[0] for call in rows if call.path == path]
            for form, shape in zip(mine, shapes, strict=False):
                assert tuple(int(sympy.sympify(each).subs({"L": size})) for each in form) == shape


@each_loop
def test_no_sum_over_the_rows_of_one_size_is_told_for_all(loop: Loop) -> None:
    _, summary = asked(loop)
    assert summary.report.calls_vary
    assert "activations ? (other sizes have other rows)" in str(summary)
    assert summary.memory().activations == -1


def test_a_sum_is_told_where_every_size_has_the_same_rows() -> None:
    model = nn.Sequential(nn.Conv1d(4, 8, 3), nn.MaxPool1d(2))
    summary = summarize(model, (4, "L"))
    assert not summary.report.calls_vary
    told = summary.memory().activations
    assert isinstance(told, sympy.Expr)
    for size in (4, 5, 9, 40):
        with torch.no_grad():
            convolved = model[0](torch.zeros(1, 4, size))
            assert told.subs({"L": size}) == convolved.nbytes + model[1](convolved).nbytes


def test_what_pads_at_some_sizes_only_has_no_sum_for_all() -> None:
    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(4, 8, 4, stride=4)

        def forward(self, x: Tensor) -> Any:
            if x.shape[-1] % 4:
                x = F.pad(x, (0, 4 - x.shape[-1] % 4))
            return self.conv(x)

    summary = summarize(Padded(), (4, "L"))
    one, other = (summarize(Padded(), (4, size)).memory().activations for size in (8, 7))
    assert one != other, "the padded tensor is one more, of the same size"
    assert summary.memory().activations == -1


def test_what_only_keeps_its_shape_at_some_sizes_is_counted_at_all() -> None:
    class Pooled(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return F.adaptive_avg_pool1d(x, 1).flatten(1)

    assert summarize(Pooled(), (4, "L")).memory().activations == 4 * 4 + 4 * 4


def test_a_loop_along_one_letter_of_several_is_said_to_depend_on_that_one() -> None:
    class Frames(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return torch.stack([F.max_pool1d(x[:, place], 2) for place in range(x.shape[1])], 1)

    remarks = " ".join(summarize(Frames(), ("T", 3, "L")).report.remarks)
    assert re.search(r"how many depends on T: .*\(.*\) T times; torch.stack \(.*\) of T tensors", remarks)


def test_what_is_joined_of_another_number_of_tensors_is_told() -> None:
    class Joined(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return torch.cat([x, x, x] if x.shape[-1] > 60 else [x, x], 1).mean(1)

    remarks = " ".join(summarize(Joined(), (4, "L")).report.remarks)
    assert re.search(r"how many depends on L: torch.cat \(.*\) of \? tensors", remarks)


def test_what_is_called_at_some_sizes_only_is_no_loop() -> None:
    class Doubled(nn.Module):
        def forward(self, x: Tensor) -> Any:
            for _ in range(2 if x.shape[-1] < 60 else 0):
                x = F.pad(x, (1, 1))
            return x.mean(-1)

    summary = summarize(Doubled(), (4, "L"))
    assert summary.report.calls_vary
    assert "the rows are" not in " ".join(summary.report.remarks)


def test_a_layer_that_is_called_at_some_sizes_only_is_no_loop() -> None:
    class Deeper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.more = nn.Conv1d(4, 4, 3), nn.Conv1d(4, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Any:
            x = self.first(x)
            return self.more(x) if x.shape[-1] > 100 else x

    remarks = " ".join(summarize(Deeper(), (4, "L")).report.remarks)
    assert "forward goes another way there" in remarks
    assert "the rows are those" not in remarks


def test_a_pool_that_is_called_as_long_as_a_map_is_large_has_no_formula() -> None:
    class Pools(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3 * 64, 2)

        def forward(self, x: Tensor) -> Any:
            while x.shape[-1] > 8:
                x = F.max_pool2d(x, 2)
            return self.fc(x.flatten(1))

    summary = summarize(Pools(), (3, "H", "H"))
    assert re.search(r"how many depends on H: F.max_pool2d \(.*\) \? times", " ".join(summary.report.remarks))
    taken = [size for size in range(8, 70) if calls(Pools(), (3, "H", "H"), size) is not None]
    assert summary.accepts is None or all(size in summary.accepts["H"] for size in taken)


# What the table of one length shows elsewhere


def test_a_function_that_is_no_row_at_a_size_is_not_taken_for_the_next_one() -> None:
    class Up(nn.Module):
        """Two joins from one line, as U-Nets write them: where nothing is missing the padding is no row."""

        def __init__(self) -> None:
            super().__init__()
            self.up = nn.ConvTranspose2d(3, 3, 2, 2)

        def join(self, x: Tensor, skip: Tensor) -> Tensor:
            missing = [skip.shape[axis] - x.shape[axis] for axis in (3, 2)]
            return torch.cat([F.pad(x, (0, missing[0], 0, missing[1])), skip], 1)

        def forward(self, x: Tensor) -> Any:
            half = F.max_pool2d(x, 2)
            return self.join(self.up(self.join(self.up(F.max_pool2d(half, 2)), half)[:, :3]), x)

    pyramid = Pyramid()
    for model in (Up(), pyramid):
        summary = summarize(model.eval(), (3, "H", "W"))
        assert summary.report.remarks == ()
        assert summary.accepts is not None
        for h, w in ((4, 4), (5, 5), (6, 9), (7, 31), (32, 8)):
            with torch.no_grad():
                real = model(torch.zeros(1, 3, h, w)).shape
            assert summary.output_shape is not None
            assert tuple(int(sympy.sympify(size).subs({"H": h, "W": w})) for size in summary.output_shape) == real


class Pyramid(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return torch.cat([F.adaptive_avg_pool2d(x, size).flatten(1) for size in (1, 2, 4)], 1)


def test_a_loop_with_a_mistake_is_followed_at_a_short_length() -> None:
    class Wrong(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.fc = nn.GRUCell(4, 8), nn.Linear(9, 3)

        def forward(self, x: Tensor) -> Any:
            h, outputs = x.new_zeros(x.shape[0], 8), []
            for step in range(x.shape[1]):
                h = self.cell(x[:, step], h)
                outputs.append(self.fc(h))
            return torch.stack(outputs, 1)

    summary = summarize(Wrong(), ("L", 4))
    assert [problem.changes for problem in summary.problems] == [{"in_features": "8"}]
    assert len(summary.calls) < 100


# Ranges that are none


class Parts(nn.Module):
    """A Linear for every six steps."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Any:
        return torch.cat([self.fc(part.flatten(1)) for part in x.split(6, 1)], 1)


class Halves(nn.Module):
    """A strided convolution until four steps are left."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv1d(4, 4, 3, 2, 1), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Any:
        while x.shape[-1] > 4:
            x = self.conv(x)
        return self.fc(x.flatten(1))


@pytest.mark.parametrize(("model", "shape"), [(Parts(), ("L", 4)), (Halves(), (4, "L"))])
def test_a_range_is_all_that_is_taken_or_there_is_none(model: nn.Module, shape: tuple[Any, ...]) -> None:
    taken = [size for size in range(1, 70) if calls(model.eval(), shape, size) is not None]
    accepts = summarize(model, shape).accepts
    assert accepts is None or all(size in accepts["L"] for size in taken)


def test_two_inputs_that_agree_behind_a_stride_have_no_small_range() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(4, 8, 5, stride=2)

        def forward(self, a: Tensor, b: Tensor) -> Any:
            return torch.cat([self.conv(a), self.conv(b)], 1)

    Both()(torch.zeros(1, 4, 18), torch.zeros(1, 4, 18))
    accepts = summarize(Both(), [(4, "L"), (4, "M")]).accepts
    assert accepts is None or 18 in accepts["L"]


# Mistakes at every size


class Decoder(nn.Module):
    """The Linear was to take the 392 features of 28×28, which alone the end takes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc, self.out = nn.Conv2d(1, 8, 3, 4, 1), nn.Linear(512, 16), nn.Linear(16, 784)

    def forward(self, x: Tensor) -> Any:
        return self.out(self.fc(self.conv(x).flatten(1))).view(-1, 1, 28, 28) - x


class Widened(nn.Module):
    """A residual branch that is two steps longer: where it has one step less than nothing it is stretched."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(8, 8, 3, padding=2)

    def forward(self, x: Tensor) -> Any:
        return x + self.conv(x)


@pytest.mark.parametrize(("model", "shape"), [(Decoder(), (1, "S", "S")), (Widened(), (8, "S"))])
def test_what_fits_at_different_sizes_only_is_a_mistake(model: nn.Module, shape: tuple[Any, ...]) -> None:
    assert all(calls(model, shape, size) is None for size in range(2, 70))
    summary = summarize(model, shape)
    assert not summary.ok
    assert not any("right at" in remark for remark in summary.report.remarks)


def test_a_mask_that_a_model_makes_is_no_larger_than_what_may_be_run() -> None:
    lengths: list[int] = []

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.positions = nn.Parameter(torch.zeros(1, 32, 8))

        def forward(self, x: Tensor) -> Any:
            length = x.shape[1]
            if type(length) is int:
                lengths.append(length)
                assert length < 30_000, "more memory than a machine has to spare"
            return torch.ones(length, length) @ (x + self.positions[:, :length])

    accepts = summarize(Masked(), ("L", 8)).accepts
    assert accepts is not None
    assert accepts.text == "L from 1 to 32"
    assert max(lengths) ** 2 <= 500_000_000


# Whether there is a loop at all


class Shifted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x[..., 1:] * 2).relu() if x.shape[-1] > 1000 else F.pad(x, (1, 0))[..., 1:]


class Repeating(nn.Module):
    """Calls the same layer, or the same line, as often as a letter says."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.layer, self.way = nn.Linear(8, 8), way

    def forward(self, x: Tensor) -> Tensor:
        if self.way == "a layer":
            for _ in range(x.shape[1]):
                x = self.layer(x)
        elif self.way == "a line":
            x = torch.stack([step * 2 for step in x.unbind(1)], 1)
        else:
            x = self.each(x)
        return x

    @staticmethod
    def each(x: Tensor) -> Tensor:
        steps = [x[:, place].relu() for place in range(x.shape[1])]
        return torch.stack(steps, 1)


@pytest.mark.parametrize("way", ["a layer", "a line", "a function of its own"])
def test_a_loop_along_a_letter_is_seen_in_one_pass(way: str) -> None:
    model, plan = Repeating(way), read_inputs(Repeating(way), ("L", 8))
    again = Again()
    steps = Runs(model, plan, "eval").steps({"L": 60}, again)
    assert steps is not None
    assert 60 <= again.count <= steps
    assert loops(model, plan, "eval", {"L": 896}).short == {"L": 24}


@pytest.mark.parametrize(
    "model",
    [nn.Sequential(*(nn.Conv1d(8, 8, 1) for _ in range(50))), nn.Sequential(*(Shifted() for _ in range(50)))],
    ids=["layers", "modules"],
)  # fmt: skip
def test_many_layers_in_a_row_are_no_loop(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = read_inputs(model, (8, "L"))
    again = Again()
    assert (Runs(model, plan, "eval").steps({"L": 60}, again) or 0) >= 50
    assert again.count == 0
    sizes: list[int] = []
    monkeypatch.setattr(Runs, "steps", noting(Runs.steps, sizes))
    assert loops(model, plan, "eval", {"L": 896}).short == {}
    assert sizes == [112]  # no second pass tells more


def noting(steps: Callable[..., Any], sizes: list[int]) -> Callable[..., Any]:
    def noted(self: Runs, point: Any, *rest: Any) -> Any:
        sizes.append(point["L"])
        return steps(self, point, *rest)

    return noted
