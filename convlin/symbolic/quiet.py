"""Running a model on fake tensors without a word in the log, and without filling what libraries remember."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_TALKATIVE = (
    "torch._subclasses.fake_tensor",
    "torch.fx.experimental.sym_node",
    "torch.fx.experimental.symbolic_shapes",
)


@contextmanager
def compiling() -> Iterator[None]:
    """Say that the model is being compiled: what libraries remember between calls must not be filled with fakes."""
    # The flag behind torch.compiler.is_compiling(); without it such a model is not followed, that is all.
    if not isinstance(getattr(torch.compiler, "_is_compiling_flag", None), bool):
        yield
        return
    before = torch.compiler._is_compiling_flag
    torch.compiler._is_compiling_flag = True
    try:
        yield
    finally:
        torch.compiler._is_compiling_flag = before


@contextmanager
def quiet() -> Iterator[None]:
    """PyTorch logs a traceback for every function that refuses its input; here that is an answer like any other."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
