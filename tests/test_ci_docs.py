"""``docs/ci.md`` and ``examples/ci`` do what they say: every file is written, every command is run."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

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


def run(command: str, folder: Path) -> str:
    """What a command writes; convlin's own in this process, which has torch already."""
    match = re.fullmatch(r'convlin (.*?)( \|\| echo "exit \$\?"| \| tail -n 0)?', command)
    if match is None:
        env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
        env.pop("PYTEST_ADDOPTS", None)
        return processes.run("bash", "-c", f"exec 2>&1; {command}", cwd=folder, env=env, check=False).stdout
    import shlex

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(shlex.split(match[1]))
    text = err.getvalue() if "tail" in (match[2] or "") else out.getvalue() + err.getvalue()
    assert status == 0 or "exit" in (match[2] or ""), text
    return text + (f"exit {status}\n" if status else "")


def fits(text: str, expected: str) -> bool:
    """Whether a text is as shown; ``…`` stands for anything."""
    pattern = re.escape(expected).replace(re.escape("…\n"), r"(?:.*\n)*?").replace("…", ".*")
    # An ellipsis at the end of a line stands for the rest of that line.
    pattern = re.sub(r"(?<=[^\n?])\(\?:\.\*\\n\)\*\?", r".*\\n", pattern)
    return re.fullmatch(pattern, text) is not None


@pytest.mark.parametrize(("page", "least"), [("ci.md", 15), ("shapes-in-code.md", 4)])
def test_the_page_does_what_it_shows(page: str, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = 0
    for language, name, text in blocks((ROOT / "docs" / page).read_text(encoding="utf-8")):
        if name:
            (tmp_path / name).write_text(text, encoding="utf-8")
        elif language == "console":
            for command in commands(text):
                shown = run(command.words, tmp_path)
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
def project(tmp_path: Path) -> Path:
    """A copy of the example."""
    return Path(
        shutil.copytree(ROOT / "examples" / "ci", tmp_path / "ci", ignore=shutil.ignore_patterns("__pycache__"))
    )


def shell(command: str, folder: Path) -> processes.Done:
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "CI": "true"}
    env |= {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return processes.run("bash", "-e", "-c", command, cwd=folder, env=env, check=False)


def steps() -> list[str]:
    """The commands of the workflow."""
    yaml = pytest.importorskip("yaml")
    workflow: Any = yaml.safe_load((ROOT / "examples/ci/github-workflow.yml").read_text(encoding="utf-8"))
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


def test_the_workflow_passes_and_fails_where_it_should(project: Path) -> None:
    install, check, test = steps()
    for step in (install, check, test):
        done = shell(step, project)
        assert done.returncode == 0, done.stdout + done.stderr
    net = project / "net.py"
    net.write_text(net.read_text(encoding="utf-8").replace("3, stride=2, padding=1", "3, stride=2"), encoding="utf-8")
    done = shell(check, project)
    assert done.returncode == 1
    assert re.search(r"^::error file=net\.py,line=15,title=net\.py%3ACNN fc1::", done.stdout, re.MULTILINE)
    stale = r"^::error file=net\.py,line=14,title=net\.py%3ACNN conv2::does not match "
    assert re.search(stale, done.stdout, re.MULTILINE)


def test_the_hook_passes_and_fails_where_it_should(project: Path) -> None:
    yaml = pytest.importorskip("yaml")
    config: Any = yaml.safe_load((project / "pre-commit-config.yaml").read_text(encoding="utf-8"))
    (hook,) = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert hook["pass_filenames"] is False
    assert all(re.search(hook["files"], name) for name in ("net.py", "shapes/cnn.shapes", "pyproject.toml"))
    done = shell(hook["entry"], project)
    assert done.returncode == 0, done.stdout + done.stderr
    net = project / "net.py"
    net.write_text(net.read_text(encoding="utf-8").replace("Conv2d(3, 16", "Conv2d(3, 8"), encoding="utf-8")
    assert shell(hook["entry"], project).returncode == 1
