"""From a name in the user's module to a model: looked up, called where it is a class or a function, and checked."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from convlin._util.required import required
from convlin._util.suggest import did_you_mean
from convlin.cli.user_code import UserCodeError, user_code
from convlin.errors import InputError

if TYPE_CHECKING:
    from torch import nn


def attribute(module: ModuleType, name: str, target: str) -> Any:
    """What ``name`` (``Net``, ``models.Net``) is in a module; an ``InputError`` lists what there is instead."""
    found: Any = module
    for part in name.split("."):
        try:
            with user_code(f"looking up {target}"):
                found = getattr(found, part)
        except UserCodeError as error:
            if not isinstance(error.original, AttributeError):
                raise
            known = models_in(module)
            called, opened, arguments = name.partition("(")
            if opened:
                place = target.rpartition(":")[0]
                written = f" and --kwargs {shlex.quote(arguments.rstrip(')'))}" if arguments.strip(") ") else ""
                raise InputError(f"{name!r} is not a name: write {place}:{called}{written}") from None
            listed = f"; its models are {', '.join(known)}" if known else ""
            there = did_you_mean(name, known) or listed
            raise InputError(f"{target.rpartition(':')[0]} has no {name!r}{there}") from None
    return found


def models_in(module: ModuleType) -> list[str]:
    """Names of the models and model classes that a module itself defines."""
    from torch import nn

    return [
        name
        for name, value in vars(module).items()
        if (isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__)
        or isinstance(value, nn.Module)
    ]


def the_model_in(module: ModuleType, target: str) -> str:
    """The name of the one model that a file defines: its one class, or where it has none, its one model.

    Raises:
        InputError: there is none, or there are several.
    """
    names = models_in(module)
    classes = [name for name in names if isinstance(vars(module)[name], type)]
    candidates = classes or names
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise InputError(f"{target} defines no nn.Module")
    spelled = ", ".join(f"{target}:{name}" for name in candidates)
    raise InputError(f"{target} has {len(candidates)} models: write one of {spelled}")


def made(found: Any, arguments: tuple[Any, ...], keywords: dict[str, Any], target: str, *, on_meta: bool) -> nn.Module:
    """The model that ``found`` is or makes; ``on_meta`` makes it on the meta device, if its constructor can."""
    import torch
    from torch import nn

    if isinstance(found, nn.Module):
        if arguments or keywords:
            raise InputError(f"{target} is a model that is already made, and takes no --kwargs")
        return found
    if isinstance(found, type) and not issubclass(found, nn.Module):
        raise InputError(f"{target} is a class, but not an nn.Module")
    if not callable(found):
        raise InputError(
            f"{target} is of type {type(found).__name__}: name an nn.Module, or a class or function that makes one"
        )
    _check_signature(found, arguments, keywords, target)
    model = None
    if on_meta:
        # A constructor that reads its own weights cannot run there, and says so in many ways.
        with suppress(Exception), torch.device("meta"):
            model = found(*arguments, **keywords)
    if model is None:
        with user_code(f"making {target}"):
            model = found(*arguments, **keywords)
    if not isinstance(model, nn.Module):
        raise InputError(f"{target} returned a {type(model).__name__}, not an nn.Module")
    return model


def _check_signature(
    maker: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any], target: str
) -> None:
    try:
        signature = inspect.signature(maker)
    except (TypeError, ValueError):
        return  # written in C: only calling it can tell
    try:
        signature.bind(*arguments, **keywords)
    except TypeError as error:
        unknown = next((name for name in keywords if name not in signature.parameters), None)
        why = error if unknown is None else f"it has no {unknown!r}{did_you_mean(unknown, signature.parameters)}"
        raise InputError(
            f"{target}{_shortened(signature)} cannot be called with {_listed(arguments, keywords)}: {why}"
            f"{arguments_to_write(signature.parameters, (), arguments, keywords)}"
        ) from None


def arguments_to_write(
    parameters: Mapping[str, inspect.Parameter],
    filled: Container[str],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
) -> str:
    """The arguments that a call still lacks, as they are written on the command line; empty where one is unknown."""
    by_place = [name for name, each in parameters.items() if each.kind is not each.KEYWORD_ONLY][: len(arguments)]
    given = [*map(repr, arguments), *(f"{name}={value!r}" for name, value in keywords.items())]
    known = (*by_place, *keywords)
    missing = [f"{name}=…" for name in required(parameters) if name not in filled and name not in known]
    if not missing or not keywords.keys() <= parameters.keys():
        return ""
    return f"; write --kwargs {shlex.quote(', '.join(given + missing))}"


def _shortened(signature: inspect.Signature) -> str:
    text = " ".join(str(signature).split())
    return text if len(text) <= 120 else f"{text[:120]}…"


def _listed(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    given = [*map(repr, arguments), *(f"{name}={value!r}" for name, value in keywords.items())]
    return ", ".join(given) or "no arguments"
