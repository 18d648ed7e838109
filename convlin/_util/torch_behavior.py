"""What versions of torch do differently though every name is there: the running one is asked, once.

The arithmetic asks here, and is imported without torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def _apart() -> Iterator[None]:
    """A pass may be under way: nothing that records it sees the question."""

    from convlin._util.torch_private import no_dispatch_modes, no_function_modes

    with no_function_modes(), no_dispatch_modes():
        yield


@cache
def pads_to_nothing() -> bool:
    """Whether padding that widens one axis may leave another one empty; torch 2.6 refuses that."""
    import torch
    import torch.nn.functional as F

    with _apart():
        try:
            F.pad(torch.zeros(1, 0, device="cpu"), (0, 0, 1, 0))
        except RuntimeError:
            return False
    return True


@cache
def counts_every_bag() -> bool:
    """Whether ``embedding_bag`` makes a bag of every row of two-dimensional indices.

    torch 2.6 leaves out the last one where ``include_last_offset`` is set.
    """
    import torch
    import torch.nn.functional as F

    with _apart():
        rows = torch.zeros(2, 1, dtype=torch.int64, device="cpu")
        bags = F.embedding_bag(rows, torch.zeros(1, 1, device="cpu"), include_last_offset=True)
    return len(bags) == len(rows)


@cache
def resizes_by_lanczos() -> bool:
    """Whether ``interpolate`` has the mode lanczos."""
    from convlin._util.torch_private import operators

    return bool(list(operators("aten._upsample_lanczos2d_aa")))


@cache
def writes_statistics_back() -> bool:
    """Whether ``instance_norm`` writes its running statistics where it only uses them, as torch 2.6 does.

    The values stay; what counts the writes to a tensor goes on.
    """
    import torch
    import torch.nn.functional as F

    with _apart(), torch.no_grad():
        mean, var = torch.zeros(1, device="cpu"), torch.ones(1, device="cpu")
        F.instance_norm(torch.zeros(1, 1, 2, device="cpu"), mean, var, use_input_stats=False)
    return mean._version > 0
