"""How often a model calls what a loop along a letter goes through: a table in letters has the rows of one size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import sympy

from convlin.records import Call, Location
from convlin.render.words import listed
from convlin.sizes.evaluate import Evaluation
from convlin.sizes.spell import spell
from convlin.symbolic.agreement import rows_at
from convlin.symbolic.follow import Followed
from convlin.symbolic.found_forms import FormSearch, known_forms
from convlin.symbolic.limits import written
from convlin.symbolic.questions import questions
from convlin.symbolic.runs import Point
from convlin.trace.recording import Recording

#: Of how many different numbers of calls on it is a loop.
_LEAST_COUNTS = 3
_MOST_NAMES = 3


class _Called(NamedTuple):
    """A module by its path, or a function by its line."""

    path: str
    type: str
    where: Location | None
    is_function: bool

    @property
    def name(self) -> str:
        if not self.is_function:
            return self.path or self.type
        return f"{self.type} ({self.where.text})" if self.where is not None else self.type


_Counts = Mapping[_Called, Sequence[int]]
"""Of how many tensors each of its calls is."""


class Repeats:
    """What is called more often, or of more tensors, at one of the sizes in ``seen`` than at another."""

    def __init__(self, followed: Followed, seen: Sequence[tuple[Point, Recording]]) -> None:
        self._followed = followed
        self._evaluations = [followed.session.evaluation(point) for point, _ in seen]
        self._calls = _by_name(followed.recording.calls)
        self._mine = _counts(self._calls)
        self._theirs = [_counts(_by_name(recording.calls)) for _, recording in seen]
        self._rows_of: dict[_Called, Sequence[int]] = {}

    @cached_property
    def vary(self) -> bool:
        """Whether they are not the same calls at every size: no sum over the rows is then one for all of them."""
        if questions(self._followed):
            return any(theirs != self._mine for theirs in self._theirs)
        # It calls the same at every size: what is no row at one of them only keeps the shape there.
        return any(
            called not in self._mine or len(counts) != self._rows(called)[place]
            for place, theirs in enumerate(self._theirs)
            for called, counts in theirs.items()
        )

    def remarks(self) -> Iterator[str]:
        """What is called as often as a letter says, and of which size the rows are."""
        if not self.vary:
            return
        told: dict[str, dict[str, None]] = {}
        batch, sample = self._followed.plan.batch_size, self._followed.sample
        sample = {name: size for name, size in sample.items() if name != batch} or sample
        depends: set[str] = set()
        for called, count, there, many in self._different():
            form = self._form(count, there)
            depends |= {letter.name for letter in form.free_symbols} if form is not None else sample.keys()
            told.setdefault(many.format("?" if form is None else spell(form)), {})[called.name] = None
        if told:
            letters = ", ".join(name for name in self._followed.sample if name in depends)
            sample = {name: size for name, size in self._followed.sample.items() if name in sample or name in depends}
            parts = "; ".join(f"{listed(names, _MOST_NAMES)} {many}" for many, names in told.items())
            yield f"the rows are those at {written(sample)}, and how many depends on {letters}: {parts}"

    def _different(self) -> Iterator[tuple[_Called, int, list[int | None], str]]:
        """What is called several times, or of several tensors, and elsewhere of another number of them."""
        told: list[str] = []
        for called, pieces in self._mine.items():
            if any(called.path.startswith(path) for path in told):  # a part of something that is told
                continue
            there = [counts.get(called, ()) for counts in self._theirs]
            if any(len(counts) != rows for counts, rows in zip(there, self._rows(called), strict=True)):
                if len(set(map(len, (pieces, *there)))) >= _LEAST_COUNTS:  # else it is called or not
                    yield called, len(pieces), [len(counts) for counts in there], "{} times"
                    told += [f"{called.path}."] if called.path and not called.is_function else []
            elif any(max(counts, default=max(pieces)) != max(pieces) for counts in there):
                yield called, max(pieces), [max(counts, default=None) for counts in there], "of {} tensors"

    def _rows(self, called: _Called) -> Sequence[int]:
        """How many rows those of the sample are at each of the sizes, which are gone through once."""
        known = self._rows_of.get(called)
        if known is None:
            known = self._rows_of[called] = [self._rows_at(called, evaluation) for evaluation in self._evaluations]
        return known

    def _rows_at(self, called: _Called, evaluation: Evaluation) -> int:
        calls = self._calls[called]
        if not called.is_function:
            return len(calls)
        try:
            return len(rows_at(calls, evaluation))
        except (NotImplementedError, ArithmeticError):
            return len(calls)

    def _form(self, count: int, there: Sequence[int | None]) -> Any:
        """The form of a number that was counted at each of the sizes; None where none was found."""
        followed = self._followed
        forms = dict.fromkeys((*followed.session.letters.values(), *known_forms([followed])))
        found = FormSearch(followed, self._evaluations, list(forms)).right(count, there)
        return None if isinstance(found, int) or found.has(sympy.Min, sympy.Max) else found


def _by_name(calls: Sequence[Call]) -> dict[_Called, list[Call]]:
    found: dict[_Called, list[Call]] = {}
    for call in calls:
        found.setdefault(_Called(call.path, call.type, call.where, call.is_function), []).append(call)
    return found


def _counts(named: Mapping[_Called, Sequence[Call]]) -> _Counts:
    return {called: [max(len(call.inputs), len(call.outputs)) for call in calls] for called, calls in named.items()}
