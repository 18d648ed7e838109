"""What letters may cost: counted in runs and in calls, never timed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from convlin.symbolic.follow import Followed, Passes
from convlin.symbolic.runs import MOST_FUNCTIONS

#: How many steps each run made; not kept in the model, which a summary leaves as it was.
STEPS: list[int] = []


@pytest.fixture(autouse=True)
def no_steps() -> None:
    STEPS.clear()


class Counted(nn.Module):
    """A forward that counts how often it runs, and how many steps of its own each run makes."""

    def __init__(self, call: Callable[[Counted, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.call = call
        for name, layer in layers.items():
            setattr(self, name, layer)

    def step(self, x: Tensor) -> Tensor:
        STEPS[-1] += 1
        return x

    def forward(self, x: Tensor) -> Tensor:
        STEPS.append(0)
        return self.call(self, x)


def rows_and_columns(self: Counted, x: Tensor) -> Tensor:
    return torch.stack(
        [torch.stack([self.step(x[:, :, i, j]) for j in range(x.shape[3])], -1) for i in range(x.shape[2])], 2
    )


def cell(self: Counted, x: Tensor) -> Tensor:
    state = x.new_zeros(x.shape[0], 8)
    for place in range(x.shape[1]):
        state = self.step(self.get_submodule("cell")(x[:, place], state))
    return state


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: Counted(cell, cell=nn.GRUCell(4, 8)), ("L", 4)),
        (lambda: Counted(lambda self, x: torch.stack([self.step(t * 2) for t in x.unbind(-1)], -1)), (2, "L")),
        (lambda: Counted(lambda self, x: torch.cat([self.step(t) for t in x.split(2, -1)], -1)), (2, "L")),
    ],
)
def test_no_run_goes_along_a_letter_for_long(make: Callable[[], Counted], shape: tuple[Any, ...]) -> None:
    summarize(make(), shape)
    _has_few_steps()


def _has_few_steps() -> None:
    assert max(STEPS) <= 2 * MOST_FUNCTIONS
    assert sum(STEPS) <= 80_000
    assert len(STEPS) <= 140


def test_a_run_that_is_stopped_leaves_the_model_as_it_was() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), Counted(lambda self, x: sum(self.step(t) for t in x.unbind(-1))))  # type: ignore[arg-type, return-value]  # a sum of tensors is one
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    summarize(model, (2, "L"), mode="train", batch_size=3)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("size", [2, 3, 7])
def test_each_sample_is_followed_once(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[tuple[int, ...]] = []
    follow = Passes._follow

    def counted(self: Passes, sample: Mapping[str, int]) -> Followed:
        followed.append(tuple(sample.values()))
        return follow(self, sample)

    def padded(self: Counted, x: Tensor) -> Tensor:
        rest = x.shape[-1] % size
        x = F.pad(x, (0, size - rest)) if rest else x
        return F.interpolate(x, size=int(x.shape[-1] ** 0.5) * 2)

    monkeypatch.setattr(Passes, "_follow", counted)
    summarize(Counted(padded), (2, "L"))
    assert len(followed) == len(set(followed)) <= 12


def test_a_network_of_convolutions_is_run_at_a_few_sizes() -> None:
    """Half of the sizes at which PyTorch's functions ask whether something is 1 tell nothing new."""
    layers = [
        layer
        for channels in (3, 8, 8, 8)
        for layer in (nn.Conv2d(channels, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    ]
    model = Counted(lambda self, x: self.get_submodule("layers")(x).mean((2, 3)), layers=nn.Sequential(*layers))
    s = summarize(model, (3, "H", "W"))
    assert s.accepts is not None
    assert s.accepts.text == "H, W any"
    assert len(STEPS) <= 36


class Deep(nn.Module):
    """Many layers, and a table that ends the range at a size that no shape tells of."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*[nn.Identity() for _ in range(600)])
        self.positions = nn.Embedding(3000, 4)

    def forward(self, x: Tensor) -> Tensor:
        place: Tensor = self.positions(torch.arange(x.shape[1], device=x.device))
        return place + self.layers(x)


def test_a_limit_that_was_met_is_reported_and_more_trials_find_the_answer() -> None:
    few = summarize(Deep(), ("L", 4))
    assert few.accepts is None
    (said,) = few.report.remarks
    assert said == (
        "not every size was tried: 24 runs looked for the accepted sizes; summarize(..., trials=140) tries more"
    )
    more = summarize(Deep(), ("L", 4), trials=140)
    assert more.accepts is not None
    assert more.accepts.text == "L from 1 to 3000"
    assert more.report.remarks == ()


def test_a_run_that_was_too_long_is_named_and_stopped() -> None:
    """A run at 4,099×4,099 would make sixteen million steps, and one in letters takes milliseconds for each."""
    s = summarize(Counted(rows_and_columns), (2, "H", "W"))
    _has_few_steps()
    said = [each for each in s.report.remarks if each.startswith("not every size was tried: ")]
    assert len(said) == 1
    assert re.search(r"a run at H = \d+, W = \d+ and at \d+ more calls more than [\d,]+ functions; ", said[0])
    assert said[0].endswith("summarize(..., trials=140) tries more")


def merged(self: Counted, x: Tensor) -> Tensor:
    """Halves down to a few steps, and joined again: each half calls two more."""
    if isinstance(x.shape[-1], torch.SymInt):
        self.step(x)
    half = x.shape[-1] // 2
    return x if x.shape[-1] <= 3 else torch.cat([merged(self, x[..., :half]), merged(self, x[..., half:])], -1)


def test_a_recursion_is_not_followed_in_letters_at_a_large_size() -> None:
    model = Counted(merged)
    s = summarize(model, (2, "L"))
    assert s.accepts is not None
    assert s.accepts.text == "L any"
    assert sum(STEPS) <= 500  # of a recursion over 2048 steps a single pass makes 2047
    for length in (1, 3, 4, 30, 100):
        STEPS.append(0)
        assert s.output_shape is not None
        form: Any = s.output_shape[-1]
        assert (1, 2, form.subs({"L": length})) == tuple(model(torch.zeros(1, 2, length)).shape)
