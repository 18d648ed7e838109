"""A batch that becomes another axis on its way, told where it happens and not where something refuses the rest.

The oracle is PyTorch: with what is said corrected the model runs, and one row of the result belongs to each sample.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize, watch
from convlin.records import Evidence
from convlin.source import apply
from tests.source_programs import load_file

# The loss in forward is the first that misses the batch -------------------------------------------------------------

DECODER = """\
import torch
import torch.nn.functional as F
from torch import nn


class Decoder(nn.Module):
    def __init__(self, loss):
        super().__init__()
        self.loss = loss
        self.encode, self.spread = nn.Linear(64, 6), nn.Linear(6, 128)
        self.decode = nn.ConvTranspose2d(8, 1, 2, 2)

    def forward(self, x):
        z = self.spread(self.encode(x.flatten(1)))
        return self.loss(torch.sigmoid(self.decode(z.view(-1, 4, 4, 4))), x)
"""


def both(made: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    return made, F.l1_loss(made, given, reduction="sum")


def by_hand(made: Tensor, given: Tensor) -> Tensor:
    return ((made - given) ** 2).mean()


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize(
    "loss", [F.binary_cross_entropy, F.mse_loss, F.binary_cross_entropy_with_logits, nn.BCELoss(), by_hand, both]
)
def test_a_view_that_folds_the_batch_in_front_of_a_loss(
    loss: Callable[[Tensor, Tensor], object], batch: int, tmp_path: Path
) -> None:
    path = tmp_path / "decoder.py"
    path.write_text(DECODER)
    (problem,) = summarize(load_file(path).Decoder(loss), (1, 8, 8), batch_size=batch).problems
    assert problem.kind == "batch"
    assert f"the batch went from {batch} to {2 * batch}" in problem.message
    assert problem.evidence is Evidence.RUN
    (fixed,) = apply(problem.edits).values()
    path.write_bytes(fixed)
    x = torch.rand(batch, 1, 8, 8)
    made = load_file(path).Decoder(lambda made, _: made)(x)
    assert made.shape == x.shape
    loss(made, x)


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_a_view_into_fewer_rows_in_front_of_a_loss(tmp_path: Path) -> None:
    path = tmp_path / "decoder.py"
    path.write_text(DECODER.replace("(6, 128)", "(6, 64)").replace("4, 4, 4)", "8, 4, 4)"))
    (problem,) = summarize(load_file(path).Decoder(F.binary_cross_entropy), (1, 8, 8), batch_size=2).problems
    assert problem.kind == "batch"
    assert "either spread gives 128, or the sizes multiply to 64" in " ".join(problem.message.split())
    either = DECODER.replace("4, 4, 4)", "8, 4, 4)"), DECODER.replace("(6, 128)", "(6, 64)").replace("(8, 1", "(4, 1")
    for right in either:
        path.write_text(right)
        load_file(path).Decoder(F.binary_cross_entropy)(torch.rand(2, 1, 8, 8))


class Classified(nn.Module):
    """The features of several samples in one row, or of one in several, and a loss."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv, self.fc, self.features = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(features, 5), features

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(self.fc(self.conv(x).view(-1, self.features)), target)


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("features", [32, 128])
def test_a_flatten_that_folds_the_batch_in_front_of_a_loss(features: int) -> None:
    given = [torch.zeros(2, 3, 8, 8), torch.zeros(2, 5)]
    first, second = summarize(Classified(features), given).problems
    assert (first.kind, first.required) == ("batch", 256)
    assert (second.path, second.required) == ("fc", 256)
    Classified(256)(*given)


class Frames(nn.Module):
    """The steps of a sequence are worked on one by one, and a sum refuses something else."""

    def __init__(self) -> None:
        super().__init__()
        self.each, self.all, self.positions = nn.Linear(6, 4), nn.Linear(4, 3), nn.Parameter(torch.zeros(1, 5))

    def forward(self, x: Tensor) -> Tensor:
        steps = self.each(x.view(-1, 6))
        return self.all(steps.view(x.shape[0], -1, 4)) + self.positions


