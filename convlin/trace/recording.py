"""What one pass showed, as the tracer writes it down: calls, findings, and where it stopped.

The calls are the records that a report has; beside them stand the live modules, which stay inside the pass.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from operator import or_
from typing import Any, NamedTuple, TypeVar

from torch import nn

from convlin.layers import PLAIN, LayerRule, Misfit, rule_for
from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import Call, Join, Location, Shape, Source, SourceKind, TensorInfo
from convlin.trace.expressions import Expressions, Taken, TuplesHeld

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
    has_grown: bool = False
    """Tensors grew too large behind mistakes that something stands in for: the model itself does not come so far."""
    arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    """What the user called the model with, where the pass is the user's own."""
    start: int = 0
    """Index of the first call recorded in it."""
    elsewhere: Elsewhere | None = None
    """On the meta device: which of these tensors is on another."""
    tuples: TuplesHeld | None = None
    """What the user's code, which raised, holds of layers that return a tuple."""
    taken: Taken | None = None
    """What the user's code had more or fewer names for, where that is what it raised."""


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
    """Paths of layers that get their inputs as they are meant: with the axes in another order more is wrong, say."""
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

    def declared_by(self, source: Source, names: Container[str]) -> str:
        """The same of the layer whose call made what comes from there; empty where no layer did."""
        return self.declared(source.number, names) if source.kind is SourceKind.CALL else ""

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
