"""A pooling of two axes behind layers of one: it takes a batch of sequences for one image, and pools the channels."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from convlin.sizes.spell import spell_shape
from convlin.trace.recording import Recording

_POOLS = (nn.MaxPool2d, nn.AvgPool2d)
#: What makes ``(N, C, L)``, or hands it on.
_OF_ONE_AXIS = (nn.Conv1d, nn.ConvTranspose1d, nn.BatchNorm1d, nn.MaxPool1d, nn.AvgPool1d)


def remarks(recording: Recording) -> Iterator[str]:
    """Said as a remark, since nothing refuses it and some models mean it."""
    for index, call, module in recording.calls_of(*_POOLS):
        if not call.inputs or not call.sources:
            continue
        shape = call.inputs[0].shape
        if len(shape) != 3 or not _made_by_one_axis(recording, index, shape):
            continue
        kind = type(module).__name__
        yield (
            f"{call.path}: {kind} takes {spell_shape(shape)}, N×C×L, for one image of {spell_shape(shape[:1])} channels"
            f" and pools the {spell_shape(shape[1:2])} channels as well; {kind.replace('2d', '1d')} pools L alone"
        )


def _made_by_one_axis(recording: Recording, index: int, shape: tuple[object, ...]) -> bool:
    on_the_way = recording.on_the_way(recording.calls[index].sources[0])
    return any(
        isinstance(recording.modules[before], _OF_ONE_AXIS) and recording.calls[before].output_shape == shape
        for before in on_the_way
    )
