"""A graph made shorter without leaving anything out: what keeps the shape joins its neighbor.

BatchNorm, ReLU and Dropout become a line of text under the block before them; transposes and views
between the heads of an attention go; convolutions alike in a row become one group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from convlin.records import Call
from convlin.render.picture import kinds
from convlin.render.picture.graph import Graph, Key, Node
from convlin.render.picture.rotation import fold_rotations

_GROUPED = ("map", "signal", "volume", "last")


def simplify(graph: Graph, calls: Sequence[Call]) -> None:
    """Give every node its form and fold what needs no block of its own."""
    _give_forms(graph)
    repeated = _repeated(graph, calls)
    for node in graph.in_order():
        if node.problems or node.failed or node.key not in graph.nodes:
            continue
        if node.keeps:
            _fold_keeper(graph, node, repeated)
        elif node.role == "reshape":
            _fold_rearrangement(graph, node)
        elif node.role == "cat":
            _fold_empty_concatenation(graph, node)
    fold_rotations(graph)
    _group(graph)


def _give_forms(graph: Graph) -> None:
    wanted: dict[Key, frozenset[str]] = {}
    for node in reversed(graph.in_order()):
        takers: set[str] = set()
        for target in graph.targets[node.key]:
            other = graph.nodes[target]
            wish = kinds.wants(other.type)
            takers.update({wish} if wish else ())
            if not wish and (other.keeps or other.is_sign or other.role in ("reshape", "cat")):
                takers |= wanted[target]
        wanted[node.key] = frozenset(takers)
    for node in graph.in_order():
        if node.shape is None:
            continue
        before = [graph.nodes[source].form for source in graph.sources[node.key]]
        source = before[0] if before else ""
        form = source if node.is_sign else kinds.form(
            node.type, node.shape, source, wanted[node.key], integer=node.integer
        )  # fmt: skip
        graph.replace(replace(node, form=form))


def _repeated(graph: Graph, calls: Sequence[Call]) -> frozenset[int]:
    """The containers of which a parent has several of one type: one layer of an encoder."""
    around = {
        (chain[depth - 1] if depth else -1, container)
        for chain in {node.chain for node in graph.nodes.values()}
        for depth, container in enumerate(chain)
    }
    alike = Counter((parent, calls[container].type) for parent, container in around)
    return frozenset(container for parent, container in around if alike[parent, calls[container].type] > 1)


def _fold_keeper(graph: Graph, node: Node, repeated: frozenset[int]) -> None:
    """A layer that keeps the shape goes to the block it follows, or else to the one it precedes.

    What follows the last of several alike modules does not go into it: they would not be alike any more.
    """
    sources, targets = list(graph.sources[node.key]), list(graph.targets[node.key])
    if len(sources) == 1:
        source = graph.nodes[sources[0]]
        leaves = repeated.intersection(source.chain).difference(node.chain)
        if len(graph.targets[source.key]) == 1 and not source.failed and not leaves:
            graph.replace(replace(source, after=(*source.after, node.type)))
            graph.merge(node.key, source.key)
            return
    if len(targets) == 1 and len(sources) <= 1:
        target = graph.nodes[targets[0]]
        if not target.is_sign and target.role != "cat" and len(graph.sources[target.key]) == 1:
            graph.replace(replace(target, before=(*node.before, node.type, *target.before)))
            graph.merge(node.key, target.key)


def _fold_rearrangement(graph: Graph, node: Node) -> None:
    """A view that only prepares for the next function goes; a flatten stays, for it is what people ask about."""
    sources = list(graph.sources[node.key])
    if len(sources) != 1:
        return
    source = graph.nodes[sources[0]]
    if source.failed or node.shape is None or source.shape is None:
        return
    follows_one = source.role == "reshape" and not source.problems and len(graph.targets[source.key]) == 1
    if follows_one and node.form != "heads":
        both = f"{kinds.bare(source.type)}, {kinds.bare(node.type)}"
        merged = replace(
            node,
            type=source.type if source.type == node.type else both,
            written="",
            name=source.name or node.name,
            note=node.note or source.note,
            arrived=source.arrived,
        )
        graph.replace(merged)
        _take_over(graph, source, merged)
    elif _says_nothing(node, source):
        graph.merge(node.key, source.key)


def _take_over(graph: Graph, source: Node, node: Node) -> None:
    for origin in list(graph.sources[source.key]):
        graph.connect(origin, node.key)
    graph.stand_in({source.key: node.key})
    graph.remove(source.key)


def _says_nothing(node: Node, source: Node) -> bool:
    """Whether a rearrangement changes nothing that the picture shows."""
    if node.form == "heads" or (source.form == "heads" and node.form in ("heads", "sheet", "last")):
        return True
    if node.form != source.form:
        return False
    if kinds.bare(node.type) in ("chunk", "split", "unbind", "tensor_split"):
        return True
    return _sizes(node) == _sizes(source)


def _sizes(node: Node) -> list[str]:
    """The sizes that matter, in any order."""
    return sorted(str(size) for size in node.shape or () if size != 1)


def _fold_empty_concatenation(graph: Graph, node: Node) -> None:
    """Something appended to nothing (the first step of a cache) is itself."""
    sources = list(graph.sources[node.key])
    if len(sources) == 1 and graph.nodes[sources[0]].shape is not None and node.shape in node.arrived:
        graph.merge(node.key, sources[0])


def _group(graph: Graph) -> None:
    """Convolutions alike, one after the other, become one group of blocks."""
    for node in graph.in_order():
        if node.key not in graph.nodes or node.form not in _GROUPED:
            continue
        while True:
            node = graph.nodes[node.key]
            targets = list(graph.targets[node.key])
            if len(targets) != 1 or not _alike(graph, node, graph.nodes[targets[0]]):
                break
            follower = graph.nodes[targets[0]]
            graph.replace(replace(node, count=node.count + 1, last=follower.name))
            graph.merge(follower.key, node.key)


def _alike(graph: Graph, node: Node, follower: Node) -> bool:
    if len(graph.sources[follower.key]) != 1 or node.role not in ("conv", "up") or node.problems or follower.problems:
        return False
    told = (node.type, node.shape, node.detail, node.before, node.after)
    return (
        told == (follower.type, follower.shape, follower.detail, follower.before, follower.after)
        and not follower.failed
    )
