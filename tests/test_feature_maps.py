"""Mistakes around maps and their kernels: the cause is named, and PyTorch runs what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from convlin.at_error.answer import answer_to


class Decodes(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide, self.channels = nn.Linear(6, 12 * 3 * 3), channels
        self.up = nn.ConvTranspose2d(12, 3, 2, stride=2)

    def forward(self, z: Tensor) -> Tensor:
        return self.up(self.wide(z).view(-1, self.channels, 3, 3))


def test_the_channels_of_a_view_into_a_map() -> None:
    problem = summarize(Decodes(40), (6,)).problems[0]
    match = re.search(r"108 is (\d+) channels of 3×3", problem.message)
    assert match is not None
    assert Decodes(int(match[1]))(torch.rand(2, 6)).shape == (2, 3, 6, 6)


def test_a_map_of_no_width_has_no_channels() -> None:
    class Empty(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.view(x.shape[0], 3, 0, 5)

    with pytest.raises(RuntimeError, match="invalid for input of size 16"):
        Empty()(torch.zeros(1, 2, 8))
    (problem,) = summarize(Empty(), (2, 8)).problems
    assert "16 elements, not 0" in problem.message
    assert "channels" not in problem.message


class Filmed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 4, (3, 3, 3), padding=1)
        self.norm = nn.BatchNorm3d(4)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.conv(x)).mean((2, 3, 4)))


def test_images_for_a_convolution_of_videos() -> None:
    model, images = Filmed(), torch.rand(6, 3, 8, 9)
    (problem,) = summarize(model, images).problems
    assert "6×3×8×9 has 3 channels and one dimension too few" in problem.message
    assert model(images.unsqueeze(2)).shape == (6, 2)
    assert "transpose(0, 1).unsqueeze(0) makes it 1×3×6×8×9" in " ".join(problem.message.split())
    assert images.transpose(0, 1).unsqueeze(0).shape == (1, 3, 6, 8, 9)
    assert problem.fix is not None
    assert "self.conv(x.unsqueeze(2))" in problem.fix


def test_a_row_for_each_channel_of_an_image() -> None:
    rows = torch.rand(5, 4, 20)
    model = nn.Sequential(nn.Conv2d(4, 6, (1, 3)), nn.Flatten(), nn.Linear(6 * 18, 2))
    (problem,) = summarize(model, rows).problems
    assert "unsqueeze(2) makes it 5×4×1×20, where H is 1" in problem.message
    assert model(rows.unsqueeze(2)).shape == (5, 2)


@pytest.mark.parametrize("shape", [(4, 4, 20), (4, 9, 20)])
def test_a_sample_that_pytorch_takes_is_not_one_axis_short(shape: tuple[int, ...]) -> None:
    model = nn.Conv2d(4, 6, (1, 3))
    model(torch.rand(shape))
    assert summarize(model, torch.rand(shape)).ok


def _signal(pool: nn.Module, features: int) -> nn.Module:
    return nn.Sequential(nn.Conv1d(2, 10, 3), nn.ReLU(), pool, nn.Flatten(), nn.Linear(features, 3))


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.AvgPool2d((2, 2))])
def test_a_pooling_that_takes_the_channels_as_well(pool: nn.Module) -> None:
    x = torch.rand(4, 2, 20)
    assert pool(torch.rand(4, 10, 18)).shape == (4, 5, 9)  # PyTorch takes it
    summary = summarize(_signal(pool, 90), x)
    assert any("pools the 10 channels as well" in remark for remark in summary.report.remarks)
    assert _signal(nn.MaxPool1d(2), 90)(x).shape == (4, 3)


@pytest.mark.parametrize(
    ("model", "shape"),
    [(_signal(nn.MaxPool1d(2), 90), (4, 2, 20)), (nn.Sequential(nn.Conv2d(2, 4, 3), nn.MaxPool2d(2)), (2, 9, 9))],
)
def test_other_poolings_have_no_remark(model: nn.Module, shape: tuple[int, ...]) -> None:
    assert not any("channels as well" in each for each in summarize(model, torch.rand(shape)).report.remarks)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(3, 4, (3, 3, 3)), (2, 3, 9, 9)),  # type: ignore[arg-type]
        (nn.Conv1d(3, 4, (3, 3)), (2, 3, 9)),  # type: ignore[arg-type]
        (nn.ConvTranspose2d(3, 4, (2, 2, 2), stride=2), (2, 3, 9, 9)),  # type: ignore[arg-type]
    ],
)
def test_a_kernel_of_other_axes(layer: nn.Module, shape: tuple[int, ...]) -> None:
    model = nn.Sequential(nn.Identity(), layer)
    with pytest.raises(RuntimeError) as info:
        model(torch.rand(shape))
    (problem,) = summarize(model, torch.rand(shape)).problems
    kind, axes = type(layer), len(shape) - 2
    assert f"{kind.__name__} with kernel_size=" in problem.message
    assert f"numbers are for {kind.__name__[:-2]}{axes + 1}d" in problem.message
    kind(3, 4, (3,) * axes)(torch.rand(shape))
    assert "kernel_size is" in str(answer_to(info.value))


class Fixed(nn.Module):
    """A map whose size does not come from the input, and a pool."""

    def __init__(self, size: int, pool: Callable[[Tensor], Tensor], axes: int) -> None:
        super().__init__()
        self.fc, self.pool, self.shape = nn.Linear(3, 2 * size**axes), pool, (-1, 2, *[size] * axes)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.fc(x).view(self.shape))


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 5},
        {"kernel_size": 6, "padding": 1},
        {"kernel_size": 4, "dilation": 3},
        {"kernel_size": 7, "stride": 2, "ceil_mode": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("as_function", [False, True])
def test_a_pool_that_is_larger_than_its_map(axes: int, options: dict[str, int], as_function: bool) -> None:
    made = (nn.MaxPool1d, nn.MaxPool2d)[axes - 1](**options)  # type: ignore[arg-type]
    function: Any = (F.max_pool1d, F.max_pool2d)[axes - 1]
    pool = (lambda x: function(x, **options)) if as_function else made
    problem = summarize(Fixed(2, pool, axes), (3,)).problems[0]
    found = re.search(r"is 2, but must be at least (\d+)", problem.message)
    assert found is not None
    least = int(found[1])
    function(torch.zeros(1, 2, *[least] * axes), **options)
    with pytest.raises(RuntimeError):
        function(torch.zeros(1, 2, *[least - 1] * axes), **options)


class Text(nn.Module):
    """Words, or their vectors, under kernels of several lengths."""

    def __init__(self, lengths: tuple[int, ...], pool: int = 0) -> None:
        super().__init__()
        self.words, self.pool = nn.Embedding(30, 6), pool
        self.convs = nn.ModuleList([nn.Conv2d(1, 4, (length, 6)) for length in lengths])
        self.fc = nn.Linear(4 * len(lengths), 2)

    def forward(self, x: Tensor) -> Tensor:
        vectors = self.words(x) if not x.is_floating_point() else x
        maps = [conv(vectors.unsqueeze(1)).squeeze(3) for conv in self.convs]
        return self.fc(torch.cat([F.max_pool1d(each, self.pool or each.size(2))[:, :, 0] for each in maps], 1))


@pytest.mark.parametrize(("lengths", "pool"), [((2, 4, 5), 0), ((3,), 0), ((2,), 7), ((4, 2), 3)])
@pytest.mark.parametrize("words", [True, False])
def test_the_smallest_text(lengths: tuple[int, ...], pool: int, words: bool) -> None:
    def given(length: int) -> Tensor:
        return torch.randint(30, (2, length)) if words else torch.rand(2, length, 6)

    model = Text(lengths, pool)
    (problem,) = summarize(model, given(2)).problems
    found = re.search(r"the smallest input that works is (\d+)", problem.message)
    assert found is not None
    model(given(int(found[1])))
    with pytest.raises(RuntimeError):
        model(given(int(found[1]) - 1))


class Unpools(nn.Module):
    def __init__(self, which: int, first: str = "x") -> None:
        super().__init__()
        self.which, self.first = which, first
        self.pool, self.back, self.more = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2), nn.Conv2d(2, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, one = self.pool(x)
        x, two = self.pool(self.more(x))
        which = (one, two)[self.which]
        return self.back(x, which) if self.first == "x" else self.back(which, x)


def test_indices_in_the_place_of_the_tensor() -> None:
    with pytest.raises((RuntimeError, ValueError)):
        Unpools(1, "indices")(torch.rand(1, 2, 8, 8))
    (problem,) = summarize(Unpools(1, "indices"), (2, 8, 8)).problems
    assert "takes the tensor first and its indices second: here the indices come first" in " ".join(
        problem.message.split()
    )
    Unpools(1)(torch.rand(1, 2, 8, 8))


def test_the_indices_of_another_pool() -> None:
    with pytest.raises((RuntimeError, ValueError)):
        Unpools(0)(torch.rand(1, 2, 8, 8))
    (problem,) = summarize(Unpools(0), (2, 8, 8)).problems
    told = " ".join(problem.message.split())
    assert "the indices of pool, given 1×2×8×8; those that go with 1×4×2×2 are of pool, given 1×4×4×4" in told
    Unpools(1)(torch.rand(1, 2, 8, 8))


class Squeezes(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(1, 3, 3, 4, 1), nn.MaxPool2d((5, 1))
        self.fc = nn.Linear(features, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.conv(x)).squeeze())


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("given", [True, False])
def test_an_input_of_another_rank_at_the_layer_is_not_told(batch: int, given: bool) -> None:
    reached: list[int] = []
    model = Squeezes(64)
    hook = model.fc.register_forward_pre_hook(lambda module, args: reached.append(args[0].dim()))
    model(torch.rand(4, 1, 20, 256))  # the width has the number, and stands where the channels were
    with pytest.raises(RuntimeError):
        model(torch.rand(4, 1, 20, 4))
    assert reached == [3, 2]
    hook.remove()
    told = summarize(model, torch.rand(batch, 1, 20, 4)) if given else summarize(model, (1, 20, 4), batch_size=batch)
    (problem,) = told.problems
    assert (problem.kind, problem.required) == ("in_features", 3)
    assert "right for" not in problem.message
