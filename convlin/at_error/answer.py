"""The answer to an exception that came out of a module: its pass is run again, and the table says what is wrong.

No answer is better than a wrong one.  The second run must stop with the user's own error; it takes
a few seconds at most, keeps no gradients, and leaves the model and the inputs as they were.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

from convlin.at_error.module_call import ModuleCall, module_call

if TYPE_CHECKING:
    from torch import nn

    from convlin.inputs import Plan
    from convlin.summary import Summary

#: What torch raises for shapes, dtypes and arguments that do not fit.
_KINDS = (RuntimeError, ValueError, IndexError, TypeError, AssertionError)

#: The note that a pass of convlin's own leaves on the user's exception.
_TOLD = "convlin: the calls up to here"

#: Seconds that all passes together may take, and values that the copied inputs may hold.
_PATIENCE = 5.0
_MOST_VALUES = 2**28


class _TooSlowError(BaseException):
    """The time is over: no ``Exception``, so that no ``forward`` and no pass catches it."""


def answer(error: BaseException) -> str | None:
    """What convlin has to say about ``error``; None where it did not come out of a module, or nothing is certain.

    The exceptions that ``error`` was raised from are looked at after it.  The models in the frames
    stay as they are.  An error of convlin's own is no answer, and never takes the place of the user's.

    >>> import torch
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(999, 10))
    >>> try:
    ...     net(torch.zeros(4, 3, 32, 32))
    ... except RuntimeError as error:
    ...     print("needs in_features=3072, has 999" in answer(error))
    True
    >>> print(answer(KeyError("lr")))
    None
    """
    summary = summary_at(error)
    if summary is None:
        return None
    return f"convlin ran this call again, on inputs of the same shapes:\n\n{summary}"


def summary_at(error: BaseException) -> Summary | None:
    """The summary of the call that ``error`` came out of, with every problem in it; None as for ``answer``."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if any(note.startswith(_TOLD) for note in getattr(cause, "__notes__", ())):
            return None
        call = module_call(cause) if isinstance(cause, _KINDS) else None
        if call is not None:
            try:
                return _summary(call, cause)
            except (Exception, _TooSlowError):  # the user's error is the one that counts: this one is no answer
                return None
        cause = cause.__cause__
    return None


def _summary(call: ModuleCall, error: BaseException) -> Summary | None:
    import torch
    from torch.overrides import TorchFunctionMode

    from convlin.api.summarize import summarize_plan
    from convlin.inputs import Plan, model_device
    from convlin.module_tree import modules_of
    from convlin.observe import is_resource, unwrapped
    from convlin.summary import Summary

    if is_resource(error) or isinstance(error, torch.AcceleratorError) or _in_many_processes():
        return None  # memory, a kernel that failed earlier, other processes that would have to join
    root = unwrapped(call.model)
    if _is_loss(root):
        return None
    ends = time.monotonic() + _PATIENCE

    class Clock(TorchFunctionMode):
        """Ends the second run when it takes too long."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if time.monotonic() > ends:
                raise _TooSlowError
            return func(*args, **(kwargs or {}))

    copied = _Copies()
    args, kwargs = copied.of(call.args), copied.of(call.kwargs)
    plan = Plan(args, kwargs, 1, model_device(root))
    with Clock():
        if not _fails_alike(root, plan, error):
            return None
        summary = summarize_plan(root, plan, "same", hints=_hints(call, root))
    if all(problem.kind == "error" for problem in summary.problems) and all(each.failed for each in summary.calls):
        return None  # PyTorch has said it: there is no shape to show beside
    training = {module.training for module in modules_of(root)}
    mode = "mixed" if len(training) > 1 else "train" if True in training else "eval"
    return Summary(replace(summary.report, mode=mode))


class _Copies:
    """Copies of the tensors in nested arguments, so that a ``forward`` that writes into its input writes elsewhere."""

    def __init__(self) -> None:
        self._values = 0

    def of(self, value: Any) -> Any:
        """The same value with every tensor in lists, tuples and dicts copied."""
        import torch

        if isinstance(value, torch.Tensor):
            self._values += value.numel()
            if self._values > _MOST_VALUES:
                raise _TooSlowError
            return value.detach().clone()
        if isinstance(value, dict) and type(value) is dict:
            return {key: self.of(each) for key, each in value.items()}
        if type(value) in (list, tuple):
            return type(value)(map(self.of, value))
        return value


def _fails_alike(root: nn.Module, plan: Plan, error: BaseException) -> bool:
    """Whether the pass stops with the very error that the user saw: without it, another pass tells nothing."""
    from convlin.trace.forward_pass import one_pass, prepared
    from convlin.trace.state import State
    from convlin.untouched import untouched

    with untouched(root) as keeper, prepared(root, plan, "same"):
        failure = one_pass(root, plan, State(keeper=keeper)).failure
        if failure is None or not failure.in_torch:
            return False
        again = failure.error
        if type(error).__module__.startswith("torch._dynamo"):  # a compiled model says it in words of its own
            return True
        return type(again) is type(error) and str(again) == str(error)


def _hints(call: ModuleCall, root: nn.Module) -> tuple[FrameType, ...]:
    """The frames that hold the model, outermost first: there it was made, or handed in from there."""
    return tuple(frame for frame in call.callers if any(_is(value, root) for value in frame.f_locals.values()))


def _is(value: object, root: nn.Module) -> bool:
    return value is root or getattr(value, "__dict__", {}).get("_modules", {}).get("_orig_mod") is root


def _is_loss(root: nn.Module) -> bool:
    """Whether the call is that of a loss function: what is wrong with its inputs lies before it."""
    from torch.nn.modules.loss import _Loss

    return isinstance(root, _Loss)


def _in_many_processes() -> bool:
    """Whether other processes would wait for a pass that only this one runs."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return False
    return bool(distributed.get_world_size() > 1)
