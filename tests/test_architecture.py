"""Folders are the layers: imports run one way, heavy ones wait, and what needs no torch imports none."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docs.make_diagram import PACKAGE, PAGE, arrows, imports, layer, levels, modules, neighbors, page
from tests.processes import python

#: Layers that may not reach torch, not even through another one.
WITHOUT_TORCH = ("records", "errors", "render", "arithmetic", "derivations", "analysis", "source", "annotate")
#: Layers that may not import each other, though no circle would come of it.
NEVER = {
    "trace": ("render", "analysis", "source"),
    "layers": ("render",),
    "ops": ("layers", "render"),
    "render": ("layers", "source"),
    "untouched": ("trace", "render"),
    "source": ("layers", "ops", "derivations"),
}
MODULES = modules()
LOADED = neighbors(lazy=False)


def test_imports_between_layers_run_one_way() -> None:
    assert [name for level in levels() for name in level if name != "__init__"]


def _package(module: str) -> str:
    """The package that a module stands in, inside of its layer: ``diagnosis.runs``; else the module itself."""
    inner = ".".join(module.split(".")[:2])
    return inner if inner in MODULES and MODULES[inner].name == "__init__.py" else module


@pytest.mark.parametrize("part", [str, _package], ids=["modules", "packages"])
def test_imports_inside_a_layer_run_one_way(part: Callable[[str], str]) -> None:
    graph: dict[str, set[str]] = {}
    for name, others in neighbors(lazy=True).items():
        graph.setdefault(part(name), set()).update(set(map(part, others)) - {part(name)})
    while graph:
        free = {name for name, needs in graph.items() if not needs & graph.keys()}
        assert free, f"these import each other in a circle: {sorted(graph)}"
        for name in free:
            del graph[name]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/design.md", "benchmarks/NOTES.md"])
def test_the_modules_that_a_page_names_are_there(page: str) -> None:
    text = (PACKAGE.parent / page).read_text(encoding="utf-8")
    named = re.findall(r"`(?:convlin/)?(\w+/[\w/.]*?)(?:\.py)?/?`", text)
    inside = [name for name in named if (PACKAGE / name.split("/")[0]).is_dir()]
    assert inside
    for name in inside:
        path = PACKAGE / name
        assert path.is_dir() or path.with_suffix(".py").is_file(), f"{page} names {name}"


def test_few_modules_stand_outside_a_folder() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 10


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=str)
def test_every_package_says_in_a_line_what_it_holds(path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert said
    assert len(said.splitlines()[0]) <= 120


@pytest.mark.parametrize("name", [name for name in MODULES if layer(name) in WITHOUT_TORCH])
def test_modules_without_torch(name: str) -> None:
    reached, pending = set(), [name]
    while pending:
        each = pending.pop()
        if each in reached:
            continue
        reached.add(each)
        assert not any(found.split(".")[0] == "torch" for found in imports(MODULES[each], lazy=False)), (name, each)
        pending.extend(LOADED[each])


#: A name in a module of torch's that begins with an underscore, however many others stand before it.
_PRIVATE = re.compile(r"(torch|nn|F)(\.\w+)*\._[A-Za-z]\w*")


def _private_names(path: Path) -> Iterator[str]:
    """The private names in torch's modules that a file imports, asks for or has in a text."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    attributes = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute) and node.attr[0] == "_"}
    texts = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    for each in imports(path, lazy=True) | attributes | texts:
        if found := _PRIVATE.match(each):
            yield found.group()


def test_private_names_of_torch_stand_in_one_module() -> None:
    having = {name: sorted(found) for name, path in MODULES.items() if (found := set(_private_names(path)))}
    assert list(having) == ["_util.torch_private"], having
    assert "torch._C" in having["_util.torch_private"]


@pytest.mark.parametrize("here", sorted(NEVER))
def test_layers_that_do_not_know_each_other(here: str) -> None:
    assert not [there for other, there in arrows() if other == here and there in NEVER[here]]


def _modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sorted(sys.modules))"
    return set(python(code, cwd=PACKAGE.parent).stdout.split())


def test_importing_the_package_alone_loads_nothing_heavy() -> None:
    # What is there already is not convlin's: under `make coverage` that is coverage.
    loaded = _modules_after("before = set(sys.modules)\nimport convlin\nfor name in before: del sys.modules[name]")
    assert not loaded & {"torch", "numpy", "tabulate", "sympy", "inspect"}


def test_importing_summarize_loads_no_pass_and_a_summary_no_algebra_and_no_tables() -> None:
    code = (
        "import sys\nimport torch\nbefore = set(sys.modules)\nfrom convlin import summarize\n"
        "print(*{*sys.modules} - before)\nsummarize(torch.nn.Linear(3, 4), (3,))\nprint(*{*sys.modules} - before)"
    )
    imported, summarized = (set(line.split()) for line in python(code, cwd=PACKAGE.parent).stdout.splitlines())
    assert "convlin" in imported
    assert not imported & {"convlin.observe", "convlin.trace", "convlin.records"}
    assert "convlin.observe" in summarized
    assert not summarized & {"tabulate", "sympy", "pandas", "convlin.render.html", "convlin.render.schema"}
    assert not summarized & {"convlin.records.problems", "convlin.records.accepted"}


def test_the_diagram_is_that_of_the_code() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "python -m docs.make_diagram draws it anew"
