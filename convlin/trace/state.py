"""What the two halves of a tracer share while a pass runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isinf, prod
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convlin.layers import Derive, LayerRule, Misfit, rule_for, runs_as_documented
from convlin.ops.names import name_of
from convlin.records import UNSEEN, Call, Location, Shape, Source, TensorInfo
from convlin.tensors import SizeReader, sizes
from convlin.trace.call_sites import line_of, may_be_caught
from convlin.trace.provenance import Provenance
from convlin.trace.recording import Finding, Recording, Refusal, Suspects
from convlin.untouched.module_state import Keeper, TrainingFlags

if TYPE_CHECKING:
    from convlin.trace.flops import FlopCount

#: Behind a mistake, where something stands in, tensors of so many elements are followed in any case: 64 MiB of float32.
LARGE = 2**24
#: So are larger ones, up to this many times the largest in front of the mistake.
MOST_GROWTH = 256

#: Settings that records may keep; a symbolic number is told in letters once the pass is over.
_PLAIN = (int, float, str, bool, type(None), type(...), torch.SymInt, torch.SymFloat, torch.SymBool)


class KnownType(NamedTuple):
    """What is known of a class of modules."""

    rule: LayerRule
    name: str
    as_documented: bool
    """``forward`` is PyTorch's own."""
    is_linear: bool
    derive: Derive | None
    """How its output shape is derived, where ``forward`` is PyTorch's own."""
    settings: Callable[[nn.Module], dict[str, Any]]
    """Reads the recorded attributes of a layer."""

    @classmethod
    def of(cls, kind: type) -> KnownType:
        """Look up everything about a class."""
        rule = rule_for(kind)
        as_documented = runs_as_documented(kind)
        derive = rule.derive if as_documented else None
        return cls(rule, kind.__name__, as_documented, issubclass(kind, nn.Linear), derive, rule.reader())


class FunctionCall(NamedTuple):
    """A call of a torch function that a pass sees."""

    func: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    tensors: Sequence[Tensor]
    """Those among the arguments."""
    caller: FrameType | None = None
    """The code outside of torch that made it; None of what a layer of PyTorch's own calls."""
    before: tuple[Shape, ...] = ()
    """What the shapes of the tensors were."""

    @property
    def name(self) -> str:
        """As users write it."""
        return name_of(self.func)

    @property
    def where(self) -> Location | None:
        """The user's line."""
        return None if self.caller is None else line_of(self.caller)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that are no tensors, as a record keeps them."""
        return plain_settings(self.args, self.kwargs)


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


class TooManyCalls(BaseException):
    """A pass was stopped on its way; no ``except Exception`` of the model's is to take it for its own."""


class GrownTooLarge(BaseException):
    """A pass that something stands in for was stopped: it made what the model itself would hardly have made.

    A ``cat`` along the wrong dim in every block doubles a map each time, and no memory is large enough.
    """


class AnsweredEarly(BaseException):
    """A pass was stopped at a finding that settles what was asked of it; likewise none of the model's."""


