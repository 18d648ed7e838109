"""The way of a tensor: back from where it arrives, call by call, to where it comes from."""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from convlin.arithmetic import SizeError
from convlin.derivations import of_layers
from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import (
    Call,
    Derivation,
    Join,
    Location,
    Report,
    Shape,
    Source,
    SourceKind,
    past_joins,
    past_single_joins,
)
from convlin.sizes.equal import same_shape

#: What these take behind the first tensor are weights.
_WITH_WEIGHTS = (Family.CONVOLUTION, Family.TRANSPOSED_CONVOLUTION, Family.LINEAR, Family.EMBEDDING)


class Part(NamedTuple):
    """One of several tensors that met: who made it, and its shape where that is known."""

    name: str
    shape: Shape | None
    followed: bool = False
    made_by_call: bool = False


class Leg(NamedTuple):
    """A call on the path that changed the size of what went through it, or the layer that declares it."""

    number: int
    """Index of the call in the report."""
    call: Call
    given: Shape
    made: Shape
    derivation: Derivation | None
    parts: tuple[Part, ...] = ()
    """All tensors that went in, where there are several."""


class Meeting(NamedTuple):
    """Tensors that met on the way without a change of size, as in a residual connection."""

    function: str
    where: Location | None
    parts: tuple[Part, ...]


class Way(NamedTuple):
    """What happened to a tensor from ``start`` on."""

    start: Part
    legs: tuple[Leg | Meeting, ...]
    seen: bool = True
    """The start is an input of the model, or told before; otherwise nothing is known of how it was made."""


def title(call: Call) -> str:
    """What a call goes by: a layer's path, a function with its line.

    >>> title(Call("", "Tensor.view", is_function=True, where=Location("net.py", 27)))
    'Tensor.view at net.py:27'
    """
    if call.is_function:
        return f"{call.type} at {call.where.text}" if call.where is not None else call.type
    return call.path or call.type


