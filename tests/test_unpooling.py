"""Unpooling without ``output_size``: what most inputs are refused at, which a dummy input may pass.

The oracle is PyTorch with random numbers: the indices of those lie anywhere in their windows.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize


class Functions(nn.Module):
    """Two levels of a SegNet."""

    def __init__(self, *sizes: tuple[int, ...] | None) -> None:
        super().__init__()
        self.down, self.deep, self.up = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)
        self.sizes = (*sizes, None, None)[:2]

    def forward(self, x: Tensor) -> Tensor:
        x, first = F.max_pool2d(self.down(x), 2, return_indices=True)
        x, second = F.max_pool2d(self.deep(x), 2, return_indices=True)
        x = F.max_unpool2d(x, second, (2, 2), output_size=self.sizes[0])
        return self.up(F.max_unpool2d(x, first, (2, 2), output_size=self.sizes[1]))


class Layers(nn.Module):
    """Pooled by 3 with a stride of 2, as at the start of a ResNet."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 1)
        self.pool, self.back = nn.MaxPool2d(3, 2, return_indices=True), nn.MaxUnpool2d(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x, indices = self.pool(self.down(x))
        return self.up(self.back(x, indices))


class Signal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv1d(1, 4, 3), nn.Conv1d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, indices = F.max_pool1d(self.down(x), 2, return_indices=True)
        return self.up(F.max_unpool1d(x, indices, (2,)))


class Row(nn.Module):
    """A signal as an image of one row: its end may be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, indices = F.max_pool2d(self.down(x), (1, 2), return_indices=True)
        return self.up(F.max_unpool2d(x, indices, (1, 2)))


class Volume(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv3d(1, 4, 1), nn.Conv3d(4, 2, 1)
        self.pool, self.back = nn.MaxPool3d(2, return_indices=True), nn.MaxUnpool3d(2)

    def forward(self, x: Tensor) -> Tensor:
        x, indices = self.pool(self.down(x))
        return self.up(self.back(x, indices))


def takes(model: nn.Module, *sizes: int) -> bool:
    """Whether PyTorch takes random numbers of these sizes, ten times over."""
    torch.manual_seed(0)
    with torch.no_grad():
        try:
            for _ in range(10):
                model(torch.randn(1, 1, *sizes))
        except RuntimeError:
            return False
    return True


CASES: dict[str, tuple[type[nn.Module], tuple[str | int, ...], range]] = {
    "functions": (Functions, ("H", "W"), range(3, 23)),
    "layers": (Layers, ("H", "W"), range(2, 18)),
    "a signal": (Signal, ("L",), range(2, 40)),
    "a row": (Row, (1, "W"), range(1, 20)),
    "a volume": (Volume, (6, "H", "W"), range(2, 12)),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_ok_where_pytorch_takes_random_numbers(case: str) -> None:
    make, shape, tried = CASES[case]
    letters = [size for size in shape if isinstance(size, str)]
    model = make()
    for sizes in product(list(tried)[::3] if len(letters) > 1 else tried, repeat=len(letters)):
        given = iter(sizes)
        numbers = tuple(next(given) if isinstance(size, str) else size for size in shape)
        assert summarize(model, (1, *numbers)).ok == takes(model, *numbers), numbers


@pytest.mark.parametrize("case", CASES)
def test_the_range_in_letters_is_what_pytorch_takes(case: str) -> None:
    make, shape, tried = CASES[case]
    model = make()
    accepts = summarize(model, (1, *shape)).accepts
    assert accepts is not None
    assert accepts.verified
    names = [each.name for each in accepts.sizes]
    for sizes in product(tried, repeat=len(names)):
        given = dict(zip(names, sizes, strict=True))
        numbers = [given[size] if isinstance(size, str) else size for size in shape]
        inside = all(given[each.name] in each for each in accepts.sizes)
        assert inside == takes(model, *numbers), numbers


@pytest.mark.parametrize("size", [(17, 17), (18, 18), (19, 16), (21, 23)])
def test_the_size_to_pass_is_named_until_the_model_runs(size: tuple[int, int]) -> None:
    sizes: list[tuple[int, ...] | None] = [None, None]
    told: list[str] = []
    while not (summary := summarize(Functions(*sizes), (1, *size))).ok:
        [problem] = summary.problems
        assert problem.fix is not None
        told.append(problem.fix)
        found = re.match(
            r"pass output_size=\((\d+), (\d+)\), the size that F.max_pool2d_with_indices was given", problem.fix
        )
        assert found is not None
        assert problem.where is not None
        first = problem.where.line == Functions.forward.__code__.co_firstlineno + 3
        sizes[0 if first else 1] = (int(found[1]), int(found[2]))
        assert len(told) < 3
    assert told
    assert takes(Functions(*sizes), *size)


def test_a_tensor_that_pytorch_takes_is_not_refused() -> None:
    """Zeros are the user's own here, and run."""
    model, given = Layers(), torch.zeros(1, 1, 8, 8)
    model(given)
    assert summarize(model, given).ok
    assert not summarize(model, (1, 8, 8)).ok


def test_the_size_of_one_sample_without_a_batch() -> None:
    torch.manual_seed(1)
    given = torch.randn(1, 9, 9)
    with pytest.raises(RuntimeError, match="index"):
        Volumeless()(given)
    [problem] = summarize(Volumeless(), given).problems
    assert problem.fix == "pass output_size=(9, 9), the size that F.max_pool2d_with_indices was given"


class Volumeless(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 4, 1)

    def forward(self, x: Tensor) -> Any:
        x, indices = F.max_pool2d(self.down(x), 2, return_indices=True)
        return F.max_unpool2d(x, indices, (2, 2))


def test_what_no_input_is_refused_at_is_ok() -> None:
    """The last index is 15·19 + 15 = 300, and 304 elements are made."""

    class Cut(nn.Module):
        def forward(self, x: Tensor) -> Any:
            x, indices = F.max_pool2d(x, 4, return_indices=True)
            return F.max_unpool2d(x, indices, (4, 4), output_size=(19, 16))

    assert takes(Cut(), 19, 19)
    assert summarize(Cut(), (1, 19, 19)).ok
