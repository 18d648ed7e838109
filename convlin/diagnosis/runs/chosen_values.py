"""Integers that convlin made, and that cannot be 0: the lengths of sequences, a number to divide by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import nn

from convlin.diagnosis.runs.chosen_dtypes import Instead, name_of_input
from convlin.diagnosis.runs.evidence import run_changed
from convlin.diagnosis.runs.integer_inputs import made_of, places_reached
from convlin.diagnosis.runs.retries import Retry
from convlin.diagnosis.silent.findings import suspects
from convlin.inputs import Dummy, Plan
from convlin.ops.catalog import OPS
from convlin.trace.recording import Recording, Suspects


def with_other_values(recording: Recording, model: nn.Module, plan: Plan, mode: str) -> Instead | None:
    """The plan with another value in one input of integers that reached what stopped; None where no run is right so."""
    return None if plan.names else _with_others(recording, model, plan, mode, _values(recording, plan.batch_size))


def in_letters(model: nn.Module, plan: Plan, mode: str, sizes: Mapping[str, int]) -> Instead | None:
    """The same of a plan in letters, by a run at ``sizes``: with 1, which is right whatever a length counts."""
    if not _counts(plan) or plan.device.type == "meta":
        return None
    there = plan.at(sizes)
    shown = run_changed(model, Retry(there, mode, careful=True))
    found = _with_others(shown, model, there, mode, (1,)) if shown is not None else None
    if found is None:
        return None
    filled = {each.place: each.fill for each in found.plan.dummies()}
    [place] = (each.place for each in plan.dummies() if filled[each.place] != each.fill)
    return found._replace(plan=plan.filled(place, 1))


def _counts(plan: Plan) -> set[str]:
    """The inputs that may be counts."""
    # PyTorch makes integers of the lengths that it is given: one number a sample may be that as well.
    return {each.place for each in plan.dummies() if not each.fill and (_is_integer(each) or not each.shape)}


def _with_others(
    recording: Recording, model: nn.Module, plan: Plan, mode: str, values: Iterable[int]
) -> Instead | None:
    failure = recording.failure
    if failure is None or plan.device.type == "meta":
        return None
    counts, tried = _counts(plan), [*values]
    for place in places_reached(plan, made_of(recording, failure.sources)):
        for value in tried if place in counts else ():
            other = plan.filled(place, value)
            shown = run_changed(model, Retry(other, mode, careful=True))
            if shown is None or shown.failure is not None or shown.findings:
                continue
            if suspects(shown, batch_added=plan.adds_batch) != Suspects():
                continue
            name = name_of_input(recording, plan, place)
            return Instead(other, (f"{name} was filled with {value}: with zeros the model does not run",))
    return None


def _is_integer(dummy: Dummy) -> bool:
    return not dummy.dtype.is_floating_point and not dummy.dtype.is_complex and dummy.dtype != torch.bool


def _values(recording: Recording, batch: object) -> Iterator[int]:
    """What may be meant: a length is the number of steps of what it came with; else 1."""
    failure = recording.failure
    assert failure is not None
    if OPS.called(failure.function).takes_lengths and failure.inputs:
        steps = [size for size in failure.inputs[0].shape[:2] if type(size) is int and size > 0]
        yield from sorted(steps, key=lambda size: size == batch)
    yield 1
