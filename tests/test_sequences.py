"""Mistakes around recurrent layers and attention: the cause is named, and PyTorch runs what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from convlin import summarize
from convlin.at_error.answer import answer_to
from convlin.source import locate
from tests.source_programs import load_file


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


# Recurrent layers with arguments by position ------------------------------------------------------------------------

LAYER = """\
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = LAYER
"""


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("nn.LSTM(9, 10, 2)", "nn.LSTM(9, 10, 2, batch_first=True)"),
        ("nn.GRU(9, 10, 2, False)", "nn.GRU(9, 10, 2, False, batch_first=True)"),
        ("nn.LSTM(9, 10, 2, True, False, 0.1)", "nn.LSTM(9, 10, 2, True, True, 0.1)"),
        ("nn.RNN(9, 10, 2, nonlinearity='relu')", "nn.RNN(9, 10, 2, nonlinearity='relu', batch_first=True)"),
        ("nn.RNN(9, 10, 2)", "nn.RNN(9, 10, 2, batch_first=True)"),
        ("nn.LSTM(9, 10, 1, True, False, 0., True)", "nn.LSTM(9, 10, 1, True, True, 0., True)"),
    ],
)
def test_a_recurrent_layer_with_arguments_by_position(written: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(LAYER.replace("LAYER", written))
    model = load_file(path).Model()
    site = locate(model, "rnn", (type(model),))
    assert site is not None
    assert site.rewrite({"batch_first": "True"}) == f"self.rnn = {told}"
    path.write_text(LAYER.replace("LAYER", told))
    made = load_file(path).Model().rnn
    assert made.batch_first
    names = ("input_size", "hidden_size", "num_layers", "bias", "dropout", "bidirectional", "mode")
    assert [getattr(made, name) for name in names] == [getattr(model.rnn, name) for name in names]


class Packs(nn.Module):
    def __init__(self, **options: bool) -> None:
        super().__init__()
        self.rnn, self.options = nn.GRU(3, 4), options

    def forward(self, x: Tensor) -> Tensor:
        lengths = torch.full((x.size(0),), x.size(1))
        return self.rnn(pack_padded_sequence(x, lengths, **self.options))[1][-1]


def test_sequences_packed_as_if_time_were_first() -> None:
    x = torch.rand(4, 6, 3)
    with pytest.raises(RuntimeError, match="lengths"):
        Packs()(x)
    (problem,) = summarize(Packs(), x).problems
    assert "of 4×6×3 it reads 6 as the batch with batch_first=True the batch is 4" in " ".join(problem.message.split())
    assert Packs(batch_first=True)(x).shape == (4, 4)


def test_what_the_fast_path_alone_refuses_is_not_seen() -> None:
    """As ``docs/limitations.md`` says: with hooks PyTorch goes the way that calls its layers."""
    model = nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
    model.norm1, model.norm2 = nn.RMSNorm(4), nn.RMSNorm(4)  # type: ignore[assignment]  # which the annotation forbids
    model.eval()
    with torch.no_grad(), pytest.raises(AttributeError, match="bias"):
        model(torch.zeros(1, 3, 4))
    assert model.train()(torch.zeros(1, 3, 4)).shape == (1, 3, 4)
    assert summarize(model.eval(), (3, 4)).ok
