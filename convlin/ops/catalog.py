"""Every operation by the name under which it is recorded: ``Tensor.view``, ``F.max_pool2d``, ``+``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from convlin.derivations.arguments import arguments
from convlin.ops import joins, others, pointwise, shapes, windows
from convlin.ops.op import UNKNOWN, Family, Op
from convlin.records import Call, Derivation

_PREFIXES = ("torch", "Tensor", "F")


class Catalog:
    """Finds the entry of a function by its name."""

    def __init__(self, ops: Iterable[Op]) -> None:
        self._bare: dict[str, Op] = {}
        self._full: dict[str, Op] = {}
        for op in ops:
            self.add(op)

    def add(self, op: Op) -> None:
        """Take in one more entry; a name that has one already is refused with ``ValueError``."""
        prefixes = (op.owner,) if op.owner else _PREFIXES
        full = [prefix + name if name == "[...]" else f"{prefix}.{name}" for name in op.names for prefix in prefixes]
        full.extend(op.operators)
        taken = [name for name in full if name in self._full]
        if taken:
            raise ValueError(f"there is an entry for {', '.join(taken)} already")
        self._full.update(dict.fromkeys(full, op))
        self._bare.update(dict.fromkeys((*op.names, *op.operators), op))

    def named(self, name: str) -> Op:
        """The entry of the function that is recorded so; ``UNKNOWN`` where there is none.

        >>> OPS.named("torch.flatten") is OPS.named("Tensor.flatten"), OPS.named("einops.view") is UNKNOWN
        (True, True)
        """
        return self._full.get(name, UNKNOWN)

    def called(self, name: str) -> Op:
        """The entry for a function's own name, whoever owns it: ``cat``, ``Tensor[...]``; ``UNKNOWN`` without one.

        >>> OPS.called("torch.ops.aten.cat") is OPS.called("cat"), OPS.called("torch.ops.mine.cat") is UNKNOWN
        (True, True)
        """
        if name.startswith("torch.ops.") and not name.startswith("torch.ops.aten."):
            return UNKNOWN
        bare = "[...]" if name.endswith("...]") else name.rpartition(".")[2]
        return self._full.get(name) or self._bare.get(bare, UNKNOWN)


OPS = Catalog((*windows.OPS, *shapes.OPS, *joins.OPS, *pointwise.OPS, *others.OPS))
#: What joins tensors along an axis that is there.
CAT = OPS.called("torch.cat")
#: What is given all axes in another order.
PERMUTE = OPS.called("torch.permute")
#: What takes axes of 1 away, and what adds one.
SQUEEZE, UNSQUEEZE = OPS.called("torch.squeeze"), OPS.called("torch.unsqueeze")
#: What makes one axis of several, from one on, and several of one.
FLATTEN, UNFLATTEN = OPS.called("torch.flatten"), OPS.called("torch.unflatten")
#: What takes along one axis the places that an index of as many axes names.
GATHER = OPS.called("torch.gather")


def derive(call: Call) -> Derivation | None:
    """The derivation of a function between layers; None where none is known.

    >>> from convlin.records import TensorInfo
    >>> call = Call("", "Tensor.view", (TensorInfo("", (1, 32, 8, 8), "", ""),), settings={"1": -1, "2": 2048})
    >>> derivation = derive(call)
    >>> derivation.steps[0].text if derivation else ""
    '32·8·8 = 2048'
    """
    op = OPS.named(call.type)
    if op.formula is None or not call.inputs:
        return None
    given = {} if op.parameters is None else arguments(call, op.parameters)
    return None if given is None else op.formula(call, given)


def derive_of(name: str) -> Callable[[Call], Derivation | None] | None:
    """How the output shape of the function that is recorded so is derived; None where nothing knows."""
    return derive if OPS.named(name).formula is not None else None


def settings_of(call: Call) -> Mapping[str, Any]:
    """A function's plain arguments under the names of its parameters, and what a layer would have as settings too."""
    op = OPS.named(call.type)
    given = None if op.formula is None or op.parameters is None else arguments(call, op.parameters)
    settings = dict(call.settings if given is None else given)
    if op.family in (Family.CONVOLUTION, Family.TRANSPOSED_CONVOLUTION) and len(call.inputs) > 1:
        settings["kernel_size"] = call.inputs[1].shape[2:]
    if op.family in (Family.POOL, Family.UNPOOL) and not settings.get("stride"):
        settings["stride"] = settings.get("kernel_size")
    return settings
