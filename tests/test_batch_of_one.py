"""What a batch of one hides, or a batch that stands among the features: held against PyTorch at another batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from convlin import summarize
from convlin.at_error.answer import answer_to
from convlin.records import Evidence
from convlin.source import apply
from tests.source_programs import load_file
from tests.test_told_by_a_run import mended, written

POSITIONS = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.out = nn.Linear(8, 16), nn.Linear(16, 3)
        self.pos = nn.Parameter(torch.zeros({shape}))

    def forward(self, x):
        return self.out(({added}).mean(1))
"""
INSIDE = """
class Added(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("pe", torch.zeros(50, 1, 16))

    def forward(self, x):
        return x + self.pe[:x.size(1)]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.pe, self.out = nn.Linear(8, 16), Added(), nn.Linear(16, 3)

    def forward(self, x):
        return self.out(self.pe(self.fc(x)).mean(1))
"""
STRETCHED = {
    "a parameter with a batch": POSITIONS.format(shape="4, 10, 16", added="self.fc(x) + self.pos"),
    "a parameter with a batch in front of the sum": POSITIONS.format(shape="4, 10, 16", added="self.pos + self.fc(x)"),
    "a factor with a batch in front": POSITIONS.format(shape="4, 10, 16", added="self.pos * self.fc(x)"),
    "an input behind a parameter": POSITIONS.format(shape="4, 10, 8", added="self.fc(self.pos + x)"),
    "positions in front of the batch": INSIDE,
}


@pytest.mark.parametrize("name", STRETCHED)
def test_a_batch_of_one_that_is_stretched_is_shown_with_two(name: str, tmp_path: Path) -> None:
    model = written(tmp_path, STRETCHED[name])
    assert model(torch.zeros(1, 10, 8)).shape[0] > 1
    with pytest.raises(RuntimeError):
        model(torch.zeros(2, 10, 8))
    summary = summarize(model, (10, 8))
    [problem] = summary.problems
    assert problem.kind == "operands"
    assert summary.report.inputs[0].shape[0] == 2
    assert any("batch of 2" in remark for remark in summary.report.remarks)


@pytest.mark.parametrize("added", ["self.fc(x) + self.pos", "self.pos * self.fc(x)"])
@pytest.mark.parametrize("shape", ["1, 10, 16", "10, 16", "1, 1, 16"])
def test_positions_for_every_batch_are_right(shape: str, added: str, tmp_path: Path) -> None:
    model = written(tmp_path, POSITIONS.format(shape=shape, added=added))
    model(torch.zeros(2, 10, 8))
    summary = summarize(model, (10, 8))
    assert not summary.problems
    assert not summary.report.remarks
    assert summary.calls[0].input_shapes[0][0] == 1


def test_what_a_parameter_in_front_makes_larger_is_a_row() -> None:
    class Grown(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pos, self.fc = nn.Parameter(torch.zeros(1, 10, 8)), nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.pos + x)

    model = Grown()
    assert model(torch.zeros(2, 1, 8)).shape == (2, 10, 3)
    summary = summarize(model, (1, 8))
    [added] = [call for call in summary.calls if call.is_function]
    assert added.input_shapes == ((1, 10, 8), (1, 1, 8))
    assert added.output_shape == tuple((model.pos + torch.zeros(1, 1, 8)).shape)
    assert not summary.problems


def test_queries_that_are_stretched_over_the_batch_are_right() -> None:
    class Queries(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.queries, self.fc = nn.Parameter(torch.zeros(5, 8)), nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.queries * x.mean(0, keepdim=True))

    Queries()(torch.zeros(2, 8))
    assert not summarize(Queries(), (8,)).problems


