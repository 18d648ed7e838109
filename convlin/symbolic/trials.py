"""Which sizes a model takes: found out on the meta device, and made sure of by real runs."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import inf, prod
from typing import Any

from torch import nn
from torch.nn.parameter import UninitializedParameter

from convlin._util.resources import is_resource
from convlin.inputs import Plan
from convlin.module_tree import parameters_of
from convlin.records import Shape
from convlin.symbolic.budget import MOST_ELEMENTS, MOST_ELEMENTS_ON_META, Budget
from convlin.symbolic.kept_runs import KeptRuns
from convlin.symbolic.limits import Limits
from convlin.symbolic.runs import MOST_FUNCTIONS, Point, Runs
from convlin.symbolic.watching import Elements, Stretches
from convlin.trace.recording import Failure, Recording
from convlin.trace.state import TooManyCalls

#: A run of so few elements, in a model of so few parameters, is made for real at once; also of so few for each call,
#: which takes as long on the meta device.
_CHEAP, _CHEAP_FOR_EACH_CALL, _FEW_PARAMETERS = 1e6, 1e4, 4e7
#: Elements of a run that tells whether a model does not run on the meta device, or not at this size.
_MOST_ELEMENTS_TO_SEE_WHY = 20e6


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
        self._budget = Budget(limits, cost)
        self._runs = Runs(model, plan, mode, budget=self._budget, gradients=gradients, most=most)
        self._plan = plan
        self._batch = batch
        self._kept = KeptRuns()
        self._stood_in: dict[Shape, Recording | None] = {}
        self._elements_at: dict[Shape, float] = {}
        self._stretches_at: dict[Shape, Stretches | None] = {}
        self.stopped: dict[Shape, Point] = {}
        """The sizes at which a quick pass did not go through."""
        self._stopped_on_meta: set[Hashable] = set()
        self.count = 0
        """How many runs there were to find out whether sizes are taken."""
        # Most functions take longer there than on a few numbers, and a loop calls thousands.
        self._meta = plan.device.type != "meta" and not loops
        known = (weight for weight in parameters_of(model) if not isinstance(weight, UninitializedParameter))
        self._is_small = plan.device.type != "meta" and sum(weight.numel() for weight in known) <= _FEW_PARAMETERS
        self._is_lax = False
        """A real run refused what the meta device took: an index, say, that no shape tells of."""

    @property
    def taken(self) -> list[Point]:
        """The sizes at which the model was found to run to the end, the smallest first."""
        return self._kept.taken

    @property
    def refused(self) -> list[Point]:
        """The sizes that a real run was found to refuse, the smallest first."""
        return self._kept.refused

    def passes(self, point: Point, *, expected: bool) -> bool | None:
        """Whether the model takes these sizes; None where no run can tell.

        A refusal on the meta device that was not ``expected`` is confirmed by a real run.
        """
        known = self._kept.passed(point, real=True)
        if known is not None:
            return known
        if self._is_on_meta(point):
            if not self.affordable(point):
                return None
            try:
                passed = self._passes_on_meta(point)
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
        known = self._kept.passed(point, real=True)
        if known is not None:
            return known
        if self._plan.device.type == "meta" or self._budget.is_spent or self._budget.is_large(point, MOST_ELEMENTS):
            return None
        self._budget.pay(point)
        self.count += 1
        try:
            shapes = self._runs.plain(point)
        except TooManyCalls:
            return None
        except Exception as error:
            if not is_resource(error):
                raise
            self.limits.meet("needs more memory than there is", point)
            self._budget.left = -inf
            return None
        passed = shapes is not None and self._keeps_batch(shapes, point)
        self._kept.note(point, passed=passed, real=True)
        if self._kept.passed(point, real=False) and not passed:
            self._is_lax = True
        return passed

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
        noting, on_meta = Stretches(), self._is_on_meta(point)
        is_new = self._kept.recording(point, real=not on_meta) is None
        try:
            recording = self._runs.recorded(point, on_meta=on_meta, noting=noting)
            if is_new and not on_meta:
                self._budget.pay(point)
                self._note(point, recording, on_meta=False)
        except TooManyCalls:
            return None
        noting.finished = recording.failure is None
        return noting

    def record_and_watch(self, point: Point) -> Recording | None:
        """What `record` shows, of a pass that tells what is stretched as well, where that takes no run of its own."""
        if not self._is_on_meta(point):
            self.stretched(point)
        return self.record(point)

    def record(self, point: Point) -> Recording | None:
        """What a quick pass at these sizes shows, on the meta device where it is large and the model runs there."""
        on_meta = self._is_on_meta(point)
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
        found = self._kept.recording(point, real=True)
        return found if found is not None and found.failure is None else None

    def with_stand_ins(self, point: Point) -> Recording | None:
        """What a pass at these sizes shows in which something stands in where a layer does not fit, as in letters."""
        key = tuple(point.values())
        if key not in self._stood_in:
            found = self._runs.with_stand_ins(point, on_meta=self._is_on_meta(point))
            if not self._kept.take_room(found):
                return found
            self._stood_in[key] = found
        return self._stood_in[key]

    def _is_on_meta(self, point: Point) -> bool:
        return self._meta and not self.is_cheap(point)

    def _runs_elsewhere(self, failure: Failure, point: Point) -> bool:
        """Whether a real run goes through where one on the meta device does not; it is no run that looks for sizes.

        Made until one went through there, and then where none stopped before: where ``forward`` goes another way it may
        meet a tensor that stays on the CPU.
        """
        place = (failure.path, failure.function, failure.where)
        if self._kept.any_passed_on_meta and place in self._stopped_on_meta:
            return False
        if self._budget.estimated(point) > _MOST_ELEMENTS_TO_SEE_WHY:
            return False
        self._stopped_on_meta.add(place)
        count = self.count
        passed = bool(self.for_real(point))
        self.count = count
        return passed

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
            self.count += 1
            self._note(point, self._runs.recorded(point, on_meta=True, noting=counting), on_meta=True)
            self._elements_at[key] = counting.count
        return self._elements_at[key]

    def _recording(self, point: Point, *, on_meta: bool) -> Recording:
        """A quick pass, which is made once for each point."""
        known = self._kept.recording(point, real=not on_meta)
        if known is not None:
            return known
        if not on_meta:
            self._budget.pay(point)
        return self._note(point, self._runs.recorded(point, on_meta=on_meta), on_meta=on_meta)

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
            passed = finished and self._keeps_batch(tuple(found.shape for found in recording.outputs), point)
            self._kept.note(point, passed=passed, real=not on_meta)
        self._kept.note_recording(point, recording, real=not on_meta)
        return recording

    def _passes_on_meta(self, point: Point) -> bool:
        if self._kept.passed(point, real=False) is None:
            self.count += 1
            self._recording(point, on_meta=True)
        return bool(self._kept.passed(point, real=False))

    def _keeps_batch(self, shapes: tuple[Shape, ...], point: Point) -> bool:
        """A view that folds the batch into another axis raises nothing; its output has another number of rows."""
        if len(shapes) != len(self._batch):
            return True
        rows = point.get(str(self._plan.batch_size), self._plan.batch_size)
        return all(not kept or (shape and shape[0] == rows) for shape, kept in zip(shapes, self._batch, strict=True))
