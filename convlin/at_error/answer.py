"""The answer to an exception: from the pass that it came out of, run again, or from what the frames hold.

No answer is better than a wrong one.  What is run again must stop with the user's own error, or make
what the user's own call made; it takes a few seconds at most, keeps no gradients, and leaves the
model and the inputs as they were.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convlin._util.tracebacks import has_calls, steps_of
from convlin.at_error.frames import holders_of, is_convlins
from convlin.at_error.module_call import ModuleCall, module_call
from convlin.at_error.second_run import (
    TooSlowError,
    announced,
    bounded,
    in_many_processes,
    plain_pass,
    run_again,
    summary_of_pass,
)

if TYPE_CHECKING:
    from torch import nn

    from convlin._summary import Summary
    from convlin.inputs import Plan
    from convlin.records import Problem

#: What torch raises for shapes, dtypes and arguments that do not fit.
_KINDS = (RuntimeError, ValueError, IndexError, TypeError, AssertionError)
#: What PyTorch only warns of, where warnings are errors (``python -W error``).
_WARNED = UserWarning
#: What Python raises for a tuple, which has no ``size``: in a loss function, or of what a recurrent layer returns.
_OF_TUPLES = AttributeError


@dataclass(frozen=True, slots=True)
class Answer:
    """What convlin has to say about one exception."""

    said: str
    summary: Summary | None = None
    """The table of the call that it is about, with every problem in it."""

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return self.said if self.summary is None else f"{self.said}\n\n{self.summary}"

    @property
    def html(self) -> str:
        """The same for a notebook."""
        if self.summary is None:
            return f"<pre>{html.escape(self.said)}</pre>"
        return f"<p>{html.escape(self.said)}</p>{self.summary.to_html()}"


def answer(error: BaseException) -> str | None:
    """What convlin has to say about ``error``; None where nothing is certain.

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
    return "\n\n".join(found.text for found in answers_to(error)) or None


def answer_to(error: BaseException) -> Answer | None:
    """The same as a record, which shows itself as text and as HTML; of a group the first one."""
    return next(iter(answers_to(error)), None)


def answers_to(error: BaseException) -> list[Answer]:
    """What there is to say about ``error``; about the exceptions of a group, each once."""
    with bounded():
        found = [told for causes in _chains(error, set()) if (told := _first_answer(causes)) is not None]
    return list({told.text: told for told in found}.values())


def _first_answer(causes: Iterable[BaseException]) -> Answer | None:
    for cause in causes:
        try:
            found = _answer(cause)
        except (Exception, TooSlowError):  # the user's error is the one that counts: this one is no answer
            return None
        if found is not None:
            return found
    return None


def _chains(error: BaseException | None, seen: set[int]) -> Iterator[list[BaseException]]:
    """The exception and those that it was raised from, up to one that convlin has spoken about already.

    Those of a group, such as an ``asyncio.TaskGroup`` raises, are chains of their own behind it.
    """
    chain: list[BaseException] = []
    groups: list[BaseExceptionGroup[BaseException]] = []
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if has_calls(error):
            break
        if isinstance(error, (*_KINDS, _OF_TUPLES, _WARNED)):
            chain.append(error)
        elif isinstance(error, BaseExceptionGroup):
            groups.append(error)
        error = error.__cause__
    yield chain
    for group in groups:
        for each in group.exceptions:
            yield from _chains(each, seen)


def _answer(error: BaseException) -> Answer | None:
    steps = steps_of(error)
    if "torch" not in sys.modules or not steps or any(is_convlins(step.tb_frame) for step in steps):
        return None
    is_of_tuple = isinstance(error, _OF_TUPLES) and isinstance(error.obj, tuple)
    call = module_call(error) if is_of_tuple or isinstance(error, _KINDS) else None
    if call is not None:
        found = _about_call(call, error)
        if found is not None:
            return found
    from convlin.at_error import checkpoints, divisors, losses, optimizers

    of_loss = losses.about(error, steps)
    if of_loss is not None:
        return Answer(*of_loss)
    said = (each.about(error, steps) for each in (checkpoints, optimizers, divisors))
    return next((Answer(told) for told in said if told is not None), None)


def _about_call(call: ModuleCall, error: BaseException) -> Answer | None:
    """The summary of the call that ``error`` came out of; None where another pass tells nothing of it."""
    from convlin._util.resources import is_resource
    from convlin._util.torch_private import is_of_accelerator
    from convlin.observe import unwrapped

    if is_resource(error) or is_of_accelerator(error) or in_many_processes():
        return None  # memory, a kernel that failed earlier, other processes that would have to join
    model, args, kwargs = call.outermost
    root = unwrapped(model)
    if _is_loss(root):
        return None
    return run_again(root, args, kwargs, lambda plan: _about_plan(root, plan, call, error))


def _about_plan(root: nn.Module, plan: Plan, call: ModuleCall, error: BaseException) -> Answer | None:
    from convlin.inputs import model_device

    is_real = plan.device == model_device(root)
    if is_real and not _fails_alike(root, plan, error):
        return None
    summary = summary_of_pass(root, plan, holders_of(root, call.callers))
    if all(map(_is_said, summary.problems)) and all(each.failed for each in summary.calls):
        return None  # PyTorch has said it: there is no shape to show beside
    if not is_real and not _stops_there(summary, root, call):
        return None
    return Answer(announced("this call", "inputs of the same shapes", summary, root), summary)


def _is_said(problem: Problem) -> bool:
    """Whether a problem tells no more than the exception does."""
    return problem.kind == "error" and not problem.claims and problem.fix is None


def _fails_alike(root: nn.Module, plan: Plan, error: BaseException) -> bool:
    """Whether the pass stops with the very error that the user saw: without it, another pass tells nothing."""
    from convlin._util.torch_private import COMPILER
    from convlin.diagnosis.runs.whole_tuples import taken_whole

    failure = plain_pass(root, plan).failure
    if failure is None or not (failure.refused or failure.taken is not None or taken_whole(failure)):
        return False
    again = failure.error
    if type(error).__module__.startswith(COMPILER):  # a compiled model says it in words of its own
        return True
    return type(again) is type(error) and str(again) == str(error)


def _stops_there(summary: Summary, root: nn.Module, call: ModuleCall) -> bool:
    """Whether the first mistake is at the call where the user's pass stopped, and got the shapes that came in there.

    The meta device has errors in words of its own, and its functions take some of what others refuse.
    """
    from convlin.module_tree import walk
    from convlin.tensors import describe_arguments

    first = summary.problems[0] if summary.problems else None
    if first is None or first.kind == "error" or first.call is None:
        return False
    found, last = summary.calls[first.call], call.innermost
    paths = [path for path, module, _ in walk(root) if module is last.model]
    if found.path not in paths:
        return False
    if found.is_function:
        return found.where is not None and (found.where.file, found.where.line) in call.lines
    came = tuple(info.shape for info in describe_arguments(last.args, last.kwargs))
    return found.input_shapes == came


def _is_loss(root: nn.Module) -> bool:
    """Whether the call is that of a loss function: what is wrong with its inputs lies before it."""
    from convlin._util.torch_private import LOSSES

    return isinstance(root, LOSSES)
