"""The line of a reduction, ``x.mean(2)``, along other dims."""

from __future__ import annotations

import ast

from convlin.records import Location
from convlin.source.edits import Rewrite, edited, rewrite
from convlin.source.sites import appended
from convlin.source.syntax import parsed_file

#: By these names people call the modules whose functions take the tensor first.
_MODULES = frozenset({"torch", "F", "functional", "linalg"})


def corrected_reduction(where: Location, name: str, dims: tuple[int, ...]) -> Rewrite | None:
    """The lines of the one call of ``name`` there, over other dims; None where there is none, or more than one.

    >>> import torch
    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def forward(self, x):
    ...         return torch.mean(x, 2) + x.sum()
    >>> where = Location(Net.forward.__code__.co_filename, 3)
    >>> corrected_reduction(where, "mean", (1,)).text
    'return torch.mean(x, 1) + x.sum()'
    >>> corrected_reduction(where, "sum", (2, 3)).text
    'return torch.mean(x, 2) + x.sum(dim=(2, 3))'
    """
    parsed = parsed_file(where.file)
    calls = [] if parsed is None else parsed.calls(where.line, name)
    if parsed is None or len(calls) != 1:
        return None
    (call,) = calls
    if any(isinstance(each, ast.Starred) for each in call.args) or any(each.arg is None for each in call.keywords):
        return None
    place = 1 if _is_function(call) else 0
    given = [each.value for each in call.keywords if each.arg in ("dim", "axis")] or call.args[place : place + 1]
    text = str(dims[0] if len(dims) == 1 else dims)
    start, end = parsed.span(call)
    if given:
        return rewrite(parsed.source, start, end, edited(parsed.source, *parsed.span(given[0]), text))
    at, added = appended(parsed.source, start, end, {"dim": text})
    return rewrite(parsed.source, start, end, edited(parsed.source, at, at, added))


def _is_function(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in _MODULES
    return False
