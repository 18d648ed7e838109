"""What ``forward`` tries and catches is no mistake; what leaves it is, whatever ran on the way out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize


class Tries(nn.Module):
    """The layers that the models below use: ``right`` takes four features, the others nine."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong = nn.Linear(9, 2)
        self.block = nn.Sequential(nn.ReLU(), nn.Linear(9, 2))
        self.right = nn.Linear(4, 2)


class Function(Tries):
    def forward(self, x: Tensor) -> Tensor:
        try:
            x = x @ torch.ones(9, 9)
        except RuntimeError:
            x = F.relu(x)
        return self.right(x)


class Layer(Tries):
    def forward(self, x: Tensor) -> Tensor:
        try:
            return self.wrong(x)
        except RuntimeError:
            return self.right(x)


class Nested(Tries):
    def forward(self, x: Tensor) -> Tensor:
        try:
            return self.block(x)
        except RuntimeError:
            return self.right(x)


class Helper(Tries):
    def first_that_fits(self, x: Tensor, layers: list[nn.Module]) -> Tensor:
        for layer in layers:
            try:
                return layer(x)
            except RuntimeError:
                continue
        raise AssertionError

    def forward(self, x: Tensor) -> Tensor:
        return self.first_that_fits(x, [self.wrong, self.block, self.right])


class Functional(Tries):
    def forward(self, x: Tensor) -> Tensor:
        try:
            return F.linear(x, self.wrong.weight)
        except RuntimeError:
            return F.linear(x, self.right.weight)


class Suppressed(Tries):
    def forward(self, x: Tensor) -> Tensor:
        made = self.right(x)
        with suppress(RuntimeError):
            made = made + x
        return made


CATCHING: list[Callable[[], nn.Module]] = [Function, Layer, Nested, Helper, Functional, Suppressed]
WAYS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "numbers": ((5, 4), {}),
    "train": ((5, 4), {"mode": "train"}),
    "letters": (("L", 4), {"batch_size": "N"}),
    "meta": ((5, 4), {"device": "meta"}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", CATCHING)
def test_a_model_that_runs_has_no_problem(make: Callable[[], nn.Module], way: str) -> None:
    model = make()
    assert model(torch.zeros(1, 5, 4)).shape == (1, 5, 2)
    shape, options = WAYS[way]
    summary = summarize(model, shape, **options)
    assert summary.problems == ()
    assert summary.output_shape is not None
    assert summary.output_shape[-1] == 2


class Behind(nn.Module):
    """A mistake behind a model that catches errors."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside, self.last = inside, nn.Linear(7, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.inside(x))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", CATCHING)
def test_a_mistake_behind_it_is_told_alone(make: Callable[[], nn.Module], way: str) -> None:
    model = Behind(make())
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        model(torch.zeros(1, 5, 4))
    shape, options = WAYS[way]
    problems = summarize(model, shape, **options).problems
    assert [(each.path, each.declared, each.required) for each in problems] == [("last", 7, 2)]


class Leaves(Tries):
    """Errors that somebody looks at on their way out."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "finally":
            try:
                return self.wrong(x)
            finally:
                self.right(x)
        try:
            return self.wrong(x)
        except RuntimeError:
            self.right(x)
            if self.how == "again":
                raise
            return self.wrong(2 * x)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["finally", "again", "handled wrongly"])
def test_what_leaves_forward_is_told(how: str, way: str) -> None:
    model = Leaves(how)
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        model(torch.zeros(1, 5, 4))
    shape, options = WAYS[way]
    problems = summarize(model, shape, **options).problems
    assert [(each.path, each.declared, each.required) for each in problems] == [("wrong", 9, 4)]
