"""The hooks of a quick pass: what runs most often, and so does nothing twice and nothing that can wait.

Between two convolutions little of the interpreter is left in the processor's caches, and every line
costs several times what it costs elsewhere.  So while the model runs a call is only noted; the very
events that the tracer would have written are made of the notes afterwards, all at once.  Whatever is
not a single tensor in and a single tensor out is left to the tracer.

Inside a layer of PyTorch's own that writes to nothing there is nothing for a function mode to see: it
is off while such a layer runs.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook
from torch.overrides import TorchFunctionMode

from convlin.closed import runs_alone
from convlin.hooks import Hook, Hooks
from convlin.layers import PLAIN
from convlin.nested import dtype_name
from convlin.recording import NO_SOURCE, Event, Frame
from convlin.records import TensorInfo
from convlin.state import KnownType, State
from convlin.tree import is_leaf

_Facts: TypeAlias = "tuple[torch.Size, torch.dtype, torch.device | None]"
"""What a record says of a tensor; no device stands for the CPU."""

_Note: TypeAlias = "tuple[int, int, int, nn.Module, KnownType, Any, _Facts, _Facts]"
"""Index of the event, calls made inside, source of the input, module, its settings, input, output."""

#: Where the event of a noted call will stand.
_TO_COME = Event(None, "", "", PLAIN, {}, (), (), 0, ())


class QuickHooks:
    """The hooks of one quick pass.

    ``paths`` names the modules by identity; ``mode`` is the function mode of the pass, if it has one;
    ``otherwise`` is what the tracer does after a call.
    """

    def __init__(self, state: State, paths: Mapping[int, str], mode: TorchFunctionMode | None, otherwise: Hook) -> None:
        self._state = state
        self._paths = paths
        # A hook on all modules would run while the mode is off.
        self._mode = None if _has_any_global_hook() else mode  # type: ignore[no-untyped-call]
        self._notes: list[_Note] = []
        self._before_leaf, self._after_leaf, self._before, self._after = self._make(otherwise)

    def put(self, hooks: Hooks, module: nn.Module) -> None:
        """Put on ``module`` what it needs."""
        if not is_plain_leaf(module):
            hooks.before(module, self._before, with_kwargs=False)
            hooks.after(module, self._after)
        elif self._mode is not None and runs_alone(module, module.training):
            hooks.before(module, self._before_leaf, with_kwargs=False)
            hooks.after(module, self._after_leaf, always=True)
        else:
            hooks.after(module, self._after_leaf)

    def _make(self, otherwise: Hook) -> tuple[Hook, Hook, Hook, Hook]:
        # Names of an enclosing function are the quickest to look up.
        state, paths, notes, mode = self._state, self._paths, self._notes, self._mode
        this_thread, thread = threading.get_ident, threading.get_ident()
        known, source, remember = state.known, state.origins.source, state.origins.remember
        events, stack, completed = state.recording.events, state.stack, state.completed
        depth, mode_at = torch._C._len_torch_function_stack, torch._C._get_function_stack_at
        take_off, put_on = torch._C._pop_torch_function_stack, torch._C._push_on_torch_function_stack
        without_modes = torch._C.DisableTorchFunction
        is_off = False

        def note(module: nn.Module, given: Tensor, output: Tensor, inner: int) -> None:
            what, index = known(type(module)), len(events)
            notes.append(
                (index, inner, source(given), module, what, what.values(module), _facts(given), _facts(output))
            )
            # What a container returns was made by something inside it, which tells more.
            if not inner or source(output) == NO_SOURCE:
                remember(output, index)
            events.append(_TO_COME)

        def before_leaf(module: nn.Module, args: tuple[Any, ...]) -> None:
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

        def after_leaf(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            nonlocal is_off
            if this_thread() != thread:
                return None
            was_off, is_off = is_off, False
            try:
                if output is None:  # it raised
                    return None
                with without_modes():
                    if not kwargs and _is_simple(args, output):
                        note(module, args[0], output, 0)
                        return None
                return otherwise(module, args, kwargs, output)
            finally:
                if was_off:
                    put_on(mode)

        def before(module: nn.Module, args: tuple[Any, ...]) -> None:
            if this_thread() == thread:
                stack.append(Frame(module, paths[id(module)], len(events), is_leaf(module)))

        def after(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            if this_thread() != thread:
                return None
            with without_modes():
                if not kwargs and _is_simple(args, output):
                    frame = completed(module)
                    note(module, args[0], output, len(events) - frame.start if frame is not None else 0)
                    return None
            return otherwise(module, args, kwargs, output)

        return before_leaf, after_leaf, before, after

    def finish(self) -> None:
        """Write the events of all the notes."""
        events, required, paths = self._state.recording.events, self._state.recording.required, self._paths
        described = _Described()
        for index, inner, source, module, what, values, given, made in self._notes:
            path, inputs = paths[id(module)], described(given)
            events[index] = Event(
                module, path, what.name, what.rule, what.settings(values), inputs, described(made), inner, (source,)
            )
            if what.is_linear:
                # A forward of its own may change its input first: it runs with what is declared.
                shape = inputs[0].shape
                arrived = shape[-1] if shape else None
                required.setdefault(path, arrived if what.as_documented else module.in_features)
        self._notes.clear()


class _Described:
    """Records of tensors; tensors that are alike share one."""

    def __init__(self) -> None:
        self._seen: dict[_Facts, tuple[TensorInfo]] = {}

    def __call__(self, facts: _Facts) -> tuple[TensorInfo]:
        found = self._seen.get(facts)
        if found is None:
            shape, dtype, device = facts
            where = "cpu" if device is None else str(device)
            found = self._seen[facts] = (TensorInfo("", tuple(shape), dtype_name(dtype), where),)
        return found


def _is_simple(args: tuple[Any, ...], output: Any) -> bool:
    """A single tensor in and a single tensor out, both of them of one size along each axis."""
    if len(args) != 1 or type(args[0]) is not Tensor or type(output) is not Tensor:
        return False
    return not (args[0].is_nested or output.is_nested)


def _facts(tensor: Tensor) -> _Facts:
    return tensor.shape, tensor.dtype, None if tensor.is_cpu else tensor.device


def is_plain_leaf(module: nn.Module) -> bool:
    """One of PyTorch's own layers without children, and without hooks of the user's: no row comes from inside it."""
    if module._modules or module._forward_hooks or module._forward_pre_hooks:
        return False
    return type(module).__module__.startswith("torch.nn.modules.")
