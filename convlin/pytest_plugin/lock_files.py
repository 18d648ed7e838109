"""Where the locks of a test stand: ``<test file>/<test>.shapes`` in the directory of all locks."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

SUFFIX = ".shapes"

_LONGEST = 100


def place(node: pytest.Item, locks: Path) -> tuple[Path, str]:
    """The directory of a test's locks, in that of all locks beside its file, and the beginning of their names."""
    return locks / node.path.stem, file_name(node.nodeid.partition("::")[2].replace("::", "."))


def file_name(name: str) -> str:
    """A name that every file system takes; one that had to be changed gets a few signs of its own."""
    safe = re.sub(r"[^A-Za-z0-9_.,=+\[\]-]", "-", name)
    if safe == name and len(name) <= _LONGEST:
        return name
    import hashlib

    return f"{safe[:_LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def relative(path: str | Path, config: pytest.Config) -> str:
    """A path as it is written where pytest was started."""
    try:
        return Path(os.path.relpath(path, config.invocation_params.dir)).as_posix()
    except ValueError:  # another drive  # pragma: no cover  # of Windows
        return str(path)
