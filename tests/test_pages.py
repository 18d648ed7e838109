"""Everything that the README shows is what comes out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import make_examples
from tests.readme_example import blocks, run

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_the_readme_shows_what_comes_out() -> None:
    assert run(ROOT / "README.md") >= 4


@pytest.mark.parametrize("name", ["limitations.md"])
def test_a_page_shows_what_comes_out(name: str) -> None:
    assert run(ROOT / "docs" / name)


def test_a_page_that_shows_something_else_is_found_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1)\n```\n\n```text\n2\n```\n")
    with pytest.raises(AssertionError, match="prints"):
        run(page)


def test_blocks_and_their_outputs_are_told_apart() -> None:
    markdown = "```python\na\n```\n\nwords\n\n```text\nb\n```\n\n```python\nc\n```\n"
    assert blocks(markdown) == [("a\n", "b\n"), ("c\n", None)]


# Examples


@pytest.mark.parametrize("name", make_examples.EXAMPLES)
def test_an_example_prints_what_the_page_shows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert make_examples.section(name) in make_examples.PAGE.read_text(encoding="utf-8"), "python docs/make_examples.py"


def test_every_example_has_a_page() -> None:
    elsewhere = {"draw_network"}
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == {*make_examples.EXAMPLES, *elsewhere}


# Links


def links(text: str) -> list[str]:
    """Where the links of a page lead that stay in this repository."""
    bare = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", bare) if not link.startswith("http")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page.read_text(encoding="utf-8")):
        path, _, part = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if part:
            headings = re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert part in map(make_examples.anchor, headings), link


def test_the_readme_leads_to_every_page() -> None:
    found = {link.partition("#")[0] for link in links((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= found
