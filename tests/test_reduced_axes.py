"""A mean or a maximum along another dim than was meant: the line is corrected as told, and PyTorch runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from convlin import summarize
from convlin.records import Evidence
from convlin.source import apply
from tests.source_programs import load_file

NET = """\
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        LAYERS
        self.fc = nn.Linear(24, 3)

    def forward(self, x):
        x = FEATURES
        x = REDUCED
        return self.fc(x)
"""

RECURRENT = ("self.rnn = nn.GRU(6, 24, batch_first=True)", "self.rnn(x)[0]", (10, 6))
CONVOLUTION = ("self.conv = nn.Conv2d(3, 24, 3)", "self.conv(x).relu()", (3, 12, 14))
PATCHES = ("self.conv = nn.Conv2d(3, 24, 4, 4)", "self.conv(x).flatten(2).transpose(1, 2)", (3, 16, 20))
RESIDUAL = (
    "self.first, self.second = nn.Linear(6, 24), nn.Linear(24, 24)",
    "self.first(x) + self.second(self.first(x).relu())",
    (10, 6),
)
NORMED = (
    "self.embedded, self.norm = nn.Linear(6, 24), nn.LayerNorm(24)",
    "self.norm(self.embedded(x)).relu()",
    (10, 6),
)

ENCODED = (
    "self.encoder = nn.TransformerEncoderLayer(24, 4, 32, batch_first=True)", "self.encoder(x)", (10, 24)
)  # fmt: skip

#: What makes the features, the reduction as it stands there, and as it is told.
WRONG = [
    (RECURRENT, "x.mean(2)", "x.mean(1)"),
    (RECURRENT, "x.mean(dim=-1)", "x.mean(dim=1)"),
    (RECURRENT, "torch.mean(x, 2)", "torch.mean(x, 1)"),
    (RECURRENT, "torch.sum(x, dim=2)", "torch.sum(x, dim=1)"),
    (RECURRENT, "x.amax(2).relu()", "x.amax(1).relu()"),
    (CONVOLUTION, "x.mean((1, 2))", "x.mean((2, 3))"),
    (CONVOLUTION, "x.mean(dim=[1, 3])", "x.mean(dim=(2, 3))"),
    (CONVOLUTION, "x.mean(2)", "x.mean((2, 3))"),
    (CONVOLUTION, "x.amax((1, 3))", "x.amax((2, 3))"),
    (PATCHES, "x.mean(2)", "x.mean(1)"),
    (RESIDUAL, "x.mean(2)", "x.mean(1)"),
    (ENCODED, "x.max(2).values", "x.max(1).values"),
    (NORMED, "x.mean(2)", "x.mean(1)"),
]


def written(tmp_path: Path, made: tuple[str, str, tuple[int, ...]], reduced: str) -> Path:
    path = tmp_path / "net.py"
    path.write_text(NET.replace("LAYERS", made[0]).replace("FEATURES", made[1]).replace("REDUCED", reduced))
    return path


@pytest.mark.parametrize(("made", "reduced", "right"), WRONG)
def test_the_dims_that_leave_the_features(
    made: tuple[str, str, tuple[int, ...]], reduced: str, right: str, tmp_path: Path
) -> None:
    path, shape = written(tmp_path, made, reduced), made[2]
    with pytest.raises(RuntimeError):
        load_file(path).Net()(torch.zeros(2, *shape))
    (problem,) = summarize(load_file(path).Net(), shape).problems
    assert problem.fix == f"x = {right}"
    message = " ".join(problem.message.split())
    assert "over all axes but the batch and the features it leaves 1×24 if it is to be so: in_features=" in message
    path.write_text(path.read_text().replace(f"x = {reduced}", problem.fix))
    assert load_file(path).Net()(torch.zeros(2, *shape)).shape == (2, 3)
    if problem.edits:  # the reduction may be what was meant
        assert problem.evidence is Evidence.RUN
        (fixed,) = apply(problem.edits).values()
        assert fixed.decode() == path.read_text()


def test_in_front_of_a_norm(tmp_path: Path) -> None:
    path = written(tmp_path, RECURRENT, "x.mean(2)")
    path.write_text(path.read_text().replace("nn.Linear(24, 3)", "nn.Sequential(nn.LayerNorm(24), nn.Linear(24, 3))"))
    with pytest.raises(RuntimeError):
        load_file(path).Net()(torch.zeros(2, 10, 6))
    (problem,) = summarize(load_file(path).Net(), (10, 6)).problems
    assert (problem.path, problem.fix) == ("fc.0", "x = x.mean(1)")
    assert "if it is to be so: normalized_shape=10" in problem.message
    path.write_text(path.read_text().replace("x = x.mean(2)", "x = x.mean(1)"))
    assert load_file(path).Net()(torch.zeros(2, 10, 6)).shape == (2, 3)


@pytest.mark.parametrize(
    ("made", "reduced"),
    [
        (RECURRENT, "x.mean(1)[:, :20]"),  # the features are there, and fewer than declared
        (("self.rnn = nn.GRU(6, 20, batch_first=True)", "self.rnn(x)[0]", (10, 6)), "x.mean(2)"),
        (("pass", "x.relu()", (10, 24)), "x.mean(2)"),  # no layer made any features
        (RECURRENT, "x.mean(2) if x.mean(2).shape[0] else x"),  # which of the two?
    ],
)
def test_where_the_features_are_not_those_declared_the_number_is_told(
    made: tuple[str, str, tuple[int, ...]], reduced: str, tmp_path: Path
) -> None:
    path = written(tmp_path, made, reduced)
    with pytest.raises(RuntimeError):
        load_file(path).Net()(torch.zeros(2, *made[2]))
    (problem,) = summarize(load_file(path).Net(), torch.zeros(2, *made[2])).problems
    assert "over all axes" not in problem.message
    assert problem.fix is None or "mean" not in problem.fix
