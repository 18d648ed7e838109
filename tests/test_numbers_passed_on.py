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


NAMED = """\
import torch
from torch import nn

WIDTH = 8


class Net(nn.Module):
    def __init__(self, n=8, half=4):
        super().__init__()
        self.features = n
        width = half * 2
        entries = {"width": 8}
        self.down = nn.Linear(GIVEN, 3)
        self.up = nn.Linear(3, GIVEN)

    def forward(self, x):
        return self.up(self.down(x))
"""


@pytest.mark.parametrize(
    ("given", "told", "line", "old", "new"),
    [
        ("n", "n is 8 by default", 8, "n=8", "n=6"),
        ("WIDTH", "WIDTH is 8", 4, "8", "6"),
        ("width", "width is half * 2", 11, "half * 2", "6"),
        ("self.features", "self.features is n, which is 8 by default", 8, "n=8", "n=6"),
        ('entries["width"]', 'entries["width"] is 8', 12, "8", "6"),
    ],
)
def test_what_a_name_stands_for(given: str, told: str, line: int, old: str, new: str, tmp_path: Path) -> None:
    path, x = tmp_path / "named.py", torch.rand(2, 6)
    path.write_text(NAMED.replace("GIVEN", given))
    (problem,) = summarize(load_file(path).Net(), x).problems
    assert (problem.fix, problem.edits) == ("self.down = nn.Linear(6, 3)", ())
    assert f"{told} at {path}:{line}" in " ".join(problem.message.split())
    lines = path.read_text().splitlines()
    lines[line - 1] = lines[line - 1].replace(old, new)
    path.write_text("\n".join(lines))
    assert load_file(path).Net()(x).shape == (2, 6)


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("n", "n = 8"),  # not the parameter any more
        ("width", "width += 0"),  # bound twice
        ("self.features", "self.features = 8"),
        ("half * 2", ""),  # no name
    ],
)
def test_nothing_is_told_of_a_name_bound_twice(given: str, written: str, tmp_path: Path) -> None:
    path = tmp_path / "named.py"
    text = NAMED.replace("        self.down", f"        {written}\n        self.down").replace("GIVEN", given)
    path.write_text(text)
    (problem,) = summarize(load_file(path).Net(), (6,)).problems
    assert f"{given} is " not in problem.message


def test_the_default_is_not_told_where_another_number_was_given(tmp_path: Path) -> None:
    path = tmp_path / "named.py"
    path.write_text(NAMED.replace("GIVEN", "n"))
    (problem,) = summarize(load_file(path).Net(9), (6,)).problems
    assert problem.declared == 9
    assert "by default" not in problem.message
