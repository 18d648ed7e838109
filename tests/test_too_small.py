"""Too small an input: what is told as the smallest passes when run, and one pixel less on any axis does not."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from contextlib import suppress
from math import prod
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from convlin.at_error.answer import answer
from convlin.records import ClaimKind
from convlin.render.text import problems_text


class TwoScales(nn.Module):
    """Both images become smaller until one is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Sequential(nn.Conv2d(3, 4, 5), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3))
        self.right = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2))
        self.fc = nn.Linear(8, 2)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.fc(torch.cat([self.left(left).mean((2, 3)), self.right(right).mean((2, 3))], 1))


class WithVector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 4, 7), nn.MaxPool2d(2))
        self.fc = nn.Linear(9, 2)

    def forward(self, vector: Tensor, image: Tensor) -> Tensor:
        return self.fc(torch.cat([vector, self.conv(image).mean((2, 3))], 1))


def _conv1d() -> nn.Module:
    return nn.Sequential(nn.Conv1d(2, 4, 7, dilation=2), nn.MaxPool1d(3), nn.Conv1d(4, 4, 3), nn.AdaptiveAvgPool1d(1))


def _uneven() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, (5, 3), stride=(2, 1)), nn.MaxPool2d((2, 3)), nn.Conv2d(4, 4, (3, 1)))


def _conv3d() -> nn.Module:
    return nn.Sequential(nn.Conv3d(1, 2, (3, 5, 5)), nn.MaxPool3d((1, 2, 2)), nn.Conv3d(2, 2, 3), nn.ReLU())


def _pool_only() -> nn.Module:
    return nn.Sequential(*(nn.MaxPool2d(2) for _ in range(5)), nn.Flatten(), nn.LazyLinear(2))


