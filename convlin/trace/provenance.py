"""Who made which tensor, without keeping any alive."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from convlin.records import UNSEEN, Location, Shape, Source
from convlin.tensors import tensors_in


class Provenance:
    """Remembers for each live tensor the call that made it.

    A tensor is known by its identity, and a weak reference tells whether the identity is still its own.
    """

    def __init__(self) -> None:
        self._made: dict[int, tuple[weakref.ref[Tensor], Source]] = {}
        self._inputs: dict[int, tuple[weakref.ref[Tensor], Source]] = {}
        self._doubted: dict[int, tuple[weakref.ref[Tensor], frozenset[int]]] = {}
        self._elsewhere: dict[int, tuple[weakref.ref[Tensor], Location]] = {}

    def remember(self, tensor: Tensor, source: Source) -> None:
        """``tensor`` comes from ``source``."""
        self._made[id(tensor)] = (weakref.ref(tensor), source)

    def source(self, tensor: Tensor) -> Source:
        """Where ``tensor`` comes from, as far as that was seen."""
        entry = self._made.get(id(tensor))
        if entry is not None and entry[0]() is tensor:
            return entry[1]
        given = self._inputs.get(id(tensor))
        return given[1] if given is not None and given[0]() is tensor else UNSEEN

    def sources(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Source, ...]:
        """The source of every tensor in the arguments of a call."""
        if len(args) == 1 and not kwargs and isinstance(args[0], Tensor):
            return (self.source(args[0]),)
        return tuple(self.source(tensor) for _, tensor in tensors_in((args, dict(kwargs))))

    def doubt(self, tensor: Tensor, axes: frozenset[int]) -> None:
        """The sizes of ``tensor`` on these axes are a guess: what does not fit them may fit the real ones."""
        if axes:
            self._doubted[id(tensor)] = (weakref.ref(tensor), axes)

    def doubted(self, tensor: Tensor) -> frozenset[int]:
        """The axes whose sizes are a guess."""
        entry = self._doubted.get(id(tensor))
        return entry[1] if entry is not None and entry[0]() is tensor else frozenset()

    def doubts(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Shape, frozenset[int]], ...]:
        """The shape and the doubtful axes of every tensor among the arguments that has some."""
        if not self._doubted:
            return ()
        found = ((tensor, self.doubted(tensor)) for _, tensor in tensors_in((args, dict(kwargs))))
        return tuple((tuple(tensor.shape), axes) for tensor, axes in found if axes)

    def note_elsewhere(self, made: Iterable[Tensor], of: Iterable[Tensor], where: Location) -> None:
        """In a pass on the meta device, tensors were made that are on another; what is made of them has their line."""
        line = next((found for tensor in of if (found := self.made_elsewhere(tensor)) is not None), where)
        for tensor in made:
            if tensor.device.type != "meta":
                self._elsewhere[id(tensor)] = (weakref.ref(tensor), line)

    def made_elsewhere(self, tensor: Tensor) -> Location | None:
        """The line that made a tensor on another device than the meta device, as far as that was seen."""
        entry = self._elsewhere.get(id(tensor))
        return entry[1] if entry is not None and entry[0]() is tensor else None

    def take_inputs(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """These tensors go into the model."""
        for number, (_, tensor) in enumerate(tensors_in((args, dict(kwargs)))):
            # The same tensor given twice is one input: the first.
            self._inputs.setdefault(id(tensor), (weakref.ref(tensor), Source.input(number)))

    def pass_input_on(self, tensor: Tensor, made: Tensor) -> None:
        """What was made of ``tensor``, element by element, is an input where that is one."""
        if made is not tensor and self.is_input(tensor):
            self._inputs[id(made)] = (weakref.ref(made), self._inputs[id(tensor)][1])

    def is_input(self, tensor: Tensor) -> bool:
        """Whether ``tensor`` is an input of the model itself."""
        entry = self._inputs.get(id(tensor))
        return entry is not None and entry[0]() is tensor
