"""Modes that look at every operation of a run: what is stretched, and how many elements are made."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from convlin._util.torch_private import TorchDispatchMode
from convlin.sizes.stretched import stretched_axes


class Stretches(TorchDispatchMode):  # type: ignore[no-untyped-call]  # as torch declares it
    """Notes of every operation on elements whether a tensor has a size of 1 where another has a larger one."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[tuple[str, tuple[int, ...]]] = []
        """The operations in the order of their calls, with the axes that are stretched; the last may have raised."""
        self.finished = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if torch.Tag.pointwise in func.tags:
            self.seen.append((str(func), stretched_axes(arg.shape for arg in args if isinstance(arg, Tensor))))
        return func(*args, **(kwargs or {}))


class Elements(TorchDispatchMode):  # type: ignore[no-untyped-call]  # as torch declares it
    """Counts the elements of all tensors that are made while it is on."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0.0
        self._makes: dict[Any, bool] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func not in self._makes:  # and is no view of what there is
            self._makes[func] = all(each.alias_info is None for each in func._schema.returns)
        if self._makes[func]:
            made = result if isinstance(result, tuple | list) else (result,)
            self.count += sum(each.numel() for each in made if isinstance(each, Tensor))
        return result
