"""A pass after the error: on copies of the inputs, for a few seconds at most, and with the model left as it was.

A model that takes longer, or does not fit into memory once more, runs on the meta device, which computes
shapes alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from convlin._summary import Summary
    from convlin.inputs import Plan
    from convlin.trace.recording import Recording

#: Seconds that one pass may take: a model that is slower is not run again.
_PATIENCE = 5.0
#: How many times as long all passes behind a summary may take.
_PASSES = 3
#: Seconds that everything behind one error may take.
_ALL = 30.0
#: Values that the copied inputs may hold.
_MOST_VALUES = 2**26

T = TypeVar("T")


@dataclass
class _Budget:
    """What may be spent on one error."""

    ends: float = float("inf")
    """When everything has to be over."""
    slow: set[int] = field(default_factory=set)
    """Models that took too long on their own device."""


_BUDGET: ContextVar[_Budget | None] = ContextVar("convlin_budget", default=None)


def _budget() -> _Budget:
    return _BUDGET.get() or _Budget()


class TooSlowError(BaseException):
    """The time is over: no ``Exception``, so that no ``forward`` and no pass catches it."""


@contextmanager
def bounded() -> Iterator[None]:
    """However many passes run in this block, they end together after half a minute with a ``TooSlowError``."""
    token = _BUDGET.set(_Budget(time.monotonic() + _ALL))
    try:
        yield
    finally:
        _BUDGET.reset(token)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """The torch function that a model calls in this block when the time is over ends with a ``TooSlowError``.

    Only a model's own, and only that one: what gives the model back as it was calls torch functions
    too, and has to come to its end.
    """
    from torch.overrides import TorchFunctionMode

    from convlin.trace.under_way import is_under_way

    ends = min(time.monotonic() + seconds, _budget().ends)

    class Clock(TorchFunctionMode):
        is_over = False

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if not self.is_over and time.monotonic() > ends and is_under_way() and not _is_importing(sys._getframe(1)):
                self.is_over = True
                raise TooSlowError
            return func(*args, **(kwargs or {}))

    with Clock():
        yield


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported inside of this pass: cut short, it would stay half made for good."""
    while frame is not None and frame.f_code.co_filename != __file__:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def run_again(root: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], work: Callable[[Plan], T]) -> T:
    """What ``work`` finds in a call with these arguments; on the meta device where it takes too long.

    Raises:
        TooSlowError: there it takes too long as well.
    """
    import torch

    from convlin.inputs import Plan, model_device
    from convlin.tensors import map_tensors

    def plan_on(device: torch.device) -> Plan:
        """With copies of the tensors, so that a ``forward`` that writes into its input writes elsewhere."""
        values = 0

        def copied(tensor: Tensor) -> Tensor:
            nonlocal values
            if device.type == "meta":
                return tensor.detach().to(device)
            values += tensor.numel()
            if values > _MOST_VALUES:
                raise TooSlowError
            return tensor.detach().clone()

        return Plan(map_tensors(args, copied), map_tensors(kwargs, copied), 1, device)

    budget = _budget()
    if id(root) not in budget.slow:
        try:
            return work(plan_on(model_device(root)))
        except TooSlowError:
            if time.monotonic() > budget.ends:
                raise
            budget.slow.add(id(root))
    return work(plan_on(torch.device("meta")))


def plain_pass(root: nn.Module, plan: Plan) -> Recording:
    """What one pass shows in which nothing stands in for what does not fit.

    Raises:
        TooSlowError: it takes longer than a few seconds, or more memory than there is.
    """
    from convlin._util.resources import is_resource
    from convlin.trace.forward_pass import one_pass, prepared
    from convlin.trace.state import State
    from convlin.untouched import untouched

    # For its first pass on meta PyTorch imports a good deal.
    seconds = _PATIENCE if plan.device.type != "meta" else _PASSES * _PATIENCE
    with _limited(seconds), untouched(root) as keeper, prepared(root, plan, "same"):
        recording = one_pass(root, plan, State(keeper=keeper))
    if recording.failure is not None and is_resource(recording.failure.error):
        raise TooSlowError
    return recording


def summary_of_pass(root: nn.Module, plan: Plan, hints: tuple[FrameType, ...]) -> Summary:
    """The summary of a pass in the model's own mode, with every problem in it.

    Raises:
        TooSlowError: all that takes longer than a few seconds for every pass.
    """
    from convlin._summary import Summary
    from convlin.api.summarize import summarize_plan
    from convlin.module_tree import mode_of

    with _limited(_PASSES * _PATIENCE):
        summary = summarize_plan(root, plan, "same", hints=hints)
    return Summary(replace(summary.report, mode=mode_of(root)))


def announced(what: str, inputs: str, summary: Summary, root: nn.Module) -> str:
    """The line above the table of a second run."""
    from convlin.inputs import model_device

    if summary.report.device == str(model_device(root)):
        return f"convlin ran {what} again, on {inputs}:"
    return f"convlin ran {what} again on the meta device, which computes shapes alone:"


def in_many_processes() -> bool:
    """Whether other processes would wait for a pass that only this one runs."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return False
    return bool(distributed.get_world_size() > 1)
