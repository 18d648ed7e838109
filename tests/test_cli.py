"""The command line: what it answers, where, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

import convlin
import convlin.cli.screen
from convlin.cli import main
from convlin.cli.annotations import Annotation, annotated
from convlin.cli.screen import Screen, painted
from convlin.cli.values import read_arguments, read_batch_size, read_dtypes, read_inputs
from convlin.errors import InputError
from convlin.records import Location
from tests import processes

NET = """
    import torch
    import torch.nn.functional as F
    from torch import nn


    class CNN(nn.Module):
        def __init__(self, features=2048, classes=10):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
            self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
            self.fc1 = nn.Linear(features, classes)

        def forward(self, x):
            x = F.max_pool2d(self.conv2(self.conv1(x)), 2)
            return self.fc1(x.flatten(1))


    class Wrong(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 8, 3)   # gray
            self.head = nn.Sequential(
                nn.Flatten(),
                nn.Linear(999, 64),  # how many?
                nn.Linear(64, 10),
            )

        def forward(self, x):
            return self.head(self.conv(x))


    class Raises(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            x = self.fc(x)
            return x.nonsense


    class Two(nn.Module):
        def forward(self, a, b, scale=1):
            return torch.cat([a, b], 1) * scale


    def make(classes=10):
        return CNN(classes=classes)


    def tuple_of():
        return (CNN(), 3)


    def fails():
        raise KeyError("mine")


    class Config:
        pass


    ready = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    number = 3
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with the file ``net.py`` in it."""
    write(tmp_path / "net.py", NET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")


class Ran:
    """What a command answered."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process."""

    def ran(*words: str) -> Ran:
        try:
            status = main(words)
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return Ran(status, out, err)

    return ran


def command(*words: str) -> processes.Done:
    """Run the real command in a process of its own."""
    return processes.run(processes.script("convlin"), *words, check=False)


# show


def test_show(run: Run) -> None:
    ran = run("show", "net.py:CNN", "3,32,32")
    assert ran.status == 0
    assert ran.out.startswith("CNN  input 1×3×32×32  cpu, eval\n\nLayer ")
    assert "\nfc1 " in ran.out
    assert ran.err == ""


def test_show_the_picture(run: Run) -> None:
    root = ElementTree.fromstring(run("show", "net.py:CNN", "3,32,32", "--format", "svg").out)
    assert any(element.text == "conv1" for element in root.iter())


def test_show_a_model_with_a_problem(run: Run) -> None:
    ran = run("show", "net.py:Wrong", "1,32,32")
    assert ran.status == 1
    assert "needs in_features=7200, has 999" in ran.out
    assert re.search(r"fix  net\.py:\d+ +nn\.Linear\(7200, 64\),  # how many\?", ran.out)


@pytest.mark.parametrize(
    "words",
    [
        ["net.py:make", "3,32,32", "--kwargs", '{"classes": 7}'],
        ["net.py:make", "3,32,32", "--kwargs", "{'classes': 7}"],
        ["net.py:make", "3,32,32", "--kwargs", "classes=7"],
        ["net.py:make", "--kwargs", "7", "3,32,32"],
        ["net.py:CNN", "3,32,32", "--kwargs", "2048, 7"],
        ["--kwargs", "2048, classes=7", "net.py:CNN", "x=3,32,32"],
        ["./net.py:CNN", "(3, 32, 32)", "--kwargs", "classes=7"],
        ["net:CNN", "3x32x32", "--kwargs", "classes=7"],
    ],
)
def test_ways_to_name_a_model_and_its_input(words: list[str], run: Run) -> None:
    ran = run("show", *words)
    assert ran.status == 0, ran.err
    assert re.search(r"fc1 +Linear +1×2048 +1×7 ", ran.out)


def test_instance_absolute_path_and_several_inputs(run: Run, project: Path) -> None:
    assert "1×12" in run("show", f"{project / 'net.py'}:ready", "3,2,2").out
    ran = run("show", "net.py:Two", "5", "--batch-size", "2", "7")
    assert "input a=2×5, b=2×7" in ran.out
    assert "2×12" in ran.out
    assert "input a=1×5, b=1×7" in run("show", "net.py:Two", "a=5", "b=7", "--forward-kwargs", "scale=3").out


def test_options_of_the_pass(run: Run) -> None:
    ran = run(
        "show",
        "net.py:CNN",
        "3,32,32",
        "--batch-size",
        "4",
        "--mode",
        "train",
        "--device",
        "meta",
        "--dtypes",
        "float32",
    )
    assert "input 4×3×32×32  meta, train" in ran.out
    data = json.loads(
        run("show", "net.py:Two", "5", "7", "--dtypes", "long", "--dtypes", "int32", "--format", "json").out
    )
    assert [each["dtype"] for each in data["inputs"]] == ["int64", "int32"]
    data = json.loads(
        run("show", "net.py:Two", "a=5", "b=7", "--dtypes=b=long", "--dtypes=a=half", "--format", "json").out
    )
    assert [each["dtype"] for each in data["inputs"]] == ["float16", "int64"]


def test_a_call_to_write_is_told_as_a_command_that_runs(run: Run, project: Path) -> None:
    write(
        project / "signal.py",
        """
        from torch import nn

        class Signal(nn.Module):
            def __init__(self, classes=3):
                super().__init__()
                self.conv, self.fc = nn.Conv1d(2, 4, 3), nn.Linear(192, classes)

            def forward(self, x):
                return self.fc(self.conv(x).flatten(1))
        """,
    )
    told = run("show", "signal.py:Signal", "8,2,50", "--kwargs", "classes=5")
    (line,) = re.findall(r"fix  convlin (.*)", told.out)
    right = run(*shlex.split(line))
    assert (told.status, right.status) == (1, 0)
    assert "8×5" in right.out
    told = run("check", "signal.py:Signal", "--forward-kwargs", "x=(2, 50)")
    (line,) = re.findall(r"fix  convlin (.*)", told.out)
    assert run(*shlex.split(line)).status == 0


def test_options_to_write_are_told_as_the_command_takes_them(run: Run, project: Path) -> None:
    write(
        project / "options.py",
        """
        import torch
        from torch import nn

        class Asks(nn.Module):
            def forward(self, x):
                return x * 2 if x.sum().item() > 0 else x

        class Looks(nn.Module):
            def __init__(self):
                super().__init__()
                self.table = nn.Parameter(torch.zeros(10, 4))

            def forward(self, x):
                return self.table.index_select(0, x.flatten())

        class Mask(nn.Module):
            def forward(self, x, mask):
                return x.masked_fill(mask, 0)

        class Norm(nn.Module):
            def __init__(self):
                super().__init__()
                self.norm = nn.BatchNorm1d(4)

            def forward(self, x):
                return self.norm(x)
        """,
    )
    asked = ["show", "options.py:Asks", "3", "--device", "meta"]
    assert "leave out --device meta\n" in run(*asked).out
    assert run(*asked[:-2]).status == 0
    asked = ["show", "options.py:Looks", "3"]
    assert re.search(r"fix .* --dtypes int64, or x\.long\(\) there\n", run(*asked, "--dtypes", "float").out)
    assert run(*asked, "--dtypes", "int64").status == 0
    asked = ["show", "options.py:Mask", "3", "3"]
    chosen = re.search(r"m?ask was made torch\.bool \((.*)\)", run(*asked).out)
    assert chosen
    assert "was made" not in run(*asked, *chosen[1].split()).out
    asked = ["show", "options.py:Norm", "4", "--mode", "train"]
    assert "fix  --batch-size 2 or more" in run(*asked).out
    assert run(*asked, "--batch-size", "2").status == 0
    narrow = run("show", "net.py:CNN", "3,32,32", "--width", "40").out
    assert "--width shows it" in " ".join(narrow.split())
    assert not re.search(r"\w=\s", narrow)
    # In Python they are the options of the function, after a command as well.
    assert "dtypes=torch.int64" in str(convlin.summarize(_Looks(), (3,), dtypes=torch.float32))


class _Looks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(10, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.table.index_select(0, x.flatten())


def test_without_an_input(run: Run) -> None:
    ran = run("show", "net.py:CNN")
    assert ran.status == 0
    assert "no forward pass" in ran.out


def test_columns_rows_and_forms(run: Run) -> None:
    ran = run(
        "show", "net.py:CNN", "3,32,32", "--columns", "layer,output", "--only", "Conv2d", "--depth", "1", "--no-fold"
    )
    assert re.search(r"Layer +Output\nconv1 +1×16×32×32\nconv2 +1×32×16×16\n", ran.out)
    assert "conv1.weight" in run("show", "net.py:CNN", "3,32,32", "--parameters").out
    assert run("show", "net.py:CNN", "3,32,32", "--ascii-only").out.isascii()
    assert "| Layer " in run("show", "net.py:CNN", "3,32,32", "--format", "markdown").out
    assert run("show", "net.py:CNN", "3,32,32", "--format", "html").out.startswith("<")
    assert run("show", "net.py:CNN", "3,32,32", "--format", "csv").out.startswith("layer,type,")
    assert "\\toprule" in run("show", "net.py:CNN", "3,32,32", "--format", "latex").out
    assert json.loads(run("show", "net.py:CNN", "3,32,32", "--format", "json").out)["model"] == "CNN"
    ran = run("show", "net.py:CNN", "3,32,32", "--columns", "layer,outptu")
    assert (ran.status, ran.out) == (2, "")
    assert "unknown column 'outptu'; did you mean 'output'?" in ran.err


def test_output_file(run: Run, project: Path) -> None:
    ran = run("show", "net.py:CNN", "3,32,32", "--output", "net.md")
    assert (ran.status, ran.out, ran.err) == (0, "", "written net.md\n")
    assert "| Layer " in (project / "net.md").read_text(encoding="utf-8")
    run("show", "net.py:CNN", "3,32,32", "--output", "net.dat", "--format", "text")
    assert (project / "net.dat").read_text(encoding="utf-8").startswith("CNN  input 1×3×32×32")
    run("show", "net.py:CNN", "3,32,32", "--output", "page", "--format", "html")
    assert "<!doctype html>" in (project / "page").read_text(encoding="utf-8").lower()
    ran = run("show", "net.py:CNN", "3,32,32", "--output", "net.xyz")
    assert ran.status == 2
    assert "net.xyz" in ran.err


def test_an_output_that_cannot_be_written_is_a_usage_error(run: Run, project: Path) -> None:
    (project / "taken.md").mkdir()
    for given in (["--output", "no/net.md"], ["--output", "no/net.dat", "--format", "text"]):
        ran = run("show", "net.py:CNN", "3,32,32", *given)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err == f"convlin: there is no directory no to write {given[1][3:]} to: make it first\n"
    ran = run("show", "net.py:CNN", "3,32,32", "--output", "taken.md")
    assert (ran.status, ran.out, ran.err) == (2, "", "convlin: taken.md cannot be written: Is a directory\n")
    assert not (project / "no").exists()


def test_the_help_of_a_command_that_writes_does_not_say_that_nothing_is_changed(run: Run) -> None:
    for command in ("show", "check", "fix", "annotate", "explain"):
        told = " ".join(run(command, "--help").out.split())
        writes = "--write" in told
        assert ("it is changed only with --write" in told) is writes
        assert ("nothing of it is changed" in told) is not writes


def test_named_sizes(run: Run) -> None:
    ran = run("show", "net.py:CNN", "3,H,W")
    assert ran.status == 0
    assert "1×3×H×W" in ran.out
    assert "\naccepts H, W " in ran.out


# Usage errors


@pytest.mark.parametrize(
    ("words", "said", "proposed"),
    [
        ("net.py:CNN 3,32,32", "write convlin show net.py:CNN 3,32,32", "show net.py:CNN 3,32,32"),
        ("net.py:CNN", "write convlin show net.py:CNN 3,32,32", "show net.py:CNN 3,32,32"),
        ("net.py 3,32,32", "write convlin show net.py 3,32,32", None),  # which says that it has four models
        ("script.py", "write convlin run script.py, or convlin show script.py 3,32,32", "run script.py"),
        ("script.py --epochs 3", "write convlin run script.py --epochs 3", "run script.py --epochs 3"),
        ("show net.py::CNN 3,32,32", "write net.py:CNN", "show net.py:CNN 3,32,32"),
        ("show net.py:CNN 3,32,32 --batch 8", "write --batch-size 8", "show net.py:CNN 3,32,32 --batch-size 8"),
        ("show net.py:CNN 3,32,32 --json", "write --format json", "show net.py:CNN 3,32,32 --format json"),
        ("show net.py:make 3,32,32 --classes 5", "--kwargs classes=5", "show net.py:make 3,32,32 --kwargs classes=5"),
        ("show net.py:make 3,32,32 --classes=5", "--kwargs classes=5", "show net.py:make 3,32,32 --kwargs classes=5"),
        ("explain net.py:CNN 3,32,32 fc1", "write --layer fc1", "explain net.py:CNN 3,32,32 --layer fc1"),
        (
            "explain 'nn.Conv2d(3, 16, 3)' 3,32,32",
            "write convlin explain Conv2d 3,32,32 --kwargs '3, 16, 3'",
            "explain Conv2d 3,32,32 --kwargs '3, 16, 3'",
        ),
    ],
)
def test_what_is_proposed_in_place_of_a_command_can_be_run(
    run: Run, words: str, said: str, proposed: str | None
) -> None:
    Path("script.py").write_text("")
    ran = run(*shlex.split(words))
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert proposed is None or run(*shlex.split(proposed)).status == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "convlin: the following arguments are required: COMMAND (see convlin --help)"),
        (["frob"], "argument COMMAND: invalid choice: 'frob'"),
        (["show"], "convlin show: the following arguments are required: MODEL (see convlin show --help)"),
        (["explain"], "convlin explain: the following arguments are required: MODEL (see convlin explain --help)"),
        (
            ["show", "net.py:CNN", "3,32,32", "--colums", "layer"],
            "convlin: unrecognized arguments: --colums layer; did you mean '--columns'?",
        ),
        (["show", "net.py:CNN", "3,32,32", "--batch_size", "4"], "did you mean '--batch-size'?"),
        (["show", "net.py:CNN", "-1,3,32,32"], "-1,3,32,32; sizes are positive, without the batch, as in 3,32,32"),
        (["show", "note.ipynb:net", "3"], "note.ipynb is a notebook: write %load_ext convlin and"),
        (["show", "src/pkg:Net", "3"], "src/pkg is a directory: write path/net.py:Net"),
        (["show", "src/pkg/notes.txt:Net", "3"], "src/pkg/notes.txt is not a Python file: write path/net.py:Net"),
        (["show", "pkg.inner:Net", "3"], "'pkg' here or among the installed packages: write src/pkg/inner.py:Net"),
        (["show", "pkg:Net", "3"], "among the installed packages: write src/pkg/__init__.py:Net"),
        (["show", "net.py:make(3, 4)", "3"], "'make(3, 4)' is not a name: write net.py:make and --kwargs '3, 4'"),
        (["show", "net.py:CNN()", "3"], "'CNN()' is not a name: write net.py:CNN\n"),
        (["show", "torch.nn:Linear", "3", "--kwargs", "3"], "write --kwargs '3, out_features=…'"),
        (["explain", "Conv2d", "3,32,32", "--kwargs", "kernel=3"], "it has no 'kernel'; did you mean 'kernel_size'?"),
        (["show", "net.py:CNN", "3,32,32", "--depth", "x"], "convlin show: argument --depth: invalid int value: 'x'"),
        (["show", "net.py:CNN", "3,32,32", "--format", "pdf"], "invalid choice: 'pdf'"),
        (["show", "net.py", "3,32,32"], "net.py has 4 models: write one of net.py:CNN, net.py:Wrong, net.py:Raises"),
        (["show", "net", "3,32,32"], "'net' names no model: write pkg.module:Net or path/net.py:Net"),
        (["show", "other.py", "3"], "other.py does not exist"),
        (["show", "net.py:", "3"], "'net.py:' names no model: write pkg.module:Net or path/net.py:Net"),
        (["show", "pkg.inner.Net", "3"], "'pkg.inner.Net' names no model: write pkg.inner:Net, or path/net.py:Net"),
        (["shwo", "net", "3"], "'shwo' is not a command; did you mean 'show'?"),
        (["check", "net.py:CNN", "3,32,32", "--csv"], "unrecognized arguments: --csv (see"),
        (["explain", "Dense", "3"], "torch.nn has no layer 'Dense'; a layer of torch.nn is named as Conv2d is"),
        (["explain", "net.py:CNN", "3,32,32", "10"], "write the sizes of one input: 3,32,32"),
        (["show", "other.py:CNN", "3"], "other.py does not exist"),
        (["show", "net.txt/x:CNN", "3"], "net.txt/x does not exist"),
        (["show", "net.ipynb:CNN", "3"], "net.ipynb does not exist: write path/net.py:Net"),
        (["show", "net.py:CNm", "3"], "net.py has no 'CNm'; did you mean 'CNN'?"),
        (["show", "net.py:Zzz", "3"], "net.py has no 'Zzz'; its models are CNN, Wrong, Raises, Two, ready"),
        (["show", "no_such_module:CNN", "3"], "there is no module 'no_such_module' here or among the"),
        (["show", "torch.nope.deeper:CNN", "3"], "there is no module 'torch.nope'"),
        (["show", "a b:CNN", "3"], "'a b' is neither a module nor a file"),
        (["show", "net.py:Config", "3"], "net.py:Config is a class, but not an nn.Module"),
        (
            ["show", "net.py:number", "3"],
            "net.py:number is of type int: name an nn.Module, or a class or function that makes one",
        ),
        (["show", "net.py:tuple_of", "3"], "net.py:tuple_of returned a tuple, not an nn.Module"),
        (["show", "net.py:ready", "3,2,2", "--kwargs", "a=1"], "net.py:ready is a model that is already made"),
        (
            ["show", "net.py:make", "3", "--kwargs", "clases=3"],
            "net.py:make(classes=10) cannot be called with clases=3: it has no 'clases'; did you mean 'classes'?",
        ),
        (["show", "net.py:make", "3", "--kwargs", "{3"], "--kwargs '{3' cannot be read: write --kwargs"),
        (["show", "net.py:make", "3", "--kwargs", "open('x')"], "cannot be read"),
        (["show", "net.py:make", "3", "--kwargs", "**{}"], "cannot be read"),
        (["show", "net.py:make", "3", "--kwargs", "{1: 2}"], "cannot be read"),
        (["show", "net.py:Two", "3", "3", "--forward-kwargs", "3"], "--forward-kwargs takes arguments with names"),
        (
            ["show", "net.py:CNN", "3,32,3.2"],
            "'3,32,3.2' is not a valid input: write the sizes of one sample without the batch",
        ),
        (["show", "net.py:CNN", "3,,32"], "'3,,32' is not a valid input"),
        (["show", "net.py:CNN", "0,32,32"], "0 in the shape (0, 32, 32) is not a valid size"),
        (["show", "net.py:CNN", "3", "32", "32"], "write 3,32,32: the sizes of one input are one word"),
        (["show", "net.py:CNN", "3,32,32", "5"], "write the sizes of one input: 3,32,32"),
        (["show", "net.py:Two", "3"], "write a=3,32,32 b=3,32,32 with the sizes of each"),
        (["show", "net.py:CNN", "x=3,32,32", "5"], "some of the inputs x=3,32,32 5 have names"),
        (["show", "net.py:CNN", "y=3,32,32"], "CNN.forward(x) has no 'y': it takes x\n"),
        (["show", "net.py:CNN", "3,32,32", "--dtypes", "flaot32"], "'flaot32' is not a valid dtype"),
        (["show", "net.py:Two", "3", "3", "--dtypes", "a=long", "--dtypes", "half"], "some --dtypes have names"),
        (["show", "net.py:CNN", "3,32,32", "--device", "cud"], "PyTorch knows: write --device cpu, cuda or meta\n"),
        (["show", "net.py:CNN", "3,32,32", "--depth", "-1"], "--depth -1 is not a valid depth: write 0, 1, 2, …\n"),
        (["show", "net.py:CNN", "3,32,32", "--hide", "|"], "--hide '|' names nothing: write types or paths, "),
        (["show", "net.py:CNN", "3,32,32", "--batch-size", "0"], "--batch-size 0 is not a valid batch size"),
        (["check", "net.py:CNN"], "net.py:CNN needs an input to be checked with"),
        *(
            ([command], f"no pyproject.toml: write convlin {command} net.py:Net 3,32,32\n")
            for command in ("check", "fix", "annotate")
        ),
        (
            ["diff", "no.shapes", "net.py"],
            "there is no lock no.shapes: write it with convlin check net.py:Net 3,32,32 --lock no.shapes --update",
        ),
        (["check", "net.py:CNN", "3,32,32", "--update"], "--update writes locks, and none is named: add --lock FILE"),
        (["check", "net.py:CNN", "3,32,32", "--lock", "no.shapes"], "there is no lock no.shapes: write it with"),
        (["check", "net.py:CNN", "3,32,32", "--lock", "net.py"], "net.py is not a convlin lock"),
        (["fix", "net.py:CNN"], "net.py:CNN needs an input to be run with"),
        (["explain", "Conv2d"], "Conv2d needs an input: write convlin explain Conv2d 3,32,32"),
        (["explain", "Conv2d", "3,32,32", "--layer", "fc1"], "--layer is for a model, such as net.py:Net, and"),
        (["explain", "Conv2d", "3,32,32", "--batch-size", "8"], "--batch-size is for a model"),
        (["explain", "Conv2d", "3,32,32", "--trials", "140"], "--trials is for a model"),
        (["show", "net.py:CNN", "3,H,W", "--trials", "many"], "--trials many is not a valid number of trials"),
        (["show", "net.py:CNN", "3,H,W", "--trials", "7"], "--trials 7 is not a valid number of trials: write 70"),
        (["show", "net.py:CNN", "3,32,32", "--trials", "140"], "--trials 140 is for named sizes"),
        (["explain", "net.py:CNN", "3,32,32", "--layer", "fc2"], "--layer fc2: there is no module 'fc2'; did you mean"),
    ],
)  # fmt: skip
def test_usage_errors_are_one_line(words: list[str], said: str, run: Run, project: Path) -> None:
    write(project / "note.ipynb", "{}")
    for name in ("__init__.py", "inner.py", "notes.txt"):
        write(project / "src" / "pkg" / name, "")
    ran = run(*words)
    assert ran.status == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert ran.out == ""


