"""The hooks of a quick pass: what runs most often, and so does nothing twice.

They write the very records that the tracer would.  Whatever is not a single tensor in and a single
tensor out is left to the tracer.  Inside a layer of PyTorch's own that writes to nothing there is
nothing for a function mode to see: it is off while such a layer runs.

Without both, a ResNet-50 at 64×64 costs a third more above its bare pass: see ``benchmarks/NOTES.md``.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convlin._util.fast_records import maker
from convlin._util.torch_private import SWITCH, has_global_hooks, no_function_modes
from convlin.module_tree import is_leaf
from convlin.records import Call, Source, TensorInfo
from convlin.tensors import describe_arguments, info
from convlin.trace.hooks import Hook, Hooks
from convlin.trace.native_only import runs_alone
from convlin.trace.state import Frame, State

#: What a call of a module runs first: in PyTorch 2.13 this lies so many frames around `record` as the hooks say.
_CALL = nn.Module.__call__.__code__


class QuickHooks:
    """The hooks of one quick pass.

    ``paths`` names the modules by identity; ``mode`` is the function mode of the pass, if it has one;
    ``otherwise`` is what the tracer does after a call, and ``hooks`` puts them on.
    """

    def __init__(
        self,
        state: State,
        paths: Mapping[int, str],
        mode: TorchFunctionMode | None,
        otherwise: Callable[..., Any],
        hooks: Hooks,
    ) -> None:
        # A hook on all modules would run while the mode is off.
        self._mode = None if has_global_hooks() else mode
        self._hooks = hooks
        self._alone, self._leaf, self._other = self._make(state, paths, otherwise)

    def put(self, module: nn.Module) -> None:
        """Put on ``module`` what it needs."""
        hooks = self._hooks
        is_leaf_of_torch = is_plain_leaf(module)
        if is_leaf_of_torch and (self._mode is None or not runs_alone(module, module.training, in_place=True)):
            hooks.after(module, self._leaf)
            return
        before, after = self._alone if is_leaf_of_torch else self._other
        hooks.before(module, before, with_kwargs=not is_leaf_of_torch)
        hooks.after(module, after, always=True)

    def _make(
        self, state: State, paths: Mapping[int, str], otherwise: Callable[..., Any]
    ) -> tuple[tuple[Hook, Hook], Hook, tuple[Hook, Hook]]:
        """The hooks around a layer that runs alone, behind another leaf, and around any other module."""
        # Names of an enclosing function are the quickest to look up.
        this_thread, thread = threading.get_ident, threading.get_ident()
        known, source, remember = state.known, state.origins.source, state.origins.remember
        sources = state.origins.sources
        calls, modules, required = state.recording.calls, state.recording.modules, state.recording.required
        make, counts, owned = maker(Call), state.counts, state.owned
        note, this_frame = state.recording.expressions.note, sys._getframe
        stack, completed, settle, handled = state.stack, state.completed, state.settle, sys.exc_info
        mode, without_modes = self._mode, no_function_modes
        depth, mode_at, take_off, put_on = SWITCH
        keeper, noted = state.keeper, not state.closed  # where PyTorch's own layers alone run, no code is the user's
        alike: dict[tuple[Any, ...], tuple[TensorInfo]] = {}
        is_off = False

        def described(tensor: Tensor) -> tuple[TensorInfo]:
            """The record of a tensor; tensors that are alike share one."""
            if tensor.is_nested:
                return (info(tensor),)
            kind = (tensor.shape, tensor.dtype, None if tensor.is_cpu else tensor.device)
            found = alike.get(kind)
            if found is None:
                found = alike[kind] = (info(tensor),)
            return found

        def record(
            module: nn.Module,
            inputs: tuple[TensorInfo, ...],
            came_from: tuple[Source, ...],
            output: Tensor,
            start: int | None,
            depth_of_call: int,
        ) -> None:
            path = paths.get(id(module))
            if path is None:  # a copy that forward made, and that has its hooks in common with a module
                return
            what, index = known(type(module)), len(calls)
            inner = 0 if start is None else index - start
            params, trainable = owned.get(id(module)) or counts(module)
            outputs = described(output)
            made = make(  # in the order of the record's fields: there may be a hundred thousand
                path, what.name, inputs, outputs, params, trainable, False, inner, came_from,
                what.settings(module), None, None, False, False, what.derive,
            )  # fmt: skip
            # What a container returns was made by something inside it, which tells more.
            if not inner or not source(output).is_made:
                remember(output, Source.call(index))
            calls.append(made)
            modules.append(module)
            if noted and stack:  # what called the model itself is not its code
                frame = this_frame(depth_of_call)  # every frame that is looked at has to be made first
                note(frame if frame.f_code is _CALL else this_frame(2), stack[-1].path, None, index)
            if what.is_linear:
                # A forward of its own may change its input first: it runs with what is declared.
                shape = inputs[0].shape
                arrived = shape[-1] if shape else None
                required.setdefault(path, arrived if what.as_documented else module.in_features)

        def before_alone(module: nn.Module, args: tuple[Any, ...]) -> None:
            nonlocal is_off
            # Only where it is the one mode there is, and no class of tensors has code of its own to run.
            if (
                this_thread() == thread
                and depth() == 1
                and mode_at(0) is mode
                and len(args) == 1
                and type(args[0]) is Tensor
            ):
                take_off()
                is_off = True
                if keeper is not None and module.__dict__.get("inplace"):  # which the mode would have seen
                    keeper.before_write(args[0])

        def after_alone(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            nonlocal is_off
            if this_thread() != thread:
                return None
            was_off, is_off = is_off, False
            try:
                if output is None and handled()[1] is not None:
                    return None  # it raised: PyTorch's own layers return None where they were given it
                return tell(module, args, kwargs, output)
            finally:
                if was_off:
                    put_on(mode)

        def after_leaf(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            return tell(module, args, kwargs, output) if this_thread() == thread else None

        def tell(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            if kwargs or len(args) != 1 or type(args[0]) is not Tensor or type(output) is not Tensor:
                return otherwise(module, args, kwargs, output)
            if not depth():
                return record(module, described(args[0]), (source(args[0]),), output, None, 5)
            with without_modes():
                return record(module, described(args[0]), (source(args[0]),), output, None, 5)

        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            path = paths.get(id(module))
            if this_thread() == thread and path is not None:
                settle()
                frame = Frame(module, path, len(calls), is_leaf(module))
                frame.handled = handled()[1]
                with without_modes():  # now: a forward may put other tensors into a list, or change a shape in place
                    if len(args) == 1 and not kwargs and type(args[0]) is Tensor:
                        frame.inputs, frame.sources = described(args[0]), (source(args[0]),)
                    else:
                        frame.inputs, frame.sources = describe_arguments(args, kwargs), sources(args, kwargs)
                stack.append(frame)

        def after(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            if this_thread() != thread:
                return None
            if kwargs or len(args) != 1 or type(args[0]) is not Tensor or type(output) is not Tensor:
                return otherwise(module, args, kwargs, output)
            frame = completed(module)
            with without_modes():
                if frame is None:
                    return record(module, described(args[0]), (source(args[0]),), output, None, 4)
                return record(module, frame.inputs, frame.sources, output, frame.start, 4)

        hook = self._hooks.hook
        return (hook(before_alone), hook(after_alone)), hook(after_leaf), (hook(before), hook(after))


def is_plain_leaf(module: nn.Module) -> bool:
    """One of PyTorch's own layers without children, and without hooks of the user's: no row comes from inside it."""
    if module._modules or module._forward_hooks or module._forward_pre_hooks:
        return False
    return type(module).__module__.startswith("torch.nn.modules.")
