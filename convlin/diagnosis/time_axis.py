"""A layer that takes time first and is given the batch first: nothing refuses that, and samples are mixed."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from convlin.records import Source, SourceKind
from convlin.sizes.spell import spell_shape
from convlin.trace.recording import Recording

#: Layers that leave the first axes where they are.
_KEEPS_FIRST_AXES = (nn.Embedding, nn.Linear, nn.LayerNorm, nn.Dropout)


def remarks(recording: Recording) -> Iterator[str]:
    """The first layer that reads the batch, which is in front of every input of the pass, as time."""
    for call, module in zip(recording.calls, recording.modules, strict=True):
        if not isinstance(module, nn.RNNBase | nn.MultiheadAttention) or module.batch_first or not call.inputs:
            continue
        shape, sources = call.inputs[0].shape, call.sources
        # A transpose of axes that are equally long changes no shape, and is not seen.
        if len(shape) == 3 and shape[0] not in shape[1:] and sources and _has_batch_first(recording, sources[0]):
            kind = type(module).__name__
            yield (
                f"{call.path or kind}: {kind} without batch_first=True takes time first: of {spell_shape(shape)} "
                f"it reads {shape[0]}, the batch, as time, and {shape[1]} as the batch (if your model takes time "
                "first, pass a tensor in place of the shape)"
            )
            return


def _has_batch_first(recording: Recording, source: Source) -> bool:
    """Whether an input of the model arrives with its axes where they were, as far as that is certain."""
    while source.is_made:
        if source.kind is SourceKind.JOIN:
            sources = recording.joins[source.number].sources
        elif isinstance(recording.modules[source.number], _KEEPS_FIRST_AXES):
            sources = recording.calls[source.number].sources
        else:
            return False
        if not sources:
            return False
        source = sources[0]
    return source.kind is SourceKind.INPUT
