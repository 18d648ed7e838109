"""One model, one input in named sizes: what `passes.observe` is for numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import sympy
import torch
from torch import nn

from convlin._util.default_device import own_tensors_on_cpu
from convlin._util.gc_pause import paused
from convlin._util.quiet import quiet
from convlin.diagnosis import in_processes, time_axis, unregistered
from convlin.diagnosis.problems import Hints, diagnose
from convlin.diagnosis.several_sizes import without_numbers
from convlin.errors import InputError
from convlin.inputs import TRIALS, Plan, model_device
from convlin.inputs.spelling import counted
from convlin.module_tree import modules_of, walk
from convlin.observe import Outcome, is_resource, unwrapped
from convlin.records import Accepts
from convlin.symbolic import batches
from convlin.symbolic.accepts import Search
from convlin.symbolic.assumed import Assumed
from convlin.symbolic.checks import Checks
from convlin.symbolic.conditions import Condition, demands, lacks_flatten
from convlin.symbolic.confirm import Confirmed, confirmed, repaired, subject_of
from convlin.symbolic.follow import Followed, follow
from convlin.symbolic.limits import Limits, written
from convlin.symbolic.lookups import lookups
from convlin.symbolic.numbers_in_code import numbers_in_code
from convlin.symbolic.question_sizes import turning_alone, turning_points
from convlin.symbolic.questions import asked, asks_for_windows_alone, filled, questions
from convlin.symbolic.repeats import Repeats
from convlin.symbolic.session import needs_values
from convlin.symbolic.solving import meets, solved
from convlin.symbolic.stretching import Stretching
from convlin.symbolic.trials import MOST_FUNCTIONS, Point, Trials, keeps_batch
from convlin.trace.call_sites import raising_line
from convlin.trace.recording import Failure, Finding, Recording
from convlin.trace.to_report import build
from convlin.untouched import refuse_sharded

#: How many functions a model calls for each of its calls that is a row, where no pass at small sizes tells.
_FUNCTIONS_FOR_CALL = 4
#: How PyTorch says that a dict or a cache was asked for something by a size.
_UNHASHABLE = "unhashable type: non-nested SymInt"
#: Sizes that most models take.
_USUAL = (64, 224, 7)
#: Where a size became a plain number, all up to this one, too.
_SMALL_TOO = 40
#: Samples at which a mistake has to be one, too, where a size became a plain number.
_ELSEWHERE = (187, 92, 13)
_MOST_ELSEWHERE, _MOST_ALONE = 24, 8
#: At about how many of the sizes that are taken forms are looked at that come of no pass.
_MOST_FITTED = 8


@paused()  # and what the model's own runs leave is collected after each
@quiet()  # what a model warns of there is about sizes that nobody gave
@own_tensors_on_cpu()  # sizes are compared and forms computed in tensors
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
    followed = checked.followed
    recording = followed.recording
    failure = recording.failure
    if failure is not None and failure.refused:
        from convlin.diagnosis.chosen_dtypes import with_only_dtypes  # not loaded for a model that runs

        instead = with_only_dtypes(recording, root, followed.plan, mode, followed.sample)
        if instead is not None:
            outcome = observe_named(model, instead.plan, mode, hints, trials=trials)
            remarks = (*instead.remarks, *outcome.report.remarks)
            return outcome._replace(report=replace(outcome.report, remarks=remarks))
    accepts, refused = _accepts(followed, runs) if failure is None else (None, None)
    there = _where_it_fits(checked, accepts, runs)
    if there is not None:
        checked, followed, recording = there, there.followed, there.followed.recording
    if failure is None:
        inside = [point for point in runs.taken if _is_inside(accepts, point)]
        checked.look_at(checked.elsewhere_among(inside))
        checked.look_at(point for point in batches.few(followed, accepts) if point not in checked.points)
        if checked.is_fitted:  # and may fit by chance at sizes that are alike
            others = [point for point in inside if point not in checked.points]
            checked.look_at(others[:: max(1, len(others) // _MOST_FITTED)])
        checked = repaired(checked, runs, any_pass=accepts is not None)
        if accepts is None and checked.followed is not followed:  # the right forms may ask for other sizes
            accepts, refused = _accepts(checked.followed, runs)
        has_numbers = bool(checked.pinned)
        checked.look_at(_ends(accepts, followed, checked.seen))  # what is right there as well depends on no number
        # A form that fits a plain number at a few sizes does so by chance, and is none that would free it.
        checked = checked if has_numbers else repaired(checked, runs)
        followed, recording = checked.followed, checked.followed.recording
    mistakes = _mistakes(checked, accepts)
    if accepts is None and not mistakes:
        limits.admit()
    repeats = Repeats(followed, checked.seen)
    remarks = (*repeats.remarks(), *_remarks(checked, accepts), *in_processes.remarks(walk(root)))
    remarks += unregistered.remarks(walk(root), recording)
    if followed.plan.adds_batch:
        remarks += tuple(time_axis.remarks(recording))
    if failure is None and not mistakes:
        remarks += tuple(batches.remarks(root, followed, runs, accepts))
    if failure is None and not mistakes and accepts is None:
        remarks += tuple(_untold(followed, runs, model_device(root)))
    if failure is None:
        remarks += tuple(limits.remarks())
    if (checked.pinned or checked.has_unknown_number) and not _is_one_size(accepts):
        accepts = None  # between the ends that were run the number changes, and with it what is taken
    if accepts is not None and not mistakes:
        remarks += tuple(_taken_besides(checked, accepts, runs))
    elif refused is not None and not mistakes:
        remarks += tuple(_refused_inside(followed.plan, refused, runs))
    report = build(root, recording, device=str(plan.device), mode=mode, during=followed.held, remarks=remarks)
    looks = failure is not None and needs_values(failure.error)
    if failure is not None and not recording.findings and not (looks and failure.refused):
        if _made_text(followed, failure):
            return Outcome(report, _cannot_follow(followed, failure, "a forward that makes text of a size"))
        if not is_resource(failure.error) and any(runs.for_real(point) for point in _usual(followed, failure)):
            return Outcome(report, _cannot_follow(followed, failure, "this forward, which runs at numbers"))
        if failure.refused is False or is_resource(failure.error):
            return Outcome(report, failure.error)
    if failure is not None and looks:
        return Outcome(report, _cannot_follow(followed, failure, "a forward that looks at the values of a tensor"))
    recording.findings[:] = mistakes
    problems = diagnose(report, recording, root, followed.plan, mode, hints)
    return Outcome(replace(without_numbers(report, problems), accepts=accepts, calls_vary=repeats.vary))


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


def _accepts(followed: Followed, trials: Trials) -> tuple[Accepts | None, Point | None]:
    """Which sizes the model takes as it is declared; None where that could not be proved, with some it refuses."""
    plan = followed.plan
    names = plan.sides
    if not names:
        return None, None
    others = {str(plan.batch_size): batches.fitting(followed)} if isinstance(plan.batch_size, str) else {}
    runs = trials.limits.runs(len(followed.recording.calls))
    made = {size for call in followed.recording.calls for info in call.outputs for size in info.shape}
    assumed = Assumed(followed.session, [*followed.conditions, *filled(followed)], names, others)
    tables = tuple(lookups(followed.recording))
    ends = any(isinstance(form, sympy.Expr) and form.has(sympy.Min, sympy.Max) for form in made)
    several = len(plan.args) + len(plan.kwargs) > 1
    windows_alone = asks_for_windows_alone(followed)
    checks = Checks(assumed, trials, tables, ends, several, windows_alone)
    search = Search(checks, runs, Stretching(followed, trials))
    return search.settled(), search.refused


def _where_it_fits(checked: Confirmed, accepts: Accepts | None, runs: Trials) -> Confirmed | None:
    """A pass at the one size that a letter may have, where the forms are wrong there: the model goes another way."""
    exact = {found.name: found.exact for found in accepts.sizes if found.exact is not None} if accepts else {}
    if not exact or not questions(checked.followed):
        return None
    smallest = {found.name: found.minimum for found in accepts.sizes} if accepts else {}
    points = [{**checked.followed.sample, **smallest, **exact}, {**checked.followed.sample, **exact}]
    checked.look_at(point for point in points[:1] if point not in checked.points)
    if points[0] not in checked.wrong:
        return None
    for point in reversed(points):
        other = Confirmed(checked.followed.passes.at(point), runs)
        if other.followed.is_clean and not other.followed.recording.findings:
            other.look_at([points[0], points[1]])
            if points[0] in other.right:
                return other
    return None


def _untold(followed: Followed, runs: Trials, device: torch.device) -> Iterator[str]:
    """Why nothing is said of the sizes that a model, which is on this device, takes."""
    plan = followed.plan
    if plan.device.type == "meta":
        if any(name != plan.batch_size for name in plan.names):
            way = "make the model on the CPU" if device.type == "meta" else 'leave out device="meta"'
            yield f"which sizes the model takes is found by real runs, and the meta device computes nothing: {way}"
    elif followed.recording.findings and not runs.taken:
        yield "of the sizes that were run none is taken by the model as it is"


def _is_inside(accepts: Accepts | None, point: Point) -> bool:
    if accepts is None:
        return True
    sizes = {point[found.name] for found in accepts.sizes}
    return all(point[found.name] in found for found in accepts.sizes) and (not accepts.condition or len(sizes) == 1)


def _ends(accepts: Accepts | None, followed: Followed, seen: Sequence[tuple[Point, object]]) -> list[Point]:
    """The smallest sizes that are taken, those next to them, and the largest; not those that were seen."""
    ranges = accepts.sizes if accepts is not None else ()
    ends = [
        {found.name: found.minimum for found in ranges},
        {found.name: found.minimum + found.width - 1 for found in ranges},
        {found.name: found.minimum + found.step for found in ranges if found.exact is None},
        {found.name: found.maximum + found.width - 1 for found in ranges if found.maximum is not None},
    ]
    smallest = {**followed.sample, **ends[0]}
    points = [{**smallest, **end} for end in ends if end]
    known = [dict(point) for point, _ in seen]
    return [point for place, point in enumerate(points) if point not in (*known, *points[:place])]


def _mistakes(checked: Confirmed, accepts: Accepts | None) -> list[Finding]:
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


def _is_one_size(accepts: Accepts | None) -> bool:
    return accepts is not None and all(found.exact is not None for found in accepts.sizes)


#: Forms that were right at so many sizes are told without a word of these.
_FEW = 8


def _remarks(checked: Confirmed, accepts: Accepts | None) -> Iterator[str]:
    """Where the closed forms hold, if that is not everywhere."""
    if checked.has_unknown:
        names = ", ".join(checked.followed.plan.sides)
        yield f"? is a size that depends on {names}, and no formula was found that holds at every size"
    pinned = [decision for decision in checked.pinned if decision.where is not None]
    if pinned and not _is_one_size(accepts):
        lines = ", ".join(dict.fromkeys(decision.where.text for decision in pinned if decision.where is not None))
        numbers = ", ".join(dict.fromkeys(str(decision.outcome) for decision in pinned))
        yield (
            f"forward makes a plain number of a size ({lines}), and the sizes in letters were found right only "
            f"where that comes to {numbers}"
        )
        return
    if not checked.seen and asked(checked.followed) and not _is_one_size(accepts):
        yield f"the sizes in letters come from one pass, at {written(checked.followed.sample)}: no other size ran"
    if not checked.wrong:
        if not _is_one_size(accepts):
            yield from _tried(checked, accepts)
        return
    point = ", ".join(f"{name} = {size}" for name, size in checked.wrong[0].items())
    places = dict.fromkeys(decision.where.text for decision in checked.asked if decision.where is not None)
    lines = f": forward goes another way there ({', '.join(places)})" if places else ""
    right, wrong = (len({tuple(each.values()) for each in points}) for points in (checked.right, checked.wrong))
    held = f"{right} of {right + wrong} sizes that were run" if right else f"none of {counted(wrong, 'size')} that ran"
    yield f"the sizes in letters hold at {held}, and not for all: not for {point}{lines}"


def _taken_besides(checked: Confirmed, accepts: Accepts, trials: Trials) -> Iterator[str]:
    """A size that was found to be taken, and is in no range for each letter by itself."""
    batch = checked.followed.plan.batch_size
    for point in trials.taken:
        if not _is_inside(accepts, point) and trials.for_real(point) and not checked.stretched.may_be(point):
            said = written({name: size for name, size in point.items() if name != batch})
            yield f"the model accepts other sizes as well, such as {said}"
            return


def _refused_inside(plan: Plan, refused: Point, trials: Trials) -> Iterator[str]:
    """That no range is told, since sizes are refused between others that are taken."""
    names = plan.sides
    others = [
        point
        for point in trials.taken
        if any(point[name] != refused[name] for name in names)
        and all(point[name] == refused[name] for name in plan.names if name not in names)
    ]
    smaller = any(all(point[name] <= refused[name] for name in names) for point in others)
    larger = any(all(point[name] >= refused[name] for name in names) for point in others)
    if smaller and larger and trials.for_real(refused) is False:
        said = written({name: refused[name] for name in names})
        yield f"no range is told: the model refuses {said}, and takes smaller and larger sizes"


def _tried(checked: Confirmed, accepts: Accepts | None) -> Iterator[str]:
    """At which sizes the forms were seen to be right, where they come of what only a run tells."""
    points = [*checked.right, checked.followed.sample]
    names = checked.followed.plan.sides
    if not checked.right or not names:
        return
    sizes = {name: sorted(point[name] for point in points) for name in names}
    spans = ", ".join(
        f"{name} from {each[0]} to {each[-1]}" if each[0] < each[-1] else f"{name} = {each[0]}"
        for name, each in sizes.items()
    )
    count = len({tuple(point.values()) for point in points})
    tried = f"{count} sizes, {spans}" if count > 1 else spans
    places = dict.fromkeys(
        decision.where.text for decision in questions(checked.followed) if decision.is_number and decision.where
    )
    if places:
        yield f"forward makes a plain number of a size ({', '.join(places)}): what comes of it was tried at {tried}"
    elif checked.is_fitted and accepts is None:
        yield f"the sizes in letters are what runs have in common, tried at {tried}"
    elif accepts is None and count < _FEW and asked(checked.followed) and not checked.followed.recording.findings:
        yield f"of the sizes that were tried few ran: those in letters are right at {tried}"


def _made_text(followed: Followed, failure: Failure) -> bool:
    """Whether the pass stopped at a name or a key with a letter in it: ``self.heads[str(x.shape[-1])]``."""
    said = str(failure.error)
    return isinstance(failure.error, KeyError | AttributeError) and followed.session.in_letters(said) != said


def _usual(followed: Followed, failure: Failure) -> Iterator[Point]:
    """Sizes that most models take, to tell an error of the model from one that letters make."""
    pinned = any(each.is_number and not each.own for each in followed.session.decisions)
    small = range(1, _SMALL_TOO + 1) if pinned else ()  # what it came to at the sample may be what does not fit
    for size in dict.fromkeys((*_USUAL, *numbers_in_code(failure.error), *small)):
        yield followed.with_sides(size)


def _cannot_follow(followed: Followed, failure: Failure, what: str) -> InputError:
    line = failure.where or raising_line(failure.error)
    where = f" at {line.text}" if line is not None else ""
    if needs_values(failure.error):
        way_out = "write numbers in place of the letters, or make the decision from the shape"
    elif _UNHASHABLE in str(failure.error):
        way_out = "it looks something up by a size (a dict, lru_cache), which a letter cannot be; write numbers instead"
    else:
        said = followed.session.in_letters(str(failure.error))
        way_out = f"{type(failure.error).__name__}: {said}; write numbers in place of the letters"
    return InputError(f"named sizes cannot be followed through {what}{where}: {way_out}")
