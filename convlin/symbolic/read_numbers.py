"""The whole numbers that code reads: it may compare a size with one where nobody sees it.

A size that became a plain number or text asks nothing any more: ``int(x.shape[-1]) > 300``,
``str(x.shape[-1]) in ("32", "64")``, ``hasattr(self, f"head_{height}")``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from types import CodeType, FrameType
from typing import Any

from torch import nn

#: How far the numbers are looked for, ``self.config.sizes[0]``, and how many of a container.
_DEEPEST, _MOST_HELD = 4, 8
#: How many keys of a dict, and attributes, are looked at where text was made.
_MOST_KEYS = 1_000


def numbers_read_in(frame: FrameType) -> tuple[int, ...]:
    """The whole numbers in the code of a frame, under the names it reads, and in its module."""
    found = [each for each in frame.f_code.co_consts if type(each) is int]
    return tuple(dict.fromkeys([*found, *(each for each in _held(frame) if type(each) is int)]))


def numbers_in_text_read_in(frame: FrameType) -> tuple[tuple[int, ...], ...]:
    """Those in each string that text of a size may be compared with: of the code, in containers, keys, attributes."""
    own = [each for const in frame.f_code.co_consts for each in _strings(const)]
    found = [*own]
    for each in _held(frame):
        found += islice(_strings(each), _MOST_KEYS)
        found += islice(_attributes(each, own), _MOST_KEYS)
    # With a blank in it, it is a message.
    numbers = (tuple(map(int, re.findall(r"\d+", text))) for text in found if not re.search(r"\s", text))
    return tuple(dict.fromkeys(filter(None, numbers)))


def _held(frame: FrameType) -> Iterator[object]:
    """What the code of a frame can reach under the names that it reads."""
    code = frame.f_code
    names = {*code.co_names, *code.co_freevars}
    held: list[object] = [frame.f_globals.get(name) for name in code.co_names]
    held += [frame.f_locals.get(name) for name in (*_arguments(code), *code.co_freevars)]
    for _ in range(_DEEPEST):
        yield from held
        held = [inner for each in held for inner in _read_of(each, names)]


def _arguments(code: CodeType) -> tuple[str, ...]:
    """The module, as a rule."""
    return code.co_varnames[:1]


def _read_of(holder: object, names: set[str]) -> Iterator[object]:
    """What is read of an object under some of these names, or may be of a container."""
    if isinstance(holder, dict):
        yield from islice(holder.values(), _MOST_HELD)
    elif isinstance(holder, tuple | list):
        yield from holder[:_MOST_HELD]
    for own in (getattr(type(holder), "__dict__", {}), *_own(holder)):
        yield from (own[name] for name in names if name in own)


def _own(holder: object) -> Iterator[dict[str, Any]]:
    """The attributes of an object, the layers and tensors of a module among them."""
    yield getattr(holder, "__dict__", {})
    if isinstance(holder, nn.Module):
        yield from (holder._modules, holder._parameters, holder._buffers)


def _strings(value: object) -> Iterator[str]:
    """The strings in a constant or a container, and the keys of a dict or a ``ModuleDict``."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, nn.ModuleDict):
        yield from value._modules
    elif isinstance(value, tuple | list | set | frozenset | dict):
        yield from (each for each in islice(value, _MOST_KEYS) if isinstance(each, str))


def _attributes(holder: object, starts: list[str]) -> Iterator[str]:
    """Attributes of a module whose names begin as a string does that the code has: ``head_32``."""
    if isinstance(holder, nn.Module):
        begins = tuple(each for each in starts if each.isidentifier())
        yield from (name for own in _own(holder) for name in own if begins and name.startswith(begins))
