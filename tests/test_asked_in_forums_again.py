"""More kinds of questions that people ask: the cause is named, and PyTorch runs what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize
from convlin.records import Evidence
from convlin.source import apply
from tests.source_programs import load_file

# A view that makes other rows of the samples, and one that asks for the samples again -------------------------------

STEPS = """\
import torch
from torch import nn


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv1d(2, 12, 5), nn.Linear(40, 10)
        self.rnn, self.out = nn.GRU(10, 7, batch_first=True), nn.Linear(7, 3)

    def forward(self, x):
        batch = x.size(0)
        x = torch.relu(self.conv(x))
        x = x.view(-1, 40)
        x = self.fc(x)
        x = x.view(batch, -1, 10)
        return self.out(self.rnn(x)[0][:, -1])
"""


@pytest.mark.parametrize("asked", ["batch, -1", "30, -1", "batch, 1"])
def test_a_view_whose_rows_cannot_become_the_batch_again(asked: str, tmp_path: Path) -> None:
    path, x = tmp_path / "steps.py", torch.rand(30, 2, 24)  # 30 samples of 12·20: 180 rows of 40
    path.write_text(STEPS.replace("batch, -1", asked).replace("Conv1d(2, 12, 5)", "Conv1d(2, 9, 5)"))
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        load_file(path).Steps()(x)
    problems = summarize(load_file(path).Steps(), x).problems
    assert [(each.kind, each.path, each.required) for each in problems] == [
        ("batch", "", 180),
        ("in_features", "fc", 180),
    ]
    assert "view(-1, 40) makes 135×40 of 30×9×20: the batch went from 30 to 135" in problems[0].message
    assert all(each.evidence is Evidence.RUN for each in problems)
    (fixed,) = apply([edit for each in problems for edit in each.edits]).values()
    path.write_bytes(fixed)
    assert load_file(path).Steps()(x).shape == (30, 3)


def test_rows_that_become_the_batch_again_are_no_mistake(tmp_path: Path) -> None:
    path, x = tmp_path / "steps.py", torch.rand(30, 2, 24)
    path.write_text(STEPS)
    assert load_file(path).Steps()(x).shape == (30, 3)
    assert summarize(load_file(path).Steps(), x).ok


@pytest.mark.parametrize(
    ("given", "sizes", "said"),
    [
        ((6, 8), (4, -1, 8), "it has 6·8 = 48 elements, no multiple of 4·8 = 32"),
        ((6, 8), (5, 2, 4), "it has 6·8 = 48 elements, not 5·2·4 = 40"),
    ],
)
def test_a_view_into_another_number_of_rows(given: tuple[int, ...], sizes: tuple[int, ...], said: str) -> None:
    class View(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(given).view(*sizes) + x.sum()

    with pytest.raises(RuntimeError):
        torch.zeros(given).view(*sizes)
    report = summarize(View(), (3,))
    assert said in report.problems[0].message
    assert "one sample has" not in str(report)
