"""What a broken model of these tests is, and what must be said about it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Wrong:
    """One problem that must be reported."""

    kind: str
    path: str
    declared: Any
    required: Any
    line: str | None = None
    """What stands on the line that ``where`` must name, and on no other of the class; None for no line."""
    right: str | None = None
    """What stands there instead in the line that is the ``fix``."""
    says: tuple[str, ...] = ()
    """What the message must contain."""
    advice: str | None = None
    """The ``fix`` where it is no line."""


@dataclass(frozen=True)
class Mistake:
    """A model, what it is given, and what must be answered."""

    row: int
    """The number of the mistake on the page ``docs/mistakes.md``; 0 for several in one model."""
    build: Callable[[], nn.Module]
    given: Any
    wrong: tuple[Wrong, ...]
    options: dict[str, Any] = field(default_factory=dict)
    raises: bool = True
    """PyTorch raises something."""
    watched: tuple[Wrong, ...] = ()
    """What is told of a call with tensors, where that is not the same."""
    mended: bool = True
    """All corrected lines together make the model right."""
    values: bool = False
    """The mistake is in the values of a tensor, which the meta device does not have."""

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.build.__name__

    @property
    def file(self) -> Path:
        """The file that the class is written in."""
        return Path(inspect.getsourcefile(self.build) or "")


def mistake(to: list[Mistake], row: int, given: Any, *wrong: Wrong, **more: Any) -> Callable[[type], type]:
    """Put a class on a list; ``more`` are options of ``summarize`` and fields of ``Mistake``."""

    def keep(model: type) -> type:
        fields = {name: more.pop(name) for name in ("raises", "watched", "mended", "values") if name in more}
        to.append(Mistake(row, model, given, wrong, {"batch_size": 2, **more}, **fields))
        return model

    return keep
