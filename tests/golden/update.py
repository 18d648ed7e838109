"""Write the golden files anew: ``python -m tests.golden.update``, then read what ``git diff`` shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from convlin import Summary
from tests.golden.models import GOLDEN

HERE = Path(__file__).parent


def forms(summary: Summary) -> Iterator[tuple[str, str]]:
    """Suffix and text of every form that is kept."""
    yield "txt", summary.table(ascii_only=False) + "\n"
    yield "md", summary.to_markdown()
    yield "html", summary.to_html(page=True)


def main() -> None:
    for name, build in GOLDEN.items():
        for suffix, text in forms(build()):
            (HERE / f"{name}.{suffix}").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
