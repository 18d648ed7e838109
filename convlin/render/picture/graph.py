"""What a picture shows: blocks, which one feeds which, and frames around what repeats.

A graph is made from a report (``flow``), made shorter (``simplify``, ``condense``) and then laid
out (``arrange``, ``layout``).  It knows names and sizes; it knows nothing of pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from convlin.records import Shape

Key: TypeAlias = tuple[int, int]
"""Where a node stands in time: the index of its call and 0; what has no call of its own (a sum of
two tensors, an input) is numbered after the call it follows."""


@dataclass(frozen=True, slots=True)
class Node:
    """One block of the picture: a call, several folded into one, a sum, or an input of the model."""

    key: Key
    name: str
    """The module's path; empty for a function."""
    type: str
    """Class or function, as users write it."""
    role: str
    """What it does, which decides its color; see ``kinds.role``."""
    form: str = "other"
    """What its result is drawn as; see ``kinds.form``."""
    shape: Shape | None = None
    """Shape of the result, as ``Call.output_shape`` has it."""
    arrived: tuple[Shape, ...] = ()
    """Shapes of what came in."""
    integer: bool = False
    """Its result holds whole numbers: tokens, not features."""
    chain: tuple[int, ...] = ()
    """Indices of the container calls around it, outermost first."""
    detail: str = ""
    """Kernel and stride, number of heads."""
    before: tuple[str, ...] = ()
    """Layers that keep the shape, folded in, which run before this one."""
    after: tuple[str, ...] = ()
    """Layers that keep the shape, folded in, which run after this one."""
    note: str = ""
    """Arithmetic worth showing: ``256·4·4 = 4096``."""
    problems: tuple[str, ...] = ()
    """What is wrong here, in short lines."""
    failed: bool = False
    """The pass stopped here."""
    keeps: bool = False
    """A layer such as a normalization or an activation: folded into a neighbor where there is one."""
    sign: str = ""
    """The sign of a sum or product of two tensors; other functions of several tensors have a word here."""
    parts: tuple[int, ...] = ()
    """Of a concatenation: which sizes were put together, in order."""
    count: int = 1
    """How many alike in a row this one stands for."""
    last: str = ""
    """Where ``count`` is more than one, the name of the last of them."""
    written: str = ""
    """How the type is written where that says more: an index as in the code, ``Tensor[:, -1]``."""
    inside: tuple[str, ...] = ()
    """Of a whole module drawn as one block: what is in it."""

    @property
    def is_sign(self) -> bool:
        """A small circle or pill, not a tensor."""
        return bool(self.sign)


@dataclass(frozen=True, slots=True)
class Frame:
    """A line around blocks that run several times, one after the other."""

    keys: frozenset[Key]
    times: int
    name: str
    prefix: str = ""
    """Path of the module that is drawn; the names of the blocks in it begin so."""
    in_a_row: bool = True
    """One after the other; otherwise side by side."""


class Graph:
    """Nodes in order of execution, and for each what feeds it and what it feeds."""

    __slots__ = ("frames", "nodes", "outputs", "sources", "targets")

    def __init__(self) -> None:
        self.nodes: dict[Key, Node] = {}
        self.sources: dict[Key, dict[Key, None]] = {}
        self.targets: dict[Key, dict[Key, None]] = {}
        self.frames: list[Frame] = []
        self.outputs: dict[str, Key] = {}
        """For each output of the model, by its name, what makes it."""

    def add(self, node: Node, sources: Iterable[Key] = ()) -> None:
        """A node and its incoming edges; the sources are there already."""
        self.nodes[node.key] = node
        self.sources[node.key] = {}
        self.targets[node.key] = {}
        for source in sources:
            self.connect(source, node.key)

    def connect(self, source: Key, target: Key) -> None:
        """An edge; a second one between the same two is the same edge."""
        if source != target:
            self.sources[target][source] = None
            self.targets[source][target] = None

    def replace(self, node: Node) -> None:
        """Another node in the place of the one with its key."""
        self.nodes[node.key] = node

    def remove(self, key: Key) -> None:
        """A node and its edges."""
        for source in self.sources.pop(key):
            del self.targets[source][key]
        for target in self.targets.pop(key):
            del self.sources[target][key]
        del self.nodes[key]

    def merge(self, key: Key, into: Key) -> None:
        """Take a node away; ``into`` takes over its edges, and returns what it returned."""
        self.stand_in({key: into})
        sources, targets = list(self.sources[key]), list(self.targets[key])
        self.remove(key)
        for source in sources:
            self.connect(source, into)
        for target in targets:
            self.connect(into, target)

    def stand_in(self, stands_for: Mapping[Key, Key]) -> None:
        """The outputs of some nodes are told at others from now on."""
        self.outputs = {name: stands_for.get(key, key) for name, key in self.outputs.items()}

    def in_order(self) -> list[Node]:
        """The nodes in order of execution."""
        return [self.nodes[key] for key in sorted(self.nodes)]

    def weight(self) -> int:
        """How many blocks are drawn; a sign is small and counts for a quarter."""
        signs = sum(node.is_sign for node in self.nodes.values())
        return len(self.nodes) - signs + signs // 4

    def copy(self) -> Graph:
        """Another graph of the same nodes, to be changed on its own."""
        other = Graph()
        other.nodes = dict(self.nodes)
        other.sources = {key: dict(edges) for key, edges in self.sources.items()}
        other.targets = {key: dict(edges) for key, edges in self.targets.items()}
        other.frames = list(self.frames)
        other.outputs = dict(self.outputs)
        return other
