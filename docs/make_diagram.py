"""Redraw the import diagram in ``docs/design.md``: ``python -m docs.make_diagram``.

A layer is a folder of ``convlin/`` or one of its flat modules.  The imports are read from the code without
running it; those inside functions count like the others.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

PAGE = Path(__file__).with_name("design.md")
PACKAGE = PAGE.parent.parent / "convlin"

_FENCE = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)
#: Needed nearly everywhere: arrows to these are left out of the drawing, not out of the tests.
_EVERYWHERE = ("records", "errors", "_util")


def modules() -> dict[str, Path]:
    """Every module of the package by its name inside it; the package itself is ``""``."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


@cache
def imports(path: Path, *, lazy: bool) -> frozenset[str]:
    """The modules that a file imports when it is loaded; with ``lazy`` those inside its functions too."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not lazy:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        pending.extend(child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr))
    return frozenset(found)


def neighbors(*, lazy: bool) -> dict[str, set[str]]:
    """For every module the modules of the package that it imports."""
    known = modules()
    return {name: _inside(imports(path, lazy=lazy), known) - {name} for name, path in known.items()}


def _inside(imported: frozenset[str], known: dict[str, Path]) -> set[str]:
    names = {name.removeprefix("convlin").lstrip(".") for name in imported if name.split(".")[0] == "convlin"}
    found = {name for name in names if name in known}
    # ``from package import module`` imports the module; the package is on the way to it.
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


def layer(module: str) -> str:
    """The folder or flat module that ``module`` belongs to."""
    return module.split(".")[0] or "__init__"


def arrows() -> Counter[tuple[str, str]]:
    """How many imports lead from one layer to another."""
    return Counter(
        (layer(module), layer(other))
        for module, others in neighbors(lazy=True).items()
        for other in others
        if layer(module) != layer(other)
    )


def levels() -> list[list[str]]:
    """The layers, lowest first: each imports only from levels before its own.

    Raises ``ValueError`` where layers import each other in a circle.
    """
    needs: dict[str, set[str]] = {layer(module): set() for module in modules()}
    for here, there in arrows():
        needs[here].add(there)
    found: list[list[str]] = []
    while needs:
        done = {name for level in found for name in level}
        free = sorted(name for name, others in needs.items() if others <= done)
        if not free:
            raise ValueError(f"these layers import each other in a circle: {sorted(needs)}")
        found.append(free)
        for name in free:
            del needs[name]
    return found


def diagram() -> str:
    """The layers and their arrows as a Mermaid flowchart, highest first."""
    order = {name: index for index, level in enumerate(levels()) for name in level}
    drawn = sorted(arrows().items(), key=lambda item: (-order[item[0][0]], item[0][0], -order[item[0][1]], item[0][1]))
    names = sorted(order, key=lambda name: (-order[name], name))
    lines = [f'    {name}["{name}"]' for name in names if name not in _EVERYWHERE]
    lines += [f"    {here} -- {count} --> {there}" for (here, there), count in drawn if there not in _EVERYWHERE]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```", ""])


def page() -> str:
    """The page with the diagram as it is now."""
    return _FENCE.sub(lambda _: diagram(), PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
