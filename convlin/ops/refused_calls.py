"""A call of a torch function that was refused, and what a pass goes on with instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from convlin._util.torch_private import CONVOLUTIONS
from convlin.ops.misfit import Misfit
from convlin.ops.names import Function


class Recovery:
    """What a failing function needs instead, and the tensor that stands in for its result."""

    __slots__ = ("misfits", "result")

    def __init__(self, misfits: tuple[Misfit, ...], result: Any) -> None:
        self.misfits = misfits
        self.result = result


class RefusedCall(NamedTuple):
    """The call that was refused."""

    function: Function
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    layer: nn.Module | None

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", "")

    @property
    def input(self) -> Any:
        return self.args[0] if self.args else self.kwargs.get("input")

    def two_tensors(self, *names: str) -> tuple[Tensor, Tensor] | None:
        """The first two arguments, by position or under one of ``names``; None where they are not both tensors."""
        given = (*self.args, *(self.kwargs[name] for name in names if name in self.kwargs), None, None)
        first, second, *_ = given
        return (first, second) if isinstance(first, Tensor) and isinstance(second, Tensor) else None

    def input_and_weight(self) -> tuple[Tensor, Tensor] | None:
        """Those of a Linear or a convolution; a weight that comes as anything but a tensor is that of the layer."""
        weight = self.args[1] if len(self.args) > 1 else self.kwargs.get("weight")
        if self.layer is None or isinstance(weight, Tensor) or not isinstance(self.layer, (nn.Linear, *CONVOLUTIONS)):
            return self.two_tensors("input", "weight")
        own = self.layer.weight
        return (self.input, own) if isinstance(self.input, Tensor) and isinstance(own, Tensor) else None

    def joined(self, tensors: list[Tensor]) -> Any:
        """What the function makes of other tensors in its list."""
        return self.function(tensors, *self.args[1:], **{k: v for k, v in self.kwargs.items() if k != "tensors"})

    def with_each(self, change: Callable[[Any], Any]) -> Any:
        """What the function returns with each argument changed."""
        return self.function(*map(change, self.args), **{name: change(value) for name, value in self.kwargs.items()})


def declared_as(layer: nn.Module | None, width: int) -> str:
    """Under which name a layer of another library declares the width it takes, as ``nn.Linear`` does."""
    return next((name for name in ("in_features", "in_channels") if getattr(layer, name, None) == width), "")
