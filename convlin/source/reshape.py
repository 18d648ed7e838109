"""A ``view`` or ``reshape`` that does not fit, corrected."""

from __future__ import annotations

import ast

from convlin.records import Edit, Location
from convlin.source.edits import Rewrite, edited, rewrite
from convlin.source.syntax import Parsed, parsed_file


def corrected_reshape(
    where: Location, *, keep_sizes: bool = False, size: str | None = None, axis: int = -1
) -> Rewrite | None:
    """The lines of the one ``view``, ``reshape`` or ``flatten`` there, made a flatten that keeps the batch.

    With ``keep_sizes`` it becomes a ``reshape`` to the same sizes, which may cross strides; with
    ``size`` only one of its sizes is changed, the last or that of ``axis``.  None where it cannot be told which call is
    meant, or what the call's sizes are.

    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def forward(self, x):
    ...         return self.fc(x.view(-1, 32 * 8 * 8))  # one row each
    >>> where = Location(Net.forward.__code__.co_filename, 3)
    >>> corrected_reshape(where).text
    'return self.fc(x.flatten(1))  # one row each'
    >>> corrected_reshape(where, keep_sizes=True).text
    'return self.fc(x.reshape(-1, 32 * 8 * 8))  # one row each'
    >>> corrected_reshape(where, size="3200").text
    'return self.fc(x.view(-1, 3200))  # one row each'
    """
    parsed = parsed_file(where.file)
    if parsed is None:
        return None
    calls = parsed.calls(where.line, "view", "reshape")
    if len(calls) != 1 and size is None and not keep_sizes:
        calls = parsed.calls(where.line, "flatten")
    if len(calls) != 1:
        return None
    (call,) = calls
    if size is not None:
        edit = _resized(parsed, call, size, axis)
    else:
        edit = edited(parsed.source, *_name(parsed, call), "reshape") if keep_sizes else _flattened(parsed, call)
    return None if edit is None else rewrite(parsed.source, *parsed.span(call), edit)


def _flattened(parsed: Parsed, call: ast.Call) -> Edit | None:
    start, end = _name(parsed, call)[0], parsed.span(call)[1]
    if not _is_function(call):
        return edited(parsed.source, start, end, "flatten(1)")
    if not call.args or isinstance(call.args[0], ast.Starred):
        return None
    first, last = parsed.span(call.args[0])
    return edited(parsed.source, start, end, f"flatten({parsed.source.text[first:last]}, 1)")


def _resized(parsed: Parsed, call: ast.Call, size: str, axis: int) -> Edit | None:
    sizes = call.args[1:] if _is_function(call) else call.args
    sizes = sizes or [keyword.value for keyword in call.keywords if keyword.arg in ("shape", "size")]
    if len(sizes) == 1 and isinstance(sizes[0], ast.Tuple | ast.List):
        sizes = sizes[0].elts
    if len(sizes) <= -axis or any(isinstance(each, ast.Starred) for each in sizes):
        return None
    return edited(parsed.source, *parsed.span(sizes[axis]), size)


def _name(parsed: Parsed, call: ast.Call) -> tuple[int, int]:
    """Where the word ``view`` stands."""
    assert isinstance(call.func, ast.Attribute)
    end = parsed.span(call.func)[1]
    return end - len(call.func.attr), end


def _is_function(call: ast.Call) -> bool:
    """``torch.reshape(x, ...)`` and not ``x.reshape(...)``."""
    assert isinstance(call.func, ast.Attribute)
    return isinstance(call.func.value, ast.Name) and call.func.value.id == "torch"
