"""Draw anew in ``docs/design.md`` what imports what: ``python -m docs.make_house``.

The floors are those of the table there, the imports those of the code, read without running it; the ones
that wait inside a function count like the others.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

PAGE = Path(__file__).with_name("design.md")
PACKAGE = PAGE.parent.parent / "convlin"

_FENCE = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)


def rooms() -> dict[str, Path]:
    """Every module of the package by its name inside it; the package itself is ``""``."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports(path: Path, *, lazy: bool) -> set[str]:
    """The modules that a file imports when it is loaded; with ``lazy`` those inside its functions too."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not lazy:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))
    return found


def neighbours(*, lazy: bool) -> dict[str, set[str]]:
    """For every room the rooms that it imports."""
    known = rooms()
    return {name: _inside(imports(path, lazy=lazy), known) - {name} for name, path in known.items()}


def _inside(imported: set[str], known: dict[str, Path]) -> set[str]:
    names = {name.removeprefix("convlin").lstrip(".") for name in imported if name.split(".")[0] == "convlin"}
    found = {name for name in names if name in known}
    # ``from package import room`` is an import of the room: the package's own face is on the way to it.
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


def floors() -> dict[str, list[str]]:
    """The rooms of every floor, from the ground up, as the table of the page has them."""
    table = PAGE.read_text(encoding="utf-8").partition("| floor |")[2].partition("\n\n")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines()[2:]]
    return {row[0].strip(): re.findall(r"`(\w+)/?`", row[1]) for row in rows}


def arrows() -> Counter[tuple[str, str]]:
    """How many imports lead from one floor to another; a floor is named by its first words."""
    floor_of = {room: floor for floor, found in floors().items() for room in found}
    found: Counter[tuple[str, str]] = Counter()
    for room, others in neighbours(lazy=True).items():
        here = floor_of.get(room.split(".")[0])
        for other in others:
            there = floor_of.get(other.split(".")[0])
            if here and there and here != there:
                found[here, there] += 1
    return found


def drawing() -> str:
    """The floors and their arrows, as GitHub draws them."""
    names = list(floors())
    lines = [f'    {_key(name)}["{name}"]' for name in reversed(names)]
    order = {name: index for index, name in enumerate(names)}
    for (here, there), count in sorted(arrows().items(), key=lambda item: [-order[name] for name in item[0]]):
        lines.append(f"    {_key(here)} -- {count} --> {_key(there)}")
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```", ""])


def _key(floor: str) -> str:
    return re.sub(r"\W+", "_", floor)


def page() -> str:
    """The page with the drawing as it is now."""
    return _FENCE.sub(lambda _: drawing(), PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
