"""A division in the place of a whole number: the line with ``//`` is told where the model runs with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from convlin import summarize
from convlin.records import Evidence
from convlin.source import apply
from tests.source_programs import load_file

HEAD = """\
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8 * 4 * 4, 2)

    def forward(self, x):
        x = F.max_pool2d(self.conv(x), 2)
"""


def made(folder: Path, body: str) -> nn.Module:
    path = folder / "net.py"
    path.write_text(HEAD + "".join(f"        {line}\n" for line in body.splitlines()))
    model: nn.Module = load_file(path).Net()
    with pytest.raises(TypeError):
        model(torch.zeros(1, 3, 8, 8))
    return model


@pytest.mark.parametrize(
    ("body", "fix"),
    [
        ("return self.fc(x.view(x.size(0), 8 * 8 * 8 / 4))", "return self.fc(x.view(x.size(0), 8 * 8 * 8 // 4))"),
        ("x = x.reshape(-1, 8 * (8 / 2) * (8 / 2))\nreturn self.fc(x)", "x = x.reshape(-1, 8 * (8 // 2) * (8 // 2))"),
        (
            "x = F.interpolate(x, size=x.shape[-1] / 1)\nreturn self.fc(x.flatten(1))",
            "x = F.interpolate(x, size=x.shape[-1] // 1)",
        ),
    ],
)
def test_the_line_with_whole_numbers_runs(tmp_path: Path, body: str, fix: str) -> None:
    (problem,) = summarize(made(tmp_path, body), (3, 8, 8)).problems
    assert (problem.fix, problem.evidence) == (fix, Evidence.RUN)
    for file, data in apply(problem.edits).items():
        Path(file).write_bytes(data)
    assert load_file(tmp_path / "net.py").Net()(torch.zeros(1, 3, 8, 8)).shape == (1, 2)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("size = 8 * 8 * 8 / 4\nreturn self.fc(x.view(x.size(0), size))", "128.0 is a float: / always gives one"),
        ("return self.fc(x.view(x.size(0), 8 * 9 * 8 / 4))", "144.0 is a float: / always gives one"),
        ("return self.fc(x.view(x.size(0), 7 * 9 / 4))", "Tensor.view takes whole numbers, not 15.75"),
    ],
)
def test_where_it_does_not_run_no_line_is_told(tmp_path: Path, body: str, says: str) -> None:
    (problem,) = summarize(made(tmp_path, body), (3, 8, 8)).problems
    assert says in " ".join(problem.message.split())
    assert (problem.fix, problem.edits) == (None, ())
