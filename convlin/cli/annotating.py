"""``convlin annotate``: shapes written into the user's files, as comments or as types."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from convlin._util.paths import shown
from convlin.cli.jobs import Job, Looked, jobs, look
from convlin.cli.load_model import Loader
from convlin.cli.screen import Screen, may_write, write
from convlin.errors import InputError

if TYPE_CHECKING:
    from convlin.records import Edit, Report

COMMENTS = "comments"


class _Made(NamedTuple):
    """The edits of one style."""

    edits: list[Edit]
    nothing: str
    """What is said where there are none."""
    without: Callable[[ast.Module], ast.Module] = lambda tree: tree
    """Leaves out of a file's tree what the edits add."""


def annotate(arguments: argparse.Namespace, screen: Screen) -> int:
    """Print the diff, or write it; 0 if every comment is right (now), 1 if there is something to write."""
    if arguments.arithmetic and arguments.style != COMMENTS:
        raise InputError(f"--arithmetic is for comments: leave it out, or write --style {COMMENTS}")
    if arguments.write and arguments.style != COMMENTS and find_spec(arguments.style) is None:
        raise InputError(
            f"{arguments.style} is not installed here, and a file that imports it could not be run: "
            f"pip install {arguments.style}, or leave out --write to see the diff"
        )
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
            if report.holds_nowhere:
                screen.say(f"nothing is changed: {job.model} makes other shapes than those in letters; write numbers")
                return 1
            reports.append(report)
    return _changed(reports, arguments, screen)


def look_with_letters(job: Job, loader: Loader, screen: Screen) -> Looked:
    """``look`` with a letter for the batch where its size was not given.

    A model that was given no letter and cannot be followed in one is run with a batch of 1.
    """
    named = job.named_batch()
    if named == job:
        return look(job, loader, screen)
    with suppress(InputError):
        looked = look(named, loader, screen)
        if looked.summary.ok and not looked.summary.report.holds_nowhere:
            return looked
    return look(replace(job, batch_size="1"), loader, screen)


def _changed(reports: Sequence[Report], arguments: argparse.Namespace, screen: Screen) -> int:
    from convlin.annotate.applying import applied
    from convlin.source import unified_diff

    is_comments = arguments.style == COMMENTS
    made = _comments(reports, arguments) if is_comments else _signatures(reports, screen)
    if not made.edits:
        screen.say(made.nothing)
        return 0
    try:
        files = applied(made.edits, made.without)
        diff = unified_diff(made.edits)
    except ValueError as error:
        screen.say(f"nothing is changed: {error}")
        return 1
    screen.answer(diff)
    return _written(files, screen) if arguments.write else 1


def _comments(reports: Sequence[Report], arguments: argparse.Namespace) -> _Made:
    from convlin.annotate.edits import comment_edits
    from convlin.annotate.holding import letters_of
    from convlin.annotate.lines import together
    from convlin.annotate.stale import check_comments

    functions = together(reports)
    if not functions:
        raise _no_code(reports)
    letters = letters_of(reports)
    edits = comment_edits(functions, letters, arithmetic=arguments.arithmetic)
    if not edits and not check_comments(functions, letters).true:
        return _Made(edits, "nothing to write: no line that ran makes a tensor whose shape can stand in a comment")
    return _Made(edits, "nothing to write: every shape comment is there and true")


def _signatures(reports: Sequence[Report], screen: Screen) -> _Made:
    from convlin.annotate.forwards import forwards
    from convlin.annotate.signatures import signature_edits, without_annotations

    functions = forwards(reports)
    if not functions:
        raise _no_code(reports)
    edits, left = signature_edits(functions)
    for sentence in left:
        screen.say(sentence)
    return _Made(edits, "nothing to write: every signature that can be annotated is", without_annotations)


def _no_code(reports: Sequence[Report]) -> InputError:
    return InputError(
        f"{reports[0].model} ran no code of your own: its modules come from installed packages, "
        "and only your own files are annotated"
    )


def _written(files: Mapping[str, bytes], screen: Screen) -> int:
    if not may_write(files, screen):
        return 1
    write(files)
    screen.say(f"written {', '.join(map(shown, files))}")
    return 0
