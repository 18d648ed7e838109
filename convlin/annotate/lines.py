"""What each line of the user's code makes: its shapes, the branches that did not run, and what is wrong there."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from convlin.annotate.expressions import Expressions, File
from convlin.annotate.values import Value, Values
from convlin.records import Call, Problem, Report, Shape
from convlin.render.tree import parents
from convlin.source.syntax import first_line
from convlin.source.text import SourceText

_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
Shapes: TypeAlias = tuple[Shape, ...]
"""The shape of each tensor that a statement makes."""


@dataclass(slots=True)
class Line:
    """One statement: it starts on line ``first`` and ends on ``last``."""

    first: int
    last: int
    shapes: dict[Shapes, int] = field(default_factory=dict)
    """Each distinct result, in the order of the first time, with how often there was that result."""
    calls: tuple[Call, ...] = ()
    """Those that were made on the line, of a single report."""
    problems: tuple[Problem, ...] = ()
    """What does not fit on this line."""
    failed: bool = False
    """The pass stopped here."""


@dataclass(slots=True)
class FunctionLines:
    """One function or method of the user's that ran."""

    file: File
    node: ast.FunctionDef | ast.AsyncFunctionDef
    name: str
    """With its class: ``Net.forward``."""
    paths: tuple[str, ...]
    """The modules in whose ``forward`` it ran."""
    lines: dict[int, Line]
    """The statements that made something, by the line that they end on."""
    not_taken: tuple[int, ...]
    """First lines of the branches that did not run."""

    @property
    def source(self) -> SourceText:
        """The text of the file that it stands in."""
        return self.file.source

    @property
    def first(self) -> int:
        """Its first line, which is that of its first decorator."""
        return first_line(self.node)

    @property
    def last(self) -> int:
        """Its last line."""
        return self.node.end_lineno or self.node.lineno


def function_lines(report: Report) -> list[FunctionLines]:
    """Every function of the user's own that made a tensor, in the order in which they first did.

    Nothing is said of a file that has changed since, and of a line with two statements on it.
    """
    expressions = Expressions(report)
    values = Values(expressions)
    wrong = _problems_by_node(report, expressions)
    return [
        _lines(function, file, report, expressions, values, wrong)
        for function, file in expressions.file_of.items()
        if not isinstance(function, ast.Lambda)
    ]


def together(reports: Iterable[Report]) -> list[FunctionLines]:
    """The functions of several reports, each once: a line has what it made in any of them."""
    merged: dict[tuple[str, int], FunctionLines] = {}
    for function in (each for report in reports for each in function_lines(report)):
        known = merged.setdefault((function.source.name, function.first), function)
        if known is function:
            continue
        for last, line in function.lines.items():
            other = known.lines.setdefault(last, line)
            if other is not line:
                other.calls = ()
                for shapes, times in line.shapes.items():
                    other.shapes[shapes] = other.shapes.get(shapes, 0) + times
    return list(merged.values())


def _lines(
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    file: File,
    report: Report,
    expressions: Expressions,
    values: Values,
    wrong: Mapping[ast.stmt, list[Problem]],
) -> FunctionLines:
    lines: dict[int, Line] = {}
    crowded: set[int] = set()
    for statement in _statements(node.body):
        line = _line(statement, file, report, expressions, values)
        line.problems = tuple(wrong.get(statement, ()))
        covered = range(line.first, line.last + 1)
        if any(other.first in covered or other.last in covered for other in lines.values()):
            crowded.add(line.last)
        if line.shapes or line.problems or line.failed:
            lines[line.last] = line
    for ended in crowded:
        lines.pop(ended, None)
    scopes = [each for each in (node, *file.parsed.around(node)) if isinstance(each, _NAMED)]
    return FunctionLines(
        file,
        node,
        ".".join(each.name for each in reversed(scopes)),
        tuple(expressions.paths.get(node, ())),
        lines,
        tuple(_not_taken(node.body, file, expressions)) if report.completed else (),
    )


