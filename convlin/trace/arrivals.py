"""What reaches a layer in a careful pass, and what is known of where it came from."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from convlin.layers import Arrival, Misfit
from convlin.trace.axes import holds_features, is_batch_first, is_feature_map, is_row_of_map, turned_back
from convlin.trace.state import Frame, State


def arrival(state: State, frame: Frame, args: tuple[Any, ...], kwargs: Mapping[str, Any], first: Any) -> Arrival:
    """The arguments of a layer under way, the ``first`` of them however it was passed, for its rule to examine."""
    suspects = state.suspects
    found = Arrival(
        args,
        kwargs,
        is_model_input=frame.is_model_input,
        batch_added=state.batch_added,
        is_feature_map=False,
        must_flatten=frame.path in suspects.unflattened,
        is_one_sample=frame.path in suspects.unbatched,
        is_in_order=frame.path in suspects.in_order,
        lacks_time=frame.path in suspects.timeless,
    )
    if not isinstance(first, Tensor):
        return found
    recording, source = state.recording, state.origins.source(first)
    is_map = is_feature_map(recording, source, first.dim())
    found = found._replace(
        is_feature_map=is_map,
        has_features_second=not is_map and first.dim() > 2 and holds_features(recording, source, 1),
        turned_back=turned_back(recording, source),
    )
    takes_sequences = state.known(type(frame.module)).rule.takes_sequences
    if first.is_nested or not (takes_sequences or _is_norm_of_others(frame.module, first)):
        return found
    added, shape = state.batch_added, state.read(first)
    return found._replace(
        is_row_of_map=first.dim() == 3 and is_row_of_map(recording, source),
        is_batch_first=first.dim() == 2 and is_batch_first(recording, source, shape, batch_added=added),
    )


def _is_norm_of_others(module: nn.Module, first: Tensor) -> bool:
    """A normalization over the last axes, of another size than the last one has: where that came from is looked for."""
    return isinstance(module, nn.LayerNorm | nn.RMSNorm) and first.shape[-1:] != module.normalized_shape[-1:]


def not_called(module: nn.Module) -> Misfit:
    """What is wrong where a module itself arrives, and not what it returns."""
    # nn.ReLU(x) takes the tensor for a setting.
    made = any(isinstance(value, Tensor) for value in vars(module).values())
    settings = inspect.signature(type(module)).parameters.values()
    needed = tuple(
        each.name for each in settings if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    )
    return Misfit("structure", "Tensor", type(module).__name__, "module", {"made": made, "needed": needed})
