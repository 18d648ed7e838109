"""What a model's functions remember between calls, forgotten where a pass on fake tensors added to it.

A function under ``functools.lru_cache`` that was called in a symbolic pass would hand its fake
tensor to the next real call.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

_REMEMBERS = type(functools.lru_cache(lambda: None))
_LIBRARIES = ("torch", "sympy", "convlin", "mpmath")


@contextmanager
def forgetting(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Empty every cache of the code of a model, whose modules these are, that was added to meanwhile."""
    before = [(cached, cached.cache_info().misses) for cached in _caches(modules)]
    try:
        yield
    finally:
        for cached, misses in before:
            if cached.cache_info().misses != misses:
                cached.cache_clear()


def _caches(modules: Sequence[nn.Module]) -> list[Any]:
    """The caches that the classes of the model and the files they stand in can reach."""
    spaces: dict[int, dict[str, Any]] = {}
    for kind in {base for module in modules for base in type(module).__mro__}:
        if kind.__module__.partition(".")[0] in _LIBRARIES or kind.__module__ == "builtins":
            continue
        file = sys.modules.get(kind.__module__)
        for space in (vars(kind), vars(file) if file is not None else {}):
            spaces[id(space)] = dict(space)
    found: dict[int, Any] = {}
    for space in spaces.values():
        for value in space.values():
            cached = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            if isinstance(cached, _REMEMBERS):
                found[id(cached)] = cached
    return list(found.values())
