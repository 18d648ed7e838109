"""What ``convlin fix`` would write for a model, and what it would not, and why."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from convlin.cli.jobs import Job
from convlin.records import Edit, Report


@dataclass(slots=True)
class Fixes:
    """The edits for one model."""

    edits: list[Edit] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """A sentence about each problem that no edit fixes."""


def fixes_of(report: Report) -> Fixes:
    """The edits for everything that is wrong with a model, as far as they are beyond doubt.

    >>> from convlin.records import Problem
    >>> wrong = Problem("in_features", "fc", unfixed="n may be used elsewhere too")
    >>> fixes_of(Report("Net", (), (), "cpu", "eval", (), (), (wrong,))).left
    ['skipped: fc (in_features): n may be used elsewhere too']
    """
    fixes = Fixes()
    for problem in report.problems:
        new = [edit for edit in problem.edits if edit not in fixes.edits]
        if not problem.edits:
            reason = problem.unfixed or "convlin fix knows no line to write for this"
        elif any(_overlap(edit, other) for edit in new for other in fixes.edits):
            reason = "another fix changes the same place: run this again once that is written"
        else:
            fixes.edits += new
            continue
        here = reason.replace(f"{Path.cwd()}{os.sep}", "")
        fixes.left.append(f"skipped: {problem.path or report.model} ({problem.kind}): {here}")
    return fixes


def _overlap(edit: Edit, other: Edit) -> bool:
    """Whether two edits change the same place of a file, or add to it."""
    return edit.file == other.file and (
        (edit.start < other.end and other.start < edit.end) or edit.start == other.start or edit.end == other.end
    )


def last_line(problems: int, fixable: int, job: Job | None) -> str:
    """How many problems there are, and what to type for those that can be fixed.

    ``job`` is the one that was asked for; None for all of pyproject.toml.

    >>> last_line(3, 2, Job("net.py:Net", ("3,32,32",))), last_line(1, 0, None)
    ('3 problems, 2 can be fixed: convlin fix net.py:Net 3,32,32', '1 problem, none that convlin fix can write')
    """
    what = f"{problems} problem{'s' * (problems > 1)}"
    if not fixable:
        return f"{what}, none that convlin fix can write"
    return f"{what}, {fixable} can be fixed: {shlex.join(['convlin', 'fix', *(job.asked() if job else ())])}"
