"""What ``fit`` cannot mend: it says why, and the model is as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convlin import ShapeError, fit
from tests.snapshot import difference, snapshot


class Twice(nn.Module):
    """One layer that is called with two sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(9, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) + self.fc(x[:, :4])


class Tied(nn.Module):
    """Two layers with one weight, and two sizes that reach them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(9, 2, bias=False), nn.Linear(9, 2, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.first(x) + self.second(y)


def parametrized() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(9, 2)))


CASES: dict[str, tuple[Callable[[], nn.Module], list[tuple[int, ...]], str]] = {
    "called with two sizes": (
        Twice, [(6,)], "fc: Linear(in_features=9, out_features=2) is called with 6 and with 4",
    ),
    "tied to two sizes": (
        Tied, [(6,), (4,)],
        "one weight is shared by layers that need different sizes: "
        "first needs in_features=6, second needs in_features=4",
    ),
    "tied to one that is right": (
        Tied, [(9,), (4,)],
        "one weight is shared by layers that need different sizes: first is right, second needs in_features=4",
    ),
    "the model itself": (
        lambda: nn.Linear(9, 2), [(6,)], "the model is a single Linear: make a new one with in_features=6",
    ),
    "parametrized": (parametrized, [(6,)], "has parametrizations: remove them, or write in_features=6"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_be_mended_is_left_as_it_is(name: str) -> None:
    build, shapes, said = CASES[name]
    model = build()
    before = snapshot(model)
    with pytest.raises(RuntimeError):
        model(*(torch.zeros(1, *shape) for shape in shapes))
    with pytest.raises(ShapeError) as caught:
        fit(model, shapes)
    assert said in str(caught.value)
    assert difference(before, snapshot(model)) == []


class Particular(nn.Module):
    """Takes one size and no other, and says so itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(9, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        if self.fc.in_features != 9:
            raise ValueError("nine, please")
        return x


def test_a_model_that_does_not_want_the_new_layer_gets_the_old_one_back() -> None:
    model = Particular()
    before, layer = snapshot(model), model.fc
    with pytest.raises(ValueError, match="nine, please"):
        fit(model, (6,))
    assert model.fc is layer
    # The new layer's weights were drawn, as those of any new layer are.
    assert all(line.startswith("process: random state") for line in difference(before, snapshot(model)))


def test_a_layer_without_weights_is_made_anew_too() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(5, affine=False))
    assert fit(model, (3, 8, 8)) is model
    assert model(torch.zeros(2, 3, 8, 8)).shape == (2, 4, 6, 6)
    assert model[1].running_mean.shape == (4,)
