"""Layers that are PyTorch's by class and have a ``forward`` of their own, as those of timm: a new layer runs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convlin import fit, summarize
from convlin.records import Evidence


class NormAct(nn.BatchNorm2d):
    """A norm with an activation inside."""

    def __init__(self, channels: int, *, affine: bool = True) -> None:
        super().__init__(channels, affine=affine)
        self.drop, self.act = nn.Identity(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training)
        return self.act(self.drop(x))


class LayerNormAct(nn.LayerNorm):
    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return self.act(x.permute(0, 3, 1, 2))


class GroupNorm(nn.GroupNorm):
    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class GroupNormAct(GroupNorm):
    def __init__(self, groups: int, channels: int) -> None:
        super().__init__(groups, channels)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(super().forward(x))


class SameConv(nn.Conv2d):
    """A convolution that pads its input itself."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1)), self.weight, self.bias, groups=self.groups)


def stopped(layer: nn.Module) -> nn.Sequential:
    """A layer behind 8 channels, which PyTorch refuses."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3), layer)
    with pytest.raises((RuntimeError, ValueError)):
        model.eval()(torch.zeros(1, 3, 8, 8))
    return model


@pytest.mark.parametrize(
    ("layer", "changes"),
    [
        (NormAct(16), {"num_features": "8"}),
        (NormAct(16, affine=False), {"num_features": "8"}),
        (LayerNormAct(16), {"normalized_shape": "8"}),
        (GroupNormAct(4, 16), {"num_channels": "8"}),
        (GroupNormAct(3, 15), {"num_channels": "8", "num_groups": "2"}),
        (GroupNorm(3, 15), {"num_channels": "8", "num_groups": "2"}),
        (SameConv(15, 9, 3, groups=3), {"in_channels": "8", "groups": "1"}),
        (SameConv(16, 32, 3, groups=16), {"in_channels": "8", "out_channels": "16", "groups": "8"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_the_layer_is_to_be_given(layer: nn.Module, changes: dict[str, str]) -> None:
    model = stopped(layer)
    (problem,) = summarize(model, (3, 8, 8)).problems
    assert (problem.path, problem.changes, problem.evidence) == ("1", changes, Evidence.RUN)
    fit(model, (3, 8, 8)).eval()(torch.zeros(2, 3, 8, 8))


def test_a_moved_axis_is_told_as_it_is_normalized() -> None:
    (problem,) = summarize(stopped(LayerNormAct(16)), (3, 8, 8)).problems
    assert problem.message == "LayerNormAct((16,), …) normalizes over 16, and 1×6×6×8 ends in 8"


def test_each_channel_by_itself_gives_as_many_as_it_gets() -> None:
    layers = nn.Conv2d(3, 8, 3), SameConv(16, 16, 3, groups=16), nn.Conv2d(16, 4, 1)
    with pytest.raises(RuntimeError):
        nn.Sequential(*layers)(torch.zeros(1, 3, 8, 8))
    (problem,) = summarize(nn.Sequential(*layers), (3, 8, 8)).problems
    assert (problem.path, problem.changes) == ("0", {"out_channels": "16"})  # which leaves the two others right
    nn.Sequential(nn.Conv2d(3, 16, 3), *layers[1:])(torch.zeros(1, 3, 8, 8))


def test_a_norm_of_weights_that_another_module_holds() -> None:
    class Borrowing(nn.BatchNorm2d):
        def __init__(self, other: nn.BatchNorm2d) -> None:
            super().__init__(8, affine=False, track_running_stats=False)
            self.other = other

        def forward(self, x: Tensor) -> Tensor:
            return F.batch_norm(x, self.other.running_mean, self.other.running_var)

    (problem,) = summarize(stopped(Borrowing(nn.BatchNorm2d(16))), (3, 8, 8)).problems
    assert problem.changes == {}  # a new one of another width would borrow as before
