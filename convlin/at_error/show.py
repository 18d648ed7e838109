"""The answer as text on a stream, after the traceback that Python prints."""

from __future__ import annotations

import sys
from contextlib import suppress


def is_worth_a_look(error: BaseException) -> bool:
    """Whether there can be an answer at all: without torch there is none."""
    return isinstance(error, Exception) and "torch" in sys.modules


def show(error: BaseException) -> None:
    """Write the answer to ``error`` to standard error; nothing where there is none."""
    if not is_worth_a_look(error):
        return
    try:
        from convlin.at_error.answer import answer  # here: a program that does not fail does not wait for it
    except Exception:  # a module of the user's stands in the place of one of Python's: no answer, but their traceback
        return
    told = answer(error)
    if told is None or sys.stderr is None:
        return
    from convlin.render.words import ascii_only

    try:
        told.encode(sys.stderr.encoding or "ascii")
    except UnicodeEncodeError:  # standard error itself would write escapes
        told = ascii_only(told)
    with suppress(OSError, ValueError):  # closed: nobody reads it
        sys.stderr.write(f"\n{told}\n")
        sys.stderr.flush()
