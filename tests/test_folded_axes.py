"""Axes folded into each other and not taken apart: the line is named, and PyTorch runs it as it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize
from convlin.records import Evidence
from convlin.source import apply
from tests.source_programs import load_file


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


# A view that makes other rows of the samples, and one that asks for the samples again -------------------------------

STEPS = """\
import torch
from torch import nn


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv1d(2, 12, 5), nn.Linear(40, 10)
        self.rnn, self.out = nn.GRU(10, 7, batch_first=True), nn.Linear(7, 3)

    def forward(self, x):
        batch = x.size(0)
        x = torch.relu(self.conv(x))
        x = x.view(-1, 40)
        x = self.fc(x)
        x = x.view(batch, -1, 10)
        return self.out(self.rnn(x)[0][:, -1])
"""


@pytest.mark.parametrize("asked", ["batch, -1", "30, -1", "batch, 1"])
def test_a_view_whose_rows_cannot_become_the_batch_again(asked: str, tmp_path: Path) -> None:
    path, x = tmp_path / "steps.py", torch.rand(30, 2, 24)  # 30 samples of 12·20: 180 rows of 40
    path.write_text(STEPS.replace("batch, -1", asked).replace("Conv1d(2, 12, 5)", "Conv1d(2, 9, 5)"))
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        load_file(path).Steps()(x)
    problems = summarize(load_file(path).Steps(), x).problems
    assert [(each.kind, each.path, each.required) for each in problems] == [
        ("batch", "", 180),
        ("in_features", "fc", 180),
    ]
    assert "view(-1, 40) makes 135×40 of 30×9×20: the batch went from 30 to 135" in problems[0].message
    assert all(each.evidence is Evidence.RUN for each in problems)
    (fixed,) = apply([edit for each in problems for edit in each.edits]).values()
    path.write_bytes(fixed)
    assert load_file(path).Steps()(x).shape == (30, 3)


def test_rows_that_become_the_batch_again_are_no_mistake(tmp_path: Path) -> None:
    path, x = tmp_path / "steps.py", torch.rand(30, 2, 24)
    path.write_text(STEPS)
    assert load_file(path).Steps()(x).shape == (30, 3)
    assert summarize(load_file(path).Steps(), x).ok


@pytest.mark.parametrize(
    ("given", "sizes", "said"),
    [
        ((6, 8), (4, -1, 8), "it has 6·8 = 48 elements, not a multiple of 4·8 = 32"),
        ((6, 8), (5, 2, 4), "it has 6·8 = 48 elements, not 5·2·4 = 40"),
    ],
)
def test_a_view_into_another_number_of_rows(given: tuple[int, ...], sizes: tuple[int, ...], said: str) -> None:
    class View(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(given).view(*sizes) + x.sum()

    with pytest.raises(RuntimeError):
        torch.zeros(given).view(*sizes)
    report = summarize(View(), (3,))
    assert said in report.problems[0].message
    assert "one sample has" not in str(report)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_rows_that_a_view_makes_features_of(kind: type[nn.RNNBase]) -> None:
    class Letters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.rnn = nn.Embedding(50, 8), kind(8, 6)  # type: ignore[arg-type, call-arg]

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.rnn(self.words(x).view(1, 1, -1))[0]
            return made

    net, texts = Letters(), torch.randint(50, (16,))
    with pytest.raises(RuntimeError):
        net(texts)
    assert net(texts[:1]).shape == (1, 1, 6)  # one letter at a time, as it was written for
    (problem,) = summarize(net, texts).problems
    assert "makes features of all 16 rows of 16×8, each of which has the 8" in " ".join(problem.message.split())
    assert (problem.required, problem.changes) == (128, {})


# Attention written by hand ------------------------------------------------------------------------------------------

HEADS = """\
import torch
from torch import nn


