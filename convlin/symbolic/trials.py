"""Running the model at other sizes: on the meta device to find out, for real to be sure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from convlin.functions.fake_shapes import KnownSizes
from convlin.inputs import Plan
from convlin.observe import is_resource
from convlin.records import Shape
from convlin.symbolic.caches import forgetting
from convlin.symbolic.quiet import compiling
from convlin.tensors import describe, map_tensors
from convlin.trace.forward_pass import one_pass, prepared
from convlin.trace.function_mode import Between
from convlin.trace.recording import Recording
from convlin.trace.state import State
from convlin.untouched import untouched

Point = Mapping[str, int]
"""A size for every letter."""

#: Elements of all tensors that a run may make, and all real runs together: nothing here depends on the clock.
_MOST_ELEMENTS = 200e6
_MOST_ELEMENTS_TOGETHER = 1e9
_MOST_ELEMENTS_ON_META = 5e8


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
    ) -> None:
        self._model = model
        self._cost = cost
        self._plan = plan
        self._mode = mode
        self._batch = batch
        self._left = _MOST_ELEMENTS_TOGETHER
        self._tried: dict[tuple[bool, tuple[int, ...]], Trial] = {}
        self._meta = plan.device.type != "meta"

    @property
    def count(self) -> int:
        """How many runs there were."""
        return len(self._tried)

    def passes(self, point: Point, *, expected: bool) -> bool | None:
        """Whether the model takes these sizes; None where no run can tell.

        A refusal on the meta device that was not ``expected`` is confirmed by a real run.
        """
        real = self._known(point, real=True)
        if real is not None:
            return real.passed
        if self._meta:
            if not self.affordable(point):
                return None
            passed = self._run(point, real=False).passed
            if passed or not expected:
                return passed
            confirmed = self.for_real(point)
            if confirmed:
                self._meta = False  # something in the model does not run there at all
            return confirmed
        return self.for_real(point)

    def for_real(self, point: Point) -> bool | None:
        """Whether a plain run at these sizes reaches the end with its batch; None where that would take too long."""
        known = self._known(point, real=True)
        if known is not None:
            return known.passed
        if self._plan.device.type == "meta" or self._left <= 0 or self._cost(point) > _MOST_ELEMENTS:
            return None
        self._left -= self._cost(point)
        try:
            trial = self._run(point, real=True)
        except (MemoryError, torch.OutOfMemoryError):
            self._left = 0.0
            return None
        return trial.passed

    def affordable(self, point: Point) -> bool:
        """Whether a run on the meta device may be made; what a model computes from no input is computed there, too."""
        return self._cost(point) <= (_MOST_ELEMENTS_ON_META if self._meta else _MOST_ELEMENTS)

    def record(self, point: Point) -> Recording | None:
        """What a quick pass at these sizes shows, on the meta device where the model runs there."""
        plan = self._moved() if self._meta else self._plan
        with ExitStack() as stack:
            keeper = stack.enter_context(untouched(self._model))
            stack.enter_context(forgetting(self._model))
            stack.enter_context(prepared(self._model, plan, self._mode))
            if self._meta:
                stack.enter_context(compiling())
                stack.enter_context(KnownSizes())
            state = State(batch_added=plan.adds_batch, keeper=keeper)
            recording = one_pass(self._model, plan, state, dict(point))
        return recording if recording.failure is None else None

    def _known(self, point: Point, *, real: bool) -> Trial | None:
        return self._tried.get((real, tuple(point.values())))

    def _moved(self) -> Plan:
        meta = torch.device("meta")
        return replace(
            self._plan,
            device=meta,
            args=tuple(map_tensors(value, lambda tensor: tensor.to(meta)) for value in self._plan.args),
            kwargs={
                name: map_tensors(value, lambda tensor: tensor.to(meta)) for name, value in self._plan.kwargs.items()
            },
        )

    def _run(self, point: Point, *, real: bool) -> Trial:
        key = (real, tuple(point.values()))
        if key not in self._tried:
            self._tried[key] = self._try(point, real=real)
        return self._tried[key]

    def _try(self, point: Point, *, real: bool) -> Trial:
        plan = self._plan if real else self._moved()
        with ExitStack() as stack:
            keeper = stack.enter_context(untouched(self._model))
            if not real:
                stack.enter_context(forgetting(self._model))
                stack.enter_context(compiling())
                stack.enter_context(KnownSizes())  # a recurrent layer goes step by step on the meta device, too
            stack.enter_context(prepared(self._model, plan, self._mode))
            stack.enter_context(torch.no_grad())
            stack.enter_context(Between(State(keeper=keeper)))  # which sees what the model writes to
            try:
                args, kwargs = plan.make(dict(point))
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
