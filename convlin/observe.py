"""One model, one input: the passes it takes to know everything, and what they found.

A quick pass is enough for a model that is right.  When it stops, or shows something that looks
wrong, a careful one follows, in which stand-ins let the pass go on behind each mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from convlin._util.quiet import quiet
from convlin.diagnosis import in_processes, leaving_batch, pooled_channels, time_axis, unregistered
from convlin.diagnosis.retries import Retry, next_retry, passes
from convlin.errors import InputError
from convlin.inputs import Dummy, Plan, model_device
from convlin.module_tree import Node, walk
from convlin.records import Report
from convlin.trace.forward_pass import one_pass, prepared
from convlin.trace.native_only import is_closed
from convlin.trace.recording import Recording, Suspects
from convlin.trace.to_report import Held, build, lazy_modules
from convlin.untouched import refuse_sharded, untouched

if TYPE_CHECKING:
    from convlin.diagnosis.problems import Hints
    from convlin.diagnosis.swapped import Pair
    from convlin.records import Problem
    from convlin.trace.flops import FlopCount

MODES = ("eval", "train", "same")


class Outcome(NamedTuple):
    """What the passes found, and the user's own exception if that is what stopped them."""

    report: Report
    error: BaseException | None = None
    names_batch: bool = False
    """A problem already says that the shape seems to hold the batch."""
    reordered: frozenset[str] = frozenset()
    """Paths of layers that would fit with the axes of their input in another order."""
    last: Retry | None = None
    """How the last pass was made, where something is wrong."""
    note: str = ""
    """What can be said of the user's own exception."""


def check_mode(mode: str) -> str:
    """``mode`` itself, or an ``InputError`` that lists the modes there are."""
    if mode not in MODES:
        raise InputError(
            f'mode={mode!r} is not a valid mode: write mode="eval", mode="train" or mode="same" (as the model is)'
        )
    return mode


def unwrapped(model: nn.Module) -> nn.Module:
    """The module inside ``torch.compile`` or a data-parallel wrapper: its paths are the user's."""
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
            continue
        if type(model).__name__ != "OptimizedModule":
            return model
        model = model._modules["_orig_mod"] or model


def structure(model: nn.Module) -> Report:
    """The report of a model without a forward pass."""
    return build(unwrapped(model), Recording(), device=str(model_device(model)), mode="")


def observe(model: nn.Module, plan: Plan, mode: str = "eval", hints: Hints = (), *, flops: bool = False) -> Outcome:
    """Run ``model`` as often as it takes and report; the model is left as it was.

    ``hints`` say where else to look for the source of a model that is no class of the user's own;
    ``flops`` asks for the operations of every call.
    """
    outcome = _observed(model, plan, mode, hints, flops=flops)
    if outcome.error is not None and not is_resource(outcome.error) and outcome.last is not None:
        return outcome._replace(note=_note(model, plan, mode, hints, outcome))
    if len(outcome.report.problems) > len(outcome.reordered) > 0:
        # Another order of the axes is one explanation, another size of the layer is the other: fewer mistakes decide.
        found = Suspects(in_order=outcome.reordered)
        other = _observed_again(model, plan, mode, hints, flops=flops, found=found)
        if other.error is None and _mistakes(other) < _mistakes(outcome):
            outcome = other
        elif other.error is None:
            from convlin.diagnosis.two_readings import with_other_reading

            problems = with_other_reading(outcome.report.problems, other.report.problems, outcome.reordered)
            outcome = outcome._replace(report=replace(outcome.report, problems=problems))
    if not outcome.report.problems:
        return outcome
    if not outcome.names_batch and (exchanged := _exchanged(model, plan, mode, hints)):
        from convlin.diagnosis.swapped import look_swapped

        swapped = look_swapped(outcome.report, *exchanged)
        return outcome._replace(report=replace(outcome.report, problems=(swapped,)))
    if not plan.adds_batch and (unbatched := _unbatched(model, plan, mode, hints, outcome.report)):
        return outcome._replace(report=replace(outcome.report, problems=(unbatched,)))
    if (with_axes := _with_axes_swapped(model, plan, mode, hints, outcome)) is not None:
        return with_axes
    if outcome.names_batch or (taken := plan.with_batch_taken_out()) is None:
        return _with_evidence(model, outcome, mode)
    other = _observed_again(model, taken, mode, hints)
    if other.error is not None or not _keeps_batch(other.report, taken):
        return _with_evidence(model, outcome, mode)
    from convlin.diagnosis.problems import batch_in_shape

    return outcome._replace(report=replace(outcome.report, problems=(batch_in_shape(outcome.report, taken),)))


