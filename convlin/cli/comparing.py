"""``convlin diff``: two locks compared."""

from __future__ import annotations

import argparse

from convlin.checks.difference import of_locks
from convlin.cli.screen import Screen


def diff(arguments: argparse.Namespace, screen: Screen) -> int:
    """Print what is different between two locks; 1 if anything is."""
    found = of_locks(arguments.before, arguments.after)
    if arguments.format == "json":
        text = found.to_json(indent=2)
    else:
        text = found.to_html() if arguments.format == "html" else str(found)
    screen.answer(text, is_table=False)
    return 1 if found else 0
