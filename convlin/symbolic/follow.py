"""One model followed in letters: symbolic passes at one sample size after the other until one goes through.

A model that insists on a size (``if height != 224: raise``) stops a pass at any other sample.  The
last decisions before it stopped say at which sizes it would have gone on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import sympy
from torch import nn
from torch.nn.parameter import is_lazy

from convlin.diagnosis.runs.retries import Retry, next_retry, passes
from convlin.errors import InputError
from convlin.inputs import Plan
from convlin.module_tree import Node, walk
from convlin.records import Shape, Size, SourceKind
from convlin.sizes.spell import spell_shape
from convlin.symbolic.caches import forgetting
from convlin.symbolic.conditions import Condition, demands, divisors
from convlin.symbolic.environment import Decision
from convlin.symbolic.limits import Limits
from convlin.symbolic.loops import loops
from convlin.symbolic.numbers_in_code import numbers_in_code
from convlin.symbolic.session import Session, session
from convlin.symbolic.solving import solved, turned
from convlin.trace.forward_pass import one_pass, prepared
from convlin.trace.module_records import Held, lazy_modules
from convlin.trace.recording import Finding, Recording
from convlin.untouched import untouched

#: Sizes with many divisors, all different: a letter gets the next one, so that no two are mixed up.
_SAMPLES = (896, 1344, 640, 1152, 1792, 960, 1536, 1280, *(64 * (37 + 2 * index) for index in range(56)))
#: Sizes for what those do not suit: multiples of 3, 5 and 7 too, the same size for all, and small ones.
_OTHER_SAMPLES = ((840, 1680, 2520, 1260), (896,), (224,), (64,), (8,))
#: The batch, and what is tried where the model takes it apart: into eights, tens, sevens.
SAMPLE_BATCH = 6
_OTHER_BATCHES = (24, 840)
#: So many of the numbers that a function was given which refused it are tried, the largest.
_MOST_PARTS = 4

#: How many samples are tried, and how many of these are kept for what the last of `_OTHER_SAMPLES` lead to.
_MOST_SAMPLES, _LED_TO = 16, 4
#: How many calls the passes may make together with another: a loop over a length makes two for every step.
_MOST_CALLS = 1_500
_MOST_IN_32_BITS = 2**31 - 1
#: How many of the last decisions are looked at when a pass stopped.
_LAST_DECISIONS = 12
#: How many samples are tried for a pass to go through where a decision comes out the other way.
_MOST_OTHER_WAY = 4


@dataclass(frozen=True)
class Followed:
    """One symbolic pass: what it showed, in closed forms, and what was decided on the way."""

    sample: Mapping[str, int]
    plan: Plan
    session: Session
    recording: Recording
    held: Held
    conditions: tuple[Condition, ...]
    passes: Passes
    """Makes more of them."""

    @property
    def is_clean(self) -> bool:
        """It went through, and no shape is that of a stand-in in letters."""
        return self.recording.failure is None and not any(each.bends_shapes for each in self.conditions)

    @property
    def sizes(self) -> set[Size]:
        """Every size of every tensor that a call made."""
        return {size for call in self.recording.calls for info in call.outputs for size in info.shape}

    def with_sides(self, size: Any) -> dict[str, Any]:
        """The sample, with this size for all letters but the batch."""
        return {**self.sample, **dict.fromkeys(self.plan.sides, size)}

    def cost(self, sizes: Mapping[str, int]) -> float:
        """Elements of all tensors that a pass at these sizes makes or is given, as far as they were seen."""
        evaluation, total = self.session.evaluation(sizes), 0.0
        for shape, times in self._shapes:
            try:
                total += times * prod(max(float(evaluation(size)), 0.0) for size in shape)
            except (NotImplementedError, ArithmeticError):  # no such size, or none that can be told
                continue
        return total

    @cached_property
    def _shapes(self) -> list[tuple[Shape, int]]:
        """The shapes of all tensors that were seen, and how many have each."""
        made = Counter(info.shape for call in self.recording.calls for info in call.outputs)
        given = {
            source.number: info.shape
            for call in self.recording.calls
            for info, source in zip(call.inputs, call.sources, strict=False)
            if source.kind is SourceKind.INPUT
        }
        return [*(made + Counter(given.values()) + Counter(self.recording.unshown_shapes)).items()]


class Passes:
    """The symbolic passes of one model: one for each sample, and together no more than so many calls.

    What they cost grows with the calls, and nothing here depends on the clock.
    """

    def __init__(self, model: nn.Module, plan: Plan, mode: str, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._model = model
        self._plan = plan
        self._mode = mode
        self._made: dict[tuple[int, ...], Followed] = {}
        self.gradients = False
        """``forward`` takes gradients itself."""
        self.loops = False
        """``forward`` has a loop in Python along a letter."""
        self.steps = 0
        """How many modules and functions a pass at small sizes calls."""

    @property
    def made(self) -> list[Followed]:
        """The passes so far, at whatever sample."""
        return [*self._made.values()]

    def has_room_for(self, calls: int) -> bool:
        """Whether a pass of so many calls may be made only to see whether its forms are better."""
        made = sum(len(each.recording.calls) for each in self._made.values())
        return calls + made <= self.limits.scaled(_MOST_CALLS)

    def at(self, sample: Mapping[str, int]) -> Followed:
        """A pass in which every letter has the size that ``sample`` gives it as its hint."""
        key = tuple(sample.values())
        if key not in self._made:
            self._made[key] = self._follow(sample)
            self._plan = self._made[key].plan  # with integers, where one was an index
        return self._made[key]

    def _follow(self, sample: Mapping[str, int]) -> Followed:
        model, nodes = self._model, walk(self._model)
        lazy = lazy_modules(nodes)
        modules = [node.module for node in nodes]
        retry = Retry(self._plan, self._mode, careful=True)
        for _ in passes(self._plan):
            plan = retry.plan
            with (
                untouched(model, modules), forgetting(modules), prepared(model, plan, self._mode, modules),
                session(model, sample) as letters,
            ):  # fmt: skip
                state = retry.state(read=letters.read)
                recording = one_pass(model, plan, state, letters.sizes, nodes=nodes)
                _settled(nodes, lazy, letters)
                held = Held(nodes, recording, lazy)
            _in_closed_form(recording, letters)
            letters.settle_numbers()
            following = next_retry(retry, recording, state)
            if following is None:
                break
            retry = following
        self.gradients = self.gradients or retry.gradients
        conditions = (*_decided(letters), *divisors(letters.definitions.values()))
        conditions += tuple(each for finding in recording.findings for each in demands(finding))
        return Followed(dict(sample), plan, letters, recording, held, tuple(conditions), self)


def sampled(plan: Plan, samples: Sequence[int]) -> dict[str, int]:
    """A size for every letter of the plan, the last of ``samples`` for all that remain."""
    sizes = iter(samples)
    return {name: SAMPLE_BATCH if name == plan.batch_size else next(sizes, samples[-1]) for name in plan.names}


def follow(model: nn.Module, plan: Plan, mode: str, limits: Limits | None = None) -> Followed:
    """The first pass that goes through, or the first of all where none does."""
    passes = Passes(model, plan, mode, limits)
    most = passes.limits.scaled(_MOST_SAMPLES)
    short, passes.steps = loops(model, plan, mode, sampled(plan, _SAMPLES))
    pending = [{**sampled(plan, _SAMPLES), **short}]
    if isinstance(plan.batch_size, str):
        pending += [{**pending[0], plan.batch_size: size} for size in _OTHER_BATCHES]
    others = [{**sampled(plan, samples), **short} for samples in _OTHER_SAMPLES]
    if short:
        others.append(pending[0] | sampled(plan, _SAMPLES))
    tried: list[dict[str, int]] = []
    passes.loops = bool(short)
    first: Followed | None = None
    doubtful: Followed | None = None
    while (pending or others) and len(tried) < most:
        is_led = not others or len(tried) < most - _LED_TO - len(others)
        sample = (pending if pending and is_led else others).pop(0)
        if sample in tried:
            continue
        tried.append(sample)
        followed = passes.at(sample)
        if followed.is_clean and not (first is not None and _is_of_nothing(followed)):
            return _beyond_one(followed)
        doubtful = doubtful or (followed if followed.is_clean else None)
        if first is None or (first.recording.failure is not None and followed.recording.failure is None):
            first = followed
        pending = [*_other_samples(followed), *pending]
    assert first is not None
    if doubtful is not None:
        return _beyond_one(doubtful)
    if pending or others:
        passes.limits.meet(f"no pass at {most} sizes went through")
    return first


def along_the_other_way(followed: Followed, decision: Decision) -> Followed | None:
    """A pass that goes through where ``decision`` comes out the other way; None where a few samples have none."""
    sample = turned(followed, (), decision)
    pending, tried = [sample] if sample is not None else [], list[dict[str, int]]()
    while pending and len(tried) < _MOST_OTHER_WAY:
        sample = pending.pop(0)
        is_turned = followed.session.evaluation(sample).or_none(decision.expression) not in (decision.outcome, None)
        if sample in tried or not is_turned or not followed.passes.has_room_for(len(followed.recording.calls)):
            continue
        tried.append(sample)
        other = followed.passes.at(sample)
        if other.is_clean:
            return other
        pending = [*_other_samples(other), *pending]
    return None


def _is_of_nothing(followed: Followed) -> bool:
    """Whether the sample is so small that a view is asked for no element: not where to look for what is wrong."""
    return any(each.misfit.kind == "reshape" and each.misfit.declared == 0 for each in followed.recording.findings)


def _beyond_one(followed: Followed) -> Followed:
    """The pass itself, or one at a sample at which a size is larger than 1: what is made of 1 shows no letter."""
    if not followed.recording.findings:
        return followed
    for decision in followed.session.decisions:
        relation = decision.expression
        is_one = isinstance(relation, sympy.Eq) and decision.outcome is True and 1 in relation.args
        if is_one and not decision.own and followed.session.names_in(relation):
            larger = turned(followed, (), decision._replace(expression=relation.lhs > relation.rhs, outcome=False))
            other = followed.passes.at(larger) if larger is not None else followed
            return other if other.is_clean else followed
    return followed


def _settled(nodes: Sequence[Node], lazy: Sequence[nn.Module], letters: Session) -> None:
    """Refuse a lazy layer whose weight would depend on a letter: the first input settles its size for good."""
    unsettled = set(map(id, lazy))
    for path, module, _ in nodes:
        if id(module) not in unsettled:
            continue
        for name, tensor in module._parameters.items():
            shape = letters.read(tensor) if tensor is not None and not is_lazy(tensor) else ()
            if not all(isinstance(size, int) for size in shape):
                raise InputError(
                    f"{path}.{name} is lazy and would become {spell_shape(shape)}: the first input settles its size, "
                    "so write numbers for the sizes that it depends on, as in (3, 32, 32), "
                    "or a layer that has its size already"
                )


def _decided(letters: Session) -> Iterator[Condition]:
    for decision in letters.decisions:
        if not decision.own and not _chooses_a_kernel(decision):
            yield Condition(decision.condition, decision.where)


def _chooses_a_kernel(decision: Decision) -> bool:
    """Whether PyTorch asks if 32 bits count the elements, as torch 2.6 does for every convolution: it takes both."""
    asked = decision.expression
    return not decision.direct and isinstance(asked, sympy.Rel) and _MOST_IN_32_BITS in asked.args


def _in_closed_form(recording: Recording, letters: Session) -> None:
    """Everything that was written down in PyTorch's symbols, in the user's letters."""
    plain = letters.plain
    recording.calls[:] = [replace(call, settings=plain(dict(call.settings))) for call in recording.calls]
    recording.findings[:] = [_plain_finding(finding, letters) for finding in recording.findings]
    recording.required = plain(recording.required)
    if recording.failure is not None:
        recording.failure.settings = plain(dict(recording.failure.settings))
    if recording.failure is not None and recording.failure.refused:  # the words of the user's own error stay
        error = recording.failure.error
        error.args = tuple(letters.in_letters(each) if isinstance(each, str) else each for each in error.args)


def _plain_finding(finding: Finding, letters: Session) -> Finding:
    misfit, plain = finding.misfit, letters.plain
    return finding._replace(
        misfit=misfit._replace(
            declared=plain(misfit.declared),
            required=plain(misfit.required),
            detail=plain(dict(misfit.detail)),
            changes=plain(dict(misfit.changes)),
        ),
    )


# Other samples


def _other_samples(followed: Followed) -> Iterator[dict[str, int]]:
    """Sizes at which the pass would have gone another way at the end, the last decision first."""
    wanted = [condition for condition in followed.conditions if condition.bends_shapes]
    sample = solved(followed, wanted)
    if sample is not None:
        yield sample
    if followed.recording.failure is None:
        return
    asked = [decision for decision in followed.session.decisions if not decision.own]
    tried: set[tuple[int, ...]] = set()
    for index in range(len(asked) - 1, max(len(asked) - 1 - _LAST_DECISIONS, -1), -1):
        sample = turned(followed, asked[:index], asked[index])
        if sample is not None and tuple(sample.values()) not in tried:
            tried.add(tuple(sample.values()))
            yield sample
    batch = followed.plan.batch_size
    if isinstance(batch, str) and followed.recording.failure.refused:  # into which it may be taken apart
        for number in sorted({*_whole_numbers(followed.recording.failure.settings)})[-_MOST_PARTS:]:
            yield {**followed.sample, batch: 2 * number}
    if not followed.recording.failure.refused and any(decision.is_number for decision in asked):
        for size in numbers_in_code(followed.recording.failure.error):
            yield followed.with_sides(size)


def _whole_numbers(settings: Any) -> Iterator[int]:
    """The numbers larger than 1 that a function was given."""
    if isinstance(settings, Mapping):
        settings = tuple(settings.values())
    for each in settings if isinstance(settings, tuple | list) else (settings,):
        if isinstance(each, tuple | list):
            yield from _whole_numbers(each)
        elif type(each) is int and each > 1:
            yield each
