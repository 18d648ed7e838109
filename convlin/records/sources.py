"""Where a tensor comes from, and where tensors meet."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from convlin.records.places import Location


class SourceKind(enum.Enum):
    """What kind of thing a tensor comes from."""

    CALL = "call"
    JOIN = "join"
    INPUT = "input"
    UNSEEN = "unseen"


class Source(NamedTuple):
    """Where a tensor comes from: a call, a join, one of the model's inputs, or nothing that was seen.

    >>> Source.call(3), Source.call(3).is_made, UNSEEN.is_made
    (Source(kind=<SourceKind.CALL: 'call'>, number=3), True, False)
    """

    kind: SourceKind
    number: int = -1
    """Index into the report's ``calls``, ``joins`` or ``inputs``; -1 where the origin was not seen."""

    @classmethod
    def call(cls, number: int) -> Source:
        """The call of this number made it."""
        return cls(SourceKind.CALL, number)

    @classmethod
    def join(cls, number: int) -> Source:
        """It was made where several tensors met."""
        return cls(SourceKind.JOIN, number)

    @classmethod
    def input(cls, number: int) -> Source:
        """It is an input of the model."""
        return cls(SourceKind.INPUT, number)

    @property
    def is_made(self) -> bool:
        """A call or a join made it."""
        return self.kind is SourceKind.CALL or self.kind is SourceKind.JOIN


UNSEEN = Source(SourceKind.UNSEEN)
"""A tensor whose making was not seen: a parameter, a constant, the result of hidden code."""


class Join(NamedTuple):
    """Two tensors that met without a change of shape: the two arms of a residual connection.

    An activation (``F.relu``) and a function with windows that keeps the shape (``F.avg_pool2d`` with padding) is one
    with a single source."""

    function: str
    where: Location | None
    sources: tuple[Source, ...]
    """As in ``Call.sources``."""
    path: str = ""
    """The module that it happened in."""
    after: int = -1
    """How many calls were complete: it stands before ``calls[after]``; -1 where that was not noted."""


def past_joins(source: Source, joins: Sequence[Join], known: dict[int, Source] | None = None) -> Source:
    """``source`` itself, or what the tensors of a join come from: the first that a call made, if one was.

    ``known`` keeps the answers for whoever asks of each layer of a deep network: a residual stream meets in every one.

    >>> met = (Join("Tensor.add", None, (Source.input(0), Source.call(4))),)
    >>> past_joins(Source.join(0), met).number, past_joins(Source.input(0), met).kind.value
    (4, 'input')
    """
    passed: list[int] = []
    while source.kind is SourceKind.JOIN:
        found = known.get(source.number) if known is not None else None
        if found is None:
            passed.append(source.number)
            met = joins[source.number].sources
            found = next((each for each in met if each.is_made), met[0])
        source = found
    if known is not None:
        known.update(dict.fromkeys(passed, source))
    return source


#: The names of a division, of a method in place without its underscore.
_DIVISIONS = frozenset({"/", "/=", "div", "divide", "true_divide"})


def last_made(source: Source, joins: Sequence[Join]) -> Source:
    """``source`` itself, or of what met in a join the one that was made last: of a residual sum its branch.

    Of a division it is what is divided: a mean of a graph's nodes is their sum, over a count that is made later.

    >>> met = (Join("Tensor.add", None, (Source.call(0), Source.call(4))),)
    >>> last_made(Source.join(0), met).number, last_made(Source.call(2), met).number
    (4, 2)
    >>> last_made(Source.join(0), (Join("/", None, (Source.call(0), Source.call(4))),)).number
    0
    """
    calls, left, seen = [], [source], set[Source]()
    while left:
        each = left.pop()
        if each.kind is SourceKind.CALL:
            calls.append(each)
        elif each.kind is SourceKind.JOIN and each not in seen:
            seen.add(each)
            left += _carrying(joins[each.number])
    return max(calls, key=lambda each: each.number) if calls else past_joins(source, joins)


def _carrying(join: Join) -> tuple[Source, ...]:
    """What the features of a join come from: of a division the first operand, where that was seen."""
    divides = join.function.rpartition(".")[2].removesuffix("_") in _DIVISIONS
    return join.sources[:1] if divides and join.sources[0].kind is not SourceKind.UNSEEN else join.sources


def past_single_joins(source: Source, joins: Sequence[Join]) -> Source:
    """``source`` itself, or what one tensor alone was made of by functions that keep its shape.

    >>> made = (Join("F.relu", None, (Source.call(4),)), Join("Tensor.add", None, (Source.join(0), Source.input(0))))
    >>> past_single_joins(Source.join(0), made).number, past_single_joins(Source.join(1), made).kind.value
    (4, 'join')
    """
    while source.kind is SourceKind.JOIN and len(joins[source.number].sources) == 1:
        source = joins[source.number].sources[0]
    return source
