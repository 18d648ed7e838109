"""Images with other channels, in another order, with a dimension too many or too few.

Every model is written as its author would have written it, mistake and all, and stands under what must be answered.
The file is copied by a test that writes the corrections into the copy and runs that.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.mistakes import record
from tests.mistakes.record import Mistake, Wrong

MISTAKES: list[Mistake] = []
mistake = partial(record.mistake, MISTAKES)

# 5: another number of image channels ----------------------------------------------------------------------------------


@mistake(
    5, (1, 28, 28),
    Wrong("in_channels", "conv1", 3, 1, "self.conv1 = nn.Conv2d(3, 8, 3, padding=1)",
          "self.conv1 = nn.Conv2d(1, 8, 3, padding=1)", ("receives 1 channel, expects 3", "2×1×28×28 is the input")),
    Wrong("in_channels", "conv2", 16, 8, "self.conv2 = nn.Conv2d(16, 8, 3, padding=1)",
          "self.conv2 = nn.Conv2d(8, 8, 3, padding=1)", ("is the output of conv1",)),
    Wrong("in_features", "fc", 100, 6272, "self.fc = nn.Linear(100, 10)", "self.fc = nn.Linear(6272, 10)"),
)  # fmt: skip
class GrayImages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 8, 3, padding=1)
        self.fc = nn.Linear(100, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return self.fc(x.flatten(1))


@mistake(
    5, (4, 20, 20),
    Wrong("in_channels", "stages.0.0", 3, 4, "self.stage(3, 8)", "self.stage(4, 8)"),
)  # fmt: skip
class ChannelsInHelper(nn.Module):
    """The line that makes the layer makes others too: what this one is given is changed."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([self.stage(3, 8), self.stage(8, 16)])

    @staticmethod
    def stage(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3), nn.BatchNorm2d(outputs), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return x


# 6: channels last -----------------------------------------------------------------------------------------------------


@mistake(
    6, (32, 32, 3),
    Wrong("in_channels", "conv", 3, 32, "x = self.conv(x)", "x = self.conv(x.permute(0, 3, 1, 2))",
          ("this looks like N,H,W,C", "permuted it is 2×3×32×32")),
)  # fmt: skip
class ChannelsLast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8192, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.fc(x.flatten(1))


@mistake(
    6, (24, 28, 1),
    Wrong("in_channels", "encoder.0", 1, 24, "return self.encoder(x).mean((2, 3))",
          "return self.encoder(x.permute(0, 3, 1, 2)).mean((2, 3))",
          ("this looks like N,H,W,C", "permuted it is 2×1×24×28")),
)  # fmt: skip
class ChannelsLastNested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x).mean((2, 3))


@mistake(
    6, (30, 32, 3),
    Wrong("in_channels", "conv", 3, 30, "x = self.conv(x)", "x = self.conv(x.permute(0, 3, 1, 2))",
          ("this looks like N,H,W,C", "permuted it is 2×3×30×32")),
    Wrong("in_features", "fc", 100, 6720, "self.fc = nn.Linear(100, 2)", "self.fc = nn.Linear(6720, 2)"),
)  # fmt: skip
class ChannelsLastScaled(nn.Module):
    """An image that was scaled is an image still."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(100, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = (x.float() / 255 - 0.5) * 2
        x = self.conv(x)
        return self.fc(x.flatten(1))


# 7: no channel dimension ----------------------------------------------------------------------------------------------


@mistake(
    7, (28, 28),
    Wrong("structure", "conv", 4, 3, "x = self.conv(x)", "x = self.conv(x.unsqueeze(1))",
          ("2×28×28 has no channel dimension", "N×C×H×W")),
    watched=(Wrong("in_channels", "conv", 1, 2, "x = self.conv(x)", "x = self.conv(x.unsqueeze(1))"),),
)  # fmt: skip
class NoChannels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc = nn.Linear(2704, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.fc(x.flatten(1))


@mistake(
    7, (784,),
    Wrong("structure", "features.0", 4, 2, "return self.features(x)",
          "return self.features(x.unflatten(1, (1, 28, 28)))", ("expects N×C×H×W, got 2×784", "784 = 1·28·28")),
)  # fmt: skip
class FlatIntoConvolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)


@mistake(
    7, torch.zeros(16, 28, 28),
    Wrong("in_channels", "conv", 1, 16, "return self.conv(x)", "return self.conv(x.unsqueeze(1))",
          ("if 16 is the batch, the channels are missing",)),
)  # fmt: skip
class BatchWithoutChannels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


@mistake(
    7, torch.zeros(16, 28, 28),
    Wrong("in_channels", "conv", 1, 16, "x = self.pool(F.relu(self.norm(self.conv(x))))",
          "x = self.pool(F.relu(self.norm(self.conv(x.unsqueeze(1)))))"),
)  # fmt: skip
class BatchWithoutChannelsAndNorm(nn.Module):
    """What stands behind the convolution is right: nothing of it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(8 * 13 * 13, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.norm(self.conv(x))))
        return self.fc(x.flatten(1))


