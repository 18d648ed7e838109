"""A function that takes whole numbers was given the result of a division: ``x.view(n, 8 * 60 * 60 / 4)``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

from convlin.diagnosis.messages.tools import called
from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.records import Edit
from convlin.trace.recording import Failure


class Told(NamedTuple):
    """What is said of it, and the line with ``//`` where the model runs with that."""

    message: str
    fix: str | None = None
    edits: tuple[Edit, ...] = ()


def told(failure: Failure, model: nn.Module, retry: Retry) -> Told | None:
    """The answer to a pass that stopped there; None of any other."""
    from convlin.source.divisions import with_whole_divisions  # reads source: only where something is wrong

    floats = list(dict.fromkeys(_floats(failure.settings.values())))
    if type(failure.error) is not TypeError or not floats or failure.where is None:
        return None
    listed = " and ".join(map(str, floats))
    if not all(map(float.is_integer, floats)):
        is_it = len(floats) == 1 and "float" in str(failure.error)
        return Told(f"{called(failure.function)} takes whole numbers, not {listed}") if is_it else None
    said = f"{listed} {'is a float' if len(floats) == 1 else 'are floats'}: / always gives one"
    found = with_whole_divisions(failure.where, failure.function.rpartition(".")[2])
    shown = None if found is None else run_to_the_end(model, retry, edits=found.edits)
    if found is None or shown is None or shown.findings:
        return Told(said) if "float" in str(failure.error) else None
    certain = all(edit.certain for edit in found.edits)
    return Told(f"{said}, // gives a whole number", found.text, found.edits if certain else ())


def _floats(values: Any) -> Iterator[float]:
    for value in values:
        if isinstance(value, float):
            yield value
        elif isinstance(value, tuple | list):
            yield from _floats(value)
