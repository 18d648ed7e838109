"""Whether convlin is at work in this thread, and whether a pass on a dummy is under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

_under_way: ContextVar[bool] = ContextVar("convlin_pass_under_way", default=False)

_at_work: ContextVar[bool] = ContextVar("convlin_at_work", default=False)


def is_under_way() -> bool:
    """Whether convlin runs a model on a dummy right now: what passes through it is nothing to look at."""
    return _under_way.get()


def is_at_work() -> bool:
    """Whether convlin answers a question right now: in a watched block that is nothing of the user's."""
    return _at_work.get()


@contextmanager
def _known(what: ContextVar[bool]) -> Iterator[None]:
    token = what.set(True)
    try:
        yield
    finally:
        what.reset(token)


known_to_be_under_way = partial(_known, _under_way)
"""Lets ``is_under_way`` be true in a block."""
known_to_be_at_work = partial(_known, _at_work)
"""Lets ``is_at_work`` be true in a block."""
