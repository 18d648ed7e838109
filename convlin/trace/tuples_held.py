"""Which variables of the code that raised hold the whole tuple of a recurrent layer or an attention."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from convlin._util.tracebacks import steps_of
from convlin.records import SourceKind
from convlin.trace.call_sites import raising_frame
from convlin.trace.expressions import TuplesHeld, span_at
from convlin.trace.state import State

#: The layers that return a tuple with their output in front.
_RETURNING = nn.RNNBase | nn.LSTMCell | nn.MultiheadAttention


def tuples_held(state: State, error: BaseException) -> TuplesHeld | None:
    """Those of a pass that ``error`` stopped; None where nothing is said of a tuple, or none is held."""
    frame = raising_frame(error) if isinstance(error, TypeError | AttributeError) else None
    if frame is None:
        return None
    code, recording = frame.f_code, state.recording
    names = tuple((name, path) for name, value in frame.f_locals.items() for path in _returned_by(state, value))
    calls = tuple(
        (span_at(code, at), recording.calls[call].path)
        for at, call in recording.expressions.calls_in(code)
        if isinstance(recording.modules[call], _RETURNING)
    )
    offset = next(step.tb_lasti for step in reversed(steps_of(error)) if step.tb_frame is frame)
    return TuplesHeld(code.co_filename, span_at(code, offset), names, calls) if names or calls else None


def _returned_by(state: State, value: object) -> Iterator[str]:
    """The layer that returned a tuple, where that is all it returned: the two states of an LSTM are a tuple as well."""
    if not isinstance(value, tuple) or len(value) != 2 or not isinstance(value[0], Tensor):
        return
    source = state.origins.source(value[0])
    module = state.recording.modules[source.number] if source.kind is SourceKind.CALL else None
    is_whole = isinstance(value[1], tuple) or not isinstance(module, nn.LSTM)
    if is_whole and isinstance(module, _RETURNING):
        yield state.recording.calls[source.number].path
