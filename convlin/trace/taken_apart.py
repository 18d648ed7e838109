"""What the user's code took apart into more or fewer names than there are parts: ``b, c, h, w = x.shape``."""

from __future__ import annotations

import dis
import re

from torch import Tensor

from convlin._util.tracebacks import steps_of
from convlin.records import Call, Shape
from convlin.trace.call_sites import raising_frame
from convlin.trace.expressions import Taken, span_at
from convlin.trace.state import State

_UNPACK = dis.opmap["UNPACK_SEQUENCE"]
_EXPECTED = re.compile(r"values to unpack \(expected (\d+)")


def taken_apart(state: State, error: BaseException) -> Taken | None:
    """The names and what was at hand, of a pass that ``error`` stopped; None where it was stopped by anything else."""
    expected = _EXPECTED.search(str(error)) if type(error) is ValueError else None
    frame = raising_frame(error) if expected is not None else None
    if expected is None or frame is None:
        return None
    code, recording = frame.f_code, state.recording
    offset = next(step.tb_lasti for step in reversed(steps_of(error)) if step.tb_frame is frame)
    if code.co_code[offset] != _UNPACK:
        return None
    held = [(name, value) for name, value in frame.f_locals.items() if isinstance(value, Tensor)]
    shapes = tuple((name, state.read(value), state.origins.source(value)) for name, value in held)
    results = tuple(
        (span_at(code, at), made if made is not None else _made(recording.calls[call]), call)
        for at, made, call in recording.expressions.results_in(code)
    )
    return Taken(code.co_filename, span_at(code, offset), int(expected[1]), shapes, results)


def _made(call: Call) -> tuple[tuple[str, Shape], ...]:
    return tuple((each.place, each.shape) for each in call.outputs)
