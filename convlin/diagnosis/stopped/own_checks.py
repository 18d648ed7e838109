"""What is said where the model's own code refused the size of its input: which sizes it takes, and where it asks."""

from __future__ import annotations

from torch import nn

from convlin.diagnosis.runs.claims import claims_of, in_a_line
from convlin.diagnosis.silent.findings import suspects
from convlin.inputs import Plan
from convlin.search.checked_sizes import sizes_taken
from convlin.search.resized import Resized
from convlin.trace.call_sites import raises, raising_line


def note(model: nn.Module, plan: Plan, mode: str, error: BaseException) -> str:
    """A sentence of the sizes that the model takes as it is; empty where none was found by running it."""
    if not isinstance(error, AssertionError | ValueError | RuntimeError) or not raises(error):
        return ""
    taken = sizes_taken(Resized(model, plan, mode, suspects), error)
    if taken is None:
        return ""
    where = raising_line(error)
    at = f" (the check is at {where.text})" if where is not None else ""
    return f"{in_a_line(claims_of(taken))}{at}"
