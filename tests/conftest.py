"""What all tests share: one thread per process, a profile of hypothesis that does not time, and time enough."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from hypothesis import HealthCheck, settings

from convlin.at_error import second_run
from convlin.cli import fixing
from tests import processes

pytest_plugins = ["pytester"]

settings.register_profile(
    "default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=5000, derandomize=False)
settings.load_profile("default")

# Models this small lose time to a second thread, most of all with a test process on every core.
torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _time_enough() -> Iterator[None]:
    """A pass behind an error may take as long as it does: on a busy machine a few seconds are over before it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(second_run, "_PATIENCE", 100.0)
        patch.setattr(second_run, "_ALL", 1000.0)
        yield


@pytest.fixture
def proved_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """``convlin fix --write`` proves in this process what it wrote; in one of its own it does so in ``test_cli``."""
    monkeypatch.setattr(fixing, "subprocess", SimpleNamespace(run=processes.check_here))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``cuda`` are skipped where there is no such device."""
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if "cuda" in item.keywords:
            item.add_marker(skip)
