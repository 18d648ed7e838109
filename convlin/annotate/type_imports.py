"""The names of types in a file, and the imports that it lacks for them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from convlin.annotate.hints import LIBRARY, NAMES
from convlin.records import Edit
from convlin.source.edits import edited
from convlin.source.syntax import Parsed


class TypeNames(NamedTuple):
    """How a file spells the types."""

    tensor: str
    prefix: str
    """In front of the names of jaxtyping."""


def type_names(parsed: Parsed) -> TypeNames:
    """How the types are spelled in a file: as what is imported there, as far as nothing else has the name."""
    bound = dict(_bound(parsed))
    tensor = "torch.Tensor" if bound.get("torch") == "torch" and bound.get("Tensor") != "torch.Tensor" else "Tensor"
    named = {name: bound[name] == f"{LIBRARY}.{name}" for name in NAMES if name in bound}
    as_attributes = not all(named.values()) or (not named and bound.get(LIBRARY) == LIBRARY)
    return TypeNames(tensor, f"{LIBRARY}." if as_attributes else "")


def _bound(parsed: Parsed) -> Iterator[tuple[str, str]]:
    """The names that statements at module level bind, with what they stand for where that is an import."""
    for statement in parsed.tree.body:
        match statement:
            case ast.Import(names=names):
                for each in names:
                    top = each.name.partition(".")[0]
                    yield each.asname or top, each.name if each.asname else top
            case ast.ImportFrom(module=module, names=names):
                for each in names:
                    yield each.asname or each.name, f"{module}.{each.name}"
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name, ""
            case ast.Assign(targets=targets):
                yield from ((target.id, "") for target in targets if isinstance(target, ast.Name))


def missing_imports(parsed: Parsed, used: set[str], names: TypeNames, *, with_tensor: bool) -> Iterator[Edit]:
    """The imports that a file lacks; that of ``Tensor`` only where it is written anew."""
    bound = dict(_bound(parsed))
    wanted = sorted(name for name in used if bound.get(name) != f"{LIBRARY}.{name}") if not names.prefix else []
    statements = [each for each in parsed.tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    tensor = ["Tensor"] if with_tensor and names.tensor == "Tensor" and "Tensor" not in bound else []
    lines = [f"import {LIBRARY}"] if names.prefix and bound.get(LIBRARY) != LIBRARY else []
    for module, missing in ((LIBRARY, wanted), ("torch", tensor)):
        known = next((each for each in statements if _is_from(each, module)), None)
        if missing and isinstance(known, ast.ImportFrom):
            yield from _extended(parsed, known, missing)
        elif missing:
            lines.append(f"from {module} import {', '.join(missing)}")
    if lines:
        yield _new_lines(parsed, statements, lines)


def _is_from(statement: ast.stmt, module: str) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == module and statement.names[0].name != "*"


def _extended(parsed: Parsed, statement: ast.ImportFrom, more: Iterable[str]) -> Iterator[Edit]:
    """Names added to an import where they belong in the alphabet, capitals first."""
    source = parsed.source
    new: dict[int, str] = {}
    for name in more:
        after = next((each for each in statement.names if each.name > name), None)
        at = parsed.span(after)[0] if after is not None else parsed.span(statement.names[-1])[1]
        new[at] = new.get(at, "") + (f"{name}, " if after is not None else f", {name}")
    for at, text in new.items():
        yield edited(source, at, at, text)


def _new_lines(parsed: Parsed, statements: list[ast.Import | ast.ImportFrom], lines: list[str]) -> Edit:
    """Imports in front of the first ``from torch import ...``, or else behind the last import."""
    source = parsed.source
    before = next((each for each in statements if _is_torch(each)), None)
    if before is not None:
        at = source.starts[before.lineno - 1]
        return edited(source, at, at, "".join(f"{line}{source.newline}" for line in lines))
    _, at = source.lines(1, statements[-1].end_lineno or statements[-1].lineno) if statements else (0, 0)
    return edited(source, at, at, "".join(f"{source.newline}{line}" for line in lines))


def _is_torch(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and (statement.module or "").partition(".")[0] == "torch"
