"""What is said of a layer before it runs, held against running it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from convlin import ShapeError, fit, num_flat_features, summarize
from convlin.layers import Arrival, Verdict, one_size, rule_for
from tests.properties import examples

pytestmark = [
    pytest.mark.filterwarnings("ignore:input's size at dim=[01] does not match num_features"),
    pytest.mark.filterwarnings("ignore:enable_nested_tensor is True"),
    pytest.mark.filterwarnings("ignore:Initializing zero-element tensors"),
]
thorough = examples(30)
#: Where many settings play together.
more_thorough = examples(60)


def examined(module: nn.Module, *args: Any, **facts: Any) -> Verdict | None:
    """What is said of these arguments, in the middle of a model unless told otherwise."""
    known: dict[str, Any] = {"is_model_input": False, "batch_added": False, "is_feature_map": False, **facts}
    examine = rule_for(type(module)).examine
    assert examine is not None
    return examine(module, Arrival(args, {}, **known))


def takes(module: Callable[..., object], *args: Any) -> bool:
    """Whether PyTorch's own layer runs on these arguments."""
    try:
        with torch.no_grad():
            module(*args)
    except (RuntimeError, ValueError, IndexError, AssertionError, TypeError, AttributeError):
        return False
    return True


def assert_as_pytorch(make: Callable[..., nn.Module], settings: dict[str, Any], *args: Any, **facts: bool) -> None:
    """Something is said exactly where the layer refuses, the stand-in goes through, and so does the layer mended."""
    module = make(**settings)
    verdict = examined(module, *args, **facts)
    assert (verdict is None) == takes(module, *args)
    if verdict is None:
        return
    assert verdict.stand_in is not None
    assert verdict.stand_in[1] == {}
    assert takes(module, *verdict.stand_in[0])
    changes = {name: value for misfit in verdict.misfits for name, value in misfit.changes.items()}
    for misfit in verdict.misfits:
        assert misfit.declared != misfit.required
        assert misfit.changes or misfit.kind in ("structure", "dtype")
    if any(misfit.kind == "dtype" for misfit in verdict.misfits):
        args = tuple(arg.float() for arg in args)
    if not any(misfit.kind == "structure" for misfit in verdict.misfits):
        arguments = rule_for(type(module)).arguments
        assert takes(make(**(arguments(module) if arguments else settings) | changes), *args)


sizes = st.integers(1, 4)
shapes = st.lists(sizes, min_size=1, max_size=6).map(tuple)
dtypes = st.sampled_from([torch.float32, torch.float32, torch.float64, torch.int64])


@thorough
@given(st.sampled_from([nn.Linear]), shapes, sizes, dtypes)
def test_linear(make: Any, shape: tuple[int, ...], features: int, dtype: torch.dtype) -> None:
    assert_as_pytorch(make, {"in_features": features, "out_features": 2}, torch.zeros(shape, dtype=dtype))


@thorough
@given(shapes, sizes, sizes, st.data())
def test_bilinear(shape: tuple[int, ...], first: int, second: int, data: st.DataObject) -> None:
    other = (*shape[:-1], data.draw(sizes))
    options = {"in1_features": first, "in2_features": second, "out_features": 2}
    assert_as_pytorch(nn.Bilinear, options, torch.zeros(shape), torch.zeros(other))


CONVOLUTIONS = {
    1: (nn.Conv1d, nn.ConvTranspose1d),
    2: (nn.Conv2d, nn.ConvTranspose2d),
    3: (nn.Conv3d, nn.ConvTranspose3d),
}


@thorough
@given(st.data(), st.sampled_from([1, 2, 3]), sizes, st.booleans(), dtypes)
def test_convolution(data: st.DataObject, dims: int, channels: int, transposed: bool, dtype: torch.dtype) -> None:
    shape = tuple(data.draw(st.lists(sizes, min_size=dims + 1, max_size=dims + 3)))
    options = {"in_channels": channels, "out_channels": 2, "kernel_size": 1}
    assert_as_pytorch(CONVOLUTIONS[dims][transposed], options, torch.zeros(shape, dtype=dtype))


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((1, 8, 9, 3), (0, 3, 1, 2)),
        ((1, 5, 3, 8), (0, 2, 1, 3)),
        ((1, 5, 6, 3), (0, 3, 1, 2)),
        ((1, 5, 3, 3, 8), (0, 2, 1, 3, 4)),
    ],
)
def test_channels_that_stand_elsewhere(shape: tuple[int, ...], order: tuple[int, ...]) -> None:
    module = CONVOLUTIONS[len(shape) - 2][False](3, 2, 1)
    x = torch.zeros(shape)
    verdict = examined(module, x, is_model_input=True)
    assert verdict is not None
    assert verdict.stand_in is not None
    (misfit,) = verdict.misfits
    assert (misfit.note, misfit.detail["order"]) == ("permute", order)
    assert takes(module, x.permute(order))
    assert verdict.stand_in[0][0].shape == x.permute(order).shape
    behind = examined(module, x)  # an embedding, a recurrent layer or attention has the features last
    assert behind is not None
    assert (behind.misfits[0].note == "permute") == (shape[-1] == 3)
    if shape[-1] == 3:
        assert takes(module, x.permute(behind.misfits[0].detail["order"]))
    inside = examined(module, x, is_feature_map=True)  # behind a convolution nobody has the channels last
    assert inside is not None
    assert inside.misfits[0].note == ""


def test_a_square_image_has_its_channels_in_their_place() -> None:
    """With the last axis for the channels it would be 5 high and 3 wide."""
    verdict = examined(nn.Conv2d(3, 2, 1), torch.zeros(1, 5, 3, 3), is_model_input=True)
    assert verdict is not None
    (misfit,) = verdict.misfits
    assert (misfit.note, misfit.required) == ("", 5)
    assert takes(nn.Conv2d(5, 2, 1), torch.zeros(1, 5, 3, 3))


def test_one_sample_and_a_batch_too_many() -> None:
    module = nn.Conv2d(3, 2, 1)
    for shape, facts, notes in [
        ((5, 8, 9), {}, ["one_or_many"]),
        ((5, 8, 3), {"is_model_input": True}, ["one_or_many"]),
        ((5, 8, 9), {"is_feature_map": True}, [""]),
        ((1, 5, 8, 9), {}, [""]),
        ((3, 5, 8, 9), {"is_model_input": True}, [""]),  # as many samples as there should be channels
        ((2, 1, 3, 8, 9), {}, ["rank"]),
        ((2, 1, 3, 8, 9), {"is_model_input": True, "batch_added": True}, ["batch_in_shape"]),
        ((2, 1, 3, 8, 9), {"is_model_input": True}, ["rank"]),
    ]:
        verdict = examined(module, torch.zeros(shape), **facts)
        assert verdict is not None
        assert [misfit.note for misfit in verdict.misfits] == notes
        assert verdict.stand_in is not None
        assert takes(module, *verdict.stand_in[0])


@pytest.mark.parametrize("changed", [{}, {"bias": False}, {"norm_first": True}, {"activation": "gelu"}])
@pytest.mark.parametrize("make", [nn.TransformerEncoderLayer, nn.TransformerDecoderLayer])
def test_a_block_built_again_is_the_same(make: Any, changed: dict[str, Any]) -> None:
    module = make(**{"d_model": 4, "nhead": 2, "dim_feedforward": 6} | changed)
    arguments = rule_for(make).arguments
    assert arguments is not None
    again = make(**arguments(module))
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in module.state_dict().items()}
    assert (again.norm_first, again.activation) == (module.norm_first, module.activation)