class Heads(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.q, self.k = nn.Linear(self.size, self.size), nn.Linear(self.size, self.size)
        self.back = nn.Linear(width, 6)

    def split(self, x):
        return x.reshape(x.size(0), x.size(1), self.heads, self.size)

    def forward(self, one, other):
        q = SPLIT(self.q(one))
        k = SPLIT(self.k(other))
        weights = torch.einsum("nqhd,nkhd->nhqk", q, k).softmax(-1)
        made = torch.einsum("nhqk,nkhd->nqhd", weights, k)
        return self.back(made.flatten(2))
"""


@pytest.mark.parametrize("split", ["", "self.split"])
def test_heads_that_are_not_split(split: str, tmp_path: Path) -> None:
    path, given = tmp_path / "heads.py", (torch.rand(2, 5, 12), torch.rand(2, 7, 12))
    path.write_text(HEADS.replace("SPLIT", split))
    with pytest.raises(RuntimeError):
        load_file(path).Heads(12, 3)(*given)
    problems = summarize(load_file(path).Heads(12, 3), list(given)).problems
    assert [(each.path, each.kind, each.required) for each in problems] == [
        ("q", "structure", 12),
        ("k", "structure", 12),
    ]
    text = path.read_text()
    for problem in problems:
        assert "12 = 3·4, and heads=3: the heads are not split" in " ".join(problem.message.split())
        assert problem.fix is not None
        assert problem.where is not None
        lines = text.splitlines()
        lines[problem.where.line - 1] = f"        {problem.fix}"
        text = "\n".join(lines)
    path.write_text(text)
    assert load_file(path).Heads(12, 3)(*given).shape == (2, 5, 6)
    if split:  # the other reading that is told
        assert "all heads at once: in_features=12 and out_features=12" in " ".join(problems[0].message.split())
        path.write_text(HEADS.replace("SPLIT", split))
        model = load_file(path).Heads(12, 3)
        model.q, model.k = nn.Linear(12, 12), nn.Linear(12, 12)
        assert model(*given).shape == (2, 5, 6)


def test_a_layer_behind_the_heads_takes_all_of_them(tmp_path: Path) -> None:
    path, given = tmp_path / "heads.py", [torch.rand(2, 5, 12), torch.rand(2, 7, 12)]
    text = HEADS.replace("SPLIT(self.q(one))", "self.q(self.split(one))")
    path.write_text(text.replace("SPLIT(self.k(other))", "self.k(self.split(other))").replace("(width, 6)", "(4, 6)"))
    (problem,) = summarize(load_file(path).Heads(12, 3), given).problems
    assert (problem.path, problem.kind, problem.required) == ("back", "in_features", 12)
    assert "split" not in problem.message
    model = load_file(path).Heads(12, 3)
    model.back = nn.Linear(12, 6)
    assert model(*given).shape == (2, 5, 6)


JOINED = """\
import torch
from torch import nn


class Heads(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.q, self.k = nn.Linear(width, width), nn.Linear(width, width)
        self.back = nn.Linear(width, 6)

    def split(self, x):
        return x.view(x.size(0), x.size(1), self.heads, self.size)

    def forward(self, x):
        q, k = self.split(self.q(x)), self.split(self.k(x))
        weights = torch.einsum("nqhd,nkhd->nhqk", q, k).softmax(-1)
        return self.back(torch.einsum("nhqk,nkhd->MADE", weights, k))
"""


@pytest.mark.parametrize("made", ["nqhd", "nhqd"])
@pytest.mark.parametrize("several", [False, True])
def test_heads_that_are_not_joined(made: str, *, several: bool, tmp_path: Path) -> None:
    path, given = tmp_path / "heads.py", torch.rand(2, 5, 12)
    text = JOINED.replace("MADE", made)
    text += "\n\ndef net():\n    heads = Heads(12, 3)\n    return nn.ModuleDict({'a': heads})['a']\n"
    if several:
        text = text.replace(
            "heads = Heads(12, 3)", "heads = nn.Sequential(Heads(12, 3), nn.Linear(6, 12), Heads(12, 3))"
        )
    path.write_text(text)
    with pytest.raises(RuntimeError):
        load_file(path).net()(given)
    problem, *others = summarize(load_file(path).net(), given).problems
    assert (problem.kind, problem.declared, problem.required) == ("structure", 12, 4)
    assert all((each.where, each.fix) == (problem.where, problem.fix) for each in others)
    assert "12 = 3·4" in problem.message
    assert problem.fix is not None
    assert problem.where is not None
    lines = text.splitlines()
    lines[problem.where.line - 1] = f"        {problem.fix}"
    path.write_text("\n".join(lines))
    model = load_file(path).net()
    assert model(given).shape == (2, 5, 6)
    assert summarize(model, given).ok
    path.write_text(text)  # the other reading that is told
    one = load_file(path).Heads(12, 3)
    one.back = nn.Linear(problem.required, 6)
    assert one(given).dim() == 4


def test_a_layer_for_one_head_is_none_for_all(tmp_path: Path) -> None:
    path = tmp_path / "heads.py"
    path.write_text(JOINED.replace("MADE", "nqhd").replace("nn.Linear(width, 6)", "nn.Linear(7, 6)"))
    (problem,) = summarize(load_file(path).Heads(12, 3), torch.rand(2, 5, 12)).problems
    assert (problem.kind, problem.required) == ("in_features", 4)


# Frames of a video that stay in the batch ---------------------------------------------------------------------------

FRAMES = """\
import torch
from torch import nn


class Frames(nn.Module):
    def __init__(self, size=54):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(2, 6, 3), nn.AdaptiveAvgPool2d(3)
        self.rnn, self.out = nn.GRU(size, 5, batch_first=True), nn.Linear(5, 4)

    def forward(self, x):
        b, t = x.shape[:2]
        f = self.pool(self.conv(FOLD))
        f = VIEW
        made = self.rnn(f)[0]
        return self.out(made[:, -1])
"""


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("fold", ["x.flatten(0, 1)", "x.reshape(b * t, *x.shape[2:])"])
@pytest.mark.parametrize("view", ["f.view(f.size(0), f.size(1), -1)", "f.flatten(2)", "f"])
def test_frames_that_are_not_taken_out_of_the_batch(view: str, fold: str, batch: int, tmp_path: Path) -> None:
    path, x = tmp_path / "frames.py", torch.rand(batch, 7, 2, 9, 9)
    path.write_text(FRAMES.replace("FOLD", fold).replace("VIEW", view))
    with pytest.raises((RuntimeError, ValueError)):
        load_file(path).Frames()(x)
    (problem,) = summarize(load_file(path).Frames(), x).problems
    assert (problem.path, problem.kind, problem.evidence) == ("rnn", "structure", Evidence.RUN)
    assert f"view(batch, 7, -1){' in its place' if view != 'f' else ''} gives {batch}×7×54" in " ".join(
        problem.message.split()
    )
    (fixed,) = apply(problem.edits).values()
    path.write_bytes(fixed)
    assert load_file(path).Frames()(x).shape == (batch, 4)
    path.write_text(FRAMES.replace("FOLD", fold).replace("VIEW", "f.view(b, 7, -1)"))
    assert load_file(path).Frames()(x).shape == (batch, 4)


def test_frames_that_are_not_taken_out_of_the_batch_and_another_size(tmp_path: Path) -> None:
    path, x = tmp_path / "frames.py", torch.rand(3, 7, 2, 9, 9)
    path.write_text(FRAMES.replace("FOLD", "x.flatten(0, 1)").replace("VIEW", "f.flatten(2)"))
    (problem,) = summarize(load_file(path).Frames(20), x).problems
    assert "gives 3×7×54, and the layer needs input_size=54" in " ".join(problem.message.split())
    assert not problem.edits
    path.write_text(FRAMES.replace("FOLD", "x.flatten(0, 1)").replace("VIEW", "f.view(b, 7, -1)"))
    assert load_file(path).Frames(54)(x).shape == (3, 4)


def test_rows_of_each_frame_as_its_steps(tmp_path: Path) -> None:
    """The samples come back behind the layer: what it takes is one frame at a time."""
    path, x = tmp_path / "frames.py", torch.rand(3, 7, 2, 9, 9)
    text = FRAMES.replace("FOLD", "x.flatten(0, 1)").replace("VIEW", "f.flatten(2)")
    path.write_text(text.replace("made[:, -1]", "made.mean(1).view(b, t, -1).mean(1)"))
    (problem,) = summarize(load_file(path).Frames(20), x).problems
    assert (problem.path, problem.kind, problem.required) == ("rnn", "input_size", 9)
    assert load_file(path).Frames(9)(x).shape == (3, 4)
