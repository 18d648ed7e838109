"""What refused its input and stopped a pass: a function, or a pattern of einops."""

from __future__ import annotations

from collections.abc import Mapping
from types import FrameType
from typing import Any

from torch import Tensor

from convlin.ops.names import name_of
from convlin.ops.stand_ins import recover
from convlin.tensors import flat_tensors, info
from convlin.trace.call_sites import line_of
from convlin.trace.einops_errors import is_of_einops, refused_pattern
from convlin.trace.recording import Elsewhere, Failure, Refusal
from convlin.trace.state import State, plain_settings


def note_failure(
    state: State,
    func: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    error: BaseException,
    caller: FrameType | None,
) -> None:
    """A function raised, and no stand-in took its place."""
    tensors = flat_tensors(args, kwargs)
    recovery = None
    if state.watching and caller is not None and isinstance(error, RuntimeError | ValueError | IndexError):
        recovery = recover(func, args, kwargs, state.stack[-1].module if state.stack else None)
    if not state.stands_in:
        at = () if caller is None else (name_of(func), line_of(caller))
        state.raised.append((Refusal(state.path, *at), error))
    state.recording.failure = Failure(
        error,
        refused=True,
        path=state.path,
        function=name_of(func),
        inputs=tuple(info(tensor, "", state.read) for tensor in tensors),
        sources=tuple(state.origins.source(tensor) for tensor in tensors),
        settings=plain_settings(args, kwargs),
        where=line_of(caller) if caller is not None else None,
        in_layer=caller is None,
        misfits=recovery.misfits if recovery is not None else (),
        is_guess=bool(state.origins.doubts(tuple(tensors), {})),
        elsewhere=_elsewhere(state, tensors),
    )


def _elsewhere(state: State, tensors: list[Tensor]) -> Elsewhere | None:
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