def _mistakes(outcome: Outcome) -> tuple[bool, int]:
    """How much is wrong in one reading: a pass that stops has not seen what comes behind."""
    return not outcome.report.completed, len(outcome.report.problems)


def _note(model: nn.Module, plan: Plan, mode: str, hints: Hints, outcome: Outcome) -> str:
    """What other runs tell of the user's own exception; empty where they tell nothing."""
    from convlin.diagnosis import own_checks, swapped

    assert outcome.error is not None
    assert outcome.last is not None
    found = _exchanged(model, plan, mode, hints)
    if found is not None:
        return swapped.said(outcome.report, *found)
    return own_checks.note(unwrapped(model), outcome.last.plan, mode, outcome.error)


def _exchanged(model: nn.Module, plan: Plan, mode: str, hints: Hints) -> tuple[Plan, Pair] | None:
    """The plan with two inputs in each other's place, and which, where the model is right so."""
    if len(plan.args) + len(plan.kwargs) < 2:
        return None
    from convlin.diagnosis.swapped import with_two_exchanged

    for pair, exchanged in with_two_exchanged(plan):
        other = _observed_again(model, exchanged, mode, hints)
        if other.error is None and other.report.completed and not other.report.problems:
            return exchanged, pair
    return None


def _unbatched(model: nn.Module, plan: Plan, mode: str, hints: Hints, report: Report) -> Problem | None:
    """That the batch is missing, where the model is right with the one tensor it was given as a batch of one."""
    from convlin.diagnosis import missing_batch

    for found in missing_batch.as_batches(report, plan):
        other = _observed_again(model, found.plan, mode, hints)
        if other.error is None and missing_batch.is_right(other.report):
            return missing_batch.look_unbatched(report, found)
    return None


def _with_axes_swapped(model: nn.Module, plan: Plan, mode: str, hints: Hints, outcome: Outcome) -> Outcome | None:
    """The answer where the model is right, or more of it, with two axes of an input swapped; else None."""
    from convlin.diagnosis import swapped_axes  # not loaded for a model that is right

    fewer: swapped_axes.Swap | None = None
    wrong = {(each.path, each.kind) for each in outcome.report.problems}
    for swap in swapped_axes.swaps(outcome.report, plan):
        other = _observed_again(model, swap.plan, mode, hints)
        if other.error is not None or not other.report.completed:
            continue
        left = {(each.path, each.kind) for each in other.report.problems}
        if not left:
            proved = _with_evidence(model, outcome, mode)
            problem = swapped_axes.look_swapped(proved.report, swap)
            return outcome._replace(report=replace(outcome.report, problems=(problem,)))
        fewer = fewer or (swap if left < wrong else None)
    if fewer is None:
        return None
    proved = _with_evidence(model, outcome, mode)
    return proved._replace(report=replace(proved.report, problems=swapped_axes.with_swap_told(proved.report, fewer)))


def _with_evidence(model: nn.Module, outcome: Outcome, mode: str) -> Outcome:
    last, report = outcome.last, outcome.report
    if outcome.error is not None or last is None:
        return outcome
    from convlin.diagnosis.evidence import with_evidence  # not loaded for a model that is right

    proved = with_evidence(report, unwrapped(model), last)
    return outcome._replace(report=proved)


