"""Which call was made inside which, and where in that tree a sum of two tensors belongs."""

from __future__ import annotations

from collections.abc import Mapping

from convlin.records import Report, Source, SourceKind
from convlin.render.picture.graph import Key
from convlin.render.tree import parents

NOWHERE = -1
"""No container: the call of the model itself, or a pass that stopped inside it."""


class CallTree:
    """The nesting of the calls of a report."""

    def __init__(self, report: Report) -> None:
        self._calls = report.calls
        self._joins = report.joins
        self.parents = parents(report.calls)
        """For each call the innermost container call around it, or ``NOWHERE``."""
        self.chains: dict[int, tuple[int, ...]] = {NOWHERE: ()}
        """For each container it and all around it, outermost first."""
        for index in sorted({*self.parents} - {NOWHERE}, reverse=True):  # what is around a call ends after it
            self.chains[index] = (*self.chains[self.parents[index]], index)
        self._consumers = self._first_consumers()

    def home(self, number: int, index: int, joined: Mapping[int, Key]) -> int:
        """The innermost container that a join can have happened in; ``index`` is the call it follows.

        It is at least the one that holds both the last of what it took and the first that took it; a
        deeper one is where all that it took was made inside or came in.
        """
        certain = self._common(index, self._consumers.get(number))
        container = self.parents[index]
        while container not in (certain, NOWHERE):
            call = self._calls[container]
            inside = range(container - call.inner, container)
            known = {*call.sources, *map(Source.call, inside)}
            if all(
                source in known
                or (source.kind is SourceKind.JOIN and joined.get(source.number, (NOWHERE, 0))[0] in inside)
                for source in self._joins[number].sources
            ):
                break
            container = self.parents[container]
        return container

    def _common(self, index: int, consumer: int | None) -> int:
        """The innermost container around two calls."""
        if consumer is None:
            return NOWHERE
        around = set(self.chains[self.parents[consumer]])
        container = self.parents[index]
        while container != NOWHERE and container not in around:
            container = self.parents[container]
        return container

    def _first_consumers(self) -> dict[int, int]:
        """For each join the first call that took it, directly or through another join."""
        first: dict[int, int] = {}
        for index, call in enumerate(self._calls):
            for source in call.sources if not call.inner or call.is_function else ():
                if source.kind is SourceKind.JOIN:
                    first.setdefault(source.number, index)
        for number in reversed(range(len(self._joins))):
            for source in self._joins[number].sources:
                if source.kind is SourceKind.JOIN and number in first:
                    first[source.number] = min(first.get(source.number, first[number]), first[number])
        return first
