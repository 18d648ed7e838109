"""How the size that a line makes came about, in a few signs: ``since 32*8*8 = 2048``."""

from __future__ import annotations

from convlin.annotate.comments import SINCE
from convlin.annotate.lines import Line
from convlin.explanation.text import changes
from convlin.render.words import ascii_only
from convlin.sizes.prove import spelled


def since(line: Line) -> str:
    """The steps of the last call on a line that made its one result, with a blank in front; empty without any."""
    if len(line.shapes) != 1 or sum(line.shapes.values()) != 1:
        return ""
    ((shape, *others),) = line.shapes
    for call in reversed(line.calls):
        derivation = call.derivation
        if others or call.output_shape != shape or derivation is None or call.input_shape is None:
            continue
        told = [
            f"{step.arithmetic} = {spelled(step.size)}"
            for step in derivation.steps
            if changes(step, call.input_shape, shape) and step.arithmetic not in (step.formula, str(step.size))
        ]
        if told:
            return f" {SINCE} {ascii_only(', '.join(dict.fromkeys(told)))}"
    return ""