def test_a_number_that_meets_a_number_is_stretched_over_nothing() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.gate, self.scale = nn.Linear(8, 4), nn.Linear(8, 1), nn.Parameter(torch.ones(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x).squeeze() * (self.gate(x).squeeze() * self.scale)

    assert Scaled()(torch.zeros(1, 8)).shape == (4,)
    assert any("squeeze" in remark for remark in summarize(Scaled(), (8,)).report.remarks)


VIDEO = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.lstm = nn.LSTM(32, 16, batch_first=True)
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        b, t, c, h, w = x.shape
        f = self.conv(x.view(b * t, c, h, w))
        out, _ = self.lstm(f)
        return self.fc(out[:, -1])
"""


def test_frames_that_become_the_steps_of_one_sequence_are_taken_apart(tmp_path: Path) -> None:
    model = written(tmp_path, VIDEO)
    with pytest.raises(RuntimeError) as raised:
        model(torch.zeros(2, 10, 3, 8, 8))
    told = answer_to(raised.value)
    assert told is not None
    assert told.summary is not None
    for summary in (told.summary, summarize(model, (10, 3, 8, 8))):
        assert [problem.path for problem in summary.problems] == ["lstm"]
        assert not any(problem.kind == "in_features" for problem in summary.problems)
    fixed = mended(tmp_path, told.summary)
    for batch in (1, 2, 3):
        assert fixed(torch.zeros(batch, 10, 3, 8, 8)).shape == (batch, 5)


def test_images_flattened_with_their_batch_need_no_number(tmp_path: Path) -> None:
    model = written(
        tmp_path,
        """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(144, 5)

    def forward(self, x):
        return self.fc(self.conv(x).flatten())
""",
    )
    with pytest.raises(RuntimeError) as raised:
        model(torch.zeros(4, 3, 8, 8))
    told = answer_to(raised.value)
    assert told is not None
    assert told.summary is not None
    edits = [edit for problem in told.summary.problems for edit in problem.edits]
    for file, data in apply(edits).items():
        Path(file).write_bytes(data)
    fixed = load_file(tmp_path / "net.py").Net()
    for batch in (2, 4):
        assert fixed(torch.zeros(batch, 3, 8, 8)).shape == (batch, 5)


def test_a_table_of_indices_is_no_sample(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Embedding(20, 16), written(tmp_path, INSIDE.replace("self.pe(self.fc(x))", "self.pe(x)")))
    with pytest.raises(RuntimeError) as raised:
        model(torch.zeros(4, 9, dtype=torch.long))
    told = answer_to(raised.value)
    assert told is not None
    assert "one sample" not in told.text
    assert "cannot combine 4×9×16" in told.text


STATES = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.{kind}(10, 20, 2)
        self.fc = nn.Linear(20, 1)

    def forward(self, x):
        h0 = torch.zeros(2, x.size(0), 20)
        out, _ = self.rnn(x, {state})
        return self.fc(out[:, -1, :])
"""


@pytest.mark.parametrize(("kind", "state"), [("LSTM", "(h0, h0)"), ("GRU", "h0"), ("RNN", "h0")])
def test_a_state_with_the_batch_of_the_first_axis_needs_batch_first(kind: str, state: str, tmp_path: Path) -> None:
    model = written(tmp_path, STATES.format(kind=kind, state=state))
    with pytest.raises(RuntimeError) as raised:
        model(torch.zeros(32, 7, 10))
    told = answer_to(raised.value)
    assert told is not None
    assert told.summary is not None
    for summary in (told.summary, summarize(model, (7, 10))):
        [problem] = summary.problems
        assert problem.changes == {"batch_first": "True"}
        assert problem.evidence is Evidence.RUN
    fixed = mended(tmp_path, told.summary)
    for batch in (1, 4):
        assert fixed(torch.zeros(batch, 7, 10)).shape == (batch, 1)


GRAY = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(8 * 14 * 14, 10)

    def forward(self, x):
        x = x.squeeze()
        return self.fc(F.max_pool2d(self.conv(x), 2).flatten(1))
"""


def test_a_squeeze_of_the_one_channel_is_to_be_left_out(tmp_path: Path) -> None:
    model = written(tmp_path, GRAY)
    for batch in (1, 4):
        with pytest.raises(RuntimeError):
            model(torch.zeros(batch, 1, 28, 28))
    [problem] = summarize(model, (1, 28, 28)).problems
    assert "leave it out" in problem.message
    right = written(tmp_path, GRAY.replace("        x = x.squeeze()\n", ""))
    for batch in (1, 4):
        assert right(torch.zeros(batch, 1, 28, 28)).shape == (batch, 10)


BY_ONE_ALONE = {
    "repeated": "self.fc(x) + self.words(words.repeat(5, 1))",
    "expanded": "self.fc(x) + self.words(words.expand(5, -1))",
}


@pytest.mark.parametrize("name", BY_ONE_ALONE)
def test_several_rows_made_of_one_sample_may_be_meant(name: str, tmp_path: Path) -> None:
    """The beams of a search are: with two samples each has its own, and the sum of both cannot be."""
    model = written(
        tmp_path,
        f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.words, self.out = nn.Linear(8, 16), nn.Linear(2, 16), nn.Linear(16, 3)

    def forward(self, x, words):
        return self.out({BY_ONE_ALONE[name]})
""",
    )
    assert model(torch.zeros(1, 8), torch.zeros(1, 2)).shape == (5, 3)
    with pytest.raises(RuntimeError):
        model(torch.zeros(2, 8), torch.zeros(2, 2))
    assert summarize(model, [(8,), (2,)]).ok


def test_positions_of_two_rows_are_shown_with_three(tmp_path: Path) -> None:
    model = written(tmp_path, POSITIONS.format(shape="2, 10, 16", added="self.fc(x) + self.pos"))
    assert model(torch.zeros(2, 10, 8)).shape == (2, 3), "which is chance"
    with pytest.raises(RuntimeError):
        model(torch.zeros(3, 10, 8))
    [problem] = summarize(model, (10, 8)).problems
    assert problem.kind == "operands"
    assert problem.declared[0] == 3
