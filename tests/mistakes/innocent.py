"""Models that are right and look like mistakes: nothing may be said about any of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Innocent(NamedTuple):
    """A model and what it is given."""

    build: Callable[[], nn.Module]
    given: Any


INNOCENT: list[Innocent] = []


def innocent(*given: Any) -> Callable[[type], type]:
    """Put a class on the list, once for every input."""

    def keep(model: type) -> type:
        INNOCENT.extend(Innocent(model, each) for each in given)
        return model

    return keep


@innocent((3, 16, 16))
class WindowAttention(nn.Module):
    """The windows become part of the batch, and come back."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 2, stride=2)
        self.qkv = nn.Linear(8, 24)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        windows = x.reshape(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        q, k, v = self.qkv(windows).chunk(3, dim=-1)
        y = torch.softmax(q @ k.transpose(-2, -1), dim=-1) @ v
        y = y.reshape(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h * w, c)
        return self.head(y.mean(1))


@innocent((6, 3, 16, 16))
class FramesAsSamples(nn.Module):
    """Time goes into the batch for the images, and comes back for the sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.frame = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(196, 8))
        self.time = nn.GRU(8, 6, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        n, t = x.shape[:2]
        features = self.frame(x.view(n * t, *x.shape[2:])).view(n, t, -1)
        return self.head(self.time(features)[0][:, -1])


@innocent((6, 3, 8, 8))
class FrameScores(nn.Module):
    """The frames stay apart up to the output: a score for each."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(192, 2)

    def forward(self, x: Tensor) -> Tensor:
        n, t = x.shape[:2]
        return self.head(x.reshape(n * t, -1)).view(n, t, 2)


@innocent((4, 3, 8, 8))
class FrameRows(nn.Module):
    """One row for each frame, and none comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(192, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(0, 1).flatten(1))


@innocent((3, 16, 16))
class PatchRows(nn.Module):
    """Every patch is a sample of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(48, 6)

    def forward(self, x: Tensor) -> Tensor:
        patches = x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5)
        return self.head(patches.reshape(-1, 48))


@innocent([(5, 12), (5, 12)])
class SequenceFirst(nn.Module):
    """(L, N, C): the first axis is no batch."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 3)
        self.lstm = nn.LSTM(12, 7)
        self.head = nn.Linear(7, 4)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        x = x + self.attention(x, memory, memory)[0]
        return self.head(self.lstm(x)[0][-1])


@innocent((9,))
class LanguageModel(nn.Module):
    """Tokens become rows of logits, as the loss wants them."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.lstm = nn.LSTM(8, 8, batch_first=True)
        self.decoder = nn.Linear(8, 20)

    def forward(self, tokens: Tensor) -> Tensor:
        x, _ = self.lstm(self.embedding(tokens))
        return self.decoder(x).view(-1, 20)


@innocent((9, 6))
class TokenRows(nn.Module):
    """Tokens become rows before the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 8, batch_first=True)
        self.decoder = nn.Linear(8, 20)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.lstm(x)
        return self.decoder(x.reshape(-1, x.size(2)))


@innocent((9, 6))
class TokenByToken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 6))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


@innocent((4, 12, 12))
class ConvNeXtBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(4, 4, 7, padding=3, groups=4)
        self.norm = nn.LayerNorm(4)
        self.widen = nn.Linear(4, 16)
        self.narrow = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + self.narrow(F.gelu(self.widen(y))).permute(0, 3, 1, 2)


@innocent((4, 12, 12), (12, 12, 12))
class PixelRows(nn.Module):
    """A Linear over the channels of every pixel; rows of pixels are the output."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.LazyConv2d(12, 3, padding=1)
        self.classes = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.conv(x).permute(0, 2, 3, 1).reshape(-1, 12))


@innocent((2, 6, 10))
class FrequencyBlock(nn.Module):
    """A Linear over the frequencies of a spectrogram, between convolutions: nothing there is to be flattened."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.over = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 10))
        self.last = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(x + self.over(x))


@innocent((2, 6, 10))
class FrequencyMask(nn.Module):
    """A mask of the size of the input, from a Linear over the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.mask = nn.Linear(10, 10)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.mask(self.conv(x)))


@innocent((3, 24))
class Forecast(nn.Module):
    """A Linear over time, channel by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.smooth = nn.AvgPool1d(5, stride=1, padding=2)
        self.trend = nn.Linear(24, 8)
        self.rest = nn.Linear(24, 8)

    def forward(self, x: Tensor) -> Tensor:
        smooth = self.smooth(x)
        return self.trend(smooth) + self.rest(x - smooth)


@innocent((3, 24))
class ChannelIndependent(nn.Module):
    """Every channel is a sample of its own, and comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 3, 5, padding=2)
        self.head = nn.Linear(24, 8)

    def forward(self, x: Tensor) -> Tensor:
        n, c, length = x.shape
        return self.head(self.conv(x).view(n * c, length)).view(n, c, 8)


