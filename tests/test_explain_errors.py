"""``explain_errors`` and the extension for IPython: real processes, a real shell, a real notebook kernel."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import convlin
from convlin import explain_errors
from convlin._util.shown import Picture
from tests.processes import PATIENCE, browse, run
from tests.rendering import Page
from tests.test_run import RIGHT, WRONG, write

ASKS = "import convlin; convlin.explain_errors()"

NEEDS = "needs in_features=512, has 999"


# Scripts


def script(folder: Path, code: str, before: str) -> tuple[str, str, int]:
    write(folder, "train.py", code)
    path = folder / "train.py"
    path.write_text(f"{before}\n{path.read_text()}", encoding="utf-8")
    done = run(sys.executable, "train.py", cwd=folder, check=False)
    return done.stdout, done.stderr, done.returncode


def test_a_script_that_asks_for_it(tmp_path: Path) -> None:
    plain = script(tmp_path, WRONG, "pass")
    ours = script(tmp_path, WRONG, ASKS)
    assert ours[2] == plain[2] == 1
    assert ours[1].startswith(plain[1])
    assert NEEDS in ours[1]
    assert "fix  train.py:12   self.fc1 = nn.Linear(512, 20)" in ours[1]


#: Mistakes of another kind, and a training that goes through in front of one, which takes seconds.
OTHERS = ["def f():\n    return {}['lr']\n\nf()", f"{RIGHT}\n    raise ValueError('of my own')"]


@pytest.mark.parametrize("code", [OTHERS[0], pytest.param(OTHERS[1], marks=pytest.mark.thorough)])
def test_nothing_to_say(code: str, tmp_path: Path) -> None:
    assert script(tmp_path, code, ASKS) == script(tmp_path, code, "pass")


@pytest.mark.thorough  # that Python's own hook is there again is held without a process below
def test_a_script_that_asks_for_it_no_longer(tmp_path: Path) -> None:
    asks_no_longer = f"{ASKS}; convlin.explain_errors(False)"
    assert script(tmp_path, WRONG, asks_no_longer) == script(tmp_path, WRONG, "pass")


@pytest.fixture
def hook() -> Iterator[list[str]]:
    """A hook of the user's own in place of Python's, and what it was called with."""
    called: list[str] = []
    before = sys.excepthook
    sys.excepthook = lambda kind, error, traceback: called.append(kind.__name__)
    yield called
    explain_errors(False)
    sys.excepthook = before


def test_the_hook_that_was_there_is_called_first(hook: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    theirs = sys.excepthook
    explain_errors()
    explain_errors()
    sys.excepthook(ValueError, ValueError("x"), None)
    assert hook == ["ValueError"]
    assert capsys.readouterr().err == "", "of an error of one's own there is nothing to say"
    explain_errors(False)
    assert sys.excepthook is theirs
    explain_errors(False)
    assert sys.excepthook is theirs


def test_a_hook_put_over_it_gets_one_answer_or_none(hook: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    explain_errors()
    ours = sys.excepthook
    sys.excepthook = lambda *given: ours(*given)
    explain_errors()
    try:
        torch.nn.Sequential(torch.nn.Linear(999, 3))(torch.zeros(2, 512))
    except RuntimeError as error:
        caught = error
    sys.excepthook(type(caught), caught, caught.__traceback__)
    assert capsys.readouterr().err.count(NEEDS) == 1
    explain_errors(False)
    sys.excepthook(type(caught), caught, caught.__traceback__)
    assert capsys.readouterr().err == ""


def test_a_startup_file(tmp_path: Path) -> None:
    """An interactive Python that asks for it in the file that ``PYTHONSTARTUP`` names."""
    write(tmp_path, "startup.py", "import convlin\nconvlin.explain_errors()")
    lines = f"{NET}\nnet(zeros(2, 512))\n1 / 0\nconvlin.explain_errors(False)\nnet(zeros(2, 512))\nprint('end')\n"
    environment = {**os.environ, "PYTHONSTARTUP": str(tmp_path / "startup.py")}
    done = run(sys.executable, "-i", "-q", cwd=tmp_path, input=lines, env=environment)
    assert done.stdout == "end\n"
    assert done.stderr.count("mat1 and mat2 shapes cannot be multiplied") == 2
    assert done.stderr.count(NEEDS) == 1
    assert "ZeroDivisionError" in done.stderr


# IPython

NET = """
from torch import nn, zeros
net = nn.Sequential(nn.Flatten(), nn.Linear(999, 10))
"""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance(colors="nocolor")
    assert made.history_manager is not None
    made.history_manager.enabled = False
    yield made
    made.history_manager.end_session()
    InteractiveShell.clear_instance()


def test_a_cell_that_fails(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%load_ext convlin")
    shell.run_cell(NET)
    result = shell.run_cell("net(zeros(2, 512))")
    assert isinstance(result.error_in_exec, RuntimeError)
    out, err = capsys.readouterr()
    assert "mat1 and mat2 shapes cannot be multiplied" in out
    assert NEEDS in err
    # The line of the earlier cell.
    assert re.search(r"fix  cell \d+, line 2   net = nn\.Sequential\(nn\.Flatten\(\), nn\.Linear\(512, 10\)\)", err)
    shell.run_cell("1 / 0")
    out, err = capsys.readouterr()
    assert "ZeroDivisionError" in out
    assert err == ""
    shell.run_cell("%unload_ext convlin")
    shell.run_cell("net(zeros(2, 512))")
    out, err = capsys.readouterr()
    assert "mat1 and mat2" in out
    assert NEEDS not in err
    assert "showtraceback" not in vars(shell)


def test_explain_errors_in_a_cell(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell(f"import convlin\nconvlin.explain_errors()\n{NET}")
    shell.run_cell("net(zeros(2, 512))")
    assert NEEDS in capsys.readouterr().err
    shell.run_cell("convlin.explain_errors(False)")
    shell.run_cell("net(zeros(2, 512))")
    assert NEEDS not in capsys.readouterr().err


def test_the_magic(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%load_ext convlin")
    shell.run_cell(NET)
    summary = shell.run_cell("%convlin net 512").result
    assert isinstance(summary, convlin.Summary)
    assert summary.required_in_features == {"1": 512}
    assert shell.run_cell("%convlin net").result.total_params == 9_990 + 10
    capsys.readouterr()
    for line, said in (
        ("nte 512", "no model is named 'nte' here"),
        ("", "write %convlin"),
        ("net -3", "-3"),
        ("net 512 --columns layer", "%convlin has no options, and --columns is one"),
        ("--help", "%convlin has no options"),
    ):
        shell.run_cell(f"%convlin {line}")
        err = capsys.readouterr().err
        assert err.startswith("UsageError: ")
        assert said in err


def test_the_magics_find_the_line_as_summarize_does(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%load_ext convlin")
    shell.run_cell(NET)
    fix = shell.run_cell("import convlin; convlin.summarize(net, (512,)).problems[0].where").result
    assert fix is not None
    assert shell.run_cell("%convlin net 512").result.problems[0].where == fix
    capsys.readouterr()
    number = shell.execution_count
    shell.run_cell(f"%%convlin other 512\n{NET.replace('net =', 'other =')}", store_history=True)
    assert shell.execution_count == number + 1
    # The lines are those of the whole cell: the magic, an empty one, the import.
    fixed = rf"fix  cell {number}, line 4   other = nn\.Sequential\(nn\.Flatten\(\), nn\.Linear\(512, 10\)\)"
    assert re.search(fixed, capsys.readouterr().out)


def test_memory_shows_as_it_prints(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell(f"import convlin\n{NET}")
    shell.run_cell("convlin.summarize(net).memory()")
    shown = capsys.readouterr().out
    shell.run_cell("print(convlin.summarize(net).memory())")
    assert capsys.readouterr().out.strip() in shown


def test_the_cell_magic(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%load_ext convlin")
    shell.run_cell(f"%%convlin net 512\n{NET}\nprint('made')")
    out = capsys.readouterr().out
    assert "made" in out
    assert NEEDS in out
    shell.run_cell("%%convlin net 512\n1 / 0")
    out, err = capsys.readouterr()
    assert "ZeroDivisionError" in out
    assert NEEDS not in out + err
    shell.run_cell("%%convlin net 512\n%%capture made\nprint('captured')")
    assert shell.user_ns["made"].stdout == "captured\n"
    capsys.readouterr()
    shell.run_cell("%%convlin\n1")
    assert capsys.readouterr().err.startswith("UsageError: write %%convlin MODEL INPUT")
    shell.run_cell("%unload_ext convlin")
    assert not any("convlin" in magics for magics in shell.magics_manager.magics.values())


@pytest.mark.parametrize(
    "call",
    [
        "s['nope']",
        "s.explain('nope')",
        "s.check()",
        "convlin.assert_shapes(net, (512,), {'1': ('N', 3)})",
        "convlin.num_flat_features(net, (512,))",
        "convlin.summarize(net, (0,))",
        "convlin.summarize(net, (512,), batchsize=3)",
        "convlin.explain(net, 512.0)",
    ],
)
def test_no_frame_of_convlins_stands_above_a_message(call: str, shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell(f"import convlin\n{NET}\ns = convlin.summarize(net, (512,))")
    capsys.readouterr()
    assert shell.run_cell(call, store_history=True).error_in_exec is not None
    out = capsys.readouterr().out
    assert out.startswith(f"cell 1, line 1:  {call}\n\n")
    assert "Error: " in out
    assert "convlin/" not in out.replace("\\", "/")


def test_a_wrong_call_shows_the_users_lines_alone(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell(f"import convlin\n{NET}")
    shell.run_cell("def look():\n    return convlin.summarize(net, 3.5)\n\nlook()", store_history=True)
    assert capsys.readouterr().out == (
        "cell 1, line 4:  look()\n"
        "cell 1, line 2:  return convlin.summarize(net, 3.5)\n"
        "\n"
        "InputError: 3.5 is not a valid input: write the shape without the batch, like (784,) or (3, 32, 32)\n"
    )


CELLS = """
%load_ext convlin
from torch import nn, zeros

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(999, 10)

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))
---
net = Net()
---
net(zeros(2, 3, 8, 8))
---
s = %convlin net 3,8,8
s
---
s.explain("fc")
---
s.problems[0]
---
s["conv"]
---
s.to_svg()
"""


def test_a_notebook(tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    import nbformat
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS.strip().split("\n---\n")]
    book = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(
        book, timeout=PATIENCE, startup_timeout=PATIENCE, allow_errors=True,
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()  # fmt: skip
    error, answer = book.cells[2].outputs
    assert error["ename"] == "RuntimeError"
    line = "fix  cell 1, line 8   self.fc = nn.Linear(288, 10)"
    assert line in answer["data"]["text/plain"]
    assert "<table" in answer["data"]["text/html"]
    assert "needs in_features=288, has 999" in answer["data"]["text/html"]
    table, told, problem, call, picture = (cell.outputs[0]["data"] for cell in book.cells[3:])
    assert book.cells[3].outputs[0]["output_type"] == "execute_result"
    assert ["fc ✗", "Linear", "1×288", "1×10", "10,000", "needs in_features=288, has 999"] in Page(
        table["text/html"]
    ).rows
    assert "needs in_features=288, has 999" in table["text/plain"]
    assert told["text/plain"].startswith("how fc gets its input size\n\ninput  1×3×8×8\n")
    assert problem["text/plain"].startswith("✗ fc: Linear(in_features=999, out_features=10) receives 288 features\n")
    assert line in problem["text/plain"]
    assert call["text/plain"] == "conv  Conv2d  1×3×8×8 → 1×8×6×6"
    assert picture["image/svg+xml"].startswith("<svg")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_a_dark_notebook_in_a_browser(tmp_path: Path) -> None:
    """Table and picture take the colors of JupyterLab's themes, which say on ``body`` which one is on."""
    from torch import nn

    summary = convlin.summarize(nn.Sequential(nn.Flatten(), nn.Linear(9, 2)), (3, 8, 8))
    picture = summary.to_svg()
    assert isinstance(picture, Picture)
    probe = """<script>addEventListener("load", () => {
        const image = document.querySelector("img"), canvas = document.createElement("canvas")
        canvas.width = canvas.height = 9
        canvas.getContext("2d").drawImage(image, 0, 0)
        const paper = canvas.getContext("2d").getImageData(4, 4, 1, 1).data.slice(0, 3).join()
        const scheme = getComputedStyle(image).colorScheme
        const color = getComputedStyle(document.querySelector("tbody tr:not(.bad) td")).color
        document.title = [image.naturalWidth > 0, scheme, paper, color].join(" ")
    })</script>"""
    told = {}
    for light in ("true", "false"):
        text = "rgb(17, 17, 17)" if light == "true" else "rgb(238, 238, 238)"
        shown = f"{summary.to_html()}{picture._repr_html_()}{probe}"
        path = tmp_path / f"{light}.html"
        path.write_text(
            f'<!doctype html><body data-jp-theme-light="{light}" style="color:{text}">{shown}</body>',
            encoding="utf-8",
        )
        told[light] = browse(path, tmp_path / "profile").split("<title>")[1].split("</title>")[0]
    assert told["true"] == "true normal 255,255,255 rgb(17, 17, 17)"
    assert told["false"].startswith("true dark ")
    assert told["false"].endswith(" rgb(238, 238, 238)")
