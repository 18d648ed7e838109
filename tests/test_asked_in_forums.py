"""Kinds of questions that people ask: the cause is named, and PyTorch runs what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize
from convlin.at_error.answer import answer_to


class Activated(nn.Module):
    """What a recurrent layer returns goes through a layer of any shape."""

    def __init__(self, between: nn.Module, index: bool = False) -> None:
        super().__init__()
        self.rnn = nn.LSTM(5, 8, batch_first=True)
        self.between, self.index = between, index
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        made = self.rnn(x)
        return self.fc(self.between(made[0] if self.index else made))


@pytest.mark.parametrize("between", [nn.Dropout(0.1), nn.ReLU(), nn.Tanh(), nn.GELU(), nn.Softmax(-1)])
def test_a_tuple_reaches_an_activation(between: nn.Module) -> None:
    (problem,) = summarize(Activated(between), (7, 5)).problems
    assert problem.path == "between"
    assert "LSTM returns (output, (h_n, c_n)): take [0]" in problem.message
    assert Activated(between, index=True)(torch.rand(2, 7, 5)).shape == (2, 7, 3)
    assert summarize(Activated(between, index=True), (7, 5)).ok


class Joins(nn.Module):
    def __init__(self, width: int, change: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.change, self.fc = change, nn.Linear(width, 4)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return self.fc(torch.cat((self.change(one), other), 1))


@pytest.mark.parametrize(
    ("one", "other", "width"), [((6,), (1, 9), 15), ((3, 7), (3, 5, 7), 7), ((3, 5, 7), (3, 2, 5, 7), 7)]
)
def test_the_axis_that_a_cat_misses(one: tuple[int, ...], other: tuple[int, ...], width: int) -> None:
    given = torch.rand(one), torch.rand(other)
    (problem,) = summarize(Joins(width), given).problems  # and nothing of the Linear, which is right
    match = re.search(r"unsqueeze\((\d)\) makes", problem.message)
    assert match is not None
    axis = int(match[1])
    Joins(width, lambda x: x.unsqueeze(axis))(*given)


@pytest.mark.parametrize(("one", "other"), [((6,), (3, 9)), ((6,), (1, 2, 6))])
def test_where_no_one_axis_is_missing_none_is_named(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    problem = summarize(Joins(15), (torch.rand(one), torch.rand(other))).problems[0]
    assert "dimensions" in problem.message
    assert "unsqueeze" not in problem.message


class Decodes(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide, self.channels = nn.Linear(6, 12 * 3 * 3), channels
        self.up = nn.ConvTranspose2d(12, 3, 2, stride=2)

    def forward(self, z: Tensor) -> Tensor:
        return self.up(self.wide(z).view(-1, self.channels, 3, 3))


def test_the_channels_of_a_view_into_a_map() -> None:
    problem = summarize(Decodes(40), (6,)).problems[0]
    match = re.search(r"108 is (\d+) channels of 3×3", problem.message)
    assert match is not None
    assert Decodes(int(match[1]))(torch.rand(2, 6)).shape == (2, 3, 6, 6)


def test_at_the_error_as_well() -> None:
    model, given = Joins(7), (torch.rand(3, 7), torch.rand(3, 5, 7))
    with pytest.raises(RuntimeError) as info:
        model(*given)
    found = answer_to(info.value)
    assert found is not None
    assert "unsqueeze(1) makes 3×1×7 of 3×7" in found.text
