"""What ``convlin fix`` would write for a model, and what it would not, and why."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convlin.cli.jobs import Job, Looked

if TYPE_CHECKING:
    from convlin.records import Problem
    from convlin.source import Edit
    from convlin.summary import Summary


@dataclass(slots=True)
class Fixes:
    """The edits for one model."""

    edits: list[Edit] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """A sentence about each problem that no edit fixes."""


def fixes_of(looked: Looked) -> Fixes:
    """The edits for everything that is wrong with a model, as far as they are beyond doubt."""
    from convlin.source.plan import plan

    fixes = Fixes()
    problems = looked.summary.problems
    wanted = {problem.path: problem.changes for problem in problems if problem.changes}
    planned = plan(looked.loaded.model, wanted, looked.loaded.hints)
    fixes.edits += planned.edits
    for problem in problems:
        if problem.changes:
            reason = planned.declined.get(problem.path)
        else:
            edit = _reshaped(problem, looked.summary)
            reason = None if edit is not None else "no number in the source fixes this"
            if edit is not None and edit not in fixes.edits:
                fixes.edits.append(edit)
        if reason is not None:
            name = problem.path or looked.summary.report.model
            here = reason.replace(f"{Path.cwd()}{os.sep}", "")
            fixes.left.append(f"skipped: {name} ({problem.kind}): {here}")
    return fixes


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


def _reshaped(problem: Problem, summary: Summary) -> Edit | None:
    """The edit of a ``view`` in ``forward`` whose corrected line the problem gives."""
    from convlin.source import corrected_reshape, reshape_edit

    if problem.where is None or problem.kind not in ("reshape", "batch"):
        return None
    ways: list[Mapping[str, Any]] = [{}, {"keep_sizes": True}, {"size": str(problem.required)}]
    made = summary.calls[problem.call].output_shape if problem.call is not None else None
    if made is not None and len(made) > 2:  # an image of other channels
        ways.append({"size": str(made[1]), "axis": 1 - len(made)})
    for way in ways:
        if problem.fix is not None and corrected_reshape(problem.where, **way) == problem.fix:
            edit = reshape_edit(problem.where, **way)
            return edit if edit is not None and edit.certain else None
    return None
