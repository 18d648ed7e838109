"""What to write in Python, as the command line spells it: ``summarize(model, (3, 8, 8))`` is a command with 3,8,8."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from convlin.records import Report

Words: TypeAlias = Callable[[Sequence[str], "int | str | None"], list[str]]
"""The model and its options as they were asked for, with other inputs, and another batch unless that is None."""


def in_words(report: Report, words: Words) -> Report:
    """The report with every call of ``summarize`` that is to be written as the command that does it."""
    problems = tuple(
        each if each.fix is None else replace(each, fix=_command(each.fix, words) or each.fix)
        for each in report.problems
    )
    return replace(report, problems=problems)


def _command(fix: str, words: Words) -> str | None:
    """The command for a call with shapes; of several calls, for the first; None for anything else.

    >>> _command("summarize(model, {'x': (3, 8, 8)})", lambda inputs, batch: ["net.py:Net", *inputs])
    'convlin show net.py:Net x=3,8,8'
    >>> _command("x = x.flatten(1)", lambda inputs, batch: ["net.py:Net", *inputs])
    """
    try:
        tree = ast.parse(fix, mode="eval").body
    except SyntaxError:
        return None
    call = tree.values[0] if isinstance(tree, ast.BoolOp) else tree
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "summarize":
        return None
    try:
        given = ast.literal_eval(call.args[1])
        sizes = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (ValueError, IndexError):
        return None
    if sizes.keys() - {"batch_size"}:
        return None
    return shlex.join(["convlin", "show", *words(tuple(_inputs(given)), sizes.get("batch_size"))])


def _inputs(given: Any) -> Iterator[str]:
    if isinstance(given, dict):
        yield from (f"{name}={_sizes(shape)}" for name, shape in given.items())
    else:
        yield from map(_sizes, given if isinstance(given, list) else [given])


def _sizes(shape: tuple[int | str, ...]) -> str:
    return ",".join(map(str, shape)) or "()"
