"""One model, one input: the passes it takes to know everything, and what they found.

A quick pass is enough for a model that is right.  When it stops, or shows something that looks
wrong, a careful one follows, in which stand-ins let the pass go on behind each mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from convlin.diagnose import diagnose
from convlin.errors import InputError
from convlin.inputs import Dummy, Plan, model_device
from convlin.nested import describe
from convlin.recording import Recording, Suspects
from convlin.records import Report
from convlin.relocate import exchange, renew_lazy, to_device
from convlin.report import build
from convlin.silent import has_unbatched_convolution, suspects
from convlin.state import State
from convlin.trace import Tracer
from convlin.untouched import untouched

MODES = ("eval", "train", "same")

#: Functions whose tensor argument is an index: a dummy that reaches one must hold integers.
_INDEXING = ("embedding", "embedding_bag", "one_hot", "[...]", "gather", "index_select", "take", "scatter", "bincount")

#: A model is run at most this often; each further pass needs a new finding of the one before.
_MOST_PASSES = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the passes found, and the user's own exception if that is what stopped them."""

    report: Report
    error: BaseException | None = None


def check_mode(mode: str) -> str:
    """``mode`` itself, or an ``InputError`` that lists the modes there are."""
    if mode not in MODES:
        raise InputError(f'mode={mode!r} is no mode: write mode="eval", mode="train" or mode="same" (as the model is)')
    return mode


def unwrapped(model: nn.Module) -> nn.Module:
    """The module inside ``torch.compile``, ``DataParallel`` or ``DistributedDataParallel``: its paths are the user's."""
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
            continue
        if type(model).__name__ != "OptimizedModule":
            return model
        model = model._modules["_orig_mod"] or model


def structure(model: nn.Module) -> Report:
    """The report of a model without a forward pass."""
    return build(unwrapped(model), Recording(), device=str(model_device(model)), mode="")


def observe(model: nn.Module, plan: Plan, mode: str = "eval") -> Outcome:
    """Run ``model`` as often as it takes and report; the model is left as it was."""
    root = unwrapped(model)
    careful, found = False, Suspects()
    for _ in range(_MOST_PASSES):
        with untouched(root) as keeper, _prepared(root, plan, mode):
            state = State(careful=careful, batch_added=_adds_batch(plan), suspects=found, keeper=keeper)
            recording = one_pass(root, plan, state)
            failure = recording.failure
            better = _with_integers(plan, recording)
            if better is not None:
                plan = better
                continue
            if not careful and failure is not None and failure.in_torch:
                careful = True
                continue
            more = suspects(recording, batch_added=_adds_batch(plan)) | found
            if more != found or (not careful and _adds_batch(plan) and has_unbatched_convolution(recording)):
                careful, found = True, more
                continue
            error = failure.error if failure is not None else None
            explained = error is None or (failure is not None and failure.in_torch) or bool(recording.findings)
            report = build(root, recording, device=str(plan.device), mode=mode)
            report = replace(report, problems=diagnose(report, recording, root, plan))
            return Outcome(report, None if explained and not _is_resource(error) else error)
    raise AssertionError("a model needed more passes than there are kinds of findings")


def one_pass(model: nn.Module, plan: Plan, state: State, sizes: Mapping[str, int] | None = None) -> Recording:
    """One forward pass; an ``Exception`` that stops it is kept in the recording."""
    args, kwargs = plan.make(sizes)
    tracer, recording = Tracer(model, state), state.recording
    tracer.take_inputs(args, kwargs, _dummies(plan, args, kwargs))
    with torch.no_grad():
        try:
            with tracer.attached():
                output = model(*args, **kwargs)
        except Exception as error:
            # Kept, not swallowed: what cannot be told as a problem is raised again by the caller.
            assert recording.failure is not None and recording.failure.error is error
        else:
            recording.outputs = describe(output)
    return recording


def _dummies(plan: Plan, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Tensor]:
    made = {place.place: args[index] for index, place in enumerate(plan.args) if isinstance(place, Dummy)}
    made.update({place.place: kwargs[name] for name, place in plan.kwargs.items() if isinstance(place, Dummy)})
    return made


def _adds_batch(plan: Plan) -> bool:
    return any(True for _ in plan.dummies())


@contextmanager
def _prepared(model: nn.Module, plan: Plan, mode: str) -> Iterator[None]:
    """The model in the mode and on the device of this pass; to be used inside ``untouched``."""
    if mode != "same":
        for module in model.modules():
            if isinstance(module, torch.jit.ScriptModule):
                module.train(mode == "train")
            else:
                # Not model.train(): a model may override it, to merge weights say, and cannot be undone then.
                module.__dict__["training"] = mode == "train"
    renew_lazy(model)
    if any(tensor.device != plan.device for tensor in (*model.parameters(), *model.buffers())) and (
        plan.device != model_device(model)
    ):
        exchange(model, to_device(plan.device))
    yield


def _with_integers(plan: Plan, recording: Recording) -> Plan | None:
    """The plan with integer dummies where the pass stopped because one was used as an index."""
    failure = recording.failure
    if failure is None or not failure.in_torch:
        return None
    floating = {dummy.place for dummy in plan.dummies() if dummy.dtype.is_floating_point}
    if not floating:
        return None
    indexing = failure.function.rpartition(".")[2].removeprefix("Tensor") in _INDEXING
    embedding = failure.event >= 0 and isinstance(
        recording.events[failure.event].module, nn.Embedding | nn.EmbeddingBag
    )
    if not (indexing or embedding):
        return None
    places = failure.dummy_places & floating or floating
    return plan.with_dtype(frozenset(places), torch.long)


def _is_resource(error: BaseException | None) -> bool:
    """Running out of memory is no mistake in the model's shapes."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError | RecursionError)
