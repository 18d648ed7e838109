"""``out, h = lstm(x)`` and ``h[-1]``: of the pair ``(h_n, c_n)`` that is the cell state, with its axis of layers.

Of a GRU, whose ``h`` is ``h_n``, the same line takes the last layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import FunctionType

from torch import nn

from convlin.module_tree import Node
from convlin.sizes.spell import spell_shape
from convlin.trace.recording import Recording


def remarks(nodes: Sequence[Node], recording: Recording) -> Iterator[str]:
    """Said as a remark, since nothing refuses it, where what comes out has the axes of the cell state in front."""
    shapes = recording.output_shapes
    for _, call, _ in recording.calls_of(nn.LSTM):
        states = [each.shape for each in call.outputs[1:]]
        if len(states) != 2 or len(states[1]) != 3 or not any(shape[:2] == states[1][:2] for shape in shapes):
            continue
        around, _, name = call.path.rpartition(".")
        forward = next((type(node.module).forward for node in nodes if node.path == around), None)
        if not isinstance(forward, FunctionType):
            continue
        from convlin.diagnosis.messages.tools import at  # words and source: only where it may be so
        from convlin.source.pairs import last_of_pair

        for pair, where in last_of_pair(forward, name):
            hidden, cell = states
            yield (
                f"{pair}[-1]{at(where)} is c_n, {spell_shape(cell)}: {call.path} returns (output, (h_n, c_n)), "
                f"and {pair} is the pair; {pair}[0][-1] is the last of h_n, {spell_shape(hidden[1:])}"
            )
