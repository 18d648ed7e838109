"""What is wrong with a layer, in lines short enough to stand under its block."""

from __future__ import annotations

from convlin.records import Problem
from convlin.render import words

#: Under the place where a pass ended before its time.
STOPPED = "the pass stopped here"
_LONGEST = 44
_WRONG = {
    "operands": "the sizes differ",
    "structure": "cannot take this",
    "dtype": "wrong dtype",
    "batch": "the batch is lost here",
    "error": STOPPED,
}


def lines(problem: Problem) -> tuple[str, ...]:
    """What the layer needs and what it has; for other problems what kind it is."""
    return tuple(line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…" for line in _lines(problem))


def _lines(problem: Problem) -> tuple[str, ...]:
    required = words.shape(problem.required) if isinstance(problem.required, tuple) else problem.required
    if problem.kind in ("in_features", "in_channels") and isinstance(problem.required, tuple):
        required = " and ".join(map(words.size, problem.required))  # what several calls of one layer need
    if problem.kind == "too_small":
        return ("the input is too small", *([f"needs {required} or more"] if required is not None else []))
    text = _WRONG.get(problem.kind)
    if text is not None:
        return (text,)
    if problem.required is None:
        return (f"wrong {problem.kind}",)
    declared = words.shape(problem.declared) if isinstance(problem.declared, tuple) else problem.declared
    name = "" if problem.kind == "reshape" else f"{problem.kind}="
    return (f"needs {name}{required}", *([f"has {declared}"] if problem.declared is not None else []))
