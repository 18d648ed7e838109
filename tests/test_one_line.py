"""Several fixes of one line of ``forward``: each shows the line with all of them, which PyTorch then runs."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import torch
from torch import Tensor

from convlin import summarize
from tests.source_programs import load_file

HEAD = "import torch\nfrom torch import nn\n"
BYTES, IMAGES = torch.zeros(2, 16, 20, 3, dtype=torch.uint8), torch.zeros(2, 3, 16, 20, dtype=torch.uint8)

#: For each model what its line becomes, and what it is given.
MODELS: dict[str, tuple[str, str, list[Tensor]]] = {
    "dtype and order of one argument": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv1 = nn.Conv2d(3, 8, 3)

            def forward(self, x):
                return self.conv1(x)
        """,
        "return self.conv1(x.float().permute(0, 3, 1, 2))",
        [BYTES],
    ),
    "an expression": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv1 = nn.Conv2d(3, 8, 3)

            def forward(self, x):
                return self.conv1(x + 1)
        """,
        "return self.conv1((x + 1).float().permute(0, 3, 1, 2))",
        [BYTES],
    ),
    "with the axes set back": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.norm = nn.BatchNorm2d(3)

            def forward(self, x):
                return self.norm(x)
        """,
        "return self.norm(x.float().permute(0, 3, 1, 2)).permute(0, 2, 3, 1)",
        [BYTES],
    ),
    "dtype and rank": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(960, 2)

            def forward(self, x):
                return self.fc(x)
        """,
        "return self.fc(x.float().flatten(1))",
        [IMAGES],
    ),
    "two layers": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3)

            def forward(self, x, y):
                return self.a(x) + self.b(y)
        """,
        "return self.a(x.float()) + self.b(y.float().permute(0, 3, 1, 2))",
        [IMAGES, BYTES],
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_problem_shows_the_line_with_everything_that_is_to_be_changed(name: str, tmp_path: Path) -> None:
    text, wanted, given = MODELS[name]
    path = tmp_path / "net.py"
    path.write_text(HEAD + textwrap.dedent(text), encoding="utf-8")
    net = load_file(path).Net().eval()
    with pytest.raises(RuntimeError):
        net(*given)
    problems = summarize(net, given).problems
    assert len(problems) > 1
    assert {problem.fix for problem in problems} == {wanted}
    lines = path.read_text().splitlines()
    (number,) = {problem.where.line for problem in problems if problem.where is not None}
    lines[number - 1] = textwrap.indent(wanted, " " * 8)
    path.write_text("\n".join(lines), encoding="utf-8")
    corrected = load_file(path).Net().eval()
    assert isinstance(corrected(*given), Tensor)
    assert not summarize(corrected, given).problems
