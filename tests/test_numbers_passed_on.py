"""A number that the constructor was given: the line that gives it is the one to change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from convlin import summarize
from tests.source_programs import load_file

PASSED = """\
from torch import nn


class Coder(nn.Module):
    def __init__(self, features, hidden):
        super().__init__()
        self.down, self.up = nn.Linear(features, hidden), nn.Linear(hidden, features)

    def forward(self, x):
        return self.up(self.down(x))


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 3, 3)
        self.coder = Coder(
            16,
            5,
        )

    def forward(self, x):
        return self.coder(self.conv(x).flatten(1))
"""


def test_the_line_that_gives_a_number_used_elsewhere_too(tmp_path: Path) -> None:
    path, x = tmp_path / "passed.py", torch.rand(2, 2, 9)
    path.write_text(PASSED)
    with pytest.raises(RuntimeError):
        load_file(path).Whole()(x)
    (problem,) = summarize(load_file(path).Whole(), x).problems
    assert (problem.path, problem.required, problem.edits) == ("coder.down", 21, ())
    found = re.search(r"features is given at \S*passed.py:(\d+)", " ".join(problem.message.split()))
    assert found is not None
    lines = PASSED.splitlines()
    lines[int(found[1]) - 1] = lines[int(found[1]) - 1].replace("16", "21")
    path.write_text("\n".join(lines))
    assert load_file(path).Whole()(x).shape == (2, 21)


@pytest.mark.parametrize("written", ["", "features = features + 0", "make = lambda features: features"])
def test_the_call_that_gives_a_number_which_it_was_given(written: str, tmp_path: Path) -> None:
    path, x = tmp_path / "passed.py", torch.rand(2, 2, 9)
    body = f"    {written}\n        " if written else ""
    text = PASSED.replace("            16,", "            size,").replace("__init__(self):", "__init__(self, size=16):")
    path.write_text(text.replace("    self.down, self.up", f"{body or '    '}self.down, self.up"))
    (problem,) = summarize(load_file(path).Whole(), x).problems
    assert (problem.path, problem.required, problem.edits) == ("coder.down", 21, ())
    found = re.search(r"features is given at \S*passed.py:(\d+)", " ".join(problem.message.split()))
    assert (found is None) == (written.startswith("features = "))  # there it is another number
    if found is None:
        return
    lines = path.read_text().splitlines()
    at = int(found[1]) - 1
    assert "Coder(" in lines[at]
    lines[at + 1] = lines[at + 1].replace("size", "21")
    path.write_text("\n".join(lines))
    assert load_file(path).Whole()(x).shape == (2, 21)


def test_a_number_of_the_same_constructor_is_not_told_so(tmp_path: Path) -> None:
    path, x = tmp_path / "passed.py", torch.rand(2, 2, 9)
    path.write_text(PASSED.replace("        self.down, self.up", "        features = 16\n        self.down, self.up"))
    (problem,) = summarize(load_file(path).Whole(), x).problems
    assert "is given at" not in problem.message
