"""Runs of a model at other sizes: a pass that is recorded, on the meta device or for real, or a plain run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from math import inf

import torch
from torch import nn

from convlin._util.default_device import users_default_device
from convlin._util.gc_pause import collect_new
from convlin._util.resources import is_resource
from convlin._util.torch_private import TorchDispatchMode, compiling
from convlin.diagnosis.runs.integer_inputs import Integers
from convlin.diagnosis.runs.retries import Retry, next_retry, passes
from convlin.inputs import Plan
from convlin.module_tree import walk
from convlin.ops.fake_shapes import KnownSizes
from convlin.records import Shape
from convlin.symbolic.again import Again
from convlin.symbolic.budget import Budget
from convlin.symbolic.caches import forgetting
from convlin.symbolic.limits import Limits
from convlin.tensors import describe, map_tensors
from convlin.trace.eager import as_written
from convlin.trace.forward_pass import one_pass, prepared
from convlin.trace.function_mode import Between
from convlin.trace.recording import Recording
from convlin.trace.state import State, TooManyCalls
from convlin.untouched import untouched

Point = Mapping[str, int]
"""A size for every letter."""

#: Functions that a run may call, so many more than at a small size: a loop along a letter calls more and more.
MOST_FUNCTIONS = 5_000


class Runs:
    """Makes each run that is asked for, whatever was run before, and leaves the model as it was."""

    def __init__(
        self,
        model: nn.Module,
        plan: Plan,
        mode: str,
        *,
        budget: Budget | None = None,
        gradients: bool = False,
        most: int = MOST_FUNCTIONS,
    ) -> None:
        """``gradients`` says that ``forward`` takes gradients itself; a run stops where it calls ``most`` functions."""
        self._model = model
        self._nodes = walk(model)
        self._modules = [node.module for node in self._nodes]
        self._plan = plan
        self._mode = mode
        self._budget = budget or Budget(Limits(), lambda point: 0)
        self._gradients = gradients
        self._most = most

    def plain(self, point: Point) -> tuple[Shape, ...] | None:
        """The outputs of a plain run, with nothing but what sees the writes around it; None where the model raised."""
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
                return None
            return tuple(found.shape for found in describe(output))

    def recorded(self, point: Point, *, on_meta: bool, noting: TorchDispatchMode | None = None) -> Recording:
        """A quick pass; ``noting`` watches it."""
        retry = self._retry(self._plan, on_meta=on_meta)
        return self._passed(retry, point, on_meta=on_meta, noting=noting)[0]

    def with_stand_ins(self, point: Point, *, on_meta: bool) -> Recording | None:
        """What a pass shows in which something stands in where a layer does not fit; None where it fails."""
        retry = self._retry(self._plan, on_meta=on_meta, careful=True)
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
                retry = self._retry(plan, on_meta=on_meta)
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
        retry = self._retry(self._plan, on_meta=False, careful=True)
        try:
            recording, state = self._passed(retry, point, on_meta=False, again=again)
        except TooManyCalls:
            return inf
        return len(recording.calls) + state.functions if recording.failure is None else None

    def _retry(self, plan: Plan, *, on_meta: bool, careful: bool = False) -> Retry:
        if on_meta:
            meta = torch.device("meta")
            moved = plan.with_each(lambda value: map_tensors(value, lambda tensor: tensor.to(meta)))
            plan = moved._replace(device=meta)
        return Retry(plan, self._mode, careful=careful, gradients=self._gradients)

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
            self._budget.limits.meet(f"calls more than {self._most:,} functions", point)


def keeps_batch(plan: Plan, recording: Recording) -> tuple[bool, ...]:
    """For every output of a symbolic pass, whether its first axis is the batch."""
    if not plan.adds_batch:
        return ()
    rows = plan.batch_size
    return tuple(bool(found.shape) and str(found.shape[0]) == str(rows) for found in recording.outputs)
