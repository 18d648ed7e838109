"""The hook of PyTorch's own plain layers in a quick pass: what runs most often, and so does nothing twice.

It writes the very event that the tracer would.  Whatever is not a single tensor in and a single
tensor out is left to the tracer.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from convlin.hooks import Hook
from convlin.nested import info
from convlin.recording import Event
from convlin.records import TensorInfo
from convlin.state import State


def plain_layer_hook(state: State, paths: Mapping[int, str], otherwise: Hook) -> Hook:
    """A hook to be called after a plain layer of a quick pass; ``otherwise`` is the tracer's own.

    ``paths`` names the modules by identity.
    """
    this_thread, thread = threading.get_ident, threading.get_ident()
    known, source, remember = state.known, state.origins.source, state.origins.remember
    events, required = state.recording.events, state.recording.required
    without_modes, no_modes = torch._C.DisableTorchFunction, state.closed
    seen: dict[tuple[Any, ...], tuple[TensorInfo]] = {}

    def described(tensor: Tensor) -> tuple[TensorInfo]:
        """The record of a tensor; tensors that are alike share one."""
        if tensor.is_nested:
            return (info(tensor),)
        kind = (tensor.shape, tensor.dtype, None if tensor.is_cpu else tensor.device)
        found = seen.get(kind)
        if found is None:
            found = seen[kind] = (info(tensor),)
        return found

    def record(module: nn.Module, given: Tensor, output: Tensor) -> None:
        what, path = known(type(module)), paths[id(module)]
        inputs = described(given)
        made = Event(
            module, path, what.name, what.rule, what.settings(module),
            inputs, described(output), 0, (source(given),),
        )  # fmt: skip
        remember(output, len(events))
        events.append(made)
        if what.is_linear:
            shape = inputs[0].shape
            declared = None if what.as_documented else module.in_features
            required.setdefault(path, (shape[-1] if shape else None) if declared is None else declared)

    def after(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        if this_thread() != thread:
            return None
        if kwargs or len(args) != 1 or type(args[0]) is not Tensor or type(output) is not Tensor:
            return otherwise(module, args, kwargs, output)
        if no_modes:
            record(module, args[0], output)
            return None
        with without_modes():
            record(module, args[0], output)
        return None

    return after
