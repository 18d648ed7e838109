"""Where the batch is lost although nothing refuses it: said as a remark, since some models mean it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import prod
from typing import TYPE_CHECKING

from convlin.ops.catalog import OPS, SQUEEZE
from convlin.ops.op import Family
from convlin.records import Call, Shape, Source, SourceKind
from convlin.trace.axes import is_feature_map
from convlin.trace.recording import Failure, Recording

if TYPE_CHECKING:
    from convlin.records import Problem


def remarks(recording: Recording, batch: object) -> tuple[str, ...]:
    """What took the batch out of the outputs of a pass that came to its end; ``batch`` is in front of every input."""
    shapes = recording.output_shapes
    if not shapes or recording.failure is not None or recording.findings or not isinstance(batch, int):
        return ()
    if any(shape and shape[0] == batch for shape in shapes) and not (batch == 1 and () in shapes):
        return ()
    rows = {shape[0] for shape in shapes if shape}
    return tuple(dict.fromkeys(_remarks(recording, batch, rows)))


def stretched_to(recording: Recording, batch: object) -> frozenset[int]:
    """To how many rows a batch of one was stretched by a tensor of more, where what came out has lost that batch."""
    shapes = recording.output_shapes
    if batch != 1 or recording.failure is not None or any(shape[:1] == (1,) for shape in shapes):
        return frozenset()
    return frozenset(call.outputs[0].shape[0] for call in recording.calls if _stretches(call))


def are_of(problem: Problem, rows: Collection[int]) -> bool:
    """Whether a larger batch does not go together with as many rows: those that a batch makes are more of then."""
    sizes = (problem.declared, problem.required) if problem.kind == "operands" else ()
    return any(isinstance(shape, tuple) and shape[:1] == (count,) for shape in sizes for count in rows)


def _stretches(call: Call) -> bool:
    """Whether a function made several rows of one, or a module with code of its own, in which functions are no rows."""
    if not call.inputs or len(call.outputs) != 1:
        return False
    made = call.outputs[0].shape
    if not call.is_function:
        given = call.inputs[0].shape
        return len(made) > 1 and given[:1] == (1,) != made[:1] and given[1:] == made[1:]
    rows = {given.shape[0] for given in call.inputs if len(given.shape) == len(made) > 1}
    return len(rows) > 1 and rows == {1, made[0]} and OPS.called(call.type).family is Family.ELEMENTWISE


def squeezed_before(recording: Recording, failure: Failure) -> str:
    """That a batch of one was dropped on the way to what stopped the pass; empty where it was not."""
    calls = [recording.calls[index] for index in recording.on_the_way(*failure.sources)]
    return next((dropped(call) for call in calls if drops_batch(call)), "")


def drops_batch(call: Call) -> bool:
    """Whether it is a ``squeeze()`` that took a batch of one away with all other axes of 1."""
    is_squeeze = OPS.named(call.type) is SQUEEZE and bool(call.inputs) and bool(call.outputs)
    return is_squeeze and call.inputs[0].shape[:1] == (1,) and _drops_all(call)


def dropped(call: Call) -> str:
    """What to say of it."""
    from convlin.diagnosis.messages.tools import at  # words: not loaded for a model that keeps its batch

    return f"squeeze(){at(call.where)} drops the batch of 1, too: write squeeze(1), flatten(1) or the like"


def _remarks(recording: Recording, batch: int, rows: set[object]) -> Iterator[str]:
    from convlin.diagnosis.messages.tools import at, times  # words: not loaded for a model that keeps its batch

    for index, call in enumerate(recording.calls):
        if not call.inputs or len(call.outputs) != 1 or len(call.inputs[0].shape) < 2:
            continue
        given, made = call.inputs[0].shape, call.outputs[0].shape
        if given[0] != batch:
            continue
        if batch == 1 and drops_batch(call):
            yield dropped(call)
        elif _makes_rows(recording, index, batch) and made[0] in rows and not _merges_steps(recording, call):
            went = f"the batch went from {batch} to {made[0]}"
            name = call.type if call.is_function else call.path or call.type
            yield f"{name}{at(recording.line_of(index))} makes {times(made)} of {times(given)}: {went}"


def _makes_rows(recording: Recording, index: int, batch: int) -> bool:
    """Whether a view, or a module of the user's own that may hold one, has another number of rows."""
    call = recording.calls[index]
    given, made = call.inputs[0].shape, call.outputs[0].shape
    return bool(made) and made[0] != batch and prod(made) == prod(given) and recording.may_reshape(index)


def _drops_all(call: Call) -> bool:
    """Whether every size of 1 is gone, the batch among them; a dimension that is named is meant."""
    given, made = call.inputs[0].shape, call.outputs[0].shape
    return not call.settings and made == tuple(size for size in given if size != 1)


def _merges_steps(recording: Recording, call: Call) -> bool:
    """Whether whole axes became rows, as the steps of a sequence do: not the channels of an image."""
    given, made = call.inputs[0].shape, call.outputs[0].shape
    merged = len(given) - len(made) + 1
    if merged < 2 or made[1:] != given[merged:]:
        return False
    source = call.sources[0]
    image = len(given) == 4 and source.kind is SourceKind.INPUT
    return not image and not _is_of_map(recording, source, given)


def _is_of_map(recording: Recording, source: Source, shape: Shape) -> bool:
    """Whether a tensor is a feature map, or one whose last axis alone was made another, by a product, say."""
    for _ in range(len(recording.calls) + 1):
        if is_feature_map(recording, source, len(shape)):
            return True
        if source.kind is not SourceKind.CALL:
            return False
        call = recording.calls[source.number]
        if not call.inputs or not call.sources or call.inputs[0].shape[:-1] != shape[:-1]:
            return False
        source, shape = call.sources[0], call.inputs[0].shape
    return False
