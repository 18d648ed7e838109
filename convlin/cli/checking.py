"""``convlin check``: every model once, the findings in the form that people, programs or GitHub read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convlin._util.paths import shown
from convlin._util.tracebacks import has_calls
from convlin.checks.lock_diff import Change, changes, renewed, told
from convlin.checks.lock_file import lock_of, read_lock
from convlin.cli import comment_check, failures, while_importing
from convlin.cli.annotating import look_with_letters
from convlin.cli.annotations import Annotation, answer_each, as_many_as_shown
from convlin.cli.commands import as_json
from convlin.cli.fixes import fixes_of, last_line
from convlin.cli.jobs import Job, Looked, jobs, look
from convlin.cli.load_model import Loader, divided
from convlin.cli.screen import Screen, writing
from convlin.cli.user_code import UserCodeError
from convlin.errors import InputError
from convlin.records import Location, Problem, Report
from convlin.render.text import given, problems_text
from convlin.source import locate

if TYPE_CHECKING:
    from convlin._summary import Summary

#: Version of the JSON that ``--format json`` writes.
JSON_VERSION = 1

_OF_PROBLEM = ("kind", "path", "declared", "required", "message", "fix")


@dataclass(slots=True)
class Result:
    """What came of one job."""

    job: Job
    model: str = ""
    given: str = ""
    calls: int = 0
    problems: tuple[Problem, ...] = ()
    problems_text: str = ""
    fixable: int = 0
    """How many of the problems ``convlin fix`` can write a line for."""
    changes: tuple[Change, ...] = ()
    written: str = ""
    """What happened to the lock, where it was to be written."""
    usage: str = ""
    """The job cannot be right, and why."""
    raised: str = ""
    """The traceback of the user's own code."""
    raised_line: str = ""
    raised_at: Location | None = None
    places: dict[str, Location] = field(default_factory=dict)
    """Lines that made the layers which the lock's differences are about."""

    @property
    def ok(self) -> bool:
        return not (self.problems or self.changes or self.usage or self.raised)

    @property
    def status(self) -> int:
        return 2 if self.usage else int(not self.ok)


def check(arguments: argparse.Namespace, screen: Screen) -> int:
    """Check every job; 0 if all are fine, 1 for a problem or difference, 2 if one cannot be right."""
    todo = jobs(arguments)
    if arguments.update and all(job.lock is None for job in todo):
        raise InputError("--update writes locks, and none is named: add --lock FILE")
    if arguments.model is None and arguments.lock is not None:
        raise InputError('--lock is for one model: write it as lock = "…" under [tool.convlin]')
    results: list[Result] = []
    with_comments: list[Report] = []
    with Loader() as loader:
        for job in todo:
            result = _checked(job, loader, screen, with_comments, update=arguments.update)
            results.append(result)
            if arguments.format == "text":
                _answer_text(result, screen)
            elif arguments.format == "github":
                _answer_github(result, screen)
    comments = comment_check.checked_comments(with_comments) if with_comments else None
    if comments is not None and arguments.format == "text":
        comment_check.answer_text(comments, screen)
    elif comments is not None and arguments.format == "github":
        comment_check.answer_github(comments, screen)
    if arguments.format == "json":
        answer: dict[str, Any] = {"version": JSON_VERSION, "models": [_as_dict(each) for each in results]}
        if comments is not None:
            answer["comments"] = comment_check.as_dict(comments)
        screen.answer(as_json(answer), is_table=False)
    elif len(results) > 1:
        wrong = sum(not result.ok for result in results)
        screen.answer(f"{len(results)} models, {wrong or 'none'} with problems")
    if arguments.format == "text" and any(result.problems for result in results):
        screen.answer(_last_line(results), is_table=False)
    stale = comments is not None and bool(comments.found)
    return max([*(result.status for result in results), int(stale)])


def _checked(job: Job, loader: Loader, screen: Screen, with_comments: list[Report], *, update: bool) -> Result:
    """The result of one job; a report to hold comments against goes to ``with_comments``, where the job wants that."""
    result = Result(job)
    try:
        if not job.input and not job.forward_kwargs:
            raise InputError(f"{job.model} needs an input to be checked with: write its sizes, such as 3,32,32")
        looked = look(job, loader, screen)
        _take(result, looked.summary)
        if result.problems:
            result.fixable = len(result.problems) - len(fixes_of(looked.summary.report).left)
        if job.lock_path is not None:
            _hold_against_lock(result, looked, job.lock_path, update=update)
        if job.comments and looked.summary.ok:
            from convlin.annotate.stale import refuse_forms_that_hold_nowhere

            report = look_with_letters(job, loader, screen).summary.report
            for remark in report.remarks:
                screen.say(f"{job.model}: {remark}")
            refuse_forms_that_hold_nowhere(report)
            with_comments.append(report)
    except InputError as error:
        result.usage = str(error)
    except UserCodeError as error:
        _take_error(result, error.original, error.doing)
        result.raised = while_importing.told(error)
    except Exception as error:
        if not has_calls(error):
            raise
        _take_error(result, error, f"running {job.model}")
    return result


