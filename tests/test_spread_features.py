"""Features that are added to every cell of a map, ``t[:, :, None, None]``: the layer that gives too few is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from convlin import summarize
from tests.source_programs import load_file

PROGRAM = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(1, 7), nn.SiLU())
        self.last = nn.Linear(7, 9)
        self.first = nn.Conv2d(3, 12, 3)
        self.second = nn.Conv2d(12, 3, 3)

    def forward(self, x, t):
        t = self.last(self.time(t))
        return self.second(self.first(x) + SPREAD)
"""


@pytest.mark.parametrize(
    "spread", ["t[:, :, None, None]", "t[..., None, None]", "t.unsqueeze(-1).unsqueeze(-1)", "t.view(*t.shape, 1, 1)"]
)
def test_the_layer_that_gives_them(spread: str, tmp_path: Path) -> None:
    path, inputs = tmp_path / "net.py", (torch.rand(2, 3, 8, 8), torch.rand(2, 1))
    path.write_text(PROGRAM.replace("SPREAD", spread))
    with pytest.raises(RuntimeError):
        load_file(path).Net()(*inputs)
    (problem,) = summarize(load_file(path).Net(), inputs).problems
    assert problem.fix == "self.last = nn.Linear(7, 12)"
    path.write_text(path.read_text().replace("self.last = nn.Linear(7, 9)", problem.fix))
    assert load_file(path).Net()(*inputs).shape == (2, 3, 4, 4)
