"""A long graph made short: what repeats is drawn once, and whole modules become single blocks.

Three steps, each only where the one before was not enough: repeated blocks into one with its
count, modules from the innermost outwards into single blocks, and at last the middle left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby, pairwise

from convlin.records import Call
from convlin.render.named_outputs import part_taken, type_text
from convlin.render.picture import kinds
from convlin.render.picture.graph import Frame, Graph, Key, Node
from convlin.render.tree import repetition

#: Up to here a picture is drawn in full; blocks that run three times or more are folded earlier.
FULL = 30
_FEW = 12
#: More than this is not legible.
MOST = 42
#: How many blocks of each end stay when the middle is left out.
_ENDS = 16
_LONGEST_PERIOD = 8
_TRIES = 10


def condense(graph: Graph, calls: Sequence[Call], most: int = MOST) -> Graph:
    """A graph of at most about ``most`` blocks that tells the same."""
    _drop_loose_ends(graph)
    return _drop_loose_ends(_condense(graph, calls, most))


def _condense(graph: Graph, calls: Sequence[Call], most: int) -> Graph:
    if graph.weight() <= _FEW:
        return graph
    shorter = _fold_repeats(graph.copy(), calls, least=3)
    if shorter.weight() <= min(FULL, most):
        return shorter
    shorter = _fold_repeats(graph.copy(), calls)
    if shorter.weight() <= most:
        return shorter
    deepest = max((len(node.chain) for node in graph.nodes.values()), default=0)
    for depth in range(deepest - 1, 0, -max(deepest // _TRIES, 1)):
        shorter = _fold_repeats(_fold_modules(graph.copy(), calls, depth), calls)
        if shorter.weight() <= most:
            return shorter
    return _leave_out(shorter)


def _drop_loose_ends(graph: Graph) -> Graph:
    """A sum that nothing goes into or that goes nowhere says nothing; the last one is the model's output."""
    last = max(graph.nodes, default=None)
    for node in reversed(graph.in_order()):
        if node.is_sign and node.role != "gap" and node.key != last:
            if graph.targets[node.key] and graph.sources[node.key]:
                continue
            graph.remove(node.key)
    return graph


# What repeats


def _fold_repeats(graph: Graph, calls: Sequence[Call], *, least: int = 2) -> Graph:
    _Repeats(graph, calls, least).fold(graph.in_order(), 0)
    return graph


class _Repeats:
    """Finds runs of alike segments: modules under one parent, or blocks of one module."""

    def __init__(self, graph: Graph, calls: Sequence[Call], least: int) -> None:
        self._graph = graph
        self._least = least
        self._calls = calls
        self._numbers: dict[Hashable, int] = {}

    def fold(self, nodes: list[Node], depth: int) -> None:
        """Fold the runs among ``nodes``, which share their first ``depth`` containers."""
        segments = [
            list(segment)
            for container, segment in groupby(
                nodes, lambda node: node.chain[depth] if len(node.chain) > depth else node.key
            )
        ]
        if len(segments) == 1 and len(segments[0]) > 1:
            self.fold(segments[0], depth + 1)
            return
        signatures = [self._signature(segment, depth) for segment in segments]
        at = 0
        while at < len(segments):
            period, times = repetition(len(signatures) - at, partial(_turns, signatures, at), _LONGEST_PERIOD)
            if times >= self._least and self._fold_run(segments[at : at + period * times], period, times, depth):
                at += period * times
                continue
            if len(segments[at]) > 1:
                self.fold(segments[at], depth + 1)
            at += 1

    def _signature(self, segment: list[Node], depth: int) -> int:
        first = segment[0]
        inside = self._calls[first.chain[depth]].path if len(first.chain) > depth else None
        told = tuple(
            (
                node.name[len(inside) :] if inside is not None else node.is_sign, node.type, self._index(node),
                node.shape, node.arrived, node.detail, node.before, node.after, node.problems, node.failed, node.count,
                node.form,
            )
            for node in segment
        )  # fmt: skip
        return self._numbers.setdefault(told, len(self._numbers))

    def _index(self, node: Node) -> str:
        """The index of a node that has one, but for its numbers."""
        part = part_taken(self._calls[node.key[0]]) if node.written and node.count == 1 else None
        return node.written if part is None else part[0]

    def _fold_run(self, segments: list[list[Node]], period: int, times: int, depth: int) -> bool:
        copies = [
            [node for segment in segments[turn * period : (turn + 1) * period] for node in segment]
            for turn in range(times)
        ]
        kept = copies[0]
        if all(node.is_sign for node in kept) or any(node.key[0] == -1 for node in kept):
            return False
        in_a_row = self._in_a_row(copies)
        if not in_a_row and (period > 1 or len(kept) == 1):
            return False
        stands_for = {node.key: original.key for copy in copies[1:] for original, node in zip(kept, copy, strict=True)}
        edges = [
            (source, target)
            for key in stands_for
            for source, target in (
                *((source, key) for source in self._graph.sources[key]),
                *((key, target) for target in self._graph.targets[key]),
            )
        ]
        self._graph.stand_in(stands_for)
        for key in stands_for:
            self._graph.remove(key)
        for source, target in edges:
            source, target = stands_for.get(source, source), stands_for.get(target, target)
            if source < target:  # the others lead from one turn to the next
                self._graph.connect(source, target)
        for alike in zip(*copies, strict=True):
            if len({node.written for node in alike}) > 1:
                text = type_text(alike[0].type, [self._calls[node.key[0]] for node in alike])
                self._graph.replace(replace(alike[0], written=text))
        self._name(kept, copies[-1], times, depth, in_a_row=in_a_row)
        return True

    def _in_a_row(self, copies: list[list[Node]]) -> bool:
        """Whether each copy feeds the next one; the experts of a mixture stand side by side."""
        return all(
            any(source in {node.key for node in copy} for node in follower for source in self._graph.sources[node.key])
            for copy, follower in pairwise(copies)
        )

    def _name(self, kept: list[Node], last: list[Node], times: int, depth: int, *, in_a_row: bool) -> None:
        if len(kept) == 1:
            node = kept[0]
            count = node.count * times
            self._graph.replace(replace(node, count=count, last=last[0].last or last[0].name))
            return
        chains = [node.chain for node in (kept[0], last[-1])]
        prefix = ""
        if all(len(chain) > depth for chain in chains):
            first_path, last_path = (self._calls[chain[depth]].path for chain in chains)
            prefix = first_path if kept[-1].chain[: depth + 1] == kept[0].chain[: depth + 1] else ""
        else:
            named = [[node.name for node in nodes if node.name] for nodes in (kept, last)]
            first_path, last_path = (names[0] if names else "" for names in named)
        keys = frozenset(node.key for node in kept)
        self._graph.frames.append(Frame(keys, times, span(first_path, last_path), prefix, in_a_row))


