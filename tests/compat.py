"""The whole suite beside another version of torch: ``make compat VERSION=2.9.1``.

A fresh environment is made in a temporary folder with that torch, the torchvision that goes with it and what the
tests need; the suite runs in it, and what it counted becomes a row of ``docs/compatibility.md``.  The environment
(5 to 8 GB) is deleted afterwards.  ``--environment DIR`` runs in one that exists already, or makes it there, and
keeps it.

What the tests need is asked for in the pinned versions.  Where a package refuses this torch, it is installed
without what it requires, and the row says so.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "compatibility.md"
#: A file of the environment: what could not be installed there as it asks to be.
NOTES = "convlin-compat-notes.txt"

#: What `tests/test_other_packages.py` and `tests/test_wrapped.py` try.
OTHER_PACKAGES = (
    "timm", "torch_geometric", "segmentation-models-pytorch", "open_clip_torch", "diffusers", "torchaudio",
    "vit-pytorch", "snntorch", "pytorch-tcn", "torchao", "opacus",
)  # fmt: skip

_HEAD = ("torch", "torchvision", "Python", "passed", "failed", "skipped", "of the passed: torchvision")
_VERSIONS = """
import json, platform, sys
import torch
try:
    import torchvision
    vision = torchvision.__version__.split("+")[0]
except (ImportError, RuntimeError):
    vision = None
print(json.dumps([torch.__version__.split("+")[0], vision, platform.python_version()]))
"""


class Outcome(NamedTuple):
    """What one run of the suite counted."""

    passed: int
    failed: tuple[str, ...]
    skipped: Counter[str]
    vision: int

    @classmethod
    def read(cls, report: Path) -> Outcome:
        """From the JUnit file that pytest wrote."""
        passed, vision, failed, skipped = 0, 0, [], Counter[str]()
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            name = f"{case.get('classname')}::{case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                failed.append(name)
            elif (skip := case.find("skipped")) is not None:
                skipped[skip.get("message") or "without a reason"] += 1
            else:
                passed += 1
                vision += ".test_torchvision" in f".{case.get('classname')}"
        return cls(passed, tuple(failed), skipped, vision)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite beside one version of torch; the status is pytest's."""
    parser = argparse.ArgumentParser(prog="python -m tests.compat", description=__doc__.splitlines()[0])
    parser.add_argument("version", help="of torch, such as 2.9.1")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environment")
    parser.add_argument("--environment", type=Path, help="an environment to run in, made if it does not exist; kept")
    parser.add_argument("--workers", default="2")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="convlin-compat-") as temporary:
        environment = (options.environment or Path(temporary, "environment")).absolute()
        if not environment.exists():
            install(environment, options.version, options.python)
        python = environment / "bin" / "python"
        torch, vision, interpreter = json.loads(_run(python, "-c", _VERSIONS))
        if torch != options.version:
            sys.exit(f"{environment} holds torch {torch}, not {options.version}")
        report = Path(temporary, "report.xml")
        status = subprocess.run(
            [python, "-m", "pytest", "-n", options.workers, "-q", "-p", "no:cacheprovider", f"--junitxml={report}"],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
        ).returncode  # fmt: skip
        outcome = Outcome.read(report)
        kept = environment / NOTES
        notes = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_row(page, (torch, vision or "none", interpreter), outcome, notes), encoding="utf-8")
    return status


def install(environment: Path, version: str, python: str) -> None:
    """Make the environment, with the file of what could not be installed there as it asks to be."""
    subprocess.run([python, "-m", "venv", environment], check=True)
    pip = (environment / "bin" / "python", "-m", "pip", "install", "--quiet")
    _run(*pip, f"torch=={version}", "torchvision")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line]
    constraints = environment / "constraints.txt"
    constraints.write_text("\n".join([f"torch=={version}", *(p for p in pins if not p.startswith("torch=="))]))
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"], *OTHER_PACKAGES]
    notes = []
    for requirement in wanted:
        if re.match(r"torch\b", requirement):
            continue
        for options, note in (((), None), (("--no-deps",), "was installed without what it requires")):
            try:
                _run(*pip, *options, "--constraint", constraints, requirement)
            except subprocess.CalledProcessError:
                continue
            notes += [f"{requirement} {note}"] if note else []
            break
        else:
            notes.append(f"{requirement} could not be installed")
    # Without what it requires: the floor of the metadata is what these runs are to find out.
    _run(*pip, "--no-deps", "--editable", str(ROOT))
    (environment / NOTES).write_text("\n".join(notes), encoding="utf-8")


def with_row(page: str, versions: tuple[str, str, str], outcome: Outcome, notes: Sequence[str]) -> str:
    """The page with the row of this run; a row of the same torch and Python is replaced, its details too."""
    torch, vision, python = versions
    counts = (outcome.passed, len(outcome.failed), outcome.skipped.total(), outcome.vision)
    head, _, old = page.partition("<!-- rows -->")
    rows = {_key(line): line for line in old.splitlines() if line.startswith("| 2.")}
    details = dict(part.split("\n\n", 1) for part in old.split("### ")[1:])
    row = "| " + " | ".join(map(str, (torch, vision, python, *counts))) + " |"
    rows[_key(row)] = row
    details[_label(*_key(row))] = "\n".join(
        [
            *(f"- failed: `{name}`" for name in outcome.failed),
            *(f"- skipped, {count}: {reason}" for reason, count in sorted(outcome.skipped.items())),
            *(f"- {note}" for note in notes),
        ]
    )
    order = sorted(rows, key=lambda key: [int(part) for version in key for part in version.split(".")])
    table = ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD), *(rows[key] for key in order)]
    parts = [f"### {_label(*key)}\n\n{details[_label(*key)].strip()}" for key in order]
    return f"{head}<!-- rows -->\n" + "\n".join(table) + "\n\n" + "\n\n".join(parts) + "\n"


def _key(row: str) -> tuple[str, str]:
    """The versions of torch and Python in a row of the table."""
    cells = row.removeprefix("| ").split(" | ")
    return cells[0], cells[2]


def _label(torch: str, python: str) -> str:
    return f"torch {torch}, Python {python}"


def _run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
