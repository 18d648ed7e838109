"""The expression in the source that an instruction of the running code belongs to.

Python keeps the position of every instruction.  The source is compiled once more, never run, and only
where that gives the very code that ran are its positions trusted.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cached_property
from typing import TypeAlias

from convlin._util.code_objects import fingerprint
from convlin.records import CodePlace, ExpressionResult, Report
from convlin.source.syntax import Files, Function, Parsed
from convlin.source.text import Comment, comments_of

Span: TypeAlias = tuple[int, int, int, int]
Positions: TypeAlias = list[tuple[int | None, int | None, int | None, int | None]]

#: What an instruction that gives a tensor can be.
_MAKES = (
    ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.Attribute, ast.AugAssign, ast.ListComp,
    ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip


class File:
    """A file's tree, with the way from an instruction to its expression."""

    def __init__(self, parsed: Parsed) -> None:
        self.parsed = parsed
        self.source = parsed.source
        self._spans: dict[Span, ast.AST] = {}
        self._ends: dict[tuple[int, int], list[ast.AST]] = {}
        for node in ast.walk(parsed.tree):
            if isinstance(node, _MAKES):
                span = (node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0)
                self._spans[span] = node
                self._ends.setdefault(span[2:], []).append(node)

    def node(self, place: CodePlace) -> ast.AST | None:
        """The expression at a place; None where the source is not that of the code that ran."""
        positions = self._positions.get((place.function, place.first_line, place.fingerprint))
        if positions is None:
            return None
        line, last_line, start, end = positions[place.offset // 2]
        if line is None or last_line is None or start is None or end is None:
            return None
        found = self._spans.get((line, start, last_line, end))
        if found is not None:
            return found
        # Of a chain of methods over several lines Python says where the name of the method stands.
        chained = [
            node
            for node in self._ends.get((last_line, end), ())
            if isinstance(node, ast.Call | ast.Attribute) and node.lineno < line
        ]
        return chained[0] if len(chained) == 1 else None

    def parent(self, node: ast.AST) -> ast.AST | None:
        """What a node stands in."""
        return next(self.parsed.around(node), None)

    @cached_property
    def comments(self) -> Mapping[int, Comment]:
        """Every comment by its line."""
        return comments_of(self.source)

    @cached_property
    def _positions(self) -> dict[tuple[str, int, int], Positions]:
        """Where each instruction stands, by what is known of the code that ran."""
        return {
            (code.co_qualname, code.co_firstlineno, fingerprint(code)): list(code.co_positions())
            for code in self.parsed.codes()
        }


class Expressions:
    """The results of a report by the expression that made them."""

    def __init__(self, report: Report) -> None:
        self._files: dict[str, File | None] = {}
        self._read = Files()
        self._nodes: dict[CodePlace, ast.AST | None] = {}
        self.results: dict[ast.AST, list[ExpressionResult]] = {}
        self.callees: dict[ast.AST, list[Function]] = {}
        """For a call of a function of the user's: the functions that ran in it."""
        self.file_of: dict[Function, File] = {}
        """The file of every function in which something was made, in the order of the first time."""
        self.paths: dict[Function, list[str]] = {}
        """The modules in whose ``forward`` each function ran."""
        self._paths: dict[Function, set[str]] = {}
        self._modules = {path for module in report.modules for path in (module.path, *module.aliases)}
        for result in report.expressions:
            self._add(result)

    def node(self, place: CodePlace) -> ast.AST | None:
        """The expression at a place, where its source is to be had."""
        if place not in self._nodes:
            file = self.file(place.file)
            self._nodes[place] = file.node(place) if file is not None else None
        return self._nodes[place]

    def file(self, name: str) -> File | None:
        """The file of that name; None where there is no source."""
        if name not in self._files:
            parsed = self._read.get(name)
            self._files[name] = File(parsed) if parsed is not None else None
        return self._files[name]

    def is_always_seen(self, node: ast.AST, file: File) -> bool:
        """Whether an expression has a result wherever it ran: a call of a module that ``self`` holds."""
        names: list[str] = []
        callee = node.func if isinstance(node, ast.Call) else node
        while isinstance(callee, ast.Attribute):
            names.insert(0, callee.attr)
            callee = callee.value
        function = file.parsed.function_around(node)
        paths = self._paths.get(function) if function is not None else None
        if not isinstance(node, ast.Call) or not names or not isinstance(callee, ast.Name) or not paths:
            return False
        return callee.id == "self" and all(".".join(filter(None, (path, *names))) in self._modules for path in paths)

    def _function_at(self, place: CodePlace) -> Function | None:
        """The function that a place stands in."""
        file, node = self.file(place.file), self.node(place)
        return file.parsed.function_around(node) if file is not None and node is not None else None

    def _class_of(self, place: CodePlace) -> ast.AST | None:
        """The class whose ``forward`` a place stands in."""
        file, function = self.file(place.file), self._function_at(place)
        around = file.parent(function) if file is not None and function is not None else None
        return around if isinstance(around, ast.ClassDef) else None

    def _add(self, result: ExpressionResult) -> None:
        node = self.node(result.places[0])
        for around in dict.fromkeys(map(self._function_at, result.places)):
            if around is not None and result.path not in self.paths.setdefault(around, []):
                self.paths[around].append(result.path)
        for inner, outer in zip(result.places, (*result.places[1:], None), strict=True):
            file, function = self.file(inner.file), self._function_at(inner)
            if file is None or function is None:
                break
            self.file_of.setdefault(function, file)
            if file.parent(function) is self._class_of(result.places[-1]):
                self._paths.setdefault(function, set()).add(result.path)
            call = self.node(outer) if outer is not None else None
            if call is not None and function not in self.callees.setdefault(call, []):
                self.callees[call].append(function)
        if node is not None:
            self.results.setdefault(node, []).append(result)
