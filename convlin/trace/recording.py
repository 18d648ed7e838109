"""What one pass showed, as the tracer writes it down: calls, findings, and where it stopped.

The calls are the records that a report has; beside them stand the live modules, which stay inside the pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from operator import or_
from typing import Any, NamedTuple, TypeVar

from torch import Tensor, nn

from convlin.layers import PLAIN, LayerRule, Misfit, rule_for
from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import Call, Join, Location, Shape, Source, SourceKind, TensorInfo, past_joins
from convlin.trace.expressions import Expressions, TuplesHeld

NO_CALL = -1
"""No call: nothing that was recorded."""


class Written(NamedTuple):
    """Where ``forward`` calls a layer, as far as a careful pass sees it."""

    where: Location | None = None
    path: str = ""
    """Of the module that is called there: the layer, or the container whose first layer it is."""


class Finding(NamedTuple):
    """A misfit and where it was met; ``diagnose`` puts it into words."""

    misfit: Misfit
    path: str
    call: int
    """Index of the call it belongs to."""
    inputs: tuple[TensorInfo, ...]
    source: Source
    """Where the first input comes from."""
    layer: str = ""
    """The layer as PyTorch prints it; empty for a function."""
    function: str = ""
    where: Location | None = None
    called_as: str = ""
    """Path of the module that is called at ``where``: the layer, or what it is the first layer of."""
    is_model_input: bool = False
    names: tuple[str, ...] = ()
    """What the user calls the inputs that no call made (``self.weight``), where it is known."""

    @property
    def sign(self) -> tuple[Any, ...]:
        """By what it is known again in another run, also of edited lines."""
        misfit = self.misfit
        return misfit.kind, misfit.note, self.path, repr(misfit.declared), repr(misfit.required)

    @property
    def sign_at_line(self) -> tuple[Any, ...]:
        """The same with its line, which another run of the same lines has as well."""
        return *self.sign, self.where

    @property
    def called_name(self) -> str:
        """The last part of ``called_as``, as the line has it: ``fc`` of ``head.fc``."""
        return self.called_as.rpartition(".")[2]

    def with_detail(self, **more: Any) -> Finding:
        """The same with more that is known of its misfit."""
        return self._replace(misfit=self.misfit.with_detail(**more))


_Each = TypeVar("_Each")


def of_operands(finding: Finding, of_tensors: Sequence[_Each]) -> tuple[_Each, ...]:
    """Of what there is for each tensor that reached a function, that of those which do not go together."""
    which = finding.misfit.detail.get("tensors")
    if which is None:
        return tuple(of_tensors)
    return tuple(of_tensors[index] for index in which if index < len(of_tensors))


class Declared(NamedTuple):
    """What a layer declares behind a mistake that leaves open which size will reach it."""

    call: int
    """How many calls there were in front of it."""
    path: str
    misfit: Misfit


class Elsewhere(NamedTuple):
    """A tensor that is not on the meta device in a pass there."""

    shape: Shape
    where: Location
    """The line that made it, or what it was made of."""


@dataclass(slots=True, eq=False, repr=False)
class Failure:
    """Where a pass stopped."""

    error: BaseException
    refused: bool
    """A function or layer of torch's or of einops' refused its input; otherwise the user's own code raised."""
    path: str = ""
    function: str = ""
    inputs: tuple[TensorInfo, ...] = ()
    sources: tuple[Source, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    where: Location | None = None
    in_layer: bool = False
    """The function was called by a layer of PyTorch's own, which is what a user sees fail."""
    call: int = NO_CALL
    misfits: tuple[Misfit, ...] = ()
    """What the failing function could not take, where a rule knows."""
    is_explained: bool = False
    """A misfit that is told stopped the pass."""
    is_guess: bool = False
    """What could not be taken has a size that is a guess, behind a mistake that is told."""
    arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    """What the user called the model with, where the pass is the user's own."""
    start: int = 0
    """Index of the first call recorded in it."""
    elsewhere: Elsewhere | None = None
    """On the meta device: which of these tensors is on another."""
    tuples: TuplesHeld | None = None
    """What the user's code, which raised, holds of layers that return a tuple."""


class Refusal(NamedTuple):
    """What refused its input: a function at a line of the user's, or a layer of PyTorch's."""

    path: str
    """The layer, or the module whose ``forward`` calls the function."""
    function: str = ""
    where: Location | None = None


@dataclass(frozen=True, slots=True)
class Fold:
    """A reshape that is to be taken for a mistake: the batch disappears in it for good.

    It is known by what comes before ``keeps_channels``.
    """

    function: str
    where: Location | None
    path: str
    shape: tuple[Any, ...]
    keeps_channels: bool = field(default=False, compare=False)
    """Of features made into an image: the channels are right, and the features are not."""


class Suspects(NamedTuple):
    """What an earlier pass showed to be a mistake although nothing raised."""

    folds: frozenset[Fold] = frozenset()
    unflattened: frozenset[str] = frozenset()
    """Paths of Linears that work on a feature map as it is."""
    unbatched: frozenset[str] = frozenset()
    """Paths of convolutions that took an input without a batch, which a later layer then missed."""
    in_order: frozenset[str] = frozenset()
    """Paths of layers whose channels are where they belong: with the axes in another order more is wrong."""
    timeless: frozenset[str] = frozenset()
    """Paths of layers of sequences that read the batch as time, behind which the axis of time is missed."""
    whole: frozenset[str] = frozenset()
    """Paths of layers whose tuples stopped a pass: the output in it was meant."""
    caught: frozenset[Refusal] = frozenset()
    """What ``forward`` tries, and goes on without: no mistake."""

    def __or__(self, other: Suspects) -> Suspects:
        return Suspects(*map(or_, self, other))


@dataclass(slots=True, eq=False, repr=False)
class Recording:
    """Everything that one pass showed."""

    calls: list[Call] = field(default_factory=list)
    modules: list[nn.Module | None] = field(default_factory=list)
    """For each of ``calls``, the module that was called; None for a function."""
    written: dict[int, Written] = field(default_factory=dict)
    """For the index of a module's call, the line that made it."""
    findings: list[Finding] = field(default_factory=list)
    declared_behind: list[Declared] = field(default_factory=list)
    """What layers declare that something with a size which is a guess reached: no findings."""
    joins: list[Join] = field(default_factory=list)
    known_joins: dict[int, Source] = field(default_factory=dict)
    """What was found to be behind a join (``past_joins``)."""
    _rules: dict[type, LayerRule] = field(default_factory=lambda: {type(None): PLAIN})
    required: dict[str, Any] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    """Identities of the tensors that some torch function took as a weight."""
    inputs: tuple[TensorInfo, ...] = ()
    input_names: tuple[str, ...] = ()
    """What ``forward`` calls each of ``inputs``, where there are several."""
    outputs: tuple[TensorInfo, ...] = ()
    made_by: tuple[Source, ...] = ()
    """For each of ``outputs``, where it comes from."""
    failure: Failure | None = None
    returned: type = object
    """The class of what the model returned when it came to its end."""
    under_way: tuple[str, ...] = ()
    """Paths of the modules that were running when the pass stopped, the innermost last."""
    expressions: Expressions = field(default_factory=Expressions)
    unshown_shapes: list[Shape] = field(default_factory=list)
    """In a pass in letters: shapes of what is no row, as a mask (``torch.ones``), the weights of an attention, and
    what a module of the user's own makes on its way."""

    @property
    def output_shapes(self) -> list[Shape]:
        """The shapes of ``outputs``."""
        return [found.shape for found in self.outputs]

    @property
    def signs(self) -> frozenset[tuple[Any, ...]]:
        """By what the findings are known again in another run, also of edited lines."""
        return frozenset(each.sign for each in self.findings)

    @property
    def signs_at_lines(self) -> frozenset[tuple[Any, ...]]:
        """The same with their lines."""
        return frozenset(each.sign_at_line for each in self.findings)

    def add(self, call: Call, module: nn.Module | None = None) -> int:
        """Note a call of ``module``, or of a function, and return its index."""
        self.calls.append(call)
        self.modules.append(module)
        return len(self.calls) - 1

    def rule(self, index: int) -> LayerRule:
        """The rule of the layer that was called; of a function, that of a layer without one."""
        kind = type(self.modules[index])
        known = self._rules.get(kind)
        if known is None:
            known = self._rules[kind] = rule_for(kind)
        return known

    def declared(self, index: int, names: Container[str]) -> str:
        """Which setting of these names a layer of PyTorch's own class declares; empty for any other call."""
        is_own = type(self.modules[index]).__module__.startswith("torch.nn.modules.")
        return next((name for name in self.rule(index).settings if name in names), "") if is_own else ""

    def calls_of(self, *kinds: type[nn.Module]) -> Iterator[tuple[int, Call, Any]]:
        """The calls of modules of these classes, each with its index and module; few classes are asked first."""
        found = {kind for kind in set(map(type, self.modules)) if issubclass(kind, kinds)}
        for index, module in enumerate(self.modules if found else ()):
            if type(module) in found:
                yield index, self.calls[index], module

    def family(self, index: int) -> Family:
        """What a call computes: a function by its entry, a layer by its rule."""
        call = self.calls[index]
        return OPS.called(call.type).family if call.is_function else self.rule(index).family

    def line_of(self, index: int) -> Location | None:
        """Where the function or the layer is called, as far as that was seen."""
        call = self.calls[index]
        return call.where if call.is_function else self.written.get(index, Written()).where

    def maker(self, source: Source) -> Call | None:
        """The call that made what comes from there; None of an input, a join, or where it was not seen."""
        return self.calls[source.number] if source.kind is SourceKind.CALL else None

    def module_of(self, source: Source) -> nn.Module | None:
        """The module whose call made it; None where that is a function as well."""
        return self.modules[source.number] if source.kind is SourceKind.CALL else None

    def into(self, source: Source) -> tuple[Source, ...]:
        """The sources of what went into a call or met in a join; none of anything else."""
        if source.kind is SourceKind.JOIN:
            return self.joins[source.number].sources
        return self.calls[source.number].sources if source.kind is SourceKind.CALL else ()

    def upstream(
        self, sources: Sequence[Source], through: Callable[[Source], Sequence[Source]] | None = None
    ) -> Iterator[Source]:
        """These sources and those behind them, each once, what went in first before the rest.

        ``through``: which to follow of what went into one; everything where it is left out.
        """
        waiting, seen = [*reversed(sources)], set[Source]()
        while waiting:
            source = waiting.pop()
            if source not in seen:
                seen.add(source)
                yield source
                waiting += reversed((through or self.into)(source))

    def on_the_way(self, *sources: Source) -> Iterator[int]:
        """The calls that what comes from these went through, each once."""
        return (source.number for source in self.upstream(sources) if source.kind is SourceKind.CALL)

    def downstream(self, index: int, *, without: Set[int] = frozenset()) -> tuple[set[int], Callable[[Source], bool]]:
        """The calls that get what one returns, at once or further on, and whether a tensor comes of it.

        ``without``: calls that are not followed, nor are the modules around them.
        """
        own = self._with_inner(index)
        reached = set(own)

        def comes_from_it(source: Source) -> bool:
            if source.kind is SourceKind.JOIN:
                return any(map(comes_from_it, self.into(source)))
            return source.kind is SourceKind.CALL and source.number in reached

        for later, call in enumerate(self.calls[index + 1 :], index + 1):
            if any(map(comes_from_it, call.sources)):
                made = self._with_inner(later)
                reached |= made if made.isdisjoint(without) else set()
        return reached - own, comes_from_it

    def _with_inner(self, index: int) -> set[int]:
        """A call and those inside it: what it returns was made by the last of them."""
        return set(range(index - self.calls[index].inner, index + 1))

    def may_reshape(self, index: int) -> bool:
        """Whether the call is a reshape that ran, or that of a module of the user's own that may hold one."""
        call = self.calls[index]
        if not call.inputs or not call.outputs or call.stood_in:
            return False
        if call.is_function:
            return OPS.named(call.type).keeps_memory_order
        return isinstance(self.modules[index], nn.Flatten) or (not call.inner and self.rule(index) is PLAIN)


def comes_from(error: BaseException | None, first: BaseException) -> bool:
    """Whether an error is another one, or was raised while that was handled."""
    seen: set[int] = set()
    while error is not None and error is not first and id(error) not in seen:
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return error is first


def turned_back(recording: Recording, source: Source) -> tuple[int, ...]:
    """The order of axes in which an input of the model was before ``source``; () where that made something else."""
    turns: list[tuple[int, ...]] = []
    while source.kind is SourceKind.CALL:
        call = recording.calls[source.number]
        order = order_made(call) if len(call.sources) == 1 else None
        if order is None:
            return ()
        turns.insert(0, order)
        source = call.sources[0]
    if source.kind is not SourceKind.INPUT or not turns:
        return ()
    axes = tuple(range(len(turns[0])))
    for order in turns:
        axes = tuple(axes[axis] for axis in order)
    return tuple(map(axes.index, range(len(axes))))


def order_made(call: Call) -> tuple[int, ...] | None:
    """For each axis of what a function made the axis of its input, where it sets them in another order; else None."""
    if not call.is_function:  # told at once: every layer that is examined asks
        return None
    op = OPS.called(call.type)
    moves = op.family is Family.REARRANGE and not op.keeps_memory_order
    if not moves or call.derive is None or len(call.inputs) != 1:
        return None
    # Sizes that are all different tell where each axis goes.
    given = tuple(range(1000, 1000 + len(call.inputs[0].shape)))
    try:
        derivation = call.derive(replace(call, inputs=(call.inputs[0]._replace(shape=given),)))
    except ValueError:  # other sizes would not do: it is more than another order
        return None
    # A size that is a letter (``repeat(n, 1)``) cannot be counted, and comes from elsewhere.
    if derivation is None or not all(isinstance(size, int) for size in derivation.shape):
        return None
    if Counter(derivation.shape) != Counter(given):
        return None
    return tuple(map(given.index, derivation.shape))


def is_feature_map(recording: Recording, source: Source, rank: int) -> bool:
    """Whether ``source`` gave ``(N, C, *sizes)``, through whatever keeps the shape."""
    calls, joins = recording.calls, recording.joins
    for _ in range(len(calls) + len(joins) + 1):
        source = past_joins(source, joins, recording.known_joins)
        if source.kind is not SourceKind.CALL:
            return False
        call, rule = calls[source.number], recording.rule(source.number)
        if not call.outputs or len(call.outputs[0].shape) != rank or rank < 3:
            return False
        if call.stood_in and rule.hands_on:
            if not call.sources:
                return False
            source = call.sources[0]  # it did not run on what it hands on
            continue
        if rule.makes_feature_map:
            unless = rule.no_feature_map
            return unless is None or not call.inputs or not unless(call.settings, call.inputs[0].shape)
        if call.is_function and OPS.called(call.type).makes_feature_map:
            return True
        keeps = call.inputs and call.inputs[0].shape == call.outputs[0].shape
        follows = OPS.named(call.type).hands_on if call.is_function else keeps and (rule is PLAIN or rule.hands_on)
        if not follows or not call.sources:
            return False
        source = call.sources[0]
    return False


class Frame:
    """A module under way."""

    inputs: tuple[TensorInfo, ...] = ()
    sources: tuple[Source, ...] = ()
    arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    """What reached the module, kept while it runs and only where a failure is examined afterwards."""
    called_at: Location | None = None
    """The line of ``forward`` that calls the module, or the containers around it whose input it is."""
    called_as: str = ""
    """Path of the module that is called there."""
    doubts: tuple[tuple[Shape, frozenset[int]], ...] = ()
    """Of the tensors that reached the module, those with sizes that are a guess."""
    stands_in: bool = False
    """What reached the layer does not fit it."""
    is_replaced: bool = False
    """It runs on something else."""
    output_size: int | None = None
    """One size of its output where that follows the input, which something stands in for."""
    output_axis: int = -1
    counted: int = 0
    """The count of operations when the module was called."""
    counted_inside: int = 0
    """Operations of the calls made inside it."""
    original: Tensor | None = None
    is_model_input: bool = False
    handled: BaseException | None = None
    """The exception that was being handled when the module was called: it runs in an ``except`` block."""
    error: BaseException | None = None
    """What the module raised, which somebody around it may have caught."""

    def __init__(self, module: nn.Module, path: str, start: int, is_leaf: bool) -> None:
        self.module = module
        self.path = path
        self.start = start
        """How many calls were complete when it was called."""
        self.is_leaf = is_leaf
        self.findings: list[Misfit] = []
