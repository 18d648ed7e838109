"""The call of a layer in ``forward``, with its argument corrected; a layer set in front of another."""

from __future__ import annotations

import ast
from collections.abc import Callable

from convlin.records import Location
from convlin.source.rewrite import Edit, Site, rewritten
from convlin.source.syntax import Parsed, parse, parsed_file

#: What a method can be called on as it stands; anything else needs parentheses.
_PRIMARY = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant)


def corrected_argument(where: Location, name: str, behind: str) -> str | None:
    """The lines that call the layer ``name``, with ``behind`` written after its first argument.

    None where there is no such call, or more than one.

    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def forward(self, x):
    ...         return self.fc(x + 1)  # ten classes
    >>> corrected_argument(Location(Net.forward.__code__.co_filename, 3), "fc", ".flatten(1)")
    'return self.fc((x + 1).flatten(1))  # ten classes'
    """

    def edit(parsed: Parsed, call: ast.Call) -> Edit | None:
        if not call.args or isinstance(call.args[0], ast.Starred):
            return None
        start, end = parsed.span(call.args[0])
        old = parsed.source.text[start:end]
        whole = old if isinstance(call.args[0], _PRIMARY) else f"({old})"
        return Edit(parsed.source.name, start, end, old, whole + behind)

    return _corrected(where, name, edit)


def corrected_keyword(where: Location, name: str, keyword: str, position: int, value: str) -> str | None:
    """The lines that call the layer ``name``, with another value for one of its arguments; None as above."""

    def edit(parsed: Parsed, call: ast.Call) -> Edit | None:
        given = [each.value for each in call.keywords if each.arg == keyword] or call.args[position : position + 1]
        if not given or any(isinstance(each, ast.Starred) for each in call.args):
            return None
        start, end = parsed.span(given[0])
        return Edit(parsed.source.name, start, end, parsed.source.text[start:end], value)

    return _corrected(where, name, edit)


def in_front(site: Site, layer: str) -> str | None:
    """The lines of an ``nn.Sequential(...)`` with another layer of ``torch.nn`` set in front of the one at ``site``.

    None where the layer is not written among the arguments of an ``nn.Sequential``.
    """
    package, dot, _ = site.callee.rpartition(".")
    parsed = parse(site.source)
    if parsed is None or not dot:
        return None
    for node in ast.walk(parsed.tree):
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("Sequential"):
            continue
        if any(parsed.span(each) == (site.start, site.end) for each in node.args):
            edit = Edit(site.source.name, site.start, site.start, "", f"{package}.{layer}, ")
            return rewritten(site.source, site.start, site.end, [edit])
    return None


def other_layer(site: Site, layer: str) -> str | None:
    """The lines that make a layer, with another class of ``torch.nn`` in its place; None where that cannot be."""
    package, dot, _ = site.callee.rpartition(".")
    if not dot or not site.call.startswith(site.callee):
        return None
    edit = Edit(site.source.name, site.start, site.start + len(site.callee), site.callee, f"{package}.{layer}")
    return rewritten(site.source, site.start, site.end, [edit])


def _corrected(where: Location, name: str, change: Callable[[Parsed, ast.Call], Edit | None]) -> str | None:
    parsed = parsed_file(where.file)
    if parsed is None:
        return None
    calls = [
        node
        for node in ast.walk(parsed.tree)
        if isinstance(node, ast.Call)
        and node.lineno <= where.line <= (node.end_lineno or node.lineno)
        and _last_name(node.func) == name
    ]
    if len(calls) != 1:
        return None
    edit = change(parsed, calls[0])
    return None if edit is None else rewritten(parsed.source, *parsed.span(calls[0]), [edit])


def _last_name(callee: ast.expr) -> str:
    """``fc`` for ``self.fc``, ``0`` for ``self.layers[0]``, ``head`` for ``self.heads["head"]``."""
    if isinstance(callee, ast.Attribute):
        return callee.attr
    if isinstance(callee, ast.Subscript) and isinstance(callee.slice, ast.Constant):
        return str(callee.slice.value)
    return ""
