"""Findings become problems: the words, the line to change, that line corrected.

The leaf (``layers``, ``functions``) says what does not fit, ``wording`` puts it into words, and
``corrections`` finds the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from convlin._util.call_spelling import call_spelling
from convlin._util.gc_pause import paused
from convlin.diagnosis.fixes.correction import Correction
from convlin.diagnosis.fixes.lines import Lines
from convlin.diagnosis.fixes.numbers import in_factors, written
from convlin.diagnosis.messages import Said, fitted, say
from convlin.diagnosis.messages.joined import doubted, joined_along
from convlin.diagnosis.messages.tools import code, is_cat
from convlin.diagnosis.mistakes.several_sizes import Needs, said_of, several_sizes, told
from convlin.diagnosis.mistakes.what_follows import with_what_follows
from convlin.diagnosis.runs.claims import claims_about, in_a_line
from convlin.diagnosis.silent.findings import suspects
from convlin.diagnosis.stopped.unexplained import stopped
from convlin.inputs import Dummy, Plan
from convlin.ops.op import Family
from convlin.records import Claim, ClaimKind, Evidence, Problem, Report
from convlin.search.resized import Resized
from convlin.trace.recording import Finding, Recording

Hints = Iterable[Any]


def diagnose(
    report: Report, recording: Recording, model: nn.Module, plan: Plan, mode: str, hints: Hints = ()
) -> tuple[Problem, ...]:
    """One problem for every finding, each once, in the order they were met.

    ``model`` is as the user gave it, with nothing of the pass left on it: a size that is too small
    is answered by running it at others.
    """
    recording = replace(recording, findings=told(with_what_follows(recording)))
    several = several_sizes(recording)
    problems: list[Problem] = []
    answered: set[str] = set()
    for finding, problem in _found(report, recording, model, hints, several):
        if needs := several.get(_attribute(finding)):
            problem = replace(problem, required=tuple(needs))
        elif all(other.call >= finding.call for other in recording.findings):  # nothing stands in, in front of it
            asked = "image" if finding.misfit.kind == "in_features" else finding.misfit.kind
            if asked not in answered:
                claims = claims_about(recording, finding, Resized(model, plan, mode, suspects))
                if claims:
                    answered.add(asked)
                    problem = replace(problem, message=f"{problem.message}\n{in_a_line(claims)}", claims=claims)
        problems.append(problem)
    failure = recording.failure
    if failure is not None and failure.refused and not (failure.is_explained or (problems and failure.is_guess)):
        problems.append(stopped(recording, failure, model, plan, mode))
    if failure is None and all(map(_ran_as_told, recording.findings)):
        problems = [replace(problem, evidence=Evidence.RUN) for problem in problems]
    return tuple(replace(each, message=fitted(each.message, each.path or report.model)) for each in problems)


def _ran_as_told(finding: Finding) -> bool:
    """Whether what stood in for the input of a layer of sequences is what the fix makes of it, number for number."""
    misfit = finding.misfit
    of_sequence = misfit.kind in ("input_size", "embed_dim") and misfit.note == "permute"
    return of_sequence or (misfit.note == "map_in_steps" and bool(misfit.detail["reshaped"]))


@paused()  # until the trees of the source are gone again: nothing of the user's runs in here
def _found(
    report: Report,
    recording: Recording,
    model: nn.Module,
    hints: Hints,
    several: Mapping[tuple[str, str], Needs],
) -> list[tuple[Finding, Problem]]:
    """The findings that are told, each with what is wrong and the line to change."""
    said = {
        id(finding): said_of(finding, needs, report)
        if (needs := several.get(_attribute(finding)))
        else say(finding, report)
        for finding in recording.findings
    }
    _doubt_what_is_joined(said, recording, report)
    giving = {id(each): each.misfit.detail.get("giving") for each in recording.findings}
    said |= {id(giver): say(giver, report) for giver in giving.values() if giver is not None}
    fixable = (giving[id(each)] or each for each in recording.findings)
    wanted = [(each.path, in_factors(_changes(each, said[id(each)]), each, recording)) for each in fixable]
    lines = Lines(model, wanted, hints, recording, said)
    found: dict[tuple[Any, ...], tuple[Finding, Problem]] = {}
    for finding in recording.findings:
        misfit = finding.misfit
        key = (
            misfit.kind,
            finding.path,
            finding.where if finding.function else None,
            "" if several.get(_attribute(finding)) else repr(misfit.required),
            misfit.note,
        )
        if key not in found:
            giver = giving[id(finding)] or finding
            correction = lines.correction(giver, said[id(giver)])
            problem = _problem(finding, said[id(finding)], correction)
            if giver is not finding:
                problem = replace(problem, changes=_changes(giver, said[id(giver)]), layer=giver.path)
            found[key] = finding, problem
    return list(found.values())


def _doubt_what_is_joined(said: dict[int, Said], recording: Recording, report: Report) -> None:
    """Let no number be certain that comes from a ``cat`` which is told to join along another dim than was meant."""
    found = ((each, joined_along(each, report)) for each in recording.findings)
    joined = {id(finding): (finding.call, along) for finding, along in found if along is not None}
    _doubt_what_does_not_fit(said, recording)
    for finding in recording.findings:
        if id(finding) in joined or not finding.layer or not finding.misfit.changes:
            continue
        if (doubt := doubted(finding, report)) is not None:
            told, (why, size) = said[id(finding)], doubt
            instead = told.instead or f"{next(iter(finding.misfit.changes))}={code(size)}"
            said[id(finding)] = replace(told, message=f"{told.message}\n{why}", instead=instead)
        if not joined:
            continue
        before = set(recording.on_the_way(finding.source))
        along = next((along for call, along in joined.values() if call in before), None)
        if along is not None:
            told, misfit = said[id(finding)], finding.misfit
            instead = told.instead or f"{next(iter(misfit.changes))}={code(misfit.declared)}"
            message = f"{told.message}\nit may be another number where {along.call.type} joins along dim={along.meant}"
            said[id(finding)] = replace(told, message=message, instead=instead)


def _doubt_what_does_not_fit(said: dict[int, Said], recording: Recording) -> None:
    """Let no number be certain behind tensors that do not go together, where others or other sizes are meant."""
    unequal = {
        each.call
        for each in recording.findings
        if each.misfit.kind == "operands" and each.call >= 0 and recording.family(each.call) is Family.PRODUCT
    }
    for finding in recording.findings:
        if not finding.layer or not finding.misfit.changes:
            continue
        maker = recording.maker(finding.source)
        if maker is not None and is_cat(maker) and maker.stood_in:
            why = "with tensors that do go together it may be another number"
        elif unequal and unequal.intersection(recording.on_the_way(finding.source)):
            why = "it may be another number once those sizes are equal"
        else:
            continue
        told, misfit = said[id(finding)], finding.misfit
        instead = told.instead or f"{next(iter(misfit.changes))}={code(misfit.declared)}"
        said[id(finding)] = replace(told, message=f"{told.message}\n{why}", instead=instead)


def _attribute(finding: Finding) -> tuple[str, str]:
    return finding.path, finding.misfit.kind


def batch_in_shape(report: Report, plan: Plan) -> Problem:
    """The one problem of a model that is right for ``plan``, which takes the batch out of the given shapes.

    A run cannot tell which of the two was intended: what is wrong for a single sample is said as well.
    """
    otherwise = report.problems[0].message.partition("\n")[0]
    runs = f"with {call_spelling().option('batch_size', plan.batch_size)} the model runs as it is"
    return Problem(
        kind="batch",
        path="",
        message=f"the shape seems to hold a batch of {plan.batch_size}, but shapes are given without the batch\n"
        f"{runs}\nif the shape is one sample: {otherwise}",
        fix=written_call(plan),
        evidence=Evidence.RUN,
        claims=(Claim(ClaimKind.BATCH, runs, Evidence.RUN),),
    )


def written_call(plan: Plan) -> str:
    """The call that gives the shapes of a plan, and its batch where that is not one sample."""
    args = [value.shape for value in plan.args if isinstance(value, Dummy)]
    named = {name: value.shape for name, value in plan.kwargs.items() if isinstance(value, Dummy)}
    return call_spelling().call(named or args, plan.batch_size if plan.batch_size != 1 else None)


def _changes(finding: Finding, said: Said) -> dict[str, str]:
    """What to change of the layer, where changing the layer fixes it."""
    return {} if said.forward or said.outside else written(finding.misfit.changes)


def _problem(finding: Finding, said: Said, found: Correction) -> Problem:
    misfit = finding.misfit
    told = f"\n{found.told}" if found.told else ""
    return Problem(
        kind=misfit.kind,
        path=finding.path,
        declared=misfit.declared,
        required=misfit.required,
        message=f"{said.message}{told}",
        fix=found.text,
        where=found.where,
        call=finding.call,
        changes=_changes(finding, said),
        edits=found.edits,
        unfixed=found.unfixed,
    )
