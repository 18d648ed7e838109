"""How a path stands in a message: from the working directory, as linters print it, so that terminals make it a link."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from convlin._util.packages import in_package, is_installed


def shown(path: str | os.PathLike[str]) -> str:
    """A path from the working directory where it lies below, else the whole of it, with forward slashes."""
    full = Path(path).absolute()
    with suppress(ValueError, OSError):
        full = full.relative_to(Path.cwd())
    return full.as_posix()


def shown_source(file: str) -> str:
    """The same for a file of code; one of an installed package is told as an import would, wherever that is installed.

    >>> shown_source("net.py"), shown_source("/venv/lib/site-packages/timm/layers.py"), shown_source("<string>")
    ('net.py', 'timm/layers.py', '<string>')
    """
    if file.startswith("<"):
        return file
    return in_package(file) if is_installed(file) else shown(file)
