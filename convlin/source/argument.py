"""The call of a layer in ``forward``, with its argument corrected; a layer set in front of another."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from convlin.records import Edit, Location
from convlin.source.rewrite import Rewrite, Site, edited, rewrite
from convlin.source.syntax import Parsed, parse, parsed_file

#: What a method can be called on as it stands; anything else needs parentheses.
_PRIMARY = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant)


class Loop(NamedTuple):
    """A line that calls one layer after the other, by the name that a loop gives them."""

    line: int
    """Where the loop begins."""
    argument: str
    """What the layers are called with, where that is a name; empty otherwise, and in a comprehension."""


def loop_at(where: Location, name: str) -> Loop | None:
    """The loop whose layers the line calls; None where it calls the layer ``name`` itself.

    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def forward(self, x):
    ...         for layer in self.layers:
    ...             x = layer(x)
    ...         return x
    >>> loop_at(Location(Net.forward.__code__.co_filename, 4), "0")
    Loop(line=3, argument='x')
    """
    parsed = parsed_file(where.file)
    calls = [] if parsed is None else _calls(parsed, where.line)
    if any(_last_name(call.func) == name for call in calls):
        return None
    for call in calls:
        loop = None if parsed is None else _loop(parsed, call)
        if loop is not None:
            first = call.args[0] if len(call.args) == 1 and isinstance(loop, ast.For) else None
            line = loop.lineno if isinstance(loop, ast.For) else call.lineno
            return Loop(line, first.id if isinstance(first, ast.Name) else "")
    return None


def corrected_argument(where: Location, name: str, behind: str, after: str = "") -> Rewrite | None:
    """The lines that call the layer ``name``, with ``behind`` written after its first argument.

    ``after`` is written behind the call.  None where there is no such call, or more than one.  In a loop it is
    the call of the name that the loop gives its layers, so all of them are corrected.

    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def forward(self, x):
    ...         return self.fc(x + 1)  # ten classes
    >>> corrected_argument(Location(Net.forward.__code__.co_filename, 3), "fc", ".flatten(1)").text
    'return self.fc((x + 1).flatten(1))  # ten classes'
    """

    def edits(parsed: Parsed, call: ast.Call) -> Iterator[Edit]:
        if not call.args or isinstance(call.args[0], ast.Starred):
            return
        start, end = parsed.span(call.args[0])
        opening, closing = ("", "") if isinstance(call.args[0], _PRIMARY) else ("(", ")")
        for place, added in ((start, opening), (end, closing + behind), (parsed.span(call)[1], after)):
            if added:
                yield edited(parsed.source, place, place, added)

    return _corrected(where, name, edits)


def corrected_keyword(where: Location, name: str, keyword: str, position: int, value: str) -> Rewrite | None:
    """The lines that call the layer ``name``, with another value for one of its arguments; None as above."""

    def edits(parsed: Parsed, call: ast.Call) -> Iterator[Edit]:
        given = [each.value for each in call.keywords if each.arg == keyword] or call.args[position : position + 1]
        if given and not any(isinstance(each, ast.Starred) for each in call.args):
            yield edited(parsed.source, *parsed.span(given[0]), value)

    return _corrected(where, name, edits)


def in_front(site: Site, layer: str) -> Rewrite | None:
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
            return _made(site, edited(site.source, site.start, site.start, f"{package}.{layer}, "))
    return None


def other_layer(site: Site, layer: str) -> Rewrite | None:
    """The lines that make a layer, with another class of ``torch.nn`` in its place; None where that cannot be."""
    package, dot, _ = site.callee.rpartition(".")
    if not dot or not site.call.startswith(site.callee):
        return None
    return _made(site, edited(site.source, site.start, site.start + len(site.callee), f"{package}.{layer}"))


def _made(site: Site, edit: Edit) -> Rewrite:
    """The lines of a site; in doubt where it is not the only one, or makes more than one layer."""
    why_not = edit.remark or site.doubt
    edit = replace(edit, certain=not why_not, remark=why_not)
    return rewrite(site.source, site.start, site.end, edit)


def _corrected(where: Location, name: str, change: Callable[[Parsed, ast.Call], Iterator[Edit]]) -> Rewrite | None:
    parsed = parsed_file(where.file)
    if parsed is None:
        return None
    near = _calls(parsed, where.line)
    calls = [call for call in near if _last_name(call.func) == name]
    calls = calls or [call for call in near if _loop(parsed, call) is not None]
    if len(calls) != 1:
        return None
    edits = tuple(change(parsed, calls[0]))
    return rewrite(parsed.source, *parsed.span(calls[0]), *edits) if edits else None


def _calls(parsed: Parsed, line: int) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(parsed.tree)
        if isinstance(node, ast.Call) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]


def _loop(parsed: Parsed, call: ast.Call) -> ast.For | ast.expr | None:
    """The loop or comprehension that names what is called: ``layer(x)``, ``self.layers[i](x)``."""
    callee = call.func
    if isinstance(callee, ast.Subscript) and not isinstance(callee.slice, ast.Constant):
        callee = callee.slice
    if not isinstance(callee, ast.Name):
        return None
    for node in ast.walk(parsed.tree):
        if isinstance(node, ast.For) and node.lineno <= call.lineno <= (node.end_lineno or 0):
            targets = [node.target]
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) and any(
            inner is call for inner in ast.walk(node)
        ):
            targets = [each.target for each in node.generators]
        else:
            continue
        named = {inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)}
        if callee.id in named:
            return node
    return None


def _last_name(callee: ast.expr) -> str:
    """``fc`` for ``self.fc``, ``0`` for ``self.layers[0]``, ``head`` for ``self.heads["head"]``."""
    if isinstance(callee, ast.Attribute):
        return callee.attr
    if isinstance(callee, ast.Subscript) and isinstance(callee.slice, ast.Constant):
        return str(callee.slice.value)
    return ""
