"""The command line where its output cannot be written: one line, and the status that is documented."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from convlin.cli import main
from tests.processes import PATIENCE

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")

COMMANDS = [
    ("show", "net.py:Net", "3,8,8"),
    ("check", "net.py:Net", "3,8,8", "--format", "json"),
    ("explain", "Linear", "3", "--kwargs", "in_features=3,out_features=4"),
    ("annotate", "net.py:Net", "3,8,8"),
]
CODE = """from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        x = self.conv(x)
        return x
"""


@pytest.fixture(autouse=True)
def _model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text(CODE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", COMMANDS, ids=[command[0] for command in COMMANDS])
def test_a_full_device(command: tuple[str, ...]) -> None:
    with FULL.open("w") as full, redirect_stdout(full), redirect_stderr(io.StringIO()) as said:
        assert main(command) == 2
    assert said.getvalue().splitlines()[-1] == f"convlin: the output cannot be written: {os.strerror(28)}"


def test_a_full_device_at_the_end_of_the_process(tmp_path: Path) -> None:
    """Nothing is left for Python to write when it ends, which it would complain of."""
    words = [sys.executable, "-m", "convlin", *COMMANDS[0]]
    with FULL.open("w") as full:
        done = subprocess.run(words, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    *_, told = done.stderr.splitlines()
    assert told == f"convlin: the output cannot be written: {os.strerror(28)}"
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == 2


def test_where_what_is_said_cannot_be_written_the_status_is_what_it_is(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "convlin", "check"]  # of no project: that is told before torch is loaded
    with FULL.open("w") as full:
        assert subprocess.run(words, cwd=tmp_path, stderr=full, timeout=PATIENCE).returncode == 2
