"""Which inputs that convlin makes have to be integers: those that a lookup takes its index from, as an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from convlin.inputs import Dummy, Plan
from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import UNSEEN, Source, SourceKind, TensorInfo
from convlin.tensors import tensors_in
from convlin.trace.recording import Failure, Recording

#: Of inputs that may be the index so many are tried each by itself, before all of them together.
_MOST_ALONE = 6

#: What these return is made of the values that they were given.
_KEEP_VALUES = frozenset((Family.REARRANGE, Family.PART, Family.INDEX, Family.JOIN, Family.PAD))
#: Of these only the first tensor gives values; the others say which.
_OF_THE_FIRST = frozenset((Family.PART, Family.INDEX))
_KEEPING_LAYERS = (nn.Identity, nn.Flatten, nn.Unflatten)
#: What these return are real numbers, whatever the model is given.
_MAKE_REALS = frozenset((
    Family.LINEAR, Family.CONVOLUTION, Family.TRANSPOSED_CONVOLUTION, Family.EMBEDDING, Family.ATTENTION,
    Family.NORMALIZATION,
))  # fmt: skip
#: Activations that give integers for integers; the others make reals, or refuse.
_OF_INTEGERS = frozenset(("relu", "relu6", "hardtanh", "threshold"))


class Behind(NamedTuple):
    """What a tensor was made of."""

    inputs: tuple[int, ...]
    """Numbers of the model's inputs."""
    is_certain: bool
    """Of nothing else, by functions that keep values."""
    unseen: bool
    """Something whose making was not seen is among it: any of the inputs may be behind that."""


class Lookup(NamedTuple):
    """A lookup that refused real numbers."""

    at: int
    """How many calls there were in front of it."""
    sources: tuple[Source, ...]
    """Where the index comes from."""


class Search(NamedTuple):
    """A search, by runs, for the inputs that a lookup takes its index from."""

    before: Plan
    at: frozenset[int]
    """The lookups that the inputs now made of integers are for."""
    untried: tuple[frozenset[str], ...] = ()
    passed: Plan | None = None
    """The first plan with which the lookup had integers, though something else then refused them."""


class Integers(NamedTuple):
    """What runs have told so far of the inputs that have to be integers."""

    search: Search | None = None
    tried: int = 0
    one_by_one: bool = False
    """The inputs of several lookups, made integers at once, did not help all of them."""
    hopeless: frozenset[int] = frozenset()
    """The lookups that get real numbers whatever the model is given: what reaches them is the mistake."""

    def most(self, plan: Plan) -> int:
        """So many plans may be tried: one for each input, and some to find out which it is."""
        return 2 * sum(1 for _ in plan.dummies()) + _MOST_ALONE

    def next_plan(self, plan: Plan, recording: Recording, *, is_last: bool) -> tuple[Plan | None, Integers]:
        """The plan to run now, if any, and what is known then.

        ``recording`` is what the run of ``plan`` showed; ``is_last`` says that what stopped it stops it for good,
        with nothing that might stand in.
        """
        refusals = _refusals(recording)
        if self.search is not None:
            verdict = _verdict(self.search, recording, refusals, is_last=is_last)
            if verdict is None:
                return None, self
            if not verdict:
                return self._after_rejection(plan, recording, refusals)
        known = self._replace(search=None)
        return known._begin(plan, recording, refusals)

    def _after_rejection(
        self, plan: Plan, recording: Recording, refusals: Sequence[Lookup]
    ) -> tuple[Plan | None, Integers]:
        search = self.search
        assert search is not None
        if search.passed is None and not search.at & {each.at for each in refusals} and _finished(search, recording):
            search = search._replace(passed=plan)
        if search.untried and self.tried < self.most(plan):
            places, *others = search.untried
            search = search._replace(untried=tuple(others))
            return search.before.with_dtype(places, torch.long), self._replace(search=search, tried=self.tried + 1)
        known = self._replace(search=None)
        if search.passed is not None:
            return (None if search.passed == plan else search.passed), known
        if len(search.at) > 1:
            return search.before, known._replace(one_by_one=True)
        return search.before, known._replace(hopeless=known.hopeless | search.at)

    def _begin(self, plan: Plan, recording: Recording, refusals: Sequence[Lookup]) -> tuple[Plan | None, Integers]:
        """Integers for the lookups whose inputs are certain; else for the first, with each that it may be."""
        if self.tried >= self.most(plan):
            return None, self
        certain: dict[int, str] = {}
        first: tuple[int, list[str]] | None = None
        for lookup in refusals:
            if lookup.at in self.hopeless:
                continue
            behind = made_of(recording, lookup.sources)
            places = _candidates(plan, behind)
            if behind.is_certain and len(places) == 1:
                certain[lookup.at] = places[0]
            elif places and first is None:
                first = lookup.at, places
            if certain and self.one_by_one:
                break
        if certain:
            search = Search(plan, frozenset(certain))
            chosen = frozenset(certain.values())
        elif first is not None:
            at, places = first
            sets = [frozenset((place,)) for place in places[:_MOST_ALONE]]
            sets += [frozenset(places)] if len(places) > 1 else []
            chosen = sets[0]
            search = Search(plan, frozenset((at,)), tuple(sets[1:]))
        else:
            return None, self
        return plan.with_dtype(chosen, torch.long), self._replace(search=search, tried=self.tried + 1)


