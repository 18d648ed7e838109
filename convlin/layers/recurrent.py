"""RNN, LSTM, GRU and their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from convlin.derivations import of_layers
from convlin.layers.common import dtype_misfit, lacks_time, steps_order, unwrapped, with_steps
from convlin.layers.rule import Arrival, LayerRule, Verdict, with_second
from convlin.module_tree import parameters_of
from convlin.ops.misfit import Misfit, resized
from convlin.ops.op import Family
from convlin.records import Shape
from convlin.tensors import zeros


def _examine_recurrent(module: nn.RNNBase | nn.RNNCellBase, arrival: Arrival) -> Verdict | None:
    given = arrival.first("input")
    is_cell = isinstance(module, nn.RNNCellBase)
    packed = given if isinstance(given, PackedSequence) and not is_cell else None
    tensor, misfits = (packed.data, ()) if packed is not None else unwrapped(given)
    if not isinstance(tensor, Tensor) or tensor.dim() == 0 or (packed is not None and tensor.dim() != 2):
        return None
    weight = next(parameters_of(module), None)
    tensor, dtype_misfits = dtype_misfit(tensor, weight)
    misfits += dtype_misfits
    ranks = (1, 2) if is_cell else (2, 3)
    of_map = _map_in_steps(module, tensor, arrival) if isinstance(module, nn.RNNBase) else None
    if of_map is not None:
        misfit, tensor = of_map
        misfits += (misfit,)
    elif tensor.dim() not in ranks:
        detail = {"shape": tuple(tensor.shape), "of_steps": True}
        misfits += (Misfit("structure", ranks[-1], tensor.dim(), "rank", detail),)
        # One step of a sequence, or steps along several axes.
        first = 0 if is_cell else 1
        tensor = tensor.unsqueeze(0) if tensor.dim() < ranks[0] else tensor.flatten(first, tensor.dim() - 2)
    declared, required = module.input_size, tensor.shape[-1]
    timeless = None
    if isinstance(module, nn.RNNBase) and packed is None and (declared > 1 or arrival.lacks_time):
        timeless = lacks_time(arrival, tensor, declared, batch_first=module.batch_first)
    if timeless is not None:
        misfits += (timeless,)
        tensor = with_steps(tensor, timeless)
    elif required != declared:
        # (N, C, L), as a convolution makes or takes it, or as was made of a map with more axes.
        first = arrival.is_feature_map or arrival.is_row_of_map or arrival.is_model_input
        turned = arrival.turned_back
        if len(turned) == tensor.dim() and tensor.shape[turned[-1]] == declared:
            detail = {"order": turned, "given": arrival.batch_added}
            misfits += (Misfit("input_size", declared, required, "turned", detail),)
            tensor = tensor.permute(turned)
        elif first and tensor.dim() == 3 and tensor.shape[1] == declared and not arrival.is_in_order:
            order = steps_order(batch_first=isinstance(module, nn.RNNBase) and module.batch_first)
            misfits += (Misfit("input_size", declared, required, "permute", {"axis": 1, "order": order}),)
            tensor = tensor.permute(order)
        elif declared == 1 and tensor.dim() == 2 and not is_cell and packed is None:
            misfits += (Misfit("input_size", 1, required, "no_features"),)
            tensor = tensor.unsqueeze(-1)
        else:
            misfits += (resized("input_size", declared, required),)
            tensor = zeros(tensor, (*tensor.shape[:-1], declared))
    args, kwargs = arrival.with_first("input", tensor if packed is None else packed._replace(data=tensor))
    args, kwargs, pair_misfits = _with_pair(module, args, kwargs)
    misfits += pair_misfits
    if packed is None:
        args, kwargs, state_misfits = _with_state(module, tensor, args, kwargs)
        misfits += state_misfits
    return Verdict(misfits, (args, kwargs)) if misfits else None


def _with_pair(
    module: nn.RNNBase | nn.RNNCellBase, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Misfit, ...]]:
    """Arguments with both states of an LSTM, where one tensor was given for them."""
    given = args[1] if len(args) > 1 else kwargs.get("hx")
    if not isinstance(module, nn.LSTM | nn.LSTMCell) or not isinstance(given, Tensor):
        return args, kwargs, ()
    names = ("h", "c") if isinstance(module, nn.LSTMCell) else ("h_0", "c_0")
    pair = (given, zeros(given, tuple(given.shape)))
    misfit = Misfit("structure", "tuple", "Tensor", "state_pair", {"names": names, "shape": tuple(given.shape)})
    return *with_second(args, kwargs, "hx", pair), (misfit,)


def _map_in_steps(module: nn.RNNBase, tensor: Tensor, arrival: Arrival) -> tuple[Misfit, Tensor] | None:
    """What is wrong with a feature map of more axes than a sequence has, and the sequence that can be made of it.

    Of the axes behind the channels one is the time.  Where the features make up the number that is declared, that says
    which; of a size that nothing makes up, no number can be told.  Steps that come first already, as of a map that was
    permuted or of a video, have their features on the axes behind, where these make up the number.
    """
    shape, rank, declared = tuple(tensor.shape), tensor.dim(), module.input_size
    if rank < 4:
        return None
    if not arrival.is_feature_map:
        if shape[-1] == declared or prod(shape[2:]) != declared:
            return None
        made = tensor.flatten(2)
        detail = {"shape": shape, "reshaped": ".flatten(2)", "features": tuple(range(2, rank))}
        return Misfit("structure", 3, rank, "map_in_steps", detail | {"made": tuple(made.shape)}), made
    order, last = steps_order(batch_first=module.batch_first), rank - 2
    made, behind = zeros(tensor, (*shape[:2], declared)), ""
    features: tuple[int, ...] = ()
    if prod(shape[1:-1]) == declared:
        made, behind = tensor.flatten(1, last).permute(order), f".flatten(1, {last}).permute{order}"
        features = tuple(range(1, rank - 1))
    elif shape[1] == declared:
        made, behind, features = tensor.flatten(2).permute(order), f".flatten(2).permute{order}", (1,)
    elif rank == 4 and shape[1] * shape[3] == declared:
        turned = (0, 2, 1, 3) if module.batch_first else (2, 0, 1, 3)
        made, behind, features = tensor.permute(turned).flatten(2), f".permute{turned}.flatten(2)", (1, 3)
    elif shape[-1] == declared:  # each of its rows is a step as it is
        return None
    detail = {"shape": shape, "reshaped": behind, "features": features, "made": tuple(made.shape)}
    return Misfit("structure", 3, rank, "map_in_steps", detail), made


def _with_state(
    module: nn.RNNBase | nn.RNNCellBase, tensor: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Misfit, ...]]:
    """Arguments with a first state of the right shape, and what was wrong with the one that was given."""
    given = args[1] if len(args) > 1 else kwargs.get("hx")
    states = given if isinstance(given, tuple) else (given,)
    names = ("h_0", "c_0") if isinstance(module, nn.LSTM) else ("h_0",)
    if isinstance(module, nn.RNNCellBase):
        names = ("h", "c") if isinstance(module, nn.LSTMCell) else ("h",)
    if len(states) != len(names) or not all(isinstance(state, Tensor) and not state.is_nested for state in states):
        return args, kwargs, ()
    if isinstance(module, nn.RNNCellBase):
        wanted: Shape = (*tensor.shape[:-1], module.hidden_size)
        detail: dict[str, Any] = {"axes": ("batch", "hidden size")[-len(wanted) :], "steps": (), "batch_first": True}
        return _with_states(tensor, args, kwargs, names, states, [wanted] * len(states), detail)
    rows = module.num_layers * (2 if module.bidirectional else 1)
    batch = () if tensor.dim() == 2 else (tensor.shape[0 if module.batch_first else 1],)
    widths = [module.proj_size or module.hidden_size, module.hidden_size]
    whole = [(rows, tensor.shape[0], width) for width in widths]
    if not batch and all(tuple(state.shape) == shape for state, shape in zip(states, whole, strict=False)):
        # The state has a batch, so that what is missing is the time of one step.
        axis = 1 if module.batch_first else 0
        one = {"shape": tuple(tensor.shape), "axis": axis, "name": names[0], "state": tuple(states[0].shape)}
        steps = tensor.unsqueeze(axis)
        args, kwargs = ((steps, *args[1:]), kwargs) if args else (args, {**kwargs, "input": steps})
        return args, kwargs, (Misfit("structure", 3, 2, "one_step", one),)
    detail = {"layers": module.num_layers, "directions": rows // module.num_layers, "batch_first": module.batch_first}
    detail |= {"axes": ("layers·directions", *(["batch"] if batch else []), "hidden size")}
    detail |= {"steps": tuple(tensor.shape[:2])}
    made = [(rows, *batch, width) for width, _ in zip(widths, states, strict=False)]
    return _with_states(tensor, args, kwargs, names, states, made, detail)


def _with_states(
    tensor: Tensor,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    names: Sequence[str],
    states: Sequence[Tensor],
    wanted: Sequence[Shape],
    detail: Mapping[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Misfit, ...]]:
    """Arguments with states of the ``wanted`` shapes, and the first that has another; ``detail`` says what they are."""
    shapes = [(due, tuple(state.shape)) for due, state in zip(wanted, states, strict=True)]
    # Sizes may be letters, which cannot be looked up in a set.
    first = next(((name, due, had) for name, (due, had) in zip(names, shapes, strict=True) if due != had), None)
    if first is None:
        return args, kwargs, ()
    name, due, shape = first
    changes = {}
    if "batch" in detail["axes"] and not detail["batch_first"]:
        # The batch is in front of the input, as the state has it: all else is right.
        is_second = shape == (due[0], tensor.shape[0], due[-1])
        changes = {"batch_first": True} if is_second else {}
    misfit = Misfit("structure", due, shape, "state", {**detail, "name": name, "states": shapes}, changes)
    right = [state if due == had else zeros(tensor, due) for state, (due, had) in zip(states, shapes, strict=True)]
    is_pair = isinstance(args[1] if len(args) > 1 else kwargs.get("hx"), tuple)
    return *with_second(args, kwargs, "hx", tuple(right) if is_pair else right[0]), (misfit,)


def _from_weights(module: nn.RNNBase, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    into, hidden = shapes.get("weight_ih_l0", ()), shapes.get("weight_hh_l0", ())
    return {"input_size": into[1], "hidden_size": hidden[1]} if len(into) == len(hidden) == 2 else {}


def _arguments(old: nn.RNNBase) -> dict[str, Any]:
    names = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"]
    names += ["proj_size"] if isinstance(old, nn.LSTM) else ["nonlinearity"] if isinstance(old, nn.RNN) else []
    return {name: getattr(old, name) for name in names}


_RECURRENT = ("input_size", "hidden_size", "num_layers", "batch_first", "bidirectional", "proj_size", "mode")
_CELL = ("input_size", "hidden_size")


RULES: tuple[LayerRule, ...] = (
    LayerRule(
        (nn.RNNBase,), _RECURRENT, _examine_recurrent, takes_sequences=True,
        family=Family.RECURRENT, derive=of_layers.recurrent, arguments=_arguments, from_weights=_from_weights,
    ),
    *(
        LayerRule(
            (kind,), _CELL, _examine_recurrent,
            family=Family.RECURRENT, derive=partial(of_layers.cell, kind=kind.__name__),
        )
        for kind in (nn.RNNCell, nn.LSTMCell, nn.GRUCell)
    ),
)  # fmt: skip
