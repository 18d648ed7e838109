"""One forward pass under hooks and a function mode: what was called, in order, and what did not fit.

Two kinds of pass share this code.  The quick one puts one hook on a plain layer and looks at
nothing that it does not record.  The careful one, run when the quick one stopped or something
looks wrong, examines what reaches every layer beforehand and lets a stand-in take the place of
what does not fit, so that one pass tells of every mistake.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from convlin._util.fast_records import maker
from convlin._util.gc_pause import paused
from convlin._util.packages import is_installed
from convlin._util.resources import is_out_of_memory
from convlin._util.torch_private import no_function_modes, not_traced
from convlin.layers import Misfit, examined
from convlin.layers.rule import Replaced
from convlin.module_tree import Node, holding_lazy, is_leaf, modules_of, walk
from convlin.ops.catalog import derive_of
from convlin.records import UNSEEN, Call, Source, TensorInfo
from convlin.tensors import argument_names, describe, describe_arguments, sizes, tensors_in, zeros
from convlin.trace.arrivals import arrival, not_called
from convlin.trace.call_sites import calling_line, raised_in_torch, wants_gradients
from convlin.trace.failures import refused_by_einops
from convlin.trace.fast_hooks import QuickHooks, is_plain_leaf
from convlin.trace.function_mode import Between
from convlin.trace.hooks import Hooks
from convlin.trace.recording import (
    Declared,
    Failure,
    Finding,
    Recording,
    Refusal,
    Written,
)
from convlin.trace.state import Frame, GrownTooLarge, State
from convlin.trace.taken_apart import taken_apart
from convlin.trace.tuples_held import tuples_held
from convlin.trace.uncertainty import declared_size, handed_on, has_window, is_doubtful, of_result, settled_by
from convlin.trace.under_way import is_at_work


@contextmanager
def _nothing_sees() -> Iterator[None]:
    with not_traced(), no_function_modes():
        yield


class Tracer:
    """Records one forward pass of the model whose modules these are."""

    def __init__(self, nodes: Sequence[Node], state: State) -> None:
        self._nodes = nodes
        self._state = state
        self._thread = threading.get_ident()
        self._paths: dict[int, str] = {}
        self._inside_script: set[int] = set()
        """Modules that TorchScript runs."""
        self._lazy: frozenset[int] = frozenset()
        """Modules that get their sizes from their first input."""
        self._hooks = Hooks()
        self._make = maker(Call)
        self._unseen = _nothing_sees if state.watching else no_function_modes
        """A context in which what is read of tensors is not seen, as ``torch.jit.trace`` does in a watched block."""

    @contextmanager
    def attached(self) -> Iterator[Recording]:
        """The hooks and the function mode, for the time of the block; an exception is noted and goes on."""
        mode = None if self._state.closed else Between(self._state)
        try:
            with paused():
                self._attach(mode)
            # PyTorch's own layers leave no cycles, and on the meta device what is left has no bytes: it can wait.
            with mode or nullcontext(), paused() if mode is None or self._state.on_meta else nullcontext():
                yield self._state.recording
                if self._state.watching:
                    self._stop_where_caught()
        except BaseException as error:
            self._stop(error)
            raise
        finally:
            self._hooks.remove()

    def take_inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """What goes into the model."""
        recording = self._state.recording
        recording.inputs = describe_arguments(args, kwargs, self._state.read)
        if len(recording.inputs) > 1:
            recording.input_names = argument_names(self._nodes[0].module.forward, args, kwargs)
        self._state.origins.take_inputs(args, kwargs)

    def _is_none_of_ours(self, module: nn.Module) -> bool:
        """Whether a call is one of another thread, of a copy that ``forward`` made, or of a pass in a watched block."""
        if threading.get_ident() != self._thread or id(module) not in self._paths:
            return True
        return self._state.watching and is_at_work()

    def _take_new_modules(self) -> None:
        """Put the hooks on what has taken the place of other modules since the block began."""
        known = self._paths.keys() | self._inside_script
        new = [node for node in walk(self._nodes[0].module) if id(node.module) not in known]
        if new:
            # Those that were replaced are kept: their identities stand for their paths.
            self._nodes = [*self._nodes, *new]
            self._attach_to(new, None)

    def _attach(self, mode: Between | None) -> None:
        state = self._state
        if state.careful:
            self._lazy = frozenset(map(id, holding_lazy([node.module for node in self._nodes])))
        quick: QuickHooks | None = None
        if not self._looks_before and state.read is sizes:
            # On the meta device the mode answers for what the layers call.
            quick = QuickHooks(state, self._paths, None if state.on_meta else mode, self._after, self._hooks)
        self._attach_to(self._nodes, quick)

    @property
    def _looks_before(self) -> bool:
        return self._state.careful or self._state.flops is not None

    def _attach_to(self, nodes: Sequence[Node], quick: QuickHooks | None) -> None:
        before, after = self._hooks.hook(self._before), self._hooks.hook(self._after)  # one for all of them
        looks_before = self._looks_before
        for path, module, _ in nodes:
            if id(module) in self._inside_script:
                continue
            self._paths[id(module)] = path
            if isinstance(module, torch.jit.ScriptModule):
                # Its children run inside TorchScript, where no Python hook is called.
                self._inside_script.update(id(inner) for inner in modules_of(module) if inner is not module)
            if quick is not None:
                quick.put(module)
                continue
            if looks_before or not is_plain_leaf(module):
                self._hooks.before(module, before)
            self._hooks.after(module, after, always=True)

    # Before a module runs

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Replaced | None:
        if self._is_none_of_ours(module):
            return None
        state = self._state
        with self._unseen():
            if state.watching and module is self._nodes[0].module:
                self._stop_where_caught()
                self._take_new_modules()
            state.settle()
            frame = Frame(module, self._paths[id(module)], len(state.recording.calls), is_leaf(module))
            frame.handled = sys.exc_info()[1]
            if state.flops is not None:
                frame.counted = state.flops.total
            state.stack.append(frame)
            frame.inputs = describe_arguments(args, kwargs, state.read)
            frame.sources = state.origins.sources(args, kwargs)
            if not state.careful:
                return None
            frame.called_at, frame.called_as = calling_line(sys._getframe(1)), frame.path
            frame.doubts = state.origins.doubts(args, kwargs)
            self._call_from_outside(frame)
            if state.watching:
                frame.arguments = (args, kwargs)
                if not frame.path and len(state.stack) == 1 and not state.recording.inputs:
                    self.take_inputs(args, kwargs)
                return None
            return self._examine(frame, args, kwargs)

    def _call_from_outside(self, frame: Frame) -> None:
        """For a layer that a container of torch's own, or a package, calls with its own input: what calls that.

        Of a package's model itself there is no such line: what is to be changed is what it is called with.
        """
        stack, calls = self._state.stack, self._state.recording.calls
        for around in reversed(stack[:-1]):
            where = frame.called_at
            if where is not None and not is_installed(where.file):
                return
            before = calls[around.start :]
            given = [[(each.shape, each.dtype) for each in one.inputs] for one in (around, frame)]
            if given[0] != given[1] or any(call.inputs != call.outputs for call in before):
                return
            frame.called_at, frame.called_as = around.called_at, around.called_as

    def _has_no_size_yet(self, module: nn.Module) -> bool:
        """Whether a layer gets its sizes now: nothing is declared yet that could be wrong."""
        return id(module) in self._lazy and bool(holding_lazy([module]))

    def _examine(self, frame: Frame, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Replaced | None:
        state = self._state
        caught = state.suspects.caught
        if not state.stands_in or (caught and Refusal(frame.path) in caught):
            return None
        known = state.known(type(frame.module))
        first = args[0] if args else next(iter(kwargs.values()), None)
        if isinstance(first, nn.Module) and frame.is_leaf and known.as_documented:
            if not isinstance(frame.module, nn.Identity):  # which takes whatever it is given
                frame.findings = [not_called(first)]
            return None
        is_tuple = isinstance(first, tuple | list) and frame.is_leaf
        if (known.rule.examine is None and not is_tuple) or not known.as_documented:
            return None
        if self._has_no_size_yet(frame.module):
            return None
        frame.is_model_input = isinstance(first, Tensor) and state.origins.is_input(first)
        verdict = examined(known.rule, frame.module, arrival(state, frame, args, kwargs, first))
        if verdict is None:
            declared = declared_size(frame.module, frame.doubts) if frame.doubts else None
            if declared is not None:
                state.recording.declared_behind.append(Declared(len(state.recording.calls), frame.path, declared))
            return None
        frame.stands_in, frame.is_replaced = True, verdict.stand_in is not None
        for misfit in verdict.misfits:
            if is_doubtful(misfit, frame.doubts):
                state.recording.declared_behind.append(Declared(len(state.recording.calls), frame.path, misfit))
            else:
                frame.findings.append(misfit)
        if verdict.keeps_input:
            frame.original = first[0] if isinstance(first, tuple | list) else first
        frame.output_size, frame.output_axis = verdict.output_size, verdict.output_axis
        return verdict.stand_in

    # After it ran

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        if self._is_none_of_ours(module):
            return None
        if output is None and self._state.has_raised(module):
            return None
        with self._unseen():
            frame = self._state.completed(module)
            if self._state.watching and not self._state.stack:
                recording, origins = self._state.recording, self._state.origins
                recording.outputs = describe(output, self._state.read)
                recording.made_by = tuple(origins.source(tensor) for _, tensor in tensors_in(output, objects=True))
            if frame is not None and frame.path in self._state.suspects.whole and isinstance(output, tuple):
                frame.findings.append(Misfit("structure", "Tensor", "tuple", "whole"))
                self._record(module, frame, args, kwargs, output)
                return output[0]
            if frame is not None and frame.output_size is not None:
                resized = _with_size(output, frame.output_size, frame.output_axis)
                self._record(module, frame, args, kwargs, resized)
                return resized
            if frame is None or frame.original is None or not isinstance(output, Tensor):
                self._record(module, frame, args, kwargs, output)
                return None
            kept = frame.original.clone()  # its own tensor, so that it has its own origin
            self._record(module, frame, args, kwargs, kept)
            return kept

    def _record(
        self, module: nn.Module, frame: Frame | None, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        state = self._state
        recording, known, path = state.recording, state.known(type(module)), self._paths[id(module)]
        if frame is not None:
            inputs, sources = frame.inputs, frame.sources
        else:
            inputs = describe_arguments(args, kwargs, state.read)
            sources = state.origins.sources(args, kwargs)
        inner = len(recording.calls) - frame.start if frame is not None else 0
        outputs = describe(output, state.read)
        settings = known.settings(module)
        if known.rule.output_size_at is not None:
            settings.update(known.rule.read_output_size(args, kwargs))
        call = self._make(
            path, known.name, inputs, outputs, *state.counts(module), inner=inner, sources=sources,
            settings=settings, derive=known.derive,
            stood_in=frame is not None and (frame.stands_in or bool(frame.findings)),
            flops=state.count(frame.counted, frame.counted_inside) if frame is not None else None,
        )  # fmt: skip
        index = recording.add(call, module)
        if state.most_elements < inf:
            state.follow(outputs)
        if frame is not None and frame.called_as:
            recording.written[index] = Written(frame.called_at, frame.called_as)
        if state.stack:  # what called the model itself is not its code
            made = tuple((each.place, each.shape) for each in outputs)
            recording.expressions.note(sys._getframe(2), state.path, made, index)
        if isinstance(module, nn.Linear) and inputs:
            self._require(module, path, frame, inputs)
        if frame is not None and frame.findings:
            state.find_all(frame, index, call)
        for _, tensor in (("", output),) if isinstance(output, Tensor) else tensors_in(output):
            # What a container returns was made by something inside it, which tells more.
            if not inner or not state.origins.source(tensor).is_made:
                state.origins.remember(tensor, Source.call(index))
            if frame is not None and (frame.doubts or frame.findings) and (not inner or frame.stands_in):
                self._doubt(frame, tensor)

    def _doubt(self, frame: Frame, output: Tensor) -> None:
        """Say which sizes of what a layer returns are a guess, its findings or what reached it being what they are."""
        axes = of_result(tuple(frame.findings), output)
        if type(frame.module).__module__.startswith("torch.nn."):
            shape = self._state.read(output)
            family = self._state.known(type(frame.module)).rule.family
            settled, window = settled_by(family, shape), has_window(family)
            axes = axes.union(
                *(handed_on(doubted, given, shape, settled, window=window) for given, doubted in frame.doubts)
            )
        self._state.origins.doubt(output, axes)

    def _require(self, module: nn.Linear, path: str, frame: Frame | None, inputs: tuple[TensorInfo, ...]) -> None:
        required: Any = inputs[0].shape[-1] if inputs[0].shape else None
        if frame is not None and any(len(shape) - 1 in axes for shape, axes in frame.doubts):
            return  # nobody can know before the mistake further up is fixed
        if any(around.is_replaced for around in self._state.stack):
            return  # a part of something that has to be made anew, and then has other sizes
        for misfit in frame.findings if frame is not None else ():
            if misfit.kind == "in_features" or misfit.note == "flatten":
                required = misfit.required
                break
        else:
            # A forward of its own may change its input first: it runs with what is declared.
            if not self._state.known(type(module)).as_documented:
                required = module.in_features
        self._state.recording.required.setdefault(path, required)

    # When it fails

    def _stop_where_caught(self) -> None:
        """A watched call failed, and the caller caught its exception: the pass stopped there all the same."""
        state = self._state
        under_way = state.stack or state.caught
        if under_way and not under_way[0].path and under_way[0].error is not None:
            self._stop(under_way[0].error)
            state.stack, state.caught = [], []

    def _stop(self, error: BaseException) -> None:
        """The pass ended with ``error``: mark the call or line where it stopped."""
        state = self._state
        state.unsettle(error)
        recording = state.recording
        failure = recording.failure
        if failure is None or failure.error is not error:
            failure = refused_by_einops(state, error) or Failure(error, refused=raised_in_torch(error))
        if not failure.in_layer and (failure.function or not failure.refused):  # a layer is examined before it runs
            failure.tuples, failure.taken = tuples_held(state, error), taken_apart(state, error)
        if state.gradients and recording.findings and wants_gradients(error):
            failure.is_guess = True  # what stands in for a tensor has no gradient
        stood_in = state.careful and state.stands_in and bool(recording.findings)
        if isinstance(error, GrownTooLarge) or (stood_in and is_out_of_memory(error)):
            failure.has_grown, failure.refused = True, False
        recording.failure = failure
        recording.under_way = tuple(frame.path for frame in state.stack)
        if state.watching and state.stack and not state.stack[0].path:
            failure.arguments, failure.start = state.stack[0].arguments, state.stack[0].start
        top = state.stack[-1] if state.stack else None
        if top is not None and top.arguments is not None and (failure.in_layer or not failure.function):
            self._examine(top, *top.arguments)
            top.arguments = None
        in_leaf = top is not None and top.is_leaf and len(state.stack) > 1
        if failure.function and not failure.in_layer and not in_leaf:
            module = None
            call = Call(
                failure.path, failure.function, failure.inputs, is_function=True, sources=failure.sources,
                settings=failure.settings, where=failure.where, failed=True, derive=derive_of(failure.function),
            )  # fmt: skip
        elif top is not None and state.careful:
            known = state.known(type(top.module))
            failure.path, failure.is_guess = top.path, failure.is_guess or bool(top.doubts)
            if failure.in_layer or not failure.function:
                failure.function, failure.inputs = "", top.inputs
            module = top.module
            call = Call(
                top.path, known.name, top.inputs, (), *state.counts(module), inner=len(recording.calls) - top.start,
                sources=top.sources, settings=known.settings(module), failed=True,
                stood_in=bool(top.findings), derive=known.derive,
            )  # fmt: skip
        else:
            return
        failure.call = recording.add(call, module)
        around = state.stack if module is None else state.stack[:-1]
        if around:
            recording.expressions.note_failure(error, around[-1].path, failure.call)
        # With a stand-in the layer was to run: what it then refused is another matter.
        replaced = top is not None and top.is_replaced and not state.watching
        failure.is_explained = bool(failure.misfits) or bool(top is not None and top.findings and not replaced)
        for misfit in failure.misfits:
            state.find(Finding(
                misfit, call.path, failure.call, failure.inputs, failure.sources[0] if failure.sources else UNSEEN,
                function=failure.function, where=failure.where,
            ))  # fmt: skip
        if top is not None and module is not None:
            if isinstance(top.module, nn.Linear) and top.inputs:
                self._require(top.module, top.path, top, top.inputs)
            state.find_all(top, failure.call, call)


def _with_size(output: Any, size: int, axis: int) -> Any:
    """What a layer returns, its first tensor with another size on one axis."""
    first = output[0] if isinstance(output, tuple) else output
    shape = list(first.shape)
    shape[axis] = size
    resized = zeros(first, shape)
    return (resized, *output[1:]) if isinstance(output, tuple) else resized
