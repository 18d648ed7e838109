"""Lazy layers that loaded their weights: PyTorch leaves 0 channels on them, and its weights say how many there are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convlin import summarize

LAYERS: list[tuple[nn.Module, nn.Module, tuple[int, ...]]] = [
    (nn.LazyConv2d(4, 3), nn.Conv2d(6, 4, 3), (9, 9)),
    (nn.LazyConv1d(4, 3, groups=2), nn.Conv1d(6, 4, 3, groups=2), (9,)),
    (nn.LazyConvTranspose1d(4, 3), nn.ConvTranspose1d(6, 4, 3), (9,)),
    (nn.LazyConvTranspose2d(4, 3, groups=2), nn.ConvTranspose2d(6, 4, 3, groups=2), (9, 9)),
    (nn.LazyBatchNorm2d(), nn.BatchNorm2d(6), (9, 9)),
    (nn.LazyBatchNorm1d(affine=False), nn.BatchNorm1d(6, affine=False), (9,)),
]


@pytest.mark.filterwarnings("ignore:Lazy modules")
@pytest.mark.parametrize(("lazy", "plain", "sizes"), LAYERS, ids=lambda each: type(each).__name__)
def test_a_lazy_layer_that_loaded_its_weights(lazy: nn.Module, plain: nn.Module, sizes: tuple[int, ...]) -> None:
    lazy.load_state_dict(plain.state_dict())
    model, letters = nn.Sequential(lazy).eval(), ("H", "W")[: len(sizes)]
    made = tuple(model(torch.zeros(1, 6, *sizes)).shape)
    assert summarize(model, (6, *sizes)).output_shape == made
    by_letters = summarize(model, (6, *letters))
    assert by_letters.ok
    assert by_letters.accepts is not None
    with pytest.raises((RuntimeError, ValueError)):
        model(torch.zeros(1, 8, *sizes))
    (problem,) = summarize(model, (8, *sizes)).problems
    assert (problem.declared, problem.required) == (6, 8)


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_a_lazy_instance_norm_that_loaded_its_weights_runs_on_nothing() -> None:
    lazy = nn.LazyInstanceNorm1d()
    lazy.load_state_dict(nn.InstanceNorm1d(6, affine=True, track_running_stats=True).state_dict())
    with pytest.raises(ValueError, match=r"to match num_features \(0\)"):
        lazy(torch.zeros(1, 6, 9))
    assert not summarize(nn.Sequential(lazy), (6, 9)).ok
