"""Whether another pass is needed, and what it does otherwise: told by what the one before showed."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from convlin.diagnosis.runs.integer_inputs import Integers
from convlin.diagnosis.silent.findings import has_unbatched_convolution, suspects
from convlin.inputs import Plan
from convlin.ops.catalog import OPS
from convlin.trace.call_sites import wants_gradients
from convlin.trace.recording import Failure, Recording, Suspects
from convlin.trace.state import State

#: A model is run at most this often, with the same dtypes; each further pass needs a new finding of the one before.
MOST_PASSES = 8


class Retry(NamedTuple):
    """How one pass is made; the first is quick and changes nothing on its way."""

    plan: Plan
    mode: str
    """As in ``summarize``: whether the modules are in training, or in eval mode."""
    careful: bool = False
    """What reaches a layer is examined before it runs, and something stands in where it does not fit."""
    stands_in: bool = True
    """Not in the pass that only looks at which errors ``forward`` itself catches."""
    has_looked: bool = False
    """That pass has been made."""
    gradients: bool = False
    """``forward`` takes gradients itself."""
    sees_tuples: bool = True
    """A tuple that was taken whole is told; not where the model raises an error of its own behind it."""
    suspects: Suspects = Suspects()
    integers: Integers = Integers()
    remarks: tuple[str, ...] = ()
    """What was changed of the plan since the model does not run otherwise."""

    def state(self, **more: Any) -> State:
        """That of a pass which is made so."""
        return State(
            careful=self.careful, stands_in=self.stands_in, gradients=self.gradients, batch_added=self.plan.adds_batch,
            suspects=self.suspects, **more,
        )  # fmt: skip


def passes(plan: Plan) -> range:
    """As many as a model may have to be run to know all: each further one needs a new finding of the one before."""
    return range(MOST_PASSES + 2 * Integers().most(plan))


def next_retry(retry: Retry, recording: Recording, state: State) -> Retry | None:
    """The pass that has to follow one that was made as ``retry`` says; None where all is known.

    ``state`` is that of the pass, while its errors are at hand.
    """
    plan, failure = retry.plan, recording.failure
    refused = failure is not None and failure.refused
    goes_on = refused and not retry.careful  # the same plan is run again, and something stands in
    with_indices, integers = retry.integers.next_plan(plan, recording, is_last=not goes_on)
    retry = retry._replace(integers=integers)
    if with_indices is not None:
        return retry._replace(plan=with_indices)
    with_reals = _with_reals(plan, recording) if refused else None
    if with_reals is not None:
        return retry._replace(plan=with_reals)
    if not retry.gradients and failure is not None and refused and wants_gradients(failure.error):
        return retry._replace(gradients=True)
    whole = _taken_whole(failure) if failure is not None and failure.tuples and retry.sees_tuples else frozenset()
    if whole - retry.suspects.whole:
        return retry._replace(careful=True, suspects=retry.suspects | Suspects(whole=whole))
    if failure is not None and not refused and retry.suspects.whole:
        return retry._replace(sees_tuples=False, suspects=retry.suspects._replace(whole=frozenset()))
    if not retry.careful and refused:
        return retry._replace(careful=True)
    if not retry.stands_in:
        caught = Suspects(caught=state.refusals_caught())
        return retry._replace(stands_in=True, suspects=retry.suspects | caught)
    if state.may_be_caught and not retry.has_looked:
        return retry._replace(stands_in=False, has_looked=True)
    more = suspects(recording, batch_added=plan.adds_batch) | retry.suspects
    unbatched = not retry.careful and plan.adds_batch and has_unbatched_convolution(recording)
    return retry._replace(careful=True, suspects=more) if more != retry.suspects or unbatched else None


def _taken_whole(failure: Failure) -> frozenset[str]:
    from convlin.diagnosis.runs.whole_tuples import taken_whole  # reads source: only where that may be wrong

    return taken_whole(failure)


def _with_reals(plan: Plan, recording: Recording) -> Plan | None:
    """The plan with real numbers where a model whose weights are complex refused complex ones, as an FFT of reals does.

    Nobody asked for these: that the input is what the weights are was a guess.
    """
    failure = recording.failure
    guessed = {dummy.place: dummy for dummy in plan.dummies() if dummy.dtype.is_complex and not dummy.dtype_asked}
    if not guessed or failure is None or not OPS.called(failure.function).takes_reals:
        return None
    real = torch.float64 if any(dummy.dtype == torch.complex128 for dummy in guessed.values()) else torch.float32
    return plan.with_dtype(frozenset(guessed), real)
