"""Mistakes that raise nothing: found afterwards, in what a pass recorded.

All of these have innocent look-alikes (window attention, time folded into the batch, a Linear over
the last axis), so each asks for the one sign that the innocent ones do not show: the batch never
comes back, down to the model's output.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from torch import nn

from convlin.layers import PLAIN, Misfit
from convlin.ops.catalog import OPS
from convlin.records import UNSEEN, Shape, Source, SourceKind
from convlin.trace.lost_batch import folded, matching, of_flatten
from convlin.trace.recording import Event, Finding, Fold, Recording, Suspects, is_feature_map
from convlin.trace.state import printed


def suspects(recording: Recording, *, batch_added: bool) -> Suspects:
    """What in this recording is a mistake although no function refused it."""
    if not recording.inputs or not recording.inputs[0].shape:
        return Suspects()
    samples = () if batch_added else tuple(_took_one_sample(recording))
    batch = recording.inputs[0].shape[0]
    folds = {
        _fold(event, keeps_channels=_fits_as_made(recording, index, event))
        for index, event in enumerate(recording.events)
        if _may_fold(event)
        # Without a batch there is none to lose.
        if not samples
        if _loses_batch(recording, index, event, batch, batch_added=batch_added)
    }
    unflattened = {
        event.path
        for index, event in enumerate(recording.events)
        if isinstance(event.module, nn.Linear) and not event.stood_in and _should_flatten(recording, index, event)
    }
    unflattened |= {
        finding.path
        for finding in recording.findings
        if "flat" in finding.misfit.detail and _was_to_be_flattened(recording, finding)
    }
    took = frozenset(recording.events[index].path for index in samples if not recording.events[index].stood_in)
    unbatched = took if _misses_batch(recording) else frozenset()
    return Suspects(frozenset(folds), frozenset(unflattened), unbatched)


def findings(recording: Recording, *, batch_added: bool) -> list[Finding]:
    """The same as findings, for a pass in which nothing may stand in."""
    found = suspects(recording, batch_added=batch_added)
    told: list[Finding] = []
    taken = set(_took_one_sample(recording)) if found.unbatched else set()
    for index, event in enumerate(recording.events):
        if not event.inputs:
            continue
        shape = event.inputs[0].shape
        source = event.sources[0] if event.sources else UNSEEN
        if _may_fold(event) and _fold(event) in found.folds:
            made = event.outputs[0].shape
            misfit = folded(matching(_fold(event), found.folds) or _fold(event), None, made)
            if isinstance(event.module, nn.Flatten):
                told.append(_of_layer(of_flatten(misfit), event, index, source))
                continue
            where = event.where if event.is_function else event.called_at
            told.append(Finding(misfit, event.path, index, event.inputs, source, "", event.type, where))
        elif index in taken:
            misfit = Misfit("structure", len(shape) + 1, len(shape), "one_sample", {"shape": shape})
            told.append(_of_layer(misfit, event, index, source))
        elif event.path in found.unflattened and isinstance(event.module, nn.Linear):
            misfit = Misfit("structure", event.module.in_features, prod(shape[1:]), "flatten", {"rank": len(shape)})
            told.append(_of_layer(misfit, event, index, source))
    return told


def _may_fold(event: Event) -> bool:
    """A reshape, or a module of the user's own that may be one."""
    if not event.inputs or not event.outputs or event.stood_in:
        return False
    if event.is_function:
        return OPS.named(event.type).keeps_memory_order
    return isinstance(event.module, nn.Flatten) or (event.rule is PLAIN and not event.inner)


def _fold(event: Event, *, keeps_channels: bool = False) -> Fold:
    if event.is_function:
        return Fold(event.type, event.where, event.path, event.inputs[0].shape, keeps_channels)
    return Fold("", None, event.path, event.inputs[0].shape, keeps_channels)


