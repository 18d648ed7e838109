"""Derivations never lie: what is derived from a record alone equals what was observed, or nothing is said."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sympy
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from convlin import Summary, summarize
from convlin.arithmetic import SizeError
from convlin.records import Call, TensorInfo
from convlin.render import words
from tests.processes import python
from tests.summaries import raw
from tests.zoo import REAL, SMALL, ZooModel

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths"),
    pytest.mark.filterwarnings("ignore:dropout option adds dropout after all but last recurrent layer"),
]

#: Convolutional models, in which most sizes have a formula.
CONVOLUTIONAL = (
    "resnet", "regnet", "convnext", "convnextv2", "mobilenet_v1", "mobilenet_v2", "efficientnet", "bit", "hgnet_v2",
    "rt_detr", "image_classifier", "unet", "generator", "volume", "signal", "detector", "residual_block",
)  # fmt: skip


def summarized(entry: ZooModel) -> Summary:
    torch.manual_seed(0)
    args, kwargs = entry.inputs()
    mode = "same" if entry.training else "eval"
    return summarize(entry.build(), list(args) or None, kwargs=kwargs, mode=mode)


def changes_size(call: Call) -> bool:
    return bool(call.inputs and call.outputs and not call.inner and call.input_shape != call.output_shape)


@pytest.mark.parametrize("names", [CONVOLUTIONAL], ids=["convolutional"])
def test_most_sizes_have_a_derivation(names: tuple[str, ...], record_property: Callable[[str, object], None]) -> None:
    entries = [entry for entry in (*REAL, *SMALL) if entry.name in names]
    assert len(entries) == len(names)
    calls = [call for entry in entries for call in summarized(entry).calls if changes_size(call)]
    derived = sum(call.derivation is not None for call in calls)
    record_property("derived", f"{derived} of {len(calls)} calls that change the size")
    assert derived >= 0.97 * len(calls), sorted({call.type for call in calls if call.derivation is None})


# Every family of layers

LAYERS: dict[str, tuple[nn.Module, list[tuple[int, ...]]]] = {
    "Linear": (nn.Linear(8, 3), [(8,), (5, 8)]),
    "Conv1d": (nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2), [(4, 20)]),
    "Conv2d": (nn.Conv2d(4, 6, (3, 5), padding="same"), [(4, 9, 11)]),
    "Conv2d valid": (nn.Conv2d(4, 6, 3, stride=2, padding="valid"), [(4, 9, 11)]),
    "Conv2d circular": (nn.Conv2d(4, 6, 3, padding=2, padding_mode="circular"), [(4, 9, 11)]),
    "Conv3d": (nn.Conv3d(4, 6, 2, groups=2), [(4, 5, 6, 7)]),
    "ConvTranspose1d": (nn.ConvTranspose1d(4, 6, 3, stride=2, output_padding=1), [(4, 7)]),
    "ConvTranspose2d": (nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1, groups=2), [(4, 7, 8)]),
    "ConvTranspose3d": (nn.ConvTranspose3d(4, 6, 3, dilation=2), [(4, 3, 4, 5)]),
    "MaxPool1d": (nn.MaxPool1d(3), [(4, 20)]),
    "MaxPool2d": (nn.MaxPool2d(3, 2, 1, ceil_mode=True), [(4, 20, 21)]),
    "MaxPool2d indices": (nn.MaxPool2d(2, return_indices=True), [(4, 20, 21)]),
    "MaxPool3d": (nn.MaxPool3d((1, 2, 3)), [(4, 5, 6, 7)]),
    "AvgPool1d": (nn.AvgPool1d(3, ceil_mode=True), [(4, 20)]),
    "AvgPool2d": (nn.AvgPool2d(2, 3), [(4, 20, 21)]),
    "AvgPool3d": (nn.AvgPool3d(2), [(4, 5, 6, 7)]),
    "LPPool1d": (nn.LPPool1d(2, 3), [(4, 20)]),
    "LPPool2d": (nn.LPPool2d(2, 3, 2), [(4, 20, 21)]),
    "LPPool3d": (nn.LPPool3d(2, 2), [(4, 5, 6, 7)]),
    "AdaptiveAvgPool1d": (nn.AdaptiveAvgPool1d(5), [(4, 20)]),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d((1, None)), [(4, 20, 21)]),
    "AdaptiveAvgPool3d": (nn.AdaptiveAvgPool3d(1), [(4, 5, 6, 7)]),
    "AdaptiveMaxPool1d": (nn.AdaptiveMaxPool1d(5), [(4, 20)]),
    "AdaptiveMaxPool2d": (nn.AdaptiveMaxPool2d(3, return_indices=True), [(4, 20, 21)]),
    "AdaptiveMaxPool3d": (nn.AdaptiveMaxPool3d(2), [(4, 5, 6, 7)]),
    "FractionalMaxPool2d": (nn.FractionalMaxPool2d(2, output_ratio=(0.5, 0.6)), [(4, 20, 21)]),
    "FractionalMaxPool3d": (nn.FractionalMaxPool3d(2, output_size=3), [(4, 8, 8, 8)]),
    "Upsample": (nn.Upsample(scale_factor=1.5), [(4, 20, 21)]),
    "Upsample linear": (nn.Upsample(size=7, mode="linear"), [(4, 20)]),
    "UpsamplingBilinear2d": (nn.UpsamplingBilinear2d(scale_factor=3), [(4, 5, 6)]),
    "PixelShuffle": (nn.PixelShuffle(2), [(8, 5, 6)]),
    "PixelUnshuffle": (nn.PixelUnshuffle(3), [(2, 6, 9)]),
    "Fold": (nn.Fold((4, 5), 2), [(12, 12)]),
    "Unfold": (nn.Unfold(3, stride=2), [(4, 9, 10)]),
    "ZeroPad1d": (nn.ZeroPad1d((1, 2)), [(4, 9)]),
    "ConstantPad2d": (nn.ConstantPad2d((1, -2, 3, 0), 1.0), [(4, 9, 10)]),
    "ZeroPad3d": (nn.ZeroPad3d(1), [(4, 5, 6, 7)]),
    "ReflectionPad2d": (nn.ReflectionPad2d(3), [(4, 9, 10)]),
    "ReplicationPad3d": (nn.ReplicationPad3d(2), [(4, 5, 6, 7)]),
    "CircularPad1d": (nn.CircularPad1d((3, 0)), [(4, 9)]),
    "Flatten": (nn.Flatten(), [(4, 5, 6)]),
    "Flatten some": (nn.Flatten(2, 3), [(4, 5, 6, 7)]),
    "Unflatten": (nn.Unflatten(1, (2, -1)), [(12, 5)]),
    "Embedding": (nn.Embedding(10, 6), [(7,)]),
    "EmbeddingBag": (nn.EmbeddingBag(10, 6), [(7,)]),
    "RNN": (nn.RNN(5, 6, 2), [(7, 5)]),
    "LSTM": (nn.LSTM(5, 6, bidirectional=True, proj_size=2, batch_first=True), [(7, 5)]),
    "GRU": (nn.GRU(5, 6, bidirectional=True), [(7, 5)]),
    "RNNCell": (nn.RNNCell(5, 6), [(5,)]),
    "LSTMCell": (nn.LSTMCell(5, 6), [(5,)]),
    "GRUCell": (nn.GRUCell(5, 6), [(5,)]),
    "GLU": (nn.GLU(1), [(6, 4)]),
    "Bilinear": (nn.Bilinear(3, 4, 5), [(3,), (4,)]),
}


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_every_family_of_layers(name: str, batch_size: int) -> None:
    layer, shapes = LAYERS[name]
    inputs: Any = [shapes] if isinstance(layer, nn.Bilinear) else [[shape] for shape in shapes]
    for given_shapes in inputs:
        summary = summarize(layer, given_shapes, batch_size=batch_size)
        assert summary.ok
        (call,) = summary.calls
        assert call.input_shape != call.output_shape
        derivation = raw(call)
        assert derivation is not None
        assert derivation.shape == call.output_shape
        assert derivation.steps
        assert derivation.source.startswith("https://docs.pytorch.org/docs/stable/generated/torch.")


class Unpooling(nn.Module):
    def __init__(self, output_size: Any = None) -> None:
        super().__init__()
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        self.up = nn.ConvTranspose2d(2, 2, 3, stride=2)
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        y, indices = self.pool(x)
        y = self.unpool(y, indices, output_size=x.shape)
        return self.up(y, self.output_size) if self.output_size else self.up(y, output_size=[15, 16])


@pytest.mark.parametrize("output_size", [None, (16, 15), torch.Size([1, 2, 15, 15])])
def test_the_output_size_of_a_call_counts(output_size: Any) -> None:
    summary = summarize(Unpooling(output_size), (2, 7, 7))
    assert summary.ok
    for path in ("unpool", "up"):
        derivation = raw(summary[path])
        assert derivation is not None
        assert derivation.shape == summary[path].output_shape
    last = summary["up"].derivation
    assert last is not None
    assert all(step.arithmetic.endswith("+ 1") for step in last.steps)


def test_bags_with_offsets() -> None:
    bag = nn.EmbeddingBag(10, 6, include_last_offset=True)
    summary = summarize(bag, [torch.arange(7), torch.tensor([0, 3, 7])])
    derivation = raw(summary[""])
    assert derivation is not None
    assert derivation.shape == summary.output_shape == (2, 6)


# Functions between layers


class Lambda(nn.Module):
    """Calls a function in its own ``forward``, so that it gets a row."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function
        self.inner = nn.Identity()

    def forward(self, x: Tensor) -> Any:
        return self.function(self.inner(x))