def made_of(recording: Recording, sources: Sequence[Source]) -> Behind:
    """What tensors of these sources were made of, as far as integers in would be integers out."""
    certain = True

    def through(source: Source) -> Sequence[Source]:
        nonlocal certain
        if not source.is_made:
            return ()
        made, keeps = _values(recording, source)
        certain = certain and keeps
        return made

    behind = [*recording.upstream(sources, through)]
    inputs = tuple(source.number for source in behind if source.kind is SourceKind.INPUT)
    return Behind(inputs, certain and bool(inputs), UNSEEN in behind)


def _values(recording: Recording, source: Source) -> tuple[Sequence[Source], bool]:
    """What the values of a tensor are made of, if integers may be, and whether they are the same values still."""
    made = recording.into(source)
    if source.kind is SourceKind.JOIN:
        function = recording.joins[source.number].function
        op = OPS.called(function)
        if op.is_activation and function.rpartition(".")[2].rstrip("_") not in _OF_INTEGERS:
            return (), False
        return made, op.family in _KEEP_VALUES
    module = recording.modules[source.number]
    family = OPS.called(recording.calls[source.number].type).family if module is None else None
    if family in _MAKE_REALS or (type(module).__module__.startswith("torch.nn.") and not _keeps(module)):
        return (), False
    return made[:1] if family in _OF_THE_FIRST else made, family in _KEEP_VALUES or _keeps(module)


def places_of_tensors(plan: Plan) -> list[str]:
    """The place of every tensor that goes into the model, in the order of the sources; "" for one that was given."""
    given = (*plan.args, *plan.kwargs.values())
    return [place for value in given for place in ([value.place] if isinstance(value, Dummy) else [""] * _count(value))]


def places_reached(plan: Plan, behind: Behind) -> list[str]:
    """The places of the inputs that a tensor was made of."""
    order = places_of_tensors(plan)
    return [order[number] for number in behind.inputs if number < len(order)]


def _candidates(plan: Plan, behind: Behind) -> list[str]:
    """The inputs of reals that may be the index, the likeliest first, but for those that the caller wants so."""
    asked = plan.floats_asked()
    floating = [dummy.place for dummy in plan.dummies() if dummy.dtype.is_floating_point and dummy.place not in asked]
    reached = places_reached(plan, behind)
    own = [place for place in reached if place in floating]
    if behind.is_certain or not behind.unseen or (reached and not own):
        return own
    return own + [place for place in floating if place not in own]


