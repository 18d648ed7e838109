"""A dtype that convlin chose and the model refuses: a mask has to be bool, an index or a class an integer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import nn

from convlin._util.call_spelling import call_spelling
from convlin.diagnosis.runs.evidence import run_changed
from convlin.diagnosis.runs.integer_inputs import made_of, places_of_tensors, places_reached
from convlin.diagnosis.runs.retries import Retry
from convlin.diagnosis.silent.findings import suspects
from convlin.inputs import Plan
from convlin.trace.recording import Failure, Recording, Suspects

#: What PyTorch says where another dtype is needed.
_OF_DTYPES = re.compile(
    r"dtype|\bbool|\bLong\b|used as indices|not implemented for '\w*(Float|Half|Double)", re.IGNORECASE
)
_KINDS = {torch.bool: "torch.bool", torch.long: "torch.long"}
#: How PyTorch names them; what it says behind ``but`` is what it was given.
_NAMED = {torch.bool: re.compile(r"\bbool", re.IGNORECASE), torch.long: re.compile(r"\blong|\bint", re.IGNORECASE)}
#: Of the inputs that the failing function's tensors were made of so many are tried.
_MOST_INPUTS = 3
#: So many inputs may have another dtype together.
_MOST_CHANGED = 3


#: What is wrong once the dtype is right: nothing, something that raises nothing, or what stops the pass further on.
_NOTHING_LEFT, _SILENT, _STOPS = range(3)


class Chosen(NamedTuple):
    """The dtypes of an input, of those that were tried, with which the model runs to its end."""

    place: str
    name: str
    """What the user calls the input."""
    refused: torch.dtype
    """What convlin had chosen."""
    taken: tuple[torch.dtype, ...]

    @property
    def message(self) -> str:
        kinds = " or ".join(map(_KINDS.__getitem__, self.taken))
        return f"convlin chose {self.refused} for {self.name}; with {kinds} the model runs to its end"

    def fix(self, plan: Plan) -> str:
        """The argument to add to the call."""
        return " or ".join(_written(plan.with_dtype(frozenset((self.place,)), kind), self.place) for kind in self.taken)


class Instead(NamedTuple):
    """Another plan, and what to say of it."""

    plan: Plan
    remarks: tuple[str, ...]


class _Way(NamedTuple):
    """A plan with which the model runs on, and what was changed for it, each with the dtype that it has now."""

    plan: Plan
    changed: tuple[tuple[Chosen, torch.dtype], ...]
    left: int = _NOTHING_LEFT
    """What is wrong all the same."""


def with_only_dtypes(
    recording: Recording, model: nn.Module, plan: Plan, mode: str, sizes: Mapping[str, int] | None = None
) -> Instead | None:
    """The plan with the one dtype that the model takes for each input for which it refused what convlin chose.

    A plan in letters is run at ``sizes``.  None where no run gets further, or several get as far.
    """
    way = _best(_ways(recording, model, plan.at(sizes or {}), mode))
    if way is None:
        return None
    remarks = []
    for chosen, kind in way.changed:
        plan = plan.with_dtype(frozenset((chosen.place,)), kind)
        written = _written(way.plan, chosen.place)
        remarks.append(
            f"{chosen.name} was made {_KINDS[kind]} ({written}): with {chosen.refused} the model does not run"
        )
    return Instead(plan, tuple(remarks))


def other_dtype(recording: Recording, model: nn.Module, plan: Plan, mode: str) -> Chosen | None:
    """Other dtypes for an input whose dtype convlin chose; None where no run shows that one helps.

    Where a mask and an index both run (``x[k]``) there are two: which of them is meant nobody can know.
    """
    if plan.names:
        return None
    found = [way for way in _ways(recording, model, plan, mode) if way.left == _NOTHING_LEFT]
    ways = [way.changed[0] for way in found if len(way.changed) == 1]
    return ways[0][0]._replace(taken=tuple(kind for _, kind in ways)) if ways else None


def _best(ways: Iterable[_Way]) -> _Way | None:
    """The one way that leaves the least wrong with the fewest changes; None where there are two of that kind."""
    found: dict[tuple[int, int], list[_Way]] = {}
    for way in ways:
        alike = found.setdefault((way.left, len(way.changed)), [])
        if all(way.plan != other.plan for other in alike):  # two inputs, the one first or the other
            alike.append(way)
    least = found[min(found)] if found else []
    return least[0] if len(least) == 1 else None


def _ways(recording: Recording, model: nn.Module, plan: Plan, mode: str, most: int = _MOST_CHANGED) -> Iterator[_Way]:
    """Every plan that runs on with other dtypes for one input that reached the function which refused it.

    Where another function then refuses another input, that is changed as well.  What is wrong for another reason is no
    question of the dtype.
    """
    failure = recording.failure
    if failure is None or not failure.refused or not most or not _OF_DTYPES.search(str(failure.error)):
        return
    dummies = {each.place: each for each in plan.dummies() if each.dtype.is_floating_point and not each.dtype_asked}
    reached = [place for place in places_reached(plan, made_of(recording, failure.sources)) if place in dummies]
    for place in reached[:_MOST_INPUTS]:
        ended = False
        for kind in _asked_for(failure):
            other = plan.with_dtype(frozenset((place,)), kind)
            change = Chosen(place, name_of_input(recording, plan, place), dummies[place].dtype, (kind,)), kind
            shown = run_changed(model, Retry(other, mode, careful=True))
            if shown is None or any(each.misfit.kind == "dtype" for each in shown.findings):
                continue
            behind: Iterable[_Way] = ()
            if shown.failure is None:
                is_silent = suspects(shown, batch_added=plan.adds_batch) != Suspects()
                behind = [_Way(other, (), _SILENT if is_silent else _NOTHING_LEFT)]
            elif _OF_DTYPES.search(str(shown.failure.error)):
                behind = _ways(shown, model, other, mode, most - 1)
            elif len(shown.calls) > len(recording.calls) or shown.failure.function != failure.function:
                behind = [_Way(other, (), _STOPS)]
            for way in behind:
                ended = ended or (way.left != _STOPS and not way.changed)
                yield way._replace(changed=(change, *way.changed))
        if ended:
            return


def _asked_for(failure: Failure) -> list[torch.dtype]:
    """The dtypes to try: the one that PyTorch names, where it names one alone."""
    asked = re.split(r"\bbut\b", str(failure.error))[0]
    named = [kind for kind, name in _NAMED.items() if name.search(asked)]
    return named if len(named) == 1 else list(_KINDS)


def name_of_input(recording: Recording, plan: Plan, place: str) -> str:
    """What the user calls the input at ``place``."""
    places = places_of_tensors(plan)
    named = recording.input_names
    return named[places.index(place)] if len(named) == len(places) else "the input"


def _written(plan: Plan, place: str) -> str:
    """The argument that gives this input the dtype that it has in the plan, as it is added to the call."""
    dummies = {each.place: _KINDS.get(each.dtype, str(each.dtype)).removeprefix("torch.") for each in plan.dummies()}
    by_name = len(dummies) not in (1, len(plan.args))
    return call_spelling().dtypes({place: dummies[place]} if by_name else list(dummies.values()))
