"""The pages about the table, executed, and the examples in the code of its rooms."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from convlin.render.options import COLUMNS
from convlin.render.save import FORMS

ROOT = Path(__file__).parent.parent
PAGES = ("columns.md", "json.md", "coming-from.md")


@pytest.mark.parametrize("page", PAGES)
def test_pages_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(ROOT / "docs" / page), module_relative=False, encoding="utf-8")
    assert result.attempted
    assert not result.failed


def test_every_column_and_form_is_documented():
    page = (ROOT / "docs" / "columns.md").read_text(encoding="utf-8")
    for name in (*COLUMNS, *FORMS):
        assert f"`{name}`" in page, name


@pytest.mark.parametrize("page", PAGES)
def test_links_between_the_pages_lead_somewhere(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith("http"):
            assert (ROOT / "docs" / target).exists(), target
