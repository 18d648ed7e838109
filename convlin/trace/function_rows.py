"""The records of functions that run between the layers: a row, or where what is no row came from."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from torch import Tensor

from convlin.layers import Misfit
from convlin.module_tree import named_tensors_of
from convlin.ops.catalog import OPS, derive_of
from convlin.ops.names import op_of
from convlin.records import UNSEEN, Call, Join, Shape, Source, SourceKind, TensorInfo
from convlin.tensors import device_name, dtype_name, info
from convlin.trace.axes import order_made
from convlin.trace.recording import Finding
from convlin.trace.state import FunctionCall, State
from convlin.trace.uncertainty import handed_on, has_window, is_doubtful, of_result, settled_by


class FunctionRows:
    """Writes down the functions of one pass."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add(self, called: FunctionCall, made: Sequence[Tensor], misfits: tuple[Misfit, ...], flops: int | None) -> None:
        """A row for a function, and a finding for each of its misfits that is beyond doubt."""
        state, name, where = self._state, called.name, called.where
        sources = tuple(map(state.origins.source, called.tensors))
        inputs = tuple(
            TensorInfo("", shape, dtype_name(tensor.dtype), device_name(tensor))
            for tensor, shape in zip(called.tensors, called.before, strict=True)
        )
        outputs = tuple(info(tensor, "", state.read) for tensor in made)
        doubts = state.origins.doubts(called.args, called.kwargs)
        told = tuple(misfit for misfit in misfits if not is_doubtful(misfit, doubts))
        call = Call(
            state.path, name, inputs, outputs, is_function=True, sources=sources, where=where, flops=flops,
            settings=called.settings, stood_in=bool(misfits), derive=derive_of(name),
        )  # fmt: skip
        index = state.recording.add(call)
        if state.most_elements < inf:
            state.follow(outputs)
        names = self._names(called.tensors, sources) if told else ()
        for misfit in told:
            state.find(Finding(misfit, state.path, index, inputs, sources[0], function=name, where=where, names=names))
        for tensor in made:
            state.origins.remember(tensor, Source.call(index))
            state.origins.doubt(tensor, self._doubted(call, doubts, tensor) | of_result(misfits, tensor))

    def _names(self, tensors: Sequence[Tensor], sources: tuple[Source, ...]) -> tuple[str, ...]:
        """What the user calls the tensors that no call made: parameters and buffers of the module, or parts of one."""
        if all(source.is_made for source in sources) or not self._state.stack:
            return ()
        module = self._state.stack[-1].module
        known = {id(tensor): name for name, tensor in named_tensors_of(module)}
        return tuple(
            f"self.{known[id(tensor)]}"
            if id(tensor) in known
            else f"self.{known[id(tensor._base)]}[...]"
            if not source.is_made and id(tensor._base) in known
            else ""
            for tensor, source in zip(tensors, sources, strict=True)
        )

    def pass_on(self, called: FunctionCall, made: Sequence[Tensor], *, shows: bool) -> None:
        """A function that keeps the shape is no row, but what it returns comes from where its input came.

        An activation is noted where functions show; inside a layer of the user's it is that layer's own affair.
        """
        state = self._state
        sources = tuple(map(state.origins.source, called.tensors))
        known = [source for source in sources if source.kind is not SourceKind.UNSEEN]
        source = known[0] if known else UNSEEN
        made_inside = any(source.is_made for source in known)
        op, meet = op_of(called.func), len(known) > 1 and known[0] != known[1]
        # A pooling or convolution that keeps the size leaves a trace: its units see their neighbors.
        if meet or op.sees_neighbors or (op.is_activation and shows and made_inside):
            join = Join(called.name, called.where, sources, state.path, len(state.recording.calls))
            state.recording.joins.append(join)
            source = Source.join(len(state.recording.joins) - 1)
        doubts = state.origins.doubts(tuple(called.tensors), {})
        call = self._as_call(called) if doubts else None
        for tensor in made:
            if source.is_made:
                state.origins.remember(tensor, source)
            if not made_inside:  # the input divided by 255, or as another dtype, is the input still
                state.origins.pass_input_on(called.tensors[0], tensor)
            if call is not None:
                state.origins.doubt(tensor, self._doubted(call, doubts, tensor))

    def _as_call(self, called: FunctionCall) -> Call:
        """A function that is no row as the record of one: what its formula is asked with."""
        name, inputs = called.name, tuple(info(tensor, "", self._state.read) for tensor in called.tensors)
        derive = derive_of(name)
        return Call(self._state.path, name, inputs, is_function=True, settings=called.settings, derive=derive)

    def _doubted(self, call: Call, doubts: tuple[tuple[Shape, frozenset[int]], ...], made: Tensor) -> frozenset[int]:
        """The axes of a result that are a guess because they are one in an argument."""
        if not doubts:
            return frozenset()
        shape = self._state.read(made)
        family = OPS.called(call.type).family
        settled, window, order = settled_by(family, shape), has_window(family), order_made(call)
        return frozenset().union(
            *(handed_on(axes, given, shape, settled, order, window=window) for given, axes in doubts)
        )
