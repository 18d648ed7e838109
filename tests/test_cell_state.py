"""``h[-1]`` of the pair that an LSTM returns: the line is written as told, and PyTorch makes a row for each sample."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from convlin import summarize
from convlin.at_error.answer import answer
from tests.source_programs import load_file
from tests.test_told_by_a_run import written

NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.fc = nn.LSTM(8, 6, {}, batch_first=True), nn.Linear(6, 5)

    def forward(self, x):
        out, h = self.rnn(x)
        return self.fc({})
"""


@pytest.mark.parametrize("layers", ["1", "2", "2, bidirectional=True"])
def test_the_last_of_the_pair_is_the_cell_state(layers: str, tmp_path: Path) -> None:
    text = NET.format(layers, "h[-1]")
    model, x, labels = written(tmp_path, text), torch.rand(3, 7, 8), torch.zeros(3, dtype=torch.long)
    for summary in (summarize(model, (7, 8), batch_size=3), summarize(model, x)):
        (told,) = (each for each in summary.report.remarks if "c_n" in each)
        (instead,) = re.findall(r"; (h\S+) is the last of h_n, 3×6$", told)
        with pytest.raises(ValueError, match="batch_size") as raised:
            F.cross_entropy(model(x), labels)
        said = " ".join(str(answer(raised.value)).split())
        assert told in said
        assert "flatten(0, 1)" not in said
        path = tmp_path / "right.py"
        path.write_text((tmp_path / "net.py").read_text().replace("h[-1]", instead))
        right = load_file(path).Net()
        F.cross_entropy(right(x), labels)
        output, (h_n, _) = right.rnn(x)
        assert torch.equal(right(x), right.fc(h_n[-1]))
        assert output.shape[0] == 3


@pytest.mark.parametrize(
    "used", ["h[0][-1]", "h[1][-1]", "h[-1][-1]", "h[1]", "out[:, -1]", "h[-1].mean(0)", "[each[-1] for each in h][0]"]
)
def test_nothing_is_told_of_what_is_meant(used: str, tmp_path: Path) -> None:
    model = written(tmp_path, NET.format("2", used))
    model(torch.rand(4, 7, 8))
    assert not any("c_n" in each for each in summarize(model, (7, 8)).report.remarks)


def test_of_a_gru_it_is_the_last_layer(tmp_path: Path) -> None:
    model = written(tmp_path, NET.format("2", "h[-1]").replace("LSTM", "GRU"))
    assert model(torch.rand(4, 7, 8)).shape == (4, 5)
    assert not summarize(model, (7, 8)).report.remarks