def test_help(run: Run) -> None:
    assert run("--help").status == 0
    assert "convlin 0." in run("--version").out
    for name in ("show", "check", "fix", "explain"):
        ran = run(name, "--help")
        assert ran.status == 0
        assert f"convlin {name} " in ran.out
        assert "examples:" in ran.out
        assert "exit status: 0 fine; 1 a shape problem" in ran.out.replace("\n", " ")
        assert "imported, which runs its code" in ran.out


def test_help_and_usage_errors_need_no_torch() -> None:
    code = """
        import contextlib, sys
        from convlin.cli import main
        for words in (["--help"], ["check", "--help"], ["frob"], ["show", "a.py:B", "--nope"], ["check"]):
            with contextlib.suppress(SystemExit):
                main(words)
        assert "torch" not in sys.modules
    """
    processes.python(textwrap.dedent(code))


# The user's code


def test_error_in_forward_is_told_with_the_users_traceback(run: Run, project: Path) -> None:
    for name in ("show", "check"):
        ran = run(name, "net.py:Raises", "4")
        assert ran.status == 1
        assert f'File "{project / "net.py"}"' in ran.err
        assert "return x.nonsense" in ran.err
        assert "AttributeError: 'Tensor' object has no attribute 'nonsense'" in ran.err
        assert re.search(r"fc +Linear +1×4 +1×3 ", ran.err)
        assert "convlin: running net.py:Raises raised the error above" in ran.err
        assert f"{Path(convlin.__file__).parent}{os.sep}" not in ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import torch\n1/0\n",
            "ZeroDivisionError: division by zero\nconvlin: importing bad.py raised the error above",
        ),
        ("def f(:\n", "SyntaxError: invalid syntax\nconvlin: importing bad.py raised"),
        ("import not_there_at_all\n", "ModuleNotFoundError: No module named 'not_there_at_all'\nconvlin: importing"),
        ("raise SystemExit(7)\n", "SystemExit: 7\nconvlin: importing bad.py raised"),
        (
            "try:\n    1/0\nexcept ZeroDivisionError as e:\n    raise KeyError(3) from e\n",
            "direct cause of the following",
        ),
        ("def Net():\n    raise KeyError('mine')\n", "KeyError: 'mine'\nconvlin: making bad.py:Net raised"),
        ("def __getattr__(name):\n    raise OSError('mine')\n", "OSError: mine\nconvlin: looking up bad.py:Net raised"),
        (
            "from convlin import InputError\nraise InputError('mine')\n",
            "convlin.errors.InputError: mine\nconvlin: importing",
        ),
    ],
)
def test_error_while_importing_or_making(text: str, said: str, run: Run, project: Path) -> None:
    (project / "bad.py").write_text(text)
    ran = run("show", "bad.py:Net", "3")
    assert ran.status == 1
    assert said in ran.err
    assert str(project / "bad.py") in ran.err
    assert f"{Path(convlin.__file__).parent}{os.sep}" not in ran.err
    assert "importlib" not in ran.err
    assert ran.out == ""


