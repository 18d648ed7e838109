"""Copies of broken models that are loaded from files of their own, and mended there."""

from __future__ import annotations

import itertools
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from torch import nn

from convlin.records import Problem
from convlin.source import apply, locate

NUMBERED = itertools.count()


def loaded(path: Path) -> ModuleType:
    """The file as a module of its own, in a name that nothing else has."""
    spec = spec_from_file_location(f"copied_{next(NUMBERED)}", path)
    assert isinstance(spec, ModuleSpec)
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module
    # Not by the loader: its bytecode counts as current while the size and the second of a file stay the same.
    exec(compile(path.read_bytes(), path, "exec", dont_inherit=True), vars(module))
    return module


def mended(model: nn.Module, problems: tuple[Problem, ...], path: Path) -> str:
    """The text of the file that the model was made from, with everything in it that the problems tell."""
    # Lines of forward by their text, layers by the edits of their source.
    edits = [
        edit
        for problem in problems
        if problem.changes
        for edit in locate(model, problem.path).edit(problem.changes)  # type: ignore[union-attr]
    ]
    text = dict.fromkeys([str(path)], path.read_bytes()) | apply(edits)
    lines = text[str(path)].decode().splitlines()
    for problem in problems:
        if problem.changes or problem.where is None or problem.fix is None:
            continue
        number = problem.where.line - 1
        indent = lines[number][: len(lines[number]) - len(lines[number].lstrip())]
        lines[number] = indent + problem.fix
    return "\n".join(lines) + "\n"
