"""Functions whose result has the size of what they are given: answered at once.

PyTorch computes the size of ``relu`` and ``batch_norm`` in letters through a dozen Python functions,
which takes longer than all the rest of a convolutional network.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_ACTIVATIONS = frozenset(
    {F.relu, torch.relu, F.relu6, F.silu, F.gelu, F.leaky_relu, F.hardswish, F.hardsigmoid, F.mish, F.elu}
    | {torch.sigmoid, torch.tanh, Tensor.relu, Tensor.sigmoid, Tensor.tanh}
)


class Alike(TorchFunctionMode):
    """Answers with an empty tensor of the same size; what a function could refuse is left to PyTorch."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _ACTIVATIONS:
            if args and isinstance(args[0], Tensor) and args[0].is_floating_point() and args[0].layout == torch.strided:
                in_place = kwargs.get("inplace", args[-1] is True)
                return args[0] if in_place else torch.empty_like(args[0])
        elif func is F.batch_norm and _fits(*args, **kwargs):
            return torch.empty_like(args[0])
        return func(*args, **kwargs)


def _fits(
    given: Any = None,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    *_: Any,
    **__: Any,
) -> bool:
    """Whether a batch norm in eval mode has vectors of as many channels as there are."""
    if training or not isinstance(given, Tensor) or given.dim() < 2 or given.layout != torch.strided:
        return False
    if running_mean is None or running_var is None:
        return False
    vectors = [vector for vector in (running_mean, running_var, weight, bias) if vector is not None]
    channels = given.shape[1]
    return type(channels) is int and all(
        vector.shape == (channels,) and vector.dtype == given.dtype for vector in vectors
    )
