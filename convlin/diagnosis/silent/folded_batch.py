"""Whether a reshape loses the batch for good: it went into the rows or the features, and never comes back."""

from __future__ import annotations

from math import prod

from torch import nn

from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import UNSEEN, Call, Shape, Source, SourceKind, past_joins, past_single_joins
from convlin.trace.axes import is_feature_map, takes_time_first
from convlin.trace.recording import Recording


def loses_batch(recording: Recording, index: int, call: Call, batch: object, *, batch_added: bool) -> bool:
    """Whether the batch goes into the rows or the features of what a call makes, and is not meant to."""
    given, made = call.inputs[0].shape, call.outputs[0].shape
    if len(given) < 2 or given[0] != batch or (not batch_added and _has_time_first(recording, call)):
        return False
    completed = _is_completed(recording)
    if len(given) == 2 and len(made) > 2 and call.is_function and made[0] != batch:
        return _comes_from_linear(recording, call) and (
            (completed and _never_comes_back(recording, batch, made[0]))
            or _meets_batch(recording, index, batch, made[0])
        )
    if len(made) == 2 and made[0] != batch and made[0] != 1:
        linear = _linear_behind(recording, index)
        if linear is None:
            return False
        # A Linear that declares the features of one sample was to get them.
        wants_sample = linear.in_features == prod(given[1:]) != made[-1]
        if not wants_sample and _is_meant(recording, call, given, made, linear, strictly=completed):
            return False
        return (
            not completed
            or _never_comes_back(recording, batch, made[0])
            or _meets_batch(recording, index, batch, made[0])
            or _is_asked_back(recording, index, batch, made[0])
        )
    # flatten(x) or view(1, -1): the batch went into the features.
    into_features = (len(made) == 1 and len(given) > 2) or (len(made) == 2 and made[0] == 1 and batch != 1)
    linear = _linear_behind(recording, index) if into_features else None
    if linear is None or (len(made) == 1 and batch == 1 and not batch_added):
        return False
    if not completed or all(len(shape) == len(made) for shape in recording.output_shapes):
        return True
    # Something of another rank was made of the one row. All that is given may belong together, unless it is a batch
    # for sure or the Linear was to get one sample.
    is_wrong = made[-1] != linear.in_features and (batch_added or linear.in_features == prod(given[1:]))
    return is_wrong and len(made) == 2 and all(shape[:1] == (1,) for shape in recording.output_shapes)


def _has_time_first(recording: Recording, call: Call) -> bool:
    """Whether what a call takes comes out of a layer of sequences that takes time first: so did what was given."""
    source = past_single_joins(call.sources[0], recording.joins) if call.sources else UNSEEN
    return takes_time_first(recording.module_of(source))


def _is_completed(recording: Recording) -> bool:
    """The model ran to its end; in a watched block something behind it may have failed."""
    return recording.failure is None or bool(recording.outputs)


def _is_meant(
    recording: Recording, call: Call, given: Shape, made: Shape, linear: nn.Linear, *, strictly: bool
) -> bool:
    """Merging whole axes into the rows is a common thing to do, unless those of a feature map go there.

    ``strictly`` where the end of the pass was seen: it tells whether the rows come back as samples.
    """
    tails = {prod(given[axis:]) for axis in range(1, len(given))}
    if made[-1] not in tails:
        return False
    if not strictly:
        return True
    source = call.sources[0] if call.sources else UNSEEN
    # The Linear that declares just that may be one over pixels, whose channels were set last.
    are_pixels = made[-1] != prod(given[2:]) and made[-1] == linear.in_features
    return are_pixels or not is_feature_map(recording, source, len(given))


def _never_comes_back(recording: Recording, batch: object, rows: object) -> bool:
    shapes = [shape for shape in recording.output_shapes if shape]
    return bool(shapes) and any(shape[0] == rows for shape in shapes) and all(shape[0] != batch for shape in shapes)


def _meets_batch(recording: Recording, index: int, batch: object, rows: object) -> bool:
    """Whether what a call made meets a tensor that still has the batch, as in a loss, where the two do not go together.

    A batch of one stretches to every number of rows: there nothing refuses the two.  In a loss that is a mistake, in
    other arithmetic it is taken for one where the model is not right anyway.
    """
    refused = {finding.call for finding in recording.findings if finding.misfit.kind == "operands"}
    if recording.failure is not None and recording.failure.refused:
        refused.add(recording.failure.call)
    behind, comes_from_it = recording.downstream(index)
    for later in behind:
        call = recording.calls[later]
        met = [
            (info.shape, comes_from_it(source))
            for info, source in zip(call.inputs, call.sources, strict=False)
            if source != UNSEEN
        ]
        if later in refused and ((rows,), True) in _first_sizes(met) and ((batch,), False) in _first_sizes(met):
            return True
        if batch == 1 and OPS.called(call.type).family is Family.LOSS and _differ_in_rows(met, rows):
            return True
    joined = (
        [(_shape_of(recording, source), comes_from_it(source)) for source in join.sources if source != UNSEEN]
        for join in recording.joins
    )
    is_wrong = bool(recording.findings or recording.failure)
    return batch == 1 and is_wrong and any(_differ_in_rows(met, rows) for met in joined)


