"""A context that gives a model and the random state back as they were.

What a forward pass can change is saved before and put back after, whether the pass returned or
raised: the model by a ``Keeper``; here the random state of torch, CUDA, numpy and Python; the grad
mode, the default dtype, the autocast cache.  A write that nothing sees is told with an
``UntouchedWarning``, never passed over.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import nn

from convlin._util.gc_pause import paused
from convlin.module_tree import modules_of
from convlin.untouched.module_state import Keeper, TrainingFlags
from convlin.untouched.sharded import refuse_sharded, reshard, sharded

__all__ = ["ONE_AT_A_TIME", "Keeper", "TrainingFlags", "refuse_sharded", "sharded", "untouched"]

#: One pass at a time in a process: the random state and the modules' hooks are shared by threads.
ONE_AT_A_TIME = threading.RLock()


@contextmanager
def untouched(
    model: nn.Module, modules: Sequence[nn.Module] | None = None, *, closed: bool = False
) -> Iterator[Keeper | TrainingFlags]:
    """Hold ``model`` and the process's random state; put both back at the end, also after an exception.

    ``modules`` are all of the model's, where somebody has walked through it already.  A pass through
    a ``closed`` model changes no more than the training flags.  Passes of several threads take turns:
    the random state belongs to all of them.
    """
    modules = modules or modules_of(model)
    with ONE_AT_A_TIME, _random_state(), _torch_state():
        with paused():
            reshard(modules)
            keeper: Keeper | TrainingFlags = TrainingFlags(modules) if closed else Keeper(model, modules)
        try:
            yield keeper
        finally:
            with paused():
                reshard(modules)
                keeper.restore()


@contextmanager
def _random_state() -> Iterator[None]:
    python = random.getstate()
    torch_state = torch.get_rng_state()
    numpys = _random_of_numpy()
    numpy_state = numpys.get_state() if numpys is not None else None
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        random.setstate(python)
        torch.set_rng_state(torch_state)
        if numpys is not None:
            numpys.set_state(numpy_state)
        elif (loaded := _random_of_numpy()) is not None:  # by the pass, which may have seeded it
            loaded.seed()
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def _random_of_numpy() -> Any:
    """``numpy.random``, which numpy loads when it is first asked for: nothing is drawn before."""
    return import_module("numpy.random") if "numpy.random" in sys.modules else None


@contextmanager
def _torch_state() -> Iterator[None]:
    """The default dtype and the autocast cache.

    The cache is off inside: a weight cast under ``no_grad`` would be handed to a training step that
    runs in the same ``autocast`` block afterwards, and get no gradient.
    """
    dtype = torch.get_default_dtype()
    cache = torch.is_autocast_cache_enabled()
    grad = torch.is_grad_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(cache)
        torch.set_grad_enabled(grad)
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)
