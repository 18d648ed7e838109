"""A ``cat`` along another dim than was meant: the layer behind it declares what the right one gives.

The oracle is PyTorch: with the dim that is told the model runs as it is declared, with one row for each sample.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize
from convlin.source import apply
from tests.source_programs import load_file

NETS = {
    "recurrent": """\
        self.word, self.tag = nn.Embedding(50, 16), nn.Embedding(9, 16)
        self.rnn = nn.GRU(32, 20, batch_first=True)

    def forward(self, w, t):
        x = torch.cat([self.word(w), self.tag(t)], DIM)
        return self.rnn(x)[0]
""",
    "attention": """\
        self.word, self.tag = nn.Embedding(50, 16), nn.Embedding(9, 16)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)

    def forward(self, w, t):
        x = torch.cat([self.word(w), self.tag(t)], DIM)
        return self.attention(x, x, x)[0]
""",
    "block": """\
        self.word, self.tag = nn.Embedding(50, 16), nn.Embedding(9, 16)
        self.block = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)

    def forward(self, w, t):
        x = torch.cat([self.word(w), self.tag(t)], DIM)
        return self.block(x)
""",
    "norm of features": """\
        self.word, self.tag = nn.Embedding(50, 16), nn.Embedding(9, 16)
        self.norm = nn.LayerNorm(32)

    def forward(self, w, t):
        x = torch.cat([self.word(w), self.tag(t)], DIM)
        return self.norm(x)
""",
    "linear": """\
        self.user, self.item = nn.Embedding(50, 16), nn.Embedding(40, 16)
        self.mlp = nn.ModuleList([nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU()])

    def forward(self, u, i):
        x = torch.cat([self.user(u), self.item(i)], DIM)
        for layer in self.mlp:
            x = layer(x)
        return x
""",
    "image": """\
        self.down, self.mid = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.up, self.dec = nn.ConvTranspose2d(32, 16, 2, stride=2), nn.Conv2d(32, 16, 3, padding=1)

    def forward(self, x):
        first = self.down(x)
        x = torch.cat([first, self.up(self.mid(first))], DIM)
        return self.dec(x)
""",
    "signal": """\
        self.a, self.b = nn.Conv1d(4, 16, 3, padding=1), nn.Conv1d(4, 16, 5, padding=2)
        self.act, self.c, self.fc = nn.ReLU(), nn.Conv1d(32, 8, 3), nn.Linear(8, 2)

    def forward(self, x):
        x = torch.cat((self.a(x), self.b(x)), DIM)
        return self.fc(self.c(self.act(x)).mean(-1))
""",
}
HEAD = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
"""
#: For each net the shapes of a sample, what it declares, the dim that was meant and those that were written.
WRITTEN = [
    *((name, "[(7,), (7,)]", 2, dim) for name in ("recurrent", "attention", "block", "linear") for dim in (0, 1, -2)),
    *(("norm of features", "[(7,), (7,)]", 2, dim) for dim in (0, 1)),
    *(("image", "(1, 32, 32)", 1, dim) for dim in (2, 3, -1)),
    *(("signal", "(4, 30)", 1, dim) for dim in (2, -1)),
]


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("name", "shapes", "meant", "dim"), WRITTEN)
def test_the_dim_that_gives_what_is_declared_is_told(
    name: str, shapes: str, meant: int, dim: int, batch: int, tmp_path: Path
) -> None:
    path, given = tmp_path / "net.py", eval(shapes)
    path.write_text(HEAD + NETS[name].replace("DIM", f"dim={dim}"))
    (problem,) = summarize(load_file(path).Net(), given, batch_size=batch).problems
    assert problem.fix is not None
    assert f"dim={meant}" in problem.fix
    message = " ".join(problem.message.split())
    assert f"along dim={meant} it gives 16 + 16 = 32" in message
    assert "joined along dim=" in message
    assert problem.where is not None
    assert f"dim={dim}" in path.read_text().splitlines()[problem.where.line - 1]
    # The number of the layer is not written: it is right as it is.
    assert (problem.edits, problem.changes) == ((), {})
    lines = path.read_text().splitlines()
    wrong = lines[problem.where.line - 1]
    lines[problem.where.line - 1] = wrong[: len(wrong) - len(wrong.lstrip())] + problem.fix
    path.write_text("\n".join(lines))
    tensors = [
        torch.zeros(batch, *shape, dtype=torch.long if isinstance(given, list) else torch.float32)
        for shape in (given if isinstance(given, list) else [given])
    ]
    assert load_file(path).Net()(*tensors).shape[0] == batch


