"""A layer's two numbers in each other's place: both are told where what is behind it fits then.

The oracle is PyTorch: the net with the line that is told is the net that was meant, number for number.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from convlin import summarize
from convlin.source import apply
from tests.source_programs import load_file

HEAD = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
"""
NETS = {
    "classifier": """\
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc1 = nn.Linear(1024, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.conv2(torch.relu(self.conv1(x)))), 2)
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))
""",
    "generator": """\
        self.fc = nn.Linear(12, 256)
        self.up1 = nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.up2 = nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1)

    def forward(self, z):
        x = self.fc(z).view(-1, 16, 4, 4)
        return self.up2(torch.relu(self.norm(self.up1(x))))
""",
    "residual": """\
        self.inp = nn.Linear(20, 32)
        self.block = nn.Sequential(nn.Linear(32, 32), nn.ReLU())
        self.out = nn.Linear(32, 4)

    def forward(self, x):
        x = self.inp(x)
        for _ in range(3):
            x = x + self.block(x)
        return self.out(x)
""",
    "sequence": """\
        self.rnn = nn.LSTM(6, 24, batch_first=True)
        self.out = nn.Linear(24, 4)

    def forward(self, x):
        return self.out(self.rnn(x)[0])
""",
    "steps": """\
        self.cell = nn.GRUCell(6, 24)
        self.out = nn.Linear(24, 4)

    def forward(self, x):
        return self.out(self.cell(x))
""",
    "words": """\
        self.emb = nn.Embedding(90, 16)
        self.a, self.b = nn.Conv1d(16, 8, 3), nn.Conv1d(16, 8, 5)

    def forward(self, ids):
        x = self.emb(ids).transpose(1, 2)
        return torch.cat([self.a(x), self.b(x)], 2)
""",
}
#: For each net the shape of a sample, the line that was meant and the one that was written.
WRITTEN = [
    ("classifier", (3, 16, 16), "nn.Conv2d(3, 8, ", "nn.Conv2d(8, 3, "),
    ("classifier", (3, 16, 16), "nn.Conv2d(8, 16, ", "nn.Conv2d(16, 8, "),
    ("classifier", (3, 16, 16), "nn.Linear(1024, 32)", "nn.Linear(32, 1024)"),
    ("generator", (12,), "nn.Linear(12, 256)", "nn.Linear(256, 12)"),
    ("generator", (12,), "nn.ConvTranspose2d(16, 8, ", "nn.ConvTranspose2d(8, 16, "),
    ("residual", (20,), "nn.Linear(20, 32)", "nn.Linear(32, 20)"),
    ("sequence", (7, 6), "nn.LSTM(6, 24, ", "nn.LSTM(24, 6, "),
    ("steps", (6,), "nn.GRUCell(6, 24)", "nn.GRUCell(24, 6)"),
    ("words", (9,), "nn.Embedding(90, 16)", "nn.Embedding(16, 90)"),
]


def given_to(shape: tuple[int, ...], name: str) -> torch.Tensor:
    return torch.randint(90, (2, *shape)) if name == "words" else torch.rand(2, *shape)


@pytest.mark.parametrize(("name", "shape", "meant", "written"), WRITTEN)
def test_both_numbers_are_told(name: str, shape: tuple[int, ...], meant: str, written: str, tmp_path: Path) -> None:
    path, given = tmp_path / "net.py", given_to(shape, name)
    right = HEAD + NETS[name]
    path.write_text(right)
    made = load_file(path).Net()(given).shape
    path.write_text(right.replace(meant, written))
    net = load_file(path).Net()
    with pytest.raises((RuntimeError, IndexError)):
        net(given)
    (problem,) = summarize(net, shape).problems
    assert "its two numbers look swapped" in problem.message
    for file, text in apply(problem.edits).items():
        Path(file).write_bytes(text)
    written_now = path.read_text()
    # What multiplies up is written as a product.
    assert written_now.replace("16 * 8 * 8", "1024") == right
    assert load_file(path).Net()(given).shape == made


@pytest.mark.parametrize(("takes", "gives"), [(10, 32), (4, 32), (64, 32)])
def test_where_nothing_is_behind_both_ways_are_told(takes: int, gives: int) -> None:
    """``Linear(10, 32)`` in front of nothing, that receives 32: either number may be the one that was meant."""
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(takes, gives))
    (problem,) = summarize(net, (8,)).problems
    assert (problem.kind, problem.required, problem.edits) == ("in_features", 32, ())
    assert f"in_features=32 and out_features={takes}" in problem.message
    for layer in (nn.Linear(32, 32), nn.Linear(32, takes)):
        assert nn.Sequential(nn.Linear(8, 32), nn.ReLU(), layer)(torch.rand(2, 8)).shape == (2, layer.out_features)


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Linear(8, 32), nn.Linear(16, 32), nn.Linear(32, 4)),  # what is behind takes 32
        nn.Sequential(nn.Linear(8, 32), nn.Linear(16, 33), nn.Linear(33, 4)),
        nn.Sequential(nn.Linear(8, 32), nn.Linear(16, 32), nn.Linear(99, 4)),  # and nothing fits behind either
    ],
)
def test_one_number_alone_where_the_other_is_right(net: nn.Sequential) -> None:
    problems = summarize(net, (8,)).problems
    assert all("swapped" not in problem.message for problem in problems)
    assert problems[0].changes == {"in_features": "32"}


def test_one_of_many_layers_that_are_alike_is_not_told_as_swapped() -> None:
    """With the numbers of the first exchanged the second fits, and ten others still do not."""
    made = nn.Sequential(*(nn.Linear(7, 4) for _ in range(12)))
    with pytest.raises(RuntimeError):
        nn.Sequential(nn.Linear(4, 7), *[*made.children()][1:])(torch.zeros(1, 4))
    problems = summarize(made, (4,)).problems
    assert [(each.declared, each.required) for each in problems] == [(7, 4)] * 12
    assert not any("swapped" in each.message for each in problems)
