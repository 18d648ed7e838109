"""From a report to a graph: every layer and shape-changing function, and which made what for which.

``Call.sources`` tells most of it.  Two things it cannot tell are put in here: what a container
returned although nothing inside it was seen to make it, and the sums inside PyTorch's own
Transformer layers, which are computed where no hook looks.
"""

from __future__ import annotations

from collections import defaultdict
from math import prod

from convlin.ops.catalog import OPS
from convlin.records import UNSEEN, Call, Problem, Report, Shape, Source, SourceKind, TensorInfo
from convlin.render import words
from convlin.render.named_outputs import type_text
from convlin.render.picture import kinds
from convlin.render.picture.calltree import NOWHERE, CallTree
from convlin.render.picture.graph import Graph, Key, Node
from convlin.render.picture.trouble import lines

_TRANSFORMER_LAYERS = ("TransformerEncoderLayer", "TransformerDecoderLayer")
#: Sums that no record knows of are numbered from here, behind those of the report.
_ASSUMED = 1 << 20


def build(report: Report) -> Graph:
    """The graph of everything that one pass showed."""
    return _Builder(report).graph


class _Builder:
    """One walk over the calls; ``graph`` is the result."""

    def __init__(self, report: Report) -> None:
        self.graph = Graph()
        self._report = report
        self._calls = report.calls
        self._tree = CallTree(report)
        self._joins: dict[int, Key] = {}
        self._results: dict[int, Key] = {}
        self._streams: dict[int, Key] = {}
        self._norm_first: set[int] = set()
        self._matrices = {module.path for module in report.modules if any(len(p.shape) > 1 for p in module.parameters)}
        self._problems: dict[int, list[Problem]] = defaultdict(list)
        for problem in report.problems:
            if problem.call is not None:
                self._problems[problem.call].append(problem)
        self._latest: dict[int, Key] = {}
        self._inputs()
        waiting = self._waiting_joins()
        for index, call in enumerate(report.calls):
            self._call(index, call)
            for join in waiting.get(index, ()):
                self._join(join, index)
        self._drop_unused_inputs()
        self._end()
        self._outputs()

    # Nodes

    def _inputs(self) -> None:
        several = len(self._report.inputs) > 1
        for number, info in enumerate(self._report.named_inputs):
            name = info.place if several or info.place.isidentifier() else "input"
            self.graph.add(
                Node((-1, number), name, "", "input", shape=info.shape, integer=_is_integer(info), arrived=())
            )

    def _drop_unused_inputs(self) -> None:
        """Masks and switches reach no layer as they are; what is left without an edge says nothing."""
        unused = [key for key in self.graph.nodes if key[0] == -1 and not self.graph.targets[key]]
        if len(self.graph.nodes) == len(unused):
            return
        first = min((key for key in self.graph.nodes if key[0] >= 0), default=None)
        if unused and first is not None and len(unused) == len(self._report.inputs) and not self.graph.sources[first]:
            self.graph.connect(unused.pop(0), first)
        for key in unused:
            self.graph.remove(key)

    def _outputs(self) -> None:
        """Which block makes what the model returns, where that was seen."""
        for info, source in zip(self._report.outputs, self._report.made_by, strict=False):
            key = self._resolve(source)
            if key in self.graph.nodes:
                self.graph.outputs[info.place] = key

    def _end(self) -> None:
        """A mark where the pass stopped between two layers, or in code that no call shows."""
        last = max(self.graph.nodes, default=None)
        stopped = any(node.failed for node in self.graph.nodes.values())
        if self._report.mode and not self._report.completed and not stopped and last is not None:
            self.graph.add(Node((len(self._calls), 0), "", "", "end", sign="✗", failed=True), [last])

    def _call(self, index: int, call: Call) -> None:
        if call.inner and not call.is_function:
            self._container(index)
            return
        sources = self._sources(index, call)
        # Made from constants alone (positions, masks): no part of what flows through the model.
        if call.is_function and not sources and not call.failed:
            return
        key = (index, 0)
        problems = self._problems.get(index, [])
        does = kinds.role(call.type)
        shape = call.output_shape
        same = bool(call.inputs) and shape == call.inputs[0].shape
        keeps = same and does == "other" and not call.is_function
        if keeps and "norm" not in call.type.lower() and call.path in self._matrices:
            keeps = False
        self.graph.add(
            Node(
                key,
                "" if call.is_function else call.path or call.type,
                call.type,
                does,
                written=type_text(call.type, [call]),
                shape=shape,
                arrived=call.input_shapes,
                integer=bool(call.outputs) and _is_integer(call.outputs[0]),
                chain=self._tree.chains[self._tree.parents[index]],
                detail=kinds.detail(call.type, call.settings, call.input_shape),
                problems=tuple(line for problem in problems for line in lines(problem)),
                failed=call.failed,
                keeps=keeps and not problems and not call.failed,
                note=_flattening(call) if does == "reshape" else "",
                parts=_parts(call) if does == "cat" else (),
            ),
            sources,
        )
        self._results[index] = key
        self._follow_stream(index, key)
        self._latest[self._tree.parents[index]] = key

    def _container(self, index: int) -> None:
        """A module with calls inside it is no block; it stands for what it returns."""
        last = self._latest.get(index)
        if index in self._norm_first and last is not None and index in self._streams:
            last = self._sum(last, self._streams[index], index)
        if last is not None:
            self._results[index] = last
            self._latest[self._tree.parents[index]] = last

    def _join(self, number: int, index: int) -> None:
        """A function of several tensors that keeps the shape: a sum, a product, an attention."""
        join = self._report.joins[number]
        sources = [key for key in (self._resolve(source) for source in join.sources) if key is not None]
        if not sources:
            return
        parent = self._tree.home(number, index, self._joins)
        key = (index, number + 1)
        if OPS.called(join.function).is_activation:
            shape, chain = self.graph.nodes[sources[0]].shape, self._tree.chains[parent]
            self.graph.add(Node(key, "", join.function, "other", shape=shape, chain=chain, keeps=True), sources)
        else:
            self._add_join(key, kinds.sign(join.function), join.function, sources, parent)
        self._joins[number] = key
        self._latest[parent] = key

    def _add_join(self, key: Key, sign: str, function: str, sources: list[Key], parent: int) -> None:
        shape = self.graph.nodes[sources[0]].shape
        does = "attention" if sign == "attention" else "join"
        node = Node(key, "", function, does, shape=shape, sign=sign, chain=self._tree.chains[parent])
        self.graph.add(node, sources)

    def _waiting_joins(self) -> dict[int, list[int]]:
        """For each call the joins that come right after it."""
        after: dict[int, list[int]] = defaultdict(list)
        latest: list[int] = []
        for number, join in enumerate(self._report.joins):
            indices = [
                latest[source.number] if source.kind is SourceKind.JOIN else source.number
                for source in join.sources
                if source.is_made
            ]
            latest.append(max(indices, default=-1))
            after[latest[-1]].append(number)
        return after

    # Where things come from

    def _resolve(self, source: Source) -> Key | None:
        match source.kind:
            case SourceKind.CALL:
                return self._results.get(source.number)
            case SourceKind.JOIN:
                return self._joins.get(source.number)
            case SourceKind.INPUT:
                return (-1, source.number)
            case SourceKind.UNSEEN:
                return None

    def _sources(self, index: int, call: Call) -> list[Key]:
        found: list[Key] = []
        for place, info in enumerate(call.inputs):
            source = call.sources[place] if place < len(call.sources) else UNSEEN
            key = self._resolve(source) if source != UNSEEN else self._unseen(index, call, info)
            if key is not None and key not in found:
                found.append(key)
        if not found and call.failed:
            last = max(self.graph.nodes, default=None)
            return [last] if last is not None else []
        return found

    def _unseen(self, index: int, call: Call, info: TensorInfo) -> Key | None:
        """What most likely made a tensor that nothing was seen to make."""
        number = self._model_input(index, info)
        if number is not None:
            return (-1, number)
        if _is_integer(info):
            return None
        parent = self._tree.parents[index]
        if self._is_transformer_layer(parent) and "norm" in call.path.rpartition(".")[2]:
            return self._in_transformer_layer(parent)
        last = self._latest.get(parent)
        if last is not None and self.graph.nodes[last].shape == info.shape:
            return last
        return self._came_into(parent, info) if last is None else None

    def _came_into(self, container: int, info: TensorInfo) -> Key | None:
        """What came into a container with this shape."""
        while container != NOWHERE:
            call = self._calls[container]
            for arrived, source in zip(call.inputs, call.sources, strict=False):
                if arrived.shape == info.shape and source != UNSEEN:
                    return self._resolve(source)
            container = self._tree.parents[container]
        return None

    def _model_input(self, index: int, info: TensorInfo) -> int | None:
        """Which of the model's inputs this tensor is, if it can be one: every container around took it in."""
        container = self._tree.parents[index]
        while container != NOWHERE and self._tree.parents[container] != NOWHERE:
            call = self._calls[container]
            if not any(
                source == UNSEEN and arrived.shape == info.shape and arrived.dtype == info.dtype
                for arrived, source in zip(call.inputs, call.sources, strict=False)
            ):
                return None
            container = self._tree.parents[container]
        for number, given in enumerate(self._report.inputs):
            if given.shape == info.shape and given.dtype == info.dtype:
                return number
        return None

    def _is_transformer_layer(self, container: int) -> bool:
        return container != NOWHERE and self._calls[container].type in _TRANSFORMER_LAYERS

    def _in_transformer_layer(self, layer: int) -> Key | None:
        """The sum that feeds a normalization of PyTorch's own Transformer layers."""
        last = self._latest.get(layer)
        stream = self._streams.get(layer) or self._entered(layer)
        return last if last is None or stream is None else self._sum(last, stream, layer)

    def _entered(self, container: int) -> Key | None:
        """What came into a container first."""
        call = self._calls[container]
        if not call.sources:
            return None
        if call.sources[0] != UNSEEN:
            return self._resolve(call.sources[0])
        number = self._model_input(container, call.inputs[0])
        return (-1, number) if number is not None else None

    def _sum(self, last: Key, stream: Key, layer: int) -> Key:
        """x + f(x), which no record knows of."""
        key = (last[0], last[1] + _ASSUMED)
        self._add_join(key, "+", "Tensor.add", [last, stream], layer)
        self._streams[layer] = key
        return key

    def _follow_stream(self, index: int, key: Key) -> None:
        """Where PyTorch's own Transformer layers normalize after the sum, the result is what the next sum takes."""
        parent = self._tree.parents[index]
        if not self._is_transformer_layer(parent):
            return
        is_norm = "norm" in self._calls[index].path.rpartition(".")[2]
        if parent not in self._latest and is_norm:
            self._norm_first.add(parent)
        if is_norm and parent not in self._norm_first:
            self._streams[parent] = key


def _is_integer(info: TensorInfo) -> bool:
    return info.dtype.startswith(("int", "uint", "bool"))


def _flattening(call: Call) -> str:
    """``256·4·4 = 4096``, where all sizes of a sample become one."""
    before: Shape = call.input_shape or ()
    after: Shape = call.output_shape or ()
    if len(before) <= 2 or len(after) != 2:
        return ""
    if prod(before[1:]) != after[1]:
        return ""
    factors = words.shape(before[1:]).replace("×", "·")
    return f"{factors} = {after[1]}" if isinstance(after[1], int) else factors


def _parts(call: Call) -> tuple[int, ...]:
    """How much of each operand a concatenation took, along the axis where the sizes add up."""
    if not call.outputs or any(len(info.shape) != len(call.outputs[0].shape) for info in call.inputs):
        return ()
    for axis, total in enumerate(call.outputs[0].shape):
        sizes = [info.shape[axis] for info in call.inputs]
        if isinstance(total, int) and axis == 1 and sum(size for size in sizes if isinstance(size, int)) == total:
            return tuple(size for size in sizes if isinstance(size, int))
    return ()
