"""A line of ``forward`` corrected: what a layer is called with, and a layer that is made there and never called."""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Iterator, Sequence
from typing import NamedTuple

from convlin.records import Edit, Location
from convlin.source.edits import Rewrite, edited, rewrite, rewritten
from convlin.source.sites import appended
from convlin.source.syntax import Function, Parsed, own_scope, parameters, parsed_file
from convlin.source.text import read

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
    calls = [] if parsed is None else parsed.calls(where.line)
    if parsed is None or any(_last_name(call.func) == name for call in calls):
        return None
    for call in calls:
        match _loop(parsed, call), call.args:
            case ast.For(lineno=line), [ast.Name(id=given)]:
                return Loop(line, given)
            case ast.For(lineno=line) | ast.expr(lineno=line), _:
                return Loop(line, "")
    return None


def is_by_variable(where: Location, name: str) -> bool:
    """Whether the line calls a layer by a name that the function gives it, such as an argument, and not ``name``.

    Nothing in the text tells which layer that is, nor that it is no other function.

    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def pooled(self, x, conv):
    ...         return conv(x).relu()
    >>> is_by_variable(Location(Net.pooled.__code__.co_filename, 3), "conv1")
    True
    """
    parsed = parsed_file(where.file)
    calls = [] if parsed is None else parsed.calls(where.line)
    if parsed is None or any(_last_name(call.func) == name or _loop(parsed, call) is not None for call in calls):
        return False
    return any(_is_variable(parsed, call) for call in calls)