@dataclass(slots=True, eq=False, repr=False)
class State:
    """One pass under way."""

    careful: bool = False
    """Examine what reaches every layer, and stand in for what does not fit."""
    stands_in: bool = True
    """In a careful pass.  False to see what ``forward`` itself catches: everything that does not fit raises."""
    watching: bool = False
    """The pass is the user's own: nothing may stand in, and only what failed is examined."""
    gradients: bool = False
    """``forward`` takes gradients itself, and runs with them."""
    batch_added: bool = False
    """convlin made the inputs: their first axis is the batch."""
    suspects: Suspects = field(default_factory=Suspects)
    closed: bool = False
    """Nothing runs but PyTorch's own layers: no function stands between them."""
    keeper: Keeper | TrainingFlags | None = None
    read: SizeReader = sizes
    on_meta: bool = False
    """The pass runs on the meta device."""
    answer: Callable[[Any, tuple[Any, ...], Mapping[str, Any]], Tensor | None] | None = None
    """What a function returns, where that is known without running it."""
    flops: FlopCount | None = None
    """Counts operations, where they were asked for."""
    functions: int = 0
    """How many functions were called where a mode sees them; those inside PyTorch's plain layers are left out."""
    called: Callable[[FrameType], None] | None = None
    """Is given the frame that calls a function, for each that a mode sees."""
    most_functions: float = inf
    """A pass that calls more is stopped."""
    most_elements: float = inf
    """Nor is one followed that makes a larger tensor: a bound where something stands in."""
    ends_with: Callable[[Recording, Finding], bool] | None = None
    """Whether nothing more is asked of a pass once this was found."""
    recording: Recording = field(default_factory=Recording)
    origins: Provenance = field(default_factory=Provenance)
    stack: list[Frame] = field(default_factory=list)
    """The modules under way, the innermost last; in a quick pass without PyTorch's plain layers."""
    caught: list[Frame] = field(default_factory=list)
    """Frames of modules that raised and were taken from the stack since: somebody caught it, or still may not."""
    may_be_caught: bool = False
    """A misfit was found where the model's own code may catch what it would have raised."""
    raised: list[tuple[Refusal, BaseException]] = field(default_factory=list)
    """Where nothing stands in: what refused its input, and the error."""
    types: dict[type, KnownType] = field(default_factory=dict)
    owned: dict[int, tuple[int, int]] = field(default_factory=dict)

    def known(self, kind: type) -> KnownType:
        """The rule of a class of modules, looked up once."""
        found = self.types.get(kind)
        if found is None:
            found = self.types[kind] = KnownType.of(kind)
        return found

    def counts(self, module: nn.Module) -> tuple[int, int]:
        """Elements of a module's own parameters, and of those that are trained; what has no size yet counts nothing."""
        found = self.owned.get(id(module))
        if found is not None:
            return found
        total = trained = 0
        for parameter in module._parameters.values():
            # The class first: PyTorch's own question is ten times as slow.
            if parameter is None or (type(parameter) is not nn.Parameter and is_lazy(parameter)):
                continue
            count: object = parameter.numel()
            if isinstance(count, int):  # a lazy layer in letters has no number
                total += count
                trained += count if parameter.requires_grad else 0
        self.owned[id(module)] = total, trained
        return total, trained

    def completed(self, module: nn.Module) -> Frame | None:
        """The frame of a module that completes; frames above it belong to calls whose error was caught."""
        stack = self.stack
        self.caught.clear()
        if stack and stack[-1].module is module:
            return stack.pop()
        for depth in range(len(stack) - 1, -1, -1):
            if stack[depth].module is module:
                frame = stack[depth]
                del stack[depth:]
                return frame
        return None

    def has_raised(self, module: nn.Module) -> bool:
        """Whether a module whose hook was called without an output raised, which its frame then says.

        A hook that is always called cannot tell by the output: None is what many a forward returns.
        """
        error = sys.exc_info()[1]
        frame = next((frame for frame in reversed(self.stack) if frame.module is module), None)
        if frame is None or error is None or error is frame.handled:
            return False
        frame.error = error
        return True

    def settle(self) -> None:
        """Something runs: what raised before it is under way no longer."""
        stack = self.stack
        if stack and stack[-1].error is not None:
            self.caught = []
            if not self.stands_in:
                self.raised.append((Refusal(stack[-1].path), stack[-1].error))
            while stack and stack[-1].error is not None:
                self.caught.insert(0, stack.pop())

    def unsettle(self, error: BaseException) -> None:
        """Nobody caught ``error`` after all: what ran was on its way out, in a ``finally`` perhaps."""
        self.stack += [frame for frame in self.caught if frame.error is error]

    def refusals_caught(self) -> frozenset[Refusal]:
        """What raised in a pass without stand-ins and did not lead to what stopped the pass, if anything did."""
        failure = self.recording.failure
        last = failure.error if failure is not None else None
        return frozenset(refusal for refusal, error in self.raised if not comes_from(last, error))

    def count(self, before: int, inside: int = 0) -> int | None:
        """Operations since the count stood at ``before``, less those of calls inside; told to the call around it."""
        if self.flops is None:
            return None
        spent = self.flops.total - before
        if self.stack:
            self.stack[-1].counted_inside += spent
        return spent - inside

    @property
    def path(self) -> str:
        """The path of the module under way."""
        return self.stack[-1].path if self.stack else ""

    def find(self, finding: Finding) -> None:
        """Write down a misfit."""
        self.may_be_caught = self.may_be_caught or may_be_caught(sys._getframe(1))
        self.recording.findings.append(finding)
        fills_memory = self.read is sizes and not self.on_meta
        if self.careful and self.stands_in and not self.watching and fills_memory and isinf(self.most_elements):
            # What stands in goes on where the model stops, with sizes that nobody meant.
            made = (info.shape for call in self.recording.calls for info in (*call.inputs, *call.outputs))
            self.most_elements = max(LARGE, MOST_GROWTH * max(map(prod, made), default=0))
        if self.ends_with is not None and self.ends_with(self.recording, finding):
            raise AnsweredEarly

    def follow(self, made: Iterable[TensorInfo]) -> None:
        """Stop the pass where something stands in and a tensor grew beyond what is followed."""
        if any(prod(info.shape) > self.most_elements for info in made):
            raise GrownTooLarge

    def find_all(self, frame: Frame, index: int, call: Call) -> None:
        """Write down every misfit that was met at a layer, whose call has this index."""
        source = call.sources[0] if call.sources else UNSEEN
        for misfit in frame.findings:
            self.find(Finding(
                misfit, frame.path, index, call.inputs, source, printed(frame.module),
                where=frame.called_at, called_as=frame.called_as, is_model_input=frame.is_model_input,
            ))  # fmt: skip


def comes_from(error: BaseException | None, first: BaseException) -> bool:
    """Whether an error is another one, or was raised while that was handled."""
    seen: set[int] = set()
    while error is not None and error is not first and id(error) not in seen:
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return error is first


def printed(module: nn.Module) -> str:
    """The layer as PyTorch prints it, on one line."""
    return f"{type(module).__name__}({module.extra_repr()})"


def plain_settings(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a function that are no tensors, by position and by name."""
    settings: dict[str, Any] = {str(index): value for index, value in enumerate(args) if _is_plain(value)}
    settings.update((name, value) for name, value in kwargs.items() if _is_plain(value))
    return settings


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(_is_plain(item) for item in value)
    if isinstance(value, slice):  # it may hold tensors, which no record may keep alive
        return _is_plain((value.start, value.stop, value.step))
    return isinstance(value, _PLAIN)
