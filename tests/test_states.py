"""The first state of a recurrent layer, and the channels of a PixelShuffle: what does not fit, held against PyTorch."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize


class Recurrent(nn.Module):
    """A layer that is given its state, and one behind it."""

    def __init__(self, kind: Any, state: tuple[int, ...], options: dict[str, Any]) -> None:
        super().__init__()
        self.rnn, self.state = kind(8, 6, **options), state
        self.fc = nn.Linear((options.get("proj_size") or 6) * (1 + bool(options.get("bidirectional"))), 2)

    def forward(self, x: Tensor) -> Tensor:
        state = torch.zeros(self.state)
        given = (state, torch.zeros(*self.state[:-1], 6)) if isinstance(self.rnn, nn.LSTM) else state
        return self.fc(self.rnn(x, given)[0])


OPTIONS: list[dict[str, Any]] = [
    {"num_layers": 2, "batch_first": True},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_state_of_another_shape(kind: Any, options: dict[str, Any]) -> None:
    for rows, batch, width in itertools.product((1, 2, 4), (5, 10, 32), (6, 7)):
        model, x = Recurrent(kind, (rows, batch, width), options), torch.zeros(5, 10, 8)
        try:
            model(x)
            fits = True
        except RuntimeError:
            fits = False
        problems = summarize(model, x).problems
        assert bool(problems) != fits
        if fits:
            continue
        (problem,) = problems
        assert (problem.path, problem.kind, problem.fix) == ("rnn", "structure", None)
        if isinstance(model.rnn, nn.LSTM) and problem.declared[-1] != width:
            continue  # c_0 is as wide as it is to be
        Recurrent(kind, problem.declared, options)(x)


def test_what_is_said_of_a_state() -> None:
    x = torch.zeros(5, 10, 8)
    (problem,) = summarize(Recurrent(nn.GRU, (2, 32, 6), OPTIONS[0]), x).problems
    assert "takes h_0 of 2×5×6, got 2×32×6" in problem.message
    (problem,) = summarize(Recurrent(nn.GRU, (1, 5, 6), OPTIONS[2]), x).problems
    assert "4 = 2·2, layers times directions" in problem.message
    (problem,) = summarize(Recurrent(nn.GRU, (2, 5, 6), {"num_layers": 2}), x).problems
    assert "batch_first=True" in problem.message
    Recurrent(nn.GRU, (2, 5, 6), {"num_layers": 2, "batch_first": True})(x)


def test_a_projected_state() -> None:
    options = {"proj_size": 3}
    for width in 3, 6:
        model, x = Recurrent(nn.LSTM, (1, 10, width), options), torch.zeros(5, 10, 8)
        problems = summarize(model, x).problems
        assert [problem.declared for problem in problems] == ([] if width == 3 else [(1, 10, 3)])


@pytest.mark.parametrize("factor", [2, 3])
def test_the_channels_of_a_pixel_shuffle(factor: int) -> None:
    for channels in range(1, 20):
        model = nn.Sequential(nn.Conv2d(1, channels, 1), nn.PixelShuffle(factor), nn.ReLU())
        try:
            model(torch.zeros(1, 1, 4, 4))
            fits = True
        except RuntimeError:
            fits = False
        problems = summarize(model, (1, 4, 4)).problems
        assert bool(problems) != fits
        if problems:
            assert [problem.path for problem in problems] == ["1"]
            near = [int(word) for word in problems[0].message.split("could give ")[1].split() if word != "or"]
            for size in near:
                nn.PixelShuffle(factor)(torch.zeros(1, size, 4, 4))
