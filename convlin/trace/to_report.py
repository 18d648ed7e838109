"""From what a pass recorded, and the model while it is at hand, to records that outlive it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import CoroutineType, GeneratorType, NoneType

from torch import nn

from convlin._util.deferred import Deferred
from convlin._util.gc_pause import paused
from convlin.module_tree import Node, walk
from convlin.records import Report
from convlin.trace.module_records import Held, module_infos
from convlin.trace.recording import Recording


@paused()
def build(
    model: nn.Module,
    recording: Recording,
    *,
    device: str,
    mode: str,
    remarks: tuple[str, ...] = (),
    during: Held | None = None,
    nodes: Sequence[Node] | None = None,
) -> Report:
    """The report of one pass; with an empty recording, of the structure alone.

    ``model`` is as the user gave it, with nothing of the pass left on it; ``during`` tells what could
    be seen only while the pass had it; ``nodes`` are its modules, where somebody has walked through it.
    """
    if nodes is None:
        nodes = walk(model)
    during = during or Held(nodes, recording)
    ran = bool(recording.calls or recording.inputs)
    calls = tuple(recording.calls)
    return Report(
        model=type(model).__name__,
        inputs=recording.inputs,
        outputs=recording.outputs,
        device=device,
        mode=mode,
        calls=calls,
        modules=module_infos(nodes, recording, during, ran=ran),
        required_in_features=dict(recording.required),
        joins=tuple(recording.joins),
        made_by=recording.made_by,
        remarks=(*remarks, *(_OF_RETURNED.get(recording.returned) or _returning_nothing(recording))),
        completed=recording.failure is None,
        expressions=Deferred(partial(recording.expressions.results, calls)),
        input_names=recording.input_names,
    )


def _returning_nothing(recording: Recording) -> tuple[str, ...]:
    """Of a pass that stopped at a None, the module in front that gave no tensor."""
    failure = recording.failure
    if failure is None or "NoneType" not in str(failure.error):
        return ()
    before = recording.calls[: failure.call] if failure.call >= 0 else recording.calls
    silent = (each for each in reversed(before) if not (each.is_function or each.failed or each.outputs))
    found = next((each for each in silent if each.path and each.inputs), None)
    return (
        ()
        if found is None
        else (f"{found.path} ({found.type}) returns no tensor: is a return missing in its forward?",)
    )


#: What is to be said of a model that returns no tensor, by the class of what it returns.
_OF_RETURNED: dict[type, tuple[str, ...]] = {
    NoneType: ("forward returns None: is a return missing?",),
    GeneratorType: ("forward returns a generator, whose code runs only when it is iterated: its calls are not seen",),
    CoroutineType: ("forward is async, and its code runs only when it is awaited: its calls are not seen",),
}
