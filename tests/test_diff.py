"""``a.diff(b)`` and ``convlin diff``: two summaries or locks compared, against what was changed on purpose."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from torch import nn

from convlin import InputError, Summary, summarize
from convlin.cli import main

SHAPE = (3, 8, 8)


def net(*more: nn.Module, channels: int = 4) -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, channels, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36 * channels, 2))
    for module in more:
        model.insert(1, module)
    return model


def summary(model: nn.Module | None = None, shape: tuple[int | str, ...] = SHAPE) -> Summary:
    return summarize(net() if model is None else model, shape)


class Cells(HTMLParser):
    """The text of every cell of a table's body."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._inside = tag == "td"
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


def test_what_was_changed_is_what_is_told() -> None:
    before = summary()
    same = before.diff(summary())
    assert (bool(same), len(same), list(same), str(same)) == (False, 0, [], "Sequential: no difference")

    added = before.diff(summary(net(nn.Identity())))
    assert [(each.kind, each.before, each.now) for each in added[1:]] == [
        ("renamed", str(index), str(index + 1)) for index in (1, 2, 3)
    ]
    assert (added[0].kind, added[0].label) == ("added", "1 (Identity)")
    removed = summary(net(nn.Identity())).diff(before)
    assert [each.kind for each in removed] == ["removed", "renamed", "renamed", "renamed"]

    wider = before.diff(summary(net(channels=5)))
    reshaped = {each.path for each in wider if each.kind == "reshaped"}
    assert reshaped == {"0", "1", "2", "3"}  # not the whole, whose input and output are the same
    assert {(each.path, each.before, each.now) for each in wider if each.kind == "params"} == {
        ("0", str(4 * 28), str(5 * 28)),
        ("3", str(2 * 145), str(2 * 181)),
    }


def test_two_sizes_of_one_model() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1))
    found = summary(model).diff(summary(model, (3, 16, 16)))
    assert [each.kind for each in found] == ["input", "reshaped", "reshaped", "reshaped"]
    assert summary(model, (3, "H", "W")).diff(summary(model, (3, "H", "W"))) == summary(model).diff(summary(model))


def test_every_form_says_the_same() -> None:
    found = summary().diff(summary(net(nn.Identity(), channels=5)))
    rows = [[each.kind, each.label, each.before, each.now] for each in found]
    assert len(rows) >= 7
    shown = str(found).splitlines()
    assert shown[0] == "Sequential: 4 reshaped, 2 with other params, 1 added, 3 renamed"
    assert [re.split(r" {2,}", line)[0] for line in shown[3:]] == [row[0] for row in rows]
    assert Cells(found.to_html()).rows[1:] == rows
    assert found._repr_html_() == found.to_html()
    records = json.loads(found.to_json())
    assert [[each["kind"], each["label"], each["before"], each["after"]] for each in records] == rows
    assert [each["path"] for each in records] == [each.path for each in found]


def test_a_lock_is_compared_with(tmp_path: Path) -> None:
    summary().lock(tmp_path / "net.shapes")
    assert not summary().diff(tmp_path / "net.shapes")
    assert summary(net(channels=5)).diff(str(tmp_path / "net.shapes")) == summary(net(channels=5)).diff(summary())


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"3 is not a Summary: write a\.diff\(b\)"):
        summary().diff(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="there is no lock"):
        summary().diff(tmp_path / "missing.shapes")
    with pytest.raises(InputError, match="give summarize an input"):
        summary().diff(summarize(net()))


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    one, other = summary(), summary(net(channels=5))
    one.lock("one.shapes")
    other.lock("other.shapes")
    assert main(["diff", "one.shapes", "one.shapes"]) == 0
    assert capsys.readouterr().out == "Sequential: no difference\n"
    assert main(["diff", "one.shapes", "other.shapes"]) == 1
    assert capsys.readouterr().out == f"{one.diff(other)}\n"
    assert main(["diff", "one.shapes", "other.shapes", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out) == json.loads(one.diff(other).to_json())
    assert main(["diff", "one.shapes", "other.shapes", "--format", "html"]) == 1
    assert capsys.readouterr().out == one.diff(other).to_html()
    assert main(["diff", "one.shapes", "two.shapes"]) == 2
    assert "there is no lock two.shapes" in capsys.readouterr().err
