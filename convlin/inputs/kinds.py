"""Devices and dtypes: those that the caller names, and those that the model has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convlin._util.suggest import did_you_mean
from convlin.errors import InputError, OptionError
from convlin.inputs.spelling import counted, listed, show
from convlin.module_tree import buffers_of, offloaded_to, parameters_of

DtypeLike: TypeAlias = "torch.dtype | str"


def read_device(device: torch.device | str | int) -> torch.device:
    """The device that the caller named, or an ``InputError`` if there is none of that name here."""
    try:
        read = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise _no_device(device, "is not a device that PyTorch knows", "cpu", "cuda", "meta") from error
    if read.type == "cuda":
        if not torch.cuda.is_available():
            raise _no_device(device, "was asked for, and PyTorch sees no CUDA device", "cpu")
        if read.index is None:  # pragma: no cover  # from here on there is a CUDA device
            return torch.device("cuda", torch.cuda.current_device())
        if read.index >= torch.cuda.device_count():  # pragma: no cover  # the same
            raise _no_device(device, f"was asked for, and there are {torch.cuda.device_count()} CUDA devices")
    elif read.type not in ("cpu", "meta"):
        try:
            torch.empty(0, device=read)
        except Exception as error:  # each backend has its own way to say that it is not there
            raise _no_device(device, "was asked for, and this PyTorch has none", "cpu", "cuda", "meta") from error
    return read


def _no_device(device: object, wrong: str, *right: str) -> OptionError:
    """What to raise for a device that is not there, with those that may be."""
    given = show(str(device) if isinstance(device, torch.device) else device)
    quoted = [f'"{each}"' for each in right]
    write, write_words = (
        f": write {name}{_one_of(names)}" if names else ""
        for name, names in (("device=", quoted), ("--device ", right))
    )
    return OptionError(f"device={given} {wrong}{write}", f"--device {device} {wrong}{write_words}")


def _one_of(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def model_device(model: nn.Module) -> torch.device:
    """Where the model's first parameter (else buffer) lives; the CPU for a model that has neither.

    Weights that hooks keep elsewhere lie on the meta device between the calls: then it is where they are brought.
    """
    for tensor in _tensors(model):
        brought_to = offloaded_to(model) if tensor.is_meta else None
        return tensor.device if brought_to is None else brought_to
    return torch.device("cpu")


def model_dtype(model: nn.Module) -> torch.dtype:
    """The dtype of the model's first floating parameter, else buffer, else complex one, else the default dtype.

    Eight-bit floats are storage formats: no layer computes in them, inputs stay in the default dtype.
    Complex weights beside real ones belong to a Fourier transform inside.
    """
    complex_dtype = None
    for tensor in _tensors(model):
        if tensor.is_floating_point() and tensor.dtype.itemsize > 1:
            return tensor.dtype
        if tensor.is_complex() and complex_dtype is None:
            complex_dtype = tensor.dtype
    return complex_dtype or torch.get_default_dtype()


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from parameters_of(model)
    yield from (buffer for buffer in buffers_of(model) if not is_lazy(buffer))


def read_dtypes(
    dtypes: DtypeLike | Sequence[DtypeLike] | Mapping[str, DtypeLike] | None,
    places: Sequence[str],
    names: Mapping[str, str],
) -> dict[str, torch.dtype]:
    """The dtypes that the caller asks for, by the place of the input; ``names`` is what ``forward`` calls a place."""
    if dtypes is None:
        return {}
    if isinstance(dtypes, torch.dtype | str):
        return dict.fromkeys(places, read_dtype(dtypes))
    if isinstance(dtypes, Mapping):
        by_name = {names.get(place, place): place for place in places} | {place: place for place in places}
        for name in dtypes:
            if name not in by_name:
                known = [names.get(place, place) for place in places]
                raise InputError(
                    f"dtypes names {name!r}, and the inputs are {listed(known)}{did_you_mean(name, known)}"
                )
        return {by_name[name]: read_dtype(value) for name, value in dtypes.items()}
    if not isinstance(dtypes, Sequence):
        named = _name_of(dtypes)
        if named is not None:
            raise InputError(
                f"dtypes={show(dtypes).removeprefix('the class ')} is not a dtype of PyTorch: write dtypes={named}"
            )
        raise InputError(
            f"dtypes={show(dtypes)} is not a valid dtype: write dtypes=torch.long, a list with one per input, or a "
            "dict by name"
        )
    if len(dtypes) != len(places):
        raise InputError(
            f"dtypes lists {counted(len(dtypes), 'dtype')} for {counted(len(places), 'input')}: write one for each, "
            "or one for all"
        )
    return {place: read_dtype(value) for place, value in zip(places, dtypes, strict=True)}


def read_dtype(dtype: DtypeLike) -> torch.dtype:
    """A dtype, also by its name: ``"long"`` is ``torch.long``."""
    if isinstance(dtype, torch.dtype):
        return dtype
    found = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else None
    if isinstance(found, torch.dtype):
        return found
    named = _name_of(dtype)
    if named is not None:
        raise InputError(f"{show(dtype)} is not a dtype of PyTorch: write {named}")
    names = [name for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)]
    raise InputError(
        f"{show(dtype)} is not a valid dtype: write torch.float32, torch.long, …{did_you_mean(dtype, names)}"
    )


def _name_of(dtype: object) -> str | None:
    """The dtype of PyTorch that a type of Python's or NumPy's stands for, as it is written."""
    name = getattr(dtype, "__name__", None) or getattr(dtype, "name", None)
    name = {"float": "float32", "int": "long"}.get(name, name) if isinstance(name, str) else None
    return f"torch.{name}" if name is not None and isinstance(getattr(torch, name, None), torch.dtype) else None