@innocent(torch.zeros(3, 12, 12), torch.zeros(4, 12, 12)[:3])
class OneObservation(nn.Module):
    """A policy on one observation, without a batch from the first layer to the last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, stride=2)
        self.head = nn.Linear(75, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).flatten())


@innocent(torch.zeros(3, 12, 12))
class OneObservationAsRow(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, stride=2)
        self.head = nn.Linear(75, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).view(1, -1))


@innocent([torch.zeros(2, 3, 16, 16)], (3, 16, 16))
class Detector(nn.Module):
    """Boxes in any number are rows of their own, whatever the batch is."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.scores = nn.Conv2d(8, 2, 1)
        self.head = nn.Sequential(nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 4))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.backbone(x)
        crops = torch.cat([features[:, :, row : row + 4, :4] for row in range(3)])
        scores = self.scores(features).permute(0, 2, 3, 1).reshape(-1, 2)
        return {"boxes": self.head(crops.flatten(1)), "scores": scores}


@innocent((8,))
class Generator(nn.Module):
    """From a vector to an image: a view into more dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 64)
        self.up = nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.fc(x).view(-1, 4, 4, 4))


@innocent((3, 32, 32))
class TwoViews(nn.Module):
    """Two crops of every image go through as one batch: the output has twice the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(128, 16))

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(torch.cat([x[:, :, :16, :16], x[:, :, 16:, 16:]]))


@innocent((3, 32, 32))
class MixtureOfExperts(nn.Module):
    """Tokens are gathered by the expert that takes them, and put back."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 8, stride=8)
        self.experts = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        rows = tokens.reshape(-1, 8)
        mixed = torch.cat([self.experts[0](rows[::2]), self.experts[1](rows[1::2])])
        return mixed.view(tokens.shape).mean(1)


@innocent((1, 8, 8))
class PooledLinear(nn.Module):
    """1 × 1 feature maps: squeezed, not flattened."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3)
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.adaptive_avg_pool2d(self.conv(x), 1).squeeze(-1).squeeze(-1))


@innocent((2, 16, 16))
class FourierLayer(nn.Module):
    """Complex weights come first, and what the model takes is real."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(4, 4, 5, 5, dtype=torch.complex64))
        self.lift = nn.Linear(2, 4)
        self.project = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lift(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        waves = torch.fft.rfft2(x)
        kept = torch.zeros_like(waves)
        kept[:, :, :5, :5] = torch.einsum("bixy,ioxy->boxy", waves[:, :, :5, :5], self.weight)
        return self.project(torch.fft.irfft2(kept, s=(16, 16)).permute(0, 2, 3, 1))


@innocent((3, 16, 16))
class PixelsAsRows(nn.Module):
    """A class for every pixel, and the loss wants them as rows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).permute(0, 2, 3, 1).contiguous().view(-1, 8))


@innocent((3, 32, 32))
class PatchesAsRows(nn.Module):
    """Patches are rows and stay rows."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 64, 4)

    def forward(self, x: Tensor) -> Tensor:
        patches = x.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5)
        return self.fc(patches.reshape(-1, 192))


@innocent((5, 3, 16, 16))
class EveryFrame(nn.Module):
    """An answer for every frame: the rows stay frames."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.fc = nn.Linear(256, 2)

    def forward(self, x: Tensor) -> Tensor:
        n, t, c, h, w = x.shape
        return self.fc(self.conv(x.view(n * t, c, h, w)).view(n * t, -1))


@innocent((7, 6))
class WordModel(nn.Module):
    """Sequence first, and every step a row for the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(6, 8)
        self.decoder = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        output, hidden = self.rnn(x)
        return self.decoder(output.view(-1, 8)), hidden


@innocent((3, 16, 16))
class KernelsOfEachSample(nn.Module):
    """The batch goes into the groups of a convolution, and comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.make = nn.Linear(3, 27)
        self.fc = nn.Linear(256, 3)

    def forward(self, x: Tensor) -> Tensor:
        n = x.size(0)
        weight = self.make(x.mean((2, 3))).view(n, 3, 3, 3)
        y = F.conv2d(x.reshape(1, n * 3, 16, 16), weight, padding=1, groups=n)
        return self.fc(y.view(n, -1))


@innocent((3, 16, 16))
class OneByOne(nn.Module):
    """Samples of a batch in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.fc = nn.Linear(256, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.fc(self.conv(one.unsqueeze(0)).view(-1)) for one in x])


@innocent((3, 24, 24))
class SpatialSoftmax(nn.Module):
    """Every channel a row for the softmax, then its center."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 5, stride=2)
        self.fc = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        n, c, h, w = x.shape
        mass = F.softmax(x.view(n * c, h * w), dim=1).view(n, c, h, w)
        across = (mass.sum(2) * torch.linspace(-1, 1, w)).sum(-1)
        down = (mass.sum(3) * torch.linspace(-1, 1, h)).sum(-1)
        return self.fc(torch.cat([across, down], dim=1))
