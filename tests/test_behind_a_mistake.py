"""Behind a mistake that leaves open which size was meant nothing is accused, and what was made for it is told.

The oracle is PyTorch: with the one mistake corrected as the message says, the model runs.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import fit, summarize
from convlin.api.summarize import summary_of
from convlin.records import Evidence, Problem
from convlin.source import apply
from tests.mistakes.mending import loaded


class Attention(nn.Module):
    """Queries and keys meet with the keys as they are, or transposed."""

    def __init__(self, *, turned: bool = False, width: int = 64) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(64, 64), nn.Linear(64, width), nn.Linear(64, 64)
        self.out, self.turned = nn.Linear(64, 64), turned

    def heads(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], 8, -1).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        key = key.transpose(-2, -1) if self.turned else key
        weights = (query @ key / math.sqrt(8)).softmax(-1)
        made: Tensor = self.out((weights @ value).transpose(1, 2).flatten(2))
        return made


class Shuffled(nn.Module):
    """Channels that cannot be shuffled, and a convolution behind them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide, self.shuffle = nn.Conv2d(3, channels, 3, padding=1), nn.PixelShuffle(2)
        self.out = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.out(self.shuffle(self.wide(x)))
        return made


class Encoded(nn.Module):
    """Tokens and positions of another width, in front of layers with others inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(50, width), nn.Parameter(torch.zeros(1, 64, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.encoder, self.out = nn.TransformerEncoder(layer, 2), nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.out(self.encoder(self.tokens(x) + self.positions[:, : x.size(1)]).mean(1))
        return made


class Skipped(nn.Module):
    """A residual whose branch gives other channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.branch = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, channels, 3, padding=1)
        self.last, self.out = nn.Conv2d(16, 8, 3, padding=1), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        made: Tensor = self.out(self.last(self.branch(x) + x).mean((2, 3)))
        return made


class ChannelsLast(nn.Module):
    """Channels last, and a view behind the convolution, which hands the order in memory on."""

    def __init__(self, *, views: bool) -> None:
        super().__init__()
        self.conv, self.fc, self.views = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8 * 8 * 6, 5), views

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        made: Tensor = self.fc(x.view(x.size(0), -1) if self.views else x.flatten(1))
        return made


def only_problem(model: nn.Module, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Problem:
    (problem,) = summarize(model.eval(), shape, batch_size=2, dtypes=dtype).problems
    return problem


def test_keys_that_are_not_transposed() -> None:
    problem = only_problem(Attention(), (10, 64))
    assert "8 meets 10; .transpose(-2, -1) of the second gives 2×8×10×10, of the first gives 2×8×8×8" in " ".join(
        problem.message.split()
    )
    assert Attention(turned=True)(torch.zeros(2, 10, 64)).shape == (2, 10, 64)


def test_keys_of_another_width_do_not_fit_transposed() -> None:
    problem = only_problem(Attention(width=32), (10, 64))
    assert problem.message.endswith("8 meets 10; .transpose(-2, -1) of the first gives 2×8×8×4")
    assert (torch.zeros(2, 8, 10, 8).mT @ torch.zeros(2, 8, 10, 4)).shape == (2, 8, 8, 4)


def test_a_matrix_that_is_not_transposed() -> None:
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.fc = nn.Parameter(torch.zeros(7, 12)), nn.Linear(7, 3)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.fc(x @ self.weight)
            return made

    for shape in ((12,), (5, 12)):
        problem = only_problem(Product(), shape)
        assert f"of the second gives {'×'.join(map(str, (2, *shape[:-1], 7)))}" in problem.message
        assert (torch.zeros(2, *shape) @ torch.zeros(7, 12).mT).shape == (2, *shape[:-1], 7)


def test_channels_last_in_front_of_a_view() -> None:
    problem, other = (only_problem(ChannelsLast(views=views), (8, 6, 3)) for views in (True, False))
    assert problem.fix is not None
    assert problem.fix.endswith("self.conv(x.permute(0, 3, 1, 2).contiguous())")
    assert other.fix is not None
    assert other.fix.endswith("self.conv(x.permute(0, 3, 1, 2))")
    x = torch.zeros(2, 8, 6, 3).permute(0, 3, 1, 2)
    assert ChannelsLast(views=True)(x.contiguous()).shape == ChannelsLast(views=False)(x).shape == (2, 5)
    with pytest.raises(RuntimeError, match="contiguous"):
        ChannelsLast(views=True)(x)


class Signal(nn.Module):
    """No flatten, and the Linear has a feature for each channel."""

    def __init__(self, *, mean: bool = False) -> None:
        super().__init__()
        self.conv, self.pool, self.fc = nn.Conv1d(4, 10, 3), nn.MaxPool1d(2), nn.Linear(10, 2)
        self.mean = mean

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.conv(x))
        made: Tensor = self.fc(x.mean(2) if self.mean else x)
        return made


def test_one_sample_without_its_batch_in_front_of_a_linear() -> None:
    first, second, *_ = summarize(Signal(), torch.zeros(4, 8)).problems
    assert (first.path, second.path) == ("conv", "fc")
    assert "one sample without a batch" in first.message
    assert "x.mean(2)" in second.message
    assert Signal(mean=True)(torch.zeros(4, 8).unsqueeze(0)).shape == (1, 2)


