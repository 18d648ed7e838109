"""A map of a convolution in front of a layer of sequences, whose axes are in another order than the layer takes.

The oracle is PyTorch: with the line that is told in place of the one that is wrong the model runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize
from convlin.records import Evidence, Problem
from tests.source_programs import load_file

PROGRAM = """\
import torch
from torch import nn


class Read(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d({pool}))
        self.rnn = {layer}
        self.fc = nn.Linear(24, 5)

    def forward(self, x):
        x = self.cnn(x)
        b, c, h, w = x.shape
        x = {step}
        x, _ = self.rnn(x)
        return self.fc(x)
"""

#: Of a map 8×1×10, and of one of 8×4×10.
STEPS = {
    "x.squeeze(2)": 8,
    "x[:, :, 0]": 8,
    "torch.relu(x.mean(2))": 8,
    "x.amax(dim=2)": 8,
    "nn.functional.dropout(x.max(2)[0], 0.1, self.training)": 8,
    "x.flatten(1, 2)": 32,
    "x.reshape(b, c * h, w)": 32,
    "x.view(b, -1, w).contiguous()": 32,
    "nn.functional.avg_pool2d(x, (4, 1)).squeeze(2)": 8,
    "x.flatten(2)": 8,
    "x.view(b, c, -1)": 8,
    "nn.functional.layer_norm(x.reshape(b, c, h * w), (40,))": 8,
}
#: All cells of the map one behind the other.
IN_A_ROW = tuple(STEPS)[-3:]


def with_line(path: Path, problem: Problem) -> None:
    """Write the line that is told in place of the one that is there."""
    assert problem.where is not None
    assert problem.fix is not None
    lines = path.read_text().splitlines()
    old = lines[problem.where.line - 1]
    lines[problem.where.line - 1] = old[: len(old) - len(old.lstrip())] + problem.fix
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("step", STEPS)
def test_a_map_with_its_length_last_is_to_be_permuted(
    step: str, kind: str, first: bool, batch: int, tmp_path: Path
) -> None:
    size, path = STEPS[step], tmp_path / "read.py"
    layer = f"nn.{kind}({size}, 24{', batch_first=True' if first else ''})"
    path.write_text(PROGRAM.format(pool="(8, 2)" if step == "x.squeeze(2)" else "2", layer=layer, step=step))
    (problem,) = summarize(load_file(path).Read(), (1, 8, 20), batch_size=batch).problems
    length = 40 if step in IN_A_ROW else 10
    assert (problem.kind, problem.declared, problem.required) == ("input_size", size, length)
    order = "(0, 2, 1)" if first else "(2, 0, 1)"
    assert problem.fix == f"x, _ = self.rnn(x.permute{order})"
    assert problem.edits == (), "another size of the layer may have been meant"
    assert problem.evidence is Evidence.RUN
    with_line(path, problem)
    net = load_file(path).Read()
    assert net(torch.zeros(batch, 1, 8, 20)).shape == ((batch, length, 5) if first else (length, batch, 5))
    found = summarize(net, (1, 8, 20), batch_size=batch)
    assert found.ok, found
    assert found.report.remarks == ()


@pytest.mark.parametrize("step", ["x.flatten(1, 2).permute(0, 2, 1)", "x.permute(0, 3, 1, 2).flatten(2)"])
def test_a_map_in_steps_is_told_the_number(step: str, tmp_path: Path) -> None:
    path = tmp_path / "read.py"
    path.write_text(PROGRAM.format(pool="2", layer="nn.LSTM(10, 24, batch_first=True)", step=step))
    (problem,) = summarize(load_file(path).Read(), (1, 8, 20), batch_size=2).problems
    assert (problem.kind, problem.required) == ("input_size", 32)
    assert problem.changes == {"input_size": "32"}
    with_line(path, problem)
    assert load_file(path).Read()(torch.zeros(2, 1, 8, 20)).shape == (2, 10, 5)


# A map with all of its axes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("size", "behind", "axes", "steps"),
    [
        (32, ".flatten(1, 2).permute{order}", "dimensions 1 and 2 as its features, 8·4 = 32", 10),
        (80, ".permute{axes}.flatten(2)", "dimensions 1 and 3 as its features, 8·10 = 80", 4),
        (8, ".flatten(2).permute{order}", "dimension 1 as its features, 8", 40),
    ],
)
def test_a_map_of_four_axes_in_front_of_a_layer_that_takes_three(
    size: int, behind: str, axes: str, steps: int, first: bool, tmp_path: Path
) -> None:
    path = tmp_path / "read.py"
    layer = f"nn.LSTM({size}, 24{', batch_first=True' if first else ''})"
    path.write_text(PROGRAM.format(pool="2", layer=layer, step="x"))
    (problem,) = summarize(load_file(path).Read(), (1, 8, 20), batch_size=3).problems
    orders = {"order": (0, 2, 1), "axes": (0, 2, 1, 3)} if first else {"order": (2, 0, 1), "axes": (2, 0, 1, 3)}
    assert (problem.kind, problem.declared, problem.required) == ("structure", 3, 4)
    assert problem.fix == f"x, _ = self.rnn(x{behind.format(**orders)})"
    made = (3, steps, size) if first else (steps, 3, size)
    assert f"{axes}, it is {'×'.join(map(str, made))}" in " ".join(problem.message.split())
    assert (problem.edits, problem.evidence) == ((), Evidence.RUN)
    with_line(path, problem)
    assert load_file(path).Read()(torch.zeros(3, 1, 8, 20)).shape == (*made[:2], 5)


def test_a_map_of_five_axes() -> None:
    class Volume(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.rnn = nn.Conv3d(1, 4, 3, padding=1), nn.GRU(120, 6, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            made = self.rnn(self.conv(x))[0]
            assert isinstance(made, torch.Tensor)
            return made

    (problem,) = summarize(Volume(), (1, 5, 6, 9), batch_size=2).problems
    assert "with dimensions 1, 2 and 3 as its features, 4·5·6 = 120, it is 2×9×120" in problem.message
    assert problem.fix is not None
    assert problem.fix.endswith("self.rnn(self.conv(x).flatten(1, 3).permute(0, 2, 1))[0]")
    net = Volume()
    assert net.rnn(net.conv(torch.zeros(2, 1, 5, 6, 9)).flatten(1, 3).permute(0, 2, 1))[0].shape == (2, 9, 6)


def test_of_a_map_of_four_axes_no_number_is_told_that_nothing_makes_up(tmp_path: Path) -> None:
    path = tmp_path / "read.py"
    path.write_text(PROGRAM.format(pool="2", layer="nn.LSTM(33, 24, batch_first=True)", step="x"))
    (problem,) = summarize(load_file(path).Read(), (1, 8, 20), batch_size=3).problems
    assert (problem.kind, problem.changes, problem.edits) == ("structure", {}, ())
    assert problem.evidence is Evidence.DERIVED
    assert "permute" not in problem.message
    with pytest.raises((RuntimeError, ValueError), match="4"):
        load_file(path).Read()(torch.zeros(3, 1, 8, 20))


# One class made several times, and attention --------------------------------------------------------------------------

TWICE = """\
from torch import nn


