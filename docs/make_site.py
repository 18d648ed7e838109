"""Lay together the pages that ``make docs`` builds: ``python -m docs.make_site``.

The pages of ``docs/`` refer to examples and to each other as a repository shows them.  In the site the README is the
first page, the examples lie beside the pages, and the public names have a page of their own, made from the docstrings.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import convlin
from convlin.records import Call, Problem, Report

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "build" / "pages"


def reference() -> str:
    """The page of the public names, in the order in which a reader meets them."""
    homes = [f"::: {convlin._HOMES.get(name, 'convlin.errors')}.{name}" for name in convlin.__all__]
    records = [f"::: {record.__module__}.{record.__name__}" for record in (Call, Problem, Report)]
    parts = [
        "# API",
        "Every name here is imported from `convlin` itself.",
        *homes,
        "# Records",
        "What a summary holds: frozen records of sizes, without tensors.",
        *records,
        "# Arithmetic",
        "The functions of `convlin.arithmetic` need no torch.",
        "::: convlin.arithmetic",
    ]
    return "\n\n".join(parts) + "\n"


def site_links(text: str) -> str:
    """A page's links as they hold in the site."""
    text = re.sub(r"\]\(\.\./examples/ci\)", "](examples/ci/net.py)", text)
    text = text.replace("](../examples/", "](examples/")
    return re.sub(r"\]\(docs/", "](", text)


def main() -> None:
    """Write every page below ``build/pages``."""
    shutil.rmtree(PAGES, ignore_errors=True)
    PAGES.mkdir(parents=True)
    for page in sorted((ROOT / "docs").glob("*.md")):
        (PAGES / page.name).write_text(site_links(page.read_text(encoding="utf-8")), encoding="utf-8")
    (PAGES / "index.md").write_text(site_links((ROOT / "README.md").read_text(encoding="utf-8")), encoding="utf-8")
    (PAGES / "reference.md").write_text(reference(), encoding="utf-8")
    shutil.copytree(ROOT / "docs" / "images", PAGES / "images")
    shutil.copytree(ROOT / "examples", PAGES / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        (PAGES / name).write_text(site_links(text), encoding="utf-8")


if __name__ == "__main__":
    main()
