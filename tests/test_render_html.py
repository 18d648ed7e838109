"""HTML in its surroundings: what is unfolded at first, a real notebook, a real browser where there is one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from torch import nn

from convlin import summarize
from tests.golden.models import CNN, Patches, ResNet
from tests.processes import browse
from tests.rendering import Page


def boxes(text: str) -> dict[str, bool]:
    """For each group whether it is unfolded at first."""
    return {attributes["class"] or "": "checked" in attributes for tag, attributes in Page(text).tags if tag == "input"}


def test_a_short_table_is_unfolded():
    assert set(boxes(summarize(Patches(), (3, 32, 32)).to_html()).values()) == {True}


def test_a_long_table_is_folded_as_far_as_needed():
    found = boxes(summarize(ResNet(), (3, 64, 64)).to_html(fold=False))
    assert set(found.values()) == {True, False}
    assert found["t0"]


def test_a_problem_is_never_folded_away():
    layers = [nn.Sequential(nn.Sequential(*(nn.Linear(4, 4) for _ in range(10)))) for _ in range(9)]
    layers.append(nn.Sequential(nn.Sequential(nn.Linear(5, 4), nn.ReLU())))
    text = summarize(nn.Sequential(*layers), (4,)).to_html(fold=False)
    page = Page(text)
    found = boxes(text)
    bad = next(names for names in page.row_classes if "bad" in names)
    assert all(found[name.replace("g", "t")] for name in bad if name.startswith("g"))
    assert False in found.values()


def test_boxes_say_what_they_unfold():
    page = Page(summarize(Patches(), (3, 32, 32)).to_html())
    labels = [attributes.get("aria-label") for tag, attributes in page.tags if tag == "input"]
    assert labels[0] == "show what is inside encoder.layers.0–11"


def test_several_tables_on_one_page_share_their_rules():
    first, second = (summarize(model, (3, 32, 32)).to_html() for model in (CNN(), Patches()))
    page = Page(f"<body>{first}{second}</body>")
    assert not any("id" in attributes for _, attributes in page.tags)


def test_problems_and_totals_stand_below():
    text = Page(summarize(CNN(), (3, 32, 32)).to_html()).text
    assert "fc1: Linear(in_features=999, out_features=10) receives 2048 features" in text
    assert "self.fc1 = nn.Linear(2048, 10)" in text
    assert "parameters 15,136" in text


def test_a_page_of_its_own_follows_the_colors_of_the_system():
    text = summarize(CNN(), (3, 32, 32)).to_html(page=True)
    assert '<meta name="color-scheme" content="light dark">' in text
    assert "<title>CNN</title>" in text
    assert '<html lang="en">' in text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_a_browser_folds_what_is_unchecked(tmp_path: Path):
    text = summarize(Patches(), (3, 32, 32)).to_html(page=True).replace('class="t1" checked', 'class="t1"')
    probe = (
        "<script>document.title = [...document.querySelectorAll('tbody tr')]"
        ".map(row => getComputedStyle(row).display == 'none' ? 0 : 1).join('')</script></body>"
    )
    path = tmp_path / "net.html"
    path.write_text(text.replace("</body>", probe), encoding="utf-8")
    shown = browse(path, tmp_path / "profile")
    title = shown.split("<title>")[1].split("</title>")[0]
    page = Page(text)
    expected = "".join("0" if "g1" in names else "1" for names in page.row_classes[1:])
    assert title == expected
    assert set(title) == {"0", "1"}
