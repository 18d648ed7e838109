"""What refused its input and stopped a pass: a function, or a pattern of einops."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from convlin.ops.stand_ins import recover
from convlin.tensors import info
from convlin.trace.einops_errors import is_of_einops, refused_pattern
from convlin.trace.recording import Elsewhere, Failure, Refusal
from convlin.trace.state import FunctionCall, State


def note_failure(state: State, call: FunctionCall, error: BaseException) -> None:
    """A function raised, and no stand-in took its place."""
    recovery, is_users = None, call.caller is not None
    if state.watching and is_users and isinstance(error, RuntimeError | ValueError | IndexError):
        recovery = recover(call.func, call.args, call.kwargs, state.stack[-1].module if state.stack else None)
    if not state.stands_in:
        state.raised.append((Refusal(state.path, *((call.name, call.where) if is_users else ())), error))
    state.recording.failure = Failure(
        error,
        refused=True,
        path=state.path,
        function=call.name,
        inputs=tuple(info(tensor, "", state.read) for tensor in call.tensors),
        sources=tuple(map(state.origins.source, call.tensors)),
        settings=call.settings,
        where=call.where,
        in_layer=not is_users,
        misfits=recovery.misfits if recovery is not None else (),
        is_guess=bool(state.origins.doubts(tuple(call.tensors), {})),
        elsewhere=_elsewhere(state, call.tensors),
    )


def _elsewhere(state: State, tensors: Sequence[Tensor]) -> Elsewhere | None:
    """Of tensors that met on the meta device, the first that a line made on another one."""
    if not state.on_meta:
        return None
    found = ((tensor, state.origins.made_elsewhere(tensor)) for tensor in tensors if tensor.device.type != "meta")
    return next((Elsewhere(state.read(tensor), where) for tensor, where in found if where is not None), None)


def refused_by_einops(state: State, error: BaseException) -> Failure | None:
    """The failure that an error of einops tells of; None where it is no such error."""
    if not is_of_einops(error):
        return None
    found = refused_pattern(error)
    if found is None:  # a layer of einops' own, of which the frame tells
        return Failure(error, refused=True, where=state.stack[-1].called_at if state.stack else None)
    return Failure(
        error,
        refused=True,
        path=state.path,
        function=found.function,
        inputs=tuple(info(tensor, "", state.read) for tensor in found.tensors),
        sources=tuple(map(state.origins.source, found.tensors)),
        where=found.where,
        is_guess=bool(state.origins.doubts(found.tensors, {})),
    )
