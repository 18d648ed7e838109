"""Kinds of questions that people ask: the cause is named, and PyTorch runs what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize
from convlin.at_error.answer import answer_to


class Activated(nn.Module):
    """What a recurrent layer returns goes through a layer of any shape."""

    def __init__(self, between: nn.Module, index: bool = False) -> None:
        super().__init__()
        self.rnn = nn.LSTM(5, 8, batch_first=True)
        self.between, self.index = between, index
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        made = self.rnn(x)
        return self.fc(self.between(made[0] if self.index else made))


@pytest.mark.parametrize("between", [nn.Dropout(0.1), nn.ReLU(), nn.Tanh(), nn.GELU(), nn.Softmax(-1)])
def test_a_tuple_reaches_an_activation(between: nn.Module) -> None:
    (problem,) = summarize(Activated(between), (7, 5)).problems
    assert problem.path == "between"
    assert "LSTM returns (output, (h_n, c_n)): take [0]" in problem.message
    assert Activated(between, index=True)(torch.rand(2, 7, 5)).shape == (2, 7, 3)
    assert summarize(Activated(between, index=True), (7, 5)).ok


class Joins(nn.Module):
    def __init__(self, width: int, change: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.change, self.fc = change, nn.Linear(width, 4)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return self.fc(torch.cat((self.change(one), other), 1))


@pytest.mark.parametrize(
    ("one", "other", "width"), [((6,), (1, 9), 15), ((3, 7), (3, 5, 7), 7), ((3, 5, 7), (3, 2, 5, 7), 7)]
)
def test_the_axis_that_a_cat_misses(one: tuple[int, ...], other: tuple[int, ...], width: int) -> None:
    given = torch.rand(one), torch.rand(other)
    (problem,) = summarize(Joins(width), given).problems  # and nothing of the Linear, which is right
    match = re.search(r"unsqueeze\((\d)\) makes", problem.message)
    assert match is not None
    axis = int(match[1])
    Joins(width, lambda x: x.unsqueeze(axis))(*given)


@pytest.mark.parametrize(("one", "other"), [((6,), (3, 9)), ((6,), (1, 2, 6))])
def test_where_no_one_axis_is_missing_none_is_named(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    problem = summarize(Joins(15), (torch.rand(one), torch.rand(other))).problems[0]
    assert "dimensions" in problem.message
    assert "unsqueeze" not in problem.message


class Decodes(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide, self.channels = nn.Linear(6, 12 * 3 * 3), channels
        self.up = nn.ConvTranspose2d(12, 3, 2, stride=2)

    def forward(self, z: Tensor) -> Tensor:
        return self.up(self.wide(z).view(-1, self.channels, 3, 3))


def test_the_channels_of_a_view_into_a_map() -> None:
    problem = summarize(Decodes(40), (6,)).problems[0]
    match = re.search(r"108 is (\d+) channels of 3×3", problem.message)
    assert match is not None
    assert Decodes(int(match[1]))(torch.rand(2, 6)).shape == (2, 3, 6, 6)


def test_a_map_of_no_width_has_no_channels() -> None:
    class Empty(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.view(x.shape[0], 3, 0, 5)

    with pytest.raises(RuntimeError, match="invalid for input of size 16"):
        Empty()(torch.zeros(1, 2, 8))
    (problem,) = summarize(Empty(), (2, 8)).problems
    assert "16 elements, not 0" in problem.message
    assert "channels" not in problem.message


def test_at_the_error_as_well() -> None:
    model, given = Joins(7), (torch.rand(3, 7), torch.rand(3, 5, 7))
    with pytest.raises(RuntimeError) as info:
        model(*given)
    found = answer_to(info.value)
    assert found is not None
    assert "unsqueeze(1) makes 3×1×7 of 3×7" in found.text


class Filmed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 4, (3, 3, 3), padding=1)
        self.norm = nn.BatchNorm3d(4)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.conv(x)).mean((2, 3, 4)))


def test_images_for_a_convolution_of_videos() -> None:
    model, images = Filmed(), torch.rand(6, 3, 8, 9)
    (problem,) = summarize(model, images).problems
    assert "6×3×8×9 has 3 channels and one dimension too few" in problem.message
    assert model(images.unsqueeze(2)).shape == (6, 2)
    assert "transpose(0, 1).unsqueeze(0) makes it 1×3×6×8×9" in " ".join(problem.message.split())
    assert images.transpose(0, 1).unsqueeze(0).shape == (1, 3, 6, 8, 9)
    assert problem.fix is not None
    assert "self.conv(x.unsqueeze(2))" in problem.fix


def test_a_row_for_each_channel_of_an_image() -> None:
    rows = torch.rand(5, 4, 20)
    model = nn.Sequential(nn.Conv2d(4, 6, (1, 3)), nn.Flatten(), nn.Linear(6 * 18, 2))
    (problem,) = summarize(model, rows).problems
    assert "unsqueeze(2) makes it 5×4×1×20, where H is 1" in problem.message
    assert model(rows.unsqueeze(2)).shape == (5, 2)


@pytest.mark.parametrize("shape", [(4, 4, 20), (4, 9, 20)])
def test_a_sample_that_pytorch_takes_is_not_one_axis_short(shape: tuple[int, ...]) -> None:
    model = nn.Conv2d(4, 6, (1, 3))
    model(torch.rand(shape))
    assert summarize(model, torch.rand(shape)).ok


@pytest.mark.parametrize(
    ("make", "whole", "by"),
    [
        (lambda whole, by: nn.MultiheadAttention(whole, by), 10, 3),
        (lambda whole, by: nn.TransformerEncoderLayer(whole, nhead=by), 30, 8),
        (lambda whole, by: nn.TransformerDecoderLayer(d_model=whole, nhead=by), 20, 6),
        (lambda whole, by: nn.GroupNorm(by, whole), 48, 32),
        (lambda whole, by: nn.Conv2d(whole, 60, 3, groups=by), 9, 6),
        (lambda whole, by: nn.Conv1d(60, whole, 3, groups=by), 8, 5),
    ],
)
def test_numbers_that_do_not_divide(make: Callable[[int, int], nn.Module], whole: int, by: int) -> None:
    with pytest.raises((AssertionError, ValueError)) as info:
        make(whole, by)
    told = answer_to(info.value)
    assert told is not None
    match = re.search(r"(\w+)=(\d+) is no multiple of (\w+)=(\d+)", told.said)
    assert match is not None
    assert (int(match[2]), int(match[4])) == (whole, by)
    taken = re.search(rf"{match[3]} may be ([\d, or]+) with", told.said)
    assert taken is not None
    for number in map(int, re.findall(r"\d+", taken[1])):
        make(whole, number)
    for number in map(int, re.findall(rf"{match[1]}=(\d+) (?:or|go)", told.said)):
        make(number, by)
    assert "test_asked_in_forums.py:" in told.said


def test_other_refusals_of_a_constructor_are_said_by_pytorch() -> None:
    with pytest.raises(ValueError, match="embed_dim and num_heads") as info:
        nn.MultiheadAttention(8, 0)
    assert answer_to(info.value) is None


class Attends(nn.Module):
    """Sequences with the batch in front; a mask of steps, of padding, or none."""

    def __init__(self, mask: str = "", **options: bool) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(12, 3, **options)
        self.mask = mask

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        sizes = {"attn_mask": (query.shape[1], key.shape[1]), "key_padding_mask": tuple(key.shape[:2])}
        masks = {self.mask: torch.zeros(sizes[self.mask])} if self.mask else {}
        return self.attn(query, key, key, **masks)[0]


@pytest.mark.parametrize(("mask", "keys"), [("", 7), ("attn_mask", 5), ("attn_mask", 7), ("key_padding_mask", 5)])
def test_attention_that_reads_the_batch_as_time(mask: str, keys: int) -> None:
    given = torch.rand(4, 5, 12), torch.rand(4, keys, 12)
    with pytest.raises((RuntimeError, AssertionError)) as info:
        Attends(mask)(*given)
    (problem,) = summarize(Attends(mask), given).problems
    assert problem.path == "attn"
    assert "without batch_first=True takes time first" in problem.message
    assert dict(problem.changes) == {"batch_first": "True"}
    assert Attends(mask, batch_first=True)(*given).shape == (4, 5, 12)
    assert summarize(Attends(mask, batch_first=True), given).ok
    assert "batch_first=True" in str(answer_to(info.value))


@pytest.mark.parametrize("mask", ["", "attn_mask", "key_padding_mask"])
def test_sequences_with_time_first_are_right_as_they_are(mask: str) -> None:
    class TimeFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = nn.MultiheadAttention(12, 3)

        def forward(self, x: Tensor) -> Tensor:
            sizes = {"attn_mask": (len(x), len(x)), "key_padding_mask": (x.shape[1], len(x))}
            masks = {mask: torch.zeros(sizes[mask])} if mask else {}
            return self.attn(x, x, x, **masks)[0]

    assert summarize(TimeFirst(), torch.rand(5, 4, 12)).ok


class OneStep(nn.Module):
    """A decoder: the last word of every sentence, and the state so far."""

    def __init__(self, kind: type[nn.GRU | nn.LSTM], axis: int | None, **options: bool) -> None:
        super().__init__()
        self.words, self.axis = nn.Embedding(20, 6), axis
        self.rnn = kind(6, 9, **options)
        self.fc = nn.Linear(9, 20)

    def forward(self, word: Tensor, state: Tensor) -> Tensor:
        x = self.words(word)
        x = x if self.axis is None else x.unsqueeze(self.axis)
        given = (state, state) if isinstance(self.rnn, nn.LSTM) else state
        return self.fc(self.rnn(x, given)[0])


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
@pytest.mark.parametrize(("options", "axis"), [({}, 0), ({"batch_first": True}, 1)])
def test_one_step_of_a_batch(kind: type[nn.GRU | nn.LSTM], options: dict[str, bool], axis: int) -> None:
    given = torch.randint(20, (7,)), torch.zeros(1, 7, 9)
    with pytest.raises(RuntimeError) as info:
        OneStep(kind, None, **options)(*given)
    (problem,) = summarize(OneStep(kind, None, **options), given).problems
    assert f"unsqueeze({axis}) makes one step of it" in problem.message
    assert OneStep(kind, axis, **options)(*given).numel() == 7 * 20
    assert f"unsqueeze({axis}) makes one step" in str(answer_to(info.value))


def test_one_sequence_with_a_state_of_its_own_is_right() -> None:
    given = torch.randint(20, (7,)), torch.zeros(1, 9)
    assert summarize(OneStep(nn.GRU, None), given).ok


class OneState(nn.Module):
    def __init__(self, layer: nn.Module, pair: bool = False) -> None:
        super().__init__()
        self.layer, self.pair = layer, pair

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        return self.layer(x, (state, state) if self.pair else state)[0]


@pytest.mark.parametrize(
    ("layer", "shapes"), [(nn.LSTMCell(4, 6), ((3, 4), (3, 6))), (nn.LSTM(4, 6), ((5, 3, 4), (1, 3, 6)))]
)
def test_an_lstm_takes_two_states(layer: nn.Module, shapes: tuple[tuple[int, ...], ...]) -> None:
    given = tuple(map(torch.rand, shapes))
    (problem,) = summarize(OneState(layer), given).problems
    assert "takes its state as a tuple" in problem.message
    OneState(layer, pair=True)(*given)
    assert summarize(OneState(layer, pair=True), given).ok


def _signal(pool: nn.Module, features: int) -> nn.Module:
    return nn.Sequential(nn.Conv1d(2, 10, 3), nn.ReLU(), pool, nn.Flatten(), nn.Linear(features, 3))


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.AvgPool2d((2, 2))])
def test_a_pooling_that_takes_the_channels_as_well(pool: nn.Module) -> None:
    x = torch.rand(4, 2, 20)
    assert pool(torch.rand(4, 10, 18)).shape == (4, 5, 9)  # PyTorch takes it
    summary = summarize(_signal(pool, 90), x)
    assert any("pools the 10 channels as well" in remark for remark in summary.report.remarks)
    assert _signal(nn.MaxPool1d(2), 90)(x).shape == (4, 3)


@pytest.mark.parametrize(
    ("model", "shape"),
    [(_signal(nn.MaxPool1d(2), 90), (4, 2, 20)), (nn.Sequential(nn.Conv2d(2, 4, 3), nn.MaxPool2d(2)), (2, 9, 9))],
)
def test_other_poolings_have_no_remark(model: nn.Module, shape: tuple[int, ...]) -> None:
    assert not any("channels as well" in each for each in summarize(model, torch.rand(shape)).report.remarks)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(3, 4, (3, 3, 3)), (2, 3, 9, 9)),  # type: ignore[arg-type]
        (nn.Conv1d(3, 4, (3, 3)), (2, 3, 9)),  # type: ignore[arg-type]
        (nn.ConvTranspose2d(3, 4, (2, 2, 2), stride=2), (2, 3, 9, 9)),  # type: ignore[arg-type]
    ],
)
def test_a_kernel_of_other_axes(layer: nn.Module, shape: tuple[int, ...]) -> None:
    model = nn.Sequential(nn.Identity(), layer)
    with pytest.raises(RuntimeError) as info:
        model(torch.rand(shape))
    (problem,) = summarize(model, torch.rand(shape)).problems
    kind, axes = type(layer), len(shape) - 2
    assert f"{kind.__name__} with kernel_size=" in problem.message
    assert f"numbers are for {kind.__name__[:-2]}{axes + 1}d" in problem.message
    kind(3, 4, (3,) * axes)(torch.rand(shape))
    assert "kernel_size is" in str(answer_to(info.value))


class Unflattened(nn.Module):
    """A recurrent layer whose features are on several axes; ``flatten`` puts them on one."""

    def __init__(self, size: int, steps_first: bool, order: tuple[int, ...] = (), flatten: bool = False) -> None:
        super().__init__()
        self.rnn = nn.GRU(size, 6, batch_first=not steps_first)
        self.order, self.flatten = order, flatten
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        if self.order:
            x = x.permute(self.order)
        if self.flatten:
            x = x.flatten(2)
        x = self.rnn(x)[0]
        return self.fc(x)


@pytest.mark.parametrize(
    ("shape", "size", "steps_first", "order"),
    [
        ((5, 3, 8, 4), 96, False, ()),  # a video
        ((16, 8, 25), 128, False, (0, 3, 1, 2)),  # the columns of a map
        ((16, 8, 25), 128, True, (3, 0, 1, 2)),
    ],
)
def test_the_features_of_steps_are_on_several_axes(
    shape: tuple[int, ...], size: int, steps_first: bool, order: tuple[int, ...]
) -> None:
    given = torch.rand(2, *shape)
    with pytest.raises(ValueError, match="Expected input to be 2D or 3D"):
        Unflattened(size, steps_first, order)(given)
    (problem,) = summarize(Unflattened(size, steps_first, order), shape).problems  # and no other input_size
    assert problem.fix == "x = self.rnn(x.flatten(2))[0]"
    Unflattened(size, steps_first, order, flatten=True)(given)
    assert summarize(Unflattened(size, steps_first, order, flatten=True), shape).ok