class Follower:
    """Follows tensors back through one report.

    Where several tensors meet, the first that comes from an input of the model is followed.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._calls = report.calls
        self._inputs = {info.shape for info in report.inputs}
        self._from_input: list[bool] = []
        for call in self._calls:
            self._from_input.append(any(self._reaches(*pair) for pair in _pairs(call)))

    def arriving(self, index: int) -> Way:
        """The way of the first tensor that reaches a call."""
        call = self._calls[index]
        place = self.followed(call)
        pairs = _pairs(call)
        return self.way(*pairs[place]) if pairs else Way(Part(title(call), None), (), seen=False)

    def way(self, source: Source, shape: Shape, known: Container[int] = ()) -> Way:
        """The way of the tensor of this shape that ``source`` made; ``known`` are calls told of before."""
        legs: list[Leg | Meeting] = []
        seen = True
        while True:
            if source.kind is SourceKind.JOIN:
                met = self._report.joins[source.number]
                place = self._followed(met, shape)
                # What meets itself behind an activation (``x * x.sigmoid()``) has one way.
                if len({past_single_joins(each, self._report.joins) for each in met.sources}) > 1:
                    legs.append(self._meeting(met, place, shape))
                source = met.sources[place]
                continue
            if source.kind is not SourceKind.CALL:
                start = self._input(source, shape)
                seen = start is not None
                start = start or Part("", shape)
                break
            call = self._calls[source.number]
            if source.number in known:
                start = Part(title(call), shape, made_by_call=True)
                break
            pairs = _pairs(call)
            if not pairs:
                start, seen = Part(title(call), shape), False
                break
            place = self.followed(call)
            before, given = pairs[place]
            # A call that keeps the size is passed over, unless it is the layer where the number is declared.
            makes = call.derive is not None and call.params > 0
            if given != shape or (makes and not legs):
                legs.append(Leg(source.number, call, given, shape, derivation_of(call, shape), self.parts(call)))
            source, shape = before, given
        return Way(start, tuple(reversed(legs)), seen)

    def name(self, source: Source, shape: Shape | None) -> str:
        """Who made a tensor."""
        source = past_joins(source, self._report.joins)
        if source.kind is SourceKind.CALL:
            return title(self._calls[source.number])
        known = self._input(source, shape) if shape is not None else None
        return known.name if known is not None else "a tensor whose making is not seen"

    def _input(self, source: Source, shape: Shape) -> Part | None:
        """The input of the model that a tensor is; one whose making was not seen is told by its shape."""
        inputs = self._report.named_inputs
        if source.kind is SourceKind.INPUT:
            given = inputs[source.number]
        else:
            alike = [info for info in inputs if info.shape == shape]
            if not alike:
                return None
            given = alike[0]
        return Part(f"input {given.place}" if len(inputs) > 1 and given.place else "the input", shape)

    def _reaches(self, source: Source, shape: Shape) -> bool:
        """Whether a tensor goes back to an input of the model, as far as that is seen."""
        match source.kind:
            case SourceKind.CALL:
                return source.number < len(self._from_input) and self._from_input[source.number]
            case SourceKind.JOIN:
                return any(self._reaches(each, shape) for each in self._report.joins[source.number].sources)
            case SourceKind.INPUT:
                return True
            case SourceKind.UNSEEN:
                return shape in self._inputs

    def _followed(self, met: Join, shape: Shape) -> int:
        """Which of the tensors that met is followed: one that was computed tells more than the input itself."""
        reaching = [self._reaches(each, shape) for each in met.sources]
        computed = [reaches and each.is_made for reaches, each in zip(reaching, met.sources, strict=True)]
        return self._first(computed if True in computed else reaching)

    def _first(self, reaching: list[bool]) -> int:
        return reaching.index(True) if True in reaching else 0

    def followed(self, call: Call) -> int:
        """Which of the tensors that go into a call is followed further back."""
        return self._first([self._reaches(*pair) for pair in _pairs(call)])

    def parts(self, call: Call) -> tuple[Part, ...]:
        """All tensors that go into a call, where there are several."""
        pairs, place = _pairs(call), self.followed(call)
        if len(pairs) < 2:
            return ()
        return tuple(Part(self.name(*pair), pair[1], number == place) for number, pair in enumerate(pairs))

    def _meeting(self, met: Join, place: int, shape: Shape) -> Meeting:
        parts = []
        for number, source in enumerate(met.sources):
            made = shape if number == place else self._shape_of(source)
            parts.append(Part(self.name(source, made), made, number == place))
        return Meeting(met.function, met.where, tuple(parts))

    def _shape_of(self, source: Source) -> Shape | None:
        source = past_joins(source, self._report.joins)
        if source.kind is SourceKind.INPUT:
            return self._report.inputs[source.number].shape
        return self._calls[source.number].output_shape if source.kind is SourceKind.CALL else None


def _pairs(call: Call) -> list[tuple[Source, Shape]]:
    """Source and shape of every tensor that went in; the weights of ``F.conv2d`` and its like aside."""
    weighted = call.is_function and OPS.called(call.type).family in _WITH_WEIGHTS
    return list(zip(call.sources[: 1 if weighted else None], call.input_shapes, strict=False))


def derivation_of(call: Call, shape: Shape) -> Derivation | None:
    """How one of the tensors that a call returns got its shape: the first, or a recurrent layer's state."""
    if shape == call.output_shape:
        return call.derivation
    if call.derive is of_layers.recurrent:
        try:
            states = [of_layers.recurrent_state(call, state) for state in ("h", "c")]
        except ValueError:
            return None
        return next((state.spelled_as(shape) for state in states if same_shape(state.shape, shape)), None)
    return None


def refused(call: Call) -> str:
    """Why PyTorch refuses what arrived, by the layer's own formula; empty where it did not."""
    if call.derive is None or not call.failed:
        return ""
    try:
        call.derive(call)
    except SizeError as error:
        return str(error)
    return ""