@more_thorough
@given(st.data(), st.sampled_from([1, 2, 3]))
def test_what_a_transposed_convolution_is_asked_for(data: st.DataObject, dims: int) -> None:
    each = lambda values: tuple(data.draw(values) for _ in range(dims))  # noqa: E731
    options: dict[str, Any] = {
        "in_channels": 2, "out_channels": 2, "kernel_size": each(st.integers(1, 3)), "stride": each(st.integers(1, 3)),
        "dilation": each(st.integers(1, 2)), "output_padding": each(st.sampled_from([0, 0, 1, 2])),
        "padding": each(st.sampled_from([0, 0, 1])),
    }  # fmt: skip
    shape = (*data.draw(st.sampled_from([(), (1,)])), 2, *each(st.integers(3, 4)))
    wanted = data.draw(st.none() | st.lists(st.integers(1, 14), min_size=dims, max_size=dims))
    module = CONVOLUTIONS[dims][True](**options)
    x = torch.zeros(shape)
    args = (x,) if wanted is None else (x, wanted)
    verdict = examined(module, *args)
    assert (verdict is None) == takes(module, *args)
    if verdict is not None:
        assert verdict.stand_in is not None
        given, named = verdict.stand_in
        reached = module(*given, **named).shape[-dims:]
        (misfit,) = verdict.misfits
        if misfit.kind == "output_padding":
            there = CONVOLUTIONS[dims][True](**{**options, **misfit.changes})(x).shape[-dims:]
            # What an output_size cannot give is a guess.
            assert all(0 <= one - other <= 1 for one, other in zip(there, reached, strict=True))
        else:
            smallest, largest = misfit.required
            assert wanted is not None
            assert reached == misfit.detail["nearest"]
            assert takes(module, x, list(smallest))
            assert takes(module, x, list(largest))
            for axis in range(dims):
                assert not takes(module, x, [size - (index == axis) for index, size in enumerate(smallest)])
                assert not takes(module, x, [size + (index == axis) for index, size in enumerate(largest)])
                assert abs(reached[axis] - wanted[axis]) == max(
                    smallest[axis] - wanted[axis], wanted[axis] - largest[axis], 0
                )


NORMALIZATIONS = [
    *[(make, "num_features", dims) for make, dims in [(nn.BatchNorm1d, 1), (nn.BatchNorm2d, 2), (nn.BatchNorm3d, 3)]],
    *[
        (make, "num_features", dims)
        for make, dims in [(nn.InstanceNorm1d, 1), (nn.InstanceNorm2d, 2), (nn.InstanceNorm3d, 3)]
    ],
]


@more_thorough
@given(st.data(), st.sampled_from(NORMALIZATIONS), sizes, st.booleans(), st.booleans(), st.booleans())
def test_normalizations(
    data: st.DataObject, kind: Any, features: int, affine: bool, tracks: bool, training: bool
) -> None:
    make, name, dims = kind
    shape = tuple(data.draw(st.lists(st.integers(1, 3), min_size=max(dims, 2), max_size=dims + 3)))
    if issubclass(make, nn.modules.instancenorm._InstanceNorm):
        shape = tuple(size + 1 if index >= len(shape) - dims else size for index, size in enumerate(shape))

    def build(**options: Any) -> nn.Module:
        return make(**options).train(training)

    options = {name: features, "affine": affine, "track_running_stats": tracks}
    x = torch.zeros(shape)
    verdict = examined(build(**options), x)
    assert (verdict is None) == takes(build(**options), x)
    if verdict is not None:
        assert verdict.keeps_input
        assert verdict.stand_in is not None
        assert takes(build(**options), *verdict.stand_in[0])
        said = {misfit.kind: misfit for misfit in verdict.misfits}
        if "structure" not in said:
            if "num_features" in said:
                options |= said["num_features"].changes
            batch = torch.zeros(2, *shape[1:]) if len(shape) == dims + 2 or dims == 1 else x
            if any(misfit.note == "permute" for misfit in verdict.misfits):
                batch = batch.permute(said["num_features"].detail["order"])
            assert takes(build(**options), batch)


@thorough
@given(shapes, st.sampled_from([(1, 1), (1, 2), (2, 2), (1, 4), (2, 4), (4, 4)]))
def test_group_norm(shape: tuple[int, ...], groups: tuple[int, int]) -> None:
    if len(shape) < 2:
        return
    module = nn.GroupNorm(*groups)
    x = torch.zeros(2, *shape[1:])
    verdict = examined(module, x)
    assert (verdict is None) == takes(module, x)
    if verdict is not None:
        assert verdict.keeps_input
        assert verdict.stand_in is not None
        assert takes(module, *verdict.stand_in[0])
        (misfit,) = verdict.misfits
        mended = nn.GroupNorm(**{"num_groups": groups[0], **misfit.changes})
        assert takes(mended, x)
        assert mended.num_groups <= groups[0]
        assert (misfit.detail == {"parts": groups[0]}) == (shape[1] % groups[0] != 0)


@thorough
@given(st.sampled_from([nn.LayerNorm, nn.RMSNorm]), shapes, st.lists(sizes, min_size=1, max_size=3))
def test_layer_norm(make: Any, shape: tuple[int, ...], normalized: list[int]) -> None:
    if len(shape) >= len(normalized):
        assert_as_pytorch(make, {"normalized_shape": tuple(normalized)}, torch.zeros(shape))


@thorough
@given(shapes, sizes)
def test_prelu(shape: tuple[int, ...], parameters: int) -> None:
    if len(shape) > 1:
        assert_as_pytorch(nn.PReLU, {"num_parameters": parameters}, torch.zeros(shape))


@thorough
@given(
    st.sampled_from([nn.Embedding, nn.EmbeddingBag]),
    st.lists(st.integers(-1, 5), min_size=1, max_size=3),
    st.sampled_from([torch.int64, torch.int32, torch.float32]),
)
def test_embedding(make: Any, indices: list[int], dtype: torch.dtype) -> None:
    module = make(4, 2)
    x = torch.tensor([indices], dtype=dtype)
    verdict = examined(module, x)
    assert (verdict is None) == takes(module, x)
    if verdict is not None:
        assert verdict.stand_in is not None
        assert takes(module, *verdict.stand_in[0])
        (misfit,) = verdict.misfits
        if misfit.kind == "num_embeddings" and misfit.note != "negative":
            assert takes(make(**{"embedding_dim": 2, **misfit.changes}), x)
            assert not takes(make(misfit.required - 1, 2), x)
        assert (misfit.note == "negative") == (dtype != torch.float32 and min(indices) < 0)


@thorough
@given(st.sampled_from([nn.RNN, nn.LSTM, nn.GRU, nn.RNNCell, nn.LSTMCell, nn.GRUCell]), shapes, sizes, dtypes)
def test_recurrent(make: Any, shape: tuple[int, ...], features: int, dtype: torch.dtype) -> None:
    if len(shape) > 1 or issubclass(make, nn.RNNCellBase):
        assert_as_pytorch(make, {"input_size": features, "hidden_size": 2}, torch.zeros(shape, dtype=dtype))


@thorough
@given(
    st.lists(st.sampled_from([2, 4]), min_size=3, max_size=3), st.lists(st.sampled_from([2, 4]), min_size=3, max_size=3)
)
def test_attention(declared: list[int], widths: list[int]) -> None:
    options = {"embed_dim": declared[0], "num_heads": 2, "kdim": declared[1], "vdim": declared[2]}
    args = tuple(torch.zeros(3, 1, width) for width in widths)
    assert_as_pytorch(nn.MultiheadAttention, options, *args)