def test_steps_as_rows_are_no_lost_batch() -> None:
    (problem,) = summarize(Frames(), (7, 6), batch_size=2).problems
    assert problem.kind == "operands"


# A tensor without steps reaches a layer of sequences ------------------------------------------------------------------


def by_flatten(x: Tensor) -> Tensor:
    return x.flatten(1)


def by_view(x: Tensor) -> Tensor:
    return x.view(x.size(0), -1)


def by_mean(x: Tensor) -> Tensor:
    return x.mean(2)


def by_maximum(x: Tensor) -> Tensor:
    return x.max(dim=2)[0]


def by_place(x: Tensor) -> Tensor:
    return x[:, :, -1]


def by_turning(x: Tensor) -> Tensor:
    return x.transpose(1, 2)


def last_of_all(made: tuple[Tensor, Tensor]) -> Tensor:
    return made[0][:, -1]


def last_written_out(made: tuple[Tensor, Tensor]) -> Tensor:
    return made[0][:, -1, :]


def mean_of_all(made: tuple[Tensor, Tensor]) -> Tensor:
    return made[0].mean(1)


class Sequence(nn.Module):
    """A convolution, a step that may lose the time, and a layer that needs it."""

    def __init__(
        self, step: Callable[[Tensor], Tensor], layer: nn.Module, rest: Callable[[tuple[Tensor, Tensor]], Tensor]
    ) -> None:
        super().__init__()
        self.conv, self.step, self.layer, self.rest = nn.Conv1d(6, 8, 5, padding=2), step, layer, rest
        self.fc = nn.Linear(12 if isinstance(layer, nn.RNNBase) else 8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.step(self.conv(x))
        if isinstance(self.layer, nn.RNNBase):
            made = self.layer(x)
        elif isinstance(self.layer, nn.MultiheadAttention):
            made = self.layer(x, x, x)
        else:
            made = self.layer(x), x
        return self.fc(self.rest(made))


def batched(kind: type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]) -> nn.RNNBase:
    return kind(8, 12, batch_first=True)


