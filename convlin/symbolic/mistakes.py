"""Which findings of a pass in letters are mistakes: what is right at some sizes only narrows down those that fit."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from convlin.records import Accepts
from convlin.symbolic import batches
from convlin.symbolic.conditions import Condition, demands, lacks_flatten
from convlin.symbolic.confirm import Confirmed, subject_of
from convlin.symbolic.follow import Followed
from convlin.symbolic.question_sizes import turning_alone, turning_points
from convlin.symbolic.runs import Point
from convlin.symbolic.solving import meets, solved
from convlin.trace.recording import Finding, Recording

#: Samples at which a mistake has to be one, too, where a size became a plain number.
_ELSEWHERE = (187, 92, 13)
_MOST_ELSEWHERE, _MOST_ALONE = 24, 8


def mistakes_of(checked: Confirmed, accepts: Accepts | None) -> list[Finding]:
    """The findings that are there at all sizes: what is right at some only narrows down the sizes that fit.

    Where each of several is right at some sizes, but never all at once, all of them are told.
    """
    followed = checked.followed
    findings = followed.recording.findings
    if findings and accepts is not None:
        # The model was run there: nothing that fits at these sizes is wrong.
        batch = {
            str(name): batches.fitting(followed) for name in (followed.plan.batch_size,) if name in followed.sample
        }
        taken = {**followed.sample, **batch, **{found.name: found.minimum for found in accepts.sizes}}
        findings = [finding for finding in findings if not _fits(followed, finding, taken)]
        findings = _still_there(findings, checked.stood_in(taken)) if findings else []
    findings = [finding for finding in findings if not _is_of_unknown(finding)]
    if findings:
        findings = _still_there(findings, checked.without_a_mistake())
    if any(_is_right_unflattened(checked, finding) for finding in findings):
        return []
    demanded = [tuple(demands(finding)) for finding in findings]
    narrowing = [
        finding for finding, wanted in zip(findings, demanded, strict=True) if wanted and meets(followed, wanted)
    ]
    together = [condition for finding in narrowing for condition in demands(finding)]
    if together and not meets(followed, together):
        return list(findings)
    rest = [finding for finding in findings if finding not in narrowing]
    if not rest and accepts is None and checked.fits_nowhere(findings):
        return list(findings)
    rest = _at_other_sizes(checked, rest) if rest else rest
    return [] if rest and checked.runs_without(findings) else rest


def _is_of_unknown(finding: Finding) -> bool:
    """Whether what does not fit is a size for which no form was found: it may fit where that is another one."""
    misfit = finding.misfit
    if misfit.kind != "operands":
        return -1 in (misfit.required, misfit.declared)
    shapes, axes = misfit.detail.get("shapes", ()), misfit.detail.get("axes", ())
    return any(-1 in {shape[axis] for shape in shapes if -len(shape) <= axis < len(shape)} for axis in axes)


def _is_right_unflattened(checked: Confirmed, finding: Finding) -> bool:
    """Whether nothing is wrong where the last axis alone is as wide as a Linear that was to get it flattened."""
    calls = checked.followed.recording.calls
    given = calls[finding.call].input_shape if 0 <= finding.call < len(calls) else None
    if given is None or not lacks_flatten(finding.misfit) or len(given) != 3 or not isinstance(given[-1], sympy.Expr):
        return False
    fits = Condition(sympy.Eq(given[-1], finding.misfit.declared), finding.where)
    point = solved(checked.followed, [fits], smallest=1)
    run = checked.stood_in(point) if point is not None else None
    return run is not None and not run.findings


def _still_there(findings: Sequence[Finding], run: Recording | None) -> list[Finding]:
    """Those of the findings that a run at other sizes has as well; a flatten that is missing is missing at any size."""
    if run is None:
        return list(findings)
    there = set(map(subject_of, run.findings))
    return [each for each in findings if lacks_flatten(each.misfit) or subject_of(each) in there]


def _fits(followed: Followed, finding: Finding, point: Point) -> bool:
    """Whether what a finding asks for is there at ``point``."""
    evaluation, wanted = followed.session.evaluation(point), tuple(demands(finding))
    return bool(wanted) and all(evaluation.or_none(condition.expression) for condition in wanted)


def _at_other_sizes(checked: Confirmed, findings: list[Finding]) -> list[Finding]:
    """Those of the findings that are there at other sizes: a number that is another one there may fit at some size.

    Where a slice of 100 is as long as the axis, or a plain number was made of a size, shapes are those of the sample.
    """
    followed = checked.followed
    for sample in _elsewhere(followed):
        if not _asks_for_others(checked, findings, sample) or checked.stretched(sample):
            continue
        there = followed.passes.at(sample)
        if there.recording.failure is not None:
            continue
        kept = [each for each in findings if _is_wrong_at(there, followed, each)]
        if len(kept) < len(findings):
            checked.wrong.append(sample)
        findings = kept
    return findings


def _asks_for_others(checked: Confirmed, findings: Sequence[Finding], point: Point) -> bool:
    """Whether a run at ``point`` asks for another number than a finding in letters comes to there."""
    recording = checked.stood_in(point)
    if recording is None:
        return False
    evaluation = checked.followed.session.evaluation(point)

    def comes_to(required: object) -> object:
        if isinstance(required, tuple):  # a shape
            return tuple(map(comes_to, required))
        if not isinstance(required, int | sympy.Basic):  # what to write, as "reshape"
            return required
        try:
            return int(evaluation(sympy.sympify(required)))
        except (NotImplementedError, ArithmeticError, TypeError, ValueError):
            return required

    run = {subject_of(each): each.misfit.required for each in recording.findings}
    return any(run.get(subject_of(each)) != comes_to(each.misfit.required) for each in findings)


def _is_wrong_at(there: Followed, followed: Followed, finding: Finding) -> bool:
    """Whether a pass at another sample has the same finding, and nothing that it asks for can be there."""
    same = [each for each in there.recording.findings if subject_of(each) == subject_of(finding)]
    required = finding.misfit.required
    sizes = required if isinstance(required, tuple) else (required,)
    if not any(isinstance(size, sympy.Basic) and followed.session.names_in(size) for size in sizes):
        return any(each.misfit.required == required for each in same)
    wanted = [tuple(demands(each)) for each in same]
    return bool(same) and not any(each and meets(there, each) for each in wanted)


def _elsewhere(followed: Followed) -> list[Point]:
    """Samples at which the pass is not what it was, as far as its decisions tell."""
    names_in = followed.session.names_in
    # Each takes one run, and a pass in letters if that differs.
    found = [*turning_points(followed, _MOST_ELSEWHERE), *turning_alone(followed, _MOST_ALONE)]
    if any(each.is_number and not each.own and names_in(each.expression) for each in followed.session.decisions):
        found += [
            {
                name: size if name == followed.plan.batch_size else elsewhere + 2 * index
                for index, (name, size) in enumerate(followed.sample.items())
            }
            for elsewhere in _ELSEWHERE
        ]
    return found