class Bidirectional(nn.Module):
    def __init__(self, width, hidden, out):
        super().__init__()
        self.rnn = nn.LSTM(width, hidden, bidirectional=True)
        self.embedding = nn.Linear(hidden * 2, out)

    def forward(self, input):
        recurrent, _ = self.rnn(input)
        steps, b, h = recurrent.size()
        return self.embedding(recurrent.view(steps * b, h)).view(steps, b, -1)


class Read(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, (8, 3))
        self.rnn = nn.Sequential(Bidirectional(16, 12, 12), Bidirectional(12, 12, 5))

    def forward(self, x):
        conv = self.conv(x).squeeze(2)
        output = self.rnn(conv)
        return output
"""


def test_the_line_is_one_that_is_wrong_for_all_that_it_calls(tmp_path: Path) -> None:
    path = tmp_path / "read.py"
    path.write_text(TWICE)
    (problem,) = summarize(load_file(path).Read(), (1, 8, 20), batch_size=2).problems
    assert (problem.path, problem.fix) == ("rnn.0.rnn", "output = self.rnn(conv.permute(2, 0, 1))")
    with_line(path, problem)
    net = load_file(path).Read()
    assert net(torch.zeros(2, 1, 8, 20)).shape == (18, 2, 5)
    assert summarize(net, (1, 8, 20), batch_size=2).ok


ENCODED = """\
from torch import nn


class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2)
        x = self.encoder(x)
        return self.head(x.mean(1))
