"""The mutants of a module: its syntax tree with one small thing changed, one after the other.

Left out is what only says something: strings, docstrings, annotations, and ``strict=True``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


class Mutant(NamedTuple):
    """One change of one module."""

    file: str
    line: int
    function: str
    """The function whose code it changes, with its class; empty for what runs when the module is imported."""
    change: str
    place: tuple[int, int]
    """The number of the node in the tree, and which of its replacements it is."""

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return f"{self.file}:{self.line}: {self.change}"


def mutants(source: str, file: str) -> Iterator[Mutant]:
    """All mutants of one module, in the order of its tree."""
    for number, (node, function) in enumerate(_changeable(ast.parse(source), "")):
        for choice, replacement in enumerate(_replacements(node)):
            yield Mutant(file, node.lineno, function, f"{_text(node)} → {_text(replacement)}", (number, choice))


def mutated(source: str, mutant: Mutant) -> ast.Module:
    """The tree of the module with the change made."""
    tree = ast.parse(source)
    number, choice = mutant.place
    node, _ = next(islice(_changeable(tree, ""), number, None))
    new = next(islice(_replacements(node), choice, None))
    _replace(tree, node, ast.copy_location(new, node))
    return ast.fix_missing_locations(tree)


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 160 else f"{text[:157]}..."


def _changeable(node: ast.AST, function: str) -> Iterator[tuple[Any, str]]:
    """Statements and expressions that may be changed, each with the function around it."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params", "bases"):
            continue
        inside = function
        if isinstance(node, ast.FunctionDef) and field == "body":
            inside = f"{function}.{node.name}" if function else node.name
        elif isinstance(node, ast.Lambda) and field == "body":
            inside = function
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _only_says(child):
                continue
            if isinstance(child, ast.stmt | ast.expr):
                yield child, inside
            if isinstance(child, ast.ClassDef):
                # What a class body computes is computed at import.
                yield from _changeable(child, function)
            else:
                yield from _changeable(child, inside)


def _only_says(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.keyword):
        return node.arg == "strict"
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as number):
            yield ast.Constant(number + 1)
            yield ast.Constant(number - 1)
        case ast.Compare(ops=operators):
            for index, operator in enumerate(operators):
                for other in _COMPARISONS[type(operator)]:
                    yield _with(node, ops=[*operators[:index], other(), *operators[index + 1 :]])
        case ast.BinOp(op=operator):
            yield _with(node, op=_OPERATORS[type(operator)]())
        case ast.AugAssign(op=operator):
            yield _with(node, op=_OPERATORS[type(operator)]())
            yield ast.Pass()
        case ast.BoolOp(op=operator, values=values):
            yield _with(node, op=ast.Or() if isinstance(operator, ast.And) else ast.And())
            if len(values) > 2:  # of two, the swap and the branches of the whole say as much
                for index in range(len(values)):
                    yield _with(node, values=values[:index] + values[index + 1 :])
            else:
                yield values[0]
                yield values[1]
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.IfExp(body=body, orelse=orelse):
            yield body
            yield orelse
        case ast.If():
            yield _with(node, test=ast.Constant(True))
            yield _with(node, test=ast.Constant(False))
        case ast.While():
            yield _with(node, test=ast.Constant(False))
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Raise() | ast.Continue() | ast.Break() | ast.Expr():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.Call(keywords=keywords):
            for index, keyword in enumerate(keywords):
                if keyword.arg != "strict":
                    yield _with(node, keywords=keywords[:index] + keywords[index + 1 :])
        case (
            ast.ListComp(generators=generators)
            | ast.SetComp(generators=generators)
            | ast.DictComp(generators=generators)
            | ast.GeneratorExp(generators=generators)
        ):
            for index, one in enumerate(generators):
                for test in range(len(one.ifs)):
                    changed = _with(one, ifs=one.ifs[:test] + one.ifs[test + 1 :])
                    yield _with(node, generators=[*generators[:index], changed, *generators[index + 1 :]])


def _with(node: ast.AST, **fields: Any) -> Any:
    """The node with other fields."""
    values = {name: getattr(node, name) for name in node._fields if hasattr(node, name)} | fields
    return ast.copy_location(type(node)(**values), node)


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
                return
            if isinstance(value, list):
                for index, each in enumerate(value):
                    if each is old:
                        value[index] = new
                        return
    raise AssertionError("the node is not in the tree")
