"""A dtype that convlin chose and the model refuses: a mask has to be bool, an index or a class an integer."""

from __future__ import annotations

import re
from typing import NamedTuple

import torch
from torch import nn

from convlin.diagnosis.evidence import run_to_the_end
from convlin.diagnosis.integer_inputs import made_of, places_of_tensors, places_reached
from convlin.inputs import Plan
from convlin.trace.recording import Failure, Recording, Suspects

#: What PyTorch says where another dtype is needed.
_OF_DTYPES = re.compile(
    r"dtype|\bbool|\bLong\b|used as indices|not implemented for '\w*(Float|Half|Double)", re.IGNORECASE
)
_KINDS = {torch.bool: "torch.bool", torch.long: "torch.long"}
#: Of the inputs that the failing function's tensors were made of so many are tried.
_MOST_INPUTS = 3


class Chosen(NamedTuple):
    """A change of the call with which the model was run to its end."""

    message: str
    fix: str


def other_dtype(recording: Recording, failure: Failure, model: nn.Module, plan: Plan, mode: str) -> Chosen | None:
    """What to write for the dtype of an input that convlin chose; None where no run shows that it helps.

    Where a mask and an index both run (``x[k]``) both are told: which of them is meant nobody can know.
    """
    if plan.names or plan.device.type == "meta" or not _OF_DTYPES.search(str(failure.error)):
        return None
    dummies = {each.place: each for each in plan.dummies() if each.dtype.is_floating_point and not each.dtype_asked}
    reached = [place for place in places_reached(plan, made_of(recording, failure.sources)) if place in dummies]
    for place in reached[:_MOST_INPUTS]:
        right = [kind for kind in _KINDS if _runs(model, plan.with_dtype(frozenset((place,)), kind), mode)]
        if right:
            chosen, kinds = dummies[place].dtype, " or ".join(map(_KINDS.__getitem__, right))
            return Chosen(
                f"convlin chose {chosen} for {_name(recording, plan, place)}; with {kinds} the model runs to its end",
                " or ".join(_written(plan, place, kind) for kind in right),
            )
    return None


def _runs(model: nn.Module, plan: Plan, mode: str) -> bool:
    shown = run_to_the_end(model, plan, mode, {}, gradients=False, known=Suspects())
    return shown is not None and all(each.misfit.kind != "dtype" for each in shown.findings)


def _name(recording: Recording, plan: Plan, place: str) -> str:
    places = places_of_tensors(plan)
    named = recording.input_names
    return named[places.index(place)] if len(named) == len(places) else "the input"


def _written(plan: Plan, place: str, kind: torch.dtype) -> str:
    """The argument that gives this input its dtype, as it is added to the call."""
    dummies = [*plan.dummies()]
    if len(dummies) == 1:
        return f"dtypes={_KINDS[kind]}"
    if len(dummies) != len(plan.args):
        return f'dtypes={{"{place}": {_KINDS[kind]}}}'
    kinds = ", ".join(_KINDS[kind] if each.place == place else str(each.dtype) for each in dummies)
    return f"dtypes=[{kinds}]"