class Scaled(nn.Module):
    """A number for each channel meets a map."""

    def __init__(self, rank: int, *, spread: bool = False) -> None:
        super().__init__()
        self.conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[rank - 1](3, 6, 3, padding=1)
        self.gate, self.rank, self.spread = nn.Linear(10, 6), rank, spread

    def forward(self, x: Tensor, given: Tensor) -> Tensor:
        gate: Tensor = self.gate(given)
        made: Tensor = self.conv(x) * (gate[(slice(None), slice(None), *[None] * self.rank)] if self.spread else gate)
        return made


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_number_for_each_channel_at_a_map(rank: int) -> None:
    sizes = (8, 9, 7)[:rank]
    (problem,) = summarize(Scaled(rank), [(3, *sizes), (10,)], batch_size=2).problems
    assert f"[:, :, {', '.join(['None'] * rank)}] makes it 2×6{'×1' * rank}" in problem.message
    assert problem.claims == (), "an input of 1×1 would go together, as a size of 1 does with every other"
    assert Scaled(rank, spread=True)(torch.zeros(2, 3, *sizes), torch.zeros(2, 10)).shape == (2, 6, *sizes)


class LessMean(nn.Module):
    """A vector with a number for each channel meets a map."""

    def __init__(self, rank: int, *, spread: bool = False) -> None:
        super().__init__()
        self.conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[rank - 1](3, 6, 3, padding=1)
        self.register_buffer("mean", torch.zeros(6))
        self.rank, self.spread = rank, spread

    def forward(self, x: Tensor) -> Tensor:
        mean: Any = self.mean
        made: Tensor = self.conv(x) - (mean[(slice(None), *[None] * self.rank)] if self.spread else mean)
        return made


@pytest.mark.parametrize("rank", [2, 3])
def test_a_vector_of_channels_at_a_map(rank: int) -> None:
    sizes = (8, 9, 7)[:rank]
    (problem,) = summarize(LessMean(rank), (3, *sizes)).problems
    assert f"6 has a number for each channel: [:, {', '.join(['None'] * rank)}] makes it 6{'×1' * rank}" in (
        problem.message
    )
    assert problem.claims == (), "an input of 6×6 would be taken, and mean a number for each column"
    assert LessMean(rank, spread=True)(torch.zeros(2, 3, *sizes)).shape == (2, 6, *sizes)


def test_a_vector_of_as_many_as_steps_is_none_of_channels() -> None:
    (problem,) = summarize(LessMean(1), (3, 8)).problems
    assert "for each channel" not in problem.message, "an (N, T, D) has no channels there"


def test_channels_that_cannot_be_shuffled() -> None:
    problem = only_problem(Shuffled(30), (3, 16, 16))
    assert problem.path == "shuffle"
    assert "out takes 3: the layer in front should give 3·4 = 12" in problem.message
    assert Shuffled(12)(torch.zeros(2, 3, 16, 16)).shape == (2, 5, 32, 32)


def test_a_sum_in_front_of_layers_with_others_inside() -> None:
    problem = only_problem(Encoded(30), (20,), torch.long)
    assert problem.kind == "operands"
    assert "encoder.layers.0 takes 32: tokens should give that" in problem.message
    assert Encoded(32)(torch.zeros(2, 20, dtype=torch.long)).shape == (2, 5)


@pytest.mark.parametrize("channels", [8, 32])
def test_a_branch_with_other_channels(channels: int) -> None:
    problem = only_problem(Skipped(channels), (3, 12, 12))
    assert problem.kind == "operands"
    assert "last takes 16: branch should give that" in problem.message
    assert Skipped(16)(torch.zeros(2, 3, 12, 12)).shape == (2, 2)


class NoShortcut(nn.Module):
    """A block with other channels, and a stride perhaps, adds its input as it is."""

    def __init__(self, rank: int, stride: int, skip: str = "nn.Identity()", channels: int = 10) -> None:
        super().__init__()
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[rank - 1]
        self.first, self.body = conv(3, 4, 3, padding=1), conv(4, channels, 3, stride, 1)
        self.skip, self.last = eval(skip, {"nn": nn}), conv(channels, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        made: Tensor = self.last(self.body(x) + self.skip(x))
        return made


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("stride", "channels"), [(1, 10), (2, 10), (3, 10), (2, 4)])
@pytest.mark.parametrize("size", [12, 13])
def test_a_shortcut_that_is_missing(rank: int, stride: int, channels: int, size: int) -> None:
    model, x = NoShortcut(rank, stride, channels=channels), torch.zeros(2, 3, *[size] * rank)
    (problem,) = summarize(model, (3, *[size] * rank)).problems
    (layer,) = re.findall(r"as a shortcut, (.*) makes", " ".join(problem.message.split()))
    with pytest.raises(RuntimeError):
        model(x)
    assert NoShortcut(rank, stride, layer, channels)(x).shape[:2] == (2, 2)


def test_no_shortcut_between_two_branches_of_one_size() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 6, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.one(x) + self.other(x)
            return made

    assert not any("shortcut" in each.message for each in summarize(Branches(), (3, 13, 13)).problems)


