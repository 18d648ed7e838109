"""The bytes of the files with the edits in them, made only where the code stays the same."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from convlin.records import Edit
from convlin.source.edits import apply
from convlin.source.syntax import parsed_text
from convlin.source.text import SourceText, decode


def applied(edits: Iterable[Edit], without: Callable[[ast.Module], ast.Module] = lambda tree: tree) -> dict[str, bytes]:
    """The new bytes of every file; nothing is written.

    ``without`` leaves out of a tree what the edits may add to it.

    Raises:
        ValueError: a file is not what it was, or its code would no longer be the same.
    """
    files = apply(edits)
    for name, data in files.items():
        after = decode(name, data)
        with open(name, "rb") as file:
            before = decode(name, file.read())
        if before is None or after is None or _tree(before, without) != _tree(after, without):
            raise ValueError(f"the code of {name} would not stay the same")
    return files


def _tree(source: SourceText, without: Callable[[ast.Module], ast.Module]) -> str:
    return ast.dump(without(parsed_text(source.text)))
