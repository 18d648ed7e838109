"""``docs/ci.md`` and ``examples/ci`` do what they say: every file is written, every command is run."""

from __future__ import annotations

import io
import os
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from torch import nn

from convlin import summarize
from convlin.cli import main
from tests import processes

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


class Command(NamedTuple):
    """A line behind ``$`` and what stands below it."""

    words: str
    expected: str


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Language, file name and text of every fenced block."""
    for match in re.finditer(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        yield match[1], match[2] or "", match[3]


def commands(text: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        words, _, expected = part.partition("\n")
        yield Command(words, expected)


@pytest.fixture(scope="module", autouse=True)
def _loaded_once() -> None:
    """pytester forgets what a run inside this process has imported; parts of the compiler cannot be imported again."""
    summarize(nn.Conv1d(2, 3, 3), (2, "L"))


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: modules come from here, and a file changed within a second is read again."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(pytester.path)
    return pytester.path


def run(command: str, folder: Path, pytester: pytest.Pytester) -> str:
    """What a command writes; those of Python run in this process, which has torch already."""
    match = re.fullmatch(r'convlin (.*?)( \|\| echo "exit \$\?"| \| tail -n 0)?', command)
    if match is not None:
        status, out, err = convlin(match[1])
        text = err if "tail" in (match[2] or "") else out + err
        assert status == 0 or "exit" in (match[2] or ""), text
        return text + (f"exit {status}\n" if status else "")
    program, *words = shlex.split(command)
    if program == "pytest":
        return f"{pytester.runpytest_inprocess(*words).stdout.str()}\n"
    if program == "python":
        before = set(sys.modules)
        with redirect_stdout(io.StringIO()) as out_of_it:
            runpy.run_path(str(folder / words[0]), run_name="__main__")
        for name in {name for name in sys.modules if (folder / f"{name}.py").exists()} - before:
            del sys.modules[name]
        return out_of_it.getvalue()
    return processes.run("bash", "-c", f"exec 2>&1; {command}", cwd=folder, check=False).stdout


def convlin(words: str) -> tuple[int, str, str]:
    """Status and output of a command of convlin's."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(shlex.split(words))
    return status, out.getvalue(), err.getvalue()


def fits(text: str, expected: str) -> bool:
    """Whether a text is as shown; ``…`` stands for anything."""
    pattern = re.escape(expected).replace(re.escape("…\n"), r"(?:.*\n)*?").replace("…", ".*")
    # An ellipsis at the end of a line stands for the rest of that line.
    pattern = re.sub(r"(?<=[^\n?])\(\?:\.\*\\n\)\*\?", r".*\\n", pattern)
    return re.fullmatch(pattern, text) is not None


@pytest.mark.usefixtures("proved_here")
@pytest.mark.parametrize(("page", "least"), [("ci.md", 15), ("shapes-in-code.md", 4)])
def test_the_page_does_what_it_shows(page: str, least: int, folder: Path, pytester: pytest.Pytester) -> None:
    ran = 0
    for language, name, text in blocks((ROOT / "docs" / page).read_text(encoding="utf-8")):
        if name:
            (folder / name).write_text(text, encoding="utf-8")
        elif language == "console":
            for command in commands(text):
                shown = run(command.words, folder, pytester)
                assert fits(shown, command.expected), f"$ {command.words}\n{shown}"
                ran += 1
    assert ran > least


def test_an_ellipsis_stands_for_anything_and_nothing_else_does() -> None:
    assert fits("a\nb\nc\nd\n", "a\n…\nd\n")
    assert fits("passed in 3 s\n", "passed in …\n")
    assert not fits("a\nb\nc\n", "a\n…\nd\n")
    assert not fits("a.b\n", "a+b\n")
    assert not fits("one more\nline\n", "one …\n")


# examples/ci


@pytest.fixture
def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example, in a folder of its own, which is the current one."""
    example = shutil.copytree(ROOT / "examples" / "ci", folder / "ci", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(example)
    monkeypatch.setenv("CI", "true")
    return Path(example)


def shell(command: str, folder: Path) -> processes.Done:
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "CI": "true"}
    env |= {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return processes.run("bash", "-e", "-c", command, cwd=folder, env=env, check=False)


def steps() -> list[str]:
    """The commands of the workflow."""
    yaml = pytest.importorskip("yaml")
    workflow: Any = yaml.safe_load((ROOT / "examples/ci/github-workflow.yml").read_text(encoding="utf-8"))
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


def test_the_workflow_passes_and_fails_where_it_should(project: Path, pytester: pytest.Pytester) -> None:
    install, check, test = steps()
    done = shell(f"{install}\ncommand -v {check.split()[0]}", project)
    assert done.returncode == 0, done.stdout + done.stderr
    # The others run in this process, which has torch already; `make thorough` runs them as the workflow does.
    assert convlin(check.removeprefix("convlin "))[0] == 0
    assert pytester.runpytest_inprocess(*shlex.split(test.removeprefix("python -m pytest "))).ret == 0
    net = project / "net.py"
    net.write_text(net.read_text(encoding="utf-8").replace("3, stride=2, padding=1", "3, stride=2"), encoding="utf-8")
    status, out, _ = convlin(check.removeprefix("convlin "))
    assert status == 1
    assert re.search(r"^::error file=net\.py,line=15,title=net\.py%3ACNN fc1::", out, re.MULTILINE)
    stale = r"^::error file=net\.py,line=14,title=net\.py%3ACNN conv2::does not match "
    assert re.search(stale, out, re.MULTILINE)


@pytest.mark.thorough
def test_every_step_of_the_workflow_runs_in_a_shell(project: Path) -> None:
    for step in steps():
        done = shell(step, project)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_hook_passes_and_fails_where_it_should(project: Path) -> None:
    yaml = pytest.importorskip("yaml")
    config: Any = yaml.safe_load((project / "pre-commit-config.yaml").read_text(encoding="utf-8"))
    (hook,) = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert hook["pass_filenames"] is False
    assert all(re.search(hook["files"], name) for name in ("net.py", "shapes/cnn.shapes", "pyproject.toml"))
    assert hook["entry"].startswith("convlin ")
    assert convlin(hook["entry"].removeprefix("convlin "))[0] == 0
    net = project / "net.py"
    net.write_text(net.read_text(encoding="utf-8").replace("Conv2d(3, 16", "Conv2d(3, 8"), encoding="utf-8")
    assert convlin(hook["entry"].removeprefix("convlin "))[0] == 1
