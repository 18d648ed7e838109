"""A line of ``forward``, changed and run before it is told: the model may have other uses for what it changes.

Where several calls run the line, what is right for one of them may break the next, and of a line that calls a variable
the text does not tell what that is.
The line is edited and the model run so; where that breaks something else, the line further out that leads to the call
alone is tried, and then the input with its axes in the order that the layer takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from convlin._util.torch_private import CONVOLUTIONS
from convlin.diagnosis.fixes.correction import edits_behind_argument
from convlin.diagnosis.messages import say
from convlin.diagnosis.messages.joined import is_of_joined
from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.diagnosis.runs.rewritten import runs_line
from convlin.inputs import Dummy, Plan
from convlin.ops.catalog import CAT, OPS, UNSQUEEZE
from convlin.records import Edit, Location, Report
from convlin.trace.recording import Finding, Recording


def with_lines_outside(report: Report, recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with such findings told at the line that a run shows to be the one to change.

    What that line settles as well is no finding of its own.
    """
    told = recording
    if not any(finding.misfit.note or is_of_joined(finding, report) for finding in recording.findings):
        return recording  # numbers alone: no line of forward is to be changed
    for finding in recording.findings:
        if finding in told.findings:
            told = _with_line_outside(report, told, finding, model, retry)
    return told


def _with_line_outside(
    report: Report, recording: Recording, finding: Finding, model: nn.Module, retry: Retry
) -> Recording:
    if finding.layer and finding.where is not None and (axis := _empty_axis(recording, finding)) is not None:
        squeezed = finding.with_detail(squeezed=axis)
        edits = edits_behind_argument(finding, say(squeezed, report).behind)
        left = _left(recording, finding, model, retry, edits) if edits else None
        if left is None:
            return recording
        return _without(recording, finding, left, squeezed)
    if finding.where is not None and (along := _other_axis(recording, finding)) is not None:
        return _with_join(recording, finding, finding.where, along, model, retry)
    said = say(finding, report)
    if said.join is not None:
        return _with_join(recording, finding, said.join, said.dim, model, retry)
    if not finding.layer or finding.where is None or not said.behind:
        return recording
    from convlin.source.forward import is_by_variable

    by_variable = is_by_variable(finding.where, finding.called_name)
    if not by_variable and not _is_shared(recording, finding):
        return recording
    ways: list[tuple[frozenset[tuple[Any, ...]], Finding]] = []
    for where, path in [(finding.where, finding.called_as), *_lines_outside(recording, finding)]:
        # That the layer is called with other sizes elsewhere is no question of its number then.
        told = finding._replace(where=where, called_as=path, misfit=finding.misfit._replace(changes={}))
        edits = edits_behind_argument(told, said.behind, said.after)
        left = _left(recording, finding, model, retry, edits) if edits else None
        if left is not None:
            ways.append((left, told.with_detail(run=True) if by_variable else told))
    plan = _turned(finding, retry.plan)
    left = _left(recording, finding, model, retry._replace(plan=plan)) if plan is not None else None
    if left is not None:
        ways.append((left, finding.with_detail(give=not left)))
    if not ways:
        return _without(recording, finding, recording.signs, finding.with_detail(nowhere=True))
    # Of those that settle as much the nearest line.
    left, told = min(ways, key=lambda way: len(way[0]))
    return _without(recording, finding, left, told)


def _with_join(
    recording: Recording, finding: Finding, where: Location, dim: int, model: nn.Module, retry: Retry
) -> Recording:
    """The same where tensors are joined along another axis; nothing is told of a line that cannot be run so."""
    from convlin.source.forward import corrected_join

    corrected = corrected_join(where, CAT.names, dim)
    if corrected is None or not all(edit.certain for edit in corrected.edits):
        return recording
    left = _left(recording, finding, model, retry, corrected.edits)
    if left is None:
        return _without(recording, finding, recording.signs, finding.with_detail(nowhere=True))
    return _without(recording, finding, left, finding.with_detail(along=dim, run=True))


