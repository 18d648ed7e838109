"""Runs of the user's model leave no cycles behind while the garbage collector waits."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from torch import Tensor, nn

from convlin import summarize
from convlin._util.gc_pause import collect_new, paused


class Cyclic(nn.Module):
    """Every pass leaves a list that holds itself and an activation."""

    def __init__(self, left: list[Any]) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 3)
        self.__dict__["left"] = left.append

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        held: list[Any] = [y]
        held.append(held)
        if type(y) is Tensor and not y.is_meta:
            alive = sum(each() is not None for each in seen)
            self.__dict__["left"](alive)
            seen.append(weakref.ref(y))
        return y


seen: list[Any] = []


def test_what_a_run_leaves_is_collected_before_the_next() -> None:
    alive: list[int] = []
    gc.collect()
    seen.clear()
    summarize(Cyclic(alive), (3, "L"))
    assert len(alive) > 3
    assert max(alive) <= 1


def test_a_collector_that_runs_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda generation=2: asked.append(generation))
    collect_new()
    assert asked == []
    with paused():
        collect_new()
    assert asked == [0]
    assert gc.isenabled()
