"""Which inputs pass: what is told is held against the model itself, run at these sizes and one step beside them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convlin import summarize
from tests.snapshot import difference, snapshot


def _alexnet() -> nn.Sequential:
    """AlexNet as torchvision has it, narrower and without its adaptive pooling."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Flatten(), nn.Linear(4 * 6 * 6, 16), nn.ReLU(), nn.Linear(16, 10),
    )  # fmt: skip


def _runs(model: nn.Module, *sizes: int) -> bool:
    try:
        with torch.no_grad():
            model(torch.zeros(1, 3, *sizes))
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (32, 48)])
def test_the_smallest_input_that_passes_is_one_that_the_linear_takes_too(size: tuple[int, int]) -> None:
    model = _alexnet()
    (problem,) = summarize(model, (3, *size)).problems
    assert problem.kind == "too_small"
    assert problem.declared == size
    height, width = problem.required
    assert _runs(model, height, width)
    assert not _runs(model, height - 1, width)
    assert not _runs(model, height, width - 1)
    assert "the largest 254×254: 10 expects that size" in problem.message


@pytest.mark.parametrize("side", [64, 128, 300, 512])
def test_the_image_for_the_number(side: int) -> None:
    model = _alexnet()
    (problem,) = summarize(model, (3, side, side)).problems
    assert problem.kind == "in_features"
    assert "in_features=144 is right for a square input of 223×223 to 254×254" in problem.message
    assert [_runs(model, each, each) for each in (222, 223, 254, 255)] == [False, True, True, False]


def test_a_linear_that_no_image_suits_is_named_where_it_was_not_reached() -> None:
    model = _alexnet()
    model[10] = nn.Linear(7, 16)
    (problem,) = summarize(model, (3, 32, 32)).problems
    assert problem.kind == "too_small"
    assert "there 10 needs in_features=4, and has 7" in problem.message
    model[10] = nn.Linear(4, 16)
    height, width = problem.required
    assert _runs(model, height, width)
    assert not _runs(model, height - 1, width)


class Odd(nn.Module):
    """What comes back up is as large as what went down for odd sizes alone: multiples of nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 4, 3, stride=2), nn.ConvTranspose2d(4, 3, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(self.down(x)) + x


def test_inputs_that_go_together_and_are_multiples_of_nothing() -> None:
    model = Odd()
    (problem,) = summarize(model, (3, 16, 16)).problems
    assert "15×15" in problem.message
    assert (_runs(model, 16, 16), _runs(model, 15, 15)) == (False, True)


def test_behind_a_global_pooling_no_image_is_looked_for() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2))
    (problem,) = summarize(model, (3, 16, 16)).problems
    assert problem.required == 8
    assert "is right for" not in problem.message


def test_a_size_at_which_tensors_do_not_go_together_is_not_run_to_its_end() -> None:
    ran: list[torch.Size] = []

    class Widened(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.rest = nn.Conv2d(3, 3, 4, padding=4), nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            both = x + self.conv(x)
            ran.append(both.shape)
            return self.rest(both)

    model = Widened()
    before = snapshot(model)
    assert not any(_runs(model, side, side) for side in range(8, 40))
    assert not ran
    (problem,) = summarize(model, (3, 16, 16)).problems
    assert not problem.claims
    # The pass that shows what is wrong: none of the many sizes that were tried adds to it.
    assert len(ran) == 1
    assert difference(before, snapshot(model)) == [], "also by passes that were ended on their way"
