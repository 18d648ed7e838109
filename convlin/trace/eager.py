"""Modules that ``torch.compile`` wraps run as they were written while they are looked at.

Compiled, they would run without hooks, or be compiled once more with convlin's hooks in them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn


def as_written(modules: Iterable[nn.Module]) -> AbstractContextManager[object]:
    """A context in which nothing of a model, whose modules these are, is compiled or run compiled."""
    # A module compiled in place keeps what was compiled beside its forward; a wrapper is a module of its own.
    if "torch._dynamo" in sys.modules and any(map(_is_compiled, modules)):
        stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
        return stance
    return nullcontext()


def _is_compiled(module: nn.Module) -> bool:
    return type(module).__name__ == "OptimizedModule" or module.__dict__.get("_compiled_call_impl") is not None
