"""What was passed, as a message shows it: on one line, short, and without addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial

import torch
from torch import nn

_LONGEST = 80


def show(value: object) -> str:
    """``value`` as a reader would recognize it.

    >>> show((3, 32.5)), show(print), show(torch.zeros(2, 3))
    ('(3, 32.5)', 'the function print', 'a tensor of 2×3')
    """
    if isinstance(value, torch.Tensor) and value.dim():
        from convlin.sizes.spell import spell_shape  # only for a mistake
        from convlin.tensors import sizes

        return f"a tensor of {spell_shape(sizes(value))}"
    if isinstance(value, nn.Module):
        return f"a {type(value).__name__}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, partial):
        return f"a partial of {show(value.func)}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    if isinstance(value, list | tuple) and any(isinstance(item, nn.Module) for item in value):
        return f"a {type(value).__name__} of modules"
    text = re.sub(r" at 0x[0-9a-f]+", "", " ".join(repr(value).split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def listed(names: Iterable[str]) -> str:
    """Names, quoted."""
    return ", ".join(repr(name) for name in names) or "none"


def counted(number: int, noun: str) -> str:
    """``1 input``, ``2 inputs``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