"""


def test_patches_whose_channels_come_first(tmp_path: Path) -> None:
    path = tmp_path / "patches.py"
    path.write_text(ENCODED)
    (problem,) = summarize(load_file(path).Patches(), (3, 20, 24), batch_size=2).problems
    assert (problem.declared, problem.required) == (16, 30)
    assert problem.fix == "x = self.encoder(x.permute(0, 2, 1))"
    assert problem.edits == ()
    with_line(path, problem)
    net = load_file(path).Patches()
    assert net(torch.zeros(2, 3, 20, 24)).shape == (2, 5)
    assert summarize(net, (3, 20, 24), batch_size=2).ok


def test_a_wrong_layer_behind_it_is_told_both_numbers(tmp_path: Path) -> None:
    path = tmp_path / "read.py"
    text = PROGRAM.format(pool="2", layer="nn.LSTM(32, 24, batch_first=True)", step="x.flatten(1, 2)")
    path.write_text(text.replace("nn.Linear(24", "nn.Linear(25"))
    first, second = summarize(load_file(path).Read(), (1, 8, 20), batch_size=2).problems
    assert first.fix == "x, _ = self.rnn(x.permute(0, 2, 1))"
    assert (second.path, second.required) == ("fc", 24)
    assert first.evidence is second.evidence is Evidence.DERIVED, "the pass ran on zeros in place of what reaches fc"


def test_a_layer_norm_over_the_length_leaves_it_last() -> None:
    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.rnn = nn.Conv1d(3, 8, 3, padding=1), nn.LayerNorm(10), nn.LSTM(8, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            made = self.rnn(self.norm(self.conv(x)))[0]
            assert isinstance(made, torch.Tensor)
            return made

    (problem,) = summarize(Normed(), (3, 10), batch_size=2).problems
    assert problem.fix is not None
    assert problem.fix.endswith("self.rnn(self.norm(self.conv(x)).permute(2, 0, 1))[0]")
    net = Normed()
    assert net.rnn(net.norm(net.conv(torch.zeros(2, 3, 10))).permute(2, 0, 1))[0].shape == (10, 2, 4)


class Normed(nn.Module):
    """A layer norm over the channels, as ConvNeXt's, which a convolution leaves in front of the cells."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer, self.norm = layer, nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        return self.norm(x)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Conv1d(3, 8, 3), (3, 20)), (nn.Conv2d(3, 8, 3), (3, 9, 9)), (nn.Conv3d(3, 8, 1), (3, 4, 5, 6))],
)
def test_a_layer_norm_over_the_channels_of_a_map(layer: nn.Module, shape: tuple[int, ...]) -> None:
    """The number of the channels is no wrong width: another order of the axes was meant, there and back."""
    model = Normed(layer, 8)
    (problem,) = summarize(model, shape).problems
    assert (problem.kind, problem.changes) == ("normalized_shape", {})
    assert "dimension 1 has the 8 channels" in problem.message
    assert problem.fix is not None
    made = eval(
        problem.fix.removeprefix("return "), {"self": model, "x": layer(torch.zeros(2, *shape))}
    )  # as it is to be
    assert made.shape == layer(torch.zeros(2, *shape)).shape
    (other,) = summarize(Normed(layer, 9), shape).problems  # which are no channels
    assert other.changes == {"normalized_shape": str(layer(torch.zeros(2, *shape)).shape[-1])}


class Expands(nn.Module):
    """An axis of 1 too many, which ``forward`` puts there."""

    def __init__(self, layer: nn.Module, axis: int) -> None:
        super().__init__()
        self.layer, self.axis = layer, axis

    def forward(self, x: Tensor) -> Any:
        x = x.unsqueeze(self.axis)
        return self.layer(x)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("make", "shape", "axis"),
    [
        (lambda: nn.Conv2d(16, 8, 3, padding=1), (16, 12, 10), -1),
        (lambda: nn.Conv2d(1, 8, 3, padding=1), (1, 28, 27), -1),
        (lambda: nn.Conv2d(4, 8, 3, padding=1), (4, 9, 8), 2),
        (lambda: nn.Conv1d(4, 8, 3, padding=1), (4, 30), -1),
        (lambda: nn.ConvTranspose1d(4, 8, 3), (4, 30), 2),
        (lambda: nn.GRU(4, 8, batch_first=True), (7, 4), 0),
        (lambda: nn.GRU(4, 8, batch_first=True), (7, 4), 2),
    ],
)
def test_an_axis_of_one_too_many_is_the_one_that_goes(
    make: Callable[[], nn.Module], shape: tuple[int, ...], axis: int, batch: int
) -> None:
    given = torch.rand(batch, *shape)
    with pytest.raises((RuntimeError, ValueError)):
        Expands(make(), axis)(given)
    (problem,) = summarize(Expands(make(), axis), shape, batch_size=batch).problems  # and no number of the layer's
    match = re.fullmatch(r"return self\.layer\(x\.squeeze\((\d)\)\)", problem.fix or "")
    assert match is not None
    layer = make()
    made = layer(given.unsqueeze(axis).squeeze(int(match[1])))
    wanted = layer(given)
    for one, other in zip(made, wanted, strict=True):
        assert one.shape == other.shape
