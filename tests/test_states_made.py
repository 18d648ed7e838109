"""A first state that ``forward`` makes in another shape: the line is changed as told, and PyTorch runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from convlin import summarize
from convlin.source import apply
from tests.source_programs import load_file

PROGRAM = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LAYER
        self.width = 3

    def forward(self, x):
        MADE
        return self.rnn(x, GIVEN)[0]
"""

WRONG = [
    ("GRU(4, 6, batch_first=True)", "h = torch.zeros(1, x.size(0), 5)", "h"),
    ("GRU(4, 6, 2, batch_first=True)", "h = torch.zeros((1, len(x), 6), dtype=x.dtype)", "hx=h"),
    ("RNN(4, 6, batch_first=True)", "h = x.new_zeros(1, 32, 6)", "h"),
    ("RNN(4, 6)", "h = torch.randn(1, 32, self.width).to(x.device)", "h"),
    ("GRU(4, 6, batch_first=True)", "pass", "torch.zeros(1, x.size(0), self.width)"),
    ("LSTM(4, 6, bidirectional=True)", "h, c = torch.zeros(2, x.size(1), 5), torch.zeros(2, x.size(1), 5)", "(h, c)"),
    ("LSTM(4, 6, proj_size=2)", "h, c = torch.zeros(1, x.size(1), 6), torch.zeros(1, x.size(1), 6)", "(h, c)"),
    ("LSTM(4, 6, 3)", "h = torch.zeros(1, x.size(1), 6)\n        c = torch.zeros(1, x.size(1), 6)", "(h, c)"),
    ("LSTM(4, 6)", "h = torch.zeros(1, x.size(1), self.width)", "(h, h)"),
]


def written(tmp_path: Path, layer: str, made: str, given: str) -> Path:
    path = tmp_path / "net.py"
    path.write_text(PROGRAM.replace("LAYER", layer).replace("MADE", made).replace("GIVEN", given))
    return path


@pytest.mark.parametrize(("layer", "made", "given"), WRONG)
def test_the_line_that_makes_it(layer: str, made: str, given: str, tmp_path: Path) -> None:
    path, x = written(tmp_path, layer, made, given), torch.rand(5, 7, 4)
    with pytest.raises(RuntimeError):
        load_file(path).Net()(x)
    (problem,) = summarize(load_file(path).Net(), x).problems
    assert problem.where is not None
    assert problem.fix is not None
    lines, fixed = path.read_text().splitlines(), problem.fix.splitlines()
    first = problem.where.line - 1
    lines[first : first + len(fixed)] = [f"        {line}" for line in fixed]
    path.write_text("\n".join(lines))
    for batch in ((5, 7), (7, 5)):  # of another batch as well
        load_file(path).Net()(torch.rand(*batch, 4))
    assert summarize(load_file(path).Net(), x).ok
    assert problem.edits


CELLS = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.last = nn.LAYER, nn.Linear(6, 2)

    def start(self, rows):
        h = torch.zeros(rows, 5)
        return START

    def forward(self, x):
        MADE
        for step in range(x.size(1)):
            CALLED
        return self.last(h)
