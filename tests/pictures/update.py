"""Write the pictures again: ``python -m tests.pictures.update``, then look at them before they are kept."""

from __future__ import annotations

from pathlib import Path

from tests.pictures.models import KEPT, PICTURED

HERE = Path(__file__).parent


def main() -> None:
    """Every kept picture, from what the code draws now."""
    for name in KEPT:
        (HERE / f"{name}.svg").write_text(PICTURED[name]().to_svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