@pytest.mark.parametrize(
    ("declared", "widths", "said", "output_size"),
    [
        ((4, 4, 4), (8, 8, 8), {"embed_dim": {"embed_dim": 8}}, 8),
        ((4, 4, 4), (8, 4, 4), {"embed_dim": {"embed_dim": 8, "kdim": 4, "vdim": 4}}, 8),
        ((4, 4, 4), (8, 8, 2), {"embed_dim": {"embed_dim": 8, "vdim": 2}}, 8),
        ((4, 4, 4), (4, 8, 8), {"kdim": {"kdim": 8}, "vdim": {"vdim": 8}}, None),
        ((4, 6, 2), (8, 6, 2), {"embed_dim": {"embed_dim": 8}}, 8),
        ((4, 6, 2), (4, 8, 2), {"kdim": {"kdim": 8}}, None),
    ],
)
def test_attention_names_the_arguments_that_are_wrong(
    declared: tuple[int, ...], widths: tuple[int, ...], said: dict[str, Any], output_size: int | None
) -> None:
    embed_dim, kdim, vdim = declared
    same = len(set(declared)) == 1
    module = nn.MultiheadAttention(embed_dim, 2, kdim=None if same else kdim, vdim=None if same else vdim)
    args = tuple(torch.zeros(3, 1, width) for width in widths)
    verdict = examined(module, *args)
    assert verdict is not None
    assert {misfit.kind: misfit.changes for misfit in verdict.misfits} == said
    assert all(not misfit.detail for misfit in verdict.misfits)  # all these widths can be divided into two heads
    assert verdict.output_size == output_size
    assert takes(type(module)(**_attention(module) | {k: v for each in said.values() for k, v in each.items()}), *args)
    # Passed by name, and with what is no tensor.
    examine = rule_for(nn.MultiheadAttention).examine
    assert examine is not None
    named = Arrival((), dict(zip(("query", "key", "value"), args, strict=True)), False, False, False)
    by_name = examine(module, named)
    assert by_name is not None
    assert by_name.misfits == verdict.misfits
    assert by_name.stand_in is not None
    module(**by_name.stand_in[1])
    assert examine(module, Arrival((None, *args[1:]), {}, False, False, False)) is None


def _attention(module: nn.MultiheadAttention) -> dict[str, Any]:
    """What its constructor was given."""
    arguments = rule_for(nn.MultiheadAttention).arguments
    assert arguments is not None
    return arguments(module)


@pytest.mark.parametrize("changed", [{}, {"bias": False}, {"add_bias_kv": True}, {"kdim": 6}, {"vdim": 6}])
def test_attention_built_again_is_the_same(changed: dict[str, Any]) -> None:
    module = nn.MultiheadAttention(**{"embed_dim": 4, "num_heads": 2} | changed)
    again = nn.MultiheadAttention(**_attention(module))
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in module.state_dict().items()}


@pytest.mark.parametrize(
    ("reached", "note", "declared"),
    [
        (torch.nn.utils.rnn.pack_sequence([torch.zeros(3, 4)]), "packed", "PackedSequence"),
        (torch.zeros(2, 4).numpy(), "array", "ndarray"),
        ((torch.zeros(2, 4), torch.zeros(1)), "tuple", "tuple"),
        ([torch.zeros(2, 4)], "tuple", "list"),
    ],
)
def test_what_is_no_tensor_and_holds_one(reached: Any, note: str, declared: str) -> None:
    module = nn.Linear(4, 2)
    assert not takes(module, reached)
    verdict = examined(module, reached)
    assert verdict is not None
    assert [(misfit.note, misfit.required) for misfit in verdict.misfits] == [(note, declared)]
    assert verdict.stand_in is not None
    assert takes(module, *verdict.stand_in[0])
    assert examined(module, ()) is None
    assert examined(module, "text") is None
    assert examined(module, [1.0]) is None


def test_a_norm_without_statistics_is_not_told_to_be_evaluated() -> None:
    for tracks in (True, False):
        model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(3, track_running_stats=tracks), nn.Linear(3, 2))
        (problem,) = summarize(model, (3, 1), mode="eval" if not tracks else "train", batch_size=1).problems
        assert ("model.eval()" in str(problem)) == tracks


@thorough
@given(
    st.sampled_from([nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, nn.Transformer]),
    st.sampled_from([2, 4]),
    st.lists(st.sampled_from([2, 4, 4]), min_size=2, max_size=2),
)
def test_transformer(make: Any, width: int, widths: list[int]) -> None:
    options = {"d_model": width, "nhead": 2, "dim_feedforward": 4}
    if make is nn.Transformer:
        options |= {"num_encoder_layers": 1, "num_decoder_layers": 1}
    count = 1 if make is nn.TransformerEncoderLayer else 2
    args = tuple(torch.zeros(3, 1, each) for each in widths[:count])
    module = make(**options)
    verdict = examined(module, *args)
    assert (verdict is None) == takes(module, *args)
    if verdict is not None:
        assert verdict.stand_in is not None
        assert takes(module, *verdict.stand_in[0])
        if len(set(widths[:count])) > 1:  # no width can be both
            assert verdict.misfits[0].required == tuple(widths[:count])
            assert not verdict.misfits[0].changes
            assert not any(takes(make(**options | {"d_model": each}), *args) for each in (2, 4, 6, 8))
        else:
            assert verdict.output_size == verdict.misfits[0].required
            assert takes(make(**{**options, **verdict.misfits[0].changes}), *args)


@thorough
@given(shapes, st.integers(-4, 4), st.lists(st.sampled_from([1, 2, 2, 3, -1]), min_size=1, max_size=3))
def test_unflatten(shape: tuple[int, ...], dim: int, into: list[int]) -> None:
    if sum(size == -1 for size in into) > 1 or not -len(shape) <= dim < len(shape):
        return
    module = nn.Unflatten(dim, tuple(into))
    x = torch.zeros(shape)
    verdict = examined(module, x)
    assert (verdict is None) == takes(module, x)
    if verdict is not None:
        assert verdict.stand_in is not None
        assert takes(module, *verdict.stand_in[0])
        assert verdict.misfits[0].required == shape[dim]
        assert verdict.misfits[0].detail["dim"] == dim % len(shape)


@thorough
@given(shapes, sizes)
def test_adaptive_softmax(shape: tuple[int, ...], features: int) -> None:
    options: dict[str, Any] = {"in_features": features, "n_classes": 5, "cutoffs": [2]}
    module = nn.AdaptiveLogSoftmaxWithLoss(**options)
    x = torch.zeros(2, shape[-1])
    target = torch.tensor([0, 3])
    verdict = examined(module, x, target)
    assert (verdict is None) == takes(module, x, target)
    if verdict is not None:
        assert verdict.stand_in is not None
        assert takes(module, *verdict.stand_in[0])
        assert takes(nn.AdaptiveLogSoftmaxWithLoss(**{**options, **verdict.misfits[0].changes}), x, target)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Linear(4, 2), (3, 5)),
        (nn.Bilinear(4, 4, 2), (3, 5)),
        (nn.Conv2d(3, 2, 1), (1, 5, 4, 4)),
        (nn.BatchNorm1d(4), (3, 5)),
        (nn.BatchNorm2d(4), (3, 5)),
        (nn.InstanceNorm1d(4, affine=True), (2, 5, 3)),
        (nn.GroupNorm(2, 4), (3, 6)),
        (nn.LayerNorm(4), (3, 5)),
        (nn.PReLU(4), (3, 5)),
        (nn.GRU(4, 2), (3, 5)),
        (nn.LSTMCell(4, 2), (3, 5)),
        (nn.MultiheadAttention(4, 2), (3, 1, 6)),
        (nn.TransformerEncoderLayer(4, 2, 4), (3, 1, 6)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_a_stand_in_has_the_layers_own_dtype(module: nn.Module, shape: tuple[int, ...]) -> None:
    module = module.double()
    count = {"Bilinear": 2, "MultiheadAttention": 3}.get(type(module).__name__, 1)
    args = (torch.zeros(shape, dtype=torch.float64),) * count
    assert not takes(module, *args)
    verdict = examined(module, *args)
    assert verdict is not None
    assert verdict.stand_in is not None
    assert takes(module, *verdict.stand_in[0])


@pytest.mark.parametrize(
    "module",
    [nn.Linear(4, 2), nn.Conv1d(4, 2, 1), nn.BatchNorm1d(4), nn.BatchNorm2d(4), nn.InstanceNorm1d(4),
     nn.GroupNorm(2, 4), nn.LayerNorm(4), nn.LayerNorm((2, 4)), nn.PReLU(4), nn.RNN(4, 2), nn.GRUCell(4, 2)],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(), (3,)])
