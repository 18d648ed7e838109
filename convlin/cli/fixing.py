"""``convlin fix``: the wrong numbers in the source fixed, and the fix proved by a new run."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from convlin._util.atomic_write import write_bytes
from convlin._util.paths import shown
from convlin.cli.fixes import fixes_of
from convlin.cli.jobs import Job, jobs, look
from convlin.cli.load_model import Loader
from convlin.cli.screen import Screen, may_write, write
from convlin.errors import InputError

if TYPE_CHECKING:
    from convlin.records import Edit


@dataclass(slots=True)
class Found:
    """What is wrong with the models of one command, and the edits that fix it."""

    wrong: dict[Job, int] = field(default_factory=dict)
    """How many problems each model has."""
    edits: list[Edit] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What no edit fixes, and why."""


def fix(arguments: argparse.Namespace, screen: Screen) -> int:
    """Print the diff, or write it; 0 if there is nothing (more) to fix."""
    todo = jobs(arguments)
    found = _planned(todo, screen)
    if not any(found.wrong.values()):
        screen.say("nothing to fix")
        return 0
    for line in found.left:
        screen.say(line)
    from convlin.source import apply, unified_diff

    try:
        diff, files = unified_diff(found.edits), apply(found.edits)
    except ValueError as error:
        screen.say(f"nothing is changed: {error}")
        return 1
    if diff:
        screen.answer(diff)
    if not arguments.write or not files:
        return 1
    return _written(found, files, screen)


def _planned(todo: Sequence[Job], screen: Screen) -> Found:
    found = Found()
    with Loader() as loader:
        for job in todo:
            if not job.input and not job.forward_kwargs:
                raise InputError(f"{job.model} needs an input to be run with: write its sizes, such as 3,32,32")
            looked = look(job, loader, screen)
            found.wrong[job] = len(looked.summary.problems)
            if looked.summary.problems:
                fixes = fixes_of(looked.summary.report)
                found.edits += [edit for edit in fixes.edits if edit not in found.edits]
                found.left += fixes.left
    return found


# Writing, and proving it


def _written(found: Found, files: Mapping[str, bytes], screen: Screen) -> int:
    originals = {name: Path(name).read_bytes() for name in files}
    if not may_write(files, screen):
        return 1
    try:
        write(files)
        worse = list(_no_better(found, screen))
    except BaseException:
        _put_back(originals)
        raise
    names = ", ".join(shown(name) for name in files)
    if worse:
        _put_back(originals)
        screen.say("\n".join([*worse, f"this fixes nothing: {names} put back as it was"]))
        return 1
    screen.say(f"written {names}")
    return 1 if found.left else 0


def _put_back(originals: Mapping[str, bytes]) -> None:
    for name, data in originals.items():
        if Path(name).read_bytes() != data:
            write_bytes(name, data)


def _no_better(found: Found, screen: Screen) -> Iterator[str]:
    """For each model that is not better than it was, why; each is run in a process of its own."""
    better = False
    for job, before in found.wrong.items():
        with screen.progress(f"running {job.model} again"):
            now, why = _problems_now(job)
        if now is None or now > before:
            yield f"{job.model}: {why}"
        elif now < before:
            better = True
            screen.say(f"{job.model}: {'no problem' if not now else f'{now} of {before} problems'} left")
    if not better:
        yield "the new run shows the same problems"


def _problems_now(job: Job) -> tuple[int | None, str]:
    """How many problems a new process finds; None and the reason where it cannot tell."""
    home = str(Path(__file__).parent.parent.parent)
    # -P and the path at the end: a types.py beside the model must not stand in for Python's own.
    code = "import sys; sys.path.append(sys.argv.pop(1)); from convlin.cli import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", code, home, "check", *job.command(), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=job.base, check=False)
    try:
        (model,) = json.loads(done.stdout)["models"]
    except (ValueError, KeyError):
        return None, done.stderr.strip() or f"the new run ended with status {done.returncode}"
    if model["raised"] or model["usage_error"]:
        return None, model["raised"] or model["usage_error"]
    return len(model["problems"]), "\n".join(problem["message"] for problem in model["problems"])