def _refusals(recording: Recording) -> list[Lookup]:
    """The lookups that real numbers reached, in the order of the calls."""
    # On the meta device an embedding takes whatever reaches it, and only the examination tells.
    found = [
        Lookup(finding.call, (finding.source,))
        for finding in recording.findings
        if finding.misfit.kind == "dtype" and _is_embedding(recording, finding.call)
    ]
    failure = recording.failure
    if failure is not None and failure.refused:
        index = index_of(failure, recording)
        if index:
            found.append(Lookup(_position(failure, recording), index))
    # Of bags the index and where each of them begins are looked up at once.
    sources: dict[int, tuple[Source, ...]] = {}
    for each in found:
        known = sources.get(each.at, ())
        sources[each.at] = (*known, *(source for source in each.sources if source not in known))
    return [Lookup(at, of) for at, of in sources.items()]


def index_of(failure: Failure, recording: Recording) -> tuple[Source, ...]:
    """Where the index of a lookup that failed comes from, if it is of real numbers: an integer is out of range."""
    if not failure.function and _is_embedding(recording, failure.call):
        inputs, sources = failure.inputs, recording.calls[failure.call].sources
        if isinstance(recording.modules[failure.call], nn.EmbeddingBag):
            return _reals(inputs[:2], sources)  # and where each bag begins
    elif "embedding_bag" in failure.function:
        # `F.embedding_bag` has the index in front of the values, and torch's own behind.
        which = slice(0, 3, 2) if failure.function.startswith("F.") else slice(1, 3)
        return _reals(failure.inputs[which], failure.sources[which])
    elif OPS.called(failure.function).indexes:
        inputs, sources = failure.inputs, failure.sources
        # `F.embedding` has the index first; `torch.embedding`, which it calls, and `gather` have the values first.
        if len(inputs) > 1 and not failure.function.startswith("F."):
            inputs, sources = inputs[1:], sources[1:]
    else:
        return ()
    if not inputs or not sources or inputs[0].dtype.startswith(("int", "uint", "bool")):
        return ()
    return _reals(inputs, sources)


def _reals(inputs: Sequence[TensorInfo], sources: Sequence[Source]) -> tuple[Source, ...]:
    """The sources of those that are no integers."""
    pairs = zip(inputs, sources, strict=False)
    return tuple(source for each, source in pairs if not each.dtype.startswith(("int", "uint", "bool")))


def _verdict(search: Search, recording: Recording, refusals: Sequence[Lookup], *, is_last: bool) -> bool | None:
    """Whether the integers of this plan are what the lookup needs; None where another pass has to tell."""
    if search.at & {each.at for each in refusals}:
        return False
    if recording.failure is not None and not is_last:
        return None
    if not _finished(search, recording):
        return False
    # What is looked up and multiplied both is as likely to be the one as the other: it is told of the layer.
    if not search.untried and search.passed is None:
        return True
    return not any(
        finding.misfit.kind == "dtype"
        and not _is_embedding(recording, finding.call)
        and bool(finding.inputs)
        and finding.inputs[0].dtype.startswith("int")
        for finding in recording.findings
    )


def _finished(search: Search, recording: Recording) -> bool:
    """Whether the pass came as far as the lookups."""
    failure = recording.failure
    if failure is None or _position(failure, recording) > max(search.at):
        return True
    # With integers the lookup may be refused all the same: an index out of range, offsets that do not go with it.
    return OPS.called(failure.function).indexes or _is_embedding(recording, failure.call)


def _position(failure: Failure, recording: Recording) -> int:
    return failure.call if failure.call >= 0 else len(recording.calls)


def _keeps(module: nn.Module | None) -> bool:
    """Whether a layer returns the values that it was given."""
    return isinstance(module, _KEEPING_LAYERS) or type(module).__module__ == "torch.nn.modules.padding"


def _is_embedding(recording: Recording, index: int) -> bool:
    return index >= 0 and isinstance(recording.modules[index], nn.Embedding | nn.EmbeddingBag)


def _count(value: object) -> int:
    return sum(1 for _ in tensors_in(value))
