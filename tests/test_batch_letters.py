"""A batch that is a letter: where a model does not take every batch, that is said, as real runs show it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize
from tests.snapshot import difference, snapshot


class HoldsState(nn.Module):
    """A first state of 32 rows."""

    def __init__(self) -> None:
        super().__init__()
        self.state = nn.Parameter(torch.zeros(1, 32, 4))
        self.rnn = nn.GRU(8, 4, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        return self.rnn(x, self.state)[0]


class AddsRows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.zeros(32, 5))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.rows


class Folds(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(4, -1)


def _taken(model: nn.Module, shape: tuple[int, ...], batches: tuple[int, ...]) -> list[int]:
    """The batches that PyTorch takes, and of a 1 that is stretched only what comes out as it went in."""
    taken = []
    for rows in batches:
        try:
            made = model(torch.zeros(rows, *shape))
        except (RuntimeError, ValueError):
            continue
        if not isinstance(model, AddsRows) or made.shape[0] == rows:
            taken.append(rows)
    return taken


@pytest.mark.parametrize(
    ("model", "shape", "batches"),
    [
        (HoldsState(), (5, 8), (1, 2, 3, 4, 32)),
        (AddsRows(), (5,), (1, 2, 3, 5, 32)),
        (nn.GroupNorm(4, 4), (4,), (1, 2, 3)),
        (Folds(), (6,), (1, 2, 3, 5, 6)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_batches_that_are_refused_are_named(model: nn.Module, shape: tuple[int, ...], batches: tuple[int, ...]) -> None:
    (remark,) = summarize(model, shape, batch_size="N").report.remarks
    run = ", ".join(map(str, batches))
    taken = ", ".join(map(str, _taken(model, shape, batches)))
    assert remark == f"not every batch size works: N = {run} were run, and only {taken} worked"


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Linear(4, 2), (4,)),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2)), (3, 8, 8)),
        (nn.LSTM(8, 4, batch_first=True), ("T", 8)),
        (nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4)), (3, "L")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_nothing_is_said_where_every_batch_is_taken(model: nn.Module, shape: tuple[Any, ...]) -> None:
    assert summarize(model, shape, batch_size="N").report.remarks == ()


def test_a_batch_of_one_that_training_refuses() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    (remark,) = summarize(model, (4,), batch_size="N", mode="train").report.remarks
    assert remark.endswith("N = 1, 2, 3 were run, and only 2, 3 worked")
    assert _taken(model.train(), (4,), (1, 2, 3)) == [2, 3]


class Rows(nn.Module):
    """Written for a batch of 32, which stands in the code of ``forward``."""

    def __init__(self, *sizes: int, features: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.sizes = sizes
        self.fc = nn.Linear(features, 10)

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.conv(x).reshape(self.sizes))


class Pixels(nn.Module):
    """A Linear for every pixel, the number of pixels of 32 images in the code."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.fc = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.conv(x).permute(0, 2, 3, 1).reshape(32 * 49, -1))


