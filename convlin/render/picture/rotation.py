"""A rotary embedding as one sign: x·cos + rotated(x)·sin are five functions that mean a single thing."""

from __future__ import annotations

from dataclasses import replace

from convlin.render.picture.graph import Graph, Key, Node


def fold_rotations(graph: Graph) -> None:
    """Put the five functions of every rotation into the sum at their end.

    >>> graph = Graph()
    >>> for number, (kind, sign, sources) in enumerate(
    ...     [("linear", "", ()), ("embed", "", ()), ("join", "×", (0, 1)), ("cat", "", (0,)), ("join", "×", (3, 1)),
    ...      ("join", "+", (2, 4))]
    ... ):
    ...     graph.add(Node((number, 0), "", "", kind, sign=sign), [(source, 0) for source in sources])
    >>> fold_rotations(graph)
    >>> [(node.role, node.sign) for node in graph.in_order()], list(graph.sources[5, 0])
    ([('linear', ''), ('embed', ''), ('join', 'rotary')], [(0, 0), (1, 0)])
    """
    for node in graph.in_order():
        parts = _parts(graph, node)
        if parts is not None:
            turned, angles, inner = parts
            for key in inner:
                graph.stand_in({key: node.key})
                graph.remove(key)
            graph.replace(replace(node, sign="rotary"))
            graph.connect(turned, node.key)
            graph.connect(angles, node.key)


def _parts(graph: Graph, node: Node) -> tuple[Key, Key, tuple[Key, ...]] | None:
    """What is turned, where the angles come from, and the functions between; None for any other sum."""
    products = [key for key in graph.sources[node.key] if graph.nodes[key].sign == "×" and _feeds_one(graph, key)]
    if node.sign != "+" or len(products) != 2 or len(graph.sources[node.key]) != 2:
        return None
    for straight, turned in (products, products[::-1]):
        for angles in graph.sources[straight]:
            others = [[key for key in graph.sources[product] if key != angles] for product in (straight, turned)]
            if angles in graph.sources[turned] and [len(keys) for keys in others] == [1, 1]:
                (origin,), (half,) = others
                swapped = _swapped(graph, half, origin)
                if swapped:
                    return origin, angles, (straight, turned, *swapped)
    return None


def _swapped(graph: Graph, half: Key, origin: Key) -> tuple[Key, ...]:
    """The functions that put the halves of ``origin`` together the other way round; none where these do not."""
    cuts = [key for key in graph.sources[half] if key != origin]
    is_cut = all(
        graph.nodes[key].role == "reshape" and list(graph.sources[key]) == [origin] and _feeds_one(graph, key)
        for key in cuts
    )
    return (half, *cuts) if graph.nodes[half].role == "cat" and is_cut and _feeds_one(graph, half) else ()


def _feeds_one(graph: Graph, key: Key) -> bool:
    return len(graph.targets[key]) == 1
