"""Models in which nothing but PyTorch's own layers runs: the shorter way gives the same, and touches nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import observe as passes
from convlin import summarize
from convlin.trace.native_only import _OWN, _STATISTICS, is_closed
from tests.snapshot import difference, snapshot

IMAGE, MAP, SIGNAL, VOLUME, FLAT = (2, 4, 8, 8), (4, 8, 8), (2, 4, 16), (2, 4, 8, 8, 8), (2, 16)

#: Every kind of layer that may be part of a closed model, and what it takes, the batch first.
LAYERS: list[tuple[nn.Module, tuple[int, ...]]] = [
    *((kind(4, 6, 3), shape) for kind, shape in ((nn.Conv1d, SIGNAL), (nn.Conv2d, IMAGE), (nn.Conv3d, VOLUME))),
    *(
        (kind(4, 6, 3, stride=2), shape)
        for kind, shape in ((nn.ConvTranspose1d, SIGNAL), (nn.ConvTranspose2d, IMAGE), (nn.ConvTranspose3d, VOLUME))
    ),
    *((kind(2), SIGNAL) for kind in (nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d)),
    *((kind(2), IMAGE) for kind in (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)),
    *((kind(2), VOLUME) for kind in (nn.MaxPool3d, nn.AvgPool3d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool3d)),
    (nn.LPPool1d(2, 2), SIGNAL), (nn.LPPool2d(2, 2), IMAGE), (nn.LPPool3d(2, 2), VOLUME),
    (nn.FractionalMaxPool2d(2, output_size=3), IMAGE), (nn.FractionalMaxPool3d(2, output_size=3), VOLUME),
    (nn.BatchNorm1d(4), SIGNAL), (nn.BatchNorm2d(4), IMAGE), (nn.BatchNorm3d(4), VOLUME),
    *(
        (kind(4, track_running_stats=True), shape)
        for kind, shape in ((nn.InstanceNorm1d, SIGNAL), (nn.InstanceNorm2d, IMAGE), (nn.InstanceNorm3d, VOLUME))
    ),
    (nn.LayerNorm(8), IMAGE), (nn.GroupNorm(2, 4), IMAGE), (nn.RMSNorm(8), IMAGE), (nn.LocalResponseNorm(2), IMAGE),
    (nn.CrossMapLRN2d(2), IMAGE),
    (nn.Linear(16, 3), FLAT), (nn.Identity(), FLAT), (nn.Flatten(), IMAGE), (nn.Unflatten(1, (4, 4)), FLAT),
    (nn.PixelShuffle(2), IMAGE), (nn.PixelUnshuffle(2), IMAGE), (nn.Upsample(scale_factor=2), IMAGE),
    (nn.UpsamplingNearest2d(scale_factor=2), IMAGE), (nn.UpsamplingBilinear2d(scale_factor=2), IMAGE),
    (nn.Threshold(0.1, 20), FLAT), (nn.PReLU(), FLAT), (nn.GLU(), FLAT), (nn.Softmax(1), FLAT), (nn.Softmin(1), FLAT),
    (nn.LogSoftmax(1), FLAT), (nn.Softmax2d(), IMAGE),
    *(
        (kind(), FLAT)
        for kind in (
            nn.ReLU, nn.RReLU, nn.Hardtanh, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.SiLU, nn.Mish,
            nn.Hardswish, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.Hardshrink, nn.LeakyReLU, nn.LogSigmoid, nn.Softplus,
            nn.Softshrink, nn.Softsign, nn.Tanhshrink, nn.Dropout, nn.AlphaDropout, nn.FeatureAlphaDropout,
        )
    ),
    (nn.Dropout1d(), SIGNAL), (nn.Dropout2d(), IMAGE), (nn.Dropout3d(), VOLUME),
    (nn.ConstantPad1d(1, 0.0), SIGNAL),
    (nn.ReflectionPad1d(1), SIGNAL), (nn.ReplicationPad1d(1), SIGNAL), (nn.CircularPad1d(1), SIGNAL),
    (nn.ZeroPad1d(1), SIGNAL), (nn.ZeroPad2d(1), IMAGE), (nn.ZeroPad3d(1), VOLUME),
    (nn.ConstantPad2d(1, 0.0), IMAGE), (nn.ConstantPad3d(1, 0.0), VOLUME),
    (nn.ReflectionPad2d(1), IMAGE), (nn.ReflectionPad3d(1), VOLUME),
    (nn.ReplicationPad2d(1), IMAGE), (nn.ReplicationPad3d(1), VOLUME),
    (nn.CircularPad2d(1), IMAGE), (nn.CircularPad3d(1), VOLUME),
]  # fmt: skip

#: They take more than one tensor, and so are never in a chain; or are Linears that only other layers hold.
NOT_IN_A_CHAIN = {
    nn.Bilinear,
    nn.MaxUnpool1d,
    nn.MaxUnpool2d,
    nn.MaxUnpool3d,
    nn.modules.linear.NonDynamicallyQuantizableLinear,
}


def test_every_kind_of_layer_is_looked_at() -> None:
    assert {type(layer) for layer, _ in LAYERS} | NOT_IN_A_CHAIN | {nn.Sequential} == _OWN


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_layer_writes_to_nothing(layer: nn.Module, shape: tuple[int, ...], mode: str) -> None:
    """PyTorch's own behavior, on which it all rests: run without convlin, nothing of the layer changes."""
    layer.train(mode == "train")
    x = torch.randn(shape)
    tensors = (x, *layer.parameters(), *layer.buffers())
    before, versions = snapshot(layer), [tensor._version for tensor in tensors]
    layer(x)
    changed = [line for line in difference(before, snapshot(layer)) if "random state" not in line]
    written = [tensor._version for tensor in tensors] != versions
    assert (changed == [] and not written) == is_closed([layer], [x], mode)


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("mode", ["eval", "train", "same"])
def test_the_shorter_way_tells_the_same(
    layer: nn.Module, shape: tuple[int, ...], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = nn.Sequential(nn.Identity(), layer, nn.Flatten(0))
    model[0].eval()
    x = torch.randn(shape)
    before = snapshot(model)
    short = summarize(model, x, mode=mode)
    assert difference(before, snapshot(model)) == []
    monkeypatch.setattr(passes, "is_closed", lambda *_: False)
    assert summarize(model, x, mode=mode) == short


class Subclass(nn.Linear):
    pass


class OddTensor(Tensor):
    pass


def _with_hook(model: nn.Module) -> None:
    model.register_forward_hook(lambda *_: None)


def _with_pre_hook(model: nn.Module) -> None:
    model.register_forward_pre_hook(lambda *_: None)


def _with_forward(model: nn.Module) -> None:
    model.forward = lambda x: x


def _with_subclass(model: Any) -> None:
    model[0] = Subclass(4, 4)


def _with_inplace(model: Any) -> None:
    model[1] = nn.ReLU(inplace=True)


def _with_odd_weight(model: Any) -> None:
    model[0].weight = nn.Parameter(torch.zeros(4, 4).as_subclass(OddTensor))


def _with_parametrization(model: Any) -> None:
    nn.utils.parametrizations.weight_norm(model[0])


def _with_lazy(model: Any) -> None:
    model[0] = nn.LazyLinear(4)


def _compiled(model: Any) -> None:
    model[0].compile(backend="eager")


@pytest.mark.parametrize(
    "change",
    [_with_hook, _with_pre_hook, _with_forward, _with_subclass, _with_inplace, _with_odd_weight, _with_parametrization,
     _with_lazy, _compiled],
)  # fmt: skip
def test_what_makes_a_model_open(change: Callable[[nn.Module], None]) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    x = torch.zeros(1, 4)
    assert is_closed(model.modules(), [x], "eval")
    change(model)
    assert not is_closed(model.modules(), [x], "eval")


def test_an_input_of_a_class_of_its_own_makes_a_model_open() -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    assert not is_closed(model.modules(), [torch.zeros(1, 4).as_subclass(OddTensor)], "eval")


def test_a_hook_on_all_modules_makes_a_model_open() -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        assert not is_closed(model.modules(), [torch.zeros(1, 4)], "eval")
    finally:
        handle.remove()
    assert is_closed(model.modules(), [torch.zeros(1, 4)], "eval")


def test_only_statistics_depend_on_the_mode() -> None:
    for layer, shape in LAYERS:
        assert is_closed([layer], [torch.zeros(shape)], "train") == (type(layer) not in _STATISTICS)
