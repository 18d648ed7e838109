"""A sample without its batch: where PyTorch takes it as a batch of one, that is what is told."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize, watch
from convlin.at_error.answer import answer_to
from convlin.records import Evidence


class Positions(nn.Module):
    """A table that is added along dimension 1."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, 50, 6))
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((x + self.table[:, : x.shape[1]]).mean(1))


class Policy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(5, 7)
        self.norm = nn.BatchNorm1d(7)

    def forward(self, state: Tensor, scale: float = 1.0) -> Tensor:
        return self.norm(self.body(state)) * scale


def _flat() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(2 * 9 * 9, 4))


MODELS: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (Positions, (11, 6)),
    (Policy, (5,)),
    (_flat, (2, 9, 9)),
    (lambda: nn.Sequential(nn.Linear(9, 3), nn.Linear(3, 1)), (9, 1)),
]


@pytest.mark.parametrize(("build", "shape"), MODELS)
def test_one_sample_is_told_as_one(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    model, x = build().eval(), torch.rand(shape)
    with pytest.raises((RuntimeError, ValueError)) as info:
        model(x)
    (problem,) = summarize(model, x).problems
    assert "seems to be one sample" in problem.message
    assert problem.evidence is Evidence.RUN
    assert problem.fix is not None
    assert eval(problem.fix, {"model": model, "x": x}).shape[0] == 1
    found = answer_to(info.value)
    assert found is not None
    assert found.summary is not None
    assert [each.message for each in found.summary.problems] == [problem.message]


class Encoded(nn.Module):
    """A variational encoder whose halves are told apart along the features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(10, 20), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        mean, spread = self.encode(x).chunk(2, 1)
        made: Tensor = self.decode(mean + spread.exp())
        return made


def test_a_batch_of_features_is_one_though_the_model_runs_with_an_axis_more() -> None:
    """With the axis more it is the batch that ``chunk`` parts: nobody meant that."""
    x = torch.rand(2, 10)
    assert Encoded(20)(x.unsqueeze(0)).shape == (1, 1, 10)
    (problem,) = summarize(Encoded(20), x).problems
    assert (problem.path, problem.required, problem.evidence) == ("decode", 10, Evidence.RUN)
    assert "one sample" not in problem.message
    assert Encoded(problem.required)(x).shape == x.shape


def test_other_arguments_stay() -> None:
    model = Policy().eval()
    with pytest.raises(ValueError, match="expected 2D or 3D"), watch(model) as s:
        model(torch.rand(5), scale=2.0)
    assert [each.fix for each in s.problems] == ["model(x.unsqueeze(0))"]


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (_flat(), (4, 2, 8, 8)),  # another image size
        (_flat(), (9, 9)),  # the channels are missing as well
        (nn.Sequential(nn.Linear(9, 3)), (8, 1)),
        (nn.Sequential(nn.Linear(9, 3)), (9, 2)),
        (Policy().train(), (5,)),  # a batch of one says nothing to it
    ],
)
def test_where_a_batch_of_one_does_not_help_it_is_not_told(model: nn.Module, shape: tuple[int, ...]) -> None:
    problems = summarize(model, torch.rand(shape), mode="same").problems
    assert problems
    assert not any("seems to be one sample" in each.message for each in problems)


def test_a_shape_has_its_batch() -> None:
    (problem,) = summarize(nn.Sequential(nn.Linear(9, 3)), (4, 1)).problems
    assert "seems to be one sample" not in problem.message


class Squeezes(nn.Module):
    """A batch of one is gone before the layers that miss it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 3)
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.fc = nn.Linear(6, 5)
        self.norm = nn.BatchNorm1d(5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.squeeze(self.pool(self.conv(x)))
        return self.norm(torch.relu(self.fc(x)))


def test_a_squeeze_in_front_of_the_layers_in_between() -> None:
    model = Squeezes().eval()
    (problem,) = summarize(model, torch.rand(1, 4, 9)).problems
    assert problem.path == "norm"
    told = " ".join(problem.message.split())
    assert "made it of 1×6×1 and dropped the batch of 1: write flatten(1)" in told
    assert model(torch.rand(2, 4, 9)).shape == (2, 5)


class Image(nn.Module):
    """Convolutions, something that flattens, and a Linear of any number of features."""

    def __init__(self, features: int, flatten: Callable[[Tensor], Tensor], *, rank: int = 2) -> None:
        super().__init__()
        conv, pool = ((nn.Conv1d, nn.MaxPool1d), (nn.Conv2d, nn.MaxPool2d))[rank - 1]
        self.body = nn.Sequential(conv(3, 8, 3, padding=1), nn.ReLU(), pool(2))
        self.flatten, self.fc = flatten, nn.Linear(features, 5)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.fc(self.flatten(self.body(x)))
        return made


@pytest.mark.parametrize(
    ("flatten", "shape"),
    [
        (lambda x: x.flatten(1), (3, 12, 10)),
        (lambda x: x.view(x.size(0), -1), (3, 12, 10)),
        (lambda x: torch.relu(torch.flatten(x, 1)), (3, 12, 10)),
        (nn.Flatten(), (3, 12, 10)),
        (lambda x: nn.functional.adaptive_avg_pool2d(x, 1).flatten(1), (3, 12, 10)),
        (nn.Flatten(), (3, 12)),
    ],
)
def test_channels_that_stand_for_samples_have_both_numbers(
    flatten: Callable[[Tensor], Tensor], shape: tuple[int, ...]
) -> None:
    model, x = Image(999, flatten, rank=len(shape) - 1), torch.rand(shape)
    first, second = summarize(model, x).problems
    assert first.path == "body.0"
    assert first.fix is not None
    assert first.fix.startswith("model(x.unsqueeze(0)), or ")
    assert second.path == "fc"
    assert not second.edits
    (otherwise,) = re.findall(r"if no batch is intended, in_features=(\d+)", second.message)
    assert second.required != int(otherwise)
    assert Image(second.required, flatten, rank=len(shape) - 1)(x.unsqueeze(0)).shape == (1, 5)
    assert Image(int(otherwise), flatten, rank=len(shape) - 1)(x).shape == (8, 5)


def test_a_size_that_is_written_in_a_view() -> None:
    _, view, linear = summarize(Image(99, lambda x: x.view(-1, 99)), torch.rand(3, 12, 10)).problems
    assert "one sample has 8·6·5 = 240 elements, not 99" in view.message
    assert "if no batch is intended, in_features=30" in linear.message
    assert not linear.edits


def test_an_axis_that_a_sample_does_not_have() -> None:
    model, x = Image(99, lambda x: x.mean((2, 3))), torch.rand(3, 12, 10)
    with pytest.raises(IndexError):
        model(x)
    first, second = summarize(model, x).problems
    assert (first.path, second.path, second.required) == ("body.0", "fc", 8)
    assert Image(8, lambda x: x.mean((2, 3)))(x.unsqueeze(0)).shape == (1, 5)


class Heads(nn.Module):
    def __init__(self, one: int, other: int) -> None:
        super().__init__()
        self.conv, self.one, self.other = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(one, 2), nn.Linear(other, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv(x).flatten(1)
        return self.one(x), self.other(x)


def test_a_layer_that_fits_one_reading_tells_which_is_meant() -> None:
    x = torch.rand(3, 4, 5)
    (told,) = summarize(Heads(20, 99), x).problems
    assert (told.path, told.required) == ("other", 20)
    assert [each.shape for each in Heads(20, 20)(x)] == [(8, 2), (8, 3)]
    conv, told = summarize(Heads(160, 99), x).problems
    assert (conv.path, told.path, told.required, "intended" in told.message) == ("conv", "other", 160, False)
    assert [each.shape for each in Heads(160, 160)(x.unsqueeze(0))] == [(1, 2), (1, 3)]


def test_sizes_that_forward_takes_apart() -> None:
    def flatten(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return x.view(n, c * h * w)

    model, x = Image(240, flatten), torch.rand(3, 12, 10)
    with pytest.raises(ValueError, match="unpack"):
        model(x)
    (problem,) = summarize(model, x).problems
    assert "3×12×10 seems to be one sample" in problem.message
    assert "n, c, h, w are 4 names, and x.shape has 3 sizes" in problem.message
    assert problem.fix == "model(x.unsqueeze(0))"
    assert model(x.unsqueeze(0)).shape == (1, 5)