IMAGE, SIGNAL, VOLUME, ROWS = (2, 4, 8, 9), (2, 4, 8), (2, 4, 6, 6, 6), (2, 12)
FUNCTIONS: list[tuple[tuple[int, ...], str]] = [
    (IMAGE, "F.conv2d(x, torch.ones(6, 4, 3, 3), None, 2, 1)"),
    (IMAGE, "F.conv2d(x, torch.ones(6, 2, 3, 3), padding='same', groups=2)"),
    (IMAGE, "F.conv2d(x, torch.ones(6, 4, 3, 3), bias=torch.ones(6), dilation=(2, 1))"),
    (SIGNAL, "F.conv1d(x, torch.ones(6, 4, 3), stride=3)"),
    (VOLUME, "F.conv3d(x, torch.ones(6, 4, 3, 1, 1))"),
    (IMAGE, "F.conv_transpose2d(x, torch.ones(4, 3, 3, 3), None, 2, 1, 1)"),
    (IMAGE, "F.conv_transpose2d(x, torch.ones(4, 3, 2, 2), stride=2, groups=2)"),
    (IMAGE, "F.max_pool2d(x, 2)"),
    (IMAGE, "F.max_pool2d(x, (3, 2), stride=1)"),
    (IMAGE, "F.max_pool2d(x, 2, return_indices=True)[0]"),
    (IMAGE, "torch.max_pool2d(x, 2)"),
    (SIGNAL, "F.max_pool1d(x, 3, 2, 1)"),
    (VOLUME, "F.max_pool3d(x, 2)"),
    (IMAGE, "F.max_unpool2d(*F.max_pool2d(x[..., :8], 2, return_indices=True), 2)"),
    (IMAGE, "F.avg_pool2d(x, 3, 2, 1, True)"),
    (SIGNAL, "F.avg_pool1d(x, 3)"),
    (VOLUME, "F.avg_pool3d(x, kernel_size=2)"),
    (IMAGE, "F.lp_pool2d(x, 2, 3)"),
    (SIGNAL, "F.lp_pool1d(x, 2.0, 2, stride=1)"),
    (IMAGE, "F.adaptive_avg_pool2d(x, 1)"),
    (IMAGE, "F.adaptive_max_pool2d(x, (None, 3))"),
    (SIGNAL, "F.adaptive_avg_pool1d(x, 3)"),
    (IMAGE, "F.fractional_max_pool2d(x, 2, output_size=3)"),
    (IMAGE, "F.interpolate(x, scale_factor=2)"),
    (IMAGE, "F.interpolate(x, (3, 4), mode='bilinear')"),
    (IMAGE, "F.pixel_shuffle(x, 2)"),
    (VOLUME, "F.pixel_unshuffle(x, 3)"),
    (IMAGE, "F.pad(x, (1, 2))"),
    (IMAGE, "F.pad(x, (1, 2, 3, 0), mode='reflect')"),
    (IMAGE, "F.unfold(x, 3, stride=2)"),
    (SIGNAL, "F.fold(x, (3, 5), (2, 2))"),
    (ROWS, "F.linear(x, torch.ones(5, 12), torch.ones(5))"),
    (ROWS, "F.linear(x, torch.ones(12))"),
    (ROWS, "F.embedding(x.long(), torch.ones(5, 3))"),
    (ROWS, "F.embedding_bag(x.long(), torch.ones(5, 3))"),
    (ROWS, "F.embedding_bag(x.long().flatten(), torch.ones(5, 3), torch.tensor([0, 4, 9]))"),
    (ROWS, "F.one_hot(x.long(), 4)"),
    (ROWS, "F.glu(x)"),
    (SIGNAL, "F.scaled_dot_product_attention(x, x, x[..., :3])"),
    (IMAGE, "F.grid_sample(x, torch.ones(2, 3, 5, 2), align_corners=False)"),
    (IMAGE, "F.mse_loss(x, x)"),
    (SIGNAL, "F.cosine_similarity(x, x)"),
    (IMAGE, "x.view(2, -1)"),
    (IMAGE, "x.view((2, 4, -1))"),
    (IMAGE, "x.reshape(shape=(-1, 9))"),
    (IMAGE, "torch.reshape(x, (8, 2, -1))"),
    (IMAGE, "x.view(x.shape[0], -1)"),
    (IMAGE, "x.view_as(torch.ones(8, 72))"),
    (IMAGE, "x.flatten(1)"),
    (IMAGE, "torch.flatten(x)"),
    (IMAGE, "torch.flatten(x, start_dim=2)"),
    (IMAGE, "x.ravel()"),
    (ROWS, "x.unflatten(1, (3, -1))"),
    (ROWS, "torch.unflatten(x, -1, (2, 6))"),
    (IMAGE, "x.permute(0, 2, 3, 1)"),
    (IMAGE, "torch.permute(x, (1, 0, 2, 3))"),
    (IMAGE, "x.transpose(1, -1)"),
    (IMAGE, "torch.swapaxes(x, axis0=0, axis1=1)"),
    (IMAGE, "x.movedim(1, -1)"),
    (IMAGE, "x.movedim((0, 1), (2, 3))"),
    (IMAGE, "x.mT"),
    (ROWS, "x.T"),
    (ROWS, "x.t()"),
    ((1, 4, 1), "x.squeeze()"),
    ((1, 4, 1), "x.squeeze(-1)"),
    ((1, 4, 1), "x.squeeze((0, 2))"),
    (ROWS, "x.unsqueeze(1)"),
    ((1, 4), "x.expand(3, 2, -1)"),
    ((1, 4), "x.expand_as(torch.ones(5, 4))"),
    ((1, 4), "torch.broadcast_to(x, (3, 4))"),
    (ROWS, "x.repeat(2, 1, 3)"),
    (IMAGE, "x.tile(2)"),
    (ROWS, "x.repeat_interleave(2, dim=1)"),
    (ROWS, "torch.repeat_interleave(x, 3)"),
    (ROWS, "x.chunk(5, 1)"),
    (ROWS, "torch.split(x, 5, dim=-1)"),
    (ROWS, "x.split([3, 9], 1)"),
    (ROWS, "x.unbind()"),
    (ROWS, "x.select(1, 3)"),
    (ROWS, "x.narrow(1, 2, 5)"),
    (ROWS, "x.topk(3)"),
    (ROWS, "x.index_select(1, torch.tensor([1, 2, 2]))"),
    (ROWS, "x.gather(1, torch.zeros(2, 3, dtype=torch.long))"),
    (ROWS, "x.unfold(1, 4, 3)"),
    (IMAGE, "x[0]"),
    (IMAGE, "x[:, 0]"),
    (IMAGE, "x[..., 1:-2]"),
    (IMAGE, "x[:, ::3, None]"),
    (IMAGE, "x[:, [0, 2]]"),
    (IMAGE, "x[:, :, 20:]"),
    (IMAGE, "torch.cat([x, x, x], 1)"),
    (IMAGE, "torch.cat((x, x[:, :1]), dim=1)"),
    (IMAGE, "torch.stack([x, x])"),
    (IMAGE, "torch.stack([x, x], dim=-1)"),
    (ROWS, "torch.hstack([x, x])"),
    ((2, 1, 3), "x + torch.ones(2, 4, 1)"),
    ((2, 1, 3), "torch.ones(4, 1) * x"),
    ((2, 1, 3), "torch.maximum(x, torch.ones(4, 1))"),
    ((2, 1, 3), "torch.where(x > 0, x, torch.ones(5, 1))"),
    ((2, 1, 3), "x == torch.ones(4, 1)"),
    (SIGNAL, "x @ x.mT"),
    (SIGNAL, "torch.bmm(x, torch.ones(2, 8, 3))"),
    (ROWS, "torch.mm(x, torch.ones(12, 3))"),
    (ROWS, "x @ torch.ones(12)"),
    (ROWS, "torch.addmm(torch.ones(3), x, torch.ones(12, 3))"),
    (SIGNAL, "torch.baddbmm(torch.ones(2, 1, 3), x, torch.ones(2, 8, 3))"),
    (ROWS, "torch.outer(x[0], x[1])"),
    (SIGNAL, "torch.einsum('ncl,nkl->nck', x, x)"),
    (SIGNAL, "torch.einsum('...l,lk', x, torch.ones(8, 3))"),
    (SIGNAL, "torch.einsum('ncl->n', x)"),
    (IMAGE, "x.mean((2, 3))"),
    (IMAGE, "x.mean(dim=[-1, -2], keepdim=True)"),
    (IMAGE, "x.mean(axis=1)"),
    (IMAGE, "torch.sum(x)"),
    (IMAGE, "x.amax(1)"),
    (IMAGE, "x.max()"),
    (IMAGE, "x.max(1)"),
    (IMAGE, "x.max(dim=1, keepdim=True)"),
    (IMAGE, "x.argmax(1)"),
    (IMAGE, "x.std(1)"),
    (IMAGE, "x.std(False)"),
    ((2, 1, 3), "x.max(torch.ones(4, 1))"),
    (IMAGE, "x.var(dim=1, unbiased=False, keepdim=True)"),
    (IMAGE, "x.norm(dim=1)"),
    (IMAGE, "torch.linalg.norm(x, dim=1)"),
    (IMAGE, "x.logsumexp(1)"),
    (IMAGE, "x.all(1)"),
    (IMAGE, "x.any()"),
]