def _of_layer(misfit: Misfit, event: Event, index: int, source: Source) -> Finding:
    assert event.module is not None
    return Finding(
        misfit, event.path, index, event.inputs, source, printed(event.module),
        where=event.called_at, called_as=event.called_as, is_model_input=not source.is_made,
    )  # fmt: skip


def _took_one_sample(recording: Recording) -> Iterator[int]:
    """The convolutions that took an input of the model for one sample without a batch."""
    for index, event in enumerate(recording.events):
        module = event.module
        if not isinstance(module, nn.modules.conv._ConvNd) or not event.inputs or event.failed:
            continue
        shape = event.inputs[0].shape
        if len(shape) == len(module.kernel_size) + 1 and any(shape == given.shape for given in recording.inputs):
            yield index


def _misses_batch(recording: Recording) -> bool:
    """Whether a later layer could not take something that it can if the input is a batch of one."""
    for finding in recording.findings:
        misfit, shape = finding.misfit, finding.inputs[0].shape if finding.inputs else ()
        if misfit.kind == "in_features" and len(shape) > 1 and prod(shape) == misfit.declared:
            return True
        if misfit.kind == "structure" and misfit.note == "rank" and len(shape) == misfit.declared - 1:
            return "Norm" in finding.layer
    return False


def has_unbatched_convolution(recording: Recording) -> bool:
    """Whether a convolution took a model input, batch and all, for one sample without a batch."""
    return any(
        isinstance(event.module, nn.modules.conv._ConvNd)
        and event.inputs
        and len(event.inputs[0].shape) == len(event.module.kernel_size) + 1
        and any(event.inputs[0].shape == given.shape for given in recording.inputs)
        for event in recording.events
    )


def _output_shapes(recording: Recording) -> list[Shape]:
    return [found.shape for found in recording.outputs]


def _loses_batch(recording: Recording, index: int, event: Event, batch: object, *, batch_added: bool) -> bool:
    given, made = event.inputs[0].shape, event.outputs[0].shape
    if len(given) < 2 or given[0] != batch:
        return False
    completed = _is_completed(recording)
    if len(given) == 2 and len(made) > 2 and event.is_function and made[0] != batch:
        return completed and _comes_from_linear(recording, event) and _never_comes_back(recording, batch, made[0])
    if len(made) == 2 and made[0] != batch and made[0] != 1:
        linear = _linear_behind(recording, index)
        if linear is None:
            return False
        # A Linear that declares the features of one sample was to get them.
        wants_sample = linear.in_features == prod(given[1:]) != made[-1]
        if not wants_sample and _is_meant(recording, event, given, made, strictly=completed):
            return False
        return not completed or _never_comes_back(recording, batch, made[0])
    # flatten(x) or view(1, -1): the batch went into the features.
    into_features = (len(made) == 1 and len(given) > 2) or (len(made) == 2 and made[0] == 1 and batch != 1)
    if not into_features or _linear_behind(recording, index) is None:
        return False
    if len(made) == 1 and batch == 1 and not batch_added:
        return False
    return not completed or all(len(shape) == len(made) for shape in _output_shapes(recording))


def _is_completed(recording: Recording) -> bool:
    """The model ran to its end; in a watched block something behind it may have failed."""
    return recording.failure is None or bool(recording.outputs)


def _is_meant(recording: Recording, event: Event, given: Shape, made: Shape, *, strictly: bool) -> bool:
    """Merging whole axes into the rows is a common thing to do, unless the channels of a feature map go there.

    ``strictly`` where the end of the pass was seen: it tells whether the rows come back as samples.
    """
    tails = {prod(given[axis:]) for axis in range(1, len(given))}
    if made[-1] not in tails:
        return False
    if not strictly:
        return True
    source = event.sources[0] if event.sources else UNSEEN
    return not (is_feature_map(recording, source, len(given)) and made[-1] == prod(given[2:]))


