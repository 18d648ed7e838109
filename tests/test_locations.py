"""Lines of code are told as paths from the working directory, and kept in full."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convlin import Summary, summarize
from convlin.errors import UnknownLayerError

CODE = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(9, 2)

    def forward(self, x):
        x = x.flatten(1)
        return self.fc(x)
"""


def summary_of(file: Path) -> Summary:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CODE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("located_net", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return summarize(module.Net(), (3, 2, 2), columns=["layer", "type", "where"])


@pytest.mark.parametrize(
    ("file", "stands_in", "shown"),
    [
        ("src/net.py", ".", "src/net.py"),
        ("src/net.py", "src", "net.py"),
        ("src/net.py", "other", "{root}/src/net.py"),
        ("venv/site-packages/timm/net.py", "other", "timm/net.py"),
    ],
)
def test_a_line_is_told_from_the_working_directory(tmp_path, monkeypatch, file, stands_in, shown):
    (tmp_path / stands_in).mkdir(exist_ok=True, parents=True)
    monkeypatch.chdir(tmp_path / stands_in)
    summary = summary_of(tmp_path / file)
    shown = shown.format(root=tmp_path.as_posix())
    text = summary.table(width=400)
    assert text.count(f" {shown}:11") == 2  # the row of the flatten, and the message
    for form in (summary.to_markdown(), summary.to_html(), str(summary.explain("fc"))):
        assert f"{shown}:11" in form.replace("\\_", "_")
    assert f"fix  {shown}:8   {'in_features=12' if 'venv' in file else 'self.fc = nn.Linear(12, 2)'}" in text
    assert {call["where"]["file"] for call in json.loads(summary.to_json())["calls"] if call["where"]} == {
        str(tmp_path / file)
    }
    for name in (f"{shown}:11", "net.py:11"):
        assert "12" in summary.explain(name)
    with pytest.raises(UnknownLayerError):
        summary.explain("et.py:11")


def test_a_working_directory_that_is_gone_does_not_matter(tmp_path, monkeypatch):
    summary = summary_of(tmp_path / "net.py")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert f"{tmp_path.as_posix()}/net.py:8   self.fc = nn.Linear(12, 2)" in str(summary)


PACKAGE = """
from torch import nn


class Block(nn.Module):
    def __init__(self, given, out):
        super().__init__()
        self.down = nn.Conv1d(given, out, 1)

    def forward(self, x):
        return self.down(x)
"""


@pytest.fixture
def block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[nn.Module]:
    """A layer of a package that was installed."""
    home = tmp_path / "site-packages"
    (home / "of_a_package").mkdir(parents=True)
    (home / "of_a_package" / "__init__.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.delitem(sys.modules, "of_a_package", raising=False)
    found: type[nn.Module] = importlib.import_module("of_a_package").Block
    return found


def test_axes_are_permuted_where_the_user_calls_a_package(block: type[nn.Module]) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(block(4, 8))

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.block(x)
            return made

    (problem,) = summarize(Net(), (50, 4)).problems
    assert problem.where is not None
    assert Path(problem.where.file) == Path(__file__)
    assert problem.fix == "made: Tensor = self.block(x.permute(0, 2, 1))"
    assert Net()(torch.zeros(1, 50, 4).permute(0, 2, 1)).shape == (1, 8, 50)


def test_what_a_package_itself_is_called_with_is_told_without_a_line(block: type[nn.Module]) -> None:
    (problem,) = summarize(block(4, 8), (50, 4)).problems
    assert (problem.where, problem.fix) == (None, "x = x.permute(0, 2, 1)")
    assert block(4, 8)(torch.zeros(1, 50, 4).permute(0, 2, 1)).shape == (1, 8, 50)


class Traced(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.fc = nn.Linear(100, 6)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.fc(self.conv(x).flatten(1)).reshape(-1, 4)
        return made


def test_code_that_fx_wrote_has_no_line_to_change() -> None:
    traced = torch.fx.symbolic_trace(Traced())
    with pytest.raises(RuntimeError, match="1x1176 and 100x6"):
        traced(torch.zeros(1, 3, 16, 16))
    found = summarize(traced, (3, 16, 16))
    fc, reshape = found.problems
    assert fc.required == 1176
    assert "6·14·14, the output of conv, flattened" in str(fc)
    assert "reshape(-1, 4) cannot take 1×6" in str(reshape)
    assert [(each.where, each.edits) for each in found.problems] == [(None, ())] * 2
    assert "eval_with_key" not in str(found)
    assert "eval_with_key" not in json.dumps(found.to_dict())


def test_a_traced_part_has_no_line_of_its_own_to_change() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.traced = torch.fx.symbolic_trace(Traced())

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.traced(x)
            return made

    found = summarize(Net(), (3, 16, 16))
    assert [each.path for each in found.problems] == ["traced.fc", "traced"]
    assert "eval_with_key" not in str(found)
