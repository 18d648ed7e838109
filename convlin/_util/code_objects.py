"""Code objects: those inside others, and how the code that ran is known again in its source."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from types import CodeType


def nested(code: CodeType) -> Iterator[CodeType]:
    """Every code object inside another, at any depth.

    >>> [each.co_name for each in nested(compile("def f():\\n    return [lambda: 1]", "net.py", "exec"))]
    ['f', '<lambda>']
    """
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from nested(constant)


def fingerprint(code: CodeType) -> int:
    """A checksum of the instructions and their positions: source that was changed since does not compile to it."""
    return zlib.crc32(code.co_linetable, zlib.crc32(code.co_code))
