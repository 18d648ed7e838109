"""One model, one input: the passes it takes to know everything, and what they found.

A quick pass is enough for a model that is right.  When it stops, or shows something that looks
wrong, a careful one follows, in which stand-ins let the pass go on behind each mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from convlin._util.call_spelling import call_spelling
from convlin._util.quiet import quiet
from convlin._util.resources import is_resource
from convlin._util.torch_private import uncompiled
from convlin.diagnosis.outcome import Outcome
from convlin.diagnosis.runs.retries import Retry, next_retry, passes
from convlin.diagnosis.silent import (
    cell_state,
    in_processes,
    leaving_batch,
    pooled_channels,
    time_axis,
    unregistered,
    without_features,
    without_values,
)
from convlin.errors import InputError
from convlin.inputs import Dummy, Plan, model_device
from convlin.layers import takes_any_size
from convlin.module_tree import Node, walk
from convlin.records import Report
from convlin.trace.forward_pass import one_pass, prepared
from convlin.trace.module_records import Held, lazy_modules
from convlin.trace.native_only import is_closed
from convlin.trace.recording import Recording, Suspects
from convlin.trace.to_report import build
from convlin.trace.under_way import known_to_be_at_work
from convlin.untouched import refuse_sharded, untouched

if TYPE_CHECKING:
    from convlin.diagnosis.problems import Hints
    from convlin.trace.flops import FlopCount

MODES = ("eval", "train", "same")


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
        inner: nn.Module = uncompiled(model)
        if inner is model:
            return model
        model = inner


def structure(model: nn.Module) -> Report:
    """The report of a model without a forward pass."""
    return build(unwrapped(model), Recording(), device=str(model_device(model)), mode="")


@known_to_be_at_work()
def observe(model: nn.Module, plan: Plan, mode: str = "eval", hints: Hints = (), *, flops: bool = False) -> Outcome:
    """Run ``model`` as often as it takes and report; the model is left as it was.

    ``hints`` say where else to look for the source of a model that is no class of the user's own;
    ``flops`` asks for the operations of every call.
    """
    outcome = _observed(model, plan, mode, hints, flops=flops)
    if outcome.stretched_to:
        several = 3 if 2 in outcome.stretched_to else 2  # as many rows would go together with that batch alone
        pair = observe(model, plan._replace(batch_size=several), mode, hints, flops=flops)
        if pair.error is None and any(
            leaving_batch.are_of(each, outcome.stretched_to) for each in pair.report.problems
        ):
            remark = f"this is a batch of {several}: one sample runs, stretched to another number of rows on the way"
            return pair._replace(report=replace(pair.report, remarks=(*pair.report.remarks, remark)))
        return outcome
    if outcome.last is None or is_resource(outcome.error):
        return outcome
    from convlin.diagnosis.readings import note, read_otherwise  # not loaded for a model that is right

    def again(other: Plan, found: Suspects | None) -> Outcome:
        with quiet():  # what the model warns of there is no news to the user
            told = found is not None
            return _observed(model, other, mode, hints, flops=flops and told, found=found, only_to_the_end=not told)

    if outcome.error is not None:
        return outcome._replace(note=note(unwrapped(model), plan, mode, outcome, again))
    return read_otherwise(unwrapped(model), plan, outcome, again)


def _observed(
    model: nn.Module,
    plan: Plan,
    mode: str,
    hints: Hints,
    *,
    flops: bool,
    found: Suspects | None = None,
    only_to_the_end: bool = False,
) -> Outcome:
    """One reading of the input; with ``only_to_the_end`` nobody asks why a pass stops that does not come to its end."""
    root = unwrapped(model)
    nodes = walk(root)
    modules = [node.module for node in nodes]
    if plan.device.type == "meta" and model_device(root).type != "meta":
        on_meta = call_spelling().option("device", "meta")
        refuse_sharded(root, modules, on_meta, f"leave out {on_meta}")
    lazy = lazy_modules(nodes)
    given = [value for value in plan.args if not isinstance(value, Dummy)]
    may_be_closed = not flops and plan.device == model_device(root) and not plan.kwargs
    # On the meta device not every function checks what reaches it.
    careful = plan.device.type == "meta" or found is not None or takes_any_size(map(type, modules))
    retry = Retry(plan, mode, careful=careful, suspects=found or Suspects())
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
            from convlin.diagnosis.runs.chosen_dtypes import with_only_dtypes  # not loaded for a model that runs

            instead = with_only_dtypes(recording, root, plan, mode)
            if instead is None:
                from convlin.diagnosis.runs.chosen_values import with_other_values

                instead = with_other_values(recording, root, plan, mode)
            if instead is not None:
                retry = retry._replace(plan=instead.plan, remarks=(*retry.remarks, *instead.remarks))
                continue
        remarks = (*retry.remarks, *_remarks(nodes, recording, plan))
        has_grown = failure is not None and failure.has_grown
        if has_grown:
            from convlin.diagnosis.stopped.grown_too_large import remark  # not loaded for a model that runs

            remarks = (*remarks, remark(recording))
        report = build(root, recording, device=str(plan.device), mode=mode, during=during, nodes=nodes, remarks=remarks)
        if failure is not None and failure.taken is not None and not failure.refused:
            from convlin.diagnosis.stopped.unpacked import unpacked  # not loaded for a model that runs

            problem = unpacked(report, recording, root, retry)
            if problem is not None:
                return Outcome(replace(report, problems=(problem,)), last=retry)
        if not explained or (is_resource(error) and not has_grown):
            return Outcome(report, error, last=retry)
        if error is None and not recording.findings:
            return Outcome(
                report,
                stretched_to=leaving_batch.stretched_to(recording, plan.batch_size) if plan.adds_batch else frozenset(),
            )
        if failure is not None and only_to_the_end:
            return Outcome(report, last=retry)
        from convlin.diagnosis.answer import answered  # not loaded for a model that is right

        answer = answered(report, recording, root, hints, retry)
        return Outcome(
            answer.report, names_batch=answer.names_batch, reordered=answer.reordered, unbatched=answer.unbatched,
            last=retry,
        )  # fmt: skip
    raise AssertionError("a model needed more passes than there are kinds of findings")


def _remarks(nodes: Sequence[Node], recording: Recording, plan: Plan) -> tuple[str, ...]:
    """What the user should know, and is not wrong by itself."""
    remarks = leaving_batch.remarks(recording, plan.batch_size) if plan.adds_batch else ()
    if plan.adds_batch:
        remarks += tuple(time_axis.remarks(recording))
    remarks = remarks or tuple(time_axis.mixed(recording))
    remarks += (*pooled_channels.remarks(recording), *without_features.remarks(recording))
    remarks += (*cell_state.remarks(nodes, recording), *in_processes.remarks(nodes), *without_values.remarks(nodes))
    return (*remarks, *unregistered.remarks(nodes, recording))


def _flop_count() -> FlopCount:
    from convlin.trace.flops import FlopCount  # loads torch's formulas: only where they were asked for

    return FlopCount()