LAYERS = [
    batched(nn.LSTM),
    batched(nn.GRU),
    batched(nn.RNN),
    nn.MultiheadAttention(8, 2, batch_first=True),
    nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
    nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("rest", [last_of_all, last_written_out, mean_of_all])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("step", [by_flatten, by_view, by_mean, by_maximum, by_place])
def test_a_batch_that_would_be_read_as_time_is_told_and_no_number_behind_it(
    step: Callable[[Tensor], Tensor], layer: nn.Module, rest: Callable[[tuple[Tensor, Tensor]], Tensor], batch: int
) -> None:
    (problem,) = summarize(Sequence(step, layer, rest), (6, 10), batch_size=batch).problems
    assert problem.kind == "structure"
    assert problem.path in ("layer", "layer.layers.0")
    said = " ".join(problem.message.split())
    assert f"for one sequence without a batch: it would read {batch}, the batch, as time" in said
    assert f"made it of {batch}×8×10 .permute(0, 2, 1) in place of that gives {batch}×10×8" in said
    assert (problem.changes, problem.edits) == ({}, ())
    right = Sequence(by_turning, layer, rest)
    assert right(torch.zeros(batch, 6, 10)).shape == (batch, 4)
    assert summarize(right, (6, 10), batch_size=batch).ok


@pytest.mark.parametrize("step", [by_flatten, by_mean])
def test_the_same_of_a_layer_that_takes_time_first(step: Callable[[Tensor], Tensor]) -> None:
    def last(made: tuple[Tensor, Tensor]) -> Tensor:
        return made[0][-1].view(-1, 12)

    found = summarize(Sequence(step, nn.LSTM(8, 12), last), (6, 10), batch_size=3)
    if step is by_mean:  # it runs, and returns one row
        assert found.ok
        assert found.output_shape == (1, 4)
        assert "layer: LSTM takes 3×8 for one sequence without a batch: it reads 3, the batch, as time" in str(found)
        return
    (problem,) = found.problems
    assert ".permute(2, 0, 1) in place of that gives 10×3×8" in " ".join(problem.message.split())
    assert Sequence(lambda x: x.permute(2, 0, 1), nn.LSTM(8, 12), last)(torch.zeros(3, 6, 10)).shape == (3, 4)


class Bag(nn.Module):
    """The words of a text as their mean, in front of a layer of sequences."""

    def __init__(self, width: int, *, mean: bool = True) -> None:
        super().__init__()
        self.words, self.rnn, self.out = nn.Embedding(50, 32), nn.GRU(width, 16, batch_first=True), nn.Linear(16, 3)
        self.mean = mean

    def forward(self, x: Tensor) -> Tensor:
        x = self.words(x)
        made: Tensor = self.out(self.rnn(x.mean(1) if self.mean else x)[0])
        return made


def test_the_width_of_a_tensor_without_steps_is_not_suggested() -> None:
    asked = summarize(Bag(64), (12,), batch_size=2, dtypes=torch.long)
    for found in (asked, summarize(Bag(64), torch.zeros(2, 12, dtype=torch.long))):
        (problem,) = found.problems
        assert (problem.kind, problem.path, problem.changes) == ("structure", "rnn", {})
        assert "N×T×64" in problem.message


def test_a_model_that_runs_so_is_told_in_a_remark() -> None:
    found = summarize(Bag(32), (12,), batch_size=2, dtypes=torch.long)
    assert found.ok
    assert "rnn: GRU takes 2×32 for one sequence without a batch: it reads 2, the batch, as time" in str(found)
    # PyTorch mixes the samples: what the second one gives depends on the first.
    net, x = Bag(32).eval(), torch.randint(50, (2, 12))
    other = torch.cat([torch.randint(50, (1, 12)), x[1:]])
    assert not torch.equal(net(x)[1], net(other)[1])
    apart = Bag(32, mean=False).eval()
    assert torch.equal(apart(x)[1], apart(other)[1])
    assert summarize(apart, (12,), batch_size=2, dtypes=torch.long).report.remarks == ()


class Twice(nn.Module):
    """The second layer gets the last state of the first, and not its steps."""

    def __init__(self, *, steps: bool, width: int = 8) -> None:
        super().__init__()
        self.first, self.second = nn.LSTM(6, 8, batch_first=True), nn.LSTM(width, 5, batch_first=True)
        self.fc, self.steps = nn.Linear(5, 3), steps

    def forward(self, x: Tensor) -> Tensor:
        all_steps, (last, _) = self.first(x)
        made: Tensor = self.fc(self.second(all_steps if self.steps else last[-1])[0][:, -1])
        return made


@pytest.mark.parametrize("width", [7, 8])
def test_the_last_state_of_one_layer_is_no_sequence_for_the_next(width: int) -> None:
    (problem,) = summarize(Twice(steps=False, width=width), (9, 6), batch_size=2).problems
    assert (problem.kind, problem.path, problem.changes) == ("structure", "second", {})
    assert Twice(steps=True)(torch.zeros(2, 9, 6)).shape == (2, 3)


class EachByItself(nn.Module):
    """Every sample goes through the layer by itself, without a batch."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.lstm, self.fc = nn.LSTM(6, 8), nn.Linear(features, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.fc(self.lstm(one)[0][-1]) for one in x])


def test_one_sequence_after_the_other_is_no_mistake() -> None:
    # As many steps as samples.
    found = summarize(EachByItself(8), (2, 6), batch_size=2)
    assert (found.ok, found.report.remarks) == (True, ())
    (problem,) = summarize(EachByItself(9), (2, 6), batch_size=2).problems
    assert (problem.path, problem.required) == ("fc", 8)
    assert EachByItself(8)(torch.zeros(2, 2, 6)).shape == (2, 3)


def test_a_tensor_of_two_axes_may_be_one_sequence() -> None:
    (problem,) = summarize(nn.LSTM(7, 8), torch.zeros(5, 6)).problems
    assert (problem.kind, problem.required) == ("input_size", 6)
    nn.LSTM(6, 8)(torch.zeros(5, 6))


def test_a_mistake_that_has_nothing_to_do_with_it_keeps_its_number() -> None:
    class Across(nn.Module):
        """Attention among the samples, as some models of tables mean it."""

        def __init__(self, features: int, *, inverts: bool = False) -> None:
            super().__init__()
            self.attention, self.fc = nn.MultiheadAttention(6, 2), nn.Linear(features, 3)
            self.inverts = inverts

        def forward(self, x: Tensor) -> Tensor:
            x = self.attention(x, x, x)[0]
            made: Tensor = self.fc(torch.linalg.inv(x) if self.inverts else x)
            return made

    (problem,) = summarize(Across(7), (6,), batch_size=4).problems
    assert (problem.path, problem.required) == ("fc", 6)
    assert Across(6)(torch.zeros(4, 6)).shape == (4, 3)
    (problem,) = summarize(Across(6, inverts=True), (6,), batch_size=4).problems
    assert (problem.kind, problem.path) != ("structure", "attention")
    with pytest.raises(RuntimeError, match="square"):
        Across(6, inverts=True)(torch.zeros(4, 6))


class Rows(nn.Module):
    """A product along the rows of a map, and a view that makes each row a sample: it runs, with 96 samples of one."""

    def __init__(self, *, by_einsum: bool) -> None:
        super().__init__()
        self.conv, self.kept, self.head = (
            nn.Conv2d(3, 3, 3, padding=1),
            nn.Parameter(torch.ones(32, 7)),
            nn.Linear(7, 11),
        )
        self.by_einsum = by_einsum

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = torch.einsum("abcl,lm->abcm", x, self.kept) if self.by_einsum else x @ self.kept
        made: Tensor = self.head(x.view(-1, 7))
        return made


@pytest.mark.parametrize("by_einsum", [False, True])
def test_a_view_behind_a_product_along_a_map_is_named_that_makes_rows_of_it(by_einsum: bool) -> None:
    model = Rows(by_einsum=by_einsum)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (192, 11)
    (remark,) = summarize(model, (3, 32, 32), batch_size=2).report.remarks
    assert "makes 192×7 of 2×3×32×7: the batch went from 2 to 192" in remark


class Taken(nn.Module):
    """What ``made`` makes of the output of a layer, and a Linear behind it."""

    def __init__(self, layer: nn.Module, made: Callable[[Any], Tensor], fc: nn.Linear) -> None:
        super().__init__()
        self.layer, self.made, self.fc = layer, made, fc

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.fc(self.made(self.layer(x)))
        return found


class Stacked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList([nn.Linear(10, 4) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([head(x) for head in self.heads])


def _conv() -> nn.Module:
    return nn.Conv2d(3, 8, 3)


_Of = Callable[[Any], Tensor]

#: A layer, its input, what is made of its output with the batch among the features, and what was meant.
FOLLOWS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], _Of, _Of]] = {
    "stack": (Stacked, (10,), lambda y: y.flatten(1), lambda y: y.transpose(0, 1).flatten(1)),
    "h_n": (
        lambda: nn.LSTM(5, 8, 2, batch_first=True), (10, 5),
        lambda y: y[1][0].flatten(1), lambda y: y[1][0].transpose(0, 1).flatten(1),
    ),
    "h_n, by view": (
        lambda: nn.GRU(5, 8, bidirectional=True, batch_first=True), (10, 5),
        lambda y: y[1].view(2, -1), lambda y: y[1].transpose(0, 1).flatten(1),
    ),
    "channels in front": (
        _conv, (3, 8, 8), lambda y: y.transpose(0, 1).flatten(1), lambda y: y.flatten(1)
    ),
    "channels in front, by permute": (
        _conv, (3, 8, 8), lambda y: y.permute(1, 0, 2, 3).reshape(8, -1), lambda y: y.flatten(1)
    ),
    "transposed": (lambda: nn.Linear(10, 16), (10,), lambda y: F.relu(y).T, lambda y: F.relu(y)),
    "all in one": (_conv, (3, 8, 8), lambda y: y.flatten().unsqueeze(0), lambda y: y.flatten(1)),
    "an axis in front": (_conv, (3, 8, 8), lambda y: y[None].flatten(1), lambda y: y.flatten(1)),
}  # fmt: skip


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("name", FOLLOWS)
def test_a_number_that_follows_the_batch_is_no_number_of_the_layer(name: str, batch: int) -> None:
    make, shape, wrong, meant = FOLLOWS[name]
    numbers = []
    for rows in (batch, batch + 1):
        lazy = Taken(make(), wrong, nn.LazyLinear(2))
        lazy(torch.zeros(rows, *shape))
        numbers.append(lazy.fc.in_features)
    assert numbers[0] != numbers[1]  # says PyTorch
    right = Taken(make(), meant, nn.LazyLinear(2))
    right(torch.zeros(batch, *shape))
    one_sample = right.fc.in_features
    fc = nn.Linear(one_sample if one_sample != numbers[0] else 77, 2)
    summary = summarize(Taken(make(), wrong, fc), shape, batch_size=batch)
    (problem,) = summary.problems
    assert (problem.kind, problem.path, problem.edits, problem.changes) == ("batch", "fc", (), {})
    assert "fc" not in summary.required_in_features
    assert f"receives {numbers[0]} feature" in problem.message
    assert problem.required == one_sample
    assert problem.fix is None
    # And what was meant is an ordinary wrong number.
    (ordinary,) = summarize(Taken(make(), meant, nn.Linear(77, 2)), shape, batch_size=batch).problems
    assert (ordinary.kind, ordinary.required) == ("in_features", one_sample)


def test_a_given_tensor_is_asked_with_another_batch_as_well() -> None:
    model = Taken(nn.LSTM(5, 8, 2, batch_first=True), lambda y: y[1][0].flatten(1), nn.Linear(16, 2))
    (problem,) = summarize(model, torch.zeros(8, 10, 5)).problems
    assert "receives 64 features with a batch of 8, and 16 with one of 2" in " ".join(problem.message.split())
    with pytest.raises(RuntimeError), watch(model) as watched:
        model(torch.zeros(8, 10, 5))
    assert watched.problems[0].kind == "batch"


def test_the_first_axis_of_a_given_tensor_may_be_time() -> None:
    """What is flattened over it depends on how many steps there are, as it is to."""
    model = Taken(nn.GRU(5, 8), lambda y: y[0].transpose(0, 1).flatten(1), nn.Linear(99, 2))
    (problem,) = summarize(model, torch.zeros(10, 4, 5)).problems
    assert (problem.kind, problem.required) == ("in_features", 80)


class Gray(nn.Module):
    """Takes one image as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 6, 5), nn.Linear(400, 10)

    def forward(self, x: Tensor) -> Any:
        return self.fc(F.max_pool2d(self.conv(x), 2).view(-1))