@pytest.mark.parametrize(("shape", "expression"), FUNCTIONS, ids=[expression for _, expression in FUNCTIONS])
def test_functions_in_all_their_spellings(shape: tuple[int, ...], expression: str) -> None:
    code = compile(expression, "<function>", "eval")
    model = Lambda(lambda x: eval(code, {"x": x, "F": F, "torch": torch}))
    summary = summarize(model, [torch.ones(shape)])
    assert summary.ok
    rows = [call for call in summary.calls if call.is_function]
    assert rows
    for row in rows:
        derivation = raw(row)
        assert derivation is not None, row
        assert derivation.shape == row.output_shape


@pytest.mark.parametrize(
    "expression",
    [
        "x[torch.tensor([0, 1, 1])]",
        "x[x[:, 0] > 0]",
        "x[:, torch.tensor(3)]",
        "torch.where(x > 0)",
        "x[slice(torch.tensor(0), torch.tensor(1))]",
        "x.view(torch.int64)",
        "x.repeat_interleave(torch.tensor([1, 2]), 0)",
        "x.new_zeros(3)",
        "torch.einsum(x, [0, 1], [1])",
        "x[True]",
        "x[:, [True] * 12]",
        "x.view_as(other=torch.ones(2, 3, 4))",
        "x.view(size=(2, 3, 4))",
        "x.repeat(torch.tensor(2), 1)",
        "torch.nn.functional.cross_entropy(x, torch.tensor([0, 1]), reduction='none')",
        "torch.nn.functional.mse_loss(x, x, reduction='none')",
    ],
)
def test_nothing_is_said_where_a_tensor_decides(expression: str) -> None:
    model = Lambda(lambda x: eval(expression, {"x": x, "torch": torch}))
    for call in summarize(model, [torch.ones(2, 12)]).calls:
        derivation = raw(call)
        assert derivation is None or derivation.shape == call.output_shape
        pickle.dumps(call)  # a tensor in the settings would be kept alive