def _other_axis(recording: Recording, finding: Finding) -> int | None:
    """The one axis in which the tensors of a ``cat`` differ, where another was named and they can be joined along it.

    Only where a layer with weights is behind: its sizes tell whether that is what was meant.
    """
    misfit = finding.misfit
    axes, shapes = misfit.detail.get("axes", ()), misfit.detail.get("shapes", ())
    if misfit.note != "concatenate" or len(axes) != 1 or len({shape[misfit.detail["dim"]] for shape in shapes}) != 1:
        return None
    behind, _ = recording.downstream(finding.call)
    return axes[0] if any(recording.calls[index].params > 1 for index in behind) else None


def _empty_axis(recording: Recording, finding: Finding) -> int | None:
    """The axis of 1 of one too many for a layer: the one that was just put there, or the one behind the batch."""
    misfit = finding.misfit
    if (misfit.kind, misfit.note) != ("structure", "rank") or not finding.inputs:
        return None
    if isinstance(recording.modules[finding.call], CONVOLUTIONS):
        return None
    ranks = misfit.detail.get("ranks", (misfit.declared,))
    shape = finding.inputs[0].shape
    if len(shape) != max(ranks) + 1:
        return None
    made = recording.maker(finding.source)
    if made is not None and OPS.named(made.type) is UNSQUEEZE:
        (axis,) = made.settings.values()  # by its place, or by its name
        return int(axis) % len(shape)
    return 1 if shape[1] == 1 else None


def _without(recording: Recording, finding: Finding, left: frozenset[tuple[Any, ...]], told: Finding) -> Recording:
    """The recording with ``told`` in place of a finding, and of the others those that are ``left``."""
    kept = [told if each is finding else each for each in recording.findings if each is finding or each.sign in left]
    return replace(recording, findings=kept)


def _around(recording: Recording, index: int) -> Iterator[int]:
    """The calls of modules that a call was made in, the innermost first."""
    for outer in range(index + 1, len(recording.calls)):
        if outer - recording.calls[outer].inner <= index:
            yield outer


def _owner(recording: Recording, index: int, where: Location) -> int | None:
    """The call of the module whose code holds a line that led to another call."""
    for outer in _around(recording, index):
        module = recording.modules[outer]
        if module is not None and runs_line(module, where):
            return outer
    return None


def _is_shared(recording: Recording, finding: Finding) -> bool:
    """Whether another call runs the line as well."""
    assert finding.where is not None
    owner = _owner(recording, finding.call, finding.where)
    if owner is None:
        return False
    return any(
        index != owner and module is not None and not call.is_function and runs_line(module, finding.where)
        for index, (call, module) in enumerate(zip(recording.calls, recording.modules, strict=True))
    )


def _lines_outside(recording: Recording, finding: Finding) -> Iterator[tuple[Location, str]]:
    """The lines that lead to the call of a layer, the nearest first, each with the path of what it calls."""
    assert finding.where is not None
    owner = _owner(recording, finding.call, finding.where)
    given = finding.inputs[0].shape
    while owner is not None:
        call, written = recording.calls[owner], recording.written.get(owner)
        if written is None or written.where is None or not call.inputs or call.inputs[0].shape != given:
            return
        yield written.where, written.path
        owner = _owner(recording, owner, written.where)


def _left(
    recording: Recording, finding: Finding, model: nn.Module, retry: Retry, edits: tuple[Edit, ...] = ()
) -> frozenset[tuple[Any, ...]] | None:
    """What is still wrong in a run with lines edited or another input; None where that breaks something else."""
    shown = run_to_the_end(model, retry, edits=edits)
    if shown is None:
        return None
    before, left = recording.signs, shown.signs
    return left if left <= before - {finding.sign} else None


def _turned(finding: Finding, plan: Plan) -> Plan | None:
    """The plan with an input with its axes as the layer takes them; None where what reaches the layer is no input."""
    if finding.misfit.note != "permute":
        return None
    given, order = finding.inputs[0].shape, finding.misfit.detail["order"]
    shape = tuple(given[axis] for axis in order)
    own = [value for value in (*plan.args, *plan.kwargs.values()) if _shape_of(value, plan) == given]
    if len(own) != 1 or plan.names or order[0] != 0:
        return None
    (value,) = own
    turned = value.permute(order) if isinstance(value, Tensor) else replace(value, shape=shape[1:])
    return plan.with_instead(value, turned)


def _shape_of(value: object, plan: Plan) -> tuple[Any, ...] | None:
    if isinstance(value, Dummy):
        return (plan.batch_size, *value.shape)
    return tuple(value.shape) if isinstance(value, Tensor) else None