def _turns(signatures: list[int], at: int, period: int) -> int:
    """How often what stands from ``at`` on comes again."""
    turns = 1
    while signatures[at + turns * period : at + (turns + 1) * period] == signatures[at : at + period]:
        turns += 1
    return turns


def span(first: str, last: str) -> str:
    """``features.0–2`` for ``features.0`` and ``features.2``."""
    if first == last or not last:
        return first
    ours, theirs = first.split("."), last.split(".")
    differing = [place for place, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]]
    if len(ours) == len(theirs) and len(differing) == 1:
        place = differing[0]
        return ".".join([*ours[:place], f"{ours[place]}–{theirs[place]}", *ours[place + 1 :]])
    shared = differing[0] if differing else 0
    return f"{first} – {'.'.join(theirs[shared:])}"


# Modules as blocks


def _fold_modules(graph: Graph, calls: Sequence[Call], depth: int) -> Graph:
    """Every module that stands ``depth`` deep becomes one block, unless something is wrong inside it."""
    deep = [node for node in graph.in_order() if len(node.chain) > depth]
    for container, nodes in groupby(deep, lambda node: node.chain[depth]):
        inside = list(nodes)
        if len(inside) < 2 or any(node.problems or node.failed for node in inside):
            continue
        keys = {node.key for node in inside}
        leaving = [node for node in inside if any(target not in keys for target in graph.targets[node.key])]
        last = leaving[-1] if leaving else inside[-1]
        block = _module_block(calls[container], last, inside, depth)
        # It stands where its result is made; what was taken from it before that stays without its line.
        around = {other for key in keys for other in (*graph.sources[key], *graph.targets[key])} - keys
        sources = sorted(source for source in around if source < block.key and keys.intersection(graph.targets[source]))
        targets = sorted(target for target in around if target > block.key and keys.intersection(graph.sources[target]))
        graph.stand_in(dict.fromkeys(keys, block.key))
        for key in keys:
            graph.remove(key)
        graph.add(block, sources)
        for target in targets:
            graph.connect(block.key, target)
    return graph


def _module_block(call: Call, last: Node, inside: list[Node], depth: int) -> Node:
    layers = Counter(node.type for node in inside if node.name for _ in range(node.count))
    told = tuple(f"{count} {name}" if count > 1 else name for name, count in layers.most_common(3))
    shape = call.output_shape or last.shape
    same_rank = [node.form for node in inside if node.shape is not None and shape is not None and node.shape == shape]
    form = same_rank[-1] if same_rank else last.form
    if shape is not None and not same_rank and last.shape is not None and len(shape) != len(last.shape):
        form = kinds.form(call.type, shape, "", frozenset(), integer=False)
    return Node(
        last.key,
        call.path or call.type,
        call.type,
        "module",
        form=form,
        shape=shape,
        arrived=call.input_shapes[:1],
        chain=last.chain[:depth],
        inside=told,
    )


# The middle


def _leave_out(graph: Graph) -> Graph:
    """Both ends stay, and what is wrong; a mark with the number of the others takes the place of the rest."""
    nodes = graph.in_order()
    if graph.weight() <= MOST:
        return graph
    kept = {node.key for node in (*nodes[:_ENDS], *nodes[-_ENDS:])}
    wrong = [node.key for node in nodes if (node.problems or node.failed) and node.key not in kept]
    kept.update(wrong[: MOST - len(kept)])
    last_kept: Key | None = None
    for is_kept, run in groupby(nodes, lambda node: node.key in kept):
        out = list(run)
        if is_kept:
            last_kept = out[-1].key
            continue
        keys = {node.key for node in out}
        blocks = sum(node.count for node in out if not node.is_sign)
        if not blocks:
            continue
        targets = sorted({target for key in keys for target in graph.targets[key] if target not in keys})
        for key in keys:
            graph.remove(key)
        graph.frames = [frame for frame in graph.frames if not frame.keys & keys]
        mark = Node(out[0].key, "", f"{blocks:,} more", "gap", form="gap", sign="…")
        graph.add(mark, [last_kept] if last_kept is not None else [])
        for target in targets[:1]:
            graph.connect(mark.key, target)
    return graph
