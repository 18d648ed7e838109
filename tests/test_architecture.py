"""The house: imports run one way, heavy ones wait, and what should know nothing of torch does not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.processes import python

PACKAGE = Path(__file__).parent.parent / "convlin"

#: Rooms that may not reach torch, not even through another room.
WITHOUT_TORCH = ("records", "errors", "render", "arithmetic", "source")
#: Rooms that may not know of each other: a prefix and what it must never import.
NEVER = {
    "trace": ("render", "summary", "cli", "check"),
    "between": ("render", "summary", "cli", "check"),
    "layers": ("trace", "between", "render", "summary", "report"),
    "recovery": ("trace", "between", "render", "summary", "report"),
    "functions": ("trace", "between", "render", "summary", "report"),
    "records": ("",),
    "render": ("trace", "summary", "cli", "check", "layers"),
    "untouched": ("trace", "render", "summary"),
}


def _rooms() -> dict[str, Path]:
    rooms = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        rooms[name] = path
    return rooms


def _imports(path: Path, *, lazy: bool) -> set[str]:
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


def _internal(imports: set[str], rooms: dict[str, Path]) -> set[str]:
    names = {name.removeprefix("convlin").lstrip(".") for name in imports if name.split(".")[0] == "convlin"}
    known = {name for name in names if name in rooms}
    # ``from package import room`` is an import of the room: the package's own face is on the way to it.
    return {name for name in known if not any(other.startswith(f"{name}.") for other in known)} if known else known


ROOMS = _rooms()
LOADED = {name: _internal(_imports(path, lazy=False), ROOMS) - {name} for name, path in ROOMS.items()}


@pytest.mark.parametrize("lazy", [False, True])
def test_imports_run_one_way(lazy: bool) -> None:
    """Also those that wait inside a function; the package's own face is above all."""
    needed = {name: _internal(_imports(path, lazy=lazy), ROOMS) - {name} for name, path in ROOMS.items()}
    graph = {name: {other for other in needed[name] if other} for name in ROOMS if name}
    done: set[str] = set()
    while graph:
        free = {name for name, needs in graph.items() if needs <= done}
        assert free, f"these rooms import each other in a circle: {sorted(graph)}"
        done |= free
        for name in free:
            del graph[name]


@pytest.mark.parametrize("room", [name for name in ROOMS if name.split(".")[0] in WITHOUT_TORCH])
def test_rooms_without_torch(room: str) -> None:
    reached, pending = set(), [room]
    while pending:
        name = pending.pop()
        if name in reached:
            continue
        reached.add(name)
        assert not any(found.split(".")[0] == "torch" for found in _imports(ROOMS[name], lazy=False)), (room, name)
        pending.extend(LOADED[name])


@pytest.mark.parametrize("room", sorted(NEVER))
def test_rooms_that_do_not_know_each_other(room: str) -> None:
    for name in ROOMS:
        if name.split(".")[0] != room:
            continue
        for other in _internal(_imports(ROOMS[name], lazy=True), ROOMS) - {name}:
            top = other.split(".")[0]
            if NEVER[room] == ("",):
                # A comparison of numbers that itself imports nothing of the house, and nothing heavy.
                assert other == "agreement", f"{name} imports {other}"
                assert not _internal(_imports(ROOMS[other], lazy=True), ROOMS)
                continue
            assert top not in NEVER[room], f"{name} imports {other}"


def test_every_import_inside_a_function_is_of_something_heavy_or_rarely_used() -> None:
    """A lazy import is no way around the order of the rooms: it may not close a circle with the room it stands in."""
    allowed_upward = {"summary", "", "check"}  # the faces: their methods lead on to what they show
    for name, path in ROOMS.items():
        lazy = _internal(_imports(path, lazy=True), ROOMS) - LOADED[name] - {name}
        for other in lazy:
            if name.split(".")[0] in allowed_upward or name.split(".")[0] == other.split(".")[0]:
                continue
            reached, pending = set(), [other]
            while pending:
                here = pending.pop()
                if here not in reached:
                    reached.add(here)
                    pending.extend(LOADED[here])
            assert name not in reached, f"{name} imports {other} inside a function, and {other} imports {name}"


def _modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sorted(sys.modules))"
    return set(python(code, cwd=PACKAGE.parent).stdout.split())


def test_importing_the_package_alone_loads_nothing_heavy() -> None:
    # What is there already is not convlin's: under `make coverage` that is coverage.
    loaded = _modules_after("before = set(sys.modules)\nimport convlin\nfor name in before: del sys.modules[name]")
    assert not loaded & {"torch", "numpy", "tabulate", "sympy", "inspect"}


def test_summarize_loads_no_algebra_and_no_tables_until_asked() -> None:
    loaded = _modules_after(
        "import torch\nbefore = set(sys.modules)\nfrom convlin import summarize\n"
        "summarize(torch.nn.Linear(3, 4), (3,))\n"
        "for name in before: sys.modules.pop(name)\nimport builtins"
    )
    assert not loaded & {"tabulate", "sympy", "pandas"}


def test_every_room_stands_in_the_design() -> None:
    design = (PACKAGE.parent / "docs" / "design.md").read_text(encoding="utf-8")
    rooms = {name.split(".")[0] for name in ROOMS} - {"", "__main__"}
    assert [room for room in sorted(rooms) if f"`{room}`" not in design and f"`{room}/`" not in design] == []