def test_what_the_user_prints_stays_out_of_the_answer(run: Run, project: Path) -> None:
    write(
        project / "loud.py",
        """
        from torch import nn
        print("importing")
        class Net(nn.Linear):
            def forward(self, x):
                print("running")
                return super().forward(x)
        """,
    )
    ran = run("show", "loud.py:Net", "4", "--kwargs", "4, 3", "--format", "json")
    assert json.loads(ran.out)["model"] == "Net"
    assert "importing\n" in ran.err
    assert "running\n" in ran.err


def test_nothing_is_left_behind(run: Run, project: Path) -> None:
    write(project / "app/blocks.py", "from torch import nn\nblock = nn.Linear(4, 3)\n")
    write(
        project / "app/net.py",
        """
        import os, sys
        from torch import nn
        from blocks import block
        sys.path.append("/nowhere")
        os.chdir("/")
        assert sys.argv == [__file__]
        assert __name__ == "net"
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.block = block
            def forward(self, x):
                import late
                return late.double(self.block(x))
        """,
    )
    write(project / "app/late.py", "def double(x):\n    return 2 * x\n")
    before = list(sys.path), list(sys.argv), os.getcwd(), set(sys.modules), sys.dont_write_bytecode
    ran = run("show", "app/net.py:Net", "4")
    assert ran.status == 0, ran.err
    assert (list(sys.path), list(sys.argv), os.getcwd(), sys.dont_write_bytecode) == (*before[:3], before[4])
    assert not {"net", "blocks", "late"} & (set(sys.modules) - before[3])
    assert sorted(path.name for path in project.rglob("*") if path.is_file()) == [
        "blocks.py",
        "late.py",
        "net.py",
        "net.py",
    ]


