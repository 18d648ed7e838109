"""The modules of the tree and the parameters that they hold."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from convlin.records.places import Location
from convlin.records.tensors import ELEMENT_BYTES
from convlin.sizes.types import Shape


class ParameterInfo(NamedTuple):
    """One parameter (or buffer) that a module holds under ``name``."""

    name: str
    shape: Shape
    dtype: str
    device: str
    trainable: bool
    alias_of: str | None
    """Full name of the same tensor elsewhere (tied weights), when that one was met first."""

    @property
    def numel(self) -> int:
        """Elements."""
        count = prod(self.shape)
        return count if isinstance(count, int) else 0


class ParameterSums(NamedTuple):
    """What some parameters come to."""

    elements: int = 0
    nbytes: int = 0
    trainable: int = 0
    """Elements of those that require a gradient."""
    trainable_bytes: int = 0
    trainable_tensors: int = 0


def sums(infos: Iterable[ParameterInfo]) -> ParameterSums:
    """Elements and bytes of parameters, added in one go: there may be a hundred thousand.

    >>> weight = ParameterInfo("weight", (10, 4), "float32", "cpu", True, None)
    >>> sums([weight, weight._replace(name="bias", shape=(10,), trainable=False)])
    ParameterSums(elements=50, nbytes=200, trainable=40, trainable_bytes=160, trainable_tensors=1)
    """
    elements = nbytes = trainable = trainable_bytes = tensors = 0
    for _, shape, dtype, _, is_trained, _ in infos:
        count = prod(shape)
        if not isinstance(count, int):  # of a lazy layer in letters
            count = 0
        stored = count * ELEMENT_BYTES.get(dtype, 0)
        elements += count
        nbytes += stored
        if is_trained:
            trainable += count
            trainable_bytes += stored
            tensors += 1
    return ParameterSums(elements, nbytes, trainable, trainable_bytes, tensors)


class ModuleInfo(NamedTuple):
    """One module of the tree, called or not."""

    path: str
    type: str
    calls: int = 0
    """How many calls were seen."""
    parameters: tuple[ParameterInfo, ...] = ()
    buffers: tuple[ParameterInfo, ...] = ()
    aliases: tuple[str, ...] = ()
    """Other paths to the same module."""
    is_leaf: bool = True
    where: Location | None = None
    """The line of the user's source that made the module, where it was asked for and found."""
    remark: str = ""
    """Why there is no call, where that can be said ("runs inside TorchScript")."""
