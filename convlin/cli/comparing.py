"""``convlin diff``: two locks compared."""

from __future__ import annotations

import argparse
import os
import shlex

from convlin.checks.difference import of_locks
from convlin.cli.screen import Screen


def diff(arguments: argparse.Namespace, screen: Screen) -> int:
    """Print what is different between two locks; 1 if anything is."""
    found = of_locks(arguments.before, arguments.after, _written_with)
    if arguments.format == "json":
        text = found.to_json(indent=2)
    else:
        text = found.to_html() if arguments.format == "html" else str(found)
    screen.answer(text, is_table=False)
    return 1 if found else 0


def _written_with(path: str | os.PathLike[str]) -> str:
    return f"convlin check net.py:Net 3,32,32 --lock {shlex.quote(os.fspath(path))} --update"