def _never_comes_back(recording: Recording, batch: object, rows: object) -> bool:
    shapes = [shape for shape in _output_shapes(recording) if shape]
    return bool(shapes) and any(shape[0] == rows for shape in shapes) and all(shape[0] != batch for shape in shapes)


def _linear_behind(recording: Recording, index: int) -> nn.Linear | None:
    """The Linear that takes what the event made, at once or behind layers that keep the shape."""
    reached = {index}
    for later, event in enumerate(recording.events[index + 1 :], index + 1):
        if not event.sources or event.sources[0] not in map(Source.call, reached):
            continue
        if isinstance(event.module, nn.Linear):
            return event.module
        if event.inputs and event.outputs and event.inputs[0].shape == event.outputs[0].shape:
            reached.add(later)
    return None


def _comes_from_linear(recording: Recording, event: Event) -> bool:
    """Whether a Linear made what the event takes, at once or in front of layers that keep the shape."""
    while event.sources and event.sources[0].kind is SourceKind.CALL:
        event = recording.events[event.sources[0].number]
        if isinstance(event.module, nn.Linear):
            return True
        if not event.inputs or not event.outputs or event.inputs[0].shape != event.outputs[0].shape:
            return False
    return False


def _fits_as_made(recording: Recording, index: int, event: Event) -> bool:
    """Whether the layer that takes an image has as many channels as were made."""
    reached = next((later for later in recording.events[index + 1 :] if Source.call(index) in later.sources), None)
    made = event.outputs[0].shape
    return reached is not None and len(made) > 2 and getattr(reached.module, "in_channels", None) == made[1]


def _should_flatten(recording: Recording, index: int, event: Event) -> bool:
    """A Linear over the last axis of a feature map, in a model whose output keeps that rank.

    Over the last axis of three it may be meant: the time of a signal.  And what a convolution, a
    normalisation over channels or a residual sum works on afterwards was never to be flattened.
    """
    if not event.inputs or len(event.inputs[0].shape) < 4 or not event.sources:
        return False
    given = event.inputs[0].shape
    if not is_feature_map(recording, event.sources[0], len(given)):
        return False
    shapes = _output_shapes(recording)
    if not shapes or not all(len(shape) == len(given) and shape[:-1] == given[:-1] for shape in shapes):
        return False
    return not _stays_feature_map(recording, index)


def _was_to_be_flattened(recording: Recording, finding: Finding) -> bool:
    """Whether a Linear that a feature map does not fit was meant to get it flattened."""
    shape, declared = finding.inputs[0].shape, finding.misfit.declared
    if _stays_feature_map(recording, finding.event):
        return False
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


def _stays_feature_map(recording: Recording, index: int) -> bool:
    """Whether something behind an event takes its result for a feature map, or adds one to it."""
    if any(found.shape == given.shape for found in recording.outputs for given in recording.inputs):
        return True
    reached = {index}

    def comes_from_it(source: Source) -> bool:
        if source.kind is SourceKind.JOIN:
            return any(map(comes_from_it, recording.joins[source.number].sources))
        return source.kind is SourceKind.CALL and source.number in reached

    for later, event in enumerate(recording.events[index + 1 :], index + 1):
        if any(map(comes_from_it, event.sources)):
            reached.add(later)
            if _takes_feature_map(event):
                return True
    for join in recording.joins:
        arms = [source for source in join.sources if source.is_made]
        others = [source for source in arms if not comes_from_it(source)]
        rank = len(recording.events[index].inputs[0].shape)
        if len(others) < len(arms) and any(is_feature_map(recording, source, rank) for source in others):
            return True
    return False


def _takes_feature_map(event: Event) -> bool:
    if isinstance(event.module, nn.BatchNorm1d | nn.InstanceNorm1d) and len(event.inputs[0].shape) > 3:
        return False  # made for what is flat, and wrong there
    return event.rule.makes_feature_map or (event.is_function and OPS.called(event.type).makes_feature_map)
