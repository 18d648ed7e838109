"""Layers that ``forward`` makes without calling them: a fix is told only where it is one that runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from convlin import summarize
from tests.source_programs import load_file

MODEL = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.second = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = self.first(x)
        x = nn.{kind}(x)
        return self.second(x)
"""


@pytest.mark.parametrize("kind", ["ReLU", "GELU", "SiLU", "LeakyReLU"])
def test_a_layer_without_required_arguments_is_called_in_place(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(MODEL.format(kind=kind))
    (problem,) = summarize(load_file(path).Net(), (3, 8, 8)).problems
    assert problem.fix is not None
    path.write_text(path.read_text().replace(f"x = nn.{kind}(x)", problem.fix))
    assert load_file(path).Net()(torch.zeros(1, 3, 8, 8)).shape == (1, 4, 6, 6)


@pytest.mark.parametrize(("kind", "needed"), [("MaxPool2d", "kernel_size"), ("AdaptiveAvgPool2d", "output_size")])
def test_a_layer_that_needs_arguments_gets_no_line_that_would_fail(kind: str, needed: str, tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(MODEL.format(kind=kind))
    (problem,) = summarize(load_file(path).Net(), (3, 8, 8)).problems
    assert problem.fix is None
    assert needed in problem.message
    with pytest.raises(TypeError, match=needed):
        getattr(torch.nn, kind)()
