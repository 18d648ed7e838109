"""A mistake in ``forward`` is told to be known by a run where the edited method was run, and nothing stays behind."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import torch

from convlin import summarize
from convlin.layers import remade
from convlin.records import Evidence
from convlin.source import apply
from tests.snapshot import difference, snapshot
from tests.source_programs import load_file

HEAD = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n"

#: Models whose mistakes are, in part at least, lines of a method.
PROVED = {
    "forward": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 14 * 14, 2)

            def forward(self, x):
                x = F.relu(self.conv(x))
                return self.fc(x)
    """,
    "a layer's number as well": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.fc = nn.Conv2d(5, 4, 3), nn.Linear(4 * 14 * 14, 2)

            def forward(self, x):
                x = F.relu(self.conv(x))
                return self.fc(x)
    """,
    "another method, which takes options": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 14 * 14, 2)

            def head(self, x, *, scale=1.0, shift=0.0):
                return self.fc(x * scale + shift)

            def forward(self, x):
                return self.head(F.relu(self.conv(x)), scale=2.0)
    """,
    "a method that asks its parent, in two modules": """
        class Base(nn.Module):
            def forward(self, x):
                return F.relu(x)

        class Head(Base):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4 * 14 * 14, 2)

            def forward(self, x):
                return self.fc(super().forward(x))

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 4, 3)
                self.one, self.two = Head(), Head()

            def forward(self, x):
                x = self.conv(x)
                return self.one(x) + self.two(x)
    """,
    "a class made inside a function": """
        def made(count):
            class Inner(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 14 * 14, count)

                def forward(self, x):
                    x = sum([self.conv(x) for _ in range(count)])
                    return self.fc(x)

            return Inner()

        def Net():
            return made(3)
    """,
}

#: Models whose mistake is told with an edit, and with which the edited method cannot be run.
NOT_PROVED = {
    "a function that is no method": """
        def head(fc, x):
            return fc(x)

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 14 * 14, 2)

            def forward(self, x):
                return head(self.fc, F.relu(self.conv(x)))
    """,
    "a constructor": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4 * 14 * 14, 2))

            def forward(self, x):
                return self.net(x)
    """,
    "a forward of the instance's own": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 14 * 14, 2)
                self.forward = self.forward

            def forward(self, x):
                x = F.relu(self.conv(x))
                return self.fc(x)
    """,
}


def program(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "net.py"
    path.write_text(HEAD + textwrap.dedent(text))
    return path


@pytest.mark.parametrize("name", PROVED)
def test_the_edited_method_was_run(name: str, tmp_path: Path) -> None:
    path = program(tmp_path, PROVED[name])
    model = load_file(path).Net()
    before, text = snapshot(model), path.read_bytes()
    problems = summarize(model, (3, 16, 16), batch_size=2).problems
    assert [problem.evidence for problem in problems] == [Evidence.RUN] * len(problems) != []
    assert not difference(before, snapshot(model))
    assert path.read_bytes() == text

    # The oracle: the file with these edits, imported and run by PyTorch.
    (changed,) = apply([edit for problem in problems for edit in problem.edits]).values()
    path.write_bytes(changed)
    fixed = load_file(path).Net()
    assert fixed(torch.zeros(2, 3, 16, 16)).shape[0] == 2


@pytest.mark.parametrize("name", NOT_PROVED)
def test_what_was_not_run_is_derived(name: str, tmp_path: Path) -> None:
    path = program(tmp_path, NOT_PROVED[name])
    model = load_file(path).Net()
    before = snapshot(model)
    problems = summarize(model, (3, 16, 16), batch_size=2).problems
    assert [problem.evidence for problem in problems] == [Evidence.DERIVED] * len(problems) != []
    assert not difference(before, snapshot(model))


def test_a_file_that_is_another_by_now_proves_nothing(tmp_path: Path) -> None:
    path = program(tmp_path, PROVED["forward"])
    model = load_file(path).Net()
    path.write_text(path.read_text().replace("F.relu(self.conv(x))", "F.gelu(self.conv(x), approximate='none')"))
    (problem,) = summarize(model, (3, 16, 16)).problems
    assert problem.evidence is Evidence.DERIVED


def test_the_edited_method_is_run_with_layers_made_anew(tmp_path: Path) -> None:
    """Both at once: the number of a layer is proved with the line, and the line with the number."""
    path = program(tmp_path, PROVED["a layer's number as well"])
    model = load_file(path).Net()
    first, second = summarize(model, (3, 16, 16)).problems
    assert (first.changes, first.evidence) == ({"in_channels": "3"}, Evidence.RUN)
    assert (second.changes, second.evidence) == ({}, Evidence.RUN)
    path.write_bytes(apply(second.edits)[str(path)])
    fixed = load_file(path).Net()
    fixed.set_submodule("conv", remade(fixed.conv, {"in_channels": 3}))
    assert fixed(torch.zeros(2, 3, 16, 16)).shape == (2, 2)
