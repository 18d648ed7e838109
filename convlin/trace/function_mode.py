"""The torch functions that run between the layers, seen by a ``TorchFunctionMode``.

No hook sees ``x.view(...)`` or ``F.max_pool2d``.  A function that code outside torch's own layers
calls becomes a row where it changes the shape; one that cannot take what reached it is recovered
from in a careful pass, so that the pass goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convlin._util.torch_private import CONVOLUTIONS, NORMALIZATIONS, may_be_innermost, no_function_modes
from convlin.layers import Misfit
from convlin.ops.catalog import OPS
from convlin.ops.meta_replay import as_on_the_cpu
from convlin.ops.names import is_fact, may_write, only_reads, op_of
from convlin.ops.stand_ins import recover, reshape_sizes
from convlin.records import Shape, SourceKind
from convlin.tensors import flat_tensors, sizes, tensors_in
from convlin.trace.call_sites import LIBRARY, Frames, around_hidden_layer, interrupts, line_of
from convlin.trace.failures import note_failure
from convlin.trace.function_rows import FunctionRows
from convlin.trace.lost_batch import folded, kept, matching, of_flatten
from convlin.trace.recording import Fold, Refusal
from convlin.trace.shapeless_choices import decides_no_shape
from convlin.trace.state import FunctionCall, State, TooManyCalls, plain_settings
from convlin.trace.uncertainty import is_doubtful
from convlin.trace.under_way import is_at_work
from convlin.trace.unpooling import OF_INDICES, Indices
from convlin.trace.unshown import note_unshown, note_weights, note_windows

_WRITES, _FACT, _TRUTH = 1, 2, 4


class Between(TorchFunctionMode):
    """Records the functions that are called while it is on."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._used = state.recording.used
        self._frames = Frames()
        self._rows = FunctionRows(state)
        self._indices = Indices()
        self._roles: dict[Any, int] = {}

    def __exit__(self, *exception: object) -> None:
        # torch takes a mode off while it runs; an exception of a signal handler that comes right then has
        # lost it, and the one on top is somebody else's.
        if may_be_innermost(self):
            super().__exit__(*exception)  # type: ignore[no-untyped-call]

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._state.watching and is_at_work():  # a pass of convlin's own inside of the watched block
            return func(*args, **kwargs)
        role = self._roles.get(func)
        if role is None:
            role = self._roles[func] = (
                (_WRITES if may_write(func) else 0)
                | (_FACT if is_fact(func) else 0)
                | (_TRUTH if func is Tensor.__bool__ else 0)
            )
        if (role & _WRITES or "out" in kwargs) and not only_reads(func, args, kwargs):
            self._keep(args, kwargs)
        if role & _FACT:
            return func(*args, **kwargs)
        if role & _TRUTH and self._has_no_values(args[0]) and decides_no_shape(sys._getframe(1)):
            return False
        state = self._state
        state.functions += 1
        if state.functions > state.most_functions:
            raise TooManyCalls
        state.settle()
        self._used.update(map(id, args))
        frame = sys._getframe(1)
        if state.called is not None:
            state.called(frame)
        in_library = self._frames.kind(frame.f_code.co_filename) == LIBRARY
        caller = None if in_library else self._frames.caller(frame)
        if caller is None:
            try:
                result = self._run(func, args, kwargs)
            except Exception as error:
                if interrupts(error, (*flat_tensors(args, kwargs), *args, *kwargs.values())):
                    raise
                return self._failed_in_layer(func, args, kwargs, error, frame)
            if state.read is not sizes:
                note_weights(state, func, args)
                note_windows(state, func, args, kwargs, result)
                if not flat_tensors(args, kwargs):
                    note_unshown(state, result)
            return self._flattened(args, result) if self._state.suspects.folds else result
        return self._call(func, args, kwargs, caller)

    def _run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function itself; on the meta device the rule that knows what it returns, or what the CPU says of it."""
        if self._state.answer is not None:
            made = self._state.answer(func, args, kwargs)
            if made is not None:
                return made
        # In letters there is no size to compare a formula with, and nothing to run on the CPU.
        if self._state.on_meta and self._state.read is sizes and op_of(func).differs_on_meta:
            return as_on_the_cpu(func, args, kwargs, plain_settings(args, kwargs))
        made = func(*args, **kwargs)
        if func in OF_INDICES and self._state.batch_added and not self._state.watching:
            self._indices.note(func, args, kwargs, made)
        return made

    def _has_no_values(self, tensor: Tensor) -> bool:
        return tensor.is_meta or self._state.read is not sizes

    def _keep(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._state.keeper is not None:
            for _, tensor in tensors_in((args, kwargs)):
                self._state.keeper.before_write(tensor)

    # Inside a layer of PyTorch's own

    def _failed_in_layer(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception, frame: FrameType
    ) -> Any:
        """A function that a layer of PyTorch's own called has raised.

        A layer with PyTorch's own ``forward`` was examined before; one whose class overrides it can
        take other sizes than it declares, so it is judged only here, by what its function refused.
        """
        state = self._state
        layer = state.stack[-1] if state.stack else None
        if (
            state.careful
            and state.stands_in
            and not state.watching
            and layer is not None
            and not state.known(type(layer.module)).as_documented
            and Refusal(layer.path) not in state.suspects.caught
        ):
            recovery = recover(func, args, kwargs, layer.module)
            caller = around_hidden_layer(frame, layer.module) if recovery is not None else None
            if recovery is not None and caller is not None:
                called = self._seen(func, args, kwargs, caller)
                self._rows.add(called, [recovery.result], recovery.misfits, None)
                return recovery.result
            if recovery is not None:
                layer.findings.extend(recovery.misfits)
                return recovery.result
        note_failure(state, FunctionCall(func, args, kwargs, flat_tensors(args, kwargs)), error)
        raise error

    def _flattened(self, args: tuple[Any, ...], result: Any) -> Any:
        """What an ``nn.Flatten`` returns that an earlier pass showed to lose the batch."""
        state = self._state
        layer = state.stack[-1] if state.stack else None
        if layer is None or not isinstance(layer.module, nn.Flatten):
            return result
        fold = matching(Fold("", None, layer.path, state.read(args[0])), state.suspects.folds)
        if fold is None:
            return result
        misfit = of_flatten(folded(fold, None, state.read(result)))
        layer.findings.append(misfit)
        return kept(args[0], misfit)

    # Between the layers

    def _call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], caller: FrameType) -> Any:
        """A function that code outside torch called: a row where the shape changes."""
        state, called = self._state, self._seen(func, args, kwargs, caller)
        tensors, before = called.tensors, called.before
        counted = state.flops.total if state.flops is not None else 0
        misfits: tuple[Misfit, ...] = ()
        try:
            result = self._run(func, args, kwargs)
        except Exception as error:
            if interrupts(error, (*tensors, *args, *kwargs.values())):
                raise
            recovery = self._recover(called, error)
            if recovery is None:
                note_failure(state, called, error)
                raise
            misfits, result = recovery
        with no_function_modes():
            made = [result] if isinstance(result, Tensor) else _several(result)
            if not made:
                return result
            if state.on_meta and state.careful and (where := line_of(caller)) is not None:
                state.origins.note_elsewhere(made, tensors, where)
            if not tensors:
                if state.read is not sizes:
                    note_unshown(state, *made)
                self._note(called, result, made)
                return result
            fold = self._folded(called, made)
            if fold is not None:
                misfits, result = (fold,), kept(tensors[0], fold)
                made = [result]
            top = state.stack[-1] if state.stack else None
            of_layer = misfits and all(misfit.changes for misfit in misfits)
            if top is not None and of_layer and self._is_of_layer(args, kwargs):
                # A layer whose class has a forward of its own: the misfit is the layer's.
                doubts = state.origins.doubts(args, kwargs)
                top.findings.extend(misfit for misfit in misfits if not is_doubtful(misfit, doubts))
                top.stands_in, misfits = True, ()
            shows = top is None or not top.is_leaf or len(state.stack) == 1
            changed = len(made) > 1 or state.read(made[0]) != before[0]
            if not changed and len(tensors) > 1 and not self._holds_something(tensors[0]):
                changed = self._gathers(tensors, before)
            is_row = bool((changed and shows) or misfits)
            if is_row:
                self._rows.add(called, made, misfits, state.count(counted))
            else:
                self._rows.pass_on(called, made, shows=shows)
                if state.read is not sizes:
                    note_weights(state, func, args)
                    note_unshown(state, *made if changed else ())
            if state.read is not sizes:
                note_windows(state, func, args, kwargs, result)
            self._note(called, result, made, len(state.recording.calls) - 1 if is_row else -1)
            return result

    def _seen(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], caller: FrameType) -> FunctionCall:
        tensors = flat_tensors(args, kwargs)
        with no_function_modes():  # another mode would be asked about every attribute
            return FunctionCall(func, args, kwargs, tensors, caller, tuple(map(self._state.read, tensors)))

    def _is_of_layer(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether what a function refuses is what its layer refuses: one that may have others of its own inside.

        The layers of quantization libraries are an ``nn.Linear`` or a convolution by class, with quantizers inside;
        a norm with an activation inside, as timm's ``BatchNormAct2d``, passes weights or statistics of its own on.
        """
        top = self._state.stack[-1] if self._state.stack else None
        if top is None or top.is_leaf:
            return top is not None
        first = args[0] if args else kwargs.get("input")
        if not isinstance(first, Tensor) or not top.inputs:
            return False
        if isinstance(top.module, NORMALIZATIONS):
            own = {id(held) for held in (*top.module._parameters.values(), *top.module._buffers.values())} - {id(None)}
            return not own.isdisjoint(map(id, (*args[1:], *kwargs.values())))
        if not isinstance(top.module, (nn.Linear, *CONVOLUTIONS)):
            return False
        with no_function_modes():
            return self._state.read(first) == top.inputs[0].shape

    def _gathers(self, tensors: Sequence[Tensor], before: tuple[Shape, ...]) -> bool:
        """Whether the first tensor, which no call made, gives its size to those of the model (``pos + x``)."""
        source = self._state.origins.source
        others = zip(tensors[1:], before[1:], strict=True)
        seen = [shape for tensor, shape in others if source(tensor).kind is not SourceKind.UNSEEN]
        return bool(seen) and before[0] not in seen

    def _holds_something(self, tensor: Tensor) -> bool:
        """Whether a call made what is in a tensor; ``x.new_zeros(…)`` has the type of ``x`` and nothing of it."""
        source = self._state.origins.source(tensor)
        maker = self._state.recording.maker(source)
        return source.is_made and not (maker is not None and OPS.named(maker.type).makes_anew)

    def _note(self, called: FunctionCall, result: Any, made: list[Tensor], call: int = -1) -> None:
        """Which expression of the user's this was, and what it made."""
        if not self._state.stack:  # code around the model
            return
        read = self._state.read
        if isinstance(result, Tensor):
            outputs: tuple[tuple[str, Shape], ...] = (("", read(made[0])),)
        else:
            outputs = tuple((f"[{index}]", read(item)) for index, item in enumerate(result) if isinstance(item, Tensor))
        self._state.recording.expressions.note(called.caller, self._state.path, outputs, call, called.func)

    def _recover(self, called: FunctionCall, error: Exception) -> tuple[tuple[Misfit, ...], Any] | None:
        state = self._state
        may_stand_in = state.careful and state.stands_in and not state.watching
        if not may_stand_in or not isinstance(error, RuntimeError | ValueError | IndexError):
            return None
        caught = state.suspects.caught
        if caught and Refusal(state.path, called.name, called.where) in caught:
            return None
        layer = state.stack[-1].module if self._is_of_layer(called.args, called.kwargs) else None
        recovery = recover(called.func, called.args, called.kwargs, layer)
        return (recovery.misfits, recovery.result) if recovery is not None else None

    def _folded(self, called: FunctionCall, made: list[Tensor]) -> Misfit | None:
        """The misfit of a reshape that an earlier pass showed to lose the batch."""
        state, before = self._state, called.before
        if not state.suspects.folds or not before or len(before[0]) < 2:
            return None
        found = matching(Fold(called.name, called.where, state.path, before[0]), state.suspects.folds)
        if found is None and op_of(called.func).keeps_memory_order:  # of a module whose functions are no rows
            found = matching(Fold("", None, state.path, before[0]), state.suspects.folds)
        if found is None:
            return None
        return folded(found, reshape_sizes(called.args, called.kwargs), state.read(made[0]))


def _several(result: Any) -> list[Tensor]:
    """The tensors of a result with several (``chunk``, ``unbind``, ``max`` with its indices)."""
    return [item for item in result if isinstance(item, Tensor)] if isinstance(result, tuple | list) else []
