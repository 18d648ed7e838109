"""``python -m convlin``."""

from __future__ import annotations

import sys

from convlin.cli import main

if __name__ == "__main__":
    status = main()
    if status or not sys.flags.inspect:  # python -i goes on when a program has come to its end
        sys.exit(status)
