"""The edits that write shapes into the signatures of the user's ``forward`` methods, as jaxtyping reads them."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from convlin.annotate.forwards import Forward
from convlin.annotate.hints import LIBRARY, Hint, Hints, hints_of, returned_in, written_in
from convlin.annotate.line_length import line_length
from convlin.annotate.type_imports import TypeNames, missing_imports, type_names
from convlin.records import Edit
from convlin.source.edits import edited
from convlin.source.syntax import Parsed, defaults, named
from convlin.source.text import tokens


class Annotated(NamedTuple):
    """What is to be written, and which functions are left as they are."""

    edits: list[Edit]
    left: list[str]
    """A sentence about each."""


def signature_edits(functions: Iterable[Forward]) -> Annotated:
    """The edits of every file in which a ``forward`` gets another signature than it has."""
    edits: list[Edit] = []
    left: list[str] = []
    by_file: dict[str, list[Forward]] = {}
    for forward in functions:
        by_file.setdefault(forward.parsed.source.name, []).append(forward)
    for several in by_file.values():
        parsed = several[0].parsed
        names = type_names(parsed)
        used: set[str] = set()
        is_new = False
        here: list[Edit] = []
        for forward in several:
            hints = hints_of(forward)
            if isinstance(hints, str):
                left.append(f"{forward.name} is left as it is: {hints}")
                continue
            edit = _signature(forward, hints, names)
            if edit is not None:
                here.append(edit)
                used.update(each.kind for each in (*hints.parameters.values(), *hints.returned))
                is_new |= _adds_an_annotation(forward, hints)
        edits += here
        if here:
            edits += missing_imports(parsed, used, names, with_tensor=is_new)
    return Annotated(edits, left)


def _adds_an_annotation(forward: Forward, hints: Hints) -> bool:
    """Whether one is written where there was none, and has to spell the type of a tensor itself."""
    bare = {each.arg for each in named(forward.node.args) if not each.annotation}
    return not bare.isdisjoint(hints.parameters) or bool(hints.returned and forward.node.returns is None)


def without_annotations(tree: ast.Module) -> ast.Module:
    """A tree without what these edits may add: annotations of functions, and imports of the types in them."""

    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.ImportFrom) and node.module == "torch":
            node.names = [each for each in node.names if each.name != "Tensor"]
    tree.body = [each for each in tree.body if not _is_of_types(each)]
    return tree


def _is_of_types(statement: ast.stmt) -> bool:
    """An import of jaxtyping, or of ``torch.Tensor`` and nothing else."""
    match statement:
        case ast.Import(names=[ast.alias(name=name)]) | ast.ImportFrom(module=name) if name == LIBRARY:
            return True
        case ast.ImportFrom(names=[]):
            return True
    return False


# One signature


def _signature(forward: Forward, hints: Hints, names: TypeNames) -> Edit | None:
    """The edit of one signature; None where it is as it should be."""
    parsed, node = forward.parsed, forward.node
    start, end = _bounds(parsed, node)
    text = parsed.source.text
    changes = sorted(_changes(forward, hints, names, end))
    new, done = "", start
    for first, last, replacement in changes:
        new += text[done:first] + replacement
        done = last
    new += text[done:end]
    if new == text[start:end]:
        return None
    return edited(parsed.source, start, end, _fitted(new, parsed, start, end))


def _changes(forward: Forward, hints: Hints, names: TypeNames, end: int) -> Iterator[tuple[int, int, str]]:
    """Start, end and text of what changes between the parenthesis that opens and the colon."""
    parsed, arguments = forward.parsed, forward.node.args
    for parameter in named(arguments):
        hint = hints.parameters.get(parameter.arg)
        if hint is None:
            continue
        if parameter.annotation is None:
            yield from _added(parsed, parameter, defaults(arguments).get(parameter.arg), hint, names)
            continue
        written = written_in(parameter.annotation)
        assert written is not None
        first, last = parsed.span(written.node)
        is_whole = written.node is parameter.annotation
        yield first, last, _type(hint, names, written.tensor, optional=is_whole and hint.may_be_none)
    if not hints.returned:
        return
    returned = returned_in(forward.node.returns)
    if returned:
        for written, hint in zip(returned, hints.returned, strict=True):
            yield (*parsed.span(written.node), _type(hint, names, written.tensor))
    else:
        types = [_type(hint, names, names.tensor) for hint in hints.returned]
        yield end, end, f" -> {types[0]}" if len(types) == 1 else f" -> tuple[{', '.join(types)}]"


def _added(
    parsed: Parsed, parameter: ast.arg, default: ast.expr | None, hint: Hint, names: TypeNames
) -> Iterator[tuple[int, int, str]]:
    _, last = parsed.span(parameter)
    new = f": {_type(hint, names, names.tensor, optional=hint.may_be_none)}"
    start = parsed.span(default)[0] if default is not None else last
    if re.fullmatch(r"\s*=\s*", parsed.source.text[last:start]):
        yield last, start, f"{new} = "
    else:
        yield last, last, new


def _type(hint: Hint, names: TypeNames, tensor: str, *, optional: bool = False) -> str:
    return f'{names.prefix}{hint.kind}[{tensor}, "{hint.axes}"]' + " | None" * optional


def _bounds(parsed: Parsed, node: ast.FunctionDef) -> tuple[int, int]:
    """Where the parenthesis of a signature opens, and where its colon stands."""
    source = parsed.source
    start = source.offset(node.lineno, node.col_offset)
    opened = -1
    for sign, depth, at in _signs(source.text[start:]):
        if sign == "(" and depth == 1 and opened < 0:
            opened = start + at
        if sign == ":" and depth == 0:
            return opened, start + at
    raise AssertionError(f"no signature in line {node.lineno} of {source.name}")


def _signs(text: str) -> Iterator[tuple[str, int, int]]:
    """Commas, colons and parentheses of some code, how many are open behind each, and where it stands."""
    depth = 0
    for token, at in tokens(text):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.string, 0)
        if token.type == tokenize.OP:
            yield token.string, depth, at


def _fitted(new: str, parsed: Parsed, start: int, end: int) -> str:
    """The signature on several lines where it has become too long for one, as formatters write it."""
    source = parsed.source
    first, last = source.lines(source.line(start), source.line(end))
    before, after = source.text[first:start], source.text[end:last]
    width = line_length(source.name)
    old = source.text[start:end]
    if re.search(r"[\r\n]", old) or len(new) <= len(old) or len((before + new + after).expandtabs(4)) <= width:
        return new
    indent = before[: len(before) - len(before.lstrip())]
    step = "\t" if "\t" in indent else "    "
    pieces, rest = _pieces(new)
    one_line = f"{indent}{step}{', '.join(pieces)}"
    if len(one_line.expandtabs(4)) > width:
        one_line = f",{source.newline}".join(f"{indent}{step}{piece}" for piece in pieces) + ","
    return f"({source.newline}{one_line}{source.newline}{indent}){rest}"


def _pieces(signature: str) -> tuple[list[str], str]:
    """The parameters of a signature as written, and what follows its parenthesis."""
    at = 1
    found = []
    for sign, depth, place in _signs(signature + ":\n"):
        if (sign == "," and depth == 1) or (sign == ")" and depth == 0):
            found.append(signature[at:place].strip())
            at = place + 1
        if depth == 0:
            return [piece for piece in found if piece], signature[at:]
    raise AssertionError(f"no parameters in {signature}")
