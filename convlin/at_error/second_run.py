"""A pass after the error: on copies of the inputs, for a few seconds at most, and with the model left as it was."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from convlin.inputs import Plan
    from convlin.summary import Summary
    from convlin.trace.recording import Recording

#: Seconds that one pass may take: a model that is slower is not run again.
_PATIENCE = 5.0
#: How many times as long all passes behind a summary may take, with what PyTorch imports for the first on meta.
_PASSES = 4
#: Values that the copied inputs may hold.
_MOST_VALUES = 2**28


class TooSlowError(BaseException):
    """The time is over: no ``Exception``, so that no ``forward`` and no pass catches it."""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """The torch function that a model calls in this block when the time is over ends with a ``TooSlowError``.

    Only a model's own, and only that one: what gives the model back as it was calls torch functions
    too, and has to come to its end.
    """
    from torch.overrides import TorchFunctionMode

    from convlin.trace.forward_pass import is_under_way

    ends = time.monotonic() + seconds

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


class Copies:
    """Copies of the tensors in nested arguments, so that a ``forward`` that writes into its input writes elsewhere."""

    def __init__(self) -> None:
        self._values = 0

    def of(self, value: Any) -> Any:
        """The same value with every tensor in lists, tuples and dicts copied."""
        import torch

        if isinstance(value, torch.Tensor):
            self._values += value.numel()
            if self._values > _MOST_VALUES:
                raise TooSlowError
            return value.detach().clone()
        if isinstance(value, dict) and type(value) is dict:
            return {key: self.of(each) for key, each in value.items()}
        if type(value) in (list, tuple):
            return type(value)(map(self.of, value))
        return value


def plan_of(root: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Plan:
    """The plan of a call with copies of these arguments."""
    from convlin.inputs import Plan, model_device

    copied = Copies()
    return Plan(copied.of(args), copied.of(kwargs), 1, model_device(root))


def plain_pass(root: nn.Module, plan: Plan) -> Recording:
    """What one pass shows in which nothing stands in for what does not fit.

    Raises:
        TooSlowError: it takes longer than a few seconds.
    """
    from convlin.trace.forward_pass import one_pass, prepared
    from convlin.trace.state import State
    from convlin.untouched import untouched

    with _limited(_PATIENCE), untouched(root) as keeper, prepared(root, plan, "same"):
        return one_pass(root, plan, State(keeper=keeper))


def summary_of_pass(root: nn.Module, plan: Plan, hints: tuple[FrameType, ...]) -> Summary:
    """The summary of a pass in the model's own mode, with every problem in it.

    Raises:
        TooSlowError: all that takes longer than a few seconds for every pass.
    """
    from convlin.api.summarize import summarize_plan
    from convlin.module_tree import modules_of
    from convlin.summary import Summary

    with _limited(_PASSES * _PATIENCE):
        summary = summarize_plan(root, plan, "same", hints=hints)
    training = {module.training for module in modules_of(root)}
    mode = "mixed" if len(training) > 1 else "train" if True in training else "eval"
    return Summary(replace(summary.report, mode=mode))


def in_many_processes() -> bool:
    """Whether other processes would wait for a pass that only this one runs."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return False
    return bool(distributed.get_world_size() > 1)
