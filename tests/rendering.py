"""Reading back what was rendered, with nothing but the standard library."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser

from convlin import Summary
from convlin.render.options import options
from convlin.render.rows import build_table

#: Elements of HTML that are never closed.
_VOID = frozenset({"meta", "input", "br", "hr", "img", "link"})


class Page(HTMLParser):
    """A parsed page; fails on anything that is not closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.row_classes: list[list[str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.row_classes.append((dict(attrs).get("class") or "").split())
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes {self.open[-1]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if self.rows and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def markdown_table(text: str) -> list[list[str]]:
    """The cells of the table in a Markdown text; an escaped pipe does not end a cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def number(text: str) -> int:
    """``1,234`` as a number; 0 for ``(reused)`` and for nothing."""
    return int(text.replace(",", "")) if re.fullmatch(r"[\d,]+", text) else 0


def assert_readable(summary: Summary) -> None:
    """What holds for the table of every model: no two labels alike, and numbers that add up as shown."""
    rows = build_table(summary.report, options({"functions": "none"})).rows
    names = {row.path or row.type for row in rows if row.kind != "function"}
    flat = labels_and_params(summary.table(tree=False, columns=["layer", "params"], functions="none", width=60))
    assert len({re.sub(r"( ✗)?( ×\d+)?$", "", label) for label, _ in flat}) == len(names)
    assert sum(params for _, params in flat) == summary.total_params

    assert max(map(len, summary.table(functions="all", batch=False).splitlines())) <= 100
    tree = labels_and_params(summary.table(tree=True))
    levels = [len(label) - len(label.lstrip(" ")) for label, _ in tree]
    is_leaf = [following <= level for level, following in itertools.pairwise([*levels, 0])]
    for start, level in enumerate(levels):
        stop = next((later for later in range(start + 1, len(levels)) if levels[later] <= level), len(levels))
        assert tree[start][1] == sum(tree[at][1] for at in range(start, stop) if is_leaf[at]), tree[start]
    assert sum(params for (_, params), leaf in zip(tree, is_leaf, strict=True) if leaf) == summary.total_params


def labels_and_params(text: str) -> list[tuple[str, int]]:
    """What stands under Layer and Params in every row of a printed table; a label may go on in the next line."""
    _, below_head, *_ = text.split("\n\n")
    header, *lines = below_head.splitlines()
    second, end = header.index(header.split()[1]), header.index("Params") + len("Params")
    if header.split()[1] == "Params":
        second = end - max(len(line[:end].split()[-1]) for line in lines if line[end - 1 : end].strip()) if lines else 0
    found: list[tuple[str, int]] = []
    for line in lines:
        label = line[:second].rstrip()
        if line[end - 1 : end].strip():
            found.append((label, number(line[:end].split()[-1])))
        elif label.strip() and not label.strip().startswith("×"):  # that many calls of a function
            found[-1] = (found[-1][0] + label.strip(), found[-1][1])
    return found
