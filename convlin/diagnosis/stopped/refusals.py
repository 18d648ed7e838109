"""Why a function or layer refused what reached it, in sizes and names, beside PyTorch's own words."""

from __future__ import annotations

import re

from convlin.arithmetic import SizeError
from convlin.derivations.arguments import spread
from convlin.diagnosis.messages.tools import called, code, times
from convlin.layers import AXIS_GIVEN, GIVEN
from convlin.ops.catalog import GATHER, OPS, PERMUTE
from convlin.ops.op import Family
from convlin.ops.windows import RESIZES
from convlin.records import Call, SourceKind
from convlin.trace.einops_errors import is_of_einops
from convlin.trace.recording import Failure, Recording

#: What returns the indices that an unpooling takes, where it is asked to.
_POOLS = (Family.POOL, Family.ADAPTIVE_POOL, Family.FRACTIONAL_POOL)
#: What a layer has none of does nothing.
_AT_LEAST_ONE = ("out_channels", "kernel_size", "stride", "dilation")
#: How einops says that an axis cannot be divided.
_CHUNKS = re.compile(r"divide axis of length (\d+) in chunks of (\d+)")
#: How ``pack_padded_sequence`` says that there are not as many lengths as sequences.
_LENGTHS = re.compile(r"len\(lengths\).* got (\d+) \(batch_size=(\d+)\)")


def reason(recording: Recording, failure: Failure) -> str:
    """What is wrong, where the shapes and arguments tell; empty where they do not."""
    if failure.call < 0:
        return ""
    call = recording.calls[failure.call]
    return (
        _unpooled(recording, failure, call)
        or _of_nothing(recording, failure)
        or _of_axes(call)
        or _without_room(call)
        or _divided(recording, failure, call)
        or _packed(failure)
        or _of_rank(failure)
        or _gathered(call)
        or (_interpolated(call) if recording.family(failure.call) is Family.RESIZE else "")
    )


def _of_nothing(recording: Recording, failure: Failure) -> str:
    """A layer that was made with a 0 where there has to be something: ``channels // 16`` of 8 channels, say."""
    module = recording.modules[failure.call]
    given = {name: getattr(module, name, None) for name in _AT_LEAST_ONE}
    nothing = [f"{name}={code(value)}" for name, value in given.items() if _holds_zero(value)]
    return f"{type(module).__name__} is made with {' and '.join(nothing)}" if nothing else ""


def _holds_zero(setting: object) -> bool:
    return any(type(each) is int and each == 0 for each in (setting if isinstance(setting, tuple) else (setting,)))


def _of_axes(call: Call) -> str:
    """A ``permute`` that names more or fewer axes than there are."""
    if OPS.called(call.type) is not PERMUTE or not call.is_function or not call.inputs:
        return ""
    dims, shape = spread(call, "dims"), call.inputs[0].shape
    if not dims or len(dims) == len(shape):
        return ""
    return f"permute names {len(dims)} axes, ({', '.join(map(str, dims))}), and {times(shape)} has {len(shape)}"


def _without_room(call: Call) -> str:
    """A window that is larger than the map, as the formula for the shape says it."""
    if call.derive is None or not call.inputs:  # None arrived, of a block without a return
        return ""
    try:
        call.derive(call)
    except SizeError as error:
        return str(error) if error.minimum is not None else ""
    except (ValueError, TypeError, KeyError):  # other arguments than the formula is for
        return ""
    return ""


def _unpooled(recording: Recording, failure: Failure, call: Call) -> str:
    """Indices in the place of the tensor, or those of another pool."""
    if recording.family(failure.call) is not Family.UNPOOL or len(call.inputs) < 2:
        return ""
    first, second = call.inputs[:2]
    if "int" in first.dtype and "int" not in second.dtype:
        return f"{call.type} takes the tensor first and its indices second: here the indices come first"
    if "int" not in second.dtype or first.shape == second.shape:
        return ""
    made = [each for at, each in enumerate(recording.calls[: failure.call]) if _indices(recording, at) == first.shape]
    source = call.sources[1] if len(call.sources) > 1 else None
    if len(made) != 1 or source is None or source.kind is not SourceKind.CALL:
        return ""
    own = recording.calls[source.number]
    if _indices(recording, source.number) != second.shape or own is made[0]:
        return ""
    return (
        f"these are the indices of {_name(own)}, given {times(own.inputs[0].shape)}; those that go with "
        f"{times(first.shape)} are of {_name(made[0])}, given {times(made[0].inputs[0].shape)}"
    )


