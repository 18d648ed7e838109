"""Models whose code is annotated: the comments are written into copies of this file."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DoubleConv(nn.Module):
    """Two convolutions that keep the size."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv1(x)))
        return F.relu(self.conv2(x))


class UNet(nn.Module):
    """Down, up, and the skips between them."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([DoubleConv(3, 4), DoubleConv(4, 8)])
        self.bottom = DoubleConv(8, 16)
        self.up = nn.ModuleList([nn.ConvTranspose2d(16, 8, 2, 2), nn.ConvTranspose2d(8, 4, 2, 2)])
        self.merge = nn.ModuleList([DoubleConv(16, 8), DoubleConv(8, 4)])
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottom(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            x = up(x)  # back to the size of the skip
            x = merge(torch.cat([skip, x], dim=1))
        return self.head(x)


def split_heads(x: Tensor, heads: int) -> Tensor:
    batch, length, features = x.shape
    x = x.view(batch, length, heads, features // heads)
    return x.transpose(1, 2)


class Attention(nn.Module):
    """Heads made by a function of this file."""

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(features, 3 * features)
        self.out = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = split_heads(q, self.heads), split_heads(k, self.heads), split_heads(v, self.heads)
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
        weights = self.dropped(scores.softmax(-1))
        x = (weights @ v).transpose(1, 2).flatten(2)
        return self.out(x)

    def dropped(self, weights: Tensor) -> Tensor:
        return F.dropout(weights, 0.1, self.training)


class Transformer(nn.Module):
    """Tokens, positions, blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(50, 12)
        self.positions = nn.Embedding(64, 12)
        self.attention = nn.ModuleList(Attention(12, 3) for _ in range(2))
        self.mlp = nn.Sequential(nn.Linear(12, 24), nn.GELU(), nn.Linear(24, 12))
        self.norm = nn.LayerNorm(12)
        self.head = nn.Linear(12, 50)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        places = torch.arange(ids.size(1), device=ids.device)
        x = self.tokens(ids) + self.positions(places)
        for attention in self.attention:
            x = x + attention(self.norm(x))
            x += self.mlp(x)
        return self.head(x), x.mean(1)


class Branches(nn.Module):
    """Branches, a loop that grows, several tensors, a statement over several lines."""

    def __init__(self, deep: bool = False) -> None:
        super().__init__()
        self.deep = deep
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.extra = nn.Conv2d(4, 4, 3, padding=1)
        self.other = nn.Conv2d(4, 4, 1)
        self.rnn = nn.LSTM(4, 5, batch_first=True)
        self.layers = nn.ModuleList(nn.Conv2d(width, width + 1, 1) for width in range(4, 7))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = self.stem(x)
        if self.deep:
            x = self.extra(x)
        else:
            x = self.other(x)
            x = F.relu(x)
        y = self.extra(x) if self.deep else self.other(x)
        kept = []
        grown = x
        for layer in self.layers:
            grown = layer(grown)
            kept.append(F.adaptive_avg_pool2d(grown, 1).flatten(1))
        maps = [F.max_pool2d(each, 2) for each in (x, y)]
        out, (hidden, _) = self.rnn(y.flatten(2).transpose(1, 2))
        last = out[:, -1]
        joined = torch.cat(
            [last, hidden[-1], *kept],
            dim=1,
        )
        return joined, maps
