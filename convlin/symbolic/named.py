"""One model, one input in named sizes: what `observe` is for numbers."""

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
from convlin.module_tree import modules_of, walk
from convlin.observe import Outcome, is_resource, unwrapped
from convlin.records import Accepts, SizeRange
from convlin.symbolic import batches
from convlin.symbolic.accepts import Search
from convlin.symbolic.assumed import Assumed
from convlin.symbolic.checks import Checks
from convlin.symbolic.confirm import Confirmed, confirmed, repaired
from convlin.symbolic.follow import Followed, follow
from convlin.symbolic.limits import Limits
from convlin.symbolic.lookups import lookups
from convlin.symbolic.mistakes import mistakes_of
from convlin.symbolic.numbers_in_code import numbers_in_code
from convlin.symbolic.questions import asked, asks_for_windows_alone, filled
from convlin.symbolic.ranges import inside_of
from convlin.symbolic.remarks import is_inside, is_one_size, refused_inside, remarks_of, taken_besides, untold
from convlin.symbolic.repeats import Repeats
from convlin.symbolic.session import needs_values
from convlin.symbolic.stretching import Stretching
from convlin.symbolic.trials import MOST_FUNCTIONS, Point, Trials, keeps_batch
from convlin.trace.call_sites import raising_line
from convlin.trace.recording import Failure
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
        inside = [point for point in runs.taken if is_inside(accepts, point)]
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
    mistakes = mistakes_of(checked, accepts)
    if accepts is None and not mistakes:
        limits.admit()
    repeats = Repeats(followed, checked.seen)
    remarks = (*repeats.remarks(), *remarks_of(checked, accepts), *in_processes.remarks(walk(root)))
    remarks += unregistered.remarks(walk(root), recording)
    if followed.plan.adds_batch:
        remarks += tuple(time_axis.remarks(recording))
    if failure is None and not mistakes:
        remarks += tuple(batches.remarks(root, followed, runs, accepts))
    if failure is None and not mistakes and accepts is None:
        remarks += tuple(untold(followed, runs, model_device(root)))
    if failure is None:
        remarks += tuple(limits.remarks())
    if (checked.pinned or checked.has_unknown_number) and not is_one_size(accepts):
        accepts = None  # between the ends that were run the number changes, and with it what is taken
    if accepts is not None and not mistakes:
        remarks += tuple(taken_besides(checked, accepts, runs))
    elif refused is not None and not mistakes:
        remarks += tuple(refused_inside(followed.plan, refused, runs))
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
    """A pass at sizes that are accepted, where the forms are wrong at the ends of these: the model goes another way."""
    if accepts is None or not asked(checked.followed):
        return None
    sample = checked.followed.sample
    exact = {found.name: found.exact for found in accepts.sizes if found.exact is not None}
    ends = [{**sample, **{found.name: found.minimum for found in accepts.sizes}}]
    if exact:
        tried = [ends[0], {**sample, **exact}]
    elif not is_inside(accepts, sample):
        ends.append({**sample, **{found.name: _last(found) for found in accepts.sizes}})
        tried = ends
    else:
        return None
    checked.look_at(point for point in ends if point not in checked.points)
    if not any(point in checked.wrong for point in ends) or any(point in checked.right for point in ends):
        return None
    for point in reversed(tried):
        other = Confirmed(checked.followed.passes.at(point), runs)
        if other.followed.is_clean and not other.followed.recording.findings:
            other.look_at(tried)
            if all(point in other.right for point in ends):
                return other
    return None


def _last(found: SizeRange) -> int:
    """The largest size of a range, or one further in where it has no end."""
    return found.maximum + found.width - 1 if found.maximum is not None else inside_of(found, 1)


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
