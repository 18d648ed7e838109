"""``python -m convlin``."""

from __future__ import annotations

import sys

from convlin.cli import main

if __name__ == "__main__":
    sys.exit(main())
