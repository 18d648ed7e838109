"""One layer that is called with several sizes: no number is told that would break another call."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize, watch


class Branches(nn.Module):
    """Two branches of two widths into one head."""

    def __init__(self, declared: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 10), nn.Linear(4, 12)
        self.head = nn.Linear(declared, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.first(x)) + self.head(self.second(x))


class SharedNorm(nn.Module):
    """A normalization behind layers of 8 and of 16 channels."""

    def __init__(self, declared: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3)
        self.norm = nn.BatchNorm2d(declared)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.second(self.norm(self.first(x))))


class Repeated(nn.Module):
    """A layer on its own output."""

    def __init__(self, declared: int) -> None:
        super().__init__()
        self.layer = nn.Linear(declared, 10)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.layer(x)
        return x


CASES: list[tuple[Any, tuple[int, ...], str, tuple[int, ...]]] = [
    (Branches, (4,), "head", (10, 12)),
    (SharedNorm, (3, 9, 9), "norm", (8, 16)),
    (Repeated, (12,), "layer", (12, 10)),
]


@pytest.mark.parametrize(("kind", "shape", "path", "sizes"), CASES)
@pytest.mark.parametrize("watched", [False, True], ids=["given", "watched"])
def test_no_number_is_told(kind: Any, shape: tuple[int, ...], path: str, sizes: tuple[int, ...], watched: bool) -> None:
    for declared in (11, *sizes):
        model, x = kind(declared).eval(), torch.zeros(1, *shape)
        with pytest.raises(RuntimeError):
            model(x)  # whatever the number, PyTorch refuses
        if watched:
            with pytest.raises(RuntimeError), watch(model) as summary:
                model(x)
        else:
            summary = summarize(model, shape)
        (problem,) = summary.problems
        assert (problem.path, problem.declared, problem.required) == (path, declared, sizes)
        assert (problem.fix, problem.changes) == (None, {})
        assert f"is called with {sizes[0]} and with {sizes[1]}" in problem.message
        assert path not in summary.required_in_features


def test_a_layer_called_twice_with_one_size_is_told_its_number() -> None:
    class Net(Branches):
        def __init__(self, declared: int) -> None:
            super().__init__(declared)
            self.second = nn.Linear(4, 10)

    summary = summarize(Net(11), (4,))
    (problem,) = summary.problems
    assert (problem.required, summary.required_in_features["head"]) == (10, 10)
    Net(int(problem.required))(torch.zeros(1, 4))