def test_a_file_named_like_a_module_does_not_take_its_place(run: Run, project: Path) -> None:
    import types

    for name in ("types", "torch", "pytest", "two-words"):
        write(project / f"odd/{name}.py", "from torch import nn\nimport types\nnet = nn.Linear(4, 3)\n")
        ran = run("show", f"odd/{name}.py:net", "4")
        if name == "torch":  # ``from torch import nn`` finds torch, which is known already
            assert ran.status == 0, ran.err
        assert ran.status == 0, ran.err
    assert sys.modules["types"] is types


def test_a_file_of_a_package_is_imported_as_part_of_it(run: Run, project: Path) -> None:
    write(project / "src/pkg/__init__.py", "")
    write(project / "src/pkg/parts/__init__.py", "from ..blocks import width\n")
    write(project / "src/pkg/blocks.py", "width = 3\n")
    write(project / "src/pkg/parts/net.py", "from torch import nn\nfrom . import width\nnet = nn.Linear(4, width)\n")
    assert "1×3" in run("show", "src/pkg/parts/net.py:net", "4").out
    (project / "here.py").write_text("from torch import nn\nclass A:\n    net = nn.Linear(4, 6)\n")
    assert "1×6" in run("show", "here:A.net", "4").out


def test_files_of_the_same_name_in_two_places(run: Run, project: Path) -> None:
    for place, width in (("a", 3), ("b", 5)):
        write(project / f"{place}/blocks.py", f"width = {width}\n")
        write(
            project / f"{place}/model.py", "from torch import nn\nfrom blocks import width\nnet = nn.Linear(4, width)\n"
        )
    write(
        project / "pyproject.toml",
        """
        [tool.convlin]
        models = [{ model = "a/model.py:net", input = [4] }, { model = "b/model.py:net", input = "4" }]
        """,
    )
    ran = run("check", "--format", "json")
    assert ran.status == 0
    assert [each["ok"] for each in json.loads(ran.out)["models"]] == [True, True]
    assert "1×3" in run("show", "a/model.py:net", "4").out
    assert "1×5" in run("show", "b/model.py:net", "4").out


def test_a_model_made_on_the_meta_device(run: Run, project: Path) -> None:
    """Forty terabytes of parameters, and a constructor that cannot run there and falls back."""
    (project / "big.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Big(nn.Linear):\n    def __init__(self):\n        super().__init__(10**6, 10**7)\n"
        "class Reads(nn.Linear):\n    def __init__(self):\n        super().__init__(int(torch.ones(1).item()) + 3, 2)\n"
    )
    assert "1×10000000" in run("show", "big.py:Big", "1000000", "--device", "meta").out
    assert "1×2" in run("show", "big.py:Reads", "4", "--device", "meta").out


# check


def test_check_fine(run: Run) -> None:
    ran = run("check", "net.py:CNN", "3,32,32")
    assert (ran.status, ran.out, ran.err) == (0, "✓ net.py:CNN  input 1×3×32×32  6 calls\n", "")


def test_check_wrong(run: Run) -> None:
    ran = run("check", "net.py:Wrong", "3,32,32")
    assert ran.status == 1
    assert ran.out.startswith("✗ net.py:Wrong  input 1×3×32×32\n  ✗ conv: ")
    assert "    fix  net.py:21   self.conv = nn.Conv2d(3, 8, 3)   # gray\n" in ran.out
    assert "  ✗ head.1: Linear(in_features=999, out_features=64) receives 7200 features\n" in ran.out


def test_check_against_a_lock(run: Run, project: Path) -> None:
    words = ("check", "net.py:CNN", "3,32,32", "--lock", "locks/net.shapes")
    ran = run(*words, "--update")
    assert ran.status == 0
    assert "  written locks/net.shapes: review and commit it\n" in ran.out
    assert run(*words).out == "✓ net.py:CNN  input 1×3×32×32  6 calls, matches locks/net.shapes\n"
    assert "locks/net.shapes is up to date" in run(*words, "--update").out
    before = (project / "locks/net.shapes").read_bytes()
    ran = run(*words, "--kwargs", "classes=7")
    assert ran.status == 1
    assert "✗ net.py:CNN" in ran.out
    assert "  does not match locks/net.shapes: 2 reshaped, 1 with other params\n" in ran.out
    assert re.search(r"  reshaped +fc1 +-> 1x10 +-> 1x7\n", ran.out)
    assert "If this is intended, add --update" in ran.out
    assert (project / "locks/net.shapes").read_bytes() == before
    assert "changed locks/net.shapes" in run(*words, "--kwargs", "classes=7", "--update").out
    (project / "locks/net.shapes").write_bytes(before[:80])
    ran = run(*words)
    assert ran.status == 2
    assert "locks/net.shapes is damaged at line" in ran.err
    assert run(*words, "--update").status == 0
    assert (project / "locks/net.shapes").read_bytes() == before


