"""A layer of sequences that reads the batch as time: nothing refuses that, and samples are mixed."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from convlin.layers import rule_for
from convlin.ops.catalog import OPS
from convlin.records import Source, SourceKind, past_single_joins
from convlin.sizes.spell import spell_shape
from convlin.trace.axes import is_batch_first
from convlin.trace.recording import Recording

#: Layers that leave the first axes where they are.
_KEEPS_FIRST_AXES = (nn.Embedding, nn.Linear, nn.LayerNorm, nn.Dropout)


def remarks(recording: Recording) -> Iterator[str]:
    """The first layer that reads the batch, which is in front of every input of the pass, as time."""
    for _, call, module in recording.calls_of(nn.RNNBase, nn.MultiheadAttention):
        if module.batch_first or not call.inputs:
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
    for index in reading_the_batch(recording, batch_added=True):
        call = recording.calls[index]
        if not call.stood_in:
            kind, shape = call.type, call.inputs[0].shape
            yield (
                f"{call.path or kind}: {kind} takes {spell_shape(shape)} for one sequence without a batch: it reads "
                f"{shape[0]}, the batch, as time"
            )
            return


def mixed(recording: Recording) -> Iterator[str]:
    """Views that make one row for each sample of what a recurrent layer gives with another axis in front.

    ``h_n`` has its layers and directions there, and the output of a layer without ``batch_first`` has time: the
    elements of one sample do not lie together, and no row is that of one.
    """
    for call in recording.calls if any(recording.calls_of(nn.RNNBase)) else ():
        if not OPS.called(call.type).keeps_memory_order or len(call.inputs) != 1 or not call.sources:
            continue
        source = past_single_joins(call.sources[0], recording.joins)
        module = recording.module_of(source)
        if not isinstance(module, nn.RNNBase):
            continue
        given, made = call.inputs[0].shape, call.output_shape or ()
        output, *states = (info.shape for info in recording.calls[source.number].outputs)
        which = "" if given == output else "the last state of " if given in states else None
        if which is None or (not which and module.batch_first) or len(given) != 3 or given[0] == 1:
            continue
        if len(made) != 2 or made[0] not in (given[1], given[0] * given[1]):
            continue
        path = recording.calls[source.number].path or type(module).__name__
        if made[0] == given[1]:
            told = "each row is made of several samples; write .transpose(0, 1).flatten(1)"
        elif which and any(shape[:1] == made[:1] for shape in recording.output_shapes):  # and it never comes back
            last = "torch.cat([h[-2], h[-1]], 1)" if module.bidirectional else "h[-1]"
            told = f"there are {given[0]} rows for each sample; of a state h, {last} is that of the last layer"
        else:
            continue
        at = f" at {call.where.text}" if call.where is not None else ""
        of_batch = f"{which}{path}: its axis 1 is the batch, so that {told}"
        yield f"{call.type}{at} makes {spell_shape(made)} of {spell_shape(given)}, {of_batch}"
        return


def reading_the_batch(recording: Recording, *, batch_added: bool) -> list[int]:
    """The calls of layers of sequences that take a tensor without steps, whose first axis is the batch."""
    kinds = {kind for kind in set(map(type, recording.modules)) if rule_for(kind).takes_sequences}
    if not kinds:
        return []
    found = [
        index
        for index, (call, module) in enumerate(zip(recording.calls, recording.modules, strict=True))
        if type(module) in kinds and call.inputs and len(call.inputs[0].shape) == 2 and call.sources
    ]
    # An attention inside such a layer is called with what this was called with.
    around = {recording.calls[index].path for index in found}
    return [
        index
        for index in found
        if not any(recording.calls[index].path.startswith(f"{path}.") for path in around)
        and is_batch_first(
            recording,
            recording.calls[index].sources[0],
            recording.calls[index].inputs[0].shape,
            batch_added=batch_added,
        )
    ]


def _has_batch_first(recording: Recording, source: Source) -> bool:
    """Whether an input of the model arrives with its axes where they were, as far as that is certain."""
    while source.is_made:
        keeps = source.kind is SourceKind.JOIN or isinstance(recording.modules[source.number], _KEEPS_FIRST_AXES)
        if not keeps or not recording.into(source):
            return False
        source = recording.into(source)[0]
    return source.kind is SourceKind.INPUT
