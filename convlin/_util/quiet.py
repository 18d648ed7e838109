"""Passes of which a user is to hear nothing but what convlin says of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """No warning is shown: a model that is run at many sizes would repeat its own for each.

    >>> with quiet():
    ...     warnings.warn("32 differs from 31", stacklevel=1)
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
