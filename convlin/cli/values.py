"""What stands on a command line, read: input shapes, constructor arguments, dtypes."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import Any

from convlin.errors import InputError

_NAMED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


def read_inputs(specs: Sequence[str]) -> Any:
    """The input for ``summarize``: a shape, a list of shapes, or a dict of them; None without any.

    >>> read_inputs(["3,32,32"])
    (3, 32, 32)
    >>> read_inputs(["3,H,W", "10"])
    [(3, 'H', 'W'), (10,)]
    >>> read_inputs(["input_ids=128"])
    {'input_ids': (128,)}
    """
    mixed = f"some of the inputs {' '.join(specs)} have names: write a name before each of them, or none"
    named = _by_name(specs, mixed)
    if named:
        return {name: read_shape(spec) for name, spec in named.items()}
    return _one_or_many([read_shape(spec) for spec in specs])


def _by_name(specs: Sequence[str], mixed: str) -> dict[str, str]:
    """What stands behind the names; nothing without any, and ``mixed`` is said where only some have one."""
    named = [match for spec in specs if (match := _NAMED.fullmatch(spec))]
    if named and len(named) < len(specs):
        raise InputError(mixed)
    return {match[1]: match[2] for match in named}


def _one_or_many(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values or None


def read_shape(spec: str) -> tuple[int | str, ...]:
    """``3,32,32`` or ``3,H,W``; ``(3, 32, 32)`` and ``3x32x32`` are read as well, and ``()`` as one number a sample."""
    if re.fullmatch(r"\(\s*\)", spec.strip()):
        return ()
    text = spec.strip().removeprefix("(").removesuffix(")").strip()
    if re.fullmatch(r"\d+([x×]\d+)+", text):
        text = re.sub("[x×]", ",", text)
    parts = [part.strip() for part in text.removesuffix(",").split(",")]
    if not all(part.isdecimal() or part.isidentifier() for part in parts):
        raise InputError(
            f"{spec!r} is not a valid input: write the sizes of one sample without the batch, such as 3,32,32 or 3,H,W"
        )
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def read_batch_size(text: str) -> int | str:
    """A number, or a name such as ``N``."""
    if text.isdecimal() and int(text) > 0:
        return int(text)
    if text.isidentifier():
        return text
    raise InputError(f"--batch-size {text} is not a valid batch size: write a positive integer, or a name such as N")


def read_trials(text: str) -> int:
    """A number; whether it is enough says ``summarize``."""
    if not text.isdecimal():
        raise InputError(f"--trials {text} is not a valid number of trials: write a number such as 140")
    return int(text)


def read_dtypes(specs: Sequence[str]) -> Any:
    """One dtype for all inputs, one for each, or by name (``input_ids=long``)."""
    named = _by_name(specs, "some --dtypes have names: write --dtypes name=dtype for each of them, or none")
    return named or _one_or_many(list(specs))


def read_arguments(text: str, option: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of a call, from a dict in JSON or Python, or as they stand between its parentheses.

    >>> read_arguments('{"classes": 10, "bias": false}', "--kwargs")
    ((), {'classes': 10, 'bias': False})
    >>> read_arguments("3, 16, kernel_size=(3, 3)", "--kwargs")
    ((3, 16), {'kernel_size': (3, 3)})
    """
    if not text.strip():
        return (), {}
    if text.lstrip().startswith("{"):
        return (), _read_dict(text, option)
    try:
        tree = ast.parse(f"_({text})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _no_arguments(text, option) from None
    if not isinstance(tree, ast.Call) or any(word.arg is None for word in tree.keywords):
        raise _no_arguments(text, option)
    try:
        positional = tuple(ast.literal_eval(argument) for argument in tree.args)
        return positional, {str(word.arg): ast.literal_eval(word.value) for word in tree.keywords}
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise _no_arguments(text, option) from None


def _read_dict(text: str, option: str) -> dict[str, Any]:
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
    raise _no_arguments(text, option)


def _no_arguments(text: str, option: str) -> InputError:
    return InputError(f"{option} {text!r} cannot be read: write {option} '{{\"name\": value}}' with plain values")