def test_what_has_too_few_axes_is_told_or_left_to_pytorch(module: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape)
    verdict = examined(module, x)
    assert verdict is None or not takes(module, x)
    if shape and not isinstance(module, nn.GroupNorm | nn.PReLU):  # of these two no channels can be told
        assert (verdict is None) == takes(module, x)
    if verdict is not None and verdict.stand_in is not None:
        assert takes(module, *verdict.stand_in[0])


def test_a_weight_under_a_parametrization_has_a_dtype_too() -> None:
    for module in (nn.Linear(4, 2), nn.Conv1d(4, 2, 1)):
        module = torch.nn.utils.parametrizations.weight_norm(module)
        x = torch.zeros(2, 4, 4, dtype=torch.float64)
        assert not takes(module, x)
        verdict = examined(module, x)
        assert verdict is not None
        assert [(misfit.kind, misfit.note) for misfit in verdict.misfits] == [("dtype", "cast")]
        assert verdict.stand_in is not None
        assert takes(module, *verdict.stand_in[0])


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 4), (2, 4), (2, 4, 3, 3)])
def test_a_norm_for_any_number_of_axes(shape: tuple[int, ...]) -> None:
    module = nn.SyncBatchNorm(3).eval()
    verdict = examined(module, torch.zeros(shape))
    assert (verdict is None) == takes(module, torch.zeros(shape))
    if verdict is not None:
        (misfit,) = verdict.misfits
        if shape[-1] == 3:  # as many as there should be, and last
            assert (misfit.changes, misfit.note) == ({}, "permute")
            assert takes(module, torch.zeros(shape).permute(misfit.detail["order"]))
        else:
            assert (misfit.changes, misfit.note) == ({"num_features": shape[1]}, "")
        assert verdict.stand_in is not None
        assert takes(module, *verdict.stand_in[0])


@pytest.mark.parametrize("features", [4, 12, 5])
@pytest.mark.parametrize(
    "facts", [{}, {"is_feature_map": True}, {"is_model_input": True}, {"must_flatten": True}], ids=str
)
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 12, 1), (2, 4, 3), (2, 1, 12)])
def test_where_a_flatten_is_missing(features: int, facts: dict[str, bool], shape: tuple[int, ...]) -> None:
    module, x = nn.Linear(features, 2), torch.zeros(shape)
    verdict = examined(module, x, **facts)
    must, may = "must_flatten" in facts, bool(facts)
    if takes(module, x) and not must:
        assert verdict is None
        return
    assert verdict is not None
    assert verdict.stand_in is not None
    assert takes(module, *verdict.stand_in[0])
    said = {misfit.note or misfit.kind: misfit for misfit in verdict.misfits}
    flattened = must or (may and takes(module, x.flatten(1)))
    assert ("flatten" in said) == flattened
    width = x.flatten(1).shape[-1] if flattened else x.shape[-1]
    assert any(each.kind == "in_features" for each in said.values()) == (features != width)
    if "in_features" in said:
        mended = nn.Linear(**{"in_features": 1, "out_features": 2, **said["in_features"].changes})
        assert takes(mended, x.flatten(1) if flattened else x)
        # Of a map another number may have been meant flattened, of another tensor that very number.
        may_be_flat = features != 12 if "is_feature_map" in facts else features == 12 and not may
        of_channels = {"axis": 1} if not may and features == shape[1] > 1 else {}
        otherwise = {"flat": 12} if may_be_flat else of_channels
        assert said["in_features"].detail == ({"flattened": True} if flattened else otherwise)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 1), nn.ConvTranspose2d(4, 4, 1), nn.BatchNorm2d(4), nn.InstanceNorm2d(4), nn.GroupNorm(2, 4),
        nn.MaxPool2d(2), nn.AvgPool2d(2), nn.LPPool2d(2, 2), nn.AdaptiveAvgPool2d(3), nn.AdaptiveMaxPool2d(3),
        nn.FractionalMaxPool2d(2, 3), nn.Upsample(scale_factor=2), nn.PixelShuffle(2), nn.PixelUnshuffle(2),
        nn.ZeroPad2d(1), nn.ConstantPad2d(1, 0.0), nn.ReflectionPad2d(1), nn.ReplicationPad2d(1), nn.CircularPad2d(1),
        nn.Unflatten(1, (2, 2)),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_behind_what_makes_a_feature_map_a_flatten_is_missing(layer: nn.Module) -> None:
    features = nn.Sequential(layer, nn.Flatten())(torch.zeros(2, 4, 6, 6)).shape[-1]
    model = nn.Sequential(layer, nn.Linear(features, 2))
    (problem,) = summarize(model, (4, 6, 6)).problems
    assert "Flatten" in str(problem)
    assert not summarize(nn.Sequential(layer, nn.Flatten(), nn.Linear(features, 2)), (4, 6, 6)).problems


def test_in_the_middle_of_a_model_one_sample_is_taken_for_one() -> None:
    module, x = nn.Conv2d(3, 2, 1), torch.zeros(3, 8, 9)
    assert takes(module, x)
    assert examined(module, x, batch_added=True) is None
    at_the_door = examined(module, x, batch_added=True, is_model_input=True)
    assert at_the_door is not None
    assert at_the_door.misfits[0].note == "no_channels"
    assert at_the_door.stand_in is not None
    assert module(*at_the_door.stand_in[0]).shape == (3, 2, 8, 9)  # three images, each without channels


def test_what_is_called_linear_is_not_always_one() -> None:
    quantized = torch.ao.nn.quantized
    for kind in (quantized.Linear, quantized.dynamic.Linear):
        assert rule_for(kind).settings == ("in_features", "out_features")
        assert rule_for(kind).examine is not None
    for other in (quantized.Conv2d, quantized.Embedding, type("Linear", (nn.Module,), {})):
        assert rule_for(other) is rule_for(nn.Identity)


def test_sequences_of_several_lengths_are_asked_for_their_width() -> None:
    x = torch.nested.nested_tensor([torch.zeros(2, 4), torch.zeros(3, 4)])
    assert takes(nn.Linear(4, 2), x)
    assert examined(nn.Linear(4, 2), x) is None
    assert not takes(nn.Linear(5, 2), x)
    verdict = examined(nn.Linear(5, 2), x)
    assert verdict is not None
    assert [(misfit.declared, misfit.changes) for misfit in verdict.misfits] == [(5, {"in_features": 4})]
    assert verdict.stand_in is None


