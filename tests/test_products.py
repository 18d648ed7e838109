"""A number that is written as a product stays one: the file with the fix runs, and says where the number comes from."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import torch

from convlin import summarize
from convlin.source import apply
from tests.source_programs import load_file

PROGRAM = """
import torch
from torch import nn

{constant}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 5)
        self.pool = nn.AdaptiveAvgPool2d((6, 7))
        self.fc = nn.Linear({number}, 10)

    def forward(self, x):
        return self.fc(torch.flatten(self.pool(self.conv(x)), 1))
"""


@pytest.mark.parametrize(
    ("number", "constant", "fixed"),
    [
        ("16 * 4 * 4", "", "self.fc = nn.Linear(16 * 6 * 7, 10)"),
        ("16*4*4", "", "self.fc = nn.Linear(16*6*7, 10)"),
        ("16 * 16", "", "self.fc = nn.Linear(16 * 42, 10)"),
        ("FLAT", "FLAT = 16 * 4 * 4", "FLAT = 16 * 6 * 7"),
        ("256", "", "self.fc = nn.Linear(672, 10)"),
        ("16 * 4 * 2 * 2", "", "self.fc = nn.Linear(672, 10)"),
        ("16 * 4 ** 2", "", "self.fc = nn.Linear(672, 10)"),
        ("(16 * 4) * 4", "", "self.fc = nn.Linear(672, 10)"),
    ],
)
def test_a_product_stays_one(tmp_path: Path, number: str, constant: str, fixed: str) -> None:
    path = tmp_path / "net.py"
    path.write_text(textwrap.dedent(PROGRAM).format(number=number, constant=constant))
    (problem,) = summarize(load_file(path).Net(), (3, 32, 32)).problems
    assert problem.fix == fixed
    assert (problem.required, problem.changes) == (672, {"in_features": "672"})
    (made,) = apply(problem.edits).values()
    path.write_bytes(made)
    assert fixed in path.read_text()
    load_file(path).Net()(torch.zeros(1, 3, 32, 32))


def test_a_product_stays_one_behind_a_flatten_that_is_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    text = textwrap.dedent(PROGRAM).format(number="16 * 4 * 4", constant="")
    path.write_text(text.replace("torch.flatten(self.pool(self.conv(x)), 1)", "self.pool(self.conv(x))"))
    flatten, number = problems = summarize(load_file(path).Net(), (3, 32, 32)).problems
    assert (flatten.kind, number.fix) == ("structure", "self.fc = nn.Linear(16 * 6 * 7, 10)")
    (made,) = apply([edit for problem in problems for edit in problem.edits]).values()
    path.write_bytes(made)
    load_file(path).Net()(torch.zeros(1, 3, 32, 32))
