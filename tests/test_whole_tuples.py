"""What a recurrent layer or an attention returns, taken whole for its output: each fix is written and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from convlin import summarize, watch
from convlin.at_error.answer import answer
from convlin.records import Evidence
from tests.source_programs import load_file
from tests.test_told_by_a_run import mended, written

LAYERS = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.gru = nn.GRU(16, 16, batch_first=True)
        self.cell = nn.LSTMCell(8, 16)
        self.att = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.flat = nn.Flatten()
        self.fc = nn.Linear(16, 2)

    def forward(self, x):
        {}
"""

#: What stands in ``forward``, and the layers that are told.
TAKEN = {
    "a function of torch": ("return self.fc(torch.tanh(self.lstm(x)))", ["lstm"]),
    "a function of torch.nn.functional": ("return self.fc(F.relu(self.lstm(x)))", ["lstm"]),
    "by keyword": ("return self.fc(torch.mean(input=self.lstm(x), dim=1))", ["lstm"]),
    "a variable": ("y = self.lstm(x)\n        return self.fc(F.softmax(y, dim=-1))", ["lstm"]),
    "a method": ("y = self.lstm(x)\n        return self.fc(y.mean(1))", ["lstm"]),
    "an attribute": ("y = self.lstm(x)\n        return self.fc(x.new_zeros(y.shape))", ["lstm"]),
    "an index": ("y = self.lstm(x)\n        y = y[:, -1, :]\n        return self.fc(y)", ["lstm"]),
    "an operator": ("return self.fc(2 + self.gru(x.repeat(1, 1, 2)))", ["gru"]),
    "a residual": ("x = x + self.att(x, x, x)\n        return self.fc(x.repeat(1, 1, 2))", ["att"]),
    "one behind the other": (
        "y = self.lstm(x)\n        y = y.relu()\n        y = self.gru(y)\n        return self.fc(y[:, -1])",
        ["lstm", "gru"],
    ),
    "a cat": ("return self.fc(torch.cat([self.lstm(x), x], -1)[..., :16])", ["lstm"]),
    "a norm": ("return self.fc(self.norm(self.lstm(x)))", ["lstm"]),
    "a cell": ("h = self.cell(x[:, 0])\n        return self.fc(torch.tanh(h))", ["cell"]),
    "a cell without a state": ("return self.fc(F.relu(self.cell(x[:, 0])))", ["cell"]),
    "a flatten": ("y = self.flat(self.lstm(x))\n        return self.fc(y[:, :16])", ["lstm"]),
}


@pytest.mark.parametrize("name", TAKEN)
def test_the_output_is_taken_where_one_tensor_is_meant(name: str, tmp_path: Path) -> None:
    code, wrong = TAKEN[name]
    model = written(tmp_path, LAYERS.format(code))
    with pytest.raises((TypeError, AttributeError)):
        model(torch.zeros(2, 5, 8))
    summary = summarize(model, (5, 8))
    assert [problem.kind for problem in summary.problems] == ["structure"] * len(wrong)
    assert all(problem.evidence is Evidence.RUN for problem in summary.problems), summary
    assert summary.report.completed
    fixed = mended(tmp_path, summary)
    assert fixed(torch.zeros(2, 5, 8)).shape[0] == 2
    assert [call.path for call in summarize(fixed, (5, 8)).calls if call.path in wrong] == wrong


#: A tuple that is one, or another tuple, or another mistake.
OTHERS = {
    "indexed elsewhere": "y = self.lstm(x)\n        h = y[1][0]\n        return self.fc(torch.relu(y))",
    "unpacked elsewhere": "y = self.lstm(x)\n        out, h = y\n        return self.fc(torch.relu(y))",
    "the states": "out, state = self.lstm(x)\n        return self.fc(torch.relu(state))",
    "a state of two names": "out, (h, c) = self.lstm(x)\n        s = (h, c)\n        return self.fc(torch.relu(s))",
    "the state of a cell": (
        "h = None\n        for step in range(3):\n            h = self.cell(x[:, step], h)\n"
        "        return self.fc(torch.tanh(h))"
    ),
    "two names of a cell": "h, c = self.cell(x[:, 0])\n        s = (h, c)\n        return self.fc(torch.tanh(s))",
    "no such method": "return self.fc(self.lstm(x)[0].nope())",
    "no such attribute": "return self.fc(self.nope(x))",
}


@pytest.mark.parametrize("name", OTHERS)
def test_no_output_is_taken_of_what_is_meant_otherwise(name: str, tmp_path: Path) -> None:
    model = written(tmp_path, LAYERS.format(OTHERS[name]))
    with pytest.raises((TypeError, AttributeError)) as raised:
        model(torch.zeros(2, 5, 8))
    with pytest.raises(raised.type) as told:
        summarize(model, (5, 8))
    assert str(told.value) == str(raised.value)


@pytest.mark.parametrize("name", ["a method", "an index", "a function of torch", "a norm"])
def test_the_answer_at_the_error_is_the_same(name: str, tmp_path: Path) -> None:
    model = written(tmp_path, LAYERS.format(TAKEN[name][0]))
    with pytest.raises((TypeError, AttributeError)) as raised:
        model(torch.zeros(2, 5, 8))
    assert "LSTM returns (output, (h_n, c_n)): take [0]" in str(answer(raised.value))
    with pytest.raises((TypeError, AttributeError)), watch(model) as seen:
        model(torch.zeros(2, 5, 8))
    [problem] = seen.problems
    assert problem.path == ("norm" if name == "a norm" else "lstm")
    assert "self.lstm(x)[0]" in str(problem.fix)


@pytest.mark.parametrize("kind", [nn.LayerNorm, nn.BatchNorm1d])
def test_the_number_behind_a_tuple_is_told_as_well(kind: type[nn.Module]) -> None:
    model = nn.Sequential(nn.LSTM(8, 16, batch_first=True), kind(7))
    declared = {problem.kind: problem.required for problem in summarize(model, (5, 8)).problems}
    real, _ = nn.LSTM(8, 16, batch_first=True)(torch.zeros(2, 5, 8))
    [(_, required)] = [item for item in declared.items() if item[0] != "structure"]
    kind(*(required if isinstance(required, tuple) else (required,))).eval()(real)
    assert "structure" in declared


def test_the_page_of_another_file_is_not_needed(tmp_path: Path) -> None:
    """Without a file there is nothing to read: the exception leaves as it is."""
    path = tmp_path / "net.py"
    written(tmp_path, LAYERS.format(TAKEN["an index"][0]))
    model = load_file(path).Net()
    path.unlink()
    with pytest.raises(TypeError):
        summarize(model, (5, 8))


def test_a_tuple_that_a_product_repeats_is_not_taken_apart_behind_it() -> None:
    """``(state * 2)[0]`` runs, and is the output that nobody multiplied."""

    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.fc = nn.GRU(8, 16, batch_first=True), nn.Linear(16, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            state: Any = self.gru(x)
            return self.fc(state * 2)

    model = Doubled()
    state = model.gru(torch.ones(1, 5, 8))
    assert torch.equal((state * 2)[0], state[0])
    [problem] = summarize(model, (5, 8)).problems
    assert "GRU returns (output, h_n): take [0] of that" in problem.message
    assert "[0]" not in (problem.fix or "")
    assert not problem.edits
