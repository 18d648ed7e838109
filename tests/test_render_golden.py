"""The ten golden models: their text, Markdown and HTML as kept in files, and what holds of every one of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convlin import Summary
from convlin.render.rows import build_table
from tests.golden.models import GOLDEN
from tests.golden.update import forms
from tests.rendering import Page, markdown_table, number

HERE = Path(__file__).parent / "golden"
NAMES = sorted(GOLDEN)


@pytest.fixture(scope="module")
def summaries() -> dict[str, Summary]:
    return {name: GOLDEN[name]() for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_forms_are_as_kept(name, summaries):
    for suffix, text in forms(summaries[name]):
        kept = (HERE / f"{name}.{suffix}").read_text(encoding="utf-8")
        assert text == kept, f"{name}.{suffix} changed; if it is meant: python -m tests.golden.update"


def test_no_file_is_left_over():
    expected = {f"{name}.{suffix}" for name in NAMES for suffix in ("txt", "md", "html")}
    assert {path.name for path in HERE.iterdir() if path.suffix in (".txt", ".md", ".html")} == expected


@pytest.mark.parametrize("name", NAMES)
def test_no_trailing_blank(name, summaries):
    for line in summaries[name].table().splitlines():
        assert line == line.rstrip()


@pytest.mark.parametrize("name", NAMES)
def test_params_add_up_in_every_form(name, summaries):
    summary = summaries[name]
    columns = ["layer", "params"]
    text = summary.table(columns=columns, only=None)
    rows = text.split("\n\n")[1].splitlines()[1:]
    assert sum(number(line.split()[-1]) for line in rows) == summary.total_params
    table = markdown_table(summary.to_markdown(columns=columns))
    assert sum(number(row[1]) for row in table[2:]) == summary.total_params
    page = Page(summary.to_html(columns=columns))
    counted = [row for row, names in zip(page.rows, page.row_classes, strict=True) if "group" not in names]
    assert sum(number(row[1]) for row in counted[1:]) == summary.total_params


@pytest.mark.parametrize("name", NAMES)
def test_groups_in_html_repeat_the_sum_of_their_rows(name, summaries):
    summary = summaries[name]
    made = build_table(summary.report, summary._options, grouped=True)
    for head in made.rows:
        if head.kind == "group":
            inside = [row for row in made.rows if head.group in row.groups and row.kind != "group"]
            assert head.params == sum(row.params or 0 for row in inside)
            assert head.memory == sum(row.memory for row in inside)


@pytest.mark.parametrize("name", NAMES)
def test_json_reads_back_equal(name, summaries):
    summary = summaries[name]
    back = Summary.from_json(summary.to_json())
    assert back == summary
    assert str(back) == str(summary)
    assert back.to_html() == summary.to_html()
    assert back.table(columns="receptive_field,kernel,stride,dtype") == summary.table(
        columns="receptive_field,kernel,stride,dtype"
    )
    assert back.to_json() == summary.to_json()


@pytest.mark.parametrize("name", NAMES)
def test_markdown_has_the_same_cells_in_every_line(name, summaries):
    table = markdown_table(summaries[name].to_markdown())
    assert len({len(row) for row in table}) == 1
    assert all(re.fullmatch(":?-+:?", cell) for cell in table[1])


@pytest.mark.parametrize("name", NAMES)
def test_html_is_well_formed_and_fetches_nothing(name, summaries):
    for text in (summaries[name].to_html(), summaries[name].to_html(page=True)):
        page = Page(text)
        assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object"}
        assert "http" not in text
        assert "@import" not in text
        assert "url(" not in text
        assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
        assert len({len(row) for row in page.rows}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_group_has_a_box_and_a_rule(name, summaries):
    page_text = summaries[name].to_html()
    page = Page(page_text)
    boxes = [attributes["class"] for tag, attributes in page.tags if tag == "input"]
    assert len(boxes) == len(set(boxes))
    for box in boxes:
        assert box is not None
        group = box.removeprefix("t")
        assert f"table:has(.t{group}:not(:checked)) .g{group}{{display:none}}" in page_text
        assert any(f"g{group}" in names for names in page.row_classes)


@pytest.mark.parametrize("name", NAMES)
def test_ascii_only_is_ascii_and_the_same_rows(name, summaries):
    summary = summaries[name]
    for text in (summary.table(ascii_only=True), summary.to_markdown(ascii_only=True), summary.to_csv(ascii_only=True)):
        assert text.isascii()
    assert summary.to_html(ascii_only=True).isascii()
    # Wide enough for both: the signs of ASCII take more room.
    assert len(summary.table(ascii_only=True, width=500).splitlines()) == len(summary.table(width=500).splitlines())
    assert Page(summary.to_html(ascii_only=True)).text == Page(summary.to_html()).text


@pytest.mark.parametrize("name", NAMES)
def test_the_same_call_gives_the_same_text(name, summaries, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    again = GOLDEN[name]()
    assert again == summaries[name]
    assert again.table() == summaries[name].table()
    assert again.to_html() == summaries[name].to_html()


def test_the_small_network_fits_a_hundred_columns(summaries):
    assert max(map(len, str(summaries["wrong_linear"]).splitlines())) <= 100
