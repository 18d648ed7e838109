"""Two axes of one input in each other's place: PyTorch itself shows which order the model takes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize

VIDEO = torch.randn(2, 3, 4, 16, 16)


class Frames(nn.Module):
    """Takes ``(b, t, c, h, w)``."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.fc = nn.Linear(16, 5)

    def frames(self, x: Tensor) -> Tensor:
        b, t, c, h, w = x.shape
        made: Tensor = self.cnn(x.view(b * t, c, h, w))
        return made.view(b, t, -1)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.fc(self.lstm(self.frames(x))[0][:, -1])
        return made


class Reshaped(Frames):
    def frames(self, x: Tensor) -> Tensor:
        b, t, c, h, w = x.shape
        made: Tensor = self.cnn(x.reshape(b * t, c, h, w))
        return made.view(b, t, -1)


class OneByOne(Frames):
    def frames(self, x: Tensor) -> Tensor:
        return torch.stack([self.cnn(x[:, step]) for step in range(x.size(1))], 1)


@pytest.mark.parametrize("kind", [Frames, Reshaped, OneByOne])
def test_a_video_with_channels_before_time_is_not_only_told_as_other_channels(kind: type[Frames]) -> None:
    net = kind().eval()
    with pytest.raises(RuntimeError, match="to have 3 channels, but got 4 channels"):
        net(VIDEO)
    [problem] = summarize(net, VIDEO).problems
    assert problem.message == (
        "axes 1 and 2 of the input look swapped: axis 1 of 2×3×4×16×16 has the 3 channels that cnn.0 expects; "
        "it gets 4\nas 2×4×3×16×16 the model runs as it is\n"
        "if the axes are as intended, cnn.0 needs in_channels=4: the model runs with that as well"
    )
    assert problem.fix is not None
    assert eval(problem.fix, {"model": net, "x": VIDEO}).shape == (2, 5)
    net.cnn[0] = nn.Conv2d(4, 8, 3)
    assert net(VIDEO).shape == (2, 5)


@pytest.mark.parametrize(
    ("given", "sizes", "fix"),
    [
        ((3, 4, 16, 16), {}, "summarize(model, (4, 3, 16, 16))"),
        ((3, 4, 16, 16), {"batch_size": 2}, "summarize(model, (4, 3, 16, 16), batch_size=2)"),
        ({"x": (3, 4, 16, 16)}, {}, 'summarize(model, {"x": (4, 3, 16, 16)})'),
    ],
)
def test_the_call_is_corrected_where_a_shape_was_given(given: Any, sizes: Any, fix: str) -> None:
    [problem] = summarize(Frames(), given, **sizes).problems
    assert problem.fix == fix
    assert eval(fix, {"model": Frames(), "summarize": summarize}).problems == ()


def test_a_video_beside_another_input_is_named() -> None:
    class Conditioned(Frames):
        def forward(self, video: Tensor, hint: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(video) + hint

    net = Conditioned()
    [problem] = summarize(net, [VIDEO, torch.zeros(2, 5)]).problems
    assert problem.fix == "pass video.transpose(1, 2).contiguous() as video"
    assert net(VIDEO.transpose(1, 2).contiguous(), torch.zeros(2, 5)).shape == (2, 5)


def test_where_more_is_wrong_both_are_said_and_no_number_is_certain() -> None:
    net = Frames()
    net.fc = nn.Linear(17, 5)
    first, second = summarize(net, VIDEO).problems
    assert first.message.endswith("that cnn.0 expects; it gets 4\nas 2×4×3×16×16 it fits")
    assert not first.edits
    assert (second.path, second.required) == ("fc", 16)
    net.fc = nn.Linear(16, 5)
    assert net(VIDEO.transpose(1, 2).contiguous()).shape == (2, 5)


@pytest.mark.parametrize("shape", [(2, 4, 5, 16, 16), (2, 4, 3, 16, 16)])
def test_other_channels_and_a_right_video_are_no_swapped_axes(shape: tuple[int, ...]) -> None:
    video = torch.randn(shape)
    summary = summarize(Frames(), video)
    assert "look swapped" not in str(summary)
    try:
        Frames()(video)
    except RuntimeError:
        assert [problem.required for problem in summary.problems] == [5]
    else:
        assert not summary.problems


def test_an_order_that_the_model_refuses_is_not_told() -> None:
    class Asks(Frames):
        def forward(self, x: Tensor) -> Tensor:
            assert x.size(1) == 3
            return super().forward(x)

    assert "look swapped" not in str(summarize(Asks(), VIDEO))
    with pytest.raises(AssertionError):
        Asks()(VIDEO.transpose(1, 2).contiguous())
