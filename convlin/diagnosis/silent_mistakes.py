"""Mistakes that raise nothing: found afterwards, in what a pass recorded.

All of these have innocent look-alikes (window attention, time folded into the batch, a Linear over
the last axis), so each asks for the one sign that the innocent ones do not show: the batch never
comes back, down to the model's output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from itertools import chain
from math import prod

from torch import nn

from convlin._util.torch_private import CONVOLUTIONS
from convlin.diagnosis import time_axis
from convlin.layers import Misfit
from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import UNSEEN, Call, Shape, Source, SourceKind, past_joins, past_single_joins
from convlin.trace.lost_batch import folded, matching, of_flatten
from convlin.trace.recording import Finding, Fold, Recording, Suspects, Written, is_feature_map
from convlin.trace.state import printed

#: They take a sequence; two axes as well, but then no batch.
_OF_SEQUENCES = (
    nn.RNNBase,
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
    nn.Transformer,
)

#: Functions that are told which axis is meant: they stop where a tensor has fewer.
_NAMES_AXES = (Family.REARRANGE, Family.INDEX, Family.PART, Family.REDUCTION)


def suspects(recording: Recording, *, batch_added: bool) -> Suspects:
    """What in this recording is a mistake although no function refused it."""
    if not recording.inputs or not recording.inputs[0].shape:
        return Suspects()
    samples = () if batch_added else tuple(_took_one_sample(recording))
    batch = recording.inputs[0].shape[0]
    folds = {
        _fold(call, keeps_channels=_fits_as_made(recording, index, call))
        # Hardly any call changes the first size, and every layer of every model is asked: that first.
        for index, call in enumerate(recording.calls if not samples else ())  # without a batch there is none to lose
        if call.outputs and (len(made := call.outputs[0].shape) == 1 or made[:1] != (batch,))
        if recording.may_reshape(index) and _loses_batch(recording, index, call, batch, batch_added=batch_added)
    }
    unflattened = {
        call.path
        for index, call in enumerate(recording.calls)
        if isinstance(recording.modules[index], nn.Linear)
        and not call.stood_in
        and _should_flatten(recording, index, call)
    }
    unflattened |= {
        finding.path
        for finding in recording.findings
        if "flat" in finding.misfit.detail and _was_to_be_flattened(recording, finding)
    }
    took = frozenset(recording.calls[index].path for index in samples if not recording.calls[index].stood_in)
    unbatched = took if _misses_batch(recording) else frozenset()
    timeless = frozenset(
        recording.calls[index].path
        for index in time_axis.reading_the_batch(recording, batch_added=batch_added)
        if _misses_time(recording, index)
    )
    return Suspects(frozenset(folds), frozenset(unflattened), unbatched, timeless=timeless)


def findings(recording: Recording, *, batch_added: bool) -> list[Finding]:
    """The same as findings, for a pass in which nothing may stand in."""
    found = suspects(recording, batch_added=batch_added)
    told: list[Finding] = []
    taken = set(_took_one_sample(recording)) if found.unbatched else set()
    for index, call in enumerate(recording.calls):
        if not call.inputs:
            continue
        shape = call.inputs[0].shape
        source, module = call.sources[0] if call.sources else UNSEEN, recording.modules[index]
        if recording.may_reshape(index) and _fold(call) in found.folds:
            made = call.outputs[0].shape
            misfit = folded(matching(_fold(call), found.folds) or _fold(call), None, made)
            if isinstance(module, nn.Flatten):
                told.append(_of_layer(recording, of_flatten(misfit), index, module))
                continue
            line = recording.line_of(index)
            told.append(Finding(misfit, call.path, index, call.inputs, source, "", call.type, line))
        elif index in taken:
            misfit = Misfit("structure", len(shape) + 1, len(shape), "one_sample", {"shape": shape})
            assert module is not None
            told.append(_of_layer(recording, misfit, index, module))
        elif call.path in found.unflattened and isinstance(module, nn.Linear):
            misfit = Misfit("structure", module.in_features, prod(shape[1:]), "flatten", {"rank": len(shape)})
            told.append(_of_layer(recording, misfit, index, module))
    return told


def _fold(call: Call, *, keeps_channels: bool = False) -> Fold:
    if call.is_function:
        return Fold(call.type, call.where, call.path, call.inputs[0].shape, keeps_channels)
    return Fold("", None, call.path, call.inputs[0].shape, keeps_channels)


def _of_layer(recording: Recording, misfit: Misfit, index: int, module: nn.Module) -> Finding:
    call, written = recording.calls[index], recording.written.get(index, Written())
    source = call.sources[0] if call.sources else UNSEEN
    return Finding(
        misfit, call.path, index, call.inputs, source, printed(module),
        where=written.where, called_as=written.path, is_model_input=not source.is_made,
    )  # fmt: skip


def _took_one_sample(recording: Recording) -> Iterator[int]:
    """The convolutions that took an input of the model for one sample without a batch."""
    return (index for index in _taking_input_unbatched(recording) if not recording.calls[index].failed)


def _taking_input_unbatched(recording: Recording) -> Iterator[int]:
    ranks = {len(given.shape) for given in recording.inputs}
    for index, (call, module) in enumerate(zip(recording.calls, recording.modules, strict=True)):
        # What is quickest to be asked comes first, and hardly any call is left: every layer of every model is asked.
        if not call.inputs or len(shape := call.inputs[0].shape) not in ranks or not isinstance(module, CONVOLUTIONS):
            continue
        if len(shape) == len(module.kernel_size) + 1 and any(shape == given.shape for given in recording.inputs):
            yield index


def _misses_batch(recording: Recording) -> bool:
    """Whether a later layer could not take something that it can if the input is a batch of one."""
    for finding in recording.findings:
        misfit, shape = finding.misfit, finding.inputs[0].shape if finding.inputs else ()
        # Flattened, or with a mean over its steps for each channel, one sample has the features that are declared.
        if misfit.kind == "in_features" and len(shape) > 1 and misfit.declared in (prod(shape), shape[0]):
            return True
        if misfit.kind == "structure" and misfit.note == "rank" and len(shape) == misfit.declared - 1:
            return "Norm" in finding.layer
    return False


def has_unbatched_convolution(recording: Recording) -> bool:
    """Whether a convolution took a model input, batch and all, for one sample without a batch."""
    return any(True for _ in _taking_input_unbatched(recording))


def _output_shapes(recording: Recording) -> list[Shape]:
    return [found.shape for found in recording.outputs]


def _loses_batch(recording: Recording, index: int, call: Call, batch: object, *, batch_added: bool) -> bool:
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
        )
    # flatten(x) or view(1, -1): the batch went into the features.
    into_features = (len(made) == 1 and len(given) > 2) or (len(made) == 2 and made[0] == 1 and batch != 1)
    linear = _linear_behind(recording, index) if into_features else None
    if linear is None or (len(made) == 1 and batch == 1 and not batch_added):
        return False
    if not completed or all(len(shape) == len(made) for shape in _output_shapes(recording)):
        return True
    # Something of another rank was made of the one row. All that is given may belong together, unless it is a batch
    # for sure or the Linear was to get one sample.
    is_wrong = made[-1] != linear.in_features and (batch_added or linear.in_features == prod(given[1:]))
    return is_wrong and len(made) == 2 and all(shape[:1] == (1,) for shape in _output_shapes(recording))


def _has_time_first(recording: Recording, call: Call) -> bool:
    """Whether what a call takes comes out of a layer of sequences that takes time first: so did what was given."""
    source = past_single_joins(call.sources[0], recording.joins) if call.sources else UNSEEN
    module = recording.modules[source.number] if source.kind is SourceKind.CALL else None
    return isinstance(module, nn.RNNBase | nn.MultiheadAttention) and not module.batch_first


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


def _misses_time(recording: Recording, index: int) -> bool:
    """Whether something behind a call has too few axes, or would get the batch for a number of features."""
    behind, _ = _behind(recording, index)
    failure, (batch, *_) = recording.failure, recording.calls[index].inputs[0].shape
    if failure is not None and failure.refused and failure.call in behind:
        return OPS.called(failure.function).family in _NAMES_AXES
    return any(
        finding.call in behind
        and finding.inputs
        and (len(finding.inputs[0].shape) < 2 or (finding.misfit.changes and finding.misfit.required == batch))
        for finding in recording.findings
    )


def _never_comes_back(recording: Recording, batch: object, rows: object) -> bool:
    shapes = [shape for shape in _output_shapes(recording) if shape]
    return bool(shapes) and any(shape[0] == rows for shape in shapes) and all(shape[0] != batch for shape in shapes)


def _meets_batch(recording: Recording, index: int, batch: object, rows: object) -> bool:
    """Whether what a call made meets a tensor that still has the batch, as in a loss, where the two do not go together.

    A batch of one stretches to every number of rows: there nothing refuses the two.  In a loss that is a mistake, in
    other arithmetic it is taken for one where the model is not right anyway.
    """
    refused = {finding.call for finding in recording.findings if finding.misfit.kind == "operands"}
    if recording.failure is not None and recording.failure.refused:
        refused.add(recording.failure.call)
    behind, comes_from_it = _behind(recording, index)
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
    return (recording.calls[source.number].output_shape or ()) if source.kind is SourceKind.CALL else ()


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


def _fits_as_made(recording: Recording, index: int, call: Call) -> bool:
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


def _should_flatten(recording: Recording, index: int, call: Call) -> bool:
    """A Linear over the last axis of a feature map, in a model whose output keeps that rank.

    Over the last axis of three it may be meant: the time of a signal.  And what a convolution, a
    normalization over channels or a residual sum works on afterwards was never to be flattened.
    """
    if not call.inputs or len(call.inputs[0].shape) < 4 or not call.sources:
        return False
    given = call.inputs[0].shape
    if not is_feature_map(recording, call.sources[0], len(given)):
        return False
    shapes = _output_shapes(recording)
    if not shapes or not all(len(shape) == len(given) and shape[:-1] == given[:-1] for shape in shapes):
        return False
    return not _stays_feature_map(recording, index)


def _was_to_be_flattened(recording: Recording, finding: Finding) -> bool:
    """Whether a Linear that a feature map does not fit was meant to get it flattened, or another tensor was."""
    shape, declared = finding.inputs[0].shape, finding.misfit.declared
    if _stays_feature_map(recording, finding.call, is_exact=finding.misfit.detail["flat"] == declared):
        return False
    if not is_feature_map(recording, finding.source, len(shape)):
        return not _stays_sequence(recording, finding.call)
    if len(shape) > 3:
        return True
    # Over the last axis of three a Linear may be meant; the nearer number tells.
    flat, last = finding.misfit.detail["flat"], shape[-1]
    if not isinstance(last, int):  # a letter may be just what was declared
        return False
    if declared == shape[1]:
        return True
    if not isinstance(flat, int):  # in letters no number is nearer
        return False
    return bool(max(flat, declared) * min(last, declared) <= max(last, declared) * min(flat, declared))


def _stays_sequence(recording: Recording, index: int) -> bool:
    """Whether something behind a call takes its result for a sequence, or joins it with a tensor of as many axes."""
    behind, comes_from_it = _behind(recording, index)
    if any(isinstance(recording.modules[later], _OF_SEQUENCES) for later in behind):
        return True
    rank = len(recording.calls[index].inputs[0].shape)
    joined = [recording.calls[later] for later in behind if recording.calls[later].is_function]
    shapes = (
        info.shape
        for call in joined
        for info, source in zip(call.inputs, call.sources, strict=False)
        if not comes_from_it(source)
    )
    met = (source for join in recording.joins if any(map(comes_from_it, join.sources)) for source in join.sources)
    others = (past_joins(source, recording.joins) for source in met if not comes_from_it(source))
    made = (recording.calls[source.number].output_shape for source in others if source.kind is SourceKind.CALL)
    return any(shape is not None and len(shape) == rank for shape in chain(shapes, made))


def _behind(
    recording: Recording, index: int, *, without: Set[int] = frozenset()
) -> tuple[set[int], Callable[[Source], bool]]:
    """The calls that get what one returns, at once or further on, and whether a tensor comes of it.

    ``without``: calls that are not followed, nor are the modules around them.
    """
    own = _with_inner(recording, index)
    reached = set(own)

    def comes_from_it(source: Source) -> bool:
        if source.kind is SourceKind.JOIN:
            return any(map(comes_from_it, recording.into(source)))
        return source.kind is SourceKind.CALL and source.number in reached

    for later, call in enumerate(recording.calls[index + 1 :], index + 1):
        if any(map(comes_from_it, call.sources)):
            made = _with_inner(recording, later)
            reached |= made if made.isdisjoint(without) else set()
    return reached - own, comes_from_it


def _with_inner(recording: Recording, index: int) -> set[int]:
    """A call and those inside it: what it returns was made by the last of them."""
    return set(range(index - recording.calls[index].inner, index + 1))


def _stays_feature_map(recording: Recording, index: int, *, is_exact: bool = False) -> bool:
    """Whether something behind a call takes its result for a feature map, or adds one to it.

    ``is_exact``: flattened, what reaches the call has just the features that are declared.
    """
    behind, comes_from_it = _behind(recording, index)
    ends = _taken_for_rows(recording, index, behind)
    if not ends and any(found.shape == given.shape for found in recording.outputs for given in recording.inputs):
        return True
    as_it_is, _ = _behind(recording, index, without=ends)
    if any(_takes_feature_map(recording, later, is_exact=is_exact) for later in as_it_is):
        return True
    rank = len(recording.calls[index].inputs[0].shape)
    for join in recording.joins:
        arms = [source for source in join.sources if source.is_made]
        others = [source for source in arms if not comes_from_it(source)]
        if len(others) < len(arms) and any(is_feature_map(recording, source, rank) for source in others):
            return True
    return False


def _taken_for_rows(recording: Recording, index: int, behind: Set[int]) -> set[int]:
    """The calls behind one that ask for features without places: with a map they make images of its places, or stop."""
    places = len(recording.calls[index].inputs[0].shape) - 2
    ends = {later for later in behind if _makes_images_of_rows(recording, later)}
    for finding in recording.findings:
        misfit = finding.misfit
        if finding.layer and finding.call in behind and misfit.kind == "structure" and misfit.note == "rank":
            # Axes were added for the places that features do not have: as many are too many.
            ends |= {finding.call} if misfit.required - misfit.declared == places else set()
    return ends


def _makes_images_of_rows(recording: Recording, index: int) -> bool:
    """Whether a view makes an image of what each place of a map has: of each a sample for good, or it refuses that."""
    call = recording.calls[index]
    if not call.is_function or not call.inputs or not call.outputs or not OPS.named(call.type).keeps_memory_order:
        return False
    given, made = call.inputs[0].shape, call.outputs[0].shape
    if len(given) < 3 or len(made) < 3 or prod(made[1:]) != given[-1] or prod(given[1:-1]) == 1:
        return False
    if call.stood_in:
        return made[0] == given[0]
    return made[0] != given[0] and any(shape[:1] == made[:1] for shape in _output_shapes(recording))


def _takes_feature_map(recording: Recording, index: int, *, is_exact: bool) -> bool:
    call, module = recording.calls[index], recording.modules[index]
    if isinstance(module, nn.BatchNorm1d | nn.InstanceNorm1d) and len(call.inputs[0].shape) > 3:
        return False  # made for what is flat, and wrong there
    if isinstance(module, nn.BatchNorm1d) and len(call.inputs[0].shape) == 3:
        # It takes (N, C) as well, as a flatten in front of the Linear would have made it: here C is the last axis.
        _, channels, features = call.inputs[0].shape
        if module.num_features == features and (is_exact or channels != features):
            return False
    return recording.rule(index).makes_feature_map or (call.is_function and OPS.called(call.type).makes_feature_map)
