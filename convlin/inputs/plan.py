"""The arguments of one forward pass, and the tensors in it that are still to be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch


@dataclass(frozen=True, slots=True)
class Dummy:
    """A tensor that convlin is to make: where it goes, its size, and what it is made of."""

    place: str
    """``[0]`` for the first positional argument, the name for a keyword."""
    shape: tuple[int | str, ...]
    dtype: torch.dtype
    dtype_asked: bool = False
    """The caller named the dtype: it is kept, whatever the model makes of it."""
    fill: int = 0
    """The one value that it holds."""

    def sized(self, batch_size: int, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The whole shape, batch first, letters replaced by ``sizes``."""
        return (batch_size, *(sizes[size] if isinstance(size, str) else size for size in self.shape))


class Plan(NamedTuple):
    """The arguments of one forward pass; ``Dummy`` stands where a tensor is still to be made."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    batch_size: int | str
    device: torch.device

    def dummies(self) -> Iterator[Dummy]:
        """Every tensor that convlin is to make, in the order of the arguments."""
        for value in (*self.args, *self.kwargs.values()):
            if isinstance(value, Dummy):
                yield value

    @property
    def names(self) -> tuple[str, ...]:
        """The named sizes, in order of appearance."""
        letters = [self.batch_size] if isinstance(self.batch_size, str) else []
        letters += [size for dummy in self.dummies() for size in dummy.shape if isinstance(size, str)]
        return tuple(dict.fromkeys(letters))

    @property
    def sides(self) -> tuple[str, ...]:
        """The named sizes, but for that of the batch."""
        return tuple(name for name in self.names if name != self.batch_size)

    @property
    def adds_batch(self) -> bool:
        """Whether convlin puts the batch in front of an input's shape."""
        return any(True for _ in self.dummies())

    def with_each(self, change: Callable[[Any], Any]) -> Plan:
        """The same plan with every argument changed."""
        kwargs = {name: change(value) for name, value in self.kwargs.items()}
        return self._replace(args=tuple(map(change, self.args)), kwargs=kwargs)

    def with_instead(self, given: object, instead: object) -> Plan:
        """The same plan with another value in the place of one of its arguments."""
        return self.with_each(lambda value: instead if value is given else value)

    def with_dummies(self, change: Callable[[Dummy], Any]) -> Plan:
        """The same plan with something else in the place of every dummy."""
        return self.with_each(lambda value: change(value) if isinstance(value, Dummy) else value)

    def floats_asked(self) -> frozenset[str]:
        """The places of the dummies for which the caller named a floating dtype."""
        return frozenset(each.place for each in self.dummies() if each.dtype_asked and each.dtype.is_floating_point)

    def with_dtype(self, places: frozenset[str], dtype: torch.dtype) -> Plan:
        """The same plan with the dummies at ``places`` made of ``dtype``."""
        return self.with_dummies(lambda each: replace(each, dtype=dtype) if each.place in places else each)

    def filled(self, place: str, value: int) -> Plan:
        """The same plan with another value in the dummy at ``place``."""
        return self.with_dummies(lambda each: replace(each, fill=value) if each.place == place else each)

    def at(self, sizes: Mapping[str, int]) -> Plan:
        """The same plan with numbers in place of the letters."""
        size = sizes[self.batch_size] if isinstance(self.batch_size, str) else self.batch_size
        sized = self.with_dummies(lambda each: replace(each, shape=each.sized(size, sizes)[1:]))
        return sized._replace(batch_size=size)

    def with_batch_taken_out(self) -> Plan | None:
        """The same plan with the first size of every shape as the batch; None where it cannot be one.

        Of three sizes, a first one of up to four counts an image's channels.
        """
        shapes = [dummy.shape for dummy in self.dummies()]
        if self.batch_size != 1 or not shapes or self.names or any(len(shape) < 2 for shape in shapes):
            return None
        first = {shape[0] for shape in shapes}
        if len(first) != 1 or any(len(shape) == 3 and int(shape[0]) <= 4 for shape in shapes):
            return None
        return self.with_dummies(lambda each: replace(each, shape=each.shape[1:]))._replace(batch_size=first.pop())

    def make(self, sizes: Mapping[str, int] | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with every dummy made: ``(args, kwargs)``."""
        known = sizes or {}
        batch_size = known[self.batch_size] if isinstance(self.batch_size, str) else self.batch_size

        def made(each: Any) -> Any:
            if not isinstance(each, Dummy):
                return each
            return torch.full(each.sized(batch_size, known), each.fill, dtype=each.dtype, device=self.device)

        plan = self.with_each(made)
        return plan.args, dict(plan.kwargs)
