"""One forward pass of a prepared model, recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from types import CoroutineType

import torch
from torch import nn

from convlin._util.default_device import users_default_device
from convlin.inputs import Dummy, Plan, model_device
from convlin.module_tree import Node, holding_lazy, modules_of, of_class, walk
from convlin.tensors import describe, tensors_in
from convlin.trace.eager import as_written
from convlin.trace.recording import Recording
from convlin.trace.state import GrownTooLarge, State
from convlin.trace.tracer import Tracer
from convlin.trace.under_way import known_to_be_under_way
from convlin.untouched.device import exchange, renew_lazy, to_device


def one_pass(
    model: nn.Module,
    plan: Plan,
    state: State,
    sizes: Mapping[str, int] | None = None,
    *,
    nodes: Sequence[Node] | None = None,
) -> Recording:
    """One forward pass; an ``Exception`` that stops it is kept in the recording.

    ``nodes`` are the model's modules, where somebody has walked through it already.
    """
    if state.keeper is not None:
        given = (*plan.args, *plan.kwargs.values())
        state.keeper.save_inputs(value for value in given if not isinstance(value, Dummy))
        if state.gradients:
            state.keeper.hide_gradients()
    args, kwargs = plan.make(sizes)
    nodes = walk(model) if nodes is None else nodes
    tracer, recording = Tracer(nodes, state), state.recording
    tracer.take_inputs(args, kwargs)
    state.on_meta = plan.device.type == "meta"
    if state.on_meta and state.flops is None:  # whose count comes from running the functions
        from convlin.ops.meta_shapes import answer

        state.answer = answer
    graph = torch.enable_grad() if state.gradients else torch.no_grad()
    with graph, as_written([node.module for node in nodes]), known_to_be_under_way():
        try:
            with users_default_device(), tracer.attached(), state.flops or nullcontext():
                output = model(*args, **kwargs)
        except (Exception, GrownTooLarge) as error:
            # Kept, not swallowed: what cannot be told as a problem is raised again by the caller.
            kept = recording.failure
            if kept is None or kept.error is not error:
                raise
            kept.error = _of_the_model(error)
        else:
            recording.outputs = describe(output, state.read)
            recording.made_by = tuple(state.origins.source(tensor) for _, tensor in tensors_in(output, objects=True))
            recording.returned = type(output)
            if isinstance(output, CoroutineType):
                output.close()  # nobody awaits it, which Python would warn of
            recording.failure = None  # what was raised on the way, forward itself caught
    return recording


def _of_the_model(error: BaseException) -> BaseException:
    """Where warnings are errors: what the model raised, and not what PyTorch then says of a hook.

    A model that calls itself without end may leave no room on the stack for the hook that is told so.
    """
    while isinstance(error, Warning) and "``always_call=True``" in str(error) and error.__context__ is not None:
        error = error.__context__
    return error


@contextmanager
def prepared(
    model: nn.Module,
    plan: Plan,
    mode: str,
    modules: Sequence[nn.Module] | None = None,
    lazy: Sequence[nn.Module] | None = None,
) -> Iterator[None]:
    """The model in the mode and on the device of this pass; to be used inside ``untouched``.

    ``modules`` are all of the model's, and ``lazy`` those whose parameters have no size yet, where that is known.
    """
    modules = modules_of(model) if modules is None else modules
    if mode != "same":
        trains = mode == "train"
        scripted = set(map(id, of_class(modules, torch.jit.ScriptModule)))
        for module in modules:
            if id(module) in scripted:
                module.train(trains)
            else:
                # Not model.train(): a model may override it, to merge weights say, and cannot be undone then.
                module.__dict__["training"] = trains
    elsewhere = plan.device if plan.device != model_device(model) else None
    renew_lazy(holding_lazy(modules) if lazy is None else lazy, elsewhere)
    if elsewhere is not None:
        exchange(modules, to_device(elsewhere))
    yield