@pytest.mark.parametrize(
    "module",
    [nn.Linear(4, 2), nn.Bilinear(4, 4, 2), nn.Conv1d(4, 2, 1), nn.BatchNorm1d(4), nn.InstanceNorm1d(4),
     nn.GroupNorm(2, 4), nn.LayerNorm(4), nn.PReLU(4), nn.RNN(4, 2), nn.Embedding(4, 2), nn.Unflatten(1, (2, 2)),
     nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])],
)  # fmt: skip
def test_of_what_is_no_tensor_nothing_is_said(module: nn.Module) -> None:
    for args in [("text",), (None,), (), ("text", torch.zeros(2, 3))]:
        assert not takes(module, *args)
        assert examined(module, *args) is None
    assert examined(nn.Bilinear(4, 4, 2), torch.zeros(2, 3)) is None


def test_what_stands_beside_a_wrong_tensor_is_handed_on() -> None:
    mask = torch.zeros(1, 3, dtype=torch.bool)
    args = (*(torch.zeros(3, 1, 6),) * 3, mask)
    module = nn.MultiheadAttention(4, 2)
    verdict = examined(module, *args)
    assert verdict is not None
    assert verdict.stand_in is not None
    assert verdict.stand_in[0][3] is mask
    assert takes(module, *verdict.stand_in[0])


def test_an_index_of_zero_is_not_negative_and_one_on_meta_is_not_read() -> None:
    module = nn.Embedding(4, 2)
    verdict = examined(module, torch.tensor([0, 5]))
    assert verdict is not None
    assert [(misfit.note, misfit.required) for misfit in verdict.misfits] == [("", 6)]
    single = nn.Embedding(1, 2)
    verdict = examined(single, torch.tensor([0, 5]))
    assert verdict is not None
    assert verdict.stand_in is not None
    assert takes(single, *verdict.stand_in[0])
    assert examined(module, torch.zeros(3, dtype=torch.int64, device="meta")) is None
    assert examined(module, torch.zeros(0, dtype=torch.int64)) is None


def test_an_axis_that_is_not_there_is_left_to_pytorch() -> None:
    for dim in (2, 3, -3):
        assert not takes(nn.Unflatten(dim, (2, 2)), torch.zeros(2, 5))
        assert examined(nn.Unflatten(dim, (2, 2)), torch.zeros(2, 5)) is None


@pytest.mark.parametrize(
    ("is_input", "added", "note"), [(True, True, "batch_in_shape"), (False, True, "rank"), (True, False, "rank")]
)
def test_only_an_input_that_convlin_made_may_hold_the_batch_twice(is_input: bool, added: bool, note: str) -> None:
    module, x = nn.Conv2d(3, 4, 3), torch.zeros(2, 1, 3, 8, 8)
    assert not takes(module, x)
    verdict = examined(module, x, is_model_input=is_input, batch_added=added)
    assert verdict is not None
    assert verdict.misfits[0].note == note


@pytest.mark.parametrize(
    ("stride", "padding", "mended"), [(2, 2, 1), ((2, 3), 2, (1, 2)), ((2, 3), (1, 3), (1, 2)), (3, (3, 1), (2, 1))]
)
def test_output_padding_of_all_axes_alike_is_one_number(stride: Any, padding: Any, mended: Any) -> None:
    module, x = nn.ConvTranspose2d(4, 2, 3, stride=stride, output_padding=padding), torch.zeros(1, 4, 5, 5)
    assert not takes(module, x)
    verdict = examined(module, x)
    assert verdict is not None
    assert [misfit.changes for misfit in verdict.misfits] == [{"output_padding": mended}]
    assert takes(nn.ConvTranspose2d(4, 2, 3, stride=stride, output_padding=mended), x)


@pytest.mark.parametrize("cell", [nn.RNNCell(5, 7), nn.LSTMCell(5, 7), nn.GRUCell(5, 7)], ids=repr)
def test_a_cell_says_where_its_size_comes_from(cell: nn.Module) -> None:
    (call,) = summarize(cell, (5,)).calls
    assert call.derivation is not None
    state = cell(torch.zeros(1, 5))
    assert call.derivation.shape == tuple((state[0] if isinstance(state, tuple) else state).shape)


@pytest.mark.parametrize(
    ("layer", "features"),
    [(nn.PixelShuffle(2), 256), (nn.PixelUnshuffle(2), 256), (nn.Upsample(scale_factor=2), 1024), (nn.ReLU(), 256)],
    ids=repr,
)
def test_behind_layers_that_make_a_feature_map_a_linear_wants_it_flat(layer: nn.Module, features: int) -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 1), layer, nn.Linear(features, 2))
    (problem,) = summarize(model, (3, 4, 4)).problems
    assert (problem.kind, problem.path) == ("structure", "2")
    assert nn.Sequential(model[0], layer, nn.Flatten(), model[2])(torch.zeros(1, 3, 4, 4)).shape == (1, 2)


def test_a_quantized_linear_says_its_width() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch announces another way to quantize
        model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 3)).eval(), {nn.Linear})
    x = torch.zeros(2, 5)
    assert not takes(model, x)
    assert takes(model, torch.zeros(2, 4))
    (problem,) = summarize(model, (5,), batch_size=2).problems
    assert (problem.path, problem.kind, problem.declared, problem.required) == ("0", "in_features", 4, 5)
    assert summarize(model, (4,), batch_size=2).ok
    assert examined(model[0], torch.tensor(1.0)) is None  # without an axis there is no width to tell