CASES: dict[str, tuple[Callable[[], nn.Module], list[tuple[int, ...]], int | None]] = {
    "1d": (_conv1d, [(2, 10)], 0),
    "2d square": (_uneven, [(3, 4, 4)], 0),
    "2d wide": (_uneven, [(3, 4, 40)], 0),
    "2d high": (_uneven, [(3, 50, 2)], 0),
    "3d": (_conv3d, [(1, 2, 9, 9)], 0),
    "3d even": (_conv3d, [(1, 3, 3, 3)], 0),
    "pooling": (_pool_only, [(3, 20, 17)], 0),
    "two inputs": (TwoScales, [(3, 5, 5), (1, 5, 5)], None),
    "a vector beside": (WithVector, [(5,), (3, 6, 6)], 1),
}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_the_smallest_input_is_the_smallest(name: str, batch: int) -> None:
    build, shapes, place = CASES[name]
    model = build().eval()
    summary = summarize(model, shapes if len(shapes) > 1 else shapes[0], batch_size=batch)
    (problem,) = summary.problems
    told = problems_text(summary.report)
    assert problem.kind == "too_small", told
    given = shapes[place or 0][1:]
    assert problem.declared == given
    assert "×".join(map(str, problem.required)) in problem.message

    def runs(size: tuple[int, ...]) -> bool:
        inputs = [
            torch.zeros(batch, shape[0], *size) if place is None or index == place else torch.zeros(batch, *shape)
            for index, shape in enumerate(shapes)
        ]
        try:
            with torch.no_grad():
                model(*inputs)
        except RuntimeError:
            return False
        return True

    assert runs(problem.required), told
    for axis in range(len(problem.required)):
        smaller = list(problem.required)
        smaller[axis] -= 1
        assert not runs(tuple(smaller)), told
    assert not runs(given)


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize(("channels", "sizes"), list(itertools.product([2, 4], [(6,), (5, 7), (3, 4, 5)])))
def test_the_number_of_a_reshape_makes_the_model_right(batch: int, channels: int, sizes: tuple[int, ...]) -> None:
    """``required`` of ``reshape`` and ``batch``, put into the view and the Linear, gives a model without problems."""

    class Viewing(nn.Module):
        def __init__(self, view: int, features: int) -> None:
            super().__init__()
            self.conv = getattr(nn, f"Conv{len(sizes)}d")(1, channels, 3, padding=1)
            self.view = view
            self.fc = nn.Linear(features, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(torch.relu(self.conv(x)).view(-1, self.view))

    right = channels * prod(sizes)
    tails = {prod(sizes[axis:]) for axis in range(len(sizes) + 1)}
    for wrong in {7, 11, 2 * right, right // 2} - {right} - tails:
        summary = summarize(Viewing(wrong, wrong), (1, *sizes), batch_size=batch)
        told = problems_text(summary.report)
        kinds = [(problem.kind, problem.required) for problem in summary.problems]
        divides = batch * right % wrong == 0
        assert kinds == [("batch" if divides else "reshape", right), ("in_features", right)], told
        required = summary.problems[0].required
        mended = Viewing(required, required)
        assert summarize(mended, (1, *sizes), batch_size=batch).ok
        assert mended(torch.zeros(batch, 1, *sizes)).shape == (batch, 2)


class Wave(nn.Module):
    """A signal given without a channel, which ``forward`` adds."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(1, 4, 80, 4), nn.MaxPool1d(4), nn.Conv1d(4, 8, 3), nn.MaxPool1d(4))
        self.fc = nn.Linear(8 * 20, 5)

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.body(x[:, None]).flatten(1))


class Words(nn.Module):
    """A convolution over words."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.conv = nn.Embedding(100, 50), nn.Conv1d(50, 16, 5)

    def forward(self, x: Tensor) -> Any:
        return self.conv(self.table(x).permute(0, 2, 1)).amax(2)


@pytest.mark.parametrize(
    ("model", "length", "dtype"), [(Wave(), 1000, torch.float), (Wave(), 60, torch.float), (Words(), 4, torch.long)]
)
def test_lengths_that_fit_are_told_of_inputs_without_channels(
    model: nn.Module, length: int, dtype: torch.dtype
) -> None:
    (problem,) = summarize(model, (length,)).problems
    ends = [int(each) for each in re.findall(r"(?:length|works is|largest|to) (\d+)", problem.message)]

    def runs(size: int) -> bool:
        try:
            model(torch.zeros(2, size, dtype=dtype))
        except RuntimeError:
            return False
        return True

    assert not runs(length)
    assert ends
    assert all(map(runs, ends))
    assert not runs(ends[0] - 1)
    assert len(ends) == 1 or not runs(ends[1] + 1)


def test_an_input_of_no_size_at_all_comes_to_an_answer() -> None:
    (problem,) = summarize(nn.Sequential(nn.Conv1d(2, 3, 3), nn.Conv1d(3, 3, 3)), torch.zeros(1, 2, 0)).problems
    assert problem.kind in ("too_small", "error")


class Folding(nn.Module):
    """``view(-1, 90)`` keeps the batch for images of 26 to 29 alone: at 40 it makes 4 rows of each, at 65 16."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 7), nn.MaxPool2d(2), nn.Conv2d(8, 10, 5), nn.MaxPool2d(2))
        self.fc, self.other, self.how = nn.Linear(90, 6), nn.Linear(1000, 6), how

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.features(x)
        if self.how == "flatten":
            return self.fc(maps.flatten(1))
        made: Tensor = self.fc(maps.view(-1, 90))
        if self.how == "rows again":
            return made.view(x.size(0), -1)
        if self.how == "another number is wrong":
            return made + self.other(x.flatten(1))
        if self.how == "a grid":
            return F.grid_sample(x, F.affine_grid(made.view(-1, 2, 3), list(x.shape), False), align_corners=False)
        return made


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("how", ["flatten", "view", "another number is wrong", "a grid"])
def test_every_size_of_a_range_keeps_the_batch(how: str, batch: int) -> None:
    model = Folding(how).eval()
    reached: list[torch.Size] = []
    model.fc.register_forward_pre_hook(lambda _, args: reached.append(args[0].shape))

    def is_right(size: int) -> bool:
        reached.clear()
        with suppress(RuntimeError), torch.no_grad():
            model(torch.zeros(batch, 1, size, size))
        return reached == [(batch, 90)]

    right = [size for size in range(1, 90) if is_right(size)]
    assert right == [26, 27, 28, 29]
    for given in (9, 14, 15, 16):
        [problem, *_] = summarize(model, (1, given, given), batch_size=batch).problems
        ends = [size for claim in problem.claims for size in claim.inputs]
        assert ends == [(26, 26), (29, 29)], problem


@pytest.mark.parametrize("how", ["view", "another number is wrong", "a grid", "rows again"])
def test_a_size_at_which_the_batch_is_folded_is_no_answer(how: str) -> None:
    model = Folding(how).eval()
    assert model.fc(model.features(torch.zeros(1, 1, 40, 40)).view(-1, 90)).shape == (4, 6)
    for given in (9, 14, 16, 30, 33, 37, 40, 48, 50, 64, 65):
        problems = summarize(model, (1, given, given)).problems
        told = [(claim, size) for each in problems for claim in each.claims for size in claim.inputs]
        assert all(size in ((26, 26), (29, 29)) or claim.kind is ClaimKind.REACHES for claim, size in told)


class Swapped(nn.Module):
    """A text CNN whose embedding has its two numbers swapped: no length of a text helps."""

    longest: int

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.conv, self.fc = nn.Embedding(50, 500), nn.Conv2d(1, 4, (3, 50)), nn.Linear(4, 6)
        self.longest = 0

    def forward(self, x: Tensor) -> Any:
        self.longest = max(self.longest, x.shape[1])
        x = self.conv(self.embed(x).unsqueeze(1)).squeeze(3)
        return self.fc(F.max_pool1d(x, x.size(2)).squeeze(2))


def test_a_size_that_does_not_help_is_not_doubled_for_ever() -> None:
    model = Swapped()
    assert not summarize(model, (30,)).ok
    assert model.longest <= 30 * 2**8


class Spectrogram(nn.Module):
    """Time may be short; a recurrent layer behind asks for the rows that there are."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(3), nn.Conv2d(4, 4, 3), nn.MaxPool2d(3))
        self.rnn = nn.GRU(4 * 4, 5, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(self.convs(x).permute(0, 3, 1, 2).flatten(2))[0]


def test_an_axis_that_is_long_enough_is_kept() -> None:
    model = Spectrogram().eval()
    (problem,) = summarize(model, (1, 44, 6)).problems
    assert problem.required == (44, 17)
    assert "the smallest input that works is 44×17" in problem.message
    model(torch.zeros(1, 1, 44, 17))
    for size in ((43, 17), (44, 16), (17, 17)):
        with pytest.raises(RuntimeError):
            model(torch.zeros(1, 1, *size))


def test_frames_that_are_too_few_for_a_video() -> None:
    model = nn.Sequential(nn.MaxPool3d((2, 3, 3)), nn.MaxPool3d((3, 1, 1)), nn.Flatten(), nn.Linear(2 * 9 * 9, 3))
    (problem,) = summarize(model, (2, 4, 29, 27)).problems
    assert problem.required == (6, 27, 27)
    model(torch.zeros(1, 2, *problem.required))


def test_an_axis_that_does_not_grow_is_not_doubled_for_long() -> None:
    """The window is longer than the sequence, and of an input of three axes the last one is taken for the length."""

    sizes: list[int] = []

    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(1, 2, (size, 6)) for size in (2, 3))

        def forward(self, x: Tensor) -> Tensor:
            sizes.append(x.shape[-1])
            return torch.cat([conv(x.unsqueeze(1)).amax((2, 3)) for conv in self.convs], 1)

    model = Words()
    (problem,) = summarize(model, torch.zeros(1, 2, 6)).problems
    assert problem.path == "convs.1"
    assert max(sizes) < 6 * 2**8


class Typed(nn.Module):
    """Kinds of tokens from a buffer for as many positions as there are, as a BERT has them."""

    kinds: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.words, self.types = nn.Embedding(50, 8), nn.Embedding(2, 8)
        self.register_buffer("kinds", torch.zeros(1, 20, dtype=torch.long))

    def forward(self, ids: Tensor) -> Tensor:
        batch, length = ids.shape
        made: Tensor = self.words(ids) + self.types(self.kinds[:, :length].expand(batch, length))
        return made


def test_the_longest_text_is_told_of_tensors_and_at_the_error() -> None:
    net, ids = Typed(), torch.zeros(2, 30, dtype=torch.long)
    [problem] = summarize(net, ids).problems
    assert "the largest input that the model takes is 20" in problem.message
    with pytest.raises(RuntimeError, match="must match the existing size") as raised:
        net(ids)
    assert "the largest input that the model takes is 20" in (answer(raised.value) or "")
    assert net(ids[:, :20]).shape == (2, 20, 8)
    with pytest.raises(RuntimeError):
        net(ids[:, :21])


class Masked(Typed):
    """Asks its mask whether all of it is 1, as the models of transformers do: without values that is refused."""

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        made = super().forward(ids)
        return made if bool(mask.all()) else made * mask[..., None]


def test_the_longest_text_is_told_where_the_mask_is_asked_for_its_values() -> None:
    net, ids = Masked(), torch.zeros(2, 30, dtype=torch.long)
    with pytest.raises(RuntimeError, match="must match the existing size") as raised:
        net(ids, mask=torch.ones_like(ids))
    assert "the largest input that the model takes is 20" in (answer(raised.value) or "")
    net(ids[:, :20], torch.ones(2, 20))
    with pytest.raises(RuntimeError, match="must match the existing size"):
        net(ids[:, :21], torch.ones(2, 21))


def test_channels_alone_have_no_size_that_could_be_too_small() -> None:
    """Twelve numbers would be taken for 3·2·2, which is no larger input; nor is one cell, which a pool refuses."""
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 10))
    first, stopped = summarize(net, (3,)).problems
    assert "the 3 channels alone: H and W are missing" in first.message
    assert first.fix is None
    assert "smallest" not in stopped.message
    with pytest.raises(RuntimeError):
        net(torch.zeros(1, 3, 1, 1))
    pooled = nn.Sequential(nn.Conv2d(3, 8, 1), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10))
    [problem] = summarize(pooled, (3,)).problems
    assert problem.fix == "summarize(model, (3, 1, 1))"
    assert pooled(torch.zeros(1, 3, 1, 1)).shape == (1, 10)
