"""The derivation of every function that models call between their layers, by the name users write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convlin.derivations import shape_functions, window_functions
from convlin.derivations.arguments import Function, arguments
from convlin.records import Call, Derivation

_BY_NAME: Mapping[str, Function] = {**window_functions.FUNCTIONS, **shape_functions.FUNCTIONS}
_BY_FULL_NAME: Mapping[str, Function] = {**window_functions.BY_FULL_NAME, **shape_functions.BY_FULL_NAME}


def derive(call: Call) -> Derivation | None:
    """The derivation of a function between layers; None where none is known.

    >>> from convlin.records import TensorInfo
    >>> call = Call("", "Tensor.view", (TensorInfo("", (1, 32, 8, 8), "", ""),), settings={"1": -1, "2": 2048})
    >>> derivation = derive(call)
    >>> derivation.steps[0].text if derivation else ""
    '32·8·8 = 2048'
    """
    function = function_named(call.type)
    if function is None or not call.inputs:
        return None
    given = {} if function.parameters is None else arguments(call, function.parameters)
    return None if given is None else function.formula(call, given)


def named_arguments(call: Call) -> Mapping[str, Any]:
    """A function's plain arguments under the names of its parameters, as far as they are known."""
    function = function_named(call.type)
    if function is None or function.parameters is None:
        return call.settings
    given = arguments(call, function.parameters)
    return call.settings if given is None else given


def function_named(name: str) -> Function | None:
    """What is known of the function that users write so; ``torch.f``, ``F.f`` and ``Tensor.f`` are the same.

    >>> function_named("torch.flatten") is function_named("Tensor.flatten"), function_named("einops.view")
    (True, None)
    """
    if name in _BY_FULL_NAME:
        return _BY_FULL_NAME[name]
    prefix, _, bare = name.rpartition(".")
    return _BY_NAME.get(bare) if prefix in ("torch", "Tensor", "F") else shape_functions.WITHOUT_PREFIX.get(name)