def test_the_output_size_that_unpooling_is_asked_for_is_recorded() -> None:
    class Unpools(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unpool = nn.MaxUnpool2d(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            pooled, indices = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
            return self.unpool(pooled, indices, x.shape[-2:])

    call = summarize(Unpools(), (3, 7, 5))["unpool"]
    assert call.output_shape == (1, 3, 7, 5)
    assert call.settings["output_size"] == (7, 5)

    class Unasked(Unpools):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.unpool(*torch.nn.functional.max_pool2d(x, 2, return_indices=True))

    call = summarize(Unasked(), (3, 7, 4))["unpool"]
    assert call.output_shape == (1, 3, 6, 4)
    assert "output_size" not in call.settings


@pytest.mark.parametrize("reached", [None, "text", torch.tensor(1.0), "nested", "jagged"])
def test_of_what_has_no_width_attention_says_nothing(reached: Any) -> None:
    if reached in ("nested", "jagged"):
        layout = torch.strided if reached == "nested" else torch.jagged
        reached = torch.nested.nested_tensor([torch.zeros(2, 4), torch.zeros(3, 4)], layout=layout)
    x = torch.zeros(2, 3, 6)
    attention, block = nn.MultiheadAttention(4, 2, batch_first=True), nn.TransformerDecoderLayer(4, 2, 4)
    for module, args in [
        (attention, (reached,) * 3), (attention, (reached, x, x)), (attention, (x, x, reached)),
        (nn.TransformerEncoderLayer(4, 2, 4), (reached,)), (block, (x, reached)), (block, (reached, x)),
    ]:  # fmt: skip
        assert not takes(module, *args)
        assert examined(module, *args) is None


def test_a_block_takes_sequences_of_several_lengths() -> None:
    x = torch.nested.nested_tensor([torch.zeros(2, 4), torch.zeros(3, 4)])
    block = nn.TransformerEncoderLayer(4, 2, 4, batch_first=True).eval()
    assert takes(block, x)
    assert examined(block, x) is None
    # Under a mode of functions PyTorch leaves the only way it has for them, and says so.
    assert [problem.kind for problem in summarize(block, x, mode="eval").problems] == ["error"]


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("width", [6, 8, 10])
def test_a_block_says_into_how_many_heads_the_width_goes(width: int, heads: int) -> None:
    block = nn.TransformerDecoderLayer(4, heads, 4)
    args = (torch.zeros(3, 1, width),) * 2
    verdict = examined(block, *args)
    assert verdict is not None
    (misfit,) = verdict.misfits
    reached = args[misfit.input]
    assert not takes(block.self_attn, reached, reached, reached)
    assert reached.shape[-1] == misfit.required
    options = {"d_model": misfit.required, "nhead": heads, "dim_feedforward": 4}
    can_be_made = takes(lambda: nn.TransformerDecoderLayer(**options))
    assert ("parts" in misfit.detail) == (not can_be_made)
    mended = nn.TransformerDecoderLayer(**{**options, **misfit.changes})
    result = mended(reached, reached)
    assert result.shape[verdict.output_axis] == verdict.output_size
    assert result.shape[:-1] != (verdict.output_size,) * 2


@pytest.mark.parametrize("widths", [(6, 10), (8, 6), (6, 4), (4, 6)])
def test_a_block_that_receives_two_widths_is_given_no_number(widths: tuple[int, int]) -> None:
    args = tuple(torch.zeros(3, 1, width) for width in widths)
    for width in {4, *widths}:
        block = nn.TransformerDecoderLayer(width, 1, 4)
        assert not takes(block, *args)
        verdict = examined(block, *args)
        assert verdict is not None
        assert verdict.stand_in is not None
        assert takes(block, *verdict.stand_in[0])
        assert [(misfit.required, misfit.changes) for misfit in verdict.misfits] == [(widths, {})]


def test_an_axis_behind_the_last_is_left_to_pytorch() -> None:
    for axis in (1, 2, -2, -3):
        examine = one_size("in_features", axis=axis)
        assert examine(nn.Linear(4, 2), Arrival((torch.zeros(3),), {}, False, False, False)) is None


@pytest.mark.parametrize("reached", [np.array(["a", "b"]), np.array([None]), np.add, [np.zeros(3)], [[torch.zeros(4)]]])
@pytest.mark.parametrize("module", [nn.Linear(4, 2), nn.Conv1d(4, 2, 1), nn.GRU(4, 2)], ids=repr)
def test_of_what_no_tensor_can_be_made_nothing_is_said(module: nn.Module, reached: Any) -> None:
    assert not takes(module, reached)
    assert examined(module, reached) is None


@pytest.mark.parametrize("make", [nn.Linear, nn.Conv1d, nn.GRU, nn.LSTMCell])
@pytest.mark.parametrize("weight", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64])
def test_what_autocast_takes_care_of_is_no_dtype_of_ones_own(make: Any, weight: Any, dtype: Any) -> None:
    module = make(*{nn.Conv1d: (4, 2, 1)}.get(make, (4, 2))).to(weight)
    x = torch.zeros((2, 4) if make is nn.LSTMCell else (2, 4, 4), dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        verdict = examined(module, x)
        assert (verdict is None) == takes(module, x)
        if verdict is not None:
            assert verdict.stand_in is not None
            assert takes(module, *verdict.stand_in[0])


def test_a_weight_of_one_byte_is_unpacked_before_it_is_used() -> None:
    module: Any = nn.Linear(4, 2, bias=False)
    module.weight = nn.Parameter(torch.zeros(2, 4, dtype=torch.int8), requires_grad=False)
    module.forward = lambda x: nn.functional.linear(x, module.weight.float())
    assert takes(module, torch.zeros(3, 4))
    assert summarize(module, (4,)).ok
    assert examined(module, torch.zeros(3, 4)) is None


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("channels", "outputs", "groups", "arrived"),
    [(1, 2, 1, 3), (4, 6, 2, 5), (4, 6, 2, 8), (4, 4, 4, 6), (4, 8, 4, 3), (6, 4, 2, 9), (2, 2, 1, 3)],
)
def test_what_becomes_of_groups(channels: int, outputs: int, groups: int, arrived: int, transposed: bool) -> None:
    make = CONVOLUTIONS[2][transposed]
    options: dict[str, Any] = {"in_channels": channels, "out_channels": outputs, "kernel_size": 1, "groups": groups}
    module, x = make(**options), torch.zeros(1, arrived, 5, 7)
    verdict = examined(module, x)
    assert verdict is not None
    (misfit,) = verdict.misfits
    mended = make(**{**options, **misfit.changes})
    result = mended(x)
    if groups == channels > 1:  # each channel by itself
        assert verdict.output_size == result.shape[verdict.output_axis] == arrived * (outputs // groups)
        assert mended.groups == arrived
        assert not misfit.detail
    else:
        assert verdict.output_size is None
        assert result.shape[1] == outputs
        can_be_made = takes(lambda: make(**options | {"in_channels": arrived}))
        assert misfit.detail == ({} if can_be_made else {"parts": groups})


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [1, 2, 5])
@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("dims", [2, 3])
def test_features_that_make_an_image(channels: int, side: int, over: int, dims: int) -> None:
    module = CONVOLUTIONS[dims][False](channels, 2, 1)
    x = torch.zeros(2, channels * side**dims + over)
    verdict = examined(module, x)
    assert verdict is not None
    (misfit,) = verdict.misfits
    assert (misfit.note == "flat") == (side > 1 and not over)  # an image of one pixel is none
    if misfit.note == "flat":
        assert takes(module, x.unflatten(1, misfit.detail["sizes"]))
        assert misfit.detail["sizes"] == (channels, *(side,) * dims)
        assert verdict.stand_in is not None
        assert takes(module, *verdict.stand_in[0])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(4, 4, 5), (2, 5), (4, 3, 4), (3, 4, 4, 6)])
def test_a_quantized_linear_is_told_its_width(shape: tuple[int, ...], packed: bool) -> None:
    quantized = torch.ao.nn.quantized
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch announces another way to quantize
        make: Any = quantized.Linear if packed else quantized.dynamic.Linear
        x = torch.zeros(shape)
        if packed:
            x = torch.quantize_per_tensor(x, 1.0, 0, torch.quint8)
        module = make(4, 3)
        verdict = examined(module, x)
        assert (verdict is None) == takes(module, x)
        if verdict is None:
            return
        (misfit,) = verdict.misfits
        mended = make(**{"in_features": 4, "out_features": 3, **misfit.changes})
        assert takes(mended, x)
        assert (verdict.stand_in is None) == packed
        if verdict.stand_in is not None:
            assert module(*verdict.stand_in[0]).shape == mended(x).shape


