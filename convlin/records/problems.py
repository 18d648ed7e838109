"""What does not fit, and how to fix it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from convlin.records.places import Location
from convlin.sizes.types import Shape

PYTORCH_SAYS, EINOPS_SAYS = "PyTorch says: ", "einops says: "
"""How a line of a message begins that repeats what a library says."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A stretch of a file and what to write there instead."""

    file: str
    start: int
    """Offset in characters of the decoded text."""
    end: int
    old: str
    """What stands there now."""
    new: str
    certain: bool = True
    """Beyond doubt: safe to write without asking."""
    remark: str = ""
    """Why it is not."""


class Evidence(enum.Enum):
    """How it is known that something would work."""

    RUN = "run"
    """The model was run so, and it held (on the meta device with new layers of more than 64 MiB together, and on much
    larger inputs of which its layers and functions make more than 100 million elements)."""
    DERIVED = "derived"
    """It follows from the shapes that a pass recorded; the model was not run so."""


class ClaimKind(enum.Enum):
    """What is said of other inputs than the given one."""

    FITS = "fits"
    """A layer is right as it is for an input of the one size and of the other, and for none beyond of that form."""
    PASSES = "passes"
    """The model takes inputs of these sizes as it is."""
    JOINS = "joins"
    """At these sizes two tensors go together, or the pass gets past what stopped it, and something else is wrong."""
    MULTIPLES = "multiples"
    """Such inputs are multiples of a number."""
    SMALLEST = "smallest"
    """The model takes an input of this size, and no smaller one of that form."""
    LARGEST = "largest"
    """The model takes an input of this size, and no larger one of that form."""
    REACHES = "reaches"
    """An input of this size gets to the end, and no smaller one of that form; a layer is wrong there all the same."""
    BATCH = "batch"
    """The model is right once the first size of the shape is taken for the batch."""


class Claim(NamedTuple):
    """What a problem says of other inputs, and how it is known."""

    kind: ClaimKind
    text: str
    """As it stands in the problem's message."""
    evidence: Evidence
    inputs: tuple[Shape, ...] = ()
    """The sizes of these inputs, without batch and channels: those that the model was run with.  Of a sequence of
    features, ``(L, C)``, whose length is what may be another, both."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding: what does not fit, where, and how to fix it."""

    kind: str
    """The declared attribute that does not fit (``in_features``, ``in_channels``, …, or ``out_features``,
    ``out_channels``, ``embedding_dim`` of one layer that gives another size than several were made for) or one of
    ``reshape``, ``batch``, ``too_small``, ``operands``, ``dtype``, ``structure``, ``error``."""
    path: str
    """The layer, or the module whose ``forward`` holds the line."""
    declared: Any = None
    required: Any = None
    message: str = ""
    """What arrived, what was declared, and the arithmetic of the difference; may have several lines."""
    fix: str | None = None
    """What to write instead: the corrected line where the source is known."""
    where: Location | None = None
    """The line to change."""
    call: int | None = None
    """Index into the calls of the one this is about."""
    changes: Mapping[str, str] = field(default_factory=dict)
    """Arguments of the layer's constructor and what to write there, where changing the layer fixes it."""
    layer: str = ""
    """The path of that layer, where it is another than ``path``: one that should give what a sum asks for."""
    edits: tuple[Edit, ...] = field(default=(), repr=False, compare=False)
    """The fix as edits of the user's files, which ``convlin fix`` writes: each beyond doubt, or there are none."""
    unfixed: str = field(default="", repr=False, compare=False)
    """Why there are no edits, where that can be said."""
    evidence: Evidence = Evidence.DERIVED
    """How ``required``, ``changes`` and ``fix`` are known: whether the model was run with all of its wrong layers made
    so and all of the edited methods as they would be, and was right; or on inputs of layers that are as the fix
    makes them."""
    claims: tuple[Claim, ...] = ()
    """What the message says of other inputs."""

    def __str__(self) -> str:
        """What is wrong and the fix, as they stand under a table.

        >>> print(Problem("in_features", "fc", 9, 3, "Linear(9, 2) receives 3 features", "self.fc = nn.Linear(3, 2)"))
        ✗ fc: Linear(9, 2) receives 3 features
            fix  self.fc = nn.Linear(3, 2)
        """
        return problem_text(self, "the model")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def problem_text(problem: Problem, model: str) -> str:
    """A problem as it stands under a table; ``model`` is the name of the model, which has no path."""
    first, *rest = problem.message.splitlines() or [""]
    lines = [f"✗ {problem.path or model}: {first}", *(f"    {line}" for line in rest)]
    if problem.fix:
        at = f"{problem.where.text}   " if problem.where else ""
        first, *rest = problem.fix.splitlines()
        lines += [f"    fix  {at}{first}", *(f"    {line}" for line in rest)]
    elif problem.where and problem.where.text not in problem.message:
        lines.append(f"    at   {problem.where.text}")
    return "\n".join(lines)
