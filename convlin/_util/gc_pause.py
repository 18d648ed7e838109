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
    Around the user's ``forward``, which may well leave cycles that hold tensors, only where these have no bytes.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
