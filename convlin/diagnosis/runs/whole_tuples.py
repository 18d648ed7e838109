"""What a recurrent layer or an attention returns, taken whole for its output: ``torch.tanh(self.lstm(x))``.

No words of an error tell it: it is read from the expression that raised, and from what its variables hold.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from convlin.source.syntax import Parsed, parsed_file, span_of
from convlin.trace.recording import Failure


def taken_whole(failure: Failure) -> frozenset[str]:
    """The paths of the layers whose tuples Python or PyTorch took for no tensor where the pass stopped."""
    held = failure.tuples
    parsed = None if held is None else parsed_file(held.file)
    if held is None or parsed is None:
        return frozenset()
    names, calls = dict(held.names), dict(held.calls)
    raised = (node for node in parsed.nodes if isinstance(node, ast.expr) and span_of(node) == held.raised)
    found: set[str | None] = set()
    for operand in (operand for node in raised for operand in _operands(node)):
        if isinstance(operand, ast.Name) and not _is_taken_apart(parsed, operand):
            found.add(names.get(operand.id))
        found.add(calls.get(span_of(operand)))
    return frozenset(path for path in found if path is not None)


def _is_taken_apart(parsed: Parsed, name: ast.Name) -> bool:
    """Whether it is meant as a tuple: ``out[0]`` is taken of it, it is unpacked, or it is the state of a cell."""
    around = parsed.function_around(name)
    for node in () if around is None else ast.walk(around):
        match node:
            case ast.Subscript(value=ast.Name(id=found), slice=ast.Constant() | ast.UnaryOp()) if found == name.id:
                return True
            case ast.Assign(targets=[ast.Tuple() | ast.List()], value=ast.Name(id=found)) if found == name.id:
                return True
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Call(args=[_, ast.Name(id=given)])):
                if found == given == name.id:
                    return True
    return False


def _operands(node: ast.expr) -> Iterator[ast.expr]:
    """The operands of an expression, those in a list or tuple one by one."""
    match node:
        case ast.Call():
            found = [*node.args, *(each.value for each in node.keywords)]
        case ast.BinOp():
            found = [node.left, node.right]
        case ast.Subscript() | ast.Attribute():
            found = [node.value]
        case _:
            found = []
    for each in found:
        yield from each.elts if isinstance(each, ast.List | ast.Tuple) else [each]
