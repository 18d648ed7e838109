"""Shapes in letters that hold at none of the sizes that were run are told as that, and written nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from convlin import InputError, summarize
from convlin.annotate.stale import require_true_comments
from convlin.cli import main
from convlin.records import Report
from tests.source_programs import load_file

#: Like code that asks whether it is being traced: with letters it makes one more layer, which no real run has.
CODE = """from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.more = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

    def forward(self, x):
        if type(x.shape[-1]) is not int:
            x = self.more(self.conv(x))
        else:
            x = self.conv(x)
        return x.relu()
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "net.py"
    path.write_text(CODE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return path


def report_of(program: Path) -> Report:
    net = load_file(program).Net().eval()
    report = summarize(net, (3, 16, "W")).report
    for width in (11, 16, 40, 232):  # PyTorch is the judge: one layer, at every size
        called: list[object] = []
        hook = net.more.register_forward_hook(lambda *_, called=called: called.append(1))
        assert net(torch.zeros(1, 3, 16, width)).shape == (1, 4, 14, width - 2)
        hook.remove()
        assert not called
    return report


def test_the_remark_does_not_contradict_itself(program: Path) -> None:
    report = report_of(program)
    assert report.holds_nowhere
    (remark,) = (each for each in report.remarks if "letters" in each)
    assert remark.startswith("the sizes in letters hold at none of the ")
    assert "sizes that were run, such as W = " in remark
    assert "not for all" not in remark


def test_no_comment_is_written_and_none_is_held_against_them(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for style in ("comments", "jaxtyping"):
        assert main(["annotate", "net.py:Net", "3,16,W", "--style", style]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "nothing is changed: net.py:Net makes other shapes than those in letters" in err
    assert program.read_text(encoding="utf-8") == CODE
    with pytest.raises(InputError, match="hold at none of the sizes that were run"):
        require_true_comments(report_of(program))


def test_where_the_batch_alone_is_a_letter_numbers_are_written(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program.write_text(CODE.replace("x.shape[-1]", "x.shape[0]"), encoding="utf-8")
    assert main(["annotate", "net.py:Net", "3,16,20", "--write"]) == 0
    capsys.readouterr()
    assert "self.conv(x)  # (1, 4, 14, 18)" in program.read_text(encoding="utf-8")
    assert load_file(program).Net()(torch.zeros(1, 3, 16, 20)).shape == (1, 4, 14, 18)


def test_forms_that_hold_are_none_of_these() -> None:
    assert not summarize(torch.nn.Conv2d(3, 4, 3), (3, "H", "W")).report.holds_nowhere
