"""One layer by itself: its formula, where each number in it comes from, and what goes wrong most."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from torch import nn

from convlin.analysis.path import refused
from convlin.arithmetic.common import page
from convlin.explanation.common_errors import is_pooling, slips, worked_out
from convlin.explanation.text import place_of, wrapped
from convlin.records import Call, Derivation, Report
from convlin.render import words

#: Settings that the formulas speak of by another word.
_IN_FORMULAS = {"bidirectional": "directions"}


def explain_layer(layer: nn.Module, report: Report) -> str:
    """The text about ``layer``, which was run by itself for ``report``."""
    calls = [call for call in report.calls if not call.is_function]
    call = next((call for call in calls if not call.path), calls[0] if calls else None)
    if call is None:
        return f"{type(layer).__name__} was not called"
    return "\n".join(_lines(layer, call, report))


def is_one_layer(layer: nn.Module, report: Report) -> bool:
    """Whether what ran is one layer: its children, if it has any, hold weights for it, or compute them."""
    if not any(child is not None for child in layer._modules.values()):
        return True
    if not type(layer).__module__.startswith("torch.nn."):
        return False
    own = [call for call in report.calls if not call.path.startswith("parametrizations.")]
    return len(own) == 1 and not own[0].path


def _lines(layer: nn.Module, call: Call, report: Report) -> Iterator[str]:
    declared = layer.extra_repr() or ", ".join(f"{name}={_spelled(value)}" for name, value in call.settings.items())
    yield from wrapped(f"{type(layer).__name__}({declared})", "", "    ")
    given, made = call.input_shapes, call.output_shapes
    arrow = f" → {', '.join(map(words.shape, made))}" if made and not call.failed else ""
    yield from wrapped(f"{', '.join(map(words.shape, given)) or 'no tensor'}{arrow}", "", "    ")
    yield ""
    derivation = None if call.failed else call.derivation
    refusal = refused(call)
    for problem in report.problems:
        first, *rest = (refusal or problem.message).splitlines() or [problem.kind]
        yield from wrapped(first, "    ✗ ", "      ")
        for line in rest:
            yield from wrapped(line, "      ")
        if problem.fix:
            yield from wrapped(f"fix  {problem.fix}", "    ", "         ")
        yield ""
    if derivation is not None and derivation.steps:
        yield from _steps(derivation)
    elif not call.failed:
        yield from _without_steps(call, derivation)
    numbers = list(_origins(layer, call, derivation, refusal))
    if numbers:
        yield from () if call.failed else ("",)
        yield "where the numbers come from"
        yield from numbers
    notes = slips(call) if derivation is not None else []
    if notes:
        yield ""
        yield "what goes wrong most"
        width = max(len(name) for name, _ in notes)
        for name, note in notes:
            yield from wrapped(note, f"    {name:<{width}}  ", " " * (width + 6))
    source = derivation.source if derivation is not None else _page_of(layer)
    if source:
        yield ""
        yield source


def _steps(derivation: Derivation) -> Iterator[str]:
    for step in derivation.steps:
        result = words.size(step.size)
        worked = worked_out(step)
        lead, blank = f"    {step.axis}  ", " " * (len(step.axis) + 4) + "= "
        if step.formula in (step.arithmetic, result):
            yield from wrapped(f"{step.formula} = {result}", lead, blank)
            continue
        yield from wrapped(step.formula, lead, blank)
        for text in (step.arithmetic, *worked, result):
            yield from wrapped(text, blank, blank.replace("=", " "))


def _without_steps(call: Call, derivation: Derivation | None) -> Iterator[str]:
    if call.inputs and call.outputs and call.input_shape == call.output_shape:
        yield "    the size is kept"
    elif derivation is not None:
        yield "    no arithmetic: sizes are only taken away, added or put in another order"
    else:
        yield "    how this size comes about is not known to convlin"


def _origins(layer: nn.Module, call: Call, derivation: Derivation | None, refusal: str) -> Iterator[str]:
    """A line for each size and setting that the formulas name: its value, and whether it was declared."""
    named = " ".join(step.formula for step in derivation.steps) if derivation is not None else ""
    rows = [(" = ".join(names), words.size(size), "the input") for names, size in _sizes(call, named)]
    defaults = _defaults(layer)
    for name, value in call.settings.items():
        # What shapes the formula without standing in it: rounding up, and padding="same".
        unnamed = (name == "ceil_mode" and value) or (name == "padding" and isinstance(value, str))
        if refusal or unnamed or re.search(rf"\b{_IN_FORMULAS.get(name, name)}\b", named):
            rows.append((name, _spelled(value), _origin(name, call, defaults)))
    if not rows:
        return
    width, size = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, value, origin in rows:
        yield from wrapped(f"{value:>{size}}  {origin}", f"    {name:<{width}}  ", " " * (width + size + 8))


def _sizes(call: Call, named: str) -> list[tuple[list[str], Any]]:
    """The sizes of the input that the formulas name; axes of one size together."""
    found: dict[Any, list[str]] = {}
    shape = call.input_shape or ()
    for name in dict.fromkeys(re.findall(r"\b(?:dim \d+|[DHWL])(?=\W|$)", named)):
        axis = place_of(name)
        if axis is not None and -len(shape) <= axis < len(shape):
            found.setdefault(shape[axis], []).append(name)
    if len(found) == 1 and len(shape) > 2:  # a formula for H stands for W, too, where they are alike
        size, names = next(iter(found.items()))
        if names == ["H"] and shape[-1] == size:
            names.append("W")
    return [(names, size) for size, names in found.items()]


def _spelled(value: Any) -> str:
    if isinstance(value, tuple | list) and value and all(item == value[0] for item in value):
        value = value[0]
    return words.setting(value) or str(value)


def _origin(name: str, call: Call, defaults: dict[str, Any]) -> str:
    value = call.settings[name]
    if name == "stride" and is_pooling(call):
        kernel = _spelled(call.settings["kernel_size"])
        if value is None or _spelled(value) == kernel:
            return "the default of a pooling layer: its kernel_size"
        return f"declared (the default of a pooling layer is its kernel_size, {kernel})"
    if name not in defaults:
        return "declared"
    default = defaults[name]
    if _same(value, default):
        return "the default"
    return f"declared (the default is {_spelled(default)})"


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, tuple | list) and not isinstance(default, tuple | list):
        return all(item == default for item in value)
    return bool(value == default)


def _defaults(layer: nn.Module) -> dict[str, Any]:
    """The defaults of the constructor's parameters."""
    parameters = inspect.signature(type(layer).__init__).parameters.values()
    return {item.name: item.default for item in parameters if item.default is not inspect.Parameter.empty}


def _page_of(layer: nn.Module) -> str:
    """The page about PyTorch's own class behind a layer."""
    own = next((kind for kind in type(layer).__mro__ if kind.__module__.startswith("torch.nn.modules.")), None)
    public = own is not None and own is not nn.Module and getattr(nn, own.__name__, None) is own
    return page(f"nn.{own.__name__}") if public and own is not None else ""
