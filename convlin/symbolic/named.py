"""One model, one input in named sizes: what `observe` is for numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from convlin._util.default_device import own_tensors_on_cpu
from convlin._util.gc_pause import paused
from convlin._util.quiet import quiet
from convlin.diagnosis.mistakes.several_sizes import without_numbers
from convlin.diagnosis.outcome import Outcome
from convlin.diagnosis.problems import Hints, diagnose
from convlin.diagnosis.silent import in_processes, time_axis, unregistered
from convlin.errors import InputError
from convlin.inputs import TRIALS, Plan, model_device
from convlin.module_tree import modules_of, walk
from convlin.observe import unwrapped
from convlin.records import Accepts, Report
from convlin.symbolic import batches
from convlin.symbolic.confirm import Confirmed, confirmed
from convlin.symbolic.follow import Followed, follow
from convlin.symbolic.limits import Limits
from convlin.symbolic.mistakes import mistakes_of
from convlin.symbolic.quiet import unlogged
from convlin.symbolic.remarks import (
    holds_nowhere,
    is_one_size,
    refused_inside,
    remarks_of,
    taken_besides,
    untold,
    without_a_rule,
)
from convlin.symbolic.repeats import Repeats
from convlin.symbolic.runs import MOST_FUNCTIONS, keeps_batch
from convlin.symbolic.settled import Settled, settled
from convlin.symbolic.stopped import untold_error
from convlin.symbolic.trials import Trials
from convlin.trace.recording import Finding
from convlin.trace.to_report import build
from convlin.trace.under_way import known_to_be_at_work
from convlin.untouched import refuse_sharded

#: How many functions a model calls for each of its calls that is a row, where no pass at small sizes tells.
_FUNCTIONS_FOR_CALL = 4

#: A size of all letters at which it is tried whether another value of an input is what a model needs.
_USUAL = 64


@paused()  # and what the model's own runs leave is collected after each
@unlogged()
@quiet()  # what a model warns of there is about sizes that nobody gave
@own_tensors_on_cpu()  # sizes are compared and forms computed in tensors
@known_to_be_at_work()
def observe_named(
    model: nn.Module, plan: Plan, mode: str = "eval", hints: Hints = (), *, trials: int = TRIALS
) -> Outcome:
    """Follow ``model`` in letters and report; the model is left as it was.

    A layer that fits at some sizes of the letters is no problem: it narrows down what is accepted.
    """
    root = unwrapped(model)
    modules = modules_of(root)
    refuse_sharded(root, modules, "named sizes", "write numbers in place of the letters")
    _refuse_packed(root, modules)
    limits = Limits(trials)
    followed = follow(root, plan, mode, limits)
    runs = _runs(root, followed, mode)
    its_own = batches.at_its_own(followed, runs)
    if its_own is not followed:
        followed, runs = its_own, _runs(root, its_own, mode)
    checked = confirmed(followed, runs)
    failure = checked.followed.recording.failure
    if failure is None:
        return _of_one_that_runs(root, settled(checked, runs), runs, mode, hints)
    if failure.refused:
        from convlin.diagnosis.runs.chosen_dtypes import with_only_dtypes  # not loaded for a model that runs

        instead = with_only_dtypes(checked.followed.recording, root, checked.followed.plan, mode, followed.sample)
        if instead is None:
            from convlin.diagnosis.runs.chosen_values import in_letters

            instead = in_letters(root, checked.followed.plan, mode, followed.with_sides(_USUAL))
        if instead is not None:
            outcome = observe_named(model, instead.plan, mode, hints, trials=trials)
            remarks = (*instead.remarks, *outcome.report.remarks)
            return outcome._replace(report=replace(outcome.report, remarks=remarks))
    repeats = Repeats(checked.followed, checked.seen)
    report = _report(root, checked.followed, mode, _remarks(root, checked, None, repeats))
    error = untold_error(checked.followed, failure, runs)
    if error is not None:
        return Outcome(report, error)
    told = _with_problems(report, root, checked.followed, mistakes_of(checked, None), mode, hints)
    return Outcome(replace(told, calls_vary=repeats.vary))


def _of_one_that_runs(model: nn.Module, found: Settled, runs: Trials, mode: str, hints: Hints) -> Outcome:
    """What is told of a model whose pass came to its end."""
    checked, accepts = found.checked, found.accepts
    followed, limits = checked.followed, checked.followed.passes.limits
    mistakes = mistakes_of(checked, accepts)
    if accepts is None and not mistakes:
        limits.admit()
    repeats = Repeats(followed, checked.seen)
    remarks = _remarks(model, checked, accepts, repeats)
    if not mistakes:
        remarks += tuple(batches.remarks(model, followed, runs, accepts))
    is_pinned = checked.pinned or checked.has_unknown_number
    remarks += tuple(limits.remarks()) if mistakes or accepts is not None else _why_none(model, found, runs)
    if is_pinned and not is_one_size(accepts):
        accepts = None  # between the ends that were run the number changes, and with it what is taken
    if accepts is not None and not mistakes:
        remarks += tuple(taken_besides(checked, accepts, runs))
    told = _with_problems(_report(model, followed, mode, remarks), model, followed, mistakes, mode, hints)
    vary, nowhere = repeats.vary, holds_nowhere(checked)
    return Outcome(replace(told, accepts=accepts, calls_vary=vary, holds_nowhere=nowhere))


def _why_none(model: nn.Module, found: Settled, runs: Trials) -> tuple[str, ...]:
    """Why no range is reported of a model without a mistake, where not the forms themselves are in doubt."""
    checked, plan = found.checked, found.checked.followed.plan
    why = (*untold(checked.followed, runs, model_device(model)), *checked.followed.passes.limits.remarks())
    if found.refused is not None:
        why += tuple(refused_inside(plan, found.refused, runs))
    if why or checked.pinned or checked.has_unknown_number:
        return why
    return tuple(without_a_rule(plan, runs))


def _remarks(model: nn.Module, checked: Confirmed, accepts: Accepts | None, repeats: Repeats) -> tuple[str, ...]:
    """What is said of any pass in letters, whether it came to its end or not."""
    followed, nodes = checked.followed, walk(model)
    remarks = (*repeats.remarks(), *remarks_of(checked, accepts))
    remarks += (*in_processes.remarks(nodes), *unregistered.remarks(nodes, followed.recording))
    return (*remarks, *time_axis.remarks(followed.recording)) if followed.plan.adds_batch else remarks


def _report(model: nn.Module, followed: Followed, mode: str, remarks: tuple[str, ...]) -> Report:
    device = str(followed.plan.device)
    return build(model, followed.recording, device=device, mode=mode, during=followed.held, remarks=remarks)


def _with_problems(
    report: Report, model: nn.Module, followed: Followed, mistakes: list[Finding], mode: str, hints: Hints
) -> Report:
    """The report with the mistakes in words."""
    followed.recording.findings[:] = mistakes
    return without_numbers(report, diagnose(report, followed.recording, model, followed.plan, mode, hints))


def _runs(model: nn.Module, followed: Followed, mode: str) -> Trials:
    kept = keeps_batch(followed.plan, followed.recording)
    passes = followed.passes
    most = passes.limits.scaled(MOST_FUNCTIONS) + max(passes.steps, _FUNCTIONS_FOR_CALL * len(followed.recording.calls))
    return Trials(
        model, followed.plan, mode, kept, followed.cost,
        limits=passes.limits, loops=passes.loops, gradients=passes.gradients, most=most,
        calls=len(followed.recording.calls),
    )  # fmt: skip


#: Where PyTorch's C++ classes of packed weights stand.
_PACKED = "__torch__.torch.classes.quantized."


def _refuse_packed(model: nn.Module, modules: Sequence[nn.Module]) -> None:
    """Raise an ``InputError`` where quantization packed the weights: they are no tensors that letters could run on."""
    for module in modules:
        for value in module.__dict__.values():
            if isinstance(value, torch.ScriptObject) and str(value._type()).startswith(_PACKED):
                raise InputError(
                    f"{type(model).__name__} is quantized, with weights packed in {type(module).__name__}, which named "
                    "sizes cannot pass: write numbers in place of the letters"
                )
