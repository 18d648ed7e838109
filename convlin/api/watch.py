"""``watch``: the same table from the user's own call, on real data, also when it raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from torch import nn

from convlin._summary import Summary
from convlin._util.resources import is_resource
from convlin._util.tracebacks import add_calls
from convlin.diagnosis.mistakes.several_sizes import without_numbers
from convlin.diagnosis.problems import Hints, diagnose
from convlin.diagnosis.runs.whole_tuples import taken_whole
from convlin.diagnosis.silent.findings import findings
from convlin.inputs import Plan, check_model, model_device
from convlin.module_tree import mode_of, modules_of, walk
from convlin.observe import observe, structure, unwrapped
from convlin.records import Problem, Report
from convlin.trace.call_sites import user_frame
from convlin.trace.eager import as_written
from convlin.trace.recording import NO_CALL, Failure, Recording
from convlin.trace.state import State
from convlin.trace.to_report import build
from convlin.trace.tracer import Tracer


class WatchedSummary(Summary):
    """A ``Summary`` that is filled when the ``with`` block ends; until then it holds the structure alone."""

    __slots__ = ()

    def _fill(self, report: Report) -> None:
        object.__setattr__(self, "_report", report)


@contextmanager
def watch(model: nn.Module) -> Iterator[Summary]:
    """Record every call of ``model`` inside the block: on your data, with your gradients and your mode.

    Nothing stands in for anything: the numbers stay yours.  When the call raises, the exception
    leaves as it is, with the table up to there and the diagnosis as a note.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    >>> with watch(model) as s:
    ...     y = model(torch.zeros(5, 3, 4))
    >>> s["1"].output_shape
    (5, 2)
    """
    root = unwrapped(check_model(model))
    summary = WatchedSummary(structure(root))
    state = State(careful=True, watching=True)
    frame = user_frame()
    try:
        with as_written(modules_of(model)), Tracer(walk(root), state).attached():
            yield summary
    except Exception as error:
        summary._fill(_report(root, state, frame))
        add_calls(error, str(summary))
        raise
    finally:
        if summary.report.mode == "":
            summary._fill(_report(root, state, frame))


def _report(root: nn.Module, state: State, frame: object) -> Report:
    recording = state.recording
    remarks = tuple(_outside(recording, type(root).__name__))
    if not _is_called(recording) and not recording.calls:
        return replace(structure(root), remarks=remarks)
    if _is_of_another(recording.failure):
        recording.failure = None
    if recording.failure is None or recording.outputs:
        recording.findings.extend(findings(recording, batch_added=False))
    report = build(root, recording, device=str(model_device(root)), mode=mode_of(root), remarks=remarks)
    problems = _told_by_another_pass(root, recording, report, (frame,))
    if not problems:
        # No experiments at other sizes: the plan holds no input that could be made anew.
        plan = Plan((), {}, 1, model_device(root))
        problems = diagnose(report, recording, root, plan, "same", (frame,))
    return without_numbers(report, problems)


def _outside(recording: Recording, name: str) -> Iterator[str]:
    """What the block did beside calling the model, as far as it tells why something is missing."""
    if not _is_called(recording):
        yield f"{name} was not called in the with block; calls in other threads are not seen"
    if _is_of_another(recording.failure):
        yield f"the error comes from another module than {name}"


def _is_called(recording: Recording) -> bool:
    """Whether the model or a layer of it was called, to its end or not."""
    failure = recording.failure
    is_under_way = failure is not None and failure.arguments is not None
    return is_under_way or not all(call.is_function for call in recording.calls)


def _is_of_another(failure: Failure | None) -> bool:
    """Whether a layer that is no part of the model raised."""
    return failure is not None and failure.in_layer and failure.call == NO_CALL and failure.arguments is None


def _told_by_another_pass(root: nn.Module, recording: Recording, report: Report, hints: Hints) -> tuple[Problem, ...]:
    """Everything that is wrong with a call that failed: from passes with stand-ins, on what the user gave.

    They come after the user's own call, which stays what it was, and they leave nothing behind.
    """
    failure = recording.failure
    if failure is None or failure.arguments is None or is_resource(failure.error):
        return ()
    if not (failure.refused or failure.taken is not None or taken_whole(failure)):
        return ()
    args, kwargs = failure.arguments
    try:
        found = observe(root, Plan(args, kwargs, 1, model_device(root)), "same", hints).report.problems
    except Exception:  # the second run fails otherwise than the user's did: nothing is to be learned from it
        return ()
    calls = len(report.calls)

    def of_this_call(problem: Problem) -> Problem:
        call = None if problem.call is None else problem.call + failure.start
        return replace(problem, call=call if call is not None and call < calls else None)

    return tuple(of_this_call(problem) for problem in found)
