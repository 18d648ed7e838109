"""Models whose code is annotated: the comments are written into copies of this file."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
import torch.utils.checkpoint
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


def unsqueezed(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    @functools.wraps(function)
    def changed(x: Tensor) -> Tensor:
        return function(x).unsqueeze(0)

    return changed


@unsqueezed
def decorated(x: Tensor) -> Tensor:
    return x.mean(1)


def early(x: Tensor, flag: bool) -> Tensor:
    if flag:
        return x
    x = x.flatten(1)
    return x  # noqa: RET504


def shorter(x: Tensor, times: int) -> Tensor:
    if times == 0:
        return x.sum(1)
    return shorter(x[:, :-1], times - 1)


def in_place(x: Tensor) -> Tensor:
    y = x * 2
    y.unsqueeze_(0)
    return y


def maybe(x: Tensor, flag: bool) -> Tensor | None:
    y = x.mean(1)
    if flag:
        return None
    return y


def parts(x: Tensor) -> Iterator[Tensor]:
    for start in range(3):
        yield x[:, start:]


class Several(nn.Module):
    """A module that returns a dict, which its caller takes apart."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 6)

    def forward(self, x: Tensor) -> Any:
        return {"wide": self.fc(x), "short": x.sum(-1)}


class Awkward(Several):
    """Lines whose value is easily mistaken for that of something inside them."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Several()
        self.heads = nn.ModuleDict({"p": nn.Linear(4, 3), "q": nn.Linear(4, 2)})
        self.act = F.relu
        self.fold = lambda x: x.flatten(1)

    @property
    def weight(self) -> Tensor:
        return self.fc.weight.T

    def forward(self, x: Tensor) -> Tensor:
        base = super().forward(x)
        d = decorated(x)
        e = early(x, True)
        for flag in (True, False):
            e = early(x, flag)
        s = shorter(x, 2)
        i = in_place(x)
        m = maybe(x, False)
        for flag in (True, False):
            m = maybe(x, flag)
        p = torch.stack([each.sum(1) for each in parts(x)])
        several = list(parts(x))
        wide = self.inner(x)["wide"]
        f = self.fold(x)
        w = x @ self.weight
        both = [self.heads[name](x) for name in ("p", "q")]
        total = sum([x.sum(1, keepdim=True), x])
        mapped = list(map(self.act, [x, x.sum(0)]))
        a = self.act(x)
        q = (z := x.sum(0)) + 1
        x2, x3 = x, x.mean(0)
        x2, x3 = x3, x2
        try:
            bad = x @ torch.ones(9, 9)
        except RuntimeError:
            bad = x.sum()
        cond = x if self.training else x.mean(0)
        value, index = x.max(1)
        first = x.split(2, 1)[0]
        left, right = x.mean(1), x.sum(2)
        one = x.sum(1); two = x.sum(2)  # noqa: E702  # fmt: skip
        grown = x.clone()
        grown.resize_(1)
        chained = self.fc(x).sum(
            1
        ).sum(0)  # fmt: skip
        checked = torch.utils.checkpoint.checkpoint(self.fold, x, use_reentrant=False)
        kept = (base, d, e, s, i, m, p, several, wide, f, w, both, total, mapped, a, q, z, x2, x3, bad, cond)
        return (kept, value, index, first, left, right, one, two, grown, chained, checked)[-1]
