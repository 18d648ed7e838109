"""What ``torch.compile`` wraps runs as it was written while a model is looked at.

Compiled, a module would run without hooks, or be compiled once more with convlin's hooks in it; a function that is
compiled inside ``forward``, as FlexAttention is by itself, would be compiled with convlin's function mode in it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from convlin._util.torch_private import COMPILER

#: Where one of these is loaded, something may be compiled that is no module; where none is, nothing was compiled.
_COMPILES = (COMPILER, "torch.nn.attention.flex_attention")

#: Where a module keeps what it was compiled to.
_COMPILED = "_compiled_call_impl"


def as_written(modules: Sequence[nn.Module]) -> AbstractContextManager[object]:
    """A context in which nothing of a model, whose modules these are, is compiled or run compiled."""
    # A module compiled in place keeps what was compiled beside its forward.
    if any(name in sys.modules for name in _COMPILES) or any(
        module.__dict__[_COMPILED] is not None for module in modules if _COMPILED in module.__dict__
    ):
        stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
        return stance
    return nullcontext()