def test_a_lock_that_cannot_be_written_is_a_usage_error(run: Run, project: Path) -> None:
    (project / "taken.shapes").mkdir()
    code = (project / "net.py").read_bytes()
    for lock, said in (
        ("taken.shapes", "taken.shapes cannot be written: Is a directory"),
        ("net.py/net.shapes", "net.py cannot be written: "),
        ("net.py", "net.py is not a convlin lock, and is left as it is"),
    ):
        ran = run("check", "net.py:CNN", "3,32,32", "--lock", lock, "--update")
        assert (ran.status, ran.out) == (2, "")
        assert said in ran.err
        assert len(ran.err.splitlines()) == 1
    assert (project / "net.py").read_bytes() == code


def test_a_wrong_model_is_not_locked(run: Run, project: Path) -> None:
    ran = run("check", "net.py:Wrong", "3,32,32", "--lock", "net.shapes", "--update")
    assert ran.status == 1
    assert not (project / "net.shapes").exists()


def test_check_as_json(run: Run) -> None:
    run("check", "net.py:CNN", "3,32,32", "--lock", "net.shapes", "--update")
    ran = run("check", "net.py:CNN", "3,32,32", "--lock", "net.shapes", "--kwargs", "classes=7", "--format", "json")
    assert ran.status == 1
    data = json.loads(ran.out)
    assert data["version"] == 1
    (model,) = data["models"]
    assert (model["target"], model["model"], model["ok"], model["problems"]) == ("net.py:CNN", "CNN", False, [])
    assert [(each["kind"], each["path"], each["now"]) for each in model["differences"]] == [
        ("reshaped", "fc1", "-> 1x7"),
        ("params", "fc1", "14343"),
        ("reshaped", "", "-> 1x7"),
    ]
    assert model["differences"][0]["line"] == 11
    (model,) = json.loads(run("check", "net.py:Wrong", "3,32,32", "--format", "json").out)["models"]
    first, second = model["problems"]
    assert (first["kind"], first["path"], first["declared"], first["required"]) == ("in_channels", "conv", 1, 3)
    assert (second["path"], second["required"], second["line"]) == ("head.1", 7200, 24)
    assert second["file"].endswith("net.py")
    (model,) = json.loads(run("check", "net.py:Raises", "4", "--format", "json").out)["models"]
    assert "AttributeError" in model["raised"]


def test_check_as_annotations(run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run("check", "net.py:Wrong", "3,32,32", "--format", "github")
    assert ran.status == 1
    first, second = ran.out.splitlines()
    assert first.startswith("::error file=net.py,line=21,title=net.py%3AWrong conv::Conv2d(1, 8")
    assert second.startswith("::error file=net.py,line=24,title=net.py%3AWrong head.1::Linear(in_features=999")
    assert "%0Afix: nn.Linear(7200, 64)" in second
    assert run("check", "net.py:CNN", "3,32,32", "--format", "github").out == "✓ net.py:CNN  input 1×3×32×32\n"
    ran = run("check", "net.py:Raises", "4", "--format", "github")
    assert ran.out.startswith("::error file=net.py,line=39,title=convlin::running net.py:Raises raised AttributeError")
    assert "return x.nonsense" in ran.err
    ran = run("check", "net.py:CNm", "4", "--format", "github")
    assert ran.status == 2
    assert ran.out == "::error file=net.py,line=1,title=convlin::net.py has no 'CNm'; did you mean 'CNN'?\n"
    run("check", "net.py:CNN", "3,32,32", "--lock", "net.shapes", "--update")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.parent))
    ran = run("check", "net.py:CNN", "3,32,32", "--lock", "net.shapes", "--kwargs", "classes=7", "--format", "github")
    assert (
        f"::error file={project.name}/net.py,line=11,title=net.py%3ACNN fc1::does not match net.shapes: reshaped fc1"
        in ran.out
    )


def test_an_annotation_of_a_file_that_cannot_be_read(run: Run, project: Path) -> None:
    (project / "broken.py").write_text("from torch import nn\nclass Net(nn.Module:\n    pass\n")
    ran = run("check", "broken.py:Net", "3", "--format", "github")
    assert ran.status == 1
    assert ran.out.startswith("::error file=broken.py,line=2,title=convlin::importing broken.py raised SyntaxError")


def test_annotations_are_escaped_and_few(run: Run, project: Path) -> None:
    outside = project.parent / "elsewhere.py"
    assert annotated(Annotation(Location(str(outside), 3), "t", "m")).startswith(f"::error file={outside.as_posix()},")
    note = Annotation(Location("a,b:c.py", 3), "50%, all", "100%\r\nnext: one")
    assert annotated(note).endswith("a%2Cb%3Ac.py,line=3,title=50%25%2C all::100%25%0D%0Anext: one")
    assert annotated(Annotation(None, "t", "m")) == "::error title=t::m"
    write(
        project / "many.py",
        """
        from torch import nn
        class Many(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList(nn.Linear(7, 4) for _ in range(12))
            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x
        """,
    )
    lines = run("check", "many.py:Many", "4", "--format", "github").out.splitlines()
    assert len(lines) == 10
    assert lines[-1].endswith("::and 3 more: run convlin check many.py:Many")


CONFIGURED = """
    [tool.convlin]
    models = [
        { model = "net.py:CNN", input = "3,32,32", lock = "cnn.shapes" },
        { model = "net.py:make", input = [3, 32, 32], kwargs = { classes = 7 }, batch_size = 2, mode = "train" },
        { model = "net:Two", input = ["5", "7"], dtypes = ["long", "int32"], forward_kwargs = { scale = 2 } },
        { model = "net.py:Two", input = { a = [5], b = "7" }, dtypes = { a = "half" }, device = "meta" },
        { model = "net.py:Two", input = [["A"], ["B"]], trials = 140 },
    ]
"""


def test_configured_models(run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "pyproject.toml", CONFIGURED)
    ran = run("check")
    assert ran.status == 2
    assert "there is no lock cnn.shapes" in ran.err
    assert ran.out.count("✓") == 4
    ran = run("check", "--update")
    assert ran.status == 0
    assert "written cnn.shapes" in ran.out
    ran = run("check")
    assert ran.status == 0
    assert ran.out.splitlines() == [
        "✓ net.py:CNN  input 1×3×32×32  6 calls, matches cnn.shapes",
        "✓ net.py:make  input 2×3×32×32  6 calls",
        "✓ net:Two  input a=1×5, b=1×7  2 calls",
        "✓ net.py:Two  input a=1×5, b=1×7  2 calls",
        "✓ net.py:Two  input a=1×A, b=1×B  2 calls",
        "5 models, none with problems",
    ]
    (project / "deep/er").mkdir(parents=True)
    monkeypatch.chdir(project / "deep/er")
    assert run("check").status == 0
    with (project / "pyproject.toml").open("a") as file:
        file.write('[[tool.other.models]]\nmodel = "x"\n')
    assert run("check").status == 0


@pytest.mark.usefixtures("proved_here")
def test_the_last_line_is_the_command_that_fixes(run: Run, project: Path) -> None:
    ran = run("check", "net.py:Wrong", "3,32,32", "--mode", "train", "--batch-size", "2")
    last = ran.out.splitlines()[-1]
    assert last == "2 problems, 2 can be fixed: convlin fix net.py:Wrong 3,32,32 --mode train --batch-size=2"
    assert (
        run("show", "net.py:Wrong", "3,32,32").err == "2 problems, 2 can be fixed: convlin fix net.py:Wrong 3,32,32\n"
    )
    assert run(*last.partition(": convlin ")[2].split(), "--write").status == 0
    assert run("check", "net.py:Wrong", "3,32,32").status == 0
    write(
        project / "odd.py",
        """
        import torch
        from torch import nn

        class Odd(nn.Module):
            def forward(self, x):
                return x @ torch.ones(5, 2)
        """,
    )
    ran = run("check", "odd.py:Odd", "4")
    assert ran.out.splitlines()[-1] == "1 problem, none that convlin fix can write"
    assert run("fix", "odd.py:Odd", "4").out == ""


