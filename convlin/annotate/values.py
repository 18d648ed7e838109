"""The shapes of what an expression comes to, put together from those that ran inside it.

Only what the run showed is put together: an expression with a part that was not seen has no value.
"""

from __future__ import annotations

import ast
import builtins
from typing import NamedTuple

from convlin.annotate.expressions import Expressions, File
from convlin.records import CodePlace, ExpressionResult, Shape
from convlin.source.syntax import own_scope

#: Statements after which the rest of a block may not run.
_LEAVES = (ast.Return, ast.Break, ast.Continue, ast.Raise, ast.Try, ast.TryStar, ast.Yield, ast.YieldFrom)


#: Functions of Python's own that may call others several times.
_CALL_OTHERS = frozenset(dir(builtins)) | {"reduce", "accumulate", "starmap", "extend", "update", "fsum", "prod"}


class Value(NamedTuple):
    """Tensors that an expression made, the same each time."""

    path: str
    """The module whose ``forward`` ran."""
    chain: tuple[CodePlace, ...]
    """The calls of functions that led to the function that the expression stands in."""
    outputs: tuple[tuple[str, Shape], ...]
    times: int

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Without their places."""
        return tuple(shape for _, shape in self.outputs)


class Values:
    """Finds the value of an expression; None where it, or a part that it needs, was not seen."""

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions
        self._known: dict[ast.AST, list[Value] | None] = {}

    def of(self, node: ast.AST, file: File) -> list[Value] | None:
        """The values of an expression of ``file``, in the order of the first time."""
        if node not in self._known:
            self._known[node] = None  # while it is looked for: a function that calls itself
            self._known[node] = self._new(node, file)
        return self._known[node]

    def _new(self, node: ast.AST, file: File) -> list[Value] | None:
        ran = self._expressions.results.get(node)
        if ran and not isinstance(node, ast.ListComp) and _is_one_call(node, ran):
            return [
                Value(each.path, each.places[1:], each.outputs, each.times) for each in ran if not each.failed
            ] or None
        match node:
            case ast.Call():
                return self._returned(node)
            case ast.Name(ctx=ast.Load()):
                return self._assigned(node, file)
            case ast.Tuple(elts=parts) | ast.List(elts=parts) if parts:
                return self._together(parts, file)
            case ast.IfExp(body=yes, orelse=no):
                return self._either([yes, no], file)
            case ast.NamedExpr(value=inner) | ast.Await(value=inner):
                return self.of(inner, file)
            case ast.Subscript(value=inner) | ast.Attribute(value=inner):
                return self._part(node, inner, file)
            case ast.ListComp(elt=element):
                made = self.of(element, file)
                return [self._outside(value, node) for value in made] if made else None
        return None

    def _outside(self, value: Value, comprehension: ast.AST) -> Value:
        """A comprehension is a function of its own before Python 3.12."""
        if value.chain and self._expressions.node(value.chain[0]) is comprehension:
            return value._replace(chain=value.chain[1:])
        return value

    def _part(self, node: ast.Subscript | ast.Attribute, inner: ast.expr, file: File) -> list[Value] | None:
        """``self.lstm(x)[0]``, ``self.encoder(x).last_hidden_state``: one of several tensors."""
        values = self.of(inner, file) if isinstance(inner, ast.Call | ast.Subscript | ast.Attribute) else None
        return _at(ast.unparse(node)[len(ast.unparse(inner)) :].replace("'", '"'), values)

    def _together(self, parts: list[ast.expr], file: File) -> list[Value] | None:
        """Several expressions side by side: only where each made the same each time it ran."""
        values = [self.of(part, file) for part in parts]
        if not all(values):
            return None
        by_owner = [{(each.path, each.chain): each for each in found} for found in values if found]
        alike = all(len(each) == len(found or ()) for each, found in zip(by_owner, values, strict=True))
        if not alike or any(each.keys() != by_owner[0].keys() for each in by_owner):
            return None
        made = []
        for owner in by_owner[0]:
            several = [each[owner] for each in by_owner]
            if len({each.times for each in several}) > 1:
                return None
            outputs = tuple(
                (f"[{index}]{at}", shape) for index, each in enumerate(several) for at, shape in each.outputs
            )
            made.append(several[0]._replace(outputs=outputs))
        return made

    def _either(self, parts: list[ast.expr], file: File) -> list[Value] | None:
        found: list[Value] = []
        for part in parts:
            values = self.of(part, file)
            if not values and not self._expressions.is_always_seen(part, file):
                return None  # what cannot be seen may have been what ran
            found += values or ()
        return found or None

    # Functions of the user's

    def _returned(self, call: ast.Call) -> list[Value] | None:
        """What a function of the user's returns to this call."""
        functions = self._expressions.callees.get(call, [])
        if len(functions) != 1:
            return None
        function = functions[0]
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if isinstance(function, ast.Lambda) or function.name != called or isinstance(function, ast.AsyncFunctionDef):
            return None
        file = self._expressions.file_of[function]
        returns = []
        for inner in own_scope(function.body):
            if isinstance(inner, ast.Yield | ast.YieldFrom):
                return None
            if isinstance(inner, ast.Return):
                returns.append(inner.value)
        found: list[Value] = []
        for value in returns:
            made = self.of(value, file) if value is not None else None
            if not made:
                return None
            here = [each for each in made if each.chain and self._expressions.node(each.chain[0]) is call]
            found += [each._replace(chain=each.chain[1:]) for each in here]
        return found or None

    def _assigned(self, name: ast.Name, file: File) -> list[Value] | None:
        """What was put under a name right before, on a line that always leads here."""
        for before in file.parsed.before(file.parsed.statement(name)):
            match before:
                case ast.Assign(targets=[ast.Name(id=name.id)], value=value):
                    return self.of(value, file)
                case ast.AnnAssign(target=ast.Name(id=name.id), value=ast.expr() as value):
                    return self.of(value, file)
                case ast.AugAssign(target=ast.Name(id=name.id)):
                    return self.of(before, file)
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=value):
                    index = next((at for at, each in enumerate(names) if getattr(each, "id", "") == name.id), None)
                    if index is not None:
                        starred = any(isinstance(each, ast.Starred) for each in names)
                        return None if starred else _at(f"[{index}]", self.of(value, file))
            if any(isinstance(each, _LEAVES) or _changes(each, name.id) for each in ast.walk(before)):
                return None
        return None


def _at(place: str, values: list[Value] | None) -> list[Value] | None:
    """What of each value stands at a place; None where one has nothing there."""
    inside = (f"{place}[", f"{place}.")
    made = [
        value._replace(
            outputs=tuple(
                (at[len(place) :], shape) for at, shape in value.outputs if at == place or at.startswith(inside)
            )
        )
        for value in values or ()
    ]
    return made if made and all(value.outputs for value in made) else None


def _is_one_call(node: ast.AST, ran: list[ExpressionResult]) -> bool:
    """Whether what ran at a call is the call itself, and not several that its function made: ``sum([x, y])``."""
    if not isinstance(node, ast.Call):
        return True
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    names = {result.function.rpartition(".")[2] for result in ran}
    if all(name == called or name.endswith(f"_{called}") for name in names):
        return True
    return len(names) == 1 and called not in _CALL_OTHERS


def _changes(node: ast.AST, name: str) -> bool:
    """Whether a node puts something else under a name, or may change the shape of a tensor in place."""
    if isinstance(node, ast.Name):
        return node.id == name and not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr.endswith("_")
    return isinstance(node, ast.Global | ast.Nonlocal) and name in node.names
