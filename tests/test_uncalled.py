"""Layers that ``forward`` makes without calling them: a fix is told only where it is one that runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

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


class Plain(nn.Module):
    """Layers in a list, a tuple or a dict, or in what registers them."""

    def __init__(self, keep: Callable[[list[nn.Module]], Any], *, calls: bool = True) -> None:
        super().__init__()
        self.layers = keep([nn.Linear(8, 8), nn.Linear(8, 4)])
        self.out, self.calls = nn.Linear(4, 2), calls

    def forward(self, x: Tensor) -> Any:
        if not self.calls:
            return self.out(x[:, :4])
        layers = self.layers.values() if hasattr(self.layers, "values") else self.layers
        for layer in layers:
            x = layer(x)
        return self.out(x)


def _named(layers: list[nn.Module]) -> dict[str, nn.Module]:
    return {str(index): layer for index, layer in enumerate(layers)}


@pytest.mark.parametrize("shape", [(8,), ("L", 8)], ids=str)
@pytest.mark.parametrize("keep", [list, tuple, _named, nn.ModuleList, lambda layers: nn.ModuleDict(_named(layers))])
def test_layers_that_are_not_registered_are_told(
    keep: Callable[[list[nn.Module]], Any], shape: tuple[Any, ...]
) -> None:
    model = Plain(keep)
    told = [remark for remark in summarize(model, shape).report.remarks if remark.startswith("layers is a plain")]
    assert bool(told) == (len(list(model.parameters())) == 2)
    source, first = inspect.getsourcelines(Plain.__init__)
    line = first + next(index for index, text in enumerate(source) if "self.layers" in text)
    assert all(f" at tests/test_uncalled.py:{line} unless that is intended" in each for each in told)


def test_layers_that_are_kept_and_not_called_are_not_told() -> None:
    assert not summarize(Plain(list, calls=False), (8,)).report.remarks
    tied = Plain(list, calls=False)
    tied.layers = [nn.Linear(4, 2)]
    tied.layers[0].weight = tied.out.weight
    assert not summarize(tied, (8,)).report.remarks


class ByName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(10, 20), nn.Linear(30, 5)

    def forward(self, x: Tensor) -> Any:
        return self.second.forward(self.first.forward(x))


class InList(ByName):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(10, 20), nn.Linear(30, 5)]

    def forward(self, x: Tensor) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


@pytest.mark.parametrize("kind", [ByName, InList])
def test_what_does_not_fit_a_layer_without_a_row_is_told_at_its_line(kind: type[nn.Module]) -> None:
    """And not as something that the whole model received."""
    (problem,) = summarize(kind(), (10,), batch_size=3).problems
    source, first = inspect.getsourcelines(kind.forward)
    line = first + next(index for index, text in enumerate(source) if "forward(x" in text or "layer(x" in text)
    assert problem.message.startswith("F.linear cannot combine 3×20 and 5×30")
    assert "the input" not in problem.message
    assert problem.where is not None
    assert problem.where.line == line
