"""Behind a mistake a map may grow without end, where something stands in for what does not fit.

The oracle is PyTorch: the model itself stops at the mistake, and runs with it corrected as the message says.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize
from convlin.trace.state import LARGE, MOST_GROWTH
from tests.mistakes.mending import loaded, mended
from tests.snapshot import difference, snapshot

GHOST = """
import torch
from torch import nn


class Ghost(nn.Module):
    def __init__(self):
        super().__init__()
        self.primary = nn.Conv2d(16, 8, 1)
        self.cheap = nn.Conv2d(8, 8, 3, padding=1, groups=8)

    def forward(self, x):
        x = self.primary(x)
        return torch.cat((x, self.cheap(x)), dim=2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.blocks = nn.Sequential(*[Ghost() for _ in range(40)])
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))
"""


@pytest.fixture
def little_memory() -> Iterator[None]:
    """No more address space than there is, and a GiB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 2**30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_a_map_that_doubles_in_every_block_ends_the_pass_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ghost.py"
    path.write_text(GHOST)
    model = loaded(path).Net().eval()
    with pytest.raises(RuntimeError, match="expected input"):
        model(torch.zeros(1, 3, 16, 16))
    before = snapshot(model)
    summary = summarize(model, (3, 16, 16))
    assert difference(before, snapshot(model)) == []
    assert [problem.path for problem in summary.problems] == ["blocks.1.primary"]
    assert not summary.report.completed
    largest = max(torch.Size(info.shape).numel() for call in summary.report.calls for info in call.outputs)
    assert LARGE < largest <= 2 * LARGE
    assert "the pass was stopped in blocks." in summary.report.remarks[-1]
    path.write_text(mended(model, summary.problems, path))
    with torch.no_grad():
        assert loaded(path).Net().eval()(torch.zeros(1, 3, 16, 16)).shape == (1, 10)


class Widened(nn.Module):
    """A mistake in front of a tensor that is large because the model makes it so."""

    def __init__(self, repeats: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(4, 4)
        self.last, self.repeats = nn.Linear(5, 1), repeats

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x)).repeat(self.repeats, 1)
        made: Tensor = self.last(x)
        return made


def test_what_the_model_itself_makes_large_is_followed_as_far_as_said() -> None:
    """``second`` and ``last`` do not fit: told together up to the size that is followed, one by one beyond it."""
    followed = summarize(Widened(LARGE // 8), (8,))
    assert [problem.path for problem in followed.problems] == ["second", "last"]
    beyond = summarize(Widened(LARGE // 4 + 1), (8,))
    assert [problem.path for problem in beyond.problems] == ["second"]
    batch = LARGE // MOST_GROWTH
    wide = summarize(Widened(MOST_GROWTH), (8,), batch_size=batch)
    assert [problem.path for problem in wide.problems] == ["second", "last"]


def test_on_meta_nothing_needs_memory_and_all_is_followed() -> None:
    summary = summarize(Widened(2**40), (8,), device="meta")
    assert [problem.path for problem in summary.problems] == ["second", "last"]


def test_memory_that_ends_behind_a_mistake_hides_nothing(little_memory: None) -> None:
    """PyTorch's allocator refuses: the mistake in front of it is told all the same."""
    summary = summarize(Widened(2**30), (8,))
    assert [problem.path for problem in summary.problems] == ["second"]
    assert summary.report.remarks
    right = Widened(2**30)
    right.second, right.last = nn.Linear(8, 8), nn.Linear(8, 1)
    with pytest.raises(RuntimeError, match="allocate memory"):
        summarize(right, (8,))
    assert summarize(nn.Linear(3, 4), (3,)).ok
