"""The whole suite beside another version of torch: ``make compat VERSION=2.9.1``.

A fresh environment is made in a temporary folder with that torch, the torchvision that goes with it and what the
tests need; the suite runs in it, and what it counted becomes rows of ``docs/compatibility.md``: one of this torch,
and one of each other package whose models were run.  The environment
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
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "compatibility.md"
#: A file of the environment: what could not be installed there as it asks to be.
NOTES = "convlin-compat-notes.txt"

#: What tests look for that `make test` does not need, and what is imported of it: other packages' models, wrappers,
#: training loops, torchinfo's table, and pictures as .png.
OTHER_PACKAGES = {
    "timm": "timm", "torch_geometric": "torch_geometric", "segmentation-models-pytorch": "segmentation_models_pytorch",
    "open_clip_torch": "open_clip", "diffusers": "diffusers", "torchaudio": "torchaudio", "vit-pytorch": "vit_pytorch",
    "snntorch": "snntorch", "pytorch-tcn": "pytorch_tcn", "torchao": "torchao.quantization", "opacus": "opacus",
    "peft": "peft", "lightning": "lightning", "skorch": "skorch", "pytorch-ignite": "ignite",
    "fastai": "fastai.learner", "torchinfo": "torchinfo", "cairosvg": "cairosvg",
}  # fmt: skip

_DISTRIBUTIONS = """
import importlib.metadata as metadata, json, sys
made_of = metadata.packages_distributions()
print(json.dumps({name: [made_of[name][0], metadata.version(made_of[name][0])] for name in sys.argv[1:]}))
"""
_PACKAGES_HEAD = ("package", "version", "torch", "Python", "in evaluation", "in training", "with letters")
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


#: A test of `tests/test_other_packages.py` as the report names it, and the column that it counts in.
_OTHER = re.compile(r"test_other_packages::(?P<test>\w+)\[(?P<package>\w+) .*?(?P<mode>-eval|-train|)\]$")
_COLUMNS = {
    ("test_rows_are_what_plain_hooks_see", "-eval"): "in evaluation",
    ("test_rows_are_what_plain_hooks_see", "-train"): "in training",
    ("test_what_letters_claim_is_right", ""): "with letters",
}


class Share(NamedTuple):
    """How many of the models that one test ran passed it."""

    right: int = 0
    run: int = 0

    def __str__(self) -> str:
        return f"{self.right} of {self.run}" if self.run else ""


class Outcome(NamedTuple):
    """What one run of the suite counted."""

    passed: int
    failed: tuple[str, ...]
    skipped: Counter[str]
    vision: int
    packages: Mapping[str, Mapping[str, Share]]
    """Of other packages' models, by the name that imports the package and what they were tried in."""

    @classmethod
    def read(cls, report: Path) -> Outcome:
        """From the JUnit file that pytest wrote."""
        passed, vision, failed, skipped = 0, 0, [], Counter[str]()
        packages: defaultdict[str, defaultdict[str, Share]] = defaultdict(lambda: defaultdict(Share))
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            name = f"{case.get('classname')}::{case.get('name')}"
            is_right = False
            if case.find("failure") is not None or case.find("error") is not None:
                failed.append(name)
            elif (skip := case.find("skipped")) is not None:
                skipped[skip.get("message") or "without a reason"] += 1
                continue
            else:
                is_right = True
                passed += 1
                vision += ".test_torchvision" in f".{case.get('classname')}"
            if tried := _OTHER.search(name):
                package, column = tried["package"], _COLUMNS[tried["test"], tried["mode"]]
                right, run = packages[package][column]
                packages[package][column] = Share(right + is_right, run + 1)
        return cls(passed, tuple(failed), skipped, vision, packages)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite beside one version of torch; the status is pytest's."""
    parser = argparse.ArgumentParser(prog="python -m tests.compat", description=__doc__.splitlines()[0])
    parser.add_argument("version", help="of torch, such as 2.9.1")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environment")
    parser.add_argument("--environment", type=Path, help="an environment to run in, made if it does not exist; kept")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--packages-only", action="store_true", help="only the models of other packages; no row")
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
        chosen = ["tests/test_other_packages.py"] if options.packages_only else []
        pytest = [python, "-m", "pytest", "-n", options.workers, "-q", "-p", "no:cacheprovider"]
        status = subprocess.run(
            [*pytest, f"--junitxml={report}", *chosen],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
        ).returncode  # fmt: skip
        outcome = Outcome.read(report)
        distributions = json.loads(_run(python, "-c", _DISTRIBUTIONS, *outcome.packages))
        kept = environment / NOTES
        notes = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    page = with_packages(PAGE.read_text(encoding="utf-8"), (torch, interpreter), outcome, distributions)
    if not options.packages_only:
        page = with_row(page, (torch, vision or "none", interpreter), outcome, notes)
    PAGE.write_text(page, encoding="utf-8")
    return status


