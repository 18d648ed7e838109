"""Models to test with: ``REAL`` ones of other packages and ``SMALL`` ones written for one case each."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

import pytest

from tests.zoo.real import REAL
from tests.zoo.record import ZooModel, dummy_arguments
from tests.zoo.small import COMPILED, SMALL

__all__ = ["COMPILED", "REAL", "SMALL", "ZooModel", "cases", "dummy_arguments"]


def cases(entries: Iterable[ZooModel]) -> list[Any]:
    """The entries as parameters of a test, named by their names; skipped where a package is missing."""
    return [pytest.param(entry, id=entry.name, marks=_marks(entry)) for entry in entries]


def _marks(entry: ZooModel) -> list[pytest.MarkDecorator]:
    missing = [name for name in entry.requires if importlib.util.find_spec(name) is None]
    return [pytest.mark.skip(reason=f"needs {', '.join(missing)}")] if missing else []
