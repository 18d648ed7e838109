"""Running the model at other sizes: on the meta device to find out, for real to be sure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from math import inf, prod
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from convlin._util.default_device import users_default_device
from convlin._util.gc_pause import collect_new
from convlin._util.resources import is_resource
from convlin._util.torch_private import TorchDispatchMode, compiling
from convlin.diagnosis.runs.integer_inputs import Integers
from convlin.diagnosis.runs.retries import Retry, next_retry, passes
from convlin.inputs import Plan
from convlin.module_tree import parameters_of, walk
from convlin.ops.fake_shapes import KnownSizes
from convlin.records import Shape
from convlin.symbolic.again import Again
from convlin.symbolic.budget import MOST_ELEMENTS, MOST_ELEMENTS_ON_META, Budget
from convlin.symbolic.caches import forgetting
from convlin.symbolic.limits import Limits
from convlin.symbolic.watching import Elements, Stretches
from convlin.tensors import describe, map_tensors
from convlin.trace.eager import as_written
from convlin.trace.forward_pass import one_pass, prepared
from convlin.trace.function_mode import Between
from convlin.trace.recording import Failure, Recording
from convlin.trace.state import State, TooManyCalls
from convlin.untouched import untouched

Point = Mapping[str, int]
"""A size for every letter."""

#: A run of so few elements, in a model of so few parameters, is made for real at once; also of so few for each call,
#: which takes as long on the meta device.
_CHEAP, _CHEAP_FOR_EACH_CALL, _FEW_PARAMETERS = 1e6, 1e4, 4e7
#: Elements of a run that tells whether a model does not run on the meta device, or not at this size.
_MOST_ELEMENTS_TO_SEE_WHY = 20e6
#: Functions that a run may call, so many more than at a small size: a loop along a letter calls more and more.
MOST_FUNCTIONS = 5_000
#: Of the passes that were recorded so many calls together are kept, for whoever asks for the same sizes again.
_MOST_CALLS_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Trial:
    """What one run came to."""

    passed: bool
    outputs: tuple[Shape, ...] = ()


class Trials:
    """Runs of one model at sizes of one plan; each size once.

    A run on the meta device costs next to nothing at any size, and not every function checks there
    what reaches it: what decides is the run ``for_real``.
    """

    def __init__(
        self,
        model: nn.Module,
        plan: Plan,
        mode: str,
        batch: Any,
        cost: Callable[[Point], float] = lambda point: 0,
        *,
        limits: Limits | None = None,
        loops: bool = False,
        gradients: bool = False,
        most: int = MOST_FUNCTIONS,
        calls: int = 0,
    ) -> None:
        """``loops`` says that ``forward`` has a loop along a letter, ``gradients`` that it takes gradients itself.

        A run stops where it calls ``most`` functions.  A pass makes about so many ``calls``.
        """
        self._cheap = max(_CHEAP, _CHEAP_FOR_EACH_CALL * calls)
        self.limits = limits = limits or Limits()
        self._model = model
        self._nodes = walk(model)
        self._modules = [node.module for node in self._nodes]
        self._budget = Budget(limits, cost)
        self._gradients = gradients
        self._most = most
        self._plan = plan
        self._mode = mode
        self._batch = batch
        self._tried: dict[tuple[bool, tuple[int, ...]], Trial] = {}
        self._points: dict[tuple[int, ...], Point] = {}
        self._kept: dict[tuple[bool, tuple[int, ...]], Recording] = {}
        self._stood_in: dict[tuple[int, ...], Recording | None] = {}
        self._elements_at: dict[tuple[int, ...], float] = {}
        self._stretches_at: dict[tuple[int, ...], Stretches | None] = {}
        self._calls_kept = 0
        self.stopped: dict[tuple[int, ...], Point] = {}
        """The sizes at which a quick pass did not go through."""
        self._stopped_on_meta: set[Hashable] = set()
        self._runs = 0
        # Most functions take longer there than on a few numbers, and a loop calls thousands.
        self._meta = plan.device.type != "meta" and not loops
        known = (weight for weight in parameters_of(model) if not isinstance(weight, UninitializedParameter))
        self._is_small = plan.device.type != "meta" and sum(weight.numel() for weight in known) <= _FEW_PARAMETERS
        self._is_lax = False
        """A real run refused what the meta device took: an index, say, that no shape tells of."""

    @property
    def count(self) -> int:
        """How many runs there were to find out whether sizes are taken."""
        return self._runs

    @property
    def taken(self) -> list[Point]:
        """The sizes at which the model was found to run to the end, the smallest first."""
        found = {sizes for (_, sizes), trial in self._tried.items() if trial.passed} - self._refused
        return [self._points[sizes] for sizes in sorted(found)]

    @property
    def refused(self) -> list[Point]:
        """The sizes that a real run was found to refuse, the smallest first."""
        return [self._points[sizes] for sizes in sorted(self._refused)]

    @property
    def _refused(self) -> set[tuple[int, ...]]:
        return {sizes for (real, sizes), trial in self._tried.items() if real and not trial.passed}

    def passes(self, point: Point, *, expected: bool) -> bool | None:
        """Whether the model takes these sizes; None where no run can tell.

        A refusal on the meta device that was not ``expected`` is confirmed by a real run.
        """
        real = self._known(point, real=True)
        if real is not None:
            return real.passed
        if self._meta and not self.is_cheap(point):
            if not self.affordable(point):
                return None
            try:
                passed = self._run(point, real=False).passed
            except TooManyCalls:
                return None
            if passed and self._is_lax:
                return self.for_real(point)
            if passed or not expected:
                return passed
            confirmed = self.for_real(point)
            if confirmed:
                self._meta = False  # something in the model does not run there at all
            return confirmed
        if expected and self.is_cheap(point):
            self.record(point)  # a real run, and the forms are held against it, too
        return self.for_real(point)

    def for_real(self, point: Point) -> bool | None:
        """Whether a plain run at these sizes reaches the end with its batch; None where that would take too long."""
        known = self._known(point, real=True)
        if known is not None:
            return known.passed
        if self._plan.device.type == "meta" or self._budget.is_spent or self._budget.is_large(point, MOST_ELEMENTS):
            return None
        self._budget.pay(point)
        try:
            trial = self._run(point, real=True)
        except TooManyCalls:
            return None
        except Exception as error:
            if not is_resource(error):
                raise
            self.limits.meet("needs more memory than there is", point)
            self._budget.left = -inf
            return None
        on_meta = self._known(point, real=False)
        if on_meta is not None and on_meta.passed and not trial.passed:
            self._is_lax = True
        return trial.passed

    def is_cheap(self, point: Point) -> bool:
        """Whether a real run, which tells more, takes no longer than one on the meta device."""
        return self._is_small and self._budget.left > 0 and self._budget.cost(point) <= self._cheap

    def affordable(self, point: Point) -> bool:
        """Whether a run may be made: on the meta device, where what comes from no input is computed."""
        if self._budget.has_called_enough:
            return False
        return not self._budget.is_large(point, MOST_ELEMENTS_ON_META if self._meta else MOST_ELEMENTS)

    def affordable_for_real(self, point: Point, most: float) -> bool:
        """Whether a real run that makes at most so many elements may be made."""
        most = min(self.limits.scaled(most), self._budget.left / 4)
        if self._budget.has_called_enough or self._budget.cost(point) > most:
            return False
        # What is seen between the layers is not all: an attention makes a weight for every two positions.
        try:
            return not self._meta or self._makes_fewer_than_known(point, most) or self._elements(point) <= most
        except TooManyCalls:
            return False

    def stretched(self, point: Point) -> Stretches | None:
        """The operations of a run at these sizes that stretch a size of 1; None where no run can be made."""
        key = tuple(point.values())
        if key not in self._stretches_at:
            self._stretches_at[key] = self._stretches(point) if self.affordable(point) else None
        return self._stretches_at[key]

    def _stretches(self, point: Point) -> Stretches | None:
        noting, on_meta = Stretches(), self._meta and not self.is_cheap(point)
        is_new = (on_meta, tuple(point.values())) not in self._kept
        try:
            recording = self._recorded(point, on_meta=on_meta, noting=noting)
            if is_new and not on_meta:
                self._budget.pay(point)
                self._note(point, recording, on_meta=False)
        except TooManyCalls:
            return None
        noting.finished = recording.failure is None
        return noting

    def record_and_watch(self, point: Point) -> Recording | None:
        """What `record` shows, of a pass that tells what is stretched as well, where that takes no run of its own."""
        if not self._meta or self.is_cheap(point):
            self.stretched(point)
        return self.record(point)

    def record(self, point: Point) -> Recording | None:
        """What a quick pass at these sizes shows, on the meta device where it is large and the model runs there."""
        on_meta = self._meta and not self.is_cheap(point)
        try:
            recording = self._recording(point, on_meta=on_meta)
        except TooManyCalls:
            return None
        if recording.failure is None:
            return recording
        if on_meta and self._runs_elsewhere(recording.failure, point):
            self._meta = False  # something in the model does not run there at all
            return self.record(point)
        self.stopped.setdefault(tuple(point.values()), dict(point))
        return None

    def recorded(self, point: Point) -> Recording | None:
        """What a quick pass for real showed at these sizes, where one was made and went through."""
        found = self._kept.get((False, tuple(point.values())))
        return found if found is not None and found.failure is None else None

    def with_stand_ins(self, point: Point) -> Recording | None:
        """What a pass at these sizes shows in which something stands in where a layer does not fit, as in letters."""
        key = tuple(point.values())
        if key not in self._stood_in:
            found = self._with_stand_ins(point)
            self._calls_kept += len(found.calls) if found is not None else 0
            if self._calls_kept > _MOST_CALLS_KEPT:
                return found
            self._stood_in[key] = found
        return self._stood_in[key]

    def _with_stand_ins(self, point: Point) -> Recording | None:
        on_meta = self._meta and not self.is_cheap(point)
        retry = Retry(self._moved() if on_meta else self._plan, self._mode, careful=True, gradients=self._gradients)
        for _ in passes(self._plan):
            try:
                recording, state = self._passed(retry, point, on_meta=on_meta)
            except TooManyCalls:
                return None
            following = next_retry(retry, recording, state)
            if following is None:
                return recording if recording.failure is None else None
            retry = following
        return None

    def steps(self, point: Point, again: Again | None = None) -> float | None:
        """How many modules and functions a pass calls; infinitely many where it was stopped, None where it failed.

        What is called several times is counted by ``again``.
        On the meta device, or where something in the model does not run there (``torch.zeros(8)``), for real.
        """
        for on_meta in (True, False):
            plan, integers = self._plan, Integers()
            for _ in passes(plan):
                retry = Retry(self._moved(plan) if on_meta else plan, self._mode, gradients=self._gradients)
                try:
                    recording, state = self._passed(retry, point, on_meta=on_meta, again=again)
                except TooManyCalls:
                    return inf
                better, integers = integers.next_plan(plan, recording, is_last=True)
                if recording.failure is None and better is None:
                    self._plan = plan
                    return len(recording.calls) + state.functions
                if better is None:
                    break
                plan = better
        return self._steps_with_stand_ins(point, again)

    def _steps_with_stand_ins(self, point: Point, again: Again | None) -> float | None:
        """The same where a mistake stops the pass: a loop goes on behind it, as it does in letters."""
        try:
            recording, state = self._passed(
                Retry(self._plan, self._mode, careful=True), point, on_meta=False, again=again
            )
        except TooManyCalls:
            return inf
        return len(recording.calls) + state.functions if recording.failure is None else None

    def _recorded(self, point: Point, *, on_meta: bool, noting: TorchDispatchMode | None = None) -> Recording:
        retry = Retry(self._moved() if on_meta else self._plan, self._mode, gradients=self._gradients)
        return self._passed(retry, point, on_meta=on_meta, noting=noting)[0]

    def _passed(
        self,
        retry: Retry,
        point: Point,
        *,
        on_meta: bool,
        noting: TorchDispatchMode | None = None,
        again: Again | None = None,
    ) -> tuple[Recording, State]:
        plan = retry.plan
        with ExitStack() as stack:
            if not on_meta:
                stack.callback(collect_new)
            keeper = stack.enter_context(untouched(self._model, self._modules))
            stack.enter_context(forgetting(self._modules))
            stack.enter_context(prepared(self._model, plan, self._mode, self._modules))
            if on_meta:
                stack.enter_context(compiling())
                stack.enter_context(KnownSizes())  # a recurrent layer goes step by step on the meta device, too
            if noting is not None:
                stack.enter_context(noting)
            called = again.note_function if again is not None else None
            state = retry.state(keeper=keeper, most_functions=self._most, called=called)
            stack.callback(self._count, state, point)
            recording = one_pass(self._model, plan, state, dict(point), nodes=self._nodes)
        if again is not None:
            again.note_modules(recording.calls)
        return recording, state

    def _count(self, state: State, point: Point) -> None:
        self._budget.steps += state.functions + len(state.recording.calls)
        if state.functions > self._most:
            self.limits.meet(f"calls more than {self._most:,} functions", point)

    def _runs_elsewhere(self, failure: Failure, point: Point) -> bool:
        """Whether a real run goes through where one on the meta device does not; it is no run that looks for sizes.

        Made until one went through there, and then where none stopped before: where ``forward`` goes another way it may
        meet a tensor that stays on the CPU.
        """
        place = (failure.path, failure.function, failure.where)
        if self._has_run_on_meta and place in self._stopped_on_meta:
            return False
        if self._budget.estimated(point) > _MOST_ELEMENTS_TO_SEE_WHY:
            return False
        self._stopped_on_meta.add(place)
        count = self._runs
        passed = bool(self.for_real(point))
        self._runs = count
        return passed

    @property
    def _has_run_on_meta(self) -> bool:
        return any(trial.passed for (real, _), trial in self._tried.items() if not real)

    def _makes_fewer_than_known(self, point: Point, most: float) -> bool:
        """Whether a pass in which no size is smaller was seen to make so few elements."""
        sizes = tuple(point.values())
        return any(
            count <= most and all(one >= other for one, other in zip(larger, sizes, strict=True))
            for larger, count in self._elements_at.items()
        )

    def _elements(self, point: Point) -> float:
        """Of all tensors that a pass on the meta device makes, those inside an attention too."""
        key = tuple(point.values())
        if key not in self._elements_at:
            counting = Elements()
            self._runs += 1
            self._note(point, self._recorded(point, on_meta=True, noting=counting), on_meta=True)
            self._elements_at[key] = counting.count
        return self._elements_at[key]

    def _recording(self, point: Point, *, on_meta: bool) -> Recording:
        """A quick pass, which is made once for each point."""
        known = self._kept.get((on_meta, tuple(point.values())))
        if known is not None:
            return known
        if not on_meta:
            self._budget.pay(point)
        return self._note(point, self._recorded(point, on_meta=on_meta), on_meta=on_meta)

    def _note(self, point: Point, recording: Recording, *, on_meta: bool) -> Recording:
        key = tuple(point.values())
        if on_meta and recording.failure is not None and is_resource(recording.failure.error):
            self.limits.meet("needs more memory than there is", point)  # of a tensor that the model makes elsewhere
            raise TooManyCalls
        finished = recording.failure is None
        if finished:
            made = (info.shape for call in recording.calls for info in (*call.outputs, *call.inputs[:1]))
            self._budget.made_at[key] = sum(map(prod, (*made, *recording.unshown_shapes)))
        # A quick pass that went to its end is a plain run that was watched; one that did not may be made again.
        if on_meta or (finished and not recording.findings):
            shapes = tuple(found.shape for found in recording.outputs)
            self._tried[not on_meta, key] = Trial(finished and self._keeps_batch(shapes, point), shapes)
            self._points[key] = dict(point)
        self._calls_kept += len(recording.calls)
        if self._calls_kept <= _MOST_CALLS_KEPT:
            self._kept[on_meta, key] = recording
        return recording

    def _known(self, point: Point, *, real: bool) -> Trial | None:
        return self._tried.get((real, tuple(point.values())))

    def _moved(self, plan: Plan | None = None) -> Plan:
        meta = torch.device("meta")
        moved = (plan or self._plan).with_each(lambda value: map_tensors(value, lambda tensor: tensor.to(meta)))
        return moved._replace(device=meta)

    def _run(self, point: Point, *, real: bool) -> Trial:
        key = (real, tuple(point.values()))
        if key not in self._tried:
            self._runs += 1
            if real:
                self._tried[key] = self._really(point)
                self._points[key[1]] = dict(point)
            else:
                self._recording(point, on_meta=True)
        return self._tried[key]

    def _really(self, point: Point) -> Trial:
        """A plain run, with nothing but what sees the writes around it."""
        with ExitStack() as stack:
            stack.callback(collect_new)
            keeper = stack.enter_context(untouched(self._model, self._modules))
            stack.enter_context(prepared(self._model, self._plan, self._mode, self._modules))
            stack.enter_context(as_written(self._modules))
            if self._gradients:
                keeper.hide_gradients()
            stack.enter_context(torch.enable_grad() if self._gradients else torch.no_grad())
            state = State(keeper=keeper, batch_added=self._plan.adds_batch, most_functions=self._most)
            stack.enter_context(users_default_device())
            stack.enter_context(Between(state))
            stack.callback(self._count, state, point)
            try:
                args, kwargs = self._plan.make(dict(point))
                output = self._model(*args, **kwargs)
            except Exception as error:  # whatever the model raises is its answer
                if is_resource(error):
                    raise
                return Trial(False)
            shapes = tuple(found.shape for found in describe(output))
        return Trial(self._keeps_batch(shapes, point), shapes)

    def _keeps_batch(self, shapes: tuple[Shape, ...], point: Point) -> bool:
        """A view that folds the batch into another axis raises nothing; its output has another number of rows."""
        if len(shapes) != len(self._batch):
            return True
        rows = point.get(str(self._plan.batch_size), self._plan.batch_size)
        return all(not kept or (shape and shape[0] == rows) for shape, kept in zip(shapes, self._batch, strict=True))


def keeps_batch(plan: Plan, recording: Recording) -> tuple[bool, ...]:
    """For every output of a symbolic pass, whether its first axis is the batch."""
    if not plan.adds_batch:
        return ()
    rows = plan.batch_size
    return tuple(bool(found.shape) and str(found.shape[0]) == str(rows) for found in recording.outputs)