class Images(nn.Module):
    """An image made of features, its batch a number."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 2, 3)
        self.fc = nn.Linear(50, 10)

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.conv(x.view(32, 8, 7, -1)).reshape(32, -1))


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (Rows(32, -1, features=784), (1, 14, 14)),
        (Rows(32, 784, features=784), (1, 14, 14)),
        (Rows(32, -1, features=196), (1, 7, 7)),
        (Pixels(), (1, 7, 7)),
        (Rows(32, 4, -1, features=49), (1, 7, 7)),
        (Images(), (8, 49)),
    ],
    ids=["view", "both", "odd", "pixels", "three", "images"],
)
def test_a_model_for_a_batch_in_its_code_is_not_accused(model: nn.Module, shape: tuple[int, ...]) -> None:
    summary = summarize(model, shape, batch_size="N")
    assert not summary.problems
    (remark,) = summary.report.remarks
    run = tuple(map(int, remark.partition("N = ")[2].partition(" were run")[0].split(", ")))
    taken = ", ".join(map(str, _taken_whole(model, shape, run)))
    assert 32 in run
    assert taken
    assert remark.endswith(f"only {taken} worked")


def _taken_whole(model: nn.Module, shape: tuple[int, ...], batches: tuple[int, ...]) -> list[int]:
    """The batches that PyTorch takes: a wrong one is refused, or comes out with another number of rows."""
    taken = []
    for rows in batches:
        try:
            made = model(torch.zeros(rows, *shape))
        except RuntimeError:
            continue
        if made.numel() % rows == 0 and made.shape[0] % rows == 0:
            taken.append(rows)
    return taken


def test_a_mistake_behind_a_batch_in_the_code_stays_one() -> None:
    model = Rows(32, -1, features=999)
    (problem,) = summarize(model, (1, 14, 14), batch_size="N").problems
    assert (problem.path, problem.declared, problem.required) == ("fc", 999, 784)
    with pytest.raises(RuntimeError, match="32x784"):
        model(torch.zeros(32, 1, 14, 14))


def test_sizes_are_looked_for_with_the_batch_that_fits() -> None:
    model = Rows(32, -1, features=784)
    accepts = summarize(model, (1, "H", 14), batch_size="N").accepts
    assert accepts is not None
    assert accepts.text == "H exactly 14"
    model(torch.zeros(32, 1, 14, 14))
    with pytest.raises(RuntimeError):
        model(torch.zeros(32, 1, 15, 14))


class Sloped(nn.Module):
    """Gives its own slope, as the force of an energy is one."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv1d(2, 3, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = x if x.requires_grad else x.requires_grad_(True)
        (slope,) = torch.autograd.grad(self.net(x).square().sum(), x, create_graph=True)
        return slope


def test_a_forward_that_takes_gradients_is_run_with_them() -> None:
    model = Sloped()
    before = snapshot(model)
    summary = summarize(model, (2, "L"), batch_size="N")
    assert summary.ok
    assert summary.report.remarks == ()
    assert summary.accepts is not None
    assert summary.accepts.text == "L any from 5 up"
    assert not difference(before, snapshot(model))
    for batch, length in ((1, 5), (3, 6), (2, 70)):
        assert model(torch.zeros(batch, 2, length)).shape == (batch, 2, length)
    with pytest.raises(RuntimeError):
        model(torch.zeros(1, 2, 4))


class ShortPiece(nn.Module):
    """Three steps of four channels at most, in front of a Linear of twenty features: no length is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(20, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x[..., 5:-3].split(3, -1)[0].flatten(1))


def test_the_batch_is_not_blamed_where_no_size_is_taken() -> None:
    model = ShortPiece()
    for batch, length in ((1, 9), (2, 12), (3, 100)):
        with pytest.raises(RuntimeError):
            model(torch.zeros(batch, 4, length))
    summary = summarize(model, (4, "L"), batch_size="N")
    assert not any("not every batch" in remark for remark in summary.report.remarks)


class Counted(nn.Module):
    """A wrong number behind a signal whose length is a number: other lengths are tried for it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv1d(3, 8, 3), nn.Linear(77, 4)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.fc(self.conv(x).flatten(1))
        return found


def test_a_wrong_number_where_the_batch_alone_is_a_letter() -> None:
    (problem,) = summarize(Counted(), (3, 12), batch_size="N").problems
    shapes: list[int] = []
    right = Counted()
    right.fc.register_forward_pre_hook(lambda module, args: shapes.append(args[0].shape[1]))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        right(torch.zeros(2, 3, 12))
    assert [problem.required] == shapes


class Latents(nn.Module):
    """A few latents for each sample, which look at all steps of it."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.zeros(16, 8))
        self.look = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        latents = self.latents.unsqueeze(0).repeat(x.shape[0], 1, 1)
        return self.look(latents, x, x)[0]


def test_what_is_repeated_for_each_sample_reaches_attention() -> None:
    model = Latents().eval()
    s = summarize(model, ("L", 8), batch_size="N")
    assert s.ok
    for rows, length in ((1, 1), (2, 5), (3, 40)):
        assert s.output_shape is not None
        told = tuple(size if isinstance(size, int) else int(size.subs({"N": rows})) for size in s.output_shape)
        assert told == tuple(model(torch.zeros(rows, length, 8)).shape)
