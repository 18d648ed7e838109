"""What ``torch.compile`` wraps runs as it was written while a model is looked at.

Compiled, a module would run without hooks, or be compiled once more with convlin's hooks in it; a function that is
compiled inside ``forward``, as FlexAttention is by itself, would be compiled with convlin's function mode in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from convlin._util.torch_private import COMPILER

#: Where one of these is loaded, something may be compiled that is no module; where none is, nothing was compiled.
_COMPILES = (COMPILER, "torch.nn.attention.flex_attention")


def as_written(modules: Iterable[nn.Module]) -> AbstractContextManager[object]:
    """A context in which nothing of a model, whose modules these are, is compiled or run compiled."""
    # A module compiled in place keeps what was compiled beside its forward; a wrapper is a module of its own.
    if any(name in sys.modules for name in _COMPILES) or any(map(_is_compiled, modules)):
        stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
        return stance
    return nullcontext()


def _is_compiled(module: nn.Module) -> bool:
    return type(module).__name__ == "OptimizedModule" or module.__dict__.get("_compiled_call_impl") is not None