def _line(statement: ast.stmt, file: File, report: Report, expressions: Expressions, values: Values) -> Line:
    line = Line(statement.lineno, statement.end_lineno or statement.lineno)
    for value in _made(statement, file, values) or ():
        shapes = value.shapes
        line.shapes[shapes] = line.shapes.get(shapes, 0) + value.times
    inside = [result for node in ast.walk(statement) for result in expressions.results.get(node, ())]
    line.calls = tuple(report.calls[index] for index in sorted({call for each in inside for call in each.calls}))
    line.failed = any(result.failed for result in inside)
    return line


def _made(statement: ast.stmt, file: File, values: Values) -> list[Value] | None:
    """The values of what a statement computes; a bare name is nothing new."""
    match statement:
        case ast.AugAssign():
            return values.of(statement, file)
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="append"), args=[value], keywords=[])):
            return values.of(value, file)
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) | ast.Return(value=ast.expr() as value):
            return None if isinstance(value, ast.Name) else values.of(value, file)
        case ast.Expr(value=value):
            return None if isinstance(value, ast.Name) else values.of(value, file)
    return None


def _statements(block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The simple statements of a block and of the blocks inside it, not of functions defined there."""
    for statement in block:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        inner = [getattr(statement, name, None) for name in ("body", "orelse", "finalbody")]
        blocks = [each for each in inner if isinstance(each, list) and each]
        blocks += [each.body for name in ("handlers", "cases") for each in getattr(statement, name, None) or ()]
        if not blocks:
            yield statement
        for each in blocks:
            yield from _statements(each)


def _not_taken(block: Sequence[ast.stmt], file: File, expressions: Expressions) -> Iterator[int]:
    """First lines of the branches of an ``if`` that did not run, where that is beyond doubt."""
    for statement in block:
        if isinstance(statement, ast.If):
            for branch in (statement.body, statement.orelse):
                if branch and _never_ran(branch, file, expressions):
                    yield branch[0].lineno
                else:
                    yield from _not_taken(branch, file, expressions)
        elif isinstance(statement, ast.For | ast.While | ast.With | ast.Try):
            yield from _not_taken(statement.body, file, expressions)


def _never_ran(branch: Sequence[ast.stmt], file: File, expressions: Expressions) -> bool:
    """Whether a module that the branch calls on its way, whatever happens, was not called there."""
    for statement in branch:
        if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr | ast.Return):
            return False
        if any(node in expressions.results for node in ast.walk(statement)):
            return False
        if statement.value is not None and any(
            expressions.is_always_seen(node, file) for node in _unconditional(statement.value)
        ):
            return True
    return False


def _unconditional(node: ast.expr) -> Iterator[ast.AST]:
    """The parts of an expression that are computed whenever it is."""
    waiting: list[ast.AST] = [node]
    while waiting:
        each = waiting.pop()
        yield each
        match each:
            case ast.IfExp(test=test):
                waiting.append(test)
            case ast.BoolOp(values=[first, *_]):
                waiting.append(first)
            case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                pass
            case _:
                waiting.extend(ast.iter_child_nodes(each))


# Problems


def _problems_by_node(report: Report, expressions: Expressions) -> dict[ast.stmt, list[Problem]]:
    """Each problem at the statement whose call it is about, or that calls the containers around that call."""
    statements: dict[int, ast.stmt] = {}
    for node, results in expressions.results.items():
        for result in results:
            file = expressions.file(result.places[0].file)
            if file is not None:
                statements.update(dict.fromkeys(result.calls, file.parsed.statement(node)))
    around = parents(report.calls)
    found: dict[ast.stmt, list[Problem]] = {}
    for problem in report.problems:
        call = -1 if problem.call is None else problem.call
        while call >= 0 and call not in statements:
            call = around[call]
        if call >= 0:
            found.setdefault(statements[call], []).append(problem)
    return found
