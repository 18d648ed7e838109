"""The ``forward`` functions of the user's that ran, each with the calls of modules that it ran in."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from convlin.annotate.lines import FunctionLines, function_lines
from convlin.records import Call, Report
from convlin.source.edits import is_editable
from convlin.source.syntax import Parsed


@dataclass(slots=True)
class Forward:
    """One ``forward`` in a file of the user's."""

    parsed: Parsed
    node: ast.FunctionDef
    name: str
    """With its class: ``Net.forward``."""
    calls: list[Call] = field(default_factory=list)
    """What its modules were called with, each distinct call once, in the order of the first time."""
    runs_elsewhere: bool = False
    """It also ran where no call of its own module shows what it was given: ``super().forward(x)``."""


def forwards(reports: Iterable[Report]) -> list[Forward]:
    """Every ``forward`` of the user's files in some reports, in the order in which they first made something."""
    found: dict[tuple[str, int], Forward] = {}
    for report in reports:
        for function in function_lines(report):
            node, parsed = function.node, function.file.parsed
            is_method = isinstance(function.file.parent(node), ast.ClassDef) and node.name == "forward"
            if is_method and isinstance(node, ast.FunctionDef) and is_editable(function.source):
                key = (function.source.name, function.first)
                _add(found.setdefault(key, Forward(parsed, node, function.name)), function, report)
    return list(found.values())


def _add(forward: Forward, function: FunctionLines, report: Report) -> None:
    kind = function.name.split(".")[-2]
    for path in function.paths:
        calls = [each for each in report.calls if each.path == path and not each.is_function and not each.failed]
        if not calls or any(kind not in _runs_forward_of(each.type, forward.parsed) for each in calls):
            forward.runs_elsewhere = True
        known = [(call.inputs, call.outputs) for call in forward.calls]
        forward.calls += [call for call in calls if (call.inputs, call.outputs) not in known]


def _runs_forward_of(kind: str, parsed: Parsed) -> Iterator[str]:
    """The classes whose ``forward`` a class may run as its own: itself, and those that it has it from."""
    classes = {node.name: node for node in ast.walk(parsed.tree) if isinstance(node, ast.ClassDef)}
    waiting, seen = [kind], set[str]()
    while waiting:
        name = waiting.pop()
        yield name
        node = classes.get(name)
        if node is None or name in seen or any(getattr(each, "name", "") == "forward" for each in node.body):
            continue
        seen.add(name)
        waiting += [base.id for base in node.bases if isinstance(base, ast.Name)]
