"""What a call cannot leave out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def required(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    """The names of the parameters without a default.

    >>> required(inspect.signature(lambda width, classes=10, *rest: None).parameters)
    ['width']
    """
    variadic = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return [name for name, each in parameters.items() if each.default is each.empty and each.kind not in variadic]


def call_to_write(name: str, maker: Callable[..., Any]) -> str:
    """A call of a class or function as a message shows it, with the arguments that it cannot do without.

    >>> call_to_write("Net", lambda width, classes=10: None), call_to_write("dict", dict)
    ('Net(width=…)', 'dict(…)')
    """
    try:
        parameters = inspect.signature(maker).parameters
    except (TypeError, ValueError):
        return f"{name}(…)"  # written in C
    return f"{name}({', '.join(f'{each}=…' for each in required(parameters))})"
