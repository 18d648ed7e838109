"""What several rules ask of their arguments."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def is_cast(given: Tensor) -> bool:
    """Whether ``autocast`` gives the result another dtype."""
    return given.device.type != "meta" and torch.is_autocast_enabled(given.device.type)


def all_are(shape: tuple[int, ...], input: Tensor, *vectors: Any) -> bool:
    """Whether those that are there have this shape and the dtype of the input."""
    return all(
        each is None or (isinstance(each, Tensor) and each.shape == shape and each.dtype == input.dtype)
        for each in vectors
    )