def _is_asked_back(recording: Recording, index: int, batch: object, rows: object) -> bool:
    """Whether a reshape behind a call asks for the batch again, and cannot make it of the rows."""
    behind, _ = recording.downstream(index)
    return any(
        (finding.misfit.kind, finding.misfit.note) == ("reshape", "size")
        and finding.call in behind
        and finding.misfit.detail["wanted"][:1] == (batch,)
        and finding.misfit.detail["shape"][:1] == (rows,)
        for finding in recording.findings
    )


def _first_sizes(met: list[tuple[Shape, bool]]) -> list[tuple[Shape, bool]]:
    return [(shape[:1], is_made) for shape, is_made in met]


def _differ_in_rows(met: list[tuple[Shape, bool]], rows: object) -> bool:
    """Whether one sample is set against several rows of the same sizes, which were made of it."""
    made = {shape[1:] for shape, is_made in met if is_made and len(shape) > 1 and shape[0] == rows}
    return any(shape[:1] == (1,) and shape[1:] in made for shape, is_made in met if not is_made)


def _shape_of(recording: Recording, source: Source) -> Shape:
    """The shape of the tensor that comes from there, as far as a call or the model's input tells."""
    source = past_joins(source, recording.joins)
    if source.kind is SourceKind.INPUT:
        return recording.inputs[source.number].shape
    maker = recording.maker(source)
    return maker.output_shape or () if maker is not None else ()


def _linear_behind(recording: Recording, index: int) -> nn.Linear | None:
    """The Linear that takes what the call made, at once or behind layers that keep the shape."""
    reached = {index}
    for later, call in enumerate(recording.calls[index + 1 :], index + 1):
        source = past_single_joins(call.sources[0], recording.joins) if call.sources else UNSEEN
        if source.kind is not SourceKind.CALL or source.number not in reached:
            continue
        module = recording.modules[later]
        if isinstance(module, nn.Linear):
            return module
        if call.inputs and call.outputs and call.inputs[0].shape == call.outputs[0].shape:
            reached.add(later)
    return None


def has_channels_for_samples(recording: Recording, linear: int) -> bool:
    """Whether the rows that reach a Linear are the channels of one map, whose cells alone were flattened.

    Or were to be: a reshape to another size counts as well.
    """
    return any(
        call.outputs[0].shape == (*call.inputs[0].shape[:1], prod(call.inputs[0].shape[1:]))
        and bool(call.sources)
        and _is_one_map(recording, call.sources[0], call.inputs[0].shape)
        and _linear_behind(recording, index) is recording.modules[linear]
        for index, call in enumerate(recording.calls[:linear])
        if call.inputs and call.outputs and (call.stood_in or recording.may_reshape(index))
    )


def _is_one_map(recording: Recording, source: Source, shape: Shape) -> bool:
    """Whether a tensor of one sample comes out of convolutions: ``(C, *sizes)``."""
    if len(shape) > 2:
        return is_feature_map(recording, source, len(shape))
    made = (recording.calls[index] for index in recording.on_the_way(source) if recording.rule(index).makes_feature_map)
    return any(call.output_shape is not None and call.output_shape[:1] == shape[:1] for call in made)


def _comes_from_linear(recording: Recording, call: Call) -> bool:
    """Whether a Linear made what the call takes, at once or in front of layers that keep the shape."""
    while call.sources:
        source = past_single_joins(call.sources[0], recording.joins)
        if source.kind is not SourceKind.CALL:
            return False
        call = recording.calls[source.number]
        if isinstance(recording.modules[source.number], nn.Linear):
            return True
        if not call.inputs or not call.outputs or call.inputs[0].shape != call.outputs[0].shape:
            return False
    return False


def fits_as_made(recording: Recording, index: int, call: Call) -> bool:
    """Whether the layer that takes an image has as many channels as were made."""
    joins, made_here = recording.joins, Source.call(index)
    taker = next(
        (
            recording.modules[later]
            for later, each in enumerate(recording.calls[index + 1 :], index + 1)
            if any(past_single_joins(source, joins) == made_here for source in each.sources)
        ),
        None,
    )
    made = call.outputs[0].shape
    return len(made) > 2 and getattr(taker, "in_channels", None) == made[1]
