"""Functions that write to an argument only if a flag says so: statistics in training, renormed embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

#: The flag of each: its position, its name and its default.
_FLAGS: Mapping[Any, tuple[int, str, Any]] = {
    F.batch_norm: (5, "training", False),
    torch.batch_norm: (5, "training", False),
    F.instance_norm: (5, "use_input_stats", True),
    torch.instance_norm: (5, "use_input_stats", True),
    F.embedding: (3, "max_norm", None),
    F.embedding_bag: (3, "max_norm", None),
}


def only_reads(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether this call of a function that may write does not.

    >>> only_reads(F.embedding, (torch.zeros(1), torch.zeros(2, 3)), {})
    True
    >>> only_reads(torch.relu_, (torch.zeros(1),), {})
    False
    """
    flag = _FLAGS.get(function)
    if flag is None or "out" in kwargs:
        return False
    position, name, default = flag
    return not (args[position] if len(args) > position else kwargs.get(name, default))