class Nodes(nn.Module):
    """All nodes of one graph in one vector."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(12, 16), nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Any:
        return self.out(torch.relu(self.inner(x)).mean(1).flatten())


class Lengths(nn.Module):
    """Padded to the longest of those that are given."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.fc = nn.GRU(6, 8), nn.Linear(50, 3)

    def forward(self, x: Tensor, lengths: Tensor) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x.transpose(0, 1), lengths, enforce_sorted=False)
        out, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0])
        return self.fc(out.transpose(0, 1).flatten(1))


@pytest.mark.parametrize(
    ("model", "given", "number"),
    [
        (Gray(), torch.zeros(1, 28, 28), 864),
        (Nodes(), torch.zeros(7, 5, 12), 112),
        (Lengths(), [torch.zeros(4, 10, 6), torch.tensor([3, 5, 9, 10])], 80),
    ],
    ids=["one image", "nodes of a graph", "lengths"],
)
def test_a_number_that_follows_something_else_is_told(model: nn.Module, given: Any, number: int) -> None:
    """The first axis of what is given may hold channels or nodes, and another batch may be shorter."""
    (problem,) = summarize(model, given).problems
    assert (problem.kind, problem.required) == ("in_features", number)


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.fc = nn.Embedding(50, 16), nn.Linear(24, 3)
        self.rnn = nn.GRU(16, 12, bidirectional=True, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.rnn(self.words(x))[1].flatten(1))


