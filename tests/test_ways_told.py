"""What makes tensors go together that PyTorch refused: each way that is told is taken, and PyTorch asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from convlin.at_error.answer import answer, answer_to


class Run(nn.Module):
    """Runs a function of its inputs, behind a layer that keeps the first."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function, self.first = function, nn.Identity()

    def forward(self, *tensors: Tensor) -> Tensor:
        return self.function(self.first(tensors[0]), *tensors[1:])


def told(function: Callable[..., Tensor], *tensors: Any) -> str:
    with pytest.raises((RuntimeError, ValueError, NotImplementedError)):
        function(*tensors)
    problems = summarize(Run(function), list(tensors)).problems
    return " ".join(" ".join(problem.message for problem in problems).split())


SPACES = [(4, 8, 1, 1), (4, 8, 3, 3), (4, 2, 10), (4, 5, 6, 7, 2)]


@pytest.mark.parametrize("shape", SPACES)
@pytest.mark.parametrize("dim", [1, -1])
def test_maps_are_joined_with_features_as_features(shape: tuple[int, ...], dim: int) -> None:
    one, other = torch.zeros(shape), torch.zeros(4, 16)
    message = told(lambda a, b: torch.cat([a, b], dim), one, other)
    made = torch.cat([one.flatten(1), other], dim)
    assert f"flatten(1) makes 4×{made.shape[1] - 16} of {'×'.join(map(str, shape))}" in message


def test_maps_joined_along_the_batch_are_not_flattened() -> None:
    assert "flatten" not in told(lambda a, b: torch.cat([a, b], 0), torch.zeros(4, 8, 1, 1), torch.zeros(4, 16))
    assert "flatten" not in told(lambda a, b: torch.cat([a, b], 1), torch.zeros(4, 8, 1, 1), torch.zeros(3, 16))


EXCHANGED = [
    ((2, 48, 64), (1, 64, 48), (1, 2)),
    ((2, 8, 5, 7), (2, 8, 7, 5), (2, 3)),
    ((2, 3, 8, 5), (2, 5, 8, 3), (1, 3)),
]


@pytest.mark.parametrize(("one", "other", "axes"), EXCHANGED)
def test_two_axes_that_are_to_be_exchanged_are_named(
    one: tuple[int, ...], other: tuple[int, ...], axes: tuple[int, int]
) -> None:
    first, second = torch.zeros(one), torch.zeros(other)
    message = told(torch.add, first, second)
    made = first.transpose(*axes)
    torch.add(made, second)
    assert f".transpose{axes} of the first makes it {'×'.join(map(str, made.shape))}" in message


@pytest.mark.parametrize("shapes", [((2, 5, 6), (2, 6, 7)), ((3, 2, 4), (2, 3, 4)), ((2, 4, 5, 6), (2, 5, 6, 4))])
def test_no_two_axes_are_named_where_exchanged_they_do_not_fit(shapes: tuple[tuple[int, ...], ...]) -> None:
    assert "transpose" not in told(torch.add, *map(torch.zeros, shapes))


@pytest.mark.parametrize(("shape", "dim"), [((32, 2), 1), ((32, 2), -1), ((4, 5, 6), 2), ((4, 5, 6), 1)])
def test_an_index_without_the_axis_that_is_gathered_from(shape: tuple[int, ...], dim: int) -> None:
    axis = dim % len(shape)
    values, index = torch.zeros(shape), torch.zeros(shape[:axis] + shape[axis + 1 :], dtype=torch.long)
    message = told(lambda a, b: a.gather(dim, b), values, index)
    made = values.gather(dim, index.unsqueeze(axis))
    assert f"unsqueeze({axis}) makes it {'×'.join(map(str, made.shape))}" in message


MODES = [
    ("bilinear", (1, 8, 98), "linear"),
    ("trilinear", (1, 8, 9, 9), "bilinear"),
    ("linear", (1, 2, 4, 4, 4), "trilinear"),
]


@pytest.mark.parametrize(("mode", "shape", "right"), MODES)
def test_a_mode_of_other_dimensions(mode: str, shape: tuple[int, ...], right: str) -> None:
    given, layer = torch.zeros(shape), {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[len(shape)](shape[1], 4, 1)
    for model in (
        nn.Sequential(layer, Run(lambda x: F.interpolate(x, scale_factor=2, mode=mode))),
        nn.Sequential(layer, nn.Upsample(scale_factor=2, mode=mode)),
    ):
        with pytest.raises(NotImplementedError):
            model(given)
        assert f'it is mode="{right}"' in " ".join(summarize(model, given).problems[0].message.split())
    assert F.interpolate(layer(given), scale_factor=2, mode=right).dim() == given.dim()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_an_array_is_made_a_tensor_of_the_right_dtype(dtype: type) -> None:
    layer = nn.Linear(8, 4)
    array: Any = np.zeros((2, 8), dtype)
    with pytest.raises(TypeError) as raised:
        layer(array)
    found = answer_to(raised.value)
    assert found is not None
    assert found.summary is not None
    [problem] = found.summary.problems
    made = eval(str(problem.fix).removeprefix("x = "), {"torch": torch, "x": array})
    assert layer(made).shape == (2, 4)


class Masked(nn.Module):
    def __init__(self, name: str, *, batch_first: bool) -> None:
        super().__init__()
        self.name, self.att = name, nn.MultiheadAttention(32, 4, batch_first=batch_first)

    def forward(self, x: Tensor) -> Tensor:
        count = x.shape[:2] if self.att.batch_first else x.shape[:2][::-1]
        return self.att(x, x, x, **{self.name: torch.zeros(count, dtype=torch.bool)})[0]


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_mask_of_samples_is_one_of_padding(batch_first: bool) -> None:
    model, x = (
        Masked("attn_mask", batch_first=batch_first),
        torch.zeros(4, 9, 32) if batch_first else torch.zeros(9, 4, 32),
    )
    with pytest.raises(RuntimeError) as raised:
        model(x)
    assert "key_padding_mask" in str(answer(raised.value))
    [problem] = summarize(model, x).problems
    assert (problem.declared, problem.required) == ((9, 9), (4, 9))
    assert "it is a key_padding_mask" in problem.message
    assert not summarize(Masked("key_padding_mask", batch_first=batch_first), x).problems


def test_a_mask_of_other_sizes_is_none_of_padding() -> None:
    layer = nn.MultiheadAttention(32, 4, batch_first=True)
    model = Run(lambda x: layer(x, x, x, attn_mask=torch.zeros(5, 9, dtype=torch.bool))[0])
    problems = summarize(model, torch.zeros(4, 9, 32)).problems
    assert problems
    assert "key_padding_mask" not in " ".join(str(problem) for problem in problems)


class Mixed(nn.Module):
    """Mixes the steps of a sequence, and does not turn the result back."""

    def __init__(self, *, turned: bool) -> None:
        super().__init__()
        self.mix, self.head, self.turned = nn.Linear(6, 6), nn.Linear(10, 3), turned

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.mix(x.transpose(1, 2))
        made: Tensor = self.head(x + (mixed.transpose(1, 2) if self.turned else mixed))
        return made


def test_what_was_made_of_the_other_is_turned() -> None:
    x = torch.zeros(2, 6, 10)
    with pytest.raises(RuntimeError):
        Mixed(turned=False)(x)
    (problem,) = summarize(Mixed(turned=False), x).problems
    assert ".transpose(1, 2) of the second makes it 2×6×10" in problem.message
    assert Mixed(turned=True)(x).shape == (2, 6, 3)