def _keeps_batch(report: Report, plan: Plan) -> bool:
    """Whether a pass that nothing was wrong with has the batch in front from the first layer to the end."""
    ends = (report.calls[0].inputs, report.outputs) if report.calls else ()
    shapes = [infos[0].shape for infos in ends if infos]
    return (
        report.completed
        and not report.problems
        and len(shapes) == 2
        and all(len(shape) > 0 and shape[0] == plan.batch_size for shape in shapes)
    )


def _observed_again(
    model: nn.Module, plan: Plan, mode: str, hints: Hints, *, flops: bool = False, found: Suspects | None = None
) -> Outcome:
    """What else may have been meant, run; what the model warns of there is no news to the user."""
    with quiet():
        return _observed(model, plan, mode, hints, flops=flops, found=found)


def _observed(
    model: nn.Module, plan: Plan, mode: str, hints: Hints, *, flops: bool, found: Suspects | None = None
) -> Outcome:
    root = unwrapped(model)
    nodes = walk(root)
    modules = [node.module for node in nodes]
    if plan.device.type == "meta" and model_device(root).type != "meta":
        refuse_sharded(root, modules, 'device="meta"', 'leave out device="meta"')
    lazy = lazy_modules(nodes)
    given = [value for value in plan.args if not isinstance(value, Dummy)]
    may_be_closed = not flops and plan.device == model_device(root) and not plan.kwargs
    # On the meta device not every function checks what reaches it.
    retry = Retry(plan, mode, careful=plan.device.type == "meta" or found is not None, suspects=found or Suspects())
    for _ in passes(plan):
        plan = retry.plan
        closed = may_be_closed and not retry.careful and is_closed(modules, given, mode)
        with untouched(root, modules, closed=closed) as keeper, prepared(root, plan, mode, modules, lazy):
            state = retry.state(closed=closed, keeper=keeper)
            if flops:
                state.flops = _flop_count()
            recording = one_pass(root, plan, state, nodes=nodes)
            following = next_retry(retry, recording, state)
            if following is not None:
                retry = following
                continue
            failure = recording.failure
            error = failure.error if failure is not None else None
            explained = error is None or (failure is not None and failure.refused) or bool(recording.findings)
            during = Held(nodes, recording, lazy)
        if failure is not None and failure.refused and not is_resource(error):
            from convlin.diagnosis.chosen_dtypes import with_only_dtypes  # not loaded for a model that runs

            instead = with_only_dtypes(recording, root, plan, mode)
            if instead is not None:
                retry = retry._replace(plan=instead.plan, remarks=instead.remarks)
                continue
        remarks = (*retry.remarks, *_remarks(nodes, recording, plan))
        report = build(root, recording, device=str(plan.device), mode=mode, during=during, nodes=nodes, remarks=remarks)
        if not explained or is_resource(error):
            return Outcome(report, error, last=retry)
        if error is None and not recording.findings:
            return Outcome(report)
        from convlin.diagnosis.answer import answered  # not loaded for a model that is right

        answer = answered(report, recording, root, hints, retry)
        return Outcome(answer.report, names_batch=answer.names_batch, reordered=answer.reordered, last=retry)
    raise AssertionError("a model needed more passes than there are kinds of findings")


def _remarks(nodes: Sequence[Node], recording: Recording, plan: Plan) -> tuple[str, ...]:
    """What the user should know, and is not wrong by itself."""
    remarks = leaving_batch.remarks(recording, plan.batch_size) if plan.adds_batch else ()
    if plan.adds_batch:
        remarks += tuple(time_axis.remarks(recording))
    remarks = remarks or tuple(time_axis.mixed(recording))
    remarks += tuple(pooled_channels.remarks(recording))
    return (*remarks, *in_processes.remarks(nodes), *unregistered.remarks(nodes, recording))


def _flop_count() -> FlopCount:
    from convlin.trace.flops import FlopCount  # loads torch's formulas: only where they were asked for

    return FlopCount()


def is_resource(error: BaseException | None) -> bool:
    """Running out of memory is no mistake in the model's shapes."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError | RecursionError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)  # how PyTorch says it of the CPU