BEHIND = """\
        self.a, self.b = nn.Conv1d(4, 16, 3, padding=1), nn.Conv1d(4, 16, 5, padding=2)
        self.norm, self.c, self.fc = nn.BatchNorm1d(32), nn.Conv1d(32, 8, 3), nn.Linear(FEATURES, 2)

    def forward(self, x):
        x = torch.cat((self.a(x), self.b(x)), DIM)
        return self.fc(self.c(torch.relu(self.norm(x))).flatten(1))
"""


@pytest.mark.parametrize("features", [224, 99])
def test_a_number_that_comes_from_it_is_not_certain(features: int, tmp_path: Path) -> None:
    """With the dim that was meant it is another one, and may be right as it is."""
    path, shape = tmp_path / "net.py", (4, 30)
    path.write_text(HEAD + BEHIND.replace("DIM", "dim=2").replace("FEATURES", str(features)))
    problems = summarize(load_file(path).Net(), shape, batch_size=2).problems
    assert not apply(edit for problem in problems for edit in problem.edits)
    if features == 224:  # a run with that dim settles all of it
        assert [problem.path for problem in problems] == ["norm"]
    else:
        assert [problem.path for problem in problems] == ["norm", "c", "fc"]
        assert "another number where torch.cat joins along dim=1" in " ".join(problems[-1].message.split())
    path.write_text(HEAD + BEHIND.replace("DIM", "dim=1").replace("FEATURES", "224"))
    assert load_file(path).Net()(torch.zeros(2, *shape)).shape == (2, 2)


class Arms(nn.Module):
    """Two arms, joined along the steps on purpose; ``last`` takes twice as many channels as there are."""

    def __init__(self, first: nn.Module, last: nn.Module, channels: tuple[int, int] = (16, 16)) -> None:
        super().__init__()
        self.a, self.b = (nn.Conv1d(4, count, 3, padding=1) for count in channels)
        self.first, self.last = first, last

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat((self.a(x), self.b(x)), dim=2)
        made: Tensor = self.last(self.first(x))
        return made


@pytest.mark.parametrize("first", [nn.BatchNorm1d(16), nn.Conv1d(16, 16, 1), nn.Sequential(nn.GroupNorm(4, 16))])
def test_where_another_layer_takes_what_was_joined_its_dim_is_right(first: nn.Module) -> None:
    (problem,) = summarize(Arms(first, nn.Conv1d(32, 8, 3)), (4, 30), batch_size=2).problems
    assert (problem.kind, problem.required, problem.changes) == ("in_channels", 16, {"in_channels": "16"})
    assert "torch.cat((…)" not in (problem.fix or "")
    assert Arms(first, nn.Conv1d(16, 8, 3))(torch.zeros(2, 4, 30)).shape == (2, 8, 58)


@pytest.mark.parametrize("declared", [24, 17, 48])
def test_where_no_dim_gives_what_is_declared_the_number_is_told(declared: int) -> None:
    (problem,) = summarize(Arms(nn.Identity(), nn.Conv1d(declared, 8, 3)), (4, 30), batch_size=2).problems
    assert (problem.kind, problem.required, problem.changes) == ("in_channels", 16, {"in_channels": "16"})


class Steps(nn.Module):
    """Sequences of different length can be joined along their steps alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.word, self.tag, self.rnn = nn.Embedding(9, 16), nn.Embedding(9, 16), nn.GRU(width, 3, batch_first=True)

    def forward(self, w: Tensor, t: Tensor) -> Any:
        return self.rnn(torch.cat([self.word(w), self.tag(t)], dim=1))


def test_what_cannot_be_joined_otherwise_is_joined_as_it_was_meant() -> None:
    (problem,) = summarize(Steps(32), [(7,), (5,)], batch_size=2).problems
    assert (problem.kind, problem.required, problem.changes) == ("input_size", 16, {"input_size": "16"})
    Steps(16)(*(torch.zeros(2, steps, dtype=torch.long) for steps in (7, 5)))
    with pytest.raises(RuntimeError, match="must match"):
        torch.cat([torch.zeros(2, 7, 16), torch.zeros(2, 5, 16)], dim=2)


REFUSED = {
    "branches": """\
        self.a, self.b, self.c = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(3, 4, 5, padding=2)
        self.reduce, self.fc = nn.Conv2d(24, 16, 1), nn.Linear(16 * 8 * 8, 10)

    def forward(self, x):
        x = torch.cat([self.a(x), self.b(x), self.c(x)], DIM)
        x = nn.functional.max_pool2d(self.reduce(x), 2)
        return self.fc(x.flatten(1))