def test_an_adaptive_softmax_built_again_is_the_same() -> None:
    for cutoffs in ([2], [2, 5], [1, 2, 5]):
        module = nn.AdaptiveLogSoftmaxWithLoss(4, 9, cutoffs, div_value=2.0, head_bias=True)
        arguments = rule_for(type(module)).arguments
        assert arguments is not None
        again = nn.AdaptiveLogSoftmaxWithLoss(**arguments(module))
        again.load_state_dict(module.state_dict())
        x = torch.randn(3, 4)
        assert torch.equal(again.log_prob(x), module.log_prob(x))


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1), (1, 3, 2), (2, 3), (1, 3, 1, 1), (1, 3, 1, 2), (3, 3)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("tracks", [True, False])
def test_a_single_value_per_channel_has_no_statistics(shape: tuple[int, ...], training: bool, tracks: bool) -> None:
    make = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    module = make(3, track_running_stats=tracks).train(training)
    verdict = examined(module, torch.zeros(shape))
    assert (verdict is None) == takes(module, torch.zeros(shape))
    if verdict is not None:
        assert verdict.stand_in is not None
        assert takes(module, *verdict.stand_in[0])


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.BatchNorm1d(4), (3, 5)), (nn.BatchNorm1d(4), (3, 5, 2)), (nn.BatchNorm2d(4), (3, 5, 2, 2)),
        (nn.InstanceNorm1d(4, affine=True), (3, 5, 2)), (nn.GroupNorm(2, 4), (3, 6)), (nn.GroupNorm(2, 2), (1, 4)),
        (nn.GroupNorm(4, 4), (1, 8)), (nn.LayerNorm(4), (3, 5)), (nn.RMSNorm(4), (3, 5)), (nn.PReLU(4), (3, 5, 2)),
    ],
    ids=repr,
)  # fmt: skip
def test_the_size_of_what_follows_its_input_is_handed_on(module: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape)
    verdict = examined(module, x)
    assert verdict is not None
    assert verdict.stand_in is not None
    assert takes(module, *verdict.stand_in[0])
    mended = fit(nn.Sequential(module), x)
    assert verdict.keeps_input
    assert mended(x).shape == shape


def test_an_instance_norm_of_ones_own_counts_the_channels_of_a_batch() -> None:
    class OfImages(nn.modules.instancenorm._InstanceNorm):
        def _get_no_batch_dim(self) -> int:
            return 3

        def _check_input_dim(self, input: torch.Tensor) -> None:
            pass

    for shape in [(2, 3, 4, 4), (2, 5, 4, 4), (3, 5, 4, 4), (5, 3, 4, 4)]:
        module, x = OfImages(3, affine=True), torch.zeros(shape)
        verdict = examined(module, x)
        assert (verdict is None) == takes(module, x)
        if verdict is not None:
            (misfit,) = verdict.misfits
            assert takes(OfImages(**{"num_features": 3, "affine": True, **misfit.changes}), x)
            assert verdict.stand_in is not None
            assert takes(module, *verdict.stand_in[0])


@pytest.mark.parametrize("make", [nn.RNNCell, nn.LSTMCell, nn.GRUCell, nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("width", [4, 5])
@pytest.mark.parametrize("shape", [(3,), (3, 2), (3, 4, 2)])
def test_packed_sequences_are_for_recurrent_layers_alone(make: Any, width: int, shape: tuple[int, ...]) -> None:
    packed = torch.nn.utils.rnn.pack_sequence([torch.zeros(*shape[:-1], width), torch.zeros(*shape[:-1], width)])
    module = make(4, 2)
    verdict = examined(module, packed)
    if issubclass(make, nn.RNNCellBase):
        assert verdict is not None
        assert verdict.misfits[0].note == "packed"
    elif packed.data.dim() == 2:
        # PyTorch's LSTM does not look at the width of packed sequences; unpacked it does.
        assert (verdict is None) == takes(module, torch.zeros(3, 2, width))
    else:  # no wrong width is to blame
        assert verdict is None
        assert not takes(module, packed)
    if verdict is not None:
        assert verdict.stand_in is not None
        assert takes(module, *verdict.stand_in[0])


@pytest.mark.parametrize("make", [nn.RNN, nn.LSTM, nn.GRU])
def test_steps_along_several_axes_stay_within_their_sample(make: Any) -> None:
    module, x = make(5, 2, batch_first=True), torch.zeros(3, 4, 6, 5)
    assert not takes(module, x)
    verdict = examined(module, x)
    assert verdict is not None
    (misfit,) = verdict.misfits
    assert misfit.kind == "structure"
    assert verdict.stand_in is not None
    assert module(*verdict.stand_in[0])[0].shape == module(x.flatten(1, 2))[0].shape


@pytest.mark.parametrize("make", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("facts", [{}, {"is_model_input": True}, {"is_feature_map": True}], ids=str)
def test_of_a_signal_the_channels_are_the_features(make: Any, facts: dict[str, bool]) -> None:
    module, x = make(4, 2), torch.zeros(2, 4, 7)
    assert not takes(module, x)
    verdict = examined(module, x, **facts)
    assert verdict is not None
    (misfit,) = verdict.misfits
    if facts:
        assert misfit.note == "permute"
        assert takes(module, x.permute(misfit.detail["order"]))
    else:
        assert takes(make(**{"input_size": 4, "hidden_size": 2, **misfit.changes}), x)
    assert verdict.stand_in is not None
    assert takes(module, *verdict.stand_in[0])


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(
    "module",
    [nn.RNN(3, 4, nonlinearity="relu"), nn.RNN(3, 4), nn.LSTM(3, 4, proj_size=2), nn.GRU(3, 4, bidirectional=True)],
    ids=repr,
)
def test_a_recurrent_layer_built_again_is_the_same(module: Any) -> None:
    arguments = rule_for(type(module)).arguments
    assert arguments is not None
    again = type(module)(**arguments(module))
    again.load_state_dict(module.state_dict())
    x = torch.randn(5, 2, 3)
    assert torch.equal(again(x)[0], module(x)[0])


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Linear(4, 2), (3, 5)), (nn.Conv1d(4, 2, 1), (1, 5, 3)), (nn.ConvTranspose1d(4, 2, 1), (1, 5, 3)),
        (nn.BatchNorm1d(4), (3, 5)), (nn.InstanceNorm1d(4, affine=True), (2, 5, 3)), (nn.GroupNorm(2, 4), (3, 6)),
        (nn.LayerNorm(4), (3, 5)), (nn.PReLU(4), (3, 5)), (nn.GRU(4, 2), (3, 5)), (nn.GRUCell(4, 2), (3, 5)),
        (nn.Unflatten(1, (2, 2)), (3, 5)), (nn.Embedding(4, 2), (3, 5)),
    ],
    ids=repr,
)  # fmt: skip
def test_what_was_passed_by_name_is_replaced_by_name(module: nn.Module, shape: tuple[int, ...]) -> None:
    examine = rule_for(type(module)).examine
    assert examine is not None
    verdict = examine(module, Arrival((), {"input": torch.zeros(shape)}, False, False, False))
    assert verdict is not None
    assert verdict.stand_in is not None
    args, kwargs = verdict.stand_in
    module(*args, **kwargs)


@pytest.mark.parametrize("into", [(2, -1), (-1, 3, 2), (3, -1, 2), (1, -1, 4)])
@pytest.mark.parametrize("size", [4, 5, 6, 12])
def test_a_size_that_unflatten_finds_by_itself_counts_for_nothing(into: tuple[int, ...], size: int) -> None:
    module, x = nn.Unflatten(1, into), torch.zeros(2, size)
    verdict = examined(module, x)
    assert (verdict is None) == takes(module, x)
    if verdict is not None:
        (misfit,) = verdict.misfits
        assert takes(module, torch.zeros(2, misfit.detail["product"]))
        assert verdict.stand_in is not None
        assert takes(module, *verdict.stand_in[0])


def test_an_axis_that_has_a_name_is_left_to_pytorch() -> None:
    module: Any = nn.Unflatten(1, (2, 2))
    module.dim = "features"  # which earlier versions of PyTorch take
    assert not takes(module, torch.zeros(2, 5))
    assert examined(module, torch.zeros(2, 5)) is None


def test_behind_blocks_that_are_put_together_a_flatten_is_missing() -> None:
    fold, x = nn.Fold((4, 4), 2, stride=2), torch.zeros(1, 8, 4)
    last = nn.Linear(fold(x).flatten(1).shape[1], 2)
    (problem,) = summarize(nn.Sequential(fold, last), x).problems
    assert (problem.kind, problem.path) == ("structure", "1")
    assert takes(nn.Sequential(fold, nn.Flatten(), last), x)


