"""Errors that say nothing about shapes: a machine's limits were reached."""

from __future__ import annotations

import torch


def is_resource(error: BaseException | None) -> bool:
    """Running out of memory or of the stack is no mistake in the model's shapes."""
    return isinstance(error, RecursionError) or is_out_of_memory(error)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Of the machine or of an accelerator."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)  # how PyTorch says it of the CPU
