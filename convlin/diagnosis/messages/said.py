"""What is said about a finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convlin.records import Location, Report
from convlin.trace.recording import Finding


@dataclass(frozen=True, slots=True)
class Said:
    """A message, and what to write where no line of source is known."""

    message: str
    advice: str | None = None
    forward: bool = False
    """The line to change is in ``forward``, not where the layer is made."""
    behind: str = ""
    """What to write behind the layer's argument in that line."""
    after: str = ""
    """What to write behind the call of the layer, where ``behind`` alone would leave its result otherwise."""
    argument: tuple[str, int, str] | None = None
    """Name, position and right value of an argument in that line."""
    join: Location | None = None
    """Where tensors are joined along an axis that is to be another: that line is to be changed, not the layer's."""
    dim: int = 0
    """That other axis."""
    in_front: str = ""
    """The layer to set in front of it, where both are in an ``nn.Sequential``."""
    callee: str = ""
    """The layer to make instead."""
    uncalled: str = ""
    """The class of a module that arrived itself, where what it returns should have."""
    instead: str = ""
    """What may have been meant as well: which of the two is for the user to say."""
    outside: bool = False
    """Nothing in the model is to be changed, but the call."""


def appended(message: str, behind: str, *, instead: str = "", in_front: str = "") -> Said:
    """What to write behind the layer's argument in ``forward``."""
    return Said(message, f"x = x{behind}", forward=True, behind=behind, instead=instead, in_front=in_front)


Words = Callable[[Finding, Report], Said]
