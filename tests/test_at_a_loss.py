"""A loss that refused what a model made, as programs hold it: each way that is told is taken, and PyTorch asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from convlin.at_error.answer import answer
from convlin.sizes.spell import spell_shape as times
from tests.source_programs import load_file


class LastState(nn.Module):
    """Classifies the last state of a recurrent layer, flattened in one way or another."""

    def __init__(self, kind: type[nn.RNNBase], layers: int, *, bidirectional: bool, how: Callable[[Tensor], Tensor]):
        super().__init__()
        self.rnn = kind(10, 32, layers, batch_first=True, bidirectional=bidirectional)  # type: ignore[arg-type]
        self.how = how
        self.fc = nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        _, state = self.rnn(x)
        h = state[0] if isinstance(state, tuple) else state
        return self.fc(self.how(h))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize(("layers", "bidirectional"), [(2, False), (3, False), (1, True)])
def test_a_state_viewed_as_rows_of_samples(kind: type[nn.RNNBase], layers: int, bidirectional: bool) -> None:
    net = LastState(kind, layers, bidirectional=bidirectional, how=lambda h: h.view(-1, 32))
    x, labels = torch.randn(8, 5, 10), torch.randint(2, (8,))
    predictions = net(x)
    with pytest.raises(ValueError, match="size") as raised:
        nn.CrossEntropyLoss()(predictions, labels)
    told = str(answer(raised.value))
    several = layers * (1 + bidirectional)
    assert f"LastState turns a batch of 8 into {8 * several}" in told
    assert f"{several} rows for each sample" in " ".join(told.split())
    [remark] = summarize(net, (5, 10)).report.remarks
    [way] = re.findall(r"of a state h, (.*) is that of the last layer", remark)
    right = LastState(kind, layers, bidirectional=bidirectional, how=lambda h: eval(way, {"torch": torch, "h": h}))
    right.fc = nn.LazyLinear(2)
    nn.CrossEntropyLoss()(right(x), labels)
    assert not summarize(right, (5, 10)).report.remarks


def test_a_state_that_comes_back_is_no_mistake() -> None:
    class Bridge(LastState):
        def forward(self, x: Tensor) -> Tensor:
            _, h = self.rnn(x)
            return self.fc(h.view(-1, 32)).view(2, -1, 2)[-1]

    assert not summarize(Bridge(nn.GRU, 2, bidirectional=False, how=torch.clone), (5, 10)).report.remarks


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_classes_for_a_loss_of_probabilities_are_made_one_hot(dtype: torch.dtype) -> None:
    predictions, targets = nn.Linear(20, 3)(torch.randn(8, 20)), torch.randint(3, (8,)).to(dtype)
    with pytest.raises(ValueError, match="size") as raised:
        nn.BCEWithLogitsLoss()(predictions, targets)
    [way] = re.findall(r"with (.*) it runs", str(answer(raised.value)))
    right = eval(way, {"F": F, "targets": targets, "predictions": predictions})
    nn.BCEWithLogitsLoss()(predictions, right)


@pytest.mark.parametrize("outputs", [2, 5])
def test_labels_of_yes_and_no_may_need_one_output(outputs: int) -> None:
    targets = torch.tensor([0.0, 1, 0, 1])
    with pytest.raises(ValueError, match="size") as raised:
        nn.BCEWithLogitsLoss()(nn.Linear(20, outputs)(torch.randn(4, 20)), targets)
    told = str(answer(raised.value)).replace("\n", " ")
    assert "F.one_hot" in told
    assert f"the last layer is to make 1 number for each sample, and not {outputs}" in " ".join(told.split())
    nn.BCEWithLogitsLoss()(nn.Linear(20, 1)(torch.randn(4, 20)).squeeze(1), targets)


def test_probabilities_are_no_classes() -> None:
    predictions, targets = nn.Linear(20, 3)(torch.randn(8, 20)), torch.rand(8) + 0.1
    with pytest.raises(ValueError, match="size") as raised:
        nn.BCEWithLogitsLoss()(predictions, targets)
    assert "one_hot" not in str(answer(raised.value))


@pytest.mark.parametrize("size", [15, 16, 20])
def test_masks_of_another_size_are_told_with_the_layers_that_make_the_predictions(size: int) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    images, masks = torch.randn(2, 3, 16, 16), torch.randint(4, (2, size, size))
    predictions = net(images)
    with pytest.raises(RuntimeError) as raised:
        nn.CrossEntropyLoss()(predictions, masks)
    told = str(answer(raised.value))
    assert f"predictions of 2×4×14×14 and targets of 2×{size}×{size} differ in dimensions 2 and 3" in told
    assert "16 − 3 + 1 = 14" in told


def test_one_output_is_one_score() -> None:
    net = nn.Sequential(nn.Linear(20, 1))
    x, labels = torch.randn(8, 20), torch.ones(8, dtype=torch.long)
    predictions = net(x)
    with pytest.raises(IndexError) as raised:
        nn.CrossEntropyLoss()(predictions, labels)
    assert "1 score for each sample, for the label 0" in str(answer(raised.value))


@pytest.mark.parametrize(
    ("loss", "sizes", "given", "name"),
    [
        (F.binary_cross_entropy_with_logits, (8, 6), (5,), "pos_weight"),
        (F.binary_cross_entropy_with_logits, (2, 4, 8, 8), (4,), "pos_weight"),
        (F.binary_cross_entropy_with_logits, (8, 6), (5,), "weight"),
        (F.binary_cross_entropy, (8, 6), (5,), "weight"),
        (F.gaussian_nll_loss, (8, 3), (8, 2), "var"),
    ],
)
def test_a_tensor_beside_the_targets(loss: Any, sizes: tuple[int, ...], given: tuple[int, ...], name: str) -> None:
    predictions, targets = torch.rand(sizes), torch.rand(sizes)
    with pytest.raises((RuntimeError, ValueError)) as raised:
        loss(predictions, targets, **{name: torch.ones(given)})
    told = str(answer(raised.value))
    assert f"predictions of {times(sizes)} and a {name} of {times(given)}" in told
    [ways] = re.findall(rf"with a {name} of (.*) it runs", told)
    for way in ways.split(" or "):
        loss(predictions, targets, **{name: torch.ones(tuple(map(int, way.split("×"))))})


@pytest.mark.parametrize("which", [0, 1, 2])
def test_embeddings_of_other_widths(which: int) -> None:
    embeddings = [torch.rand(8, 128 if index == which else 64) for index in range(3)]
    with pytest.raises(RuntimeError) as raised:
        nn.TripletMarginLoss()(*embeddings)
    told = str(answer(raised.value))
    name = ("anchor", "positive", "negative")[which]
    assert f"{name} of 8×128" in told
    embeddings[which] = torch.rand(8, 64)
    nn.TripletMarginLoss()(*embeddings)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_embeddings_of_other_numbers_of_rows(which: int) -> None:
    given = [torch.rand(8 if place != which else 6, 4) for place in range(3)]
    loss = nn.TripletMarginLoss()
    with pytest.raises(RuntimeError) as raised:
        loss(*given)
    said = str(answer(raised.value))
    assert {*re.findall(r"(\d+) and (\d+) rows", said)[0]} == {"8", "6"}
    loss(*(each[:6] for each in given))
    given[which] = torch.rand(1, 4)  # one row for all runs
    loss(*given)


def test_a_target_of_embeddings_with_an_axis_too_many() -> None:
    one, other, targets = torch.rand(8, 64), torch.rand(8, 64), torch.ones(8, 1)
    with pytest.raises(RuntimeError) as raised:
        nn.CosineEmbeddingLoss()(one, other, targets)
    [way] = re.findall(r"with (.*) it runs", str(answer(raised.value)))
    nn.CosineEmbeddingLoss()(one, other, eval(way, {"targets": targets}))


def test_a_model_whose_input_has_no_name() -> None:
    net = nn.Sequential(nn.Conv2d(3, 5, 3, 2, 1), nn.ReLU())
    predictions = net(torch.rand(2, 3, 16, 16))
    with pytest.raises(RuntimeError) as raised:
        nn.CrossEntropyLoss()(predictions, torch.randint(5, (2, 16, 16)))
    told = str(answer(raised.value))
    assert "predictions of 2×5×8×8 and targets of 2×16×16" in told
    assert "⌊(16 + 2·1 − 3)/2⌋ + 1 = 8" in told


DECODER = """\
import torch
from torch import nn


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Sequential(nn.ConvTranspose2d(4, 8, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 3, 2, 1))

    def forward(self, x):
        return self.up(x)


class Narrow(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(20, 12), nn.Linear(12, 18)

    def forward(self, x):
        return self.last(self.first(x))
"""


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    ("name", "given", "wanted"), [("Decoder", (2, 4, 7, 7), (2, 1, 28, 28)), ("Narrow", (8, 20), (8, 20))]
)
def test_the_line_that_makes_what_the_targets_ask_for(
    name: str, given: tuple[int, ...], wanted: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / "net.py"
    path.write_text(DECODER)
    net, x, targets = getattr(load_file(path), name)(), torch.rand(given), torch.rand(wanted)
    predictions = net(x)
    with pytest.raises(RuntimeError) as raised:
        F.mse_loss(predictions, targets)
    [(line, text)] = re.findall(r"fix  \S*net.py:(\d+)   (.*)", str(answer(raised.value)))
    lines = DECODER.splitlines()
    lines[int(line) - 1] = f"        {text}"
    path.write_text("\n".join(lines))
    F.mse_loss(getattr(load_file(path), name)()(x), targets)
