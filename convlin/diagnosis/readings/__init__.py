"""The input read otherwise: its axes in another order, two inputs exchanged, a batch that is missing or one too many.

Loaded for a model in which something is wrong.  Where the model is right for another reading, the run that showed it
is what is told; a run cannot tell which of the two was meant, so what is wrong otherwise is said as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from torch import nn

from convlin.diagnosis.outcome import Outcome
from convlin.diagnosis.problems import batch_in_shape
from convlin.diagnosis.readings import (
    dropped_batch,
    given_arrays,
    missing_batch,
    shape_in_values,
    swapped_axes,
    swapped_inputs,
)
from convlin.diagnosis.readings.two_readings import with_other_reading
from convlin.diagnosis.runs.evidence import with_evidence
from convlin.diagnosis.stopped import own_checks, shape_in_kwargs
from convlin.inputs import Plan, model_dtype
from convlin.records import Problem, Report
from convlin.trace.recording import Suspects

Again: TypeAlias = Callable[[Plan, Suspects | None], Outcome]
"""Observes the same model with another plan, or with what is to be taken for a mistake."""


def note(model: nn.Module, plan: Plan, mode: str, outcome: Outcome, again: Again) -> str:
    """What other runs tell of the exception that stopped the passes; empty where they tell nothing."""
    assert outcome.error is not None
    assert outcome.last is not None
    passed = shape_in_kwargs.told(plan) if not any(call.inputs for call in outcome.report.calls) else None
    if passed is not None:
        return f"{passed.message}: write {passed.fix}"
    found = _exchanged(plan, again)
    if found is not None:
        return swapped_inputs.said(outcome.report, *found)
    unbatched = _unbatched(plan, outcome.report, again)
    if unbatched is not None:
        return f"{missing_batch.said(unbatched)}: {unbatched.fix}"
    return own_checks.note(model, outcome.last.plan, mode, outcome.error)


def read_otherwise(model: nn.Module, plan: Plan, outcome: Outcome, again: Again) -> Outcome:
    """The answer where another reading of the input tells more; else the outcome, its problems with their evidence."""
    outcome = _as_one_sample(plan, _in_another_order(plan, outcome, again), again)
    report = outcome.report
    if not report.problems:
        return outcome
    if not plan.adds_batch and (other := _as_tensors(model, plan, outcome, again)) is not None:
        return other
    if not outcome.names_batch and (exchanged := _exchanged(plan, again)):
        return _told(outcome, swapped_inputs.look_swapped(report, *exchanged))
    if not plan.adds_batch and (unbatched := _unbatched(plan, report, again)) is not None:
        proved = _with_evidence(model, outcome)
        if missing_batch.are_rows_of_features(proved.report, unbatched):
            return proved
        return _told(outcome, missing_batch.look_unbatched(report, unbatched))
    if (dropped := _with_batch_kept(model, plan, outcome, again)) is not None:
        return dropped
    if (with_axes := _with_axes_swapped(model, plan, outcome, again)) is not None:
        return with_axes
    if not outcome.names_batch and (taken := plan.with_batch_taken_out()) is not None:
        other = again(taken, None)
        if other.is_right and _keeps_batch(other.report, taken):
            return _told(outcome, batch_in_shape(report, taken))
    return _with_evidence(model, outcome)


def _as_tensors(model: nn.Module, plan: Plan, outcome: Outcome, again: Again) -> Outcome | None:
    """The answer where arrays were given, or the numbers of a shape; else None."""
    tensors = given_arrays.as_tensors(plan)
    shaped = shape_in_values.as_shape(tensors or plan, model_dtype(model))
    if shaped is not None and not outcome.report.completed:
        other = again(shaped, Suspects())
        if other.error is None and other.report.completed:
            return _told(outcome, shape_in_values.look_like_shape(shaped))
    array = given_arrays.refused(outcome.report)
    if array is None or tensors is None:
        return None
    other = again(tensors, Suspects())
    if other.error is not None:
        return None
    other = read_otherwise(model, tensors, other, again)
    return other._replace(report=replace(other.report, problems=given_arrays.told(other.report, array)))


def _told(outcome: Outcome, problem: Problem) -> Outcome:
    return outcome._replace(report=replace(outcome.report, problems=(problem,)))


def _in_another_order(plan: Plan, outcome: Outcome, again: Again) -> Outcome:
    """Another order of the axes is one explanation, another size of the layer is the other: fewer mistakes decide."""
    if not len(outcome.report.problems) > len(outcome.reordered) > 0:
        return outcome
    other = again(plan, Suspects(in_order=outcome.reordered))
    if other.error is not None:
        return outcome
    if _mistakes(other) < _mistakes(outcome):
        return other
    meant = f"the axes were meant as they reach {' and '.join(sorted(outcome.reordered))}"
    return _told_both(outcome, other, meant)


def _as_one_sample(plan: Plan, outcome: Outcome, again: Again) -> Outcome:
    """One sample where a batch seems to be missing: what is wrong then, where other numbers would do for it as well."""
    if not outcome.unbatched:
        return outcome
    other = again(plan, Suspects(in_order=outcome.unbatched))
    wrong = other.report.problems
    if other.error is not None or not other.report.completed or any(each.kind == "structure" for each in wrong):
        return outcome
    with_batch = {each.path for each in outcome.report.problems} - outcome.unbatched
    without = {each.path for each in wrong}
    if len(with_batch) != len(without):
        return outcome if len(with_batch) < len(without) else other
    return _told_both(outcome, other, "no batch is intended")


def _told_both(outcome: Outcome, other: Outcome, meant: str) -> Outcome:
    problems = with_other_reading(outcome.report.problems, other.report.problems, meant)
    return outcome._replace(report=replace(outcome.report, problems=problems))


def _mistakes(outcome: Outcome) -> tuple[bool, int]:
    """How much is wrong in one reading: a pass that stops has not seen what comes behind."""
    return not outcome.report.completed, len(outcome.report.problems)


def _exchanged(plan: Plan, again: Again) -> tuple[Plan, swapped_inputs.Pair] | None:
    """The plan with two inputs in each other's place, and which, where the model is right so."""
    if len(plan.args) + len(plan.kwargs) < 2:
        return None
    tried = ((other, pair) for pair, other in swapped_inputs.with_two_exchanged(plan))
    return next(((other, pair) for other, pair in tried if again(other, None).is_right), None)


