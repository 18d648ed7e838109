"""Whether a Linear over the last axis of a feature map was meant to get it flattened."""

from __future__ import annotations

from collections.abc import Set
from itertools import chain
from math import prod

from torch import nn

from convlin.ops.catalog import OPS
from convlin.records import Call, past_joins
from convlin.trace.axes import is_feature_map
from convlin.trace.recording import Finding, Recording

#: They take a sequence; two axes as well, but then no batch.
_OF_SEQUENCES = (
    nn.RNNBase,
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
    nn.Transformer,
)


def should_flatten(recording: Recording, index: int, call: Call) -> bool:
    """A Linear over the last axis of a feature map, in a model whose output keeps that rank.

    Over the last axis of three it may be meant: the time of a signal.  And what a convolution, a
    normalization over channels or a residual sum works on afterwards was never to be flattened.
    """
    if not call.inputs or len(call.inputs[0].shape) < 4 or not call.sources:
        return False
    given = call.inputs[0].shape
    if not is_feature_map(recording, call.sources[0], len(given)):
        return False
    shapes = recording.output_shapes
    if not shapes or not all(len(shape) == len(given) and shape[:-1] == given[:-1] for shape in shapes):
        return False
    return not _stays_feature_map(recording, index)


def was_to_be_flattened(recording: Recording, finding: Finding) -> bool:
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
    behind, comes_from_it = recording.downstream(index)
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
    others = (recording.maker(past_joins(source, recording.joins)) for source in met if not comes_from_it(source))
    made = (maker.output_shape for maker in others if maker is not None)
    return any(shape is not None and len(shape) == rank for shape in chain(shapes, made))


def _stays_feature_map(recording: Recording, index: int, *, is_exact: bool = False) -> bool:
    """Whether something behind a call takes its result for a feature map, or adds one to it.

    ``is_exact``: flattened, what reaches the call has just the features that are declared.
    """
    behind, comes_from_it = recording.downstream(index)
    ends = _taken_for_rows(recording, index, behind)
    if not ends and any(found.shape == given.shape for found in recording.outputs for given in recording.inputs):
        return True
    as_it_is, _ = recording.downstream(index, without=ends)
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
    return made[0] != given[0] and any(shape[:1] == made[:1] for shape in recording.output_shapes)


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
