"""convlin's own tensors on the CPU, and those of a model where the user wants new tensors to be.

``torch.set_default_device("meta")`` and ``with torch.device("meta"):`` hold for every tensor that is made, and on the
meta device numbers have no values to compute with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_of_the_user: ContextVar[torch.device | None] = ContextVar("convlin_default_device", default=None)


@contextmanager
def own_tensors_on_cpu() -> Iterator[None]:
    """Inside the block tensors are made on the CPU where no other device is named.

    >>> with torch.device("meta"), own_tensors_on_cpu():
    ...     torch.ones(2).tolist()
    [1.0, 1.0]
    """
    device = torch.empty(0).device
    if device.type == "cpu":
        yield
        return
    token = _of_the_user.set(device)
    try:
        with torch.device("cpu"):
            yield
    finally:
        _of_the_user.reset(token)


@contextmanager
def users_default_device() -> Iterator[None]:
    """Around what runs a model inside such a block: there tensors are made where they are outside of it.

    >>> with torch.device("meta"), own_tensors_on_cpu(), users_default_device():
    ...     torch.ones(2).device
    device(type='meta')
    """
    device = _of_the_user.get()
    if device is None:
        yield
        return
    with device:
        yield