@pytest.mark.parametrize(
    "between", [nn.LayerNorm(5), nn.RMSNorm(5), nn.PReLU(), nn.ReLU(), nn.GroupNorm(1, 1)], ids=str
)
def test_what_keeps_the_axes_of_a_feature_map_leaves_its_channels_first(between: nn.Module) -> None:
    model = nn.Sequential(nn.Conv2d(3, 1, 1), between, nn.ConvTranspose2d(5, 2, 1))
    (problem,) = summarize(model, (3, 4, 5)).problems
    assert (problem.kind, problem.declared, problem.required) == ("in_channels", 5, 1)
    assert "channels last" not in problem.message
    model[2] = nn.ConvTranspose2d(problem.required, 2, 1)
    assert model(torch.zeros(1, 3, 4, 5)).shape == (1, 2, 4, 5)


class Turns(nn.Module):
    """Sets the axes of its input in another order in front of a layer, unless it is told not to."""

    def __init__(self, layer: nn.Module, order: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.order = layer, order

    def forward(self, x: Tensor) -> Any:
        return self.layer(self.order(x))


@pytest.mark.parametrize(
    ("layer", "order", "shape"),
    [
        (nn.Conv2d(4, 32, 8, stride=4), lambda x: x.permute(0, 3, 1, 2), (4, 84, 84)),
        (nn.Conv2d(4, 8, 3), lambda x: x.movedim(-1, 1), (4, 20, 30)),
        (nn.Conv2d(4, 8, 3), lambda x: x.transpose(1, 3).transpose(2, 3), (4, 20, 30)),
        (nn.Conv1d(12, 8, 3), lambda x: x.transpose(1, 2), (12, 100)),
        (nn.LSTM(12, 8, batch_first=True), lambda x: x.transpose(1, 2), (100, 12)),
        (nn.LSTM(12, 8), lambda x: x.permute(2, 0, 1), (100, 12)),
        (nn.Linear(12, 8), lambda x: x.mT, (100, 12)),
    ],
    ids=["permute", "movedim", "twice", "signal", "lstm", "time first", "linear"],
)
def test_what_forward_turns_though_it_is_in_order_is_told_so(
    layer: nn.Module, order: Callable[[Tensor], Tensor], shape: tuple[int, ...]
) -> None:
    model = Turns(layer, order)
    assert not takes(model, torch.zeros(1, *shape))
    (problem,) = summarize(model, shape).problems
    assert problem.fix is not None
    assert "moves them" in problem.message.replace("\n", " ")
    right = ast.literal_eval(problem.fix.partition("(model, ")[2].removesuffix(")"))
    assert takes(model, torch.zeros(1, *right))
    assert sorted(right) == sorted(shape)
    assert takes(layer, torch.zeros(1, *shape))


def test_a_linear_is_told_where_its_features_are() -> None:
    model = Turns(nn.Linear(12, 8), lambda x: x)
    (problem,) = summarize(model, (12, 100)).problems
    assert "dimension 1 has the 12 features" in problem.message
    assert takes(model.layer, torch.zeros(1, 12, 100).permute(0, 2, 1))


class TwoTables(nn.Module):
    """An index out of range in two calls of one table; its input has nothing to do with it."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.table, self.fc = nn.Embedding(rows, 4), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Any:
        first, second = self.table(torch.arange(12)), self.table(torch.arange(20))
        return self.fc(x) + first.mean(0) + second.mean(0)


def test_a_table_is_told_once_with_the_rows_that_fit_every_call() -> None:
    (problem,) = summarize(TwoTables(10), (8,)).problems
    assert (problem.path, problem.kind, problem.required) == ("table", "num_embeddings", 20)
    assert takes(TwoTables(problem.required), torch.zeros(1, 8))
    assert not takes(TwoTables(12), torch.zeros(1, 8))
    assert summarize(TwoTables(20), (8,)).ok


class Hidden(nn.Module):
    """A function that no function mode sees, between a layer and one of a wrong size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Any:
        return self.fc(torch.ops.aten.relu.default(self.conv(x)).flatten(1))


def test_what_no_one_saw_made_is_not_called_the_input() -> None:
    (problem,) = summarize(Hidden(), (3, 8, 8)).problems
    assert problem.required == nn.Conv2d(3, 4, 3)(torch.zeros(1, 3, 8, 8)).numel()
    assert "the input" not in problem.message


@pytest.mark.parametrize("module", [nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())])
def test_num_flat_features_says_how_to_call_itself(module: nn.Module) -> None:
    with pytest.raises(ShapeError) as caught:
        num_flat_features(module, (4, 3, 8, 8))
    (line,) = [line for line in str(caught.value).splitlines() if "fix" in line]
    call = line.partition("fix")[2].strip()
    assert call == "num_flat_features(module, (3, 8, 8))"
    assert eval(call) == module(torch.zeros(4, 3, 8, 8)).flatten(1).shape[1]


@pytest.mark.parametrize("call", [lambda x: x.view(-1, 8, 7, 7), lambda x: x.unflatten(1, (8, 7)).reshape(-1, 8, 7, 7)])
def test_an_input_in_another_shape_is_not_in_another_order(call: Callable[[Tensor], Tensor]) -> None:
    model = Turns(nn.Conv2d(8, 2, 3), call)
    assert takes(model, torch.zeros(1, 56, 7))
    assert summarize(model, (56, 7)).ok
    (problem,) = summarize(Turns(nn.Conv2d(9, 2, 3), call), (56, 7)).problems
    assert (problem.kind, problem.required) == ("in_channels", 8)
    assert takes(Turns(nn.Conv2d(problem.required, 2, 3), call), torch.zeros(1, 56, 7))


def test_features_of_many_axes_have_no_letters() -> None:
    (_, problem) = summarize(nn.Sequential(nn.Linear(20, 6), nn.BatchNorm2d(6)), (7, 7, 7, 7, 20)).problems
    assert "dimension 5 has the 6 channels" in problem.message


class Own1d(nn.BatchNorm1d):
    pass


class NormedLSTM(nn.LSTM):
    pass


class Block(nn.Conv2d):
    pass


def test_of_a_rank_that_is_wrong_the_class_tells_and_not_its_name() -> None:
    with pytest.raises(ValueError, match="expected 2D or 3D input"):
        Own1d(4)(torch.zeros(1, 4, 6, 6))
    (problem,) = summarize(nn.Sequential(nn.Conv2d(3, 4, 3), Own1d(4)), (3, 8, 8)).problems
    assert problem.message == "Own1d(4, …) expects 2 or 3 dimensions, got 4: 1×4×6×6"
    assert problem.fix is None  # there is no Own2d, and the channels stand where they belong
    (problem,) = summarize(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm1d(4)), (3, 8, 8)).problems
    assert problem.fix is not None
    assert "BatchNorm2d" in problem.fix
    nn.BatchNorm2d(4)(torch.zeros(1, 4, 6, 6))
    (problem,) = summarize(nn.Sequential(nn.Conv2d(3, 4, 3), NormedLSTM(6, 4)), (3, 8, 8)).problems
    assert problem.message.startswith("NormedLSTM(6, 4) expects 3 dimensions, got 4")
    (problem,) = summarize(nn.Sequential(nn.Flatten(0), Block(3, 4, 3)), (3, 8, 8)).problems
    assert problem.message.startswith("Block(3, 4, …) expects 4 dimensions (N×C×H×W)")
