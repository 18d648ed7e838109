"""Lines of code are told as paths from the working directory, and kept in full."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

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
