"""Running a model on fake tensors without a word in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from convlin._util.torch_private import TALKATIVE

_SILENT = logging.CRITICAL + 1


@contextmanager
def unlogged() -> Iterator[None]:
    """PyTorch logs a traceback for every function that refuses its input; here that is an answer like any other.

    pytest shows what is logged of every new size under a test that fails.
    """
    # Those of a block around this one: to set a level empties what every logger remembers.
    loggers = [each for each in map(logging.getLogger, TALKATIVE) if each.level != _SILENT]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(_SILENT)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
