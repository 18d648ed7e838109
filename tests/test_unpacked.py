"""What is taken apart into the wrong number of names: the sizes told are PyTorch's, and every line proposed runs."""

from __future__ import annotations

import ast
import linecache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from convlin import Summary, summarize
from convlin.records import Evidence
from convlin.source import apply
from tests.source_programs import load_file

HEAD = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 16)
        self.head = nn.Linear(8, 4)
        self.conv = nn.Conv2d(3, 8, 3)
        self.lstm = nn.LSTM(8, 8, batch_first=True)

    def forward(self, x):
"""


def made(folder: Path, body: str) -> nn.Module:
    """The model with this ``forward``, in a file of its own."""
    path = folder / "net.py"
    path.write_text(HEAD + "".join(f"        {line}\n" for line in body.splitlines()))
    model: nn.Module = load_file(path).Net()
    return model.eval()


def asked(folder: Path, body: str, *shape: int, **more: Any) -> tuple[nn.Module, Summary]:
    model = made(folder, body)
    with pytest.raises(ValueError, match="values to unpack"):
        model(torch.zeros(more.get("batch_size", 1), *shape))
    return model, summarize(model, shape, **more)


RUNS = [
    ("a, b = self.lin(x).chunk(4, dim=1)\nreturn self.head(a + b)", (8,), "a, b = self.lin(x).chunk(2, dim=1)"),
    ("a, b = self.lin(x).split(4, -1)\nreturn self.head(a + b)", (8,), "a, b = self.lin(x).split(8, -1)"),
    (
        "y = self.lin(x)\na, b = torch.chunk(input=y, chunks=2)\nreturn self.head(a * b)", (8,),
        "a, b = torch.chunk(input=y, chunks=2, dim=-1)",
    ),
    ("a, b, c = self.lin(x).unbind()\nreturn a + b", (3, 8), "a, b, c = self.lin(x).unbind(dim=1)"),
    ("y = self.lin(x)\na, b = y\nreturn self.head(b)", (8,), "a, b = y.chunk(2, dim=-1)"),
    ("y, _ = self.conv(x).mean((2, 3))\nreturn self.lin(y)", (3, 9, 9), "y = self.conv(x).mean((2, 3))"),
    ("[out, h, c] = self.lstm(x)\nreturn self.head(c[-1])", (5, 8), "[out, (h, c)] = self.lstm(x)"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "shape", "fix"), RUNS)
def test_the_line_proposed_runs(tmp_path: Path, body: str, shape: tuple[int, ...], fix: str) -> None:
    _, summary = asked(tmp_path, body, *shape)
    (problem,) = summary.problems
    assert (problem.kind, problem.fix, problem.evidence) == ("structure", fix, Evidence.RUN)
    for file, data in apply(problem.edits).items():
        Path(file).write_bytes(data)
    mended = load_file(tmp_path / "net.py").Net().eval()
    assert mended(torch.zeros(1, *shape)).shape[0] == 1
    assert summarize(mended, shape).ok


TOLD = [
    ("b, c, h = x.size()\nreturn self.conv(x)", (3, 9, 9), (3, 4), "the first is the batch"),
    ("b, t, c, h, w = x.shape\nreturn self.conv(x)", (3, 9, 9), (5, 4), "give one more"),
    ("h, w = x.shape[1:]\nreturn self.conv(x)", (3, 9, 9), (2, 3), "x is 1×3×9×9"),
    ("h, w, d = self.conv(x).shape[-2:]\nreturn x", (3, 9, 9), (3, 2), "self.conv(x) is 1×8×7×7"),
    ("out, h, c, d = self.lstm(x)\nreturn out", (5, 8), (4, 2), "lstm returns 2 values"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "shape", "counts", "says"), TOLD)
def test_where_no_line_runs_none_is_proposed(
    tmp_path: Path, body: str, shape: tuple[int, ...], counts: tuple[int, int], says: str
) -> None:
    _, summary = asked(tmp_path, body, *shape)
    (problem,) = summary.problems
    assert (problem.declared, problem.required) == counts
    assert says in problem.message
    assert problem.fix is None
    assert not problem.edits
    assert problem.where is not None
    assert problem.where.line == len(HEAD.splitlines()) + 1


def test_of_several_lines_that_run_none_is_the_fix(tmp_path: Path) -> None:
    body = "a, b = self.conv(x)\nreturn a.mean() + b.mean()"
    _, summary = asked(tmp_path, body, 3, 10, 10)
    (problem,) = summary.problems
    for dim in (1, 2, -1):
        assert f".chunk(2, dim={dim}) gives 2 of" in problem.message
        parts = made(tmp_path, body).conv(torch.zeros(1, 3, 10, 10)).chunk(2, dim=dim)  # type: ignore[operator]
        assert "×".join(map(str, parts[0].shape)) in problem.message
    assert (problem.fix, problem.edits, problem.evidence) == (None, (), Evidence.DERIVED)


@pytest.mark.parametrize(
    "body",
    [
        "a, b = (1, 2, 3)\nreturn self.conv(x)",
        "a, b = [self.conv(x)] * 3\nreturn a",
        "for a, b in [(1, 2, 3)]:\n    pass\nreturn self.conv(x)",
        "a, b = (size for size in x.shape)\nreturn self.conv(x)",
        "raise ValueError('not enough values to unpack (expected 2, got 1)')",
    ],
)
def test_what_is_no_tensor_is_the_users_own_error(tmp_path: Path, body: str) -> None:
    with pytest.raises(ValueError, match="values to unpack"):
        asked(tmp_path, body, 3, 9, 9)


@pytest.mark.parametrize("names", ["out, (h, c, d)", "out, ((h, g), c)"])
def test_names_in_the_brackets_of_others_are_left_to_python(tmp_path: Path, names: str) -> None:
    with pytest.raises(ValueError, match="values to unpack"):
        asked(tmp_path, f"{names} = self.lstm(x)\nreturn out", 5, 8)


def test_a_size_behind_a_mistake_is_not_counted(tmp_path: Path) -> None:
    body = "x = self.head(x)\na, b = self.lin(x).chunk(2, dim=0)\nreturn a"
    model = made(tmp_path, body)
    problems = summarize(model, (7,)).problems
    assert next(problem.path for problem in problems) == "head"
    assert all(problem.declared != 2 for problem in problems)


@pytest.mark.parametrize(("body", "shape", "fix"), RUNS)
def test_a_line_of_a_notebook_cell_is_tried_as_well(
    monkeypatch: pytest.MonkeyPatch, body: str, shape: tuple[int, ...], fix: str
) -> None:
    cell = HEAD + "".join(f"        {line}\n" for line in body.splitlines())
    name = "<ipython-input-3-0123456789ab>"
    monkeypatch.setitem(linecache.cache, name, (len(cell), None, cell.splitlines(True), name))
    space: dict[str, Any] = {"__name__": "__main__"}
    for statement in ast.parse(cell).body:  # each alone, as IPython runs them
        exec(compile(ast.Module([statement], []), name, "exec", dont_inherit=True), space)
    (problem,) = summarize(space["Net"](), shape).problems
    assert (problem.fix, problem.evidence, problem.edits) == (fix, Evidence.RUN, ())
    assert problem.where is not None
    assert problem.where.text.startswith("cell 3, line ")


def test_no_line_of_an_installed_package_is_to_be_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body, shape, _ = RUNS[0]
    monkeypatch.setattr("convlin.diagnosis.stopped.unpacked.is_installed", lambda file: file.endswith("net.py"))
    _, summary = asked(tmp_path, body, *shape)
    (problem,) = summary.problems
    assert "a, b are 2 names, and chunk(4, dim=1) gives 4 parts" in problem.message
    assert (problem.fix, problem.edits, problem.evidence) == (None, (), Evidence.DERIVED)


def test_a_shape_without_channels_in_front_of_a_package_that_takes_it_apart() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48, image_size=32, patch_size=8
    )
    model = transformers.ViTModel(config).eval()
    with pytest.raises(ValueError, match="values to unpack"):
        model(torch.zeros(1, 32, 32))
    (problem,) = summarize(model, (32, 32)).problems
    assert "the given shape has 2 sizes, and the batch is added in front: give one more" in problem.message
    assert summarize(model, (3, 32, 32)).ok