def corrected_argument(where: Location, name: str, behind: str, after: str = "") -> Rewrite | None:
    """The lines that call the layer ``name``, with ``behind`` written after its first argument.

    ``after`` is written behind the call.  None where there is no such call, or more than one.  In a loop it is
    the call of the name that the loop gives its layers, so all of them are corrected; where nothing else can be meant
    it is that of another variable (``is_by_variable``).

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
        opening, closing = ("", "") if not behind or isinstance(call.args[0], _PRIMARY) else ("(", ")")
        for place, added in ((start, opening), (end, closing + behind), (parsed.span(call)[1], after)):
            if added:
                yield edited(parsed.source, place, place, added)

    return _corrected(where, name, edits, variables=True)


def argument_edits(where: Location, name: str, behind: str, after: str = "") -> tuple[Edit, ...]:
    """The edits of ``corrected_argument`` for one layer; none in a loop, whose line calls others as well."""
    if loop_at(where, name) is not None:
        return ()
    corrected = corrected_argument(where, name, behind, after)
    return () if corrected is None else corrected.edits


def corrected_keyword(where: Location, name: str, keyword: str, position: int, value: str) -> Rewrite | None:
    """The lines that call the layer ``name``, with another value for one of its arguments; None as above."""

    def edits(parsed: Parsed, call: ast.Call) -> Iterator[Edit]:
        given = [each.value for each in call.keywords if each.arg == keyword] or call.args[position : position + 1]
        if given and not any(isinstance(each, ast.Starred) for each in call.args):
            yield edited(parsed.source, *parsed.span(given[0]), value)

    return _corrected(where, name, edits)


def corrected_join(where: Location, names: Container[str], dim: int) -> Rewrite | None:
    """The lines of the one ``torch.cat`` there, along another axis; None where there is no such call, or more than one.

    ``names`` are those that it has.

    >>> from torch import cat, nn
    >>> class Net(nn.Module):
    ...     def forward(self, x, y):
    ...         return cat([x, y])
    >>> corrected_join(Location(Net.forward.__code__.co_filename, 3), ("cat", "concat"), 1).text
    'return cat([x, y], dim=1)'
    """
    parsed = parsed_file(where.file)
    if parsed is None:
        return None
    calls = [call for call in parsed.calls(where.line) if (_last_name(call.func) or _name(call.func)) in names]
    if len(calls) != 1:
        return None
    (call,) = calls
    is_open = any(isinstance(each, ast.Starred) for each in call.args) or any(
        each.arg is None for each in call.keywords
    )
    if is_open or not call.args:  # the axis may be among what is not written out
        return None
    given = [each.value for each in call.keywords if each.arg in ("dim", "axis")] or call.args[1:2]
    start, end = parsed.span(call)
    if given:
        edit = edited(parsed.source, *parsed.span(given[0]), str(dim))
    else:
        place, added = appended(parsed.source, start, end, {"dim": str(dim)})
        edit = edited(parsed.source, place, place, added)
    return rewrite(parsed.source, start, end, edit)


def together(own: Sequence[Edit], edits: Sequence[Edit]) -> str | None:
    """The lines that some edits change with all of ``edits`` made that lie on them; None where the file is not read."""
    source = read(own[0].file)
    if source is None:
        return None
    first, last = source.lines(source.line(own[0].start), source.line(own[-1].end))
    inside = [each for each in edits if each.file == own[0].file and first <= each.start <= each.end <= last]
    return rewritten(source, own[0].start, own[-1].end, inside)


def corrected_squeeze(where: Location, axes: tuple[int, ...]) -> Rewrite | None:
    """The lines of the one ``squeeze()`` there with the axes named, or without it where there are none.

    None where there is no such call, or more than one.

    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def forward(self, x):
    ...         return self.fc(x.squeeze())
    >>> where = Location(Net.forward.__code__.co_filename, 3)
    >>> [corrected_squeeze(where, axes).text for axes in ((), (1,), (2, 3))]
    ['return self.fc(x)', 'return self.fc(x.squeeze(1))', 'return self.fc(x.squeeze((2, 3)))']
    """
    parsed = parsed_file(where.file)
    calls = [] if parsed is None else [call for call in parsed.calls(where.line) if _last_name(call.func) == "squeeze"]
    if parsed is None or len(calls) != 1 or not isinstance(calls[0].func, ast.Attribute) or calls[0].keywords:
        return None
    (call,) = calls
    start, end = parsed.span(call)
    squeezed = call.args[0] if call.args else calls[0].func.value
    if len(call.args) > 1 or isinstance(squeezed, ast.Starred):
        return None
    place = end - 1
    if not axes:
        first, last = parsed.span(squeezed)
        return rewrite(parsed.source, start, end, edited(parsed.source, start, end, parsed.source.text[first:last]))
    if parsed.source.text[start:place].rstrip().endswith(","):
        return None
    written = str(axes[0] if len(axes) == 1 else axes)
    added = f", {written}" if call.args else written
    return rewrite(parsed.source, start, end, edited(parsed.source, place, place, added))


def with_call(where: Location, name: str, kind: str) -> tuple[Location, Rewrite] | None:
    """Where the argument of the layer ``name``, called at ``where``, comes from, and that line with the call.

    ``kind`` is the class of the module that arrived.  None where that cannot be told.

    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def forward(self, x):
    ...         x = nn.ReLU(self.conv(x))
    ...         return self.fc(x)
    >>> with_call(Location(Net.forward.__code__.co_filename, 4), "fc", "ReLU")[1].text
    'x = nn.ReLU()(self.conv(x))'
    """
    parsed = parsed_file(where.file)
    calls = [] if parsed is None else [call for call in parsed.calls(where.line, name) if call.args]
    if parsed is None or len(calls) != 1:
        return None
    given: ast.expr | None = calls[0].args[0]
    variable = given.id if isinstance(given, ast.Name) else ""
    if variable:
        given = _assigned(parsed, parsed.statement(calls[0]), variable)
    match given:
        case ast.Call(func=ast.Attribute(attr=made) | ast.Name(id=made), args=[_], keywords=[]) if made == kind:
            end, call = parsed.span(given.func)[1], "()"
        case ast.Attribute() if variable:
            end, call = parsed.span(given)[1], f"({variable})"
        case _:
            return None
    corrected = rewrite(parsed.source, *parsed.span(given), edited(parsed.source, end, end, call))
    return Location(parsed.source.name, given.lineno), corrected


def _assigned(parsed: Parsed, statement: ast.stmt, name: str) -> ast.expr | None:
    """What was assigned to a name last, in the statements in front of one."""
    for before in parsed.before(statement):
        match before:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                return value
        stored = (node for node in ast.walk(before) if isinstance(node, ast.Name) and node.id == name)
        if any(isinstance(node.ctx, ast.Store) for node in stored):
            return None
    return None


def call_of(where: Location, name: str) -> tuple[Parsed, ast.Call] | None:
    """The one call of the layer ``name`` on a line, with its file."""
    parsed = parsed_file(where.file)
    calls = [] if parsed is None else [call for call in parsed.calls(where.line) if _last_name(call.func) == name]
    return (parsed, calls[0]) if parsed is not None and len(calls) == 1 else None


def _corrected(
    where: Location,
    name: str,
    change: Callable[[Parsed, ast.Call], Iterator[Edit]],
    *,
    variables: bool = False,
) -> Rewrite | None:
    parsed = parsed_file(where.file)
    if parsed is None:
        return None
    near = parsed.calls(where.line)
    calls = [call for call in near if _last_name(call.func) == name]
    calls = calls or [call for call in near if _loop(parsed, call) is not None]
    if variables:
        calls = calls or [call for call in near if _is_variable(parsed, call)]
    if len(calls) != 1:
        return None
    edits = tuple(change(parsed, calls[0]))
    return rewrite(parsed.source, *parsed.span(calls[0]), *edits) if edits else None


def _loop(parsed: Parsed, call: ast.Call) -> ast.For | ast.expr | None:
    """The loop or comprehension that names what is called: ``layer(x)``, ``self.layers[i](x)``."""
    callee = call.func
    if isinstance(callee, ast.Subscript) and not isinstance(callee.slice, ast.Constant):
        callee = callee.slice
    if not isinstance(callee, ast.Name):
        return None
    for node in parsed.around(call):
        match node:
            case ast.For(target=target):
                targets = [target]
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                targets = [each.target for each in node.generators]
            case _:
                continue
        names = (inner for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name))
        if any(name.id == callee.id for name in names):
            return node
    return None


def _is_variable(parsed: Parsed, call: ast.Call) -> bool:
    """Whether what is called is an argument of a function around it, or was assigned in one."""
    if not isinstance(call.func, ast.Name):
        return False
    for node in parsed.around(call):
        if isinstance(node, Function):
            body = [] if isinstance(node, ast.Lambda) else node.body
            stored = {
                each.id for each in own_scope(body) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
            }
            if call.func.id in stored or any(each.arg == call.func.id for each in parameters(node.args)):
                return True
    return False


def _name(callee: ast.expr) -> str:
    return callee.id if isinstance(callee, ast.Name) else ""


def _last_name(callee: ast.expr) -> str:
    """``fc`` for ``self.fc``, ``0`` for ``self.layers[0]``, ``head`` for ``self.heads["head"]``."""
    match callee:
        case ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=key)):
            return str(key)
    return ""