def test_of_words_in_a_table_the_first_axis_is_the_batch() -> None:
    (problem,) = summarize(Words(), torch.zeros(6, 7, dtype=torch.long)).problems
    assert (problem.kind, problem.required) == ("batch", 24)


def test_channels_that_are_the_batch() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), Turned(), nn.Conv2d(8, 4, 3))
    (problem,) = [each for each in summarize(model, (3, 9, 9), batch_size=5).problems if each.path == "2"]
    assert problem.kind == "batch"
    assert "receives 5 channels with a batch of 5, and 2 with one of 2" in " ".join(problem.message.split())


class Turned(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(0, 1)


@pytest.mark.parametrize("batch", [1, 4])
def test_ravel_is_a_flatten_of_everything(batch: int) -> None:
    for flat in (Tensor.ravel, torch.ravel):
        (problem,) = summarize(Taken(_conv(), flat, nn.Linear(288, 5)), (3, 8, 8), batch_size=batch).problems
        assert (problem.kind, problem.required) == ("batch", 288)


#: Layers, what is made of what they return, and whether a row of that is one sample.
ROWS: dict[str, tuple[Callable[[], nn.RNNBase], _Of, bool]] = {
    "two layers": (lambda: nn.GRU(8, 16, 2, batch_first=True), lambda y: y[1].view(-1, 32), False),
    "two directions": (
        lambda: nn.LSTM(8, 16, batch_first=True, bidirectional=True), lambda y: y[1][0].reshape(-1, 32), False
    ),
    "as many layers as samples": (lambda: nn.RNN(8, 16, 4, batch_first=True), lambda y: y[1].view(4, -1), False),
    "time first": (lambda: nn.GRU(8, 16), lambda y: y[0].reshape(y[0].shape[1], -1), False),
    "turned": (lambda: nn.GRU(8, 16, 2, batch_first=True), lambda y: y[1].transpose(0, 1).flatten(1), True),
    "one layer": (lambda: nn.GRU(8, 16, batch_first=True), lambda y: y[1].view(-1, 16), True),
    "all steps": (lambda: nn.GRU(8, 16, batch_first=True), lambda y: y[0].reshape(y[0].shape[0], -1), True),
    "each step": (lambda: nn.GRU(8, 16), lambda y: y[0].reshape(-1, 16), True),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_rows_that_are_made_of_several_samples(name: str) -> None:
    """The oracle: whether anything of a sample goes into the rows of others."""
    make, made, is_one = ROWS[name]
    model = make().eval()
    x = torch.randn(10, 4, 8) if not model.batch_first else torch.randn(4, 10, 8)
    other = x.clone()
    (other[0] if model.batch_first else other[:, 0]).add_(1)
    with torch.no_grad():
        changed = [bool(row.any()) for row in made(model(x)) != made(model(other))]
    first = len(changed) // 4 if name != "each step" else 0
    if name != "each step":  # whose rows are steps: of the first sample every fourth
        assert (not any(changed[first:])) == is_one
    summary = summarize(Taken(model, made, nn.Linear(made(model(x)).shape[1], 2)), x)
    assert summary.ok
    assert any("each row is made of several samples" in remark for remark in summary.report.remarks) == (not is_one)


# Several samples in one row, and an image made of it ------------------------------------------------------------------

IMAGES = """\
import torch
from torch import nn


class Coder(nn.Module):
    def __init__(self, features=64):
        super().__init__()
        self.encode = nn.Conv2d(1, 64, 28)
        self.fc, self.spread = nn.Linear(features, 16), nn.Linear(16, 64)
        self.decode = nn.ConvTranspose2d(64, 1, 28)

    def forward(self, x):
        z = torch.relu(self.encode(x))
        z = z.view(-1, 128)
        return MADE
"""


@pytest.mark.parametrize(
    "made",
    [
        "self.spread(self.fc(z)).view(-1, 64, 1, 1)",
        "self.decode(self.spread(self.fc(z)).view(-1, 64, 1, 1))",
        "self.spread(self.fc(z)).unsqueeze(1)",
        "self.spread(self.fc(z))",
    ],
)
@pytest.mark.parametrize("given", [False, True])
def test_a_view_of_all_samples_in_one_row_in_front_of_an_image(made: str, given: bool, tmp_path: Path) -> None:
    path = tmp_path / "coder.py"
    path.write_text(IMAGES.replace("MADE", made))
    x = torch.zeros(2, 1, 28, 28)
    (problem,) = summarize(load_file(path).Coder(), x if given else (1, 28, 28), batch_size=2).problems
    assert (problem.kind, problem.declared, problem.required, problem.evidence) == ("batch", 128, 64, Evidence.RUN)
    (fixed,) = apply(problem.edits).values()
    path.write_bytes(fixed)
    assert load_file(path).Coder()(x).shape[0] == 2


def test_two_views_of_one_thing_may_become_one_image(tmp_path: Path) -> None:
    """The tensor that is given holds no batch, and the Linear takes what both views have."""
    path = tmp_path / "coder.py"
    path.write_text(IMAGES.replace("MADE", "self.decode(self.spread(self.fc(z)).view(-1, 64, 1, 1))"))
    coder, x = load_file(path).Coder, torch.zeros(2, 1, 28, 28)
    assert coder(128)(x).shape == (1, 1, 28, 28)
    assert summarize(coder(128), x).ok
    (problem,) = summarize(coder(100), x).problems
    assert (problem.kind, problem.path, problem.required) == ("in_features", "fc", 128)


SQUEEZING = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3)
        self.pool, self.norm = nn.AdaptiveAvgPool2d(POOLED), nn.BATCHNORM(16)
        self.fc, self.last = nn.Linear(WIDTH, 8), nn.BatchNorm1d(8)

    def forward(self, x):
        x = self.pool(self.conv(x))
        LINE
        x = self.norm(x)
        return self.last(self.fc(x.flatten(1)))
"""


@pytest.mark.parametrize(
    ("line", "right", "pooled", "norm"),
    [
        ("x = x.squeeze()", "x = x.squeeze((2, 3))", "1", "BatchNorm1d"),
        ("x = torch.squeeze(x)", "x = torch.squeeze(x, 2)", "(1, 4)", "BatchNorm1d"),
        ("x = torch.relu(x.squeeze())", "x = torch.relu(x)", "4", "BatchNorm2d"),  # there is nothing to squeeze
    ],
)
def test_a_squeeze_that_drops_a_batch_of_one_is_the_line_to_change(
    line: str, right: str, pooled: str, norm: str, tmp_path: Path
) -> None:
    path, width = tmp_path / "net.py", 16 * {"1": 1, "(1, 4)": 4, "4": 16}[pooled]
    text = SQUEEZING.replace("POOLED", pooled).replace("BATCHNORM", norm).replace("WIDTH", str(width))
    path.write_text(text.replace("LINE", line))
    net = load_file(path).Net().eval()
    with pytest.raises((RuntimeError, ValueError)):
        net(torch.rand(1, 3, 9, 9))
    assert net(torch.rand(2, 3, 9, 9)).shape == (2, 8)
    (problem,) = summarize(net, (3, 9, 9)).problems  # and nothing of the layers behind, which are right
    assert (problem.fix, problem.evidence) == (right, Evidence.RUN)
    for file, changed in apply(problem.edits).items():
        Path(file).write_bytes(changed)
    for batch in (1, 2):
        assert load_file(path).Net().eval()(torch.rand(batch, 3, 9, 9)).shape == (batch, 8)


def test_a_squeeze_is_not_blamed_for_a_number_that_is_wrong_with_any_batch(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    text = SQUEEZING.replace("POOLED", "1").replace("BATCHNORM", "BatchNorm1d").replace("WIDTH", "99")
    path.write_text(text.replace("LINE", "x = x.squeeze((2, 3))").replace("x.flatten(1)))", "x.flatten(1))).squeeze()"))
    (problem,) = summarize(load_file(path).Net(), (3, 9, 9)).problems
    assert (problem.path, problem.required) == ("fc", 16)
