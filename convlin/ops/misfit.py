"""What a layer or function cannot take, in sizes and names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Misfit(NamedTuple):
    """One thing about an arrival that a layer or function cannot take."""

    kind: str
    declared: Any
    required: Any
    note: str = ""
    """What kind of mistake it looks like (``flatten``, ``channels_last``, ``tuple``, …); read by ``diagnose``."""
    detail: Mapping[str, Any] = _NOTHING
    changes: Mapping[str, Any] = _NOTHING
    """Constructor arguments of the layer and what they should be."""
    axis: int | None = None
    """The axis of the input that it is about, where the kind does not say."""
    input: int = 0
    """Which of the tensors that reached the layer it is about."""

    def with_detail(self, **more: Any) -> Misfit:
        """The same with more that is known of it."""
        return self._replace(detail={**self.detail, **more})


def resized(name: str, declared: Any, required: Any) -> Misfit:
    """A size that a constructor argument of the same name declares otherwise."""
    return Misfit(name, declared, required, changes={name: required})


def alone(size: Any) -> Any:
    """The size itself, where it is the shape of one axis.

    >>> alone((8,)), alone((8, 8)), alone(8)
    (8, (8, 8), 8)
    """
    return size[0] if isinstance(size, tuple) and len(size) == 1 else size
