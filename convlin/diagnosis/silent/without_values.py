"""Models of which a part lies on the meta device: a layer there has no values to compute with.

PyTorch 2.13 runs a convolution of such weights on an input that has values, and gives memory that nobody wrote to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from torch import Tensor

from convlin.module_tree import Node, offloaded_to

_MOST_NAMES = 3


def remarks(nodes: Sequence[Node]) -> tuple[str, ...]:
    """Which layers have no values where others have; nothing of a model that lies on one side altogether."""
    without = without_values(nodes)
    if not without or offloaded_to(nodes[0].module) is not None:  # whose weights come for each call
        return ()
    names = [path or type(module).__name__ for path, module, _ in without]
    listed = ", ".join([*names[:_MOST_NAMES], *(["…"] if len(names) > _MOST_NAMES else [])])
    return (
        f"the weights of {listed} have no values (they are on the meta device), those of other layers have: give them"
        " some with to_empty and load_state_dict, or make the layer where the others are",
    )


def without_values(nodes: Sequence[Node]) -> list[Node]:
    """The modules with parameters or buffers on the meta device, where those of others are not."""
    # In one expression that keeps nothing: it is asked of every model, and what is kept wakes the garbage collector.
    places = {
        tensor.is_meta
        for node in nodes
        for held in (node.module._parameters, node.module._buffers)
        for tensor in held.values()
        if tensor is not None
    }
    if len(places) < 2:
        return []
    return [node for node in nodes if any(tensor.is_meta for tensor in _held(node))]


def _held(node: Node) -> Iterator[Tensor]:
    module = node.module
    return (tensor for tensor in chain(module._parameters.values(), module._buffers.values()) if tensor is not None)