POOL = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")


@given(data=st.data(), size=st.integers(1, 12), by_position=st.integers(0, 5))
def test_arguments_by_position_and_by_name(data: st.DataObject, size: int, by_position: int) -> None:
    values: dict[str, Any] = {
        "kernel_size": data.draw(st.integers(1, 4)),
        "stride": data.draw(st.one_of(st.none(), st.integers(1, 3))),
        "padding": data.draw(st.integers(0, 2)),
        "dilation": data.draw(st.integers(1, 3)),
        "ceil_mode": data.draw(st.booleans()),
    }
    args = [values[name] for name in POOL[:by_position]]
    kwargs = {name: values[name] for name in POOL[by_position:]}
    model = Lambda(lambda x: F.max_pool2d(x, *args, **kwargs))
    summary = summarize(model, (2, size, size + 1))
    for call in summary.calls:
        if call.is_function and call.failed:
            assert call.derive is not None
            with pytest.raises(SizeError):
                call.derive(call)
        elif call.is_function:
            derivation = raw(call)
            assert derivation is not None
            assert derivation.shape == call.output_shape


# The two guards


class Own(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([super().forward(x)] * 2, dim=-1)


class Same(nn.Conv2d):
    """A subclass that keeps PyTorch's ``forward`` keeps its formula."""


def test_a_layer_with_its_own_forward_has_no_story() -> None:
    summary = summarize(nn.Sequential(Own(4, 3), nn.Linear(6, 2)), (4,))
    assert summary["0"].derive is None
    assert summary["0"].derivation is None
    assert summary["1"].derivation is not None
    assert summarize(Same(3, 4, 3), (3, 8, 8))[""].derivation is not None


def test_a_hook_that_changes_the_result_is_not_explained_away() -> None:
    layer = nn.Linear(4, 3)
    layer.register_forward_hook(lambda module, args, output: output[..., :2])
    call = summarize(nn.Sequential(layer), (4,))["0"]
    assert call.output_shape == (1, 2)
    assert raw(call) is not None
    assert call.derivation is None


def test_settings_that_no_formula_can_take_are_no_crash() -> None:
    call = summarize(nn.MaxPool2d(2), (3, 8, 8))[""]
    odd = Call(call.path, call.type, call.inputs, call.outputs, settings={"kernel_size": "odd"}, derive=call.derive)
    assert odd.derivation is None


def test_what_fails_tells_the_smallest_size() -> None:
    call = summarize(nn.MaxPool2d(3), (3, 2, 8))[""]
    assert call.failed
    assert call.derivation is None
    assert call.derive is not None
    with pytest.raises(SizeError, match="H is 2, but must be at least 3"):
        call.derive(call)


def test_a_stand_in_keeps_the_arithmetic() -> None:
    summary = summarize(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.Flatten(), nn.Linear(9, 2)), (1, 9, 9))
    assert len(summary.problems) == 2
    derivation = summary["0"].derivation
    assert derivation is not None
    assert derivation.steps[-1].text == "⌊(9 + 2·0 − 1·(3−1) − 1)/2⌋ + 1 = 4"


