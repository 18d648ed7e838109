"""Bookkeeping without the cyclic garbage collector in between."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """No collection inside the block.

    Records of ten thousand layers are a hundred thousand objects made at once and none of them garbage:
    every collection they set off walks through the whole model, and takes longer than all the rest.
    So are the nodes of a file that is parsed.
    Around the user's ``forward``, which may well leave cycles that hold tensors, only where these have no bytes,
    or with ``collect_new`` behind each run of a limited number of elements.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def collect_new() -> None:
    """Inside ``paused``, after code that may leave cycles with tensors in them: what was made since is looked through.

    That is little; a whole collection goes through all that PyTorch's compiler and sympy made when they were loaded,
    which takes as long as several passes of a model.
    """
    if not gc.isenabled():
        gc.collect(0)