def _take(result: Result, summary: Summary) -> None:
    report = summary.report
    result.model, result.given = report.model, given(report)
    result.calls = len(report.calls)
    result.problems = report.problems
    result.problems_text = problems_text(report)


def _take_error(result: Result, error: BaseException, doing: str) -> None:
    result.raised = failures.told(error, doing)
    result.raised_line = failures.line(error, doing)
    result.raised_at = failures.place(error)


def _hold_against_lock(result: Result, looked: Looked, path: Path, *, update: bool) -> None:
    report = looked.summary.report
    if update:
        if looked.summary.ok:
            with writing():
                path.parent.mkdir(parents=True, exist_ok=True)
                happened = renewed(report, path)
            told_ = f"{happened} {shown(path)}: review and commit it"
            result.written = told_ if happened else f"{shown(path)} is up to date"
        return
    lock = read_lock(path, "convlin check … --update")
    result.changes = tuple(changes(lock, lock_of(report)))
    for path_ in {change.path for change in result.changes if change.path}:
        site = locate(looked.loaded.model, path_, looked.loaded.hints)
        if site is not None:
            result.places[path_] = site.location


# The three forms


def _answer_text(result: Result, screen: Screen) -> None:
    given = f"  input {result.given}" if result.given else ""
    head = f"{'✓' if result.ok else '✗'} {result.job.model}{given}"
    if result.usage:
        screen.say(f"convlin: {_usage(result)}")
        return
    if result.raised:
        screen.answer(head)
        screen.say(result.raised)
        return
    lock = f", matches {shown(result.job.lock_path)}" if result.job.lock_path and not result.written else ""
    parts = [f"{head}  {result.calls} calls{lock}" if result.ok else head]
    if result.written:
        parts.append(f"  {result.written}")
    if result.problems:
        parts.append(_indented(result.problems_text))
    if result.changes:
        parts.append(_indented(f"does not match {shown(result.job.lock_path or '')}: {told(result.changes)}"))
        parts.append("  If this is intended, add --update")
    screen.answer("\n".join(parts))


def _last_line(results: Sequence[Result]) -> str:
    wrong = [result for result in results if result.problems]
    problems, fixable = sum(len(each.problems) for each in wrong), sum(each.fixable for each in wrong)
    return last_line(problems, fixable, wrong[0].job if len(results) == 1 else None)


def _usage(result: Result) -> str:
    """The usage error, with the model's name in front where it does not say which model it is about."""
    named = divided(result.job.model)[0] in result.usage
    return result.usage if named else f"{result.job.model}: {result.usage}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else line for line in text.splitlines())


def _answer_github(result: Result, screen: Screen) -> None:
    answer_each(_annotations(result), f"✓ {result.job.model}  input {result.given}", screen)
    if result.raised:
        screen.say(result.raised)


def _annotations(result: Result) -> Sequence[Annotation]:
    model = result.job.model
    home = _home(result.job)
    if result.usage:
        return [Annotation(home, "convlin", _usage(result))]
    if result.raised:
        return [Annotation(result.raised_at or home, "convlin", result.raised_line)]
    notes = [
        Annotation(problem.where or home, f"{model} {problem.path}".strip(), _message(problem))
        for problem in result.problems
    ]
    lock = shown(result.job.lock_path) if result.job.lock_path else ""
    for change in result.changes:
        what = f"{change.kind} {change.label}".strip()
        before_now = " → ".join(text for text in (change.before, change.now) if text)
        where = result.places.get(change.path, home)
        notes.append(
            Annotation(where, f"{model} {change.path}".strip(), f"does not match {lock}: {what}: {before_now}")
        )
    return as_many_as_shown(notes, home, model, f"convlin check {model}")


def _message(problem: Problem) -> str:
    return f"{problem.message}\nfix: {problem.fix}" if problem.fix else problem.message


def _home(job: Job) -> Location | None:
    """The model's file, where the target names one."""
    place, _ = divided(job.model)
    path = job.base / place
    return Location(str(path), 1) if place.endswith(".py") and path.is_file() else None


def _as_dict(result: Result) -> dict[str, Any]:
    return {
        "target": result.job.model,
        "input": list(result.job.input),
        "model": result.model or None,
        "ok": result.ok,
        "problems": [_record(problem, _OF_PROBLEM, problem.where) for problem in result.problems],
        "lock": result.job.lock,
        "lock_written": result.written or None,
        "differences": [
            _record(change, ("kind", "path", "before", "now"), result.places.get(change.path))
            for change in result.changes
        ],
        "usage_error": result.usage or None,
        "raised": result.raised or None,
    }


def _record(found: Problem | Change, names: Sequence[str], where: Location | None) -> dict[str, Any]:
    place = where._asdict() if where is not None else {"file": None, "line": None}
    return {name: _plain(getattr(found, name)) for name in names} | place


def _plain(value: Any) -> Any:
    """Numbers, texts and lists as they are; closed forms and the rest as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else str(value)
