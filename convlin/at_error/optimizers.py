"""An optimizer gets no parameters, because the layers of the model stand in a plain list."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from convlin.at_error.fixes import mistake
from convlin.at_error.frames import frames_outside_torch, modules_in
from convlin.module_tree import parameters_of, walk

if TYPE_CHECKING:
    from torch import nn


def about(error: BaseException, steps: list[TracebackType]) -> str | None:
    """Which layers the optimizer misses; None where the error is another, or no layers are hidden."""
    if "empty parameter list" not in str(error) or steps[-1].tb_frame.f_code.co_name != "__init__":
        return None
    empty = [module for module in modules_in(frames_outside_torch(steps)) if next(parameters_of(module), None) is None]
    told = [said for module in empty for said in _hidden_in(module)]
    return "\n\n".join(dict.fromkeys(told)) or None


def _hidden_in(root: nn.Module) -> Iterator[str]:
    """For every list or dict of layers that a model keeps, what it should be."""
    for path, module, _ in walk(root):
        for name, value in vars(module).items():
            layers = _layers(value)
            if name.startswith("_") or not layers or not any(True for layer in layers for _ in parameters_of(layer)):
                continue
            what, container = ("dict", "ModuleDict") if isinstance(value, dict) else ("list", "ModuleList")
            where = f"{path}.{name}" if path else f"self.{name}"
            hidden = f"{where} is a plain {what} of {len(layers)} layers, which PyTorch does not see"
            fix = f"fix  self.{name} = nn.{container}(self.{name}), right after the {what} is made"
            yield mistake(type(root).__name__, [f"{hidden}: {type(root).__name__}.parameters() is empty", fix])


def _layers(value: Any) -> list[nn.Module]:
    """The layers in a plain list, tuple or dict that holds nothing else."""
    from torch import nn

    inner = list(value.values()) if type(value) is dict else value if type(value) in (list, tuple) else []
    names = value if type(value) is dict else ()
    right = all(isinstance(name, str) and name and "." not in name for name in names)
    return list(inner) if right and all(isinstance(each, nn.Module) for each in inner) else []
