"""Draw networks: a CNN with a wrong number in it, a U-Net, a transformer.

Writes each as SVG, light and dark, into a folder:

    python examples/draw_network.py pictures
"""

import sys
from pathlib import Path

import torch
from cifar10 import CNN
from torch import nn

from convlin import Summary, summarize


class DoubleConv(nn.Sequential):
    """Two convolutions, each with its normalization."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
        )  # fmt: skip


class UNet(nn.Module):
    """Down and up again, with a long line at every height."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        channels = (3, *widths)
        self.downs = nn.ModuleList([DoubleConv(channels[i], width) for i, width in enumerate(widths)])
        self.pool = nn.MaxPool2d(2)
        self.middle = DoubleConv(widths[-1], 2 * widths[-1])
        self.ups = nn.ModuleList([nn.ConvTranspose2d(2 * width, width, 2, 2) for width in reversed(widths)])
        self.joined = nn.ModuleList([DoubleConv(2 * width, width) for width in reversed(widths)])
        self.out = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for down in self.downs:
            x = down(x)
            kept.append(x)
            x = self.pool(x)
        x = self.middle(x)
        for up, joined in zip(self.ups, self.joined, strict=True):
            x = joined(torch.cat([kept.pop(), up(x)], dim=1))
        return self.out(x)


class TextClassifier(nn.Module):
    """Six layers of a transformer, drawn as one."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(1000, 64)
        layer = nn.TransformerEncoderLayer(64, nhead=4, dim_feedforward=256, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=6)
        self.head = nn.Linear(64, 5)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.embed(tokens)).mean(dim=1))


def summaries() -> dict[str, Summary]:
    """The networks that are drawn, by the names of their files."""
    return {
        "cifar10": summarize(CNN(in_features=2304), (3, 32, 32)),
        "unet": summarize(UNet(), (3, 64, 64)),
        "transformer": summarize(TextClassifier(), (32,), dtypes=torch.long),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    folder.mkdir(parents=True, exist_ok=True)
    for name, summary in summaries().items():
        for theme in ("light", "dark"):
            path = folder / f"{name}-{theme}.svg"
            path.write_text(summary.to_svg(theme=theme), encoding="utf-8")
            print(path)
