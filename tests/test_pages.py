"""Everything that the README shows is what comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.readme_example import blocks, run

ROOT = Path(__file__).parent.parent


def test_the_readme_shows_what_comes_out() -> None:
    assert run(ROOT / "README.md") >= 4


def test_a_page_that_shows_something_else_is_found_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1)\n```\n\n```text\n2\n```\n")
    with pytest.raises(AssertionError, match="prints"):
        run(page)


def test_blocks_and_their_outputs_are_told_apart() -> None:
    markdown = "```python\na\n```\n\nwords\n\n```text\nb\n```\n\n```python\nc\n```\n"
    assert blocks(markdown) == [("a\n", "b\n"), ("c\n", None)]
