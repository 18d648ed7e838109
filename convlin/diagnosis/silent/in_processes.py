"""Models whose parameters lie in several processes: what a shape is there, and who has to run them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from convlin.module_tree import Node
from convlin.tensors import processes
from convlin.untouched import sharded

_MOST_NAMES = 3


def remarks(nodes: Sequence[Node]) -> tuple[str, ...]:
    """What a reader of the table has to know of a model that several processes share; nothing of another."""
    distributed = getattr(sys.modules.get("torch.distributed.tensor"), "DTensor", None)
    if distributed is None:
        return ()
    kinds = {type(each) for node in nodes for each in node.module._parameters.values()}
    if not any(issubclass(kind, distributed) for kind in kinds):
        return ()
    counts = {
        node.path: max((processes(each) for each in node.module._parameters.values() if each is not None), default=1)
        for node in nodes
    }
    count = max(counts.values(), default=1)
    if count == 1:
        return ()
    together = "every process has to make this summary, since they compute together"
    if sharded([node.module for node in nodes]):
        return (f"{count} processes share the parameters (fully_shard): {together}",)
    names = [path or "the model" for path, number in counts.items() if number > 1]
    listed = ", ".join([*names[:_MOST_NAMES], *(["…"] if len(names) > _MOST_NAMES else [])])
    return (
        f"{count} processes share the parameters of {listed} (DTensor): {together}; "
        "a shape is the whole one, but where a layer gives a plain tensor it is the part of this process",
    )
