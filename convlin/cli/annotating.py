"""``convlin annotate``: the shape of what each line makes, written beside it as a comment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from convlin._util.atomic_write import shown, write_bytes
from convlin.cli.jobs import Job, Looked, jobs, look
from convlin.cli.load_model import Loader
from convlin.cli.screen import Screen
from convlin.errors import InputError

if TYPE_CHECKING:
    from convlin.records import Report


def annotate(arguments: argparse.Namespace, screen: Screen) -> int:
    """Print the diff, or write it; 0 if every comment is right (now), 1 if there is something to write."""
    reports = []
    with Loader() as loader:
        for job in jobs(arguments):
            if not job.input and not job.forward_kwargs:
                raise InputError(f"{job.model} needs an input to be run with: write its sizes, such as 3,H,W")
            report = look_with_letters(job, loader, screen).summary.report
            if report.problems:
                screen.say(f"nothing is changed: {job.model} does not fit together, and its shapes are not real:")
                screen.say(f"run convlin check {' '.join(job.command()[:2])}")
                return 1
            for remark in report.remarks:
                screen.say(f"{job.model}: {remark}")
            reports.append(report)
    return _changed(reports, arguments, screen)


def look_with_letters(job: Job, loader: Loader, screen: Screen) -> Looked:
    """``look`` with a letter for the batch where its size was not given.

    A model that was given no letter and cannot be followed in one is run with a batch of 1.
    """
    named = job.named_batch()
    try:
        return look(named, loader, screen)
    except InputError:
        if named == job:
            raise
    return look(replace(job, batch_size="1"), loader, screen)


def _changed(reports: Sequence[Report], arguments: argparse.Namespace, screen: Screen) -> int:
    from convlin.annotate.edits import applied, comment_edits
    from convlin.annotate.holding import letters_of
    from convlin.annotate.lines import together
    from convlin.source import unified_diff

    functions = together(reports)
    if not functions:
        raise InputError(
            f"{reports[0].model} ran no code of your own: its modules come from installed packages, "
            "and only your own files are annotated"
        )
    edits = comment_edits(functions, letters_of(reports), arithmetic=arguments.arithmetic)
    if not edits:
        screen.say("nothing to write: every shape comment is there and true")
        return 0
    try:
        files = applied(edits)
        diff = unified_diff(edits)
    except ValueError as error:
        screen.say(f"nothing is changed: {error}")
        return 1
    screen.answer(diff)
    return _written(files, screen) if arguments.write else 1


def _written(files: Mapping[str, bytes], screen: Screen) -> int:
    locked = [name for name in files if not os.access(name, os.W_OK)]
    if locked:
        screen.say(f"nothing is changed: {shown(locked[0])} may not be written to")
        return 1
    for name, data in files.items():
        write_bytes(name, data)
    screen.say(f"written {', '.join(map(shown, files))}")
    return 0
