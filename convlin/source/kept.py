"""The line that makes a tensor which a module keeps, ``self.pos = nn.Parameter(torch.zeros(1, 64, d))``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import NamedTuple

from convlin.records import Location
from convlin.source.edits import edited, rewrite
from convlin.source.syntax import Parsed, parsed_file, unwrapped

_MAKERS = frozenset({"zeros", "ones", "empty", "randn", "rand", "new_zeros", "new_ones", "new_empty"})
_HANDING_ON = frozenset({"Parameter", "Buffer", "Variable", "register_buffer", "register_parameter"})
#: Methods that leave a tensor's shape as it is.
LIKE = frozenset({"to", "cuda", "cpu", "float", "double", "half", "type_as", "requires_grad_", "detach", "clone"})


class Kept(NamedTuple):
    """Where a tensor is made, and the lines there with other sizes."""

    where: Location
    text: str | None
    """None where it cannot be told which number is which size."""


def kept(cls: type, name: str, sizes: Sequence[int | None]) -> Kept | None:
    """The line of the constructor that makes ``self.name``, with the ``sizes`` that are numbers written there.

    None where no line does, or several.

    >>> import torch
    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.pos = nn.Parameter(0.02 * torch.randn(1, 64, 8))
    >>> kept(Net, "pos", (None, 65, None)).text
    'self.pos = nn.Parameter(0.02 * torch.randn(1, 65, 8))'
    """
    function = next((vars(owner)["__init__"] for owner in cls.__mro__ if "__init__" in vars(owner)), None)
    if not isinstance(function, FunctionType):
        return None
    code = unwrapped(function).__code__
    parsed = parsed_file(code.co_filename)
    node = parsed.function(code) if parsed is not None else None
    if parsed is None or node is None:
        return None
    made = [value for inner in ast.walk(node) for value in _made(inner, name)]
    if len(made) != 1:
        return None
    (value,) = made
    written = sizes_written(value, len(sizes))
    edits = [
        edited(parsed.source, *parsed.span(each), str(size))
        for each, size in zip(written, sizes, strict=False)
        if size is not None
    ]
    text = rewrite(parsed.source, *_statement(parsed, value), *edits).text if edits else None
    return Kept(Location(code.co_filename, value.lineno), text)


def _made(node: ast.AST, name: str) -> Iterator[ast.expr]:
    match node:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=found)], value=value) if found == name:
            yield value
        case ast.AnnAssign(target=ast.Attribute(value=ast.Name(id="self"), attr=found), value=ast.expr() as value):
            if found == name:
                yield value
        case ast.Call(
            func=ast.Attribute(attr="register_buffer" | "register_parameter"),
            args=[ast.Constant(value=found), value, *_],
        ) if found == name:
            yield value


def sizes_written(value: ast.expr, rank: int) -> Sequence[ast.expr]:
    """What is written for each size; nothing where something between may make other sizes of them."""
    match value:
        case ast.Call(func=ast.Attribute(value=inner, attr=name)) if name in LIKE:
            return sizes_written(inner, rank)
        case ast.Call(
            func=ast.Attribute(attr=name) | ast.Name(id=name), args=[ast.Tuple(elts=sizes) | ast.List(elts=sizes)]
        ):
            is_made = name in _MAKERS
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=[inner, *_]) if name in _HANDING_ON:
            return sizes_written(inner, rank)
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=sizes):
            is_made = name in _MAKERS
        case ast.BinOp(left=inner, right=ast.Constant()) | ast.BinOp(left=ast.Constant(), right=inner):
            return sizes_written(inner, rank)
        case _:
            return ()
    is_each = len(sizes) == rank and not any(isinstance(each, ast.Starred) for each in sizes)
    return sizes if is_made and is_each else ()


def _statement(parsed: Parsed, node: ast.expr) -> tuple[int, int]:
    return parsed.span(parsed.statement(node))
