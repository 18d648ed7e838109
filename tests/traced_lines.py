"""What Python's own trace shows of every line of some files: an oracle without hooks."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from torch import Tensor

Seen = dict[tuple[str, int], list[tuple[tuple[int, ...], ...]]]


def shapes_of(value: Any) -> tuple[tuple[int, ...], ...]:
    if isinstance(value, Tensor):
        return (tuple(value.shape),)
    if isinstance(value, tuple | list):
        return tuple(shape for each in value for shape in shapes_of(each))
    return shapes_of(list(value.values())) if isinstance(value, dict) else ()


def traced(call: Callable[[], object], files: set[str]) -> Seen:
    """What the assignments to names and the ``return``s of some files came to when they ran.

    By file and last line of the statement: the shapes of what was assigned, each time.
    """
    seen: Seen = {}
    trees = {name: ast.parse(Path(name).read_text(encoding="utf-8")) for name in files}
    statements = {
        (name, line): node
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Return)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    at: dict[int, ast.stmt | None] = {}

    def finish(frame: FrameType) -> None:
        node = at.get(id(frame))
        if isinstance(node, ast.Assign | ast.AugAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            names = [each.id for each in ast.walk(target) if isinstance(each, ast.Name)]
            values = [frame.f_locals.get(name) for name in names]  # none where it raised
            seen.setdefault((frame.f_code.co_filename, node.end_lineno or 0), []).append(shapes_of(values))

    def local(frame: FrameType, event: str, value: Any) -> Any:
        if event == "line":
            now = statements.get((frame.f_code.co_filename, frame.f_lineno))
            if now is None or now is not at.get(id(frame)) or frame.f_lineno == now.lineno == now.end_lineno:
                finish(frame)
                at[id(frame)] = now
        elif event == "return":
            node = at.pop(id(frame), None)
            if isinstance(node, ast.Return):
                found = seen.setdefault((frame.f_code.co_filename, node.end_lineno or 0), [])
                found.append(shapes_of(value))
        return local

    def start(frame: FrameType, event: str, value: Any) -> Any:
        return local if frame.f_code.co_filename in files and not frame.f_code.co_name.startswith("<") else None

    before = sys.gettrace()
    sys.settrace(start)
    try:
        call()
    finally:
        sys.settrace(before)
    return seen