def test_records_travel_and_derive_elsewhere() -> None:
    summary = summarize(nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 2)), (3, 8, 8))
    calls = pickle.loads(pickle.dumps(summary.calls))
    assert [call.derivation for call in calls] == [call.derivation for call in summary.calls]
    assert all(call.derivation is not None for call in calls if not call.inner)


def test_nothing_is_derived_while_the_model_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    derived: list[Call] = []
    monkeypatch.setattr(Call, "derivation", property(derived.append))
    summarize(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten()), (3, 8, 8))
    assert derived == []


def test_formulas_are_not_loaded_before_they_are_needed() -> None:
    code = "import sys, convlin; print([name for name in sys.modules if name in ('sympy', 'torch') or 'arith' in name])"
    assert python(code).stdout == "[]\n"


def test_named_sizes_may_be_written_in_another_way() -> None:
    height = sympy.Symbol("H", integer=True, positive=True)
    half, quarter = sympy.floor((height + 1) / 2), sympy.floor((height + 1) / 4)

    def pooled(result: Any) -> Call:
        given = TensorInfo("", (1, 8, half, 32), "float32", "cpu")
        made = given._replace(shape=(1, 8, result, 16))
        rule = summarize(nn.MaxPool2d(2), (8, 4, 4))[""].derive
        return Call("pool", "MaxPool2d", (given,), (made,), settings={"kernel_size": 2}, derive=rule)

    derivation = pooled(quarter).derivation
    assert derivation is not None
    assert derivation.shape == (1, 8, quarter, 16)
    step = derivation.steps[0]
    assert (step.arithmetic, words.size(step.size)) == ("⌊(⌊(H + 1)/2⌋ + 2·0 − 1·(2−1) − 1)/2⌋ + 1", "⌊(H + 1)/4⌋")
    assert pooled(quarter + 1).derivation is None
    assert pooled(sympy.floor(height / 4)).derivation is None
    assert pooled(sympy.Symbol("W")).derivation is None


def every_step(calls: tuple[Call, ...]) -> Iterator[Any]:
    return itertools.chain.from_iterable(call.derivation.steps for call in calls if call.derivation is not None)


def test_each_step_names_its_axis_and_ends_in_its_size() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, (3, 5)), nn.AvgPool2d(2), nn.Flatten(), nn.Unflatten(1, (8, -1)), nn.Linear(6, 2)
    )
    summary = summarize(net, (3, 8, 8))
    assert [(step.axis, step.size) for step in every_step(summary.calls)] == [
        ("C", 8), ("H", 6), ("W", 4), ("H", 3), ("W", 2), ("features", 48), ("dim 2", 6), ("features", 2),
    ]  # fmt: skip