"""

PAIR = "h, c = self.cell(x[:, step], (h, c))"

IN_LOOPS = [
    ("GRUCell(4, 6)", "h = torch.zeros(x.size(0), 5)", "h = self.cell(x[:, step], h)", "h"),
    ("RNNCell(4, 6)", "h = x.new_zeros(32, 6)", "h = self.cell(x[:, step], h)", "h"),
    ("GRUCell(4, 6)", "h = torch.zeros(1, 3)", "h = self.cell(x[:, step, :], hx=h)", "h"),
    ("GRUCell(4, 6)", "h = self.start(len(x))", "h = self.cell(x[:, step], h)", "h"),
    ("LSTMCell(4, 6)", "h, c = torch.zeros(len(x), 6), torch.zeros(len(x), 5)", PAIR, "h"),
    ("LSTMCell(4, 6)", "h, c = self.start(len(x))", PAIR, "h, h.clone()"),
    ("LSTMCell(4, 6)", "h, c = self.start(len(x))", PAIR, "(torch.zeros(rows, 5), h)"),
    ("LSTMCell(4, 6)", "both = self.start(len(x))", "h, _ = both = self.cell(x[:, 0], both)", "h, torch.ones(rows, 5)"),
    ("GRUCell(4, 6)", "z = torch.zeros(len(x), 5); h = z.clone()", "h = self.cell(x[:, step], h)", "h"),
    ("LSTMCell(4, 6)", "h = torch.zeros(9, 6)", "h, _ = self.cell(x[:, step], (h, h))", "h"),
    (
        "LSTM(4, 6, batch_first=True)",
        "h = torch.zeros(1, len(x), 5)\n        c = torch.zeros(1, len(x), 5)\n        pair = (h, c)",
        "h = self.cell(x, pair)[0][:, -1]",
        "h",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "made", "called", "start"), IN_LOOPS)
def test_the_line_that_makes_the_state_of_a_cell(
    layer: str, made: str, called: str, start: str, tmp_path: Path
) -> None:
    """In front of the loop, in a method or in a pair: the lines are changed as told, and PyTorch runs them."""
    path, x = tmp_path / "net.py", torch.rand(5, 7, 4)
    text = CELLS.replace("LAYER", layer).replace("MADE", made).replace("CALLED", called).replace("START", start)
    path.write_text(text)
    with pytest.raises(RuntimeError):
        load_file(path).Net()(x)
    (problem,) = summarize(load_file(path).Net(), x).problems
    assert problem.edits
    for file, changed in apply(problem.edits).items():
        Path(file).write_text(str(changed, "utf-8"))
    for batch in (5, 8):
        assert load_file(path).Net()(torch.rand(batch, 7, 4)).shape == (batch, 2)


@pytest.mark.parametrize(
    ("made", "called"),
    [
        ("h = self.start(1)\n        h = self.start(2)", "h = self.cell(x[:, step], h)"),  # which of the two?
        ("rows = self\n        h = rows.start(5)", "h = self.cell(x[:, step], h)"),
        ("h = self.start(3)", "h = self.cell(x[:, step], h)"),  # in start nothing is known of the batch
    ],
)
def test_no_line_where_a_state_of_a_cell_is_not_known(made: str, called: str, tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    text = CELLS.replace("LAYER", "GRUCell(4, 6)").replace("MADE", made).replace("CALLED", called)
    path.write_text(text.replace("START", "h"))
    (problem,) = summarize(load_file(path).Net(), torch.rand(5, 7, 4)).problems
    assert "takes h of 5×6" in problem.message
    assert problem.edits == ()


def test_a_state_without_a_batch_where_the_step_has_none() -> None:
    """The shapes that PyTorch takes, rank by rank."""
    cell = nn.GRUCell(4, 6)
    assert cell(torch.rand(4), torch.rand(6)).shape == (6,)
    assert summarize(cell, [torch.rand(4), torch.rand(6)]).ok
    (problem,) = summarize(cell, [torch.rand(4), torch.rand(3, 6)]).problems
    assert "takes h of 6, got 3×6" in problem.message
    with pytest.raises(RuntimeError):
        cell(torch.rand(4), torch.rand(3, 6))


@pytest.mark.parametrize(
    ("made", "given"),
    [
        ("h = torch.zeros(1, 5, 6)\n        h = torch.zeros(1, 5, 5)", "h"),  # which of the two?
        ("h = torch.zeros(1, 5, 10)[:, :, ::2]", "h"),
        ("h = torch.zeros(1, 5)", "h"),  # of another rank
    ],
)
def test_no_line_where_it_is_not_known(made: str, given: str, tmp_path: Path) -> None:
    path = written(tmp_path, "GRU(4, 6, batch_first=True)", made, given)
    problem, *_ = summarize(load_file(path).Net(), torch.rand(5, 7, 4)).problems
    assert problem.kind == "structure"
    assert problem.edits == ()
    assert problem.fix is None


def test_no_edit_where_the_layer_may_have_been_meant(tmp_path: Path) -> None:
    path = written(tmp_path, "GRU(4, 6, batch_first=True)", "h = torch.zeros(1, 5, 5)", "h")
    path.write_text(f"{path.read_text()}\n\nboth = nn.Sequential(Net(), nn.Linear(5, 2))\n")
    state, linear = summarize(load_file(path).both, torch.rand(5, 7, 4)).problems
    assert (state.kind, state.edits, linear.kind) == ("structure", (), "in_features")