@mistake(
    7, (20,),
    Wrong("structure", "up", 4, 2, "return self.up(self.fc(x))", "return self.up(self.fc(x)[:, :, None, None])",
          ("the 24 channels alone", "H and W are missing")),
)  # fmt: skip
class VectorIntoTransposed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 24)
        self.up = nn.ConvTranspose2d(24, 8, 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.fc(x))


@mistake(
    7, (20,),
    Wrong("structure", "up", 3, 2, "return self.up(self.fc(x))", "return self.up(self.fc(x).unflatten(1, (6, 25)))",
          ("150 = 6·25",)),
)  # fmt: skip
class VectorIntoTransposed1d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 6 * 25)
        self.up = nn.ConvTranspose1d(6, 4, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.fc(x))


@mistake(
    7, (16, 8, 8),
    Wrong("structure", "gate", 3, 2, "return x * torch.sigmoid(self.gate(weights).reshape(-1, 16, 1, 1))",
          "return x * torch.sigmoid(self.gate(weights.unsqueeze(-1)).reshape(-1, 16, 1, 1))",
          ("the 4 channels alone: L is missing",)),
)  # fmt: skip
class VectorIntoConv1d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 4)
        self.gate = nn.Conv1d(4, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = F.relu(self.fc(x.mean((2, 3))))
        return x * torch.sigmoid(self.gate(weights).reshape(-1, 16, 1, 1))


@mistake(
    7, (30,),
    Wrong("input_size", "rnn", 1, 30, "x, _ = self.rnn(x)", "x, _ = self.rnn(x.unsqueeze(-1))",
          ("without an axis for the one feature",)),
)  # fmt: skip
class NoFeatureAxis(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(1, 8, batch_first=True)
        self.fc = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.rnn(x)
        return self.fc(x[:, -1])


@mistake(
    7, (100,),
    Wrong("structure", "conv", 3, 2, "return self.conv(x)", "return self.conv(x.unsqueeze(1))",
          ("2×100 has no channel dimension", "N×C×L")),
    watched=(Wrong("in_channels", "conv", 1, 2, "return self.conv(x)", "return self.conv(x.unsqueeze(1))"),),
)  # fmt: skip
class NoChannels1d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


# 8: the batch written into the shape, or left out of a tensor ---------------------------------------------------------


@mistake(
    8, (8, 3, 16, 16),
    Wrong("structure", "conv", 4, 5,
          says=("a shape is given without the batch", "(8, 3, 16, 16) seems to hold one"),
          advice="summarize(model, (3, 16, 16), batch_size=8) or summarize(model, torch.zeros(8, 3, 16, 16))"),
    watched=(Wrong("structure", "conv", 4, 5, "x = self.conv(x)", "x = self.conv(x.squeeze(0))",
                   ("expects 4 dimensions (N×C×H×W), got 5: 1×8×3×16×16", "here are 2: 1×8")),),
    mended=False, batch_size=1,
)  # fmt: skip
class BatchInShape(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(784, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.fc(x.flatten(1))


@mistake(
    8, (4, 2, 50),
    Wrong("structure", "0", 3, 4,
          advice="summarize(model, (2, 50), batch_size=4) or summarize(model, torch.zeros(4, 2, 50))"),
    watched=(Wrong("structure", "0", 3, 4, says=("here are 2: 1×4",), advice="x = x.squeeze(0)"),),
    mended=False, batch_size=1,
)  # fmt: skip
class BatchInShape1d(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Conv1d(2, 4, 3), nn.Flatten(), nn.Linear(192, 2))


@mistake(
    8, torch.zeros(3, 16, 16),
    Wrong("structure", "conv", 4, 3, says=("takes 3×16×16 for one sample without a batch",),
          advice="model(x.unsqueeze(0)), or summarize(model, (3, 16, 16))"),
    mended=False,
)  # fmt: skip
class TensorWithoutBatch(nn.Module):
    """A convolution takes one sample without a batch, and the flatten then keeps the channels instead."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(784, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.fc(x.flatten(1))


@mistake(
    6, (100, 40),
    Wrong("in_channels", "conv", 32, 100, "return self.fc(self.conv(x).mean(2))",
          "return self.fc(self.conv(x.permute(0, 2, 1)).mean(2))",
          ("2×100×32: this looks like N,L,C (channels last)", "permuted it is 2×32×100")),
    Wrong("in_features", "fc", 10, 8, "self.fc = nn.Linear(10, 2)", "self.fc = nn.Linear(8, 2)"),
)  # fmt: skip
class RecurrentIntoConvolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 32, batch_first=True)
        self.conv = nn.Conv1d(32, 8, 3)
        self.fc = nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.lstm(x)
        return self.fc(self.conv(x).mean(2))
