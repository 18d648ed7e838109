"""Whether another pass is needed, and what it does otherwise: told by what the one before showed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from convlin.diagnosis.silent_mistakes import has_unbatched_convolution, suspects
from convlin.inputs import Dummy, Plan
from convlin.ops.catalog import OPS
from convlin.records import SourceKind
from convlin.tensors import tensors_in
from convlin.trace.call_sites import wants_gradients
from convlin.trace.recording import Recording, Suspects
from convlin.trace.state import State

#: A model is run at most this often; each further pass needs a new finding of the one before.
MOST_PASSES = 8


class Retry(NamedTuple):
    """How one pass is made; the first is quick and changes nothing on its way."""

    plan: Plan
    careful: bool = False
    """What reaches a layer is examined before it runs, and something stands in where it does not fit."""
    stands_in: bool = True
    """Not in the pass that only looks at which errors ``forward`` itself catches."""
    has_looked: bool = False
    """That pass has been made."""
    gradients: bool = False
    """``forward`` takes gradients itself."""
    suspects: Suspects = Suspects()


def next_retry(retry: Retry, recording: Recording, state: State) -> Retry | None:
    """The pass that has to follow one that was made as ``retry`` says; None where all is known.

    ``state`` is that of the pass, while its errors are at hand.
    """
    plan, failure = retry.plan, recording.failure
    refused = failure is not None and failure.refused
    with_indices = with_integers(plan, recording)
    if with_indices is not None:
        return retry._replace(plan=with_indices)
    with_reals = _with_reals(plan, recording) if refused else None
    if with_reals is not None:
        return retry._replace(plan=with_reals)
    if not retry.gradients and failure is not None and refused and wants_gradients(failure.error):
        return retry._replace(gradients=True)
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


def with_integers(plan: Plan, recording: Recording) -> Plan | None:
    """The plan with integer dummies where one was used as an index, unless the caller asked for its dtype."""
    failure = recording.failure
    asked = plan.floats_asked()
    floating = {dummy.place for dummy in plan.dummies() if dummy.dtype.is_floating_point} - asked
    if not floating:
        return None
    if failure is None or not failure.refused:
        # On the meta device an embedding takes whatever reaches it, and only the examination tells.
        told = [
            finding
            for finding in recording.findings
            if finding.misfit.kind == "dtype" and finding.is_model_input and _is_embedding(recording, finding.call)
        ]
        if not told:
            return None
        order = places_of_tensors(plan)
        # Each input by itself: a model of words and features takes one of either kind.
        reached = {
            order[finding.source.number]
            for finding in told
            if finding.source.kind is SourceKind.INPUT and finding.source.number < len(order)
        }
        places = frozenset(reached & floating or (frozenset() if reached & asked else floating))
        return plan.with_dtype(places, torch.long) if places else None
    if not (OPS.called(failure.function).indexes or _is_embedding(recording, failure.call)):
        return None
    if any(info.dtype.startswith(("int", "uint")) for info in failure.inputs):  # the index is one, and out of range
        return None
    places = frozenset(failure.dummy_places & floating or (frozenset() if failure.dummy_places & asked else floating))
    return plan.with_dtype(places, torch.long) if places else None


def _with_reals(plan: Plan, recording: Recording) -> Plan | None:
    """The plan with real numbers where a model whose weights are complex refused complex ones, as an FFT of reals does.

    Nobody asked for these: that the input is what the weights are was a guess.
    """
    failure = recording.failure
    guessed = {dummy.place: dummy for dummy in plan.dummies() if dummy.dtype.is_complex and not dummy.dtype_asked}
    if not guessed or failure is None or "expects a real" not in str(failure.error):
        return None
    real = torch.float64 if any(dummy.dtype == torch.complex128 for dummy in guessed.values()) else torch.float32
    return plan.with_dtype(frozenset(guessed), real)


def places_of_tensors(plan: Plan) -> list[str]:
    """The place of every tensor that goes into the model, in the order of the sources; "" for one that was given."""
    given = (*plan.args, *plan.kwargs.values())
    return [place for value in given for place in ([value.place] if isinstance(value, Dummy) else [""] * _count(value))]


def _count(value: object) -> int:
    return sum(1 for _ in tensors_in(value))


def _is_embedding(recording: Recording, index: int) -> bool:
    return index >= 0 and isinstance(recording.modules[index], nn.Embedding | nn.EmbeddingBag)
