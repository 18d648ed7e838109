"""Random models are broken; all fixes of convlin's, written into their source, make them what they were.

The oracle is the model before it was broken, run by PyTorch.  ``CONVLIN_ADVERSARY`` says how many models are tried.
"""

from __future__ import annotations

import ast
import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from convlin import summarize
from convlin.records import Problem
from convlin.source import Edit, apply, plan
from tests.adversary import broken, drafted
from tests.mistakes.mending import loaded

MODELS = int(os.environ.get("CONVLIN_ADVERSARY", "40"))
_MOST_ROUNDS = 4


def outcome(seed: int, path: Path) -> str:
    """What became of the model of this seed: ``right``, ``told`` that no fix is known, or what went wrong."""
    rng = random.Random(seed)
    intact, wrong = broken(drafted(rng), rng, rng.randint(1, 3))
    batch = rng.randint(1, 4)
    path.write_text(intact)
    whole = loaded(path)
    x = torch.zeros(batch, *whole.GIVEN)
    expected = whole.Net().eval()(x).shape
    path.write_text(wrong)
    for _ in range(_MOST_ROUNDS):
        try:
            model = loaded(path).Net().eval()
        except (ValueError, AssertionError):  # PyTorch's constructor refuses the numbers
            return "told"
        try:
            summary = summarize(model, whole.GIVEN, batch_size=batch)
        except (AttributeError, TypeError) as error:  # of its own code, which a tuple reaches
            return "told" if "tuple" in str(error) else f"raised {error!r}"
        try:
            made = model(x).shape
        except (RuntimeError, TypeError, ValueError, AssertionError, AttributeError) as error:
            made = str(error)
        if summary.ok:
            return "right" if made == expected else f"nothing is wrong, but {made} is not {expected}"
        if any(not problem.changes and not is_line(problem.fix) for problem in summary.problems):
            return "told"
        wanted = {problem.path: problem.changes for problem in summary.problems if problem.changes}
        planned = plan(model, wanted)
        if planned.declined:
            return "told"
        path.write_text(written(path, planned.edits, summary.problems))
    return f"after {_MOST_ROUNDS} rounds: {[problem.message for problem in summary.problems]}"


def written(path: Path, edits: Sequence[Edit], problems: Sequence[Problem]) -> str:
    """The text of the file with the edits of its layers and the corrected lines of its ``forward``."""
    text = dict.fromkeys([str(path)], path.read_bytes()) | apply(edits)
    lines = text[str(path)].decode().splitlines()
    for problem in problems:
        if not problem.changes and problem.where is not None and problem.fix is not None:
            line = lines[problem.where.line - 1]
            lines[problem.where.line - 1] = line[: len(line) - len(line.lstrip())] + problem.fix
    return "\n".join(lines) + "\n"


def is_line(fix: str | None) -> bool:
    """Whether a fix is a line that could be written."""
    try:
        ast.parse(fix or "!")
    except SyntaxError:
        return False
    return True


@pytest.mark.parametrize("start", range(0, MODELS, 10))
def test_all_fixes_together_make_it_what_it_was(start: int, tmp_path: Path) -> None:
    found = {seed: outcome(seed, tmp_path / "net.py") for seed in range(start, min(start + 10, MODELS))}
    assert {seed: what for seed, what in found.items() if what not in ("right", "told")} == {}
    assert "right" in found.values()
