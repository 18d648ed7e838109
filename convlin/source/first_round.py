"""The number that a loop reads in its first round alone: what the first of the layers it makes is given."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import NamedTuple

from convlin.source.bindings import assigned, is_parameter, loop_around, scope_of, uses_of
from convlin.source.syntax import Parsed


class FirstRound(NamedTuple):
    """Where a loop has its first number from, which nothing else reads."""

    name: str
    """What is bound to it, or to the sequence that it is the first entry of."""
    value: ast.expr | None = None
    """The number itself, or another name for it; None where ``name`` is a parameter."""
    is_entry: bool = False
    """The parameter is a sequence."""


def first_round(parsed: Parsed, node: ast.expr) -> FirstRound | None:
    """Where an argument in a loop has its number from in the first round; None where anything else may read that.

    Three ways to write such a loop are known: a name that is bound in front of the loop and behind the call again
    (``c = v``), the first of two that go through a sequence and its rest (``zip(sizes, sizes[1:])``,
    ``pairwise(sizes)``, ``zip([first, *hidden], sizes)``), and ``sizes[i]`` for ``i`` from 0 on.
    """
    match node:
        case ast.Name(id=name):
            return _carried(parsed, node, name) or _paired(parsed, node, name)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Name(id=index)):
            return _counted(parsed, node, name, index)
    return None


def _carried(parsed: Parsed, node: ast.Name, name: str) -> FirstRound | None:
    loop, scope = loop_around(parsed, node), scope_of(parsed, node, name)
    found = uses_of(scope, name)
    if not isinstance(loop, ast.For | ast.While) or loop_around(parsed, loop) is not None or found is None:
        return None
    read, bound = found
    again = [each for each in bound if _is_inside(parsed, each, loop)]
    before = [each for each in bound if each not in again]
    if len(again) != 1 or not isinstance(rebinding := parsed.statement(again[0]), ast.Assign):
        return None

    def is_later(each: ast.AST) -> bool:
        statement = parsed.statement(each)
        return rebinding in parsed.before(statement) or loop in parsed.before(_beside(parsed, statement, loop))

    if parsed.statement(node) not in parsed.before(rebinding) or not all(
        each is node or is_later(each) for each in read
    ):
        return None
    if not before:
        return FirstRound(name) if is_parameter(scope, name) else None
    value = assigned(parsed, before)
    in_front = value is not None and parsed.statement(before[0]) in parsed.before(loop)
    return FirstRound(name, value) if in_front else None


def _paired(parsed: Parsed, node: ast.Name, name: str) -> FirstRound | None:
    loop = loop_around(parsed, node)
    match _goes_through(loop):
        case (ast.Tuple(elts=[ast.Name(id=first), ast.Name()]), ast.Call(func=called, args=[front, *rest])) if (
            first == name
        ):
            pass
        case _:
            return None
    assert loop is not None
    used = uses_of(loop, name)
    if used is None or used[0] != [node] or len(used[1]) != 1:
        return None
    match ast.unparse(called).rpartition(".")[2], rest:
        case "zip", [_] if (written := entry(front)) is not None:
            return FirstRound(name, written)
        case "zip", [ast.Subscript(value=ast.Name(id=sequence)) as behind] if ast.unparse(behind.slice) == "1:":
            whole = front.value if isinstance(front, ast.Subscript) and ast.unparse(front.slice) == ":-1" else front
        case "pairwise", []:
            whole = front
            sequence = whole.id if isinstance(whole, ast.Name) else ""
        case _:
            return None
    if not isinstance(whole, ast.Name) or whole.id != sequence:
        return None
    return _first_entry(parsed, loop, sequence, lambda each: each is whole)


def _counted(parsed: Parsed, node: ast.Subscript, sequence: str, index: str) -> FirstRound | None:
    loop = loop_around(parsed, node)
    match _goes_through(loop):
        case (ast.Name(id=counter), ast.Call(func=ast.Name(id="range"), args=[_])):
            pass
        case _:
            return None
    assert loop is not None
    used = uses_of(loop, counter)
    if counter != index or used is None or len(used[1]) != 1:
        return None

    def is_own(each: ast.Name) -> bool:
        outer = next(parsed.around(each))
        is_next = isinstance(outer, ast.Subscript) and ast.unparse(outer.slice) == f"{counter} + 1"
        return outer is node or (is_next and _is_inside(parsed, each, loop))

    return _first_entry(parsed, loop, sequence, is_own)


def _goes_through(loop: ast.AST | None) -> tuple[ast.expr, ast.expr] | None:
    """What a loop binds at every turn, and what it goes through; None where it leaves some out, or is another."""
    match loop:
        case ast.For(target=target, iter=given):
            return target, given
        case (
            ast.ListComp(generators=[ast.comprehension(target=target, iter=given, ifs=[])])
            | ast.GeneratorExp(generators=[ast.comprehension(target=target, iter=given, ifs=[])])
        ):
            return target, given
    return None


def _first_entry(parsed: Parsed, loop: ast.AST, sequence: str, is_own: Callable[[ast.Name], bool]) -> FirstRound | None:
    """The first entry of a sequence that is written out, where only what ``is_own`` reads it."""
    scope = scope_of(parsed, loop, sequence)
    found = uses_of(scope, sequence)
    if found is None or not all(is_own(each) or _leaves_the_first(parsed, each) for each in found[0]):
        return None
    if not found[1]:
        return FirstRound(sequence, is_entry=True) if is_parameter(scope, sequence) else None
    value = entry(assigned(parsed, found[1]))
    return None if value is None else FirstRound(sequence, value)


def entry(display: ast.expr | None) -> ast.expr | None:
    """The first entry of a list or tuple that is written out, of two or more, or of a sum that begins with one."""
    least = 2
    while isinstance(display, ast.BinOp) and isinstance(display.op, ast.Add):
        display, least = display.left, 1
    match display:
        case ast.List(elts=[first, *rest]) | ast.Tuple(elts=[first, *rest]) if len(rest) + 1 >= least:
            return None if isinstance(first, ast.Starred) else first
    return None


def _leaves_the_first(parsed: Parsed, each: ast.Name) -> bool:
    """Whether what reads a sequence does not look at its first entry: its length, its last entry, those behind."""
    match next(parsed.around(each)):
        case ast.Call(func=ast.Name(id="len")):
            return True
        case ast.Subscript(slice=index):
            return ast.unparse(index) in ("1:", "-1", "1", "-1:")
    return False


def _is_inside(parsed: Parsed, node: ast.AST, outer: ast.AST) -> bool:
    return any(each is outer for each in parsed.around(node))


def _beside(parsed: Parsed, statement: ast.stmt, loop: ast.AST) -> ast.stmt:
    """The statement around another one that stands in the block of a loop, or the statement itself."""
    block = next(parsed.around(loop))
    around = [each for each in (statement, *parsed.around(statement)) if isinstance(each, ast.stmt)]
    return next((each for each in around if next(parsed.around(each), None) is block), statement)
