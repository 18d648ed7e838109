"""A batch that is a letter: where a model does not take every batch, that is said, as real runs show it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize


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
        (Folds(), (6,), (1, 2, 3)),
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
