"""``load_state_dict`` refuses a checkpoint: which tensor belongs to which layer, and what the layer has to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from convlin.at_error.fixes import layer_fix, mistake
from convlin.at_error.frames import frames_outside_torch, holders_of
from convlin.module_tree import walk

if TYPE_CHECKING:
    from torch import nn

_Shape = tuple[int, ...]
_Shapes = dict[str, _Shape]


def about(error: BaseException, steps: list[TracebackType]) -> str | None:
    """What the checkpoint holds in place of what the model has; None where the error is another."""
    from torch import nn

    if not str(error).startswith("Error(s) in loading state_dict"):
        return None
    loading = (step.tb_frame for step in steps if step.tb_frame.f_code is nn.Module.load_state_dict.__code__)
    frame = next(loading, None)
    if frame is None:
        return None
    root, given = frame.f_locals["self"], frame.f_locals["state_dict"]
    told = _about_names(root, given)
    if told is None:
        hints = holders_of(root, reversed(frames_outside_torch(steps)))
        told = "\n\n".join(_about_sizes(root, _shapes(given), hints))
    return told or None


# Names


def _about_names(root: nn.Module, given: Mapping[str, Any]) -> str | None:
    """A checkpoint that holds the weights one level deeper, or under longer or shorter names."""
    mine, name = root.state_dict().keys(), type(root).__name__
    for key, value in given.items():
        if isinstance(value, Mapping) and value.keys() == mine:
            said = f"the weights are one level deeper in this checkpoint, under {key!r}"
            return mistake(name, [said, f"fix  load_state_dict(checkpoint[{key!r}])"])
    prefix = _prefix(given.keys(), mine)
    if prefix is not None:
        said = f"every name in the checkpoint starts with {prefix!r}, and no name of {name} does"
        shorter = f"{{name.removeprefix({prefix!r}): value for name, value in checkpoint.items()}}"
        return mistake(name, [said, f"fix  load_state_dict({shorter})"])
    prefix = _prefix(mine, given.keys())
    if prefix is not None:
        said = f"every name of {name} starts with {prefix!r}, and no name in the checkpoint does"
        return mistake(name, [said, f"fix  load it into the module inside: model.{prefix}load_state_dict(checkpoint)"])
    return None


def _prefix(longer: Any, shorter: Any) -> str | None:
    """What stands in front of every one of the longer names, if the rest of them are the shorter ones."""
    first = min(longer, default="")
    parts = first.split(".")
    prefixes = [".".join(parts[:end]) + "." for end in range(1, len(parts))]
    return next((each for each in prefixes if longer and {f"{each}{name}" for name in shorter} == set(longer)), None)


# Sizes


def _shapes(state: Mapping[str, Any]) -> _Shapes:
    return {name: tuple(value.shape) for name, value in state.items() if hasattr(value, "shape")}


def _about_sizes(root: nn.Module, given: _Shapes, hints: tuple[FrameType, ...]) -> Iterator[str]:
    """For every layer with tensors of another size, how it was made where the checkpoint comes from."""
    model = type(root).__name__
    for path, module, _ in walk(root):
        mine = _own(module)
        names = {key: f"{path}.{key}" if path else key for key in mine}
        theirs = {key: given[name] for key, name in names.items() if name in given}
        lines = [
            f"{names[key]} is {_times(shape)} in the checkpoint and {_times(mine[key])} in {model}"
            for key, shape in theirs.items()
            if shape != mine[key]
        ]
        if not lines:
            continue
        changes = _changes(module, theirs) if theirs.keys() == mine.keys() else None
        if changes is not None:
            own = _spelled({name: getattr(module, name) for name in changes})
            lines.insert(0, f"the checkpoint needs {_spelled(changes)}; {model} has {own}")
            lines.append(layer_fix(root, path, {key: _size(key, value) for key, value in changes.items()}, hints))
        yield mistake(path or model, lines)


def _own(module: nn.Module) -> _Shapes:
    """The tensors that a module itself keeps in a checkpoint."""
    kept = {name: each for name, each in module._buffers.items() if name not in module._non_persistent_buffers_set}
    return _shapes({name: each for name, each in (module._parameters | kept).items() if each is not None})


def _spelled(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_size(name, value)}" for name, value in arguments.items())


def _size(name: str, value: Any) -> str:
    """A size as people write it: one number where a tuple repeats it."""
    is_one = isinstance(value, tuple) and (len(value) == 1 or (name == "kernel_size" and len(set(value)) == 1))
    return str(value[0] if is_one else value)


def _changes(module: nn.Module, theirs: _Shapes) -> dict[str, Any] | None:
    """The arguments with which the layer has the tensors of the checkpoint, found and then tried."""
    from convlin.layers import rule_for

    from_weights = rule_for(type(module)).from_weights
    wanted = from_weights(module, theirs) if from_weights is not None else {}
    changes = {key: value for key, value in wanted.items() if getattr(module, key, None) != value}
    return changes if changes and _rebuilt(module, changes) == theirs else None


def _rebuilt(module: nn.Module, changes: Mapping[str, Any]) -> _Shapes | None:
    """The shapes of the tensors of a layer made anew with these arguments; None where it is no plain layer."""
    import torch

    from convlin.layers import settings_of

    kind = type(module)
    if not kind.__module__.startswith("torch.nn.modules."):
        return None
    try:
        with torch.device("meta"):
            made = kind(**{**settings_of(module, kind), **changes})
    except (TypeError, ValueError, RuntimeError):  # groups that do not divide the channels, say: no such layer
        return None
    return _own(made)


def _times(shape: _Shape) -> str:
    return "×".join(map(str, shape)) or "one number"