def _indices(recording: Recording, index: int) -> tuple[object, ...] | None:
    """The shape of the indices that a call made, where it is one of a pool."""
    pool = recording.calls[index]
    found = [info.shape for info in pool.outputs[1:2] if "int" in info.dtype]
    return tuple(found[0]) if found and pool.inputs and recording.family(index) in _POOLS else None


def _name(call: Call) -> str:
    return called(call.type) if call.is_function else call.path or call.type


def _divided(recording: Recording, failure: Failure, call: Call) -> str:
    """Which layer makes an axis that a pattern of einops' cannot divide, and what would be divided."""
    found = _CHUNKS.search(str(failure.error))
    if not is_of_einops(failure.error) or found is None or len(call.inputs) != 1 or not call.sources:
        return ""
    length, chunk = map(int, found.groups())
    source, shape = call.sources[0], call.inputs[0].shape
    while not (name := recording.declared_by(source, GIVEN)) and len(before := recording.into(source)) == 1:
        maker = recording.maker(source)
        if maker is not None and maker.inputs[0].shape != shape:  # no activation, which keeps it
            return ""
        source = before[0]
    maker = recording.maker(source)
    axes = [axis for axis, size in enumerate(shape) if size == length]
    if maker is None or not name or axes != [AXIS_GIVEN[name] % len(shape)]:
        return ""
    near = [f"{name}={size}" for size in (length // chunk * chunk, (length // chunk + 1) * chunk) if size]
    return f"{maker.path} makes these {length}: {' and '.join(near)} can be divided by {chunk}"


def _packed(failure: Failure) -> str:
    """Sequences with the batch in front, packed as if time were there."""
    found = _LENGTHS.search(str(failure.error))
    if not OPS.called(failure.function).takes_lengths or found is None or not failure.inputs:
        return ""
    given, batch = map(int, found.groups())
    shape = failure.inputs[0].shape
    if len(shape) < 2 or shape[:2] != (given, batch):
        return ""
    told = f"without batch_first=True it takes time first: of {times(shape)} it reads {batch} as the batch"
    return f"{told}\nwith batch_first=True the batch is {given}, as many as there are lengths"


def _of_rank(failure: Failure) -> str:
    """A tensor of other dimensions than those that the function takes alone."""
    rank = OPS.called(failure.function).rank
    other = [each.shape for each in failure.inputs if rank is not None and len(each.shape) != rank]
    if not other:
        return ""
    arrived = " and ".join(times(shape) for shape in dict.fromkeys(other))
    return f"{failure.function.rpartition('.')[2]} takes tensors of {rank} dimensions alone: {arrived} arrived"


def _gathered(call: Call) -> str:
    """An index without the axis that is gathered from, as the actions of a batch are: one number for each sample."""
    if not call.is_function or OPS.called(call.type) is not GATHER or len(call.inputs) != 2:
        return ""
    shape, index = (each.shape for each in call.inputs)
    dim = call.settings.get("dim", call.settings.get("1"))
    if not isinstance(dim, int) or len(index) != len(shape) - 1 or not -len(shape) <= dim < len(shape):
        return ""
    axis = dim % len(shape)
    if index != (*shape[:axis], *shape[axis + 1 :]):
        return ""
    made = (*index[:axis], 1, *index[axis:])
    lacks = f"the index of {times(index)} has a dimension less than {times(shape)}"
    return f"{lacks}: unsqueeze({axis}) makes it {times(made)}"


def _interpolated(call: Call) -> str:
    """A mode of other dimensions than those that arrived."""
    mode, shape = call.settings.get("mode", call.settings.get("3")), call.inputs[0].shape if call.inputs else ()
    ranks = RESIZES.get(mode, ()) if isinstance(mode, str) else ()
    if len(ranks) != 1 or len(shape) in ranks:
        return ""
    right = next((each for each, others in RESIZES.items() if others == (len(shape),)), None)
    told = f'mode="{mode}" takes {ranks[0]} dimensions, and {times(shape)} has {len(shape)}'
    return told if right is None else f'{told}\nof these it is mode="{right}"'
