"""Whose code a frame runs: torch's own, convlin's, another package's, or the user's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import convlin
from convlin import summarize

SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=72):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.fc = nn.Linear(width, 10)

    def forward(self, x):
        x = self.conv(x)
        x = x + torch.flip(x, (0,))
        return self.fc(torch.flatten(x, 1))
"""


def net_of(file: Path) -> Any:
    """``Net`` as if it had been imported from ``file``."""
    names: dict[str, Any] = {"__name__": "elsewhere"}
    exec(compile(SOURCE, str(file), "exec"), names)
    return names["Net"]


def beside(package: Any, name: str) -> Path:
    """A file of a package that is installed beside another one."""
    return Path(package.__file__).parent.parent / name / "models.py"


FILES = {
    "a package whose name begins with torch": beside(torch, "torchsomething"),
    "a package whose name begins with convlin": beside(convlin, "convlin_something"),
    "the user's own": Path("net.py").absolute(),
}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_functions_of_other_packages_have_rows(file: Path) -> None:
    summary = summarize(net_of(file)(), (3, 8, 8))
    assert summary.ok
    (flatten,) = [call for call in summary.calls if call.is_function]
    assert (flatten.type, flatten.where) == ("torch.flatten", (str(file), 14))
    join = summary.report.joins[-1]
    assert (join.function, join.where) == ("Tensor.add", (str(file), 13))


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_what_fails_there_is_found(file: Path) -> None:
    (problem,) = summarize(net_of(file)(71), (3, 8, 8)).problems
    assert (problem.kind, problem.path, problem.declared, problem.required) == ("in_features", "fc", 71, 72)


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_letters_there(file: Path) -> None:
    shape = summarize(net_of(file)(), (3, "H", "W"))["fc"].input_shape
    assert shape is not None
    features: Any = shape[1]
    for height, width in ((8, 8), (9, 13), (31, 5)):
        assert features.subs({"H": height, "W": width}) == 2 * (height - 2) * (width - 2)


def test_what_torchs_own_code_calls_has_no_row() -> None:
    file = Path(torch.__file__).parent / "nn" / "modules" / "something.py"
    assert not [call for call in summarize(net_of(file)(), (3, 8, 8)).calls if call.is_function]


def test_a_package_is_its_folder(tmp_path: Path) -> None:
    from convlin._util.packages import folder

    assert folder(nn) == folder(torch) + "nn" + os.sep
    assert not str(beside(torch, "torchvision")).startswith(folder(torch))
