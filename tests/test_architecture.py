"""The house: imports run one way, heavy ones wait, and what should know nothing of torch does not."""

from __future__ import annotations

import pytest

from docs.make_house import PACKAGE, PAGE, arrows, floors, imports, neighbours, page, rooms
from tests.processes import python

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


ROOMS = rooms()
LOADED, NEEDED = neighbours(lazy=False), neighbours(lazy=True)


@pytest.mark.parametrize("lazy", [False, True])
def test_imports_run_one_way(lazy: bool) -> None:
    """Also those that wait inside a function; the package's own face is above all."""
    needed = NEEDED if lazy else LOADED
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
        assert not any(found.split(".")[0] == "torch" for found in imports(ROOMS[name], lazy=False)), (room, name)
        pending.extend(LOADED[name])


@pytest.mark.parametrize("room", sorted(NEVER))
def test_rooms_that_do_not_know_each_other(room: str) -> None:
    for name in ROOMS:
        if name.split(".")[0] != room:
            continue
        for other in NEEDED[name]:
            top = other.split(".")[0]
            if NEVER[room] == ("",):
                # A comparison of numbers that itself imports nothing of the house, and nothing heavy.
                assert other == "agreement", f"{name} imports {other}"
                assert not NEEDED[other]
                continue
            assert top not in NEVER[room], f"{name} imports {other}"


def test_no_import_leads_up_a_floor() -> None:
    order = list(floors())
    assert order[0] == "records"
    assert order[-1] == "faces"
    assert [(here, there) for here, there in arrows() if order.index(here) < order.index(there)] == []


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


def test_every_room_stands_on_one_floor_of_the_design() -> None:
    placed = [room for found in floors().values() for room in found]
    assert sorted(placed) == sorted({name.split(".")[0] for name in ROOMS} - {"", "__main__"})


def test_the_drawing_is_that_of_the_code() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "python -m docs.make_house draws it anew"
