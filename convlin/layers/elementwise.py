"""Activations and dropout: of any shape, but one tensor, where a recurrent layer returns more."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from convlin.layers.common import unwrapped
from convlin.layers.rule import Arrival, LayerRule, Verdict

_MODULES = frozenset({"torch.nn.modules.activation", "torch.nn.modules.dropout"})


def is_elementwise(kind: type) -> bool:
    """Whether a class is PyTorch's own and takes one tensor of any shape."""
    return kind.__module__ in _MODULES and not issubclass(kind, nn.MultiheadAttention)


def _examine(module: Any, arrival: Arrival) -> Verdict | None:
    tensor, misfits = unwrapped(arrival.first("input"))
    several = tuple(misfit for misfit in misfits if misfit.note == "tuple")
    if not several or not isinstance(tensor, Tensor):
        return None
    return Verdict(several, arrival.with_first("input", tensor))


#: No types: a user may describe any of them.
ELEMENTWISE = LayerRule((), examine=_examine, hands_on=True)
