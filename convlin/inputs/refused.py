"""What can be no input of a model, or stands where none belongs: refused with what to write instead."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from convlin.errors import InputError
from convlin.inputs.spelling import show
from convlin.module_tree import walk

_MODES = ("train", "eval", "same")
_DEVICES = ("cpu", "cuda", "meta", "mps", "xpu")


def refuse_more(model: nn.Module, given: tuple[object, ...]) -> NoReturn:
    """Raise for what stands behind the input without a name: more sizes, more inputs, an option, a layer."""
    if all(isinstance(value, int | str) for value in given):
        raise InputError(f"the sizes of a shape belong in parentheses: write summarize(model, {show(given)})")
    first, second = given[:2]
    # A tensor has no spelling that could be copied: it stands under a name.
    listed = ["x" if isinstance(first, Tensor) else show(first)]
    option = _option(second) if len(given) == 2 else None
    if option is not None:
        raise InputError(
            f"{show(second)} after the input needs a keyword: write summarize(model, {listed[0]}, {option})"
        )
    path = _path(model, second) if len(given) == 2 else None
    if path is not None:
        call = f"summarize(model, {listed[0]}).explain({path!r})"
        raise InputError(f"the summary explains how a layer gets its input size: write {call}")
    listed = [f"x{number}" if isinstance(value, Tensor) else show(value) for number, value in enumerate(given, 1)]
    raise InputError(f"several inputs belong in a list: write summarize(model, [{', '.join(listed)}])")


def _option(value: object) -> str | None:
    """The option that this value is one of, as it is written."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return f"batch_size={value}"
    if isinstance(value, torch.dtype):
        return f"dtypes={value}"
    if isinstance(value, torch.device) or (isinstance(value, str) and value.partition(":")[0] in _DEVICES):
        return f"device={str(value)!r}"
    return f"mode={value!r}" if isinstance(value, str) and value in _MODES else None


def _path(model: nn.Module, layer: object) -> str | None:
    """The path of a layer of this model, which is named by it or is given itself."""
    name = layer if isinstance(layer, str) else ""  # an array compares itself with a name cell by cell
    return next((path for path, module, _ in walk(model) if path and (module is layer or path == name)), None)


def refuse_no_input(given: object) -> None:
    """Raise for what holds inputs and is none, or what has no tensor in it for certain."""
    if isinstance(given, DataLoader):
        raise InputError(
            "a DataLoader is not a valid input: take a batch of it, images, labels = next(iter(loader)), and write "
            "summarize(model, images)"
        )
    if isinstance(given, Dataset):
        raise InputError(
            f"a {type(given).__name__} is not a valid input: write summarize(model, dataset[0][0].unsqueeze(0)), "
            "its first sample with a batch dimension in front"
        )
    if isinstance(given, Iterator):
        raise InputError(
            f"a {type(given).__name__} is not a valid input: it can be read only once, and the model may be run more "
            "often: write list(...) around it"
        )
    if given is ... or isinstance(given, nn.Module | type) or inspect.isroutine(given):
        raise InputError(
            f"{show(given)} is not a valid input: write the shape without the batch, like (784,) or (3, 32, 32). "
            "To pass it itself as one input, write [input]"
        )


def refuse_sample_with_label(given: tuple[object, ...]) -> None:
    """Raise for a tensor beside plain numbers, as a dataset gives them."""
    if isinstance(given[0], Tensor) and given[0].dim() and not any(isinstance(each, Tensor) for each in given[1:]):
        listed = ", ".join(map(show, given))
        raise InputError(
            f"({listed}) is not a valid input: if it is a sample x with its label, write "
            "summarize(model, x.unsqueeze(0)); write a list if forward takes all of it"
        )
