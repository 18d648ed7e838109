"""Whatever a random model is given: a summary comes back, convlin's own error, or what the model raised itself.

No traceback from inside convlin, and the model is as it was.
"""

from __future__ import annotations

import random
import traceback
from pathlib import Path
from typing import Any

import pytest
import torch

import convlin
from convlin import summarize
from convlin.errors import ConvlinError
from tests.adversary import WRONG, Draft, Writer
from tests.asked import asked
from tests.properties import examples
from tests.snapshot import difference, snapshot
from tests.source_programs import load_file

COUNT = examples(25).max_examples
HERE = str(Path(convlin.__file__).parent)


def _given(draft: Draft, draw: random.Random) -> tuple[Any, dict[str, Any]]:
    """An input and options: of another rank, other sizes, with a batch in front, turned, a tensor, or in letters."""
    base = list(draft.shape)
    options: dict[str, Any] = {"batch_size": draw.choice([1, 2, 4])}
    if draft.dtype == "long" and draw.random() < 0.7:
        options["dtypes"] = torch.long
    match draw.choice(["rank", "sizes", "batch", "turned", "tensor", "letters"]):
        case "rank":
            return tuple(draw.choice([1, 2, 3, 7, 16, 20]) for _ in range(draw.randint(0, 5))), options
        case "sizes":
            return tuple(draw.choice([1, size, size + 1, size + 5, 2 * size]) for size in base), options
        case "batch":
            return (draw.choice([1, 2, 5]), *base), options
        case "turned":
            return tuple(draw.sample(base, len(base))), options
        case "letters":
            return tuple(draw.choice([size, "H", "W"]) for size in base), options
    tensor = torch.zeros(2, *base, dtype=torch.long if draft.dtype == "long" else torch.float32)
    return draw.choice([tensor, tensor[0], tensor[:1]]), {}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(COUNT))
def test_whatever_is_given(seed: int, tmp_path: Path) -> None:
    draw, draft = random.Random(seed), Writer(seed).draft
    broken = draw.sample(draft.holes, min(len(draft.holes), draw.randint(0, 2)))
    path = tmp_path / "net.py"
    path.write_text(draft.text({hole.name: draw.choice(WRONG) for hole in broken}))
    try:
        model = load_file(path).Net().eval()
    except Exception:  # a constructor that refuses the number
        return
    before = snapshot(model)
    for _ in range(3):
        given, options = _given(draft, draw)
        try:
            summary = asked(model, given, **options)
            summary.to_json()
            assert str(summary)
            assert summary.explain()
        except ConvlinError:
            pass
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            told = f"{path.read_text()}\n{given}, {options}: {error!r}"
            assert not frames[-1].filename.startswith(HERE), told
            assert any(frame.filename == str(path) for frame in frames), told
        assert difference(before, snapshot(model)) == []


class AddsThree(torch.nn.Module):
    """Three numbers go together with one feature alone."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x) + torch.zeros(3)


@pytest.mark.parametrize("given", [("B", 4), (5, 4), ("H", "W", 4)])
def test_a_letter_in_front_of_the_features_is_a_size_like_others(given: tuple[int | str, ...]) -> None:
    (problem,) = summarize(AddsThree(), given).problems
    assert "4 and 3" in problem.message
