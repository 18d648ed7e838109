"""Models of which a part lies on the meta device: a layer there has no values to compute with.

PyTorch 2.13 runs a convolution of such weights on an input that has values, and gives memory that nobody wrote to.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    modules = [node.module for node in nodes]
    held = [(each._parameters, each._buffers) for each in modules]
    places = {tensor.is_meta for pair in held for of_kind in pair for tensor in of_kind.values() if tensor is not None}
    if len(places) < 2:
        return []
    return [
        node
        for node, pair in zip(nodes, held, strict=True)
        if any(tensor is not None and tensor.is_meta for of_kind in pair for tensor in of_kind.values())
    ]