""",
    "state and action": """\
        self.fc = nn.Linear(11, 16)

    def forward(self, state, action):
        x = torch.cat([state, action], DIM)
        return self.fc(x)
""",
    "steps with times": """\
        self.rnn = nn.GRU(8, 16, batch_first=True)

    def forward(self, x, times):
        return self.rnn(torch.cat([x, times], DIM))[0]
""",
}


@pytest.mark.parametrize(
    ("name", "given", "meant", "dim"),
    [
        *(("branches", (3, 16, 16), 1, dim) for dim in (0, 2, 3, -1)),
        ("state and action", [(6,), (5,)], 1, 0),
        ("steps with times", [(9, 5), (9, 3)], 2, 0),
    ],
)
def test_a_dim_along_which_the_sizes_do_not_go_together(
    name: str, given: Any, meant: int, dim: int, tmp_path: Path
) -> None:
    path = tmp_path / "net.py"
    path.write_text(HEAD + REFUSED[name].replace("DIM", f"dim={dim}"))
    tensors = [torch.zeros(2, *shape) for shape in (given if isinstance(given, list) else [given])]
    net = load_file(path).Net()
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        net(*tensors)
    (problem,) = summarize(net, given).problems  # and nothing of the layers behind, which are right
    assert f"along dim={meant} it makes" in problem.message
    changed = apply(problem.edits)
    assert changed
    for file, text in changed.items():
        Path(file).write_bytes(text)
    assert f"dim={meant}" in path.read_text()
    made = load_file(path).Net()(*tensors)
    assert made.shape[0] == 2


class Meeting(nn.Module):
    """Two maps or rows, joined along the channels; ``taken`` is what the layer behind declares."""

    def __init__(self, one: nn.Module, other: nn.Module, last: nn.Module, dim: int) -> None:
        super().__init__()
        self.one, self.other, self.last, self.dim = one, other, last, dim

    def forward(self, x: Tensor) -> Any:
        return self.last(torch.cat([self.one(x), self.other(x)], self.dim))


@pytest.mark.parametrize(
    "net",
    [
        Meeting(nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, (3, 4)), nn.Conv2d(16, 2, 1), 1),  # an odd size
        Meeting(nn.Flatten(), nn.Sequential(nn.Flatten(), nn.Linear(300, 299)), nn.Linear(300, 2), 0),
        Meeting(nn.Conv2d(3, 8, 1), nn.Conv2d(3, 9, 1), nn.Identity(), 0),  # nothing behind tells what was meant
    ],
)
def test_no_other_dim_is_told_with_which_the_layer_behind_does_not_fit(net: nn.Module) -> None:
    told = summarize(net, (3, 10, 10)).problems
    assert any("cannot join" in problem.message for problem in told)
    assert not any("dim=" in (problem.fix or "") for problem in told)


@pytest.mark.parametrize("width", [16, 5])
def test_a_number_that_fits_no_dim_is_told_with_both(width: int, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        f"""\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, {width}), nn.Linear(8, {width})
        self.fc = nn.Linear(30, 2)

    def forward(self, x):
        return self.fc(torch.cat([self.a(x), self.b(x)], dim=0))
"""
    )
    [problem] = summarize(load_file(file).Net(), (8,)).problems
    assert problem.required == width
    assert not problem.edits  # which of the two was meant no run can tell
    told = re.search(rf"along dim=1 it gives {width} \+ {width} = (\d+)", problem.message.replace("\\n", " "))
    assert told is not None
    text = file.read_text()
    for features, dim, rows in ((problem.required, 0, 8), (told[1], 1, 4)):
        other = tmp_path / f"net_{dim}.py"
        other.write_text(text.replace("Linear(30,", f"Linear({features},").replace("dim=0", f"dim={dim}"))
        model = load_file(other).Net()
        assert model(torch.zeros(4, 8)).shape == (rows, 2)
        assert not summarize(model, (8,)).problems
