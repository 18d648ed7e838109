"""How long a line of a project may be, as its own tools are told."""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: What black and ruff keep to where nothing is said.
DEFAULT = 88


def line_length(file: str) -> int:
    """The line length that ruff, black or flake8 are configured with in the nearest folder that says one, or 88."""
    for folder in Path(file).absolute().parents:
        for found in _said(folder):
            if isinstance(found, int) and not isinstance(found, bool) and found > 0:
                return found
    return DEFAULT


def _said(folder: Path) -> Iterator[object]:
    for name in (".ruff.toml", "ruff.toml"):
        yield _toml(folder / name).get("line-length")
    tools = _toml(folder / "pyproject.toml").get("tool")
    if isinstance(tools, dict):
        for tool in ("ruff", "black"):
            table = tools.get(tool)
            yield table.get("line-length") if isinstance(table, dict) else None
    for name in (".flake8", "setup.cfg", "tox.ini"):
        yield _flake8(folder / name)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
        return {}  # what its own tool will complain about


def _flake8(path: Path) -> int | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        if not path.is_file() or not parser.read(path, encoding="utf-8"):
            return None
        return parser.getint("flake8", "max-line-length", fallback=None)
    except (configparser.Error, UnicodeDecodeError, ValueError, OSError):
        return None