def install(environment: Path, version: str, python: str) -> None:
    """Make the environment, with the file of what could not be installed there as it asks to be."""
    subprocess.run([python, "-m", "venv", environment], check=True)
    pip = (environment / "bin" / "python", "-m", "pip", "install", "--quiet")
    _run(*pip, f"torch=={version}", "torchvision")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line]
    constraints = environment / "constraints.txt"
    # Until 2.11 a torchaudio loads beside the torch of its own number alone; from then on beside newer ones too.
    own = [f"torch=={version}", f"torchaudio<={version}"]
    constraints.write_text("\n".join([*own, *(pin for pin in pins if not pin.startswith("torch=="))]))
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
    # One that this torch cannot load would take others with it: transformers imports torchvision and torchao where
    # they are found.
    for package, name in {"torchvision": "torchvision", **OTHER_PACKAGES}.items():
        if subprocess.run([pip[0], "-W", "ignore", "-c", f"import {name}"], check=False).returncode:
            _run(pip[0], "-m", "pip", "uninstall", "--quiet", "--yes", package)
            notes.append(f"{package} cannot be imported beside this torch, and was removed")
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
    row = _line([torch, vision, python, *map(str, counts)])
    rows[_key(row)] = row
    details[_label(*_key(row))] = "\n".join(
        [
            *(f"- failed: `{name}`" for name in outcome.failed),
            *(f"- skipped, {count}: {reason}" for reason, count in sorted(outcome.skipped.items())),
            *(f"- {note}" for note in notes),
        ]
    )
    order = sorted(rows, key=lambda key: [int(part) for version in key for part in version.split(".")])
    table = [_line(_HEAD), "|" + "---|" * len(_HEAD), *(rows[key] for key in order)]
    parts = [f"### {_label(*key)}\n\n{details[_label(*key)].strip()}" for key in order]
    return f"{head}<!-- rows -->\n" + "\n".join(table) + "\n\n" + "\n\n".join(parts) + "\n"


def with_packages(
    page: str, versions: tuple[str, str], outcome: Outcome, distributions: Mapping[str, tuple[str, str]]
) -> str:
    """The page with a row for each package that this run tried; one beside the same torch and Python is replaced.

    ``distributions`` gives the name and version that pip knows a package by.
    """
    head, mark, rest = page.partition("<!-- packages -->\n")
    old, _, tail = rest.partition("\n\n")
    rows = {tuple(cells[:1] + cells[2:4]): cells for cells in map(_cells, old.splitlines()[2:])}
    for package, shares in outcome.packages.items():
        name, version = distributions[package]
        rows[name, *versions] = [name, version, *versions, *(str(shares.get(each, "")) for each in _PACKAGES_HEAD[4:])]
    ordered = sorted(
        rows, key=lambda key: (key[0].lower(), *([int(part) for part in each.split(".")] for each in key[1:]))
    )
    table = [_line(_PACKAGES_HEAD), "|" + "---|" * len(_PACKAGES_HEAD), *(_line(rows[key]) for key in ordered)]
    return f"{head}{mark}" + "\n".join(table) + f"\n\n{tail}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


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
