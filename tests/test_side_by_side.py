"""``docs/side-by-side.md`` shows what convlin prints today, and what torchinfo does, where that is installed."""

from __future__ import annotations

import importlib.util

import pytest

from docs.make_side_by_side import ENTRIES, PAGE, by_convlin, page


def test_the_page_shows_what_convlin_prints() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(ENTRIES) == 10
    for entry in ENTRIES:
        _, _, section = text.partition(f"## {entry.title}\n\n{entry.said}\n")
        ours = section.split("```text\n")[2].split("\n```")[0]
        assert ours == by_convlin(entry), "python -m docs.make_side_by_side"


@pytest.mark.skipif(importlib.util.find_spec("torchinfo") is None, reason="needs torchinfo")
def test_the_page_is_what_its_script_writes() -> None:
    assert page() == PAGE.read_text(encoding="utf-8")
