"""Behind a map whose channels were parted they are second still, however large the image is: PyTorch is the oracle."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from convlin.records import Evidence

#: What makes 16 channels of 32.
WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "glu": lambda x: F.glu(x, 1),
    "nn.GLU": nn.GLU(1),
    "chunk": lambda x: x.chunk(2, 1)[0],
    "split": lambda x: x.split(16, 1)[1],
    "slice": lambda x: x[:, :16],
    "every other": lambda x: x[:, ::2],
    "narrow": lambda x: x.narrow(1, 0, 16),
    "index_select": lambda x: x.index_select(1, torch.arange(16)),
    "maxout": lambda x: torch.max(*x.chunk(2, 1)),
    "largest of two": lambda x: x.view(x.shape[0], 16, 2, *x.shape[2:]).amax(2),
    "unflatten": lambda x: x.unflatten(1, (2, 16)).amax(1),
    "gate": lambda x: x[:, :16] * torch.sigmoid(x[:, 16:]),
    "sum": lambda x: (x[:, :16] + x[:, 16:]).relu(),
}


class Parted(nn.Module):
    def __init__(self, convolution: nn.Module, way: Callable[[Tensor], Tensor], behind: nn.Module) -> None:
        super().__init__()
        self.convolution, self.way, self.behind = convolution, way, behind

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.behind(self.way(self.convolution(x)))
        return made


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    ("convolution", "behind", "shape"),
    [
        (lambda: nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d, (3, 32, 32)),
        (lambda: nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d, (3, 20, 32)),
        (lambda: nn.Conv2d(3, 32, 3, padding=1), lambda width: nn.Conv2d(width, 4, 1), (3, 20, 32)),
        (lambda: nn.Conv1d(3, 32, 3, padding=1), lambda width: nn.Conv1d(width, 4, 1), (3, 32)),
        (lambda: nn.Conv1d(3, 32, 3, padding=1), nn.BatchNorm1d, (3, 32)),
    ],
)
def test_the_number_of_channels_is_told(
    convolution: Callable[[], nn.Module],
    way: Callable[[Tensor], Tensor],
    behind: Callable[[int], nn.Module],
    shape: tuple[int, ...],
) -> None:
    wrong, right = (Parted(convolution(), way, behind(width)).eval() for width in (32, 16))
    with pytest.raises(RuntimeError):
        wrong(torch.zeros(1, *shape))
    right(torch.zeros(1, *shape))
    (problem,) = summarize(wrong, shape).problems
    assert (problem.path, problem.required, problem.evidence) == ("behind", 16, Evidence.RUN)


def test_channels_that_were_moved_may_be_last() -> None:
    class Moved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(3, 32, 1), nn.BatchNorm2d(32)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.norm(self.convolution(x).permute(0, 2, 3, 1)[:, :16])
            return made

    (problem,) = summarize(Moved(), (3, 20, 24)).problems
    assert "permuted it is 1×32×16×24" in " ".join(problem.message.split())
    assert Moved().norm(Moved().convolution(torch.zeros(1, 3, 20, 24))).shape == (1, 32, 20, 24)


class Turned(nn.Module):
    """What a layer of features made, turned for a convolution or a norm of channels."""

    def __init__(self, features: nn.Module, behind: nn.Module) -> None:
        super().__init__()
        self.features, self.behind = features, behind

    def forward(self, x: Tensor) -> Tensor:
        made = self.features(x)
        made = made[0] if isinstance(made, tuple) else made
        turned: Tensor = self.behind(made.relu().transpose(1, 2))
        return turned


@pytest.mark.parametrize("features", [lambda: nn.Linear(5, 16), lambda: nn.GRU(5, 16, batch_first=True)])
@pytest.mark.parametrize("behind", [nn.BatchNorm1d, lambda width: nn.Conv1d(width, 4, 1)])
def test_features_that_were_turned_to_the_second_axis_are_not_turned_back(
    features: Callable[[], nn.Module], behind: Callable[[int], nn.Module]
) -> None:
    """As many steps as the layer behind expects channels say nothing: the axes were set in that order."""
    for width, fits in ((32, False), (16, True)):
        model = Turned(features(), behind(width)).eval()
        if fits:
            model(torch.zeros(2, 32, 5))
        else:
            with pytest.raises(RuntimeError):
                model(torch.zeros(2, 32, 5))
            (problem,) = summarize(model, (32, 5)).problems
            assert (problem.path, problem.required, problem.evidence) == ("behind", 16, Evidence.RUN)


def test_features_that_were_not_turned_are_last() -> None:
    model = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16)).eval()
    (problem,) = summarize(model, torch.zeros(2, 32, 5)).problems
    assert "permuted it is 2×16×32" in " ".join(problem.message.split())
    assert model[1](model[0](torch.zeros(1, 32, 5)).permute(0, 2, 1)).shape == (1, 16, 32)


class Scaled(nn.Module):
    """A map times a number for each channel, which ``spread`` gives its axes."""

    def __init__(self, channels: int, spread: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.scale = nn.Conv2d(3, channels, 3, padding=1), nn.Linear(channels, channels)
        self.spread, self.head = spread, nn.Conv2d(channels, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        made: Tensor = self.head(x * self.spread(self.scale(x.mean((2, 3)))))
        return made


@pytest.mark.parametrize("channels", [8, 32])
@pytest.mark.parametrize(
    ("spread", "told"),
    [
        (
            lambda w: w[:, None, None],
            "2×1×1×{0} has a number for each channel on its last axis, not on axis 1: as 2×{0}×1×1 they",
        ),
        (
            lambda w: w[:1, None],
            "1×1×{0} has a number for each channel on its last axis, not on axis 1: as 1×{0}×1×1 they",
        ),
    ],
)
def test_a_number_for_each_channel_that_stands_on_the_last_axis(
    channels: int, spread: Callable[[Tensor], Tensor], told: str
) -> None:
    """An image of as many columns as channels would run, and so would a layer of as many features as columns."""
    x = torch.zeros(2, 3, 16, 16)
    with pytest.raises(RuntimeError):
        Scaled(channels, spread)(x)
    Scaled(channels, spread)(torch.zeros(2, 3, channels, channels))  # by chance
    Scaled(channels, lambda w: w[:, :, None, None])(x)
    (problem,) = summarize(Scaled(channels, spread), x).problems
    message = " ".join(problem.message.split())
    assert told.format(channels) in message
    assert "works" not in message
    assert "should give" not in message
    assert problem.edits == ()
