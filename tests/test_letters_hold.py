"""What is said of letters holds at every size that is tried: real runs of PyTorch decide, one size after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from convlin.records import Accepts


class Calls(nn.Module):
    """A model that is one function."""

    def __init__(self, call: Callable[[Tensor], Any], **held: Any) -> None:
        super().__init__()
        self.call = call
        for name, value in held.items():
            setattr(self, name, value)

    def forward(self, x: Tensor) -> Any:
        return self.call(x)


def taken(model: nn.Module, shape: Sequence[Any], sizes: Sequence[int], **options: Any) -> list[int]:
    """Of ``sizes``, given to every letter at once, those at which PyTorch runs the model to the end."""
    found = []
    for size in sizes:
        given = torch.zeros(1, *(size if isinstance(axis, str) else axis for axis in shape), **options)
        try:
            with torch.no_grad():
                model(given)
        except (RuntimeError, IndexError, ValueError):
            continue
        found.append(size)
    return found


def said(accepts: Accepts | None, sizes: Sequence[int]) -> list[int]:
    """Of ``sizes`` those that are told to be taken."""
    assert accepts is not None
    assert accepts.verified
    return [size for size in sizes if all(size in each for each in accepts.sizes)]


# Tables that an index may reach beyond: neither a shape nor the meta device tells of that


class Positions(nn.Module):
    """Words and positions behind a stride, which are looked up in a table."""

    def __init__(self, rows: int, stride: int = 1) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(50, 8), nn.Embedding(rows, 8)
        self.stride = stride

    def forward(self, words: Tensor) -> Tensor:
        found = F.max_pool1d(self.words(words).transpose(1, 2), self.stride).transpose(1, 2)
        return found + self.positions(torch.arange(found.shape[1], device=words.device))


class RelativeBias(nn.Module):
    """A bias for every distance, out of a table."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.table, self.way = nn.Parameter(torch.zeros(31, 1)), way

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device)
        distances = (places[:, None] - places[None] + 15).clamp(min=-20)
        if self.way == "index_select":
            bias = self.table.index_select(0, distances.flatten()).view_as(distances)
        elif self.way == "gather":
            bias = torch.gather(self.table[:, 0], 0, distances.flatten().clamp(min=0)).view_as(distances)
        else:
            bias = self.table[distances][..., 0]
        return bias @ x


TABLES: dict[str, tuple[Callable[[], nn.Module], tuple[Any, ...]]] = {
    "embedding": (lambda: Positions(64), ("L",)),
    "embedding of one row": (lambda: Positions(1), ("L",)),
    "behind a stride": (lambda: Positions(20, 4), ("L",)),
    "index": (lambda: RelativeBias("index"), ("L", 4)),
    "index_select": (lambda: RelativeBias("index_select"), ("L", 4)),
    "gather": (lambda: RelativeBias("gather"), ("L", 4)),
    "a list in Python": (
        lambda: Calls(lambda x: x * [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0][x.shape[1] // 3]),
        ("L",),
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_table_ends_a_range(case: str) -> None:
    make, shape = TABLES[case]
    model, sizes = make().eval(), range(1, 140)
    options = {"dtype": torch.long} if isinstance(model, Positions) else {}
    assert said(summarize(model, shape).accepts, sizes) == taken(model, shape, sizes, **options)


def test_a_table_that_is_too_dear_to_reach_beyond_leaves_no_answer() -> None:
    model = nn.Sequential(nn.Linear(4, 64), Calls(lambda x: x[..., None].expand(-1, -1, -1, 64).exp().sum(-1)))
    table = nn.Embedding(1 << 20, 2)
    whole = Calls(lambda x: (model(x), table(torch.arange(x.shape[1]))), model=model, table=table)
    assert summarize(whole, ("L", 4)).accepts is None


# A size of 1 stretches to any other: that is no size that the model is for


class Patches(nn.Module):
    """Patches of an image with positions for a number of them."""

    def __init__(self, count: int, *, first: bool = True, pooled: bool = False) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 4, 16, 16)
        self.positions = nn.Parameter(torch.zeros(1, count, 4))
        self.first, self.pooled = first, pooled

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.positions if self.first else self.positions + x
        return x.mean(1) if self.pooled else x


STRETCHED: dict[str, tuple[Callable[[], nn.Module], tuple[Any, ...], str]] = {
    "positions": (lambda: Patches(196), (3, "H", "W"), "H, W from 224 to 239"),
    "positions first": (lambda: Patches(196, first=False), (3, "H", "W"), "H, W from 224 to 239"),
    "pooled": (lambda: Patches(196, first=False, pooled=True), (3, "H", "W"), "H, W from 224 to 239"),
    "a gate": (lambda: Calls(lambda x: x * torch.zeros(28, 28)), (2, "H", "W"), "H, W exactly 28"),
    "a mask": (lambda: Calls(lambda x: x.masked_fill(torch.zeros(9, 9) > 0, 0)), (2, "H", 9), "H exactly 9"),
    "a vector": (lambda: Calls(lambda x: x + torch.zeros(64)), (2, "L"), "L exactly 64"),
    "1 at all sizes": (lambda: Calls(lambda x: x * x.mean((2, 3), keepdim=True)), (2, "H", "W"), "H, W any"),
    "two of the same size": (lambda: Calls(lambda x: x[:, :1] * x.relu()), (2, "H", "W"), "H, W any"),
}  # fmt: skip


@pytest.mark.parametrize("case", STRETCHED)
def test_what_fits_only_because_1_stretches_is_no_answer(case: str) -> None:
    make, shape, text = STRETCHED[case]
    model = make().eval()
    accepts = summarize(model, shape).accepts
    assert accepts is not None
    assert (accepts.text, accepts.verified) == (text, True)
    there = [size for size in range(min(200, accepts.sizes[0].minimum), 300) if size in accepts.sizes[0]]
    near = sorted({*there, *(size + step for size in there for step in (-1, 1))} - {0, 1, 300})
    assert taken(model, shape, near) == [size for size in there if size in near]
