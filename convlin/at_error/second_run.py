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

#: Seconds that all passes together may take, and values that the copied inputs may hold.
_PATIENCE = 5.0
_MOST_VALUES = 2**28


class TooSlowError(BaseException):
    """The time is over: no ``Exception``, so that no ``forward`` and no pass catches it."""


@contextmanager
def limited() -> Iterator[None]:
    """The torch functions that run in this block end with a ``TooSlowError`` after a few seconds."""
    from torch.overrides import TorchFunctionMode

    ends = time.monotonic() + _PATIENCE

    class Clock(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if time.monotonic() > ends:
                raise TooSlowError
            return func(*args, **(kwargs or {}))

    with Clock():
        yield


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
    """What one pass shows in which nothing stands in for what does not fit."""
    from convlin.trace.forward_pass import one_pass, prepared
    from convlin.trace.state import State
    from convlin.untouched import untouched

    with untouched(root) as keeper, prepared(root, plan, "same"):
        return one_pass(root, plan, State(keeper=keeper))


def summary_of_pass(root: nn.Module, plan: Plan, hints: tuple[FrameType, ...]) -> Summary:
    """The summary of a pass in the model's own mode, with every problem in it."""
    from convlin.api.summarize import summarize_plan
    from convlin.module_tree import modules_of
    from convlin.summary import Summary

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
