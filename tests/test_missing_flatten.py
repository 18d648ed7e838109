"""A flatten that was forgotten, where what comes behind hides it.

The oracle is PyTorch: the fix is written into the source and the model run, with one row of the result for each sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize
from convlin.records import Problem
from tests.source_programs import load_file


def corrected(path: Path, problems: Sequence[Problem]) -> str:
    """The text of a file with the lines of problems replaced by their fixes."""
    lines = path.read_text().splitlines()
    for problem in problems:
        assert problem.where is not None
        assert problem.fix is not None
        wrong = lines[problem.where.line - 1]
        lines[problem.where.line - 1] = wrong[: len(wrong) - len(wrong.lstrip())] + problem.fix
    return "\n".join(lines)


# A norm behind the Linear ---------------------------------------------------------------------------------------------

POINTS = """\
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 32, 3)
        self.fc = nn.Linear(32, 16)
        self.bn = nn.BatchNorm1d(16)
        self.out = nn.Linear(16, 4)

    def forward(self, x):
        x = REDUCED
        x = self.fc(x)
        return self.out(F.relu(self.bn(x)))
"""


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("features", [16, 32])
@pytest.mark.parametrize(
    "reduced",
    [
        "torch.max(self.conv(x), 2, keepdim=True)[0]",
        "self.conv(x).max(dim=-1, keepdim=True).values",
        "self.conv(x).mean(2, keepdim=True)",
        "torch.amax(self.conv(x), -1, keepdim=True)",
    ],
)
def test_a_norm_of_features_behind_a_map_of_one_step_does_not_keep_it_a_map(
    reduced: str, features: int, batch: int, tmp_path: Path
) -> None:
    path = tmp_path / "net.py"
    path.write_text(POINTS.replace("REDUCED", reduced).replace("16", str(features)))
    (problem,) = summarize(load_file(path).Net(), (3, 40), batch_size=batch).problems
    assert (problem.kind, problem.path, problem.required) == ("structure", "fc", 32)
    path.write_text(corrected(path, [problem]))
    fixed = load_file(path).Net().eval()
    assert fixed.fc.in_features == 32
    assert fixed(torch.zeros(batch, 3, 40)).shape == (batch, 4)


def test_a_norm_of_features_behind_a_map_of_several_steps(tmp_path: Path) -> None:
    """The number is nearer to that of the flattened map, and both are wrong."""
    path = tmp_path / "net.py"
    path.write_text(POINTS.replace("REDUCED", "self.conv(x)").replace("Linear(32", "Linear(300"))
    problems = summarize(load_file(path).Net(), (3, 12), batch_size=2).problems
    assert [(problem.kind, problem.path, problem.required) for problem in problems] == [
        ("structure", "fc", 320),
        ("in_features", "fc", 320),
    ]
    path.write_text(corrected(path, problems))
    assert load_file(path).Net()(torch.zeros(2, 3, 12)).shape == (2, 4)


class AlongTime(nn.Module):
    """A Linear over the steps of each channel, and a norm over the channels."""

    def __init__(self, steps: int, channels: int = 32) -> None:
        super().__init__()
        self.conv, self.mix, self.norm = nn.Conv1d(3, channels, 3), nn.Linear(steps, 8), nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.norm(self.mix(self.conv(x)))
        return made


@pytest.mark.parametrize("channels", [32, 8])
def test_a_norm_of_channels_keeps_the_map(channels: int) -> None:
    given = torch.zeros(2, 3, 12)
    assert AlongTime(10, channels)(given).shape == (2, channels, 8)
    assert summarize(AlongTime(10, channels), (3, 12), batch_size=2).ok
    (problem,) = summarize(AlongTime(12, channels), (3, 12), batch_size=2).problems
    assert (problem.kind, problem.path, problem.required) == ("in_features", "mix", 10)


# Images that are made of what the Linear gives ------------------------------------------------------------------------

CODER = """\
import torch
from torch import nn


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(64, 1, 28)

    def forward(self, z):
        return torch.sigmoid(self.up(z.view(-1, 64, 1, 1)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.fc_mu = nn.Linear(64, 16)
        self.fc_var = nn.Linear(64, 16)
        self.fc_dec = nn.Linear(16, 64)
        self.up = nn.ConvTranspose2d(64, 1, 28)
        self.decoder = Decoder()

    def forward(self, x):
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        mu = self.fc_mu(x)
        logvar = self.fc_var(x)
        z = self.fc_dec(mu + torch.exp(0.5 * logvar))
        return DECODED
"""


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize(
    "decoded",
    [
        "torch.sigmoid(self.up(z.view(-1, 64, 1, 1))), mu, logvar",
        "self.up(z.reshape(-1, 64, 1, 1))",
        "self.decoder(z), mu, logvar",
        "self.up(z.view(x.size(0), 64, 1, 1)), mu, logvar",
        "self.up(z.reshape(len(x), 64, 1, 1))",
        "self.up(z[:, :, None, None]), mu, logvar",
        "self.up(z.unsqueeze(-1).unsqueeze(-1))",
    ],
)
def test_a_view_that_makes_a_sample_of_each_place_of_a_map_does_not_take_it_for_one(
    decoded: str, batch: int, tmp_path: Path
) -> None:
    path = tmp_path / "net.py"
    path.write_text(CODER.replace("DECODED", decoded))
    problems = summarize(load_file(path).Net(), (1, 28, 28), batch_size=batch).problems
    assert [(problem.kind, problem.path, problem.required) for problem in problems] == [
        ("structure", "fc_mu", 1568),
        ("in_features", "fc_mu", 1568),
        ("structure", "fc_var", 1568),
        ("in_features", "fc_var", 1568),
    ]
    path.write_text(corrected(path, problems))
    made = load_file(path).Net()(torch.zeros(batch, 1, 28, 28))
    assert (made[0] if isinstance(made, tuple) else made).shape == (batch, 1, 28, 28)


class AlongRows(nn.Module):
    """A Linear over the last axis of a map, a sample for each place of it in between, and the map again."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.mix = nn.Conv2d(3, 4, 3), nn.Linear(width, 16)
        self.each, self.out = nn.Conv2d(1, 2, 3), nn.Conv2d(4, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mix(self.conv(x))
        places = self.each(x.view(-1, 1, 4, 4))
        made: Tensor = self.out(places.view(x.shape[0], 4, -1, 8))
        return made


def test_places_that_become_a_map_again_are_no_samples() -> None:
    assert AlongRows(10)(torch.zeros(2, 3, 12, 12)).shape == (2, 5, 10, 8)
    assert summarize(AlongRows(10), (3, 12, 12), batch_size=2).ok
    (problem,) = summarize(AlongRows(12), (3, 12, 12), batch_size=2).problems
    assert (problem.kind, problem.path, problem.required) == ("in_features", "mix", 10)


class WithFrames(nn.Module):
    """A Linear over the last axis of a map, and one axis too many behind it: that says nothing of a flatten."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.mix, self.out = nn.Conv2d(3, 4, 3), nn.Linear(width, 16), nn.Conv2d(4, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.out(self.mix(self.conv(x)).unsqueeze(2))
        return made


def test_one_axis_too_many_behind_a_map_is_no_missing_flatten() -> None:
    problems = summarize(WithFrames(12), (3, 12, 12), batch_size=2).problems
    (of_mix,) = (problem for problem in problems if problem.path == "mix")
    assert (of_mix.kind, of_mix.required) == ("in_features", 10)
    right = WithFrames(10)
    assert right.out(right.mix(right.conv(torch.zeros(2, 3, 12, 12)))).shape == (2, 5, 10, 16)