def _unbatched(plan: Plan, report: Report, again: Again) -> missing_batch.OneSample | None:
    """The call with a batch of one, where the model is right with the one tensor it was given as a batch of one."""
    for found in missing_batch.as_batches(report.problems, plan):
        other = again(found.plan, None)
        if other.error is None and missing_batch.is_right(other.report):
            return found
    return None


def _with_batch_kept(model: nn.Module, plan: Plan, outcome: Outcome, again: Again) -> Outcome | None:
    """The answer where the model is right with a batch of two, and a ``squeeze()`` drops a batch of one; else None."""
    pair = dropped_batch.with_two_samples(outcome.report, plan)
    if pair is None or outcome.last is None or not again(pair, None).is_right:
        return None
    found = dropped_batch.problems(outcome.report, model, outcome.last)
    return outcome._replace(report=replace(outcome.report, problems=found)) if found else None


def _with_axes_swapped(model: nn.Module, plan: Plan, outcome: Outcome, again: Again) -> Outcome | None:
    """The answer where the model is right, or more of it, with two axes of an input swapped; else None."""
    fewer: swapped_axes.Swap | None = None
    wrong = {(each.path, each.kind) for each in outcome.report.problems}
    for swap in swapped_axes.swaps(outcome.report, plan):
        other = again(swap.plan, None)
        if other.error is not None or not other.report.completed:
            continue
        left = {(each.path, each.kind) for each in other.report.problems}
        if not left:
            proved = _with_evidence(model, outcome)
            return _told(outcome, swapped_axes.look_swapped(proved.report, swap))
        fewer = fewer or (swap if left < wrong else None)
    if fewer is None:
        return None
    proved = _with_evidence(model, outcome)
    return proved._replace(report=replace(proved.report, problems=swapped_axes.with_swap_told(proved.report, fewer)))


def _keeps_batch(report: Report, plan: Plan) -> bool:
    """Whether a pass that nothing was wrong with has the batch in front from the first layer to the end."""
    ends = (report.calls[0].inputs, report.outputs) if report.calls else ()
    shapes = [infos[0].shape for infos in ends if infos]
    return len(shapes) == 2 and all(len(shape) > 0 and shape[0] == plan.batch_size for shape in shapes)


def _with_evidence(model: nn.Module, outcome: Outcome) -> Outcome:
    if outcome.error is not None or outcome.last is None:
        return outcome
    return outcome._replace(report=with_evidence(outcome.report, model, outcome.last))
