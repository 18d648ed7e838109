"""What the code of a ``forward`` takes of a pair that a layer returns beside its output."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FunctionType

from convlin.records import Location
from convlin.source.syntax import Files, own_scope, unwrapped


def last_of_pair(forward: FunctionType, layer: str) -> Iterator[tuple[str, Location]]:
    """The name of the pair, and the lines that take ``h[-1]`` of it and nothing of that.

    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def forward(self, x):
    ...         out, h = self.lstm(x)
    ...         return self.fc(h[-1])
    >>> [(name, where.line) for name, where in last_of_pair(Net.forward, "lstm")]
    [('h', 4)]
    """
    found = Files().function(unwrapped(forward))
    if found is None:
        return
    parsed, function = found
    inside = [*own_scope([*ast.iter_child_nodes(function)])]
    pairs = [name for node in inside for name in _pair(node, layer)]
    bound = [node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    for node in inside:
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.UnaryOp(ast.USub(), ast.Constant(1))):
                is_apart = isinstance(next(parsed.around(node), None), ast.Subscript)
                if name in pairs and bound.count(name) == 1 and not is_apart:
                    yield name, Location(parsed.source.name, node.lineno)


def _pair(node: ast.AST, layer: str) -> Iterator[str]:
    match node:
        case ast.Assign(
            targets=[ast.Tuple(elts=[_, ast.Name(id=name)])],
            value=ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=called)),
        ) if called == layer:
            yield name
