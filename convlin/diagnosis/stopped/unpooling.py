"""The pass stopped at an unpooling: rows or columns that pooling left out at the end are missing."""

from __future__ import annotations

import re
from typing import NamedTuple

from convlin.diagnosis.messages import first_line, times
from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import Call, Location, Shape
from convlin.trace.recording import Failure, Recording
from convlin.trace.unpooling import OutsideError

#: How unpooling says that an index lies outside of what it makes.
_BEYOND_OUTPUT = re.compile(r"[Ii]nvalid max(?:imum)? ind")


class Told(NamedTuple):
    """What is said of a pass that stopped, and what to write."""

    message: str
    fix: str
    where: Location | None = None
    """The line to change, where that is not the one that stopped."""


def too_small(recording: Recording, failure: Failure, said: str) -> Told | None:
    """Which unpooling needs ``output_size=``, and which; None where that is not what stopped the pass."""
    call = recording.calls[failure.call] if failure.call >= 0 else None
    if call is None or recording.family(failure.call) is not Family.UNPOOL:
        return None
    is_outside = isinstance(failure.error, OutsideError)
    pool = _pool(recording, call)
    if pool is None or pool.input_shape is None:
        return None
    if is_outside or _BEYOND_OUTPUT.search(first_line(failure.error)):
        seen = "with other values an index lies outside of it" if is_outside else said
        told = f"the indices come from {times(pool.input_shape)}, the input of {_name(pool)}, and the output is smaller"
        return Told(f"{call.type}: {told}\n{seen}", _advice(call, pool, pool.input_shape))
    return _in_front(recording, call, said)


def _in_front(recording: Recording, call: Call, said: str) -> Told | None:
    """Another unpooling on the way, which gave less than the indices here belong to."""
    if len(call.inputs) < 2 or not call.sources:
        return None
    arrived, indices = (info.shape for info in call.inputs[:2])
    spatial = _spatial_dims(call)
    for index in recording.on_the_way(call.sources[0]):
        other = recording.calls[index]
        pool = _pool(recording, other) if recording.family(index) is Family.UNPOOL else None
        if pool is None or pool.input_shape is None or other.output_shape is None:
            continue
        if pool.input_shape[-spatial:] != indices[-spatial:] or other.output_shape[-spatial:] != arrived[-spatial:]:
            return None
        told = (
            f"{call.type}: {times(arrived)} arrived, and the indices are {times(indices)}\n"
            f"{_name(other)} gave {times(other.output_shape)}, where {_name(pool)} had been given "
            f"{times(pool.input_shape)}"
        )
        return Told(f"{told}\n{said}", _advice(other, pool, pool.input_shape), recording.line_of(index))
    return None


def _pool(recording: Recording, unpooling: Call) -> Call | None:
    """What made the indices."""
    return recording.maker(unpooling.sources[1]) if len(unpooling.sources) > 1 else None


def _name(call: Call) -> str:
    return call.type if call.is_function else call.path


def _spatial_dims(unpooling: Call) -> int:
    """How many axes its windows have: a layer keeps its kernel size for each."""
    if unpooling.is_function:
        return OPS.called(unpooling.type).spatial_dims
    return len(unpooling.settings["kernel_size"])


def _advice(unpooling: Call, pool: Call, pooled: Shape) -> str:
    return f"pass output_size={tuple(pooled[-_spatial_dims(unpooling) :])}, the size that {_name(pool)} was given"