def test_one_wrong_model_among_several(run: Run, project: Path) -> None:
    write(
        project / "pyproject.toml",
        """
        [[tool.convlin.models]]
        model = "net.py:Wrong"
        input = "3,32,32"
        [[tool.convlin.models]]
        model = "net.py:Raises"
        input = "4"
        [[tool.convlin.models]]
        model = "net.py:CNN"
        input = "3,32,32"
        """,
    )
    ran = run("check")
    assert ran.status == 1
    assert [line[:13] for line in ran.out.splitlines() if line.startswith(("✗", "✓"))] == [
        "✗ net.py:Wron",
        "✗ net.py:Rais",
        "✓ net.py:CNN ",
    ]
    assert ran.out.endswith("3 models, 2 with problems\n2 problems, 2 can be fixed: convlin fix\n")
    assert "return x.nonsense" in ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "pyproject.toml lists none under [tool.convlin]: write"),
        ("[tool.convlin]\n", "lists none under [tool.convlin]"),
        ("[tool]\nconvlin = 3\n", "lists none under [tool.convlin]"),
        ("[tool.convlin\n", "pyproject.toml cannot be read: "),
        ('[tool.convlin]\nmodels = ["net.py:CNN"]\n', 'pyproject.toml, model 1: write { model = "net.py:Net"'),
        ("[tool.convlin]\nmodel = 3\nmodels = [{ model = 'a:b' }]\n", "has 'model', and its keys are 'models' and"),
        ("[tool.convlin]\nmodels = [{ model = 'a:b', inptu = '3' }]\n", "has no key 'inptu'; did you mean 'input'?"),
        ("[tool.convlin]\nmodels = [{ model = 'a:b', input = 3.5 }]\n", "input = 3.5 is not a valid input"),
        ("[tool.convlin]\nmodels = [{ model = 'a:b', mode = 3 }]\n", "mode = 3 should be a text"),
        ("[tool.convlin]\nmodels = [{ model = 'a:b', dtypes = 3 }]\n", "dtypes = 3 is not a valid dtype"),
        ("[tool.convlin]\nmodels = [{ model = 'a:b', kwargs = 3 }]\n", "kwargs = 3 cannot be passed"),
        ("[tool.convlin]\nmodels = [{ model = 'a:b', kwargs = { a = 1979-05-27 } }]\n", "cannot be passed"),
    ],
)  # fmt: skip
def test_configuration_that_cannot_be_right(text: str, said: str, run: Run, project: Path) -> None:
    (project / "pyproject.toml").write_text(text)
    ran = run("check")
    assert ran.status == 2
    assert said in ran.err
    ran = run("check", "net.py:CNN", "3,32,32")  # not looked at where a model is named
    assert ran.status == 0


def test_one_size_is_an_input(run: Run, project: Path) -> None:
    write(project / "pyproject.toml", "[tool.convlin]\nmodels = [{ model = 'net.py:ready', input = 12 }]\n")
    ran = run("check")
    assert ran.status == 0
    assert ran.out.startswith("✓ net.py:ready  input 1×12  ")


def test_sizes_in_json_are_lists_of_numbers(run: Run) -> None:
    (model,) = json.loads(run("check", "net.py:CNN", "3,1,1", "--format", "json").out)["models"]
    (problem,) = model["problems"]
    assert (problem["kind"], problem["declared"]) == ("too_small", [1, 1])


def test_lock_and_configuration(run: Run, project: Path) -> None:
    write(project / "pyproject.toml", CONFIGURED)
    ran = run("check", "--lock", "net.shapes")
    assert ran.status == 2
    assert "--lock is for one model" in ran.err


# fix


def test_fix_prints_a_patch(run: Run, project: Path) -> None:
    before = (project / "net.py").read_bytes()
    ran = run("fix", "net.py:Wrong", "3,32,32")
    assert ran.status == 1
    assert ran.out == textwrap.dedent(
        """\
        --- a/net.py
        +++ b/net.py
        @@ -18,10 +18,10 @@
         class Wrong(nn.Module):
             def __init__(self):
                 super().__init__()
        -        self.conv = nn.Conv2d(1, 8, 3)   # gray
        +        self.conv = nn.Conv2d(3, 8, 3)   # gray
                 self.head = nn.Sequential(
                     nn.Flatten(),
        -            nn.Linear(999, 64),  # how many?
        +            nn.Linear(7200, 64),  # how many?
                     nn.Linear(64, 10),
                 )
        ~
        """
    ).replace("~", " ")
    assert (project / "net.py").read_bytes() == before
    if shutil.which("patch"):
        processes.run("patch", "-p1", "--quiet", "--batch", input=ran.out)
        assert run("check", "net.py:Wrong", "3,32,32").status == 0


def test_fix_writes_and_proves(run: Run, project: Path) -> None:
    """Byte for byte the same but for the two numbers: line ends, tabs, no end of line, permissions."""
    path = project / "net.py"
    text = path.read_text().replace("   # gray", "\t# gray: é").replace("\n", "\r\n").rstrip()
    path.write_bytes(b"# -*- coding: latin-1 -*-\r\n" + text.encode("latin-1"))
    path.chmod(0o755)
    before = path.read_bytes()
    ran = run("fix", "net.py:Wrong", "3,32,32", "--write")
    assert ran.status == 0, ran.err
    assert ran.err == "net.py:Wrong: no problem left\nwritten net.py\n"
    assert path.read_bytes() == before.replace(b"Conv2d(1,", b"Conv2d(3,").replace(b"999", b"7200")
    assert path.stat().st_mode & 0o777 == 0o755
    assert run("check", "net.py:Wrong", "3,32,32").status == 0
    assert sorted(each.name for each in project.iterdir()) == ["net.py"]
    ran = run("fix", "net.py:Wrong", "3,32,32", "--write")
    assert (ran.status, ran.out, ran.err) == (0, "", "nothing to fix\n")


@pytest.mark.usefixtures("proved_here")
def test_fix_puts_back_what_does_not_help(run: Run, project: Path) -> None:
    write(
        project / "odd.py",
        """
        from torch import nn
        class Odd(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(5, 3)
            def forward(self, x):
                return self.fc(x.repeat(1, self.fc.in_features + 1))
        """,
    )
    before = (project / "odd.py").read_bytes()
    ran = run("fix", "odd.py:Odd", "1", "--write")
    assert ran.status == 1
    assert "the new run shows the same problems" in ran.err
    assert "this fixes nothing: odd.py put back as it was" in ran.err
    assert (project / "odd.py").read_bytes() == before


@pytest.mark.usefixtures("proved_here")
def test_fix_puts_back_what_breaks_the_file(run: Run, project: Path) -> None:
    """A module that compares itself with a number of its own."""
    write(
        project / "odd.py",
        """
        from torch import nn
        class Odd(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(5, 3)
                assert self.fc.in_features == 5
            def forward(self, x):
                return self.fc(x)
        """,
    )
    before = (project / "odd.py").read_bytes()
    ran = run("fix", "odd.py:Odd", "4", "--write")
    assert ran.status == 1
    assert "AssertionError" in ran.err
    assert "put back as it was" in ran.err
    assert (project / "odd.py").read_bytes() == before


@pytest.mark.usefixtures("proved_here")
def test_fix_leaves_alone_what_is_in_doubt(run: Run, project: Path) -> None:
    write(
        project / "loop.py",
        """
        from torch import nn
        class Loop(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList(nn.Linear(7, width) for width in (4, 5))
                self.head = nn.Linear(9, 2)
            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return self.head(x)
        """,
    )
    ran = run("fix", "loop.py:Loop", "3", "--write")
    assert ran.status == 1
    assert "skipped: layers.0 (in_features): " in ran.err
    assert "loop.py:Loop: 2 of 3 problems left" in ran.err
    text = (project / "loop.py").read_text()
    assert "nn.Linear(7, width)" in text
    assert "nn.Linear(5, 2)" in text


