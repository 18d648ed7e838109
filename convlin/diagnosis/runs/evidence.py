"""Whether a model is right once all is done that its problems say: it is run so, and no file is written."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import nn

from convlin._util.quiet import quiet
from convlin.diagnosis.runs.retries import Retry
from convlin.diagnosis.runs.rewritten import CannotRewriteError, in_place, methods
from convlin.diagnosis.silent import leaving_batch
from convlin.diagnosis.silent.findings import suspects
from convlin.layers import CannotRemakeError, places_of, remade
from convlin.module_tree import module_at, modules_of, sharing
from convlin.records import Edit, Evidence, Problem, Report
from convlin.trace.forward_pass import one_pass, prepared
from convlin.trace.recording import Recording, Suspects
from convlin.untouched import sharded, untouched

#: New weights of more elements together are made on the meta device alone: 64 MiB in float32.
_MOST_ELEMENTS = 1 << 24
_META = torch.device("meta")

Wanted: TypeAlias = Mapping[str, Mapping[str, Any]]
"""For the paths of layers what their constructors are to be given."""

_NOTHING: Wanted = {}


def with_evidence(report: Report, model: nn.Module, last: Retry) -> Report:
    """The report with its problems told to be known by a run where the model was right with all done that they say.

    ``last`` is the pass that showed them.

    All of them together: layers are made anew, and methods are compiled from the edited text. Where one problem is
    told in words alone, the model cannot be run as it should be. What that run shows of the batch is said as well.
    """
    problems = report.problems
    remaking = [problem for problem in problems if problem.changes]
    rewriting = [problem for problem in problems if not problem.changes]
    wanted = arguments_by_path(remaking)
    if wanted is None or not all(problem.edits for problem in rewriting):
        return report
    edits = [edit for problem in rewriting for edit in problem.edits]
    plan = last.plan
    recording = run_changed(model, Retry(plan, last.mode, gradients=last.gradients), wanted, edits)
    if recording is None or recording.failure is not None or recording.findings:
        return report
    if suspects(recording, batch_added=plan.adds_batch) != Suspects():
        return report
    remarks = leaving_batch.remarks(recording, plan.batch_size) if plan.adds_batch else ()
    return replace(
        report,
        problems=tuple(replace(problem, evidence=Evidence.RUN) for problem in problems),
        remarks=tuple(dict.fromkeys((*report.remarks, *remarks))),
    )


def arguments_of(problem: Problem) -> dict[str, Any]:
    """What the constructor of the layer is to be given, as values.

    Raises:
        ValueError: a size in letters, which no layer is made with.

    >>> arguments_of(Problem("num_features", "norm", 4, 8, changes={"num_features": "8"}))
    {'num_features': 8}
    """
    return {name: ast.literal_eval(written) for name, written in problem.changes.items()}


def arguments_by_path(problems: Sequence[Problem]) -> dict[str, dict[str, Any]] | None:
    """For each wrong layer its new arguments; None where making layers anew does not fix everything."""
    wanted: dict[str, dict[str, Any]] = {}
    for problem in problems:
        layer = problem.layer or problem.path
        if not problem.changes or not layer:
            return None
        known = wanted.setdefault(layer, {})
        try:
            arguments = arguments_of(problem)
        except (ValueError, SyntaxError):  # a size in letters
            return None
        if any(known.setdefault(name, value) != value for name, value in arguments.items()):
            return None
    return wanted


def run_changed(
    model: nn.Module, retry: Retry, wanted: Wanted = _NOTHING, edits: Sequence[Edit] = ()
) -> Recording | None:
    """What a pass shows with layers made anew and methods edited; None where the model cannot be run so."""
    plan = retry.plan
    if sharded(modules_of(model)) or _shares_weights(model, wanted):
        return None
    try:
        new = _remade(model, wanted, _META)
        if sum(each.numel() for layer in new.values() for each in layer.parameters()) > _MOST_ELEMENTS:
            plan = plan._replace(device=_META)
        rewritten = methods(model, edits)
    except (CannotRemakeError, CannotRewriteError):
        return None
    retry = retry._replace(plan=plan, careful=retry.careful or plan.device.type == "meta")
    with ExitStack() as stack:
        stack.enter_context(quiet())
        keeper = stack.enter_context(untouched(model))
        stack.enter_context(prepared(model, plan, retry.mode))
        stack.enter_context(_exchanged(model, wanted, plan.device))
        stack.enter_context(in_place(rewritten))
        return one_pass(model, plan, retry.state(keeper=keeper))


def run_to_the_end(
    model: nn.Module, retry: Retry, wanted: Wanted = _NOTHING, edits: Sequence[Edit] = ()
) -> Recording | None:
    """What a careful ``run_changed`` shows; None where it stops, or where a mistake that nothing raises is new."""
    shown, known = run_changed(model, retry._replace(careful=True), wanted, edits), retry.suspects
    if shown is None or shown.failure is not None:
        return None
    return shown if suspects(shown, batch_added=retry.plan.adds_batch) | known == known else None


def _remade(model: nn.Module, wanted: Wanted, device: torch.device) -> dict[str, nn.Module]:
    return {path: remade(module_at(model, path), changes, device=device) for path, changes in wanted.items()}


def _shares_weights(model: nn.Module, wanted: Wanted) -> bool:
    """Whether a layer that is to be changed shares a weight with another module: made anew it would not."""
    wrong = {id(module_at(model, path)) for path in wanted}
    return any(id(node.module) in wrong for nodes in sharing(model) for node in nodes)


@contextmanager
def _exchanged(model: nn.Module, wanted: Wanted, device: torch.device) -> Iterator[None]:
    """New layers in every place of the old ones, made in the mode that these have now."""
    new = _remade(model, wanted, device)
    replaced = [(module_at(model, path), layer) for path, layer in new.items()]
    places = [
        (parent, name, parent._modules[name], layer)
        for old, layer in replaced
        for parent, name in places_of(model, old)
    ]
    try:
        for parent, name, _, layer in places:
            parent._modules[name] = layer
        yield
    finally:
        for parent, name, before, _ in places:
            parent._modules[name] = before
