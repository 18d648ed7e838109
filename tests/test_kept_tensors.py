"""A tensor that a module keeps and that does not go with what it meets: the line is changed as told, PyTorch asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from convlin import summarize
from convlin.at_error.answer import answer
from tests.source_programs import load_file

HEAD = """\
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.first = nn.Linear(7, width)
        MADE

    def forward(self, x):
        x = self.first(x)
        return USED
"""

WRONG = [
    ("self.pos = nn.Parameter(torch.zeros(1, 6, width))", "torch.cat([x[:, :1], x], 1) + self.pos"),
    ("self.pos = nn.Parameter(0.02 * torch.randn((1, 6, width)))", "self.pos + torch.cat([x[:, :1], x], 1)"),
    ("self.register_buffer('pos', torch.ones(6, width), persistent=False)", "torch.cat([x[:, :1], x], 1) * self.pos"),
    ("self.scale: nn.Parameter = nn.Parameter(torch.ones(10))", "x * self.scale"),
    ("self.w = nn.Parameter(torch.randn(10, 3) / 4)", "x @ self.w"),
    ("self.w = nn.Parameter(torch.randn(3, 10))", "F.linear(x, self.w)"),
    ("self.w = nn.Parameter(torch.empty(4, 10, 3))", "torch.einsum('ntd,hde->nhte', x, self.w)"),
    ("self.gate = nn.Parameter(torch.ones(10))", "x * torch.sigmoid(self.gate)"),
    ("self.gate = nn.Parameter(torch.ones(10))", "self.gate.view(1, 1, -1) + x"),
    ("self.gate = nn.Parameter(torch.ones(6, 10))", "x + self.gate[None]"),
    ("self.cls = nn.Parameter(torch.zeros(1, 1, 10))", "torch.cat([self.cls.expand(x.size(0), -1, -1), x], 1)"),
    ("self.cls = nn.Parameter(torch.zeros(1, 10))", "torch.cat([x, self.cls.repeat(x.size(0), 1, 1)], dim=1)"),
]


def program(made: str, used: str) -> str:
    return HEAD.replace("MADE", made).replace("USED", used)


@pytest.mark.parametrize(("made", "used"), WRONG)
def test_the_line_that_makes_it(made: str, used: str, tmp_path: Path) -> None:
    path, x = tmp_path / "net.py", torch.rand(2, 6, 7)
    text = program(made, used)
    path.write_text(text)
    net = load_file(path).Net()
    with pytest.raises(RuntimeError) as raised:
        net(x)
    assert str(answer(raised.value))
    (problem,) = summarize(net, x).problems
    assert problem.where is not None
    assert problem.fix is not None
    verb = "join" if "cat([self" in used or "cat([x, self" in used else "combine"
    assert f"{path}:14 cannot {verb}" in re.sub(r"\s+", " ", problem.message)
    lines = text.splitlines()
    assert lines[problem.where.line - 1].strip() == made
    lines[problem.where.line - 1] = f"        {problem.fix}"
    path.write_text("\n".join(lines))
    right = load_file(path).Net()
    right(x)
    assert summarize(right, x).ok


@pytest.mark.parametrize(
    "made",
    [
        "self.w = nn.Parameter(torch.randn(3, 10).T)",
        "self.w = nn.Parameter(torch.randn(*(10, 3)))",
        "self.w = nn.Parameter(sum([torch.randn(10, 3), torch.randn(10, 3)]))",
    ],
)
def test_the_line_alone_where_its_numbers_are_not_known(made: str, tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(program(made, "x @ self.w"))
    (problem,) = summarize(load_file(path).Net(), (6, 7)).problems
    assert problem.fix is None
    assert "with self.w of 12×3 they go together; it is made at" in re.sub(r"\s+", " ", problem.message)


def test_one_class_made_twice_has_no_number(tmp_path: Path) -> None:
    text = program("self.scale = nn.Parameter(torch.ones(10))", "x * self.scale")
    path = tmp_path / "net.py"
    path.write_text(f"{text}\n\nboth = nn.Sequential(Net(), nn.Linear(12, 7), Net(10))\n")
    problem, *_ = summarize(load_file(path).both, (6, 7)).problems
    assert problem.kind == "operands"
    assert problem.fix is None


def test_another_tensor_in_its_place_has_to_settle_it() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.w = nn.Linear(7, 12), nn.Parameter(torch.randn(10, 3))

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = (self.first(x) @ self.w).sum() + (x.new_ones(3, 10) @ self.w)
            return made

    assert all(each.fix is None for each in summarize(Twice(), (6, 7)).problems), "the second product asks for 10"


def test_the_batch_is_no_size_of_such_a_tensor(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(program("self.pos = nn.Parameter(torch.zeros(1, 6, 3))", "torch.cat([x, self.pos], 2)"))
    load_file(path).Net()(torch.rand(1, 6, 7))
    (problem,) = summarize(load_file(path).Net(), torch.rand(4, 6, 7)).problems
    assert problem.kind == "operands"
    assert problem.fix is None
    assert "go together" not in problem.message


def test_of_two_tensors_that_make_one_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    made = "self.a, self.b = nn.Parameter(torch.ones(10)), nn.Parameter(torch.ones(10))"
    path.write_text(program(made, "x * (self.a + self.b)"))
    (problem,) = summarize(load_file(path).Net(), (6, 7)).problems
    assert problem.fix is None


def test_positions_for_a_batch_of_one_tell_that_the_batch_is_there(tmp_path: Path) -> None:
    path, x = tmp_path / "net.py", torch.rand(2, 6, 7)
    path.write_text(program(*WRONG[0]))
    net = load_file(path).Net()
    net(x.unsqueeze(0))  # runs, with the positions of the words on the samples
    (problem,) = summarize(net, x).problems
    assert problem.kind == "operands"


def test_a_buffer_without_a_batch_goes_with_one_sample_as_well(tmp_path: Path) -> None:
    """Both ways out run: that of the buffer is told first, and no edit is certain."""
    path, x = tmp_path / "net.py", torch.rand(2, 6, 7)
    path.write_text(program(*WRONG[2]))
    net = load_file(path).Net()
    net(x.unsqueeze(0))
    (problem,) = summarize(net, x).problems
    assert "if 2×6×7 is one sample: model(x.unsqueeze(0)) runs as it is" in problem.message
    assert problem.edits == ()


def test_the_tensor_is_the_same_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(program(*WRONG[0]))
    net = load_file(path).Net()
    before = net.pos
    summarize(net, (6, 7))
    assert net.pos is before
    assert before.shape == (1, 6, 12)


def test_beside_a_parameter_without_a_size_the_sizes_are_told() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.later = UninitializedParameter()
            self.gate = nn.Parameter(torch.zeros(5))
            self.layer = nn.Linear(4, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) * torch.sigmoid(self.gate)

    with pytest.raises(RuntimeError, match="must match the size"):
        Gated()(torch.zeros(2, 4))
    (problem,) = summarize(Gated(), (4,)).problems
    assert "cannot combine 1×6 (layer) and 5" in problem.message
