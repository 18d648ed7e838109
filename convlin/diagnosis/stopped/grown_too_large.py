"""A pass that was ended on its way, since tensors grew without end behind what does not fit."""

from __future__ import annotations

from math import prod

from convlin.sizes.spell import spell_shape
from convlin.trace.recording import Recording


def remark(recording: Recording) -> str:
    """Where the pass was ended, and at which size."""
    where = f" in {recording.under_way[-1]}" if recording.under_way and recording.under_way[-1] else ""
    made = (info.shape for call in recording.calls for info in call.outputs)
    return (
        f"the pass was stopped{where}, where tensors had grown to {spell_shape(max(made, key=prod, default=()))}: "
        "the model itself does not come so far"
    )