def test_no_shortcut_between_maps_of_odd_sizes() -> None:
    class Up(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.up = nn.Conv2d(3, 6, 2, 2), nn.ConvTranspose2d(6, 4, 2, 2)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.up(self.down(x)) + x
            return made

    assert not any("shortcut" in each.message for each in summarize(Up(), (3, 13, 13)).problems)


# One layer that gives another size than all behind it were made for --------------------------------------------------

RESIDUAL = """\
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.relu, self.downsample = nn.ReLU(inplace=True), None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        branch = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(branch + (x if self.downsample is None else self.downsample(x)))


class Residual(nn.Module):
    def __init__(self, first, last):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 7, 2, 3, bias=False)
        self.bn1, self.relu, self.pool = nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Block(16, first), Block(first, first))
        self.layer2 = nn.Sequential(Block(first, 32, 2), Block(32, 32))
        self.fc = nn.Linear(last, 10)

    def forward(self, x):
        x = self.pool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))


def build(first=16, last=32):
    net = Residual(first, last)
    net.conv1 = nn.Conv2d(1, 12, 5, padding=2)
    return net
"""


def found(module: ModuleType, first: int) -> tuple[Problem, ...]:
    return summary_of(
        module.build(first), (1, 32, 32), kwargs=None, batch_size=2, dtypes=None, device=None, mode="eval",
        hints=(module.build,), display={},
    ).problems  # fmt: skip


@pytest.mark.parametrize("first", [16, 24])
def test_a_first_layer_with_other_outputs_is_the_one_to_change(first: int, tmp_path: Path) -> None:
    path = tmp_path / "residual.py"
    path.write_text(RESIDUAL)
    module = loaded(path)
    (problem,) = found(module, first)
    assert (problem.path, problem.kind, problem.declared, problem.required) == ("conv1", "out_channels", 12, 16)
    assert problem.changes == {"out_channels": "16"}
    assert problem.evidence is Evidence.RUN
    others = "bn1, layer1.0.conv1 and" if first == 16 else "bn1, layer1.0.conv1 and layer1.0.downsample.0 expect"
    assert others in " ".join(problem.message.split())
    assert problem.fix == "net.conv1 = nn.Conv2d(1, 16, 5, padding=2)"
    (fixed,) = apply(problem.edits).values()
    path.write_bytes(fixed)
    assert loaded(path).build(first)(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def test_another_mistake_behind_it_is_told_as_well(tmp_path: Path) -> None:
    path = tmp_path / "residual.py"
    path.write_text(RESIDUAL)
    net = loaded(path).build(last=33)
    first, second = summarize(net, (1, 32, 32)).problems
    assert (first.path, first.required) == ("conv1", 16)
    assert (second.path, second.kind, second.required) == ("fc", "in_features", 32)
    net.conv1, net.fc = nn.Conv2d(1, 16, 5, padding=2), nn.Linear(32, 10)
    assert net(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


class Projected(nn.Module):
    """Several that were made for what one layer gives."""

    def __init__(self, first: nn.Module, *takers: nn.Module) -> None:
        super().__init__()
        self.first, self.takers = first, nn.ModuleList(takers)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.first(x)
        return [taker(x) for taker in self.takers]


@pytest.mark.parametrize(
    ("first", "takers", "kind", "given"),
    [
        (nn.Linear(4, 6), (nn.Linear(8, 3), nn.LayerNorm(8)), "out_features", torch.zeros(2, 4)),
        (nn.Embedding(9, 6), (nn.LSTM(8, 3), nn.Linear(8, 3)), "embedding_dim", torch.zeros(2, 4, dtype=torch.long)),
        (
            nn.ConvTranspose2d(3, 6, 2, 2), (nn.BatchNorm2d(8), nn.Conv2d(8, 3, 3)),
            "out_channels", torch.zeros(2, 3, 8, 8),
        ),
    ],
)  # fmt: skip
def test_whatever_gives_the_size_is_the_one_to_change(
    first: nn.Module, takers: tuple[nn.Module, ...], kind: str, given: Tensor
) -> None:
    net = Projected(first, *takers)
    (problem,) = summarize(net, given).problems
    assert (problem.path, problem.kind, problem.declared, problem.required) == ("first", kind, 6, 8)
    assert len(fit(net, given)(given)) == 2


class Stacked(nn.Module):
    """What a projection gives goes through encoder layers to a head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(7, width)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2)
        self.head = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.encoder(self.first(x)).mean(1))


class Attended(nn.Module):
    """An encoder layer by hand: what attention gives is added to what it was given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.attention = nn.Linear(7, width), nn.MultiheadAttention(32, 4, batch_first=True)
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Any:
        x = self.first(x)
        x = self.norm(x + self.attention(x, x, x)[0])
        return self.head(x[:, 0])


class Turned(nn.Module):
    """A residual block behind a norm that turns the axes and turns them back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.norm, self.conv = nn.Conv2d(7, width, 1), nn.LayerNorm(9), nn.Conv2d(32, 32, 3, padding=1)

    def forward(self, x: Tensor) -> Any:
        x = self.first(x)
        y = self.norm(x.transpose(2, 3).contiguous()).transpose(2, 3).contiguous()
        return self.conv(F.gelu(y)) + x


class Patches(nn.Module):
    """A ViT: the channels of the patches become the features of the tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(7, width, 4, 4)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2)
        self.head = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.encoder(self.first(x).flatten(2).transpose(1, 2)).mean(1))


@pytest.mark.parametrize(
    ("make", "given"),
    [(Patches, (7, 16, 16)), (Stacked, (9, 7)), (Attended, (9, 7)), (Turned, (7, 9, 5))],
    ids=lambda each: str(each),
)
def test_one_layer_gives_what_encoders_and_norms_hand_on(make: type[nn.Module], given: tuple[int, ...]) -> None:
    net = make(30)
    (problem,) = summarize(net, given).problems
    assert (problem.path, problem.declared, problem.required) == ("first", 30, 32)
    right, x = make(32), torch.zeros(2, *given)
    assert fit(net, given)(x).shape == right(x).shape


def test_takers_that_disagree_are_told_each_by_itself() -> None:
    net = Projected(nn.Linear(4, 6), nn.Linear(8, 3), nn.Linear(7, 3))
    assert [problem.path for problem in summarize(net, (4,)).problems] == ["takers.0", "takers.1"]


def test_a_size_that_another_layer_takes_as_it_is_stays() -> None:
    net = Projected(nn.Linear(4, 6), nn.Linear(8, 3), nn.Linear(8, 3), nn.Linear(6, 3))
    assert [problem.path for problem in summarize(net, (4,)).problems] == ["takers.0", "takers.1"]


def test_a_tied_layer_is_not_made_anew() -> None:
    net = Projected(nn.Embedding(9, 6), nn.Linear(8, 3), nn.Linear(8, 3), nn.Linear(6, 9))
    net.takers[2].weight = net.first.weight
    found = summarize(net, torch.zeros(2, 4, dtype=torch.long)).problems
    assert [problem.path for problem in found] == ["takers.0", "takers.1"]


SKIPPED = """\
from torch import nn


class Skipped(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.branch = nn.Conv2d(16, 24, 3, padding=1)
        self.last = nn.Conv2d(16, 8, 3, padding=1)

    def forward(self, x):
        x = self.first(x)
        return self.last(self.branch(x) + x)
"""


@pytest.mark.parametrize("total", ["self.branch(x) + x", "x + self.branch(x)"])
@pytest.mark.parametrize("outputs", [12, 24])
def test_a_sum_has_the_line_of_the_layer_that_should_give_its_size(tmp_path: Path, total: str, outputs: int) -> None:
    path = tmp_path / "skipped.py"
    path.write_text(SKIPPED.replace("self.branch(x) + x", total).replace("24", str(outputs)))
    module = loaded(path)
    net = module.Skipped()
    problem = only_problem(net, (3, 12, 12))
    assert (problem.kind, problem.layer, problem.changes) == ("operands", "branch", {"out_channels": "16"})
    assert "last takes 16: branch should give that" in problem.message
    assert problem.fix == "self.branch = nn.Conv2d(16, 16, 3, padding=1)"
    assert problem.evidence is Evidence.RUN
    (fixed,) = apply(problem.edits).values()
    path.write_bytes(fixed)
    assert loaded(path).Skipped()(torch.zeros(2, 3, 12, 12)).shape == (2, 8, 12, 12)
    assert fit(net, (3, 12, 12))(torch.zeros(2, 3, 12, 12)).shape == (2, 8, 12, 12)


EXCITED = """\
import torch
from torch import nn


class Excited(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3, padding=1)
        self.squeezed = nn.Linear(64, 4)
        self.scale = nn.Linear(4, 32)

    def forward(self, x):
        x = self.conv(x)
        scale = torch.sigmoid(self.scale(self.squeezed(x.mean((2, 3)))))
        return x * scale[:, :, None, None]
"""


@pytest.mark.parametrize(
    "spread", ["scale[:, :, None, None]", "scale[..., None, None]", "scale[:, :, None][..., None]"]
)
def test_of_two_layers_the_one_that_leaves_all_else_right_is_told(tmp_path: Path, spread: str) -> None:
    path = tmp_path / "excited.py"
    path.write_text(EXCITED.replace("scale[:, :, None, None]", spread))
    problem = only_problem(loaded(path).Excited(), (3, 12, 12))
    assert "scale should give 64" in problem.message
    assert problem.fix == "self.scale = nn.Linear(4, 64)"
    (fixed,) = apply(problem.edits).values()
    path.write_bytes(fixed)
    assert loaded(path).Excited()(torch.zeros(2, 3, 12, 12)).shape == (2, 64, 12, 12)
    path.write_text(EXCITED.replace("3, 64", "3, 32"))  # the other one would make another mistake
    (other,) = summarize(loaded(path).Excited(), (3, 12, 12)).problems
    assert other.path == "squeezed"


class Added(nn.Module):
    """Two layers whose outputs are added: either may give what the other one does."""

    def __init__(self, one: int = 8, other: int = 6) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(5, one), nn.Linear(5, other)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.one(x) + self.other(x)
        return made


def test_of_two_layers_that_may_both_be_meant_both_are_told() -> None:
    problem = only_problem(Added(), (5,))
    assert "should give" not in problem.message
    assert problem.message.endswith("\neither one gives 6 or other gives 8")
    assert problem.edits == ()
    assert Added(8, 8)(torch.zeros(2, 5)).shape == (2, 8)
    assert Added(6, 6)(torch.zeros(2, 5)).shape == (2, 6)


class Pyramid(nn.Module):
    """Two levels of a pyramid are added, the coarser one enlarged."""

    def __init__(self, fine: int, coarse: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)
        self.fine, self.coarse = nn.Conv2d(16, fine, 1), nn.Conv2d(32, coarse, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        return self.fine(first) + F.interpolate(self.coarse(self.second(first)), scale_factor=2)


def test_both_levels_of_a_pyramid_may_be_meant() -> None:
    problem = only_problem(Pyramid(8, 16), (3, 32, 32))
    assert problem.message.endswith("\neither fine gives 16 or coarse gives 8")
    for channels in (8, 16):
        assert Pyramid(channels, channels)(torch.zeros(1, 3, 32, 32)).shape == (1, channels, 16, 16)


def told_and_mended(path: Path, name: str, image: Tensor) -> tuple[Problem, tuple[int, ...]]:
    """The one problem of a model that PyTorch refuses, and what it makes of the image once the edits are written."""
    with pytest.raises(RuntimeError):
        vars(loaded(path))[name]()(image)
    problem = only_problem(vars(loaded(path))[name](), tuple(image.shape[1:]))
    (fixed,) = apply(problem.edits).values()
    path.write_bytes(fixed)
    return problem, tuple(vars(loaded(path))[name]()(image).shape)


SEPARABLE = """\
from torch import nn


class Separable(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 1)
        self.depthwise = nn.Conv2d(32, 32, 3, groups=32)
        self.pointwise = nn.Conv2d(32, 64, 1)

    def forward(self, x):
        return self.pointwise(self.depthwise(self.first(x).relu()))
"""


def test_one_number_in_front_of_a_depthwise_convolution_is_likelier_than_four_behind(tmp_path: Path) -> None:
    path = tmp_path / "separable.py"
    path.write_text(SEPARABLE)
    problem, made = told_and_mended(path, "Separable", torch.zeros(1, 3, 8, 8))
    assert problem.message.endswith("first should give 32, with which pointwise fits as well")
    assert made == (1, 64, 6, 6)
    # Where the first layer is wrong itself, its numbers and those behind it are told one by one.
    path.write_text(SEPARABLE.replace("nn.Conv2d(3, 16, 1)", "nn.Conv2d(4, 16, 1)"))
    told = [each.path for each in summarize(loaded(path).Separable(), (3, 8, 8)).problems]
    assert told[:2] == ["first", "depthwise"]


UNET = """\
import torch
import torch.nn.functional as F
from torch import nn


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = nn.Conv2d(3, 16, 3, padding=1)
        self.down2 = nn.Conv2d(32, 64, 3, padding=1)
        self.up = nn.ConvTranspose2d(64, 32, 2, 2)
        self.last = nn.Conv2d(64, 1, 3, padding=1)

    def forward(self, x):
        skip = F.relu(self.down1(x))
        deep = F.relu(self.down2(F.max_pool2d(skip, 2)))
        return self.last(torch.cat([skip, self.up(deep)], 1))
"""


def test_one_number_that_settles_what_a_cat_hands_on_as_well(tmp_path: Path) -> None:
    path = tmp_path / "unet.py"
    path.write_text(UNET)
    problem, made = told_and_mended(path, "UNet", torch.zeros(1, 3, 16, 16))
    assert problem.message.endswith("down1 should give 32, with which last fits as well")
    assert made == (1, 1, 16, 16)
    # Another number of the last layer is a mistake of its own, which no change in front settles.
    path.write_text(UNET.replace("nn.Conv2d(64, 1,", "nn.Conv2d(60, 1,"))
    assert [each.path for each in summarize(loaded(path).UNet(), (3, 16, 16)).problems] == ["down2", "last"]


RECURRENT = """\
import torch
from torch import nn


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(8, 64, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.fc(self.norm(LAST))
"""


@pytest.mark.parametrize("last", ["out[:, -1]", "out[:, -1, :]", "out.mean(1)", "out.select(1, 4)"])
def test_the_hidden_size_that_all_behind_a_recurrent_layer_expect(tmp_path: Path, last: str) -> None:
    path = tmp_path / "recurrent.py"
    path.write_text(RECURRENT.replace("LAST", last))
    assert fit(loaded(path).Recurrent(), (5, 8))(torch.zeros(2, 5, 8)).shape == (2, 3)
    problem, made = told_and_mended(path, "Recurrent", torch.zeros(2, 5, 8))
    assert (problem.path, problem.kind, problem.required) == ("rnn", "hidden_size", 16)
    assert made == (2, 3)
    # Both directions give twice as many, and no hidden size may do: what stands behind is told.
    path.write_text(RECURRENT.replace("LAST", last).replace("batch_first=True", "batch_first=True, bidirectional=True"))
    told = summarize(loaded(path).Recurrent(), (5, 8)).problems
    assert [(each.path, each.required) for each in told] == [("norm", (128,)), ("fc", 128)]


class Timed(nn.Module):
    """A time embedding is added to a map, channel by channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time, self.first = nn.Sequential(nn.Linear(4, 16), nn.SiLU(), nn.Linear(16, width)), nn.Conv2d(3, 32, 1)
        self.last = nn.Conv2d(32, 3, 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        made: Tensor = self.last(self.first(x) + self.time(t)[:, :, None, None])
        return made


def test_a_vector_spread_over_a_map_is_of_the_layer_that_made_it() -> None:
    (problem,) = summarize(Timed(64), [(3, 8, 8), (4,)]).problems
    assert "last takes 32: time.2 should give that" in problem.message
    assert Timed(32)(torch.zeros(2, 3, 8, 8), torch.zeros(2, 4)).shape == (2, 3, 8, 8)


class Decoded(nn.Module):
    """The pixels that a Linear gives, past a sigmoid, are made an image."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.decoder = nn.Sequential(nn.Linear(16, pixels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.decoder(x).view(-1, 1, 28, 28)
        return made


def test_a_view_behind_an_activation_names_the_layer_that_gives_its_features() -> None:
    problem = only_problem(Decoded(748), (16,))
    assert "either decoder.0 gives 784, or the sizes multiply to 748" in problem.message
    assert Decoded(784)(torch.zeros(2, 16)).shape == (2, 1, 28, 28)


def test_a_sum_with_a_wrong_layer_further_on_is_fixed_with_it(tmp_path: Path) -> None:
    path = tmp_path / "skipped.py"
    text = SKIPPED.replace("self.last(self.branch(x) + x)", "self.fc(self.last(x + self.branch(x)).flatten(1))")
    path.write_text(text.replace("    def forward", "        self.fc = nn.Linear(99, 5)\n\n    def forward"))
    net = loaded(path).Skipped()
    first, second = problems = summarize(net, (3, 12, 12)).problems
    assert (first.layer, second.path, second.required) == ("branch", "fc", 8 * 12 * 12)
    assert [problem.evidence for problem in problems] == [Evidence.RUN] * 2
    assert fit(net, (3, 12, 12))(torch.zeros(2, 3, 12, 12)).shape == (2, 5)


class Captioned(nn.Module):
    """Features of an image in front of words, for an LSTM that takes them together."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.image, self.words = nn.Linear(12, features), nn.Embedding(20, 16)
        self.lstm = nn.LSTM(16, 8, batch_first=True)

    def forward(self, image: Tensor, words: Tensor) -> Tensor:
        together = torch.cat([self.image(image).unsqueeze(1), self.words(words)], 1)
        made = self.lstm(together)[0]
        assert isinstance(made, Tensor)
        return made


def test_what_is_joined_has_the_size_that_follows() -> None:
    given = [torch.zeros(2, 12), torch.zeros(2, 5, dtype=torch.long)]
    (problem,) = summarize(Captioned(8), given).problems
    assert "torch.cat cannot join" in problem.message
    assert "lstm takes 16" in problem.message
    assert Captioned(16)(*given).shape == (2, 6, 8)


class Reconstructing(nn.Module):
    """Returns its loss: what comes out is larger than what went in, whatever goes in."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.head = nn.Conv1d(1, 4, 3, 2), nn.ConvTranspose1d(4, 1, 5, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.mse_loss(self.up(self.down(x)), x).reshape(1, 1))


def test_a_loss_inside_a_model_says_what_does_not_go_together() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        first, second = summarize(Reconstructing(), (1, 20)).problems
    assert first.message.splitlines()[:2] == [
        "F.mse_loss cannot combine 1×1×21 (up) and 1×1×20 (the input)", "they differ in dimension 2: 21 and 20",
    ]  # fmt: skip
    assert (second.path, second.required) == ("head", 1)
    with pytest.warns(UserWarning, match="target size"), pytest.raises(RuntimeError, match="size of tensor a"):
        Reconstructing()(torch.zeros(1, 1, 20))
    # PyTorch warns of the given sizes, in each pass; of the sizes that are tried nothing is heard.
    said = {str(each.message) for each in shown if "target size" in str(each.message)}
    assert len(said) == 1


class Prenorm(nn.Module):
    """Blocks of a language model: each adds to what came in."""

    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(16))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.weight

    def __init__(self) -> None:
        super().__init__()
        self.words, self.norm, self.head = nn.Embedding(20, 16), self.Scale(), nn.Linear(12, 20)
        self.layers = nn.ModuleList([nn.Linear(16, 16) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.words(x)
        for layer in self.layers:
            x = x + layer(x)
        return self.head(self.norm(x))


def test_a_residual_sum_is_told_by_the_branch_that_was_added_last() -> None:
    problem = only_problem(Prenorm(), (7,), torch.int64)
    assert problem.message.splitlines()[1] == "16 is the last axis of 2×7×16, the output of layers.1"


class Weighted(nn.Module):
    """A sum over the length with weights, and a Linear of as many features as there are channels."""

    def __init__(self, over: str) -> None:
        super().__init__()
        self.conv, self.weight, self.head = nn.Conv1d(3, 6, 3), nn.Parameter(torch.zeros(8, 7)), nn.Linear(6, 4)
        self.over = over

    def forward(self, x: Tensor) -> Tensor:
        x = torch.einsum("ncl,lm->ncm", self.conv(x), self.weight)
        return self.head(x.mean(2) if self.over == "mean" else x.transpose(1, 2) if self.over == "transpose" else x)


def test_as_many_features_as_there_are_channels_may_be_meant_of_these() -> None:
    problem = only_problem(Weighted(""), (3, 10))
    assert (problem.declared, problem.required, problem.edits) == (6, 7, ())
    assert "x.mean(2) or x.transpose(1, 2) has the 6 that were declared" in problem.message
    for over in ("mean", "transpose"):
        assert summarize(Weighted(over), (3, 10), batch_size=2).ok
        Weighted(over)(torch.zeros(2, 3, 10))


class Summarized(nn.Module):
    """Where the first size is tried as a batch, what is joined has one axis."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(width, 4, batch_first=True), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.attention(x, x, x)
        return self.head(torch.cat([x.mean(1), y.mean(1)], -1))


def test_what_is_joined_may_have_one_axis() -> None:
    first, *others = summarize(Summarized(32), (5, 48)).problems
    assert (first.path, first.declared, first.required) == ("attention", 32, 48)
    assert [(each.path, each.required) for each in others] == [("head", 96)]
    fitting = Summarized(48)
    fitting.head = nn.Linear(96, 10)
    assert fitting(torch.zeros(1, 5, 48)).shape == (1, 10)


def test_a_first_layer_that_is_wrong_on_both_sides_is_made_anew_for_both(tmp_path: Path) -> None:
    path = tmp_path / "residual.py"
    path.write_text(RESIDUAL.replace("nn.Conv2d(1, 12", "nn.Conv2d(4, 12"))
    gives, takes = problems = found(loaded(path), 16)
    assert [(each.path, each.kind, each.required) for each in problems] == [
        ("conv1", "out_channels", 16), ("conv1", "in_channels", 1),
    ]  # fmt: skip
    assert {each.evidence for each in problems} == {Evidence.RUN}
    assert gives.fix == takes.fix == "net.conv1 = nn.Conv2d(1, 16, 5, padding=2)"
    (fixed,) = apply([*gives.edits, *takes.edits]).values()
    path.write_bytes(fixed)
    assert loaded(path).build(16)(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


# A product of factors that do not go together -------------------------------------------------------------------------


def by_sign(x: Tensor, weight: Tensor) -> Tensor:
    return x @ weight


def by_name(x: Tensor, weight: Tensor) -> Tensor:
    return torch.matmul(x, weight)


def by_letters(x: Tensor, weight: Tensor) -> Tensor:
    return torch.einsum("...i,io->...o" if x.dim() != 3 else "bli,io->blo", x, weight)


def by_linear(x: Tensor, weight: Tensor) -> Tensor:
    return F.linear(x, weight)


def by_batches(x: Tensor, weight: Tensor) -> Tensor:
    return torch.bmm(x, weight.expand(x.shape[0], *weight.shape))


def from_the_left(x: Tensor, weight: Tensor) -> Tensor:
    return (weight @ x.transpose(-2, -1)).transpose(-2, -1)


def by_letters_from_the_left(x: Tensor, weight: Tensor) -> Tensor:
    return torch.einsum("oi,bil->bol", weight, x.transpose(1, 2)).mT


def by_convolution(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv1d(x.transpose(1, 2), weight[..., None]).permute(0, 2, 1)


class Mapped(nn.Module):
    """Words mapped by a matrix of the model's own, in front of a layer that is right."""

    def __init__(self, product: Callable[[Tensor, Tensor], Tensor], width: int, taker: nn.Module) -> None:
        super().__init__()
        self.words, self.weight = nn.Embedding(50, 32), nn.Parameter(torch.zeros(width, width))
        self.taker, self.product = taker, product

    def forward(self, x: Tensor) -> Tensor:
        x = self.product(self.words(x), self.weight)
        x = self.taker(x.transpose(1, 2) if isinstance(self.taker, nn.Conv1d | nn.BatchNorm1d) else x)
        assert isinstance(x, Tensor)
        return x


@pytest.mark.parametrize("taker", [nn.Linear(32, 3), nn.LayerNorm(32), nn.Conv1d(32, 3, 1), nn.BatchNorm1d(32)])
@pytest.mark.parametrize(
    "product",
    [
        by_sign, by_name, by_letters, by_linear, by_batches, from_the_left, by_letters_from_the_left, by_convolution,
    ],
)  # fmt: skip
def test_a_layer_behind_an_impossible_product_is_not_accused(
    product: Callable[[Tensor, Tensor], Tensor], taker: nn.Module
) -> None:
    problem = only_problem(Mapped(product, 24, taker), (7,), torch.long)
    assert (problem.kind, problem.edits) == ("operands", ())
    assert "taker behind it takes 32" in problem.message
    Mapped(product, 32, taker)(torch.zeros(2, 7, dtype=torch.long))


@pytest.mark.parametrize("product", [by_sign, by_linear])
def test_a_layer_further_on_is_accused_once_another_has_set_the_size(
    product: Callable[[Tensor, Tensor], Tensor],
) -> None:
    taker = nn.Sequential(nn.Linear(32, 8), nn.Linear(9, 3))
    first, second = summarize(Mapped(product, 24, taker), (7,), batch_size=2, dtypes=torch.long).problems
    assert first.kind == "operands"
    assert (second.path, second.required) == ("taker.1", 8)
    Mapped(product, 32, nn.Sequential(taker[0], nn.Linear(8, 3)))(torch.zeros(2, 7, dtype=torch.long))


class Aligned(nn.Module):
    """Points turned by a matrix that a layer computes of them, as in PointNet."""

    def __init__(self, side: int, *, letters: bool = False) -> None:
        super().__init__()
        self.first, self.matrix, self.side = nn.Conv1d(3, 64, 1), nn.Linear(64, side * side), side
        self.last, self.letters = nn.Conv1d(64, 128, 1), letters

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        matrix = self.matrix(x.amax(2)).view(-1, self.side, self.side)
        points = x.transpose(1, 2)
        turned = torch.einsum("bnd,bde->bne", points, matrix) if self.letters else torch.bmm(points, matrix)
        made: Tensor = self.last(turned.transpose(1, 2))
        return made


@pytest.mark.parametrize("letters", [False, True])
def test_a_computed_matrix_of_another_size_leaves_the_layer_behind_alone(letters: bool) -> None:
    problem = only_problem(Aligned(32, letters=letters), (3, 100))
    assert (problem.kind, problem.edits) == ("operands", ())
    assert "last behind it takes 64" in problem.message
    assert Aligned(64, letters=letters)(torch.zeros(2, 3, 100)).shape == (2, 128, 100)


class Normalized(nn.Module):
    """Scales of the model's own, of another width than what is normalized with them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide, self.scale, self.out = nn.Linear(4, width), nn.Parameter(torch.ones(24)), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.out(F.layer_norm(self.wide(x), self.scale.shape, self.scale))
        return made


def test_a_layer_behind_scales_of_another_width_is_not_accused() -> None:
    problem = only_problem(Normalized(32), (4,))
    assert (problem.kind, problem.edits) == ("operands", ())
    assert Normalized(24)(torch.zeros(2, 4)).shape == (2, 3)


# A size that was forgotten in the call

FORGETFUL = """
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8 * 16 * 16, 10)

    def forward(self, x):
        return self.fc(F.max_pool2d(self.conv(x), 2).flatten(1))
"""


def _forgetful(folder: Path) -> nn.Module:
    path = folder / "forgetful.py"
    path.write_text(FORGETFUL)
    model: nn.Module = loaded(path).Net()
    return model


@pytest.mark.parametrize("shape", [(3, 32), (3, 3), (28, 28), (5, 3)])
def test_a_number_that_a_forgotten_size_leaves_open_is_not_written(tmp_path: Path, shape: tuple[int, ...]) -> None:
    model = _forgetful(tmp_path)
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 10)  # its number is right
    (problem,) = summarize(model, shape).problems
    assert (problem.path, problem.edits) == ("conv", ())


def test_the_call_that_gives_the_forgotten_size_is_one_that_runs(tmp_path: Path) -> None:
    model = _forgetful(tmp_path)
    (problem,) = summarize(model, (3, 32)).problems
    assert problem.fix == "summarize(model, (3, 32, 32))"
    assert "H or W is missing" in problem.message
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    (problem,) = summarize(nn.Sequential(nn.Conv3d(3, 4, 1), nn.Flatten(), nn.Linear(4, 2)), (3, 8, 8)).problems
    assert problem.fix is None
    assert "D, H or W is missing" in problem.message
    taken = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, (20, 40)))  # which no square of 32 goes through
    with pytest.raises(RuntimeError):
        taken(torch.zeros(1, 3, 32, 32))
    assert summarize(taken, (3, 32)).problems[0].path == "0"


def test_behind_a_pool_over_a_guessed_size_a_single_cell_is_a_guess_as_well() -> None:
    for pools in (
        [nn.MaxPool2d(2)] * 5,
        [nn.AvgPool2d(2)] * 5,
        [nn.Conv2d(8, 8, 2, stride=2) for _ in range(5)],
    ):
        model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *pools, nn.Flatten(), nn.Linear(8 * 7 * 7, 10))
        assert model(torch.zeros(1, 3, 224, 224)).shape == (1, 10)
        (problem,) = summarize(model, (32, 32)).problems
        assert problem.path == "0"


def test_behind_a_mean_a_forgotten_size_leaves_nothing_open() -> None:
    for mean in (nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)):
        model = nn.Sequential(nn.Conv2d(3, 8, 3), mean, nn.Flatten(), nn.Linear(9, 10))
        assert [problem.required for problem in summarize(model, (3, 32)).problems[1:]] == [8]
        with pytest.raises(RuntimeError):
            model(torch.zeros(1, 3, 32, 32))


def test_a_gray_image_without_its_channel_leaves_nothing_open() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(9, 2))
    features = model[:2](torch.zeros(1, 1, 28, 28)).shape[1]
    assert [problem.required for problem in summarize(model, (28, 28)).problems[1:]] == [features]
