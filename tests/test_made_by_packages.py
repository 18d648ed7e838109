"""A layer that an installed package makes is fixed where the user calls the package, never in the package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from convlin import summarize
from convlin.cli import main

PACKAGE = """\
import os

import torch
from torch import nn


class Passing(nn.Module):
    def __init__(self, width, hidden=8):
        super().__init__()
        self.blocks = nn.ModuleList([self.block(width, hidden), self.block(hidden, hidden)])

    def block(self, before, after):
        return nn.Linear(before, after)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class Cell(nn.Module):
    def __init__(self, width, units):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(width + units, units), nn.Tanh())

    def forward(self, x, h):
        return self.backbone(torch.cat([x, h], 1))


class Recurrent(nn.Module):
    def __init__(self, width, units):
        super().__init__()
        self.units = units
        self.cell = Cell(width, units)

    def forward(self, x):
        h = x.new_zeros(len(x), self.units)
        for step in range(x.shape[1]):
            h = self.cell(x[:, step], h)
        return h


class Either(nn.Module):
    def __init__(self, one, other):
        super().__init__()
        self.layer = self.made(one) if os.environ.get("ONE") else self.made(other)

    def made(self, width):
        return nn.Linear(width, 2)

    def forward(self, x):
        return self.layer(x)


class Reshaping(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 6)

    def forward(self, x):
        return self.layer(x).reshape(-1, 4)
"""

NET = """\
from torch import nn

from made_elsewhere import Either, Passing, Recurrent, Reshaping


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = {call}

    def forward(self, x):
        return self.part(x)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an installed package."""
    home = tmp_path / "site-packages"
    (home / "made_elsewhere").mkdir(parents=True)
    file = home / "made_elsewhere" / "__init__.py"
    file.write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.delitem(sys.modules, "made_elsewhere", raising=False)
    return file


@pytest.fixture
def net(tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A file of the user's with a model that holds what a call of the package makes."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def made(call: str) -> ModuleType:
        (tmp_path / "net_around.py").write_text(NET.format(call=call))
        importlib.invalidate_caches()
        sys.modules.pop("net_around", None)
        return importlib.import_module("net_around")

    return made


def test_a_number_that_a_package_hands_on_is_changed_in_the_call(net: Callable[[str], ModuleType]) -> None:
    module = net("Passing(9)")
    (problem,) = summarize(module.Net(), (7,)).problems
    assert problem.where == (module.__file__, 9)
    assert problem.fix == "self.part = Passing(7)"
    assert {edit.file for edit in problem.edits} == {module.__file__}
    with pytest.raises(RuntimeError):
        module.Net()(torch.zeros(1, 7))
    assert net("Passing(7)").Net()(torch.zeros(1, 7)).shape == (1, 8)


def test_a_number_that_a_package_computes_is_told_with_the_call(net: Callable[[str], ModuleType]) -> None:
    module = net("Recurrent(20, 50)")
    (problem,) = summarize(module.Net(), (7, 21)).problems
    assert problem.where == (module.__file__, 9)
    told = "in_features=71 in part.cell.backbone.0, which is made inside made_elsewhere by Recurrent(20, 50)"
    assert (problem.fix, problem.edits) == (told, ())
    fixed = net("Recurrent(21, 50)").Net()
    assert fixed.part.cell.backbone[0].in_features == 71
    assert fixed(torch.zeros(1, 7, 21)).shape == (1, 50)


def test_a_number_that_either_of_two_arguments_may_be_is_told_with_the_call(
    net: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, fixed in (("ONE", "Either(7, 9)"), ("OTHER", "Either(9, 7)")):
        monkeypatch.delenv("ONE", raising=False)
        monkeypatch.setenv(name, "1")
        module = net("Either(9, 9)")
        (problem,) = summarize(module.Net(), (7,)).problems
        assert problem.where == (module.__file__, 9)
        assert problem.fix == "in_features=7 in part.layer, which is made inside made_elsewhere by Either(9, 9)"
        assert net(fixed).Net()(torch.zeros(1, 7)).shape == (1, 2)


def test_a_line_of_a_package_is_never_the_one_to_change(net: Callable[[str], ModuleType], package: Path) -> None:
    (problem,) = summarize(nn.Sequential(net("Reshaping()").Net().part), (4,)).problems
    assert "reshape(-1, 4) cannot take 1×6" in problem.message
    assert (problem.fix, problem.edits) == (None, ())


@pytest.mark.parametrize(("call", "shape"), [("Passing(9)", "7"), ("Recurrent(20, 50)", "7,21"), ("Reshaping()", "4")])
def test_fix_writes_into_no_package(
    net: Callable[[str], ModuleType], package: Path, tmp_path: Path, call: str, shape: str
) -> None:
    net(call)
    main(["fix", str(tmp_path / "net_around.py:Net"), shape, "--write"])
    assert package.read_text() == PACKAGE
