"""``docs/at-the-error.md`` is executed: every file on it is run, and says what stands below it."""

from __future__ import annotations

import linecache
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from convlin.at_error.answer import answer
from tests import processes
from tests.test_ci_docs import blocks

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "at-the-error.md"
BLOCKS = list(blocks(PAGE.read_text(encoding="utf-8")))
FILES = {name: code for language, name, code in BLOCKS if language == "python" and name}
TEXTS = [text for language, _, text in BLOCKS if language == "text" and "%" not in text]
ANSWERS = dict(zip(FILES, TEXTS, strict=True))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What ``convlin run`` writes for the page's first script."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "train.py").write_text(FILES["train.py"], encoding="utf-8")
    (command,) = [text for language, _, text in BLOCKS if language == "console"]
    words = command.strip().removeprefix("$ convlin ").split()
    done = processes.run(sys.executable, "-m", "convlin", *words, cwd=folder, check=False)
    assert done.returncode == 1
    with pytest.raises(RuntimeError) as raised:
        nn.Linear(999, 20)(torch.zeros(4, 512))
    # What PyTorch says itself, as the version says it that the page was written with: torch 2.15 begins with "addmm: ".
    return done.stderr.replace(str(raised.value), "mat1 and mat2 shapes cannot be multiplied (4x512 and 999x20)")


def test_the_first_script(told: str) -> None:
    assert told.startswith("Traceback")
    assert told.endswith(ANSWERS["train.py"])


def test_the_readme_shows_lines_of_the_same_answer(told: str) -> None:
    readme = blocks((ROOT / "README.md").read_text("utf-8"))
    (shown,) = [text for language, _, text in readme if language == "console" and text.startswith("RuntimeError")]
    lines = iter(told.splitlines())
    missing = [line for line in shown.splitlines() if line and line not in lines]  # each behind the one before
    assert not missing


@pytest.mark.parametrize("name", [name for name in FILES if name != "train.py"])
def test_a_file_says_what_stands_below_it(name: str) -> None:
    assert written(name) == ANSWERS[name]


def written(name: str) -> str:
    """The last line of the traceback, and the answer."""
    code = FILES[name]
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    program = compile(code, name, "exec")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # what PyTorch only warns of
        with pytest.raises((RuntimeError, ValueError, IndexError, AssertionError, UserWarning)) as info:
            exec(program, {"__name__": "__main__"})
    return f"{type(info.value).__name__}: {info.value}\n\n{answer(info.value)}\n"