@pytest.mark.usefixtures("proved_here")
def test_fix_mends_a_view(run: Run, project: Path) -> None:
    write(
        project / "view.py",
        """
        from torch import nn
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 4, 3)
                self.fc = nn.Linear(2048, 2)
            def forward(self, x):
                x = self.conv(x)
                return self.fc(x.view(-1, 2048))  # one row each
        """,
    )
    ran = run("fix", "view.py:Net", "3,10,10", "--write")
    assert ran.status == 0, ran.err
    text = (project / "view.py").read_text()
    assert "self.fc(x.flatten(1))  # one row each" in text
    assert "nn.Linear(256, 2)" in text


def test_fix_nothing(run: Run) -> None:
    ran = run("fix", "net.py:CNN", "3,32,32")
    assert (ran.status, ran.out, ran.err) == (0, "", "nothing to fix\n")


def test_fix_a_file_that_may_not_be_written(run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    before = (project / "net.py").read_bytes()
    ran = run("fix", "net.py:Wrong", "3,32,32", "--write")
    assert ran.status == 1
    assert "nothing is changed: net.py may not be written to" in ran.err
    assert (project / "net.py").read_bytes() == before


def test_fix_interrupted_puts_back(run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import convlin.cli.fixing

    def interrupted(*_: object) -> None:
        assert b"7200" in (project / "net.py").read_bytes()
        raise KeyboardInterrupt

    monkeypatch.setattr(convlin.cli.fixing, "_problems_now", interrupted)
    before = (project / "net.py").read_bytes()
    assert run("fix", "net.py:Wrong", "3,32,32", "--write").status == 130
    assert (project / "net.py").read_bytes() == before


# explain


def test_explain(run: Run) -> None:
    pytest.importorskip("convlin.explanation.of_model")
    ran = run("explain", "Conv2d", "3,32,32", "--kwargs", "out_channels=16, kernel_size=3, stride=2")
    assert ran.status == 0, ran.err
    assert "(32 + 2·0 − 1·(3−1) − 1)/2" in ran.out
    assert "3·32" in run("explain", "nn.Flatten", "3,32,32").out or "3072" in run("explain", "Flatten", "3,32,32").out
    assert "15" in run("explain", "MaxPool2d", "3,32,32", "--kwargs", "3, 2").out
    ran = run("explain", "Conv2", "3,32,32")
    assert ran.status == 2
    assert "torch.nn has no layer 'Conv2'; did you mean 'Conv2d'?" in ran.err
    ran = run("explain", "Conv2d", "3,32,32", "--kwargs", "out_chanels=16")
    assert ran.status == 2
    assert "Conv2d(out_chanels=16) cannot be made: " in ran.err
    assert "write --kwargs" not in ran.err
    ran = run("explain", "Conv2d", "3,32,32", "--kwargs", "stride=2")
    assert ran.status == 2
    assert ran.err.endswith("write --kwargs 'stride=2, out_channels=…, kernel_size=…'\n")
    completed = "stride=2, out_channels=16, kernel_size=3"
    assert "1×16×15×15" in run("explain", "Conv2d", "3,32,32", "--kwargs", completed).out


def test_explain_a_layer_of_a_model(run: Run) -> None:
    ran = run("explain", "net.py:CNN", "3,32,32", "--layer", "fc1")
    assert ran.status == 0, ran.err
    assert ran.out.startswith("how fc1 gets its input size")
    assert "32·8·8 = 2048" in ran.out
    assert run("explain", "net.py:CNN", "3,32,32").out.endswith(ran.out)
    ran = run("explain", "net.py:CNN", "3,32,32", "--kwargs", "999", "--layer", "fc1")
    assert ran.status == 1
    assert "has in_features=999, but needs 32·8·8 = 2048" in ran.out


# A file alone


def test_a_file_is_its_one_model(run: Run, project: Path) -> None:
    write(project / "good.py", NET[: NET.index("class Wrong")] + "ready = CNN(7)\n")
    write(project / "made.py", "from torch import nn\nfrom net import CNN\nhead = nn.Linear(4, 2)\n")
    write(project / "empty.py", "from net import CNN\n")
    ran = run("show", "good.py", "3,32,32")
    assert ran.status == 0, ran.err
    assert ran.out == run("show", "good.py:CNN", "3,32,32").out
    assert run("check", "good.py", "3,32,32", "--kwargs", "7").status == 1
    assert run("explain", "good.py", "3,32,32", "--layer", "fc1").out.startswith("how fc1 gets")
    assert (
        "good.py:CNN(features=2048, classes=10) cannot be called" in run("show", "good.py", "3", "--kwargs", "x=1").err
    )
    assert "1×4" in run("show", "made.py", "4").out
    ran = run("show", "empty.py", "4")
    assert (ran.status, ran.err) == (2, "convlin: empty.py defines no nn.Module\n")


# A file that runs when it is imported

LOOP = """
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(999, 10)

        def forward(self, x):
            return self.fc(x.flatten(1))


    net = Net()
    for step in range(2):
        net(torch.zeros(4, 3, 8, 8))
"""


@pytest.mark.parametrize("words", [["show"], ["check"], ["fix"], ["explain"]])
def test_a_training_loop_at_module_level(words: list[str], run: Run, project: Path) -> None:
    write(project / "train.py", LOOP)
    ran = run(*words, "train.py:Net", "3,8,8")
    assert ran.status == 1
    assert "Traceback" not in ran.err
    with pytest.raises(RuntimeError) as raised:
        nn.Linear(999, 10)(torch.zeros(4, 192))
    assert ran.err == (
        "convlin: train.py:16 calls a model while train.py is imported, and that raised\n"
        f"    RuntimeError: {raised.value}\n"
        "Either run the script with convlin, which explains the error:   convlin run train.py\n"
        'or put train.py:15 and what follows it under:   if __name__ == "__main__":\n'
    )


def test_the_guard_that_it_asks_for_is_enough(run: Run, project: Path) -> None:
    loop = LOOP.replace("    for step in range(2):\n        net(", '    if __name__ == "__main__":\n        net(')
    write(project / "train.py", loop)
    assert "needs in_features=192, has 999" in run("show", "train.py:Net", "3,8,8").out


def test_a_class_that_follows_is_not_to_go_under_the_guard(run: Run, project: Path) -> None:
    script = """
        import argparse
        from torch import nn

        parser = argparse.ArgumentParser()
        parser.add_argument("--epochs", type=int, required=True)
        {}arguments = parser.parse_args()

        class Net(nn.Linear):
            def __init__(self):
                super().__init__(3, 4)

        {}print(Net(), arguments)
        """
    write(project / "script.py", script.format("", ""))
    ran = run("show", "script.py:Net", "3")
    assert ran.status == 1
    assert (
        "script.py:6 runs while the file is imported.\nPut it and what follows it, but for imports, classes and "
        in ran.err
    )
    guard = 'if __name__ == "__main__": '
    write(project / "script.py", script.format(guard, guard))
    assert run("show", "script.py:Net", "3").status == 0
    write(project / "script.py", script.format(guard, ""))
    assert run("show", "script.py:Net", "3").status == 1


def test_other_code_at_module_level_keeps_its_traceback(run: Run, project: Path) -> None:
    write(project / "train.py", LOOP.replace("net(torch", "open('no such file'); net(torch"))
    write(project / "net2.py", "from train import Net\n")
    advice = "train.py:15 runs while the file is imported.\nPut it and what follows it under:   if __name__"
    for file in ("train.py", "net2.py"):
        ran = run("check", f"{file}:Net", "3,8,8")
        assert ran.status == 1
        assert "FileNotFoundError: " in ran.err
        assert f"convlin: importing {file} raised the error above: {advice}" in ran.err
    write(project / "broken.py", "import no_such_module_anywhere\n")
    assert run("check", "broken.py:Net", "3").err.endswith("convlin: importing broken.py raised the error above\n")


# Values


def test_values() -> None:
    assert read_inputs([]) is None
    assert read_inputs(["128"]) == (128,)
    assert read_inputs(["3,H,W", "10"]) == [(3, "H", "W"), (10,)]
    assert read_inputs(["a=3,4", "b=5"]) == {"a": (3, 4), "b": (5,)}
    assert read_inputs(["3,"]) == (3,)
    assert read_inputs(["3×32×32"]) == (3, 32, 32)
    assert read_inputs(["3,32,32", "()"]) == [(3, 32, 32), ()]
    assert read_inputs(["x=3,32,32", "t=( )"]) == {"x": (3, 32, 32), "t": ()}
    assert read_batch_size("N") == "N"
    assert read_dtypes(["long"]) == "long"
    assert read_dtypes([]) is None
    assert read_arguments("", "--kwargs") == ((), {})
    assert read_arguments('{"a": null, "b": [1, true]}', "--kwargs") == ((), {"a": None, "b": [1, True]})
    for text in ("a b", "(", "{'a'}", "*[1]", "x)", "lambda: 3", "{"):
        with pytest.raises(InputError):
            read_arguments(text, "--kwargs")


# Streams


def test_the_real_command() -> None:
    done = command("check", "net.py:Wrong", "3,32,32")
    assert done.returncode == 1
    assert done.stdout.startswith("✗ net.py:Wrong")
    assert "\033" not in done.stdout
    assert done.stderr == ""


def test_python_dash_m_and_a_reader_that_stops() -> None:
    code = f"{shlex.quote(sys.executable)} -m convlin show net.py:CNN 3,32,32 | head -n 1"
    done = processes.run("bash", "-c", code)
    assert done.stdout == "CNN  input 1×3×32×32  cpu, eval\n"
    assert done.stderr == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_a_terminal(words: list[str]) -> tuple[str, str]:
    """What the command writes to the terminal that it takes its two streams for: standard output, standard error."""
    pty = pytest.importorskip("pty")
    streams = [pty.openpty(), pty.openpty()]
    texts = [b"", b""]

    def read(number: int) -> None:
        while True:
            try:
                data = os.read(streams[number][0], 4096)
            except OSError:  # how Linux tells the end
                return
            if not data:
                return
            texts[number] += data

    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    process = subprocess.Popen(
        [processes.script("convlin"), *words], stdin=subprocess.DEVNULL, stdout=streams[0][1], stderr=streams[1][1],
        env=env, start_new_session=True,
    )  # fmt: skip
    for _, end in streams:
        os.close(end)
    readers = [threading.Thread(target=read, args=(number,), daemon=True) for number in range(2)]
    for reader in readers:
        reader.start()
    processes.wait(process)
    for reader in readers:
        reader.join(processes.PATIENCE)
        assert not reader.is_alive(), "the terminal is still open"
    for start, _ in streams:
        os.close(start)
    return texts[0].decode(), texts[1].decode()


def test_color_and_sign_of_life_on_a_terminal(project: Path) -> None:
    write(project / "slow.py", "import time\ntime.sleep(1.3)\nfrom net import Wrong\n")
    out, err = on_a_terminal(["check", "slow.py:Wrong", "3,32,32"])
    assert "\033[31m✗ slow.py:Wrong" in out
    assert "\033[32m      fix  net.py:21" in out
    assert re.search(r"\rimporting slow\.py:Wrong: \d s", err)
    assert err.endswith("\r")
    assert "\033" not in err


def written(stdout: io.StringIO, monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """What a command in this process writes to its standard output."""
    monkeypatch.setenv("TERM", "xterm")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        main(words)
    return stdout.getvalue()


def test_output_that_carries_no_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python makes it where ``PYTHONIOENCODING`` is ``ascii``: a sign would be an error."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        assert main(["show", "net.py:CNN", "3,32,32"]) == 0
    stream.seek(0)
    assert "CNN  input 1x3x32x32  cpu, eval" in stream.read()


def test_the_shapes_beside_the_code_stand_apart_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["show", "net.py:Wrong", "3,32,32", "--source"]
    out = written(Terminal(), monkeypatch, *words)
    plain = written(io.StringIO(), monkeypatch, *words)
    assert "1×10" in plain
    assert re.sub(r"\033\[\d+m", "", out) == plain
    assert "\033[36m1×10\033[0m" in out
    assert "\033[31m✗ head.1 needs in_features=7200, has 999\033[0m" in out
    assert "\033[1mWrong.forward  net.py:" in out


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["check", "net.py:Wrong", "3,32,32"]
    assert "\033" in written(Terminal(), monkeypatch, *words)
    monkeypatch.setenv("NO_COLOR", "1")
    out = written(Terminal(), monkeypatch, *words)
    assert "✗ net.py:Wrong" in out
    assert "\033" not in out


def test_the_table_fits_the_width_that_is_asked_for(run: Run) -> None:
    wide = run("show", "net.py:CNN", "3,32,32").out
    narrow = run("show", "net.py:CNN", "3,32,32", "--width", "60", "--no-tree").out
    assert max(map(len, narrow.splitlines())) <= 60 < max(map(len, wide.splitlines())) <= 100


def test_painted() -> None:
    text = painted("--- a\n+++ b\n@@ 1 @@\n-x\n+y\n z\n✓ ok\nfc ✗  Linear\n    fix  a.py:3   x")
    assert [line[:5] if line.startswith("\033") else "" for line in text.split("\n")] == [
        "\033[1m-", "\033[1m+", "\033[36m", "\033[31m", "\033[32m", "", "\033[32m", "\033[31m", "\033[32m",
    ]  # fmt: skip


def test_sign_of_life_comes_late_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(convlin.cli.screen, "_PATIENCE", 0.05)
    before = threading.active_count()
    stderr = Terminal()
    screen = Screen(stderr=stderr)
    with screen.progress("waiting"):
        end = time.monotonic() + processes.PATIENCE
        while "waiting" not in stderr.getvalue():
            assert time.monotonic() < end
            time.sleep(0.01)
    shown = re.fullmatch(r"(?:\r(waiting: \d+ s))+\r( +)\r", stderr.getvalue())
    assert shown
    assert len(shown[2]) == len(shown[1])
    assert threading.active_count() == before
    silent = Terminal()
    quick = Screen(stderr=silent)
    monkeypatch.setattr(convlin.cli.screen, "_PATIENCE", 60)
    with pytest.raises(KeyError), quick.progress("nothing"):
        raise KeyError
    assert silent.getvalue() == ""
    assert threading.active_count() == before


def test_a_stream_that_is_closed_gets_nothing(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    monkeypatch.chdir(project)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
        assert main(["show", "net.py:CNN", "3,32,32"]) == 0


def test_streams_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stdout, stderr = Terminal(), Terminal()
    screen = Screen(stdout, stderr)
    with screen.progress("nothing"):
        screen.answer("✗ wrong")
    assert (stdout.getvalue(), stderr.getvalue()) == ("✗ wrong\n", "")
    monkeypatch.setenv("TERM", "xterm")
    screen.answer("✗ wrong")
    assert "\033[31m✗ wrong" in stdout.getvalue()
    monkeypatch.setenv("COLUMNS", "72")
    assert (screen.width(), Screen(io.StringIO()).width()) == (72, None)
    plain = io.TextIOWrapper(io.BytesIO(), "ascii", newline="\n")
    Screen(plain).answer("✓ 1×3 → ⌊3/2⌋")
    assert plain.buffer.getvalue() == b"ok 1x3 -> floor(3/2)\n"


def test_the_entry_points() -> None:
    data = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert data["scripts"] == {"convlin": "convlin.cli:main"}
    assert data["entry-points"]["pytest11"] == {"convlin": "convlin.pytest_plugin"}


@pytest.mark.usefixtures("proved_here")
def test_fix_writes_nothing_where_the_shape_holds_the_batch(run: Run, tmp_path: Path) -> None:
    source = """from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.flat, self.fc = nn.Flatten(), nn.Linear(784, 10)

    def forward(self, x):
        return self.fc(self.flat(x))
"""
    file = tmp_path / "net.py"
    file.write_text(source)
    assert run("fix", f"{file}:Net", "64,1,28,28", "--write").status != 0
    assert file.read_text() == source
    assert "Net 1,28,28 --batch-size=64" in run("show", f"{file}:Net", "64,1,28,28").out
