"""A ``view`` or ``reshape`` in ``forward``, rewritten."""

from __future__ import annotations

import ast

from convlin.records import Location
from convlin.source.rewrite import line_text

_RESHAPES = ("view", "reshape")


def corrected_reshape(where: Location, *, keep_sizes: bool = False) -> str | None:
    """The line with its ``view`` turned into a flatten that keeps the batch; None where it cannot be read alone.

    With ``keep_sizes`` it becomes a ``reshape`` to the same sizes, which may cross strides.
    """
    line = line_text(where)
    if line is None:
        return None
    text = line.strip()
    calls = [call for call in _calls(text) if isinstance(call.func, ast.Attribute) and call.func.attr in _RESHAPES]
    if len(calls) != 1:
        return None
    (call,) = calls
    assert isinstance(call.func, ast.Attribute)
    owner, end = call.func.value, call.end_col_offset
    if owner.end_col_offset is None or end is None:
        return None
    raw = text.encode()
    head, rest = raw[: owner.end_col_offset].decode(), raw[owner.end_col_offset : end].decode()
    tail = raw[end:].decode()
    if isinstance(owner, ast.Name) and owner.id == "torch":
        return None  # torch.reshape(x, ...): the tensor is an argument
    if keep_sizes:
        return head + rest.replace(f".{call.func.attr}", ".reshape", 1) + tail
    return f"{head}.flatten(1){tail}"


def _calls(text: str) -> list[ast.Call]:
    """The calls in one line of source; none if the line is no statement by itself."""
    for candidate in (text, f"{text} pass" if text.endswith(":") else text):
        try:
            tree = ast.parse(candidate)
        except SyntaxError:
            continue
        return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return []
