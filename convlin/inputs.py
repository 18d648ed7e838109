"""What the caller passed, read into the arguments of one forward pass.

A shape excludes the batch and becomes a tensor of zeros: zeros are always valid indices, never NaN,
and never the denormals that are slow on a CPU.  A tensor that the caller gives is used as it is.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convlin.errors import InputError

ShapeLike: TypeAlias = Sequence["int | str"]
"""A shape without the batch: integers, and letters for named sizes."""

Input: TypeAlias = Any
"""A shape, a tensor, a list of either, a dict of either by keyword, or nested tensors."""

DtypeLike: TypeAlias = "torch.dtype | str"

#: Parameters of ``forward`` that hold indices or masks in every library that uses the name.
INDEX_NAMES = frozenset({"input_ids", "decoder_input_ids", "token_type_ids", "position_ids", "attention_mask"})


@dataclass(frozen=True, slots=True)
class Dummy:
    """A tensor that convlin is to make: where it goes, its size, and what it is made of."""

    place: str
    """``[0]`` for the first positional argument, the name for a keyword."""
    shape: tuple[int | str, ...]
    dtype: torch.dtype

    def sized(self, batch_size: int, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The whole shape, batch first, letters replaced by ``sizes``."""
        return (batch_size, *(sizes[size] if isinstance(size, str) else size for size in self.shape))


@dataclass(frozen=True, slots=True)
class Plan:
    """The arguments of one forward pass; ``Dummy`` stands where a tensor is still to be made."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    batch_size: int | str
    device: torch.device

    def dummies(self) -> Iterator[Dummy]:
        """Every tensor that convlin is to make, in the order of the arguments."""
        for value in (*self.args, *self.kwargs.values()):
            if isinstance(value, Dummy):
                yield value

    @property
    def names(self) -> tuple[str, ...]:
        """The named sizes, in order of appearance."""
        letters = [self.batch_size] if isinstance(self.batch_size, str) else []
        letters += [size for dummy in self.dummies() for size in dummy.shape if isinstance(size, str)]
        return tuple(dict.fromkeys(letters))

    @property
    def adds_batch(self) -> bool:
        """Whether convlin puts the batch in front of an input's shape."""
        return any(True for _ in self.dummies())

    def with_dtype(self, places: frozenset[str], dtype: torch.dtype) -> Plan:
        """The same plan with the dummies at ``places`` made of ``dtype``."""

        def change(value: Any) -> Any:
            return replace(value, dtype=dtype) if isinstance(value, Dummy) and value.place in places else value

        return replace(
            self,
            args=tuple(change(value) for value in self.args),
            kwargs={name: change(value) for name, value in self.kwargs.items()},
        )

    def with_shapes(self, shapes: Mapping[str, tuple[int | str, ...]]) -> Plan:
        """The same plan with other sizes for the dummies at the places named."""

        def change(value: Any) -> Any:
            if isinstance(value, Dummy) and value.place in shapes:
                return replace(value, shape=shapes[value.place])
            return value

        return replace(
            self,
            args=tuple(change(value) for value in self.args),
            kwargs={name: change(value) for name, value in self.kwargs.items()},
        )

    def make(self, sizes: Mapping[str, int] | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with every dummy made: ``(args, kwargs)``."""
        known = dict(sizes or {})
        batch_size = known[self.batch_size] if isinstance(self.batch_size, str) else self.batch_size

        def made(value: Any) -> Any:
            if not isinstance(value, Dummy):
                return value
            return torch.zeros(value.sized(batch_size, known), dtype=value.dtype, device=self.device)

        return tuple(made(value) for value in self.args), {name: made(value) for name, value in self.kwargs.items()}


def check_model(model: object) -> nn.Module:
    """``model`` itself, or an ``InputError`` that says what to pass instead."""
    if isinstance(model, nn.Module):
        return model
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise InputError(
            f"summarize needs a model, and {model.__name__} is a class: write {model.__name__}(...) to make one"
        )
    raise InputError(
        f"summarize needs an nn.Module, and got {_show(model)} ({type(model).__name__}): write summarize(model, (3, 32, 32))"
    )


def read_inputs(
    model: nn.Module,
    given: Input,
    more: tuple[object, ...] = (),
    *,
    kwargs: Mapping[str, Any] | None = None,
    batch_size: int | str = 1,
    dtypes: DtypeLike | Sequence[DtypeLike] | Mapping[str, DtypeLike] | None = None,
    device: torch.device | str | None = None,
) -> Plan:
    """The plan of one forward pass, or an ``InputError`` that shows the right spelling.

    ``given`` and the options are those of ``summarize``; ``more`` is what the caller wrote behind
    the input without a keyword, which is never right.
    """
    if more:
        listed = ", ".join(_show(value) for value in (given, *more))
        raise InputError(f"several inputs belong in a list: write summarize(model, [{listed}])")
    _check_batch_size(batch_size)
    at = read_device(device) if device is not None else model_device(model)
    dtype = model_dtype(model)
    args, keywords = _spread(given)
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise InputError(f'kwargs must be a dict such as {{"mask": mask}}, and got {_show(kwargs)}')
    extra = dict(kwargs or {})
    for name in keywords.keys() & extra.keys():
        raise InputError(f"the input {name!r} is given twice, in the inputs and in kwargs={{...}}")
    slots: dict[str, Any] = {f"[{index}]": value for index, value in enumerate(args)}
    slots.update(keywords)
    wanted = _read_dtypes(dtypes, slots)
    names = _parameter_names(model, len(args))
    plan: dict[str, Any] = {}
    for place, value in slots.items():
        name = names.get(place, place)
        if _is_shape(value):
            by_name = torch.long if name in INDEX_NAMES else dtype
            plan[place] = Dummy(place, _read_shape(value), wanted.get(place, by_name))
        else:
            plan[place] = _on_device(value, at if device is not None else None)
    keyword_values = {name: plan[name] for name in keywords} | {
        name: _on_device(value, at if device is not None else None) for name, value in extra.items()
    }
    positional = tuple(plan[f"[{index}]"] for index in range(len(args)))
    _check_signature(model, positional, keyword_values)
    return Plan(positional, keyword_values, batch_size, at)


def read_device(device: torch.device | str | int) -> torch.device:
    """The device that the caller named, or an ``InputError`` if there is none of that name here."""
    try:
        read = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f'device={device!r} is no device that PyTorch knows: write device="cpu", "cuda" or "meta"'
        ) from error
    if read.type == "cuda":
        if not torch.cuda.is_available():
            raise InputError(
                f'device={str(device)!r} was asked for, and PyTorch sees no CUDA device: write device="cpu"'
            )
        if read.index is None:
            return torch.device("cuda", torch.cuda.current_device())
        if read.index >= torch.cuda.device_count():
            raise InputError(
                f"device={str(device)!r} was asked for, and there are {torch.cuda.device_count()} CUDA devices"
            )
    return read


def model_device(model: nn.Module) -> torch.device:
    """Where the model's first parameter (else buffer) lives; the CPU for a model that has neither."""
    for tensor in _tensors(model):
        return tensor.device
    return torch.device("cpu")


def model_dtype(model: nn.Module) -> torch.dtype:
    """The dtype of the model's first floating (or complex) parameter, else buffer, else the default dtype."""
    for tensor in _tensors(model):
        if tensor.is_floating_point() or tensor.is_complex():
            # Eight-bit floats are storage formats: no layer computes in them, inputs stay in the default dtype.
            if tensor.dtype.itemsize > 1:
                return tensor.dtype
    return torch.get_default_dtype()


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    for buffer in model.buffers():
        if not is_lazy(buffer):
            yield buffer


def _check_batch_size(batch_size: object) -> None:
    if isinstance(batch_size, str):
        if batch_size.isidentifier():
            return
    elif isinstance(batch_size, int) and not isinstance(batch_size, bool) and batch_size > 0:
        return
    raise InputError(f'batch_size must be a positive integer or a name such as "N", and got {_show(batch_size)}')


def _spread(given: Input) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The given inputs as positional values and keyword values, shapes still unread."""
    if isinstance(given, Mapping):
        for name in given:
            if not isinstance(name, str):
                raise InputError(
                    f'a dict of inputs goes by the names of forward\'s arguments, such as {{"input_ids": (128,)}}; '
                    f"{_show(name)} is no name. To pass the dict itself as one input, write [inputs]"
                )
        return (), dict(given)
    if _is_shape(given) or isinstance(given, Tensor) or _is_numpy(given):
        return (given,), {}
    if isinstance(given, list):
        if not given:
            raise InputError("the list of inputs is empty: write summarize(model, [(3, 32, 32), (10,)])")
        if all(isinstance(size, int | str) for size in given):
            raise InputError(
                f"{_show(given)} is a list of inputs, and {_show(given[0])} is no shape: "
                f"write the shape as a tuple, {_show(tuple(given))}"
            )
        for value in given:
            if isinstance(value, list) and value and all(isinstance(size, int | str) for size in value):
                raise InputError(f"{_show(value)} is no shape: write it as a tuple, {_show(tuple(value))}")
        return tuple(given), {}
    if isinstance(given, tuple):
        if given and all(_is_shape(value) for value in given):
            raise InputError(f"several inputs belong in a list: write summarize(model, {_show(list(given))})")
        if _holds_tensor(given) and not hasattr(given, "_fields"):
            return tuple(given), {}
        if not hasattr(given, "_fields"):
            _read_shape(given)
    if isinstance(given, int | float | str):
        spelled = given if isinstance(given, int) and given > 0 else 784
        raise InputError(
            f"{_show(given)} is no input: write the shape without the batch, such as ({spelled},) or (3, 32, 32)"
        )
    return (given,), {}


def _is_shape(value: object) -> bool:
    """Whether this is meant as a shape: a plain tuple that holds numbers or letters and nothing else."""
    return (
        isinstance(value, tuple)
        and not hasattr(value, "_fields")
        and all(isinstance(size, int | float | str) for size in value)
    )


def _read_shape(shape: tuple[Any, ...]) -> tuple[int | str, ...]:
    if not shape:
        raise InputError("the shape () is empty: write the size of one sample without the batch, such as (3, 32, 32)")
    for size in shape:
        if isinstance(size, str) and size.isidentifier():
            continue
        if isinstance(size, bool) or not isinstance(size, int):
            raise InputError(
                f"{_show(size)} in the shape {_show(shape)} is no size: "
                'sizes are positive integers, or letters as in (3, "H", "W")'
            )
        if size <= 0:
            raise InputError(
                f"{size} in the shape {_show(shape)} is no size: sizes are positive, and the batch is left out, "
                "as in (3, 32, 32)"
            )
    return tuple(shape)


def _read_dtypes(
    dtypes: DtypeLike | Sequence[DtypeLike] | Mapping[str, DtypeLike] | None, slots: Mapping[str, Any]
) -> dict[str, torch.dtype]:
    if dtypes is None:
        return {}
    if isinstance(dtypes, torch.dtype | str):
        return dict.fromkeys(slots, read_dtype(dtypes))
    if isinstance(dtypes, Mapping):
        for name in dtypes:
            if name not in slots:
                raise InputError(f"dtypes names {name!r}, and the inputs are {_listed(slots)}{_nearest(name, slots)}")
        return {name: read_dtype(value) for name, value in dtypes.items()}
    if not isinstance(dtypes, Sequence):
        raise InputError(f"dtypes must be a dtype, a list of them or a dict by name, and got {_show(dtypes)}")
    if len(dtypes) != len(slots):
        raise InputError(
            f"dtypes lists {len(dtypes)} dtypes for {len(slots)} inputs: write one for each, or one for all"
        )
    return {place: read_dtype(value) for place, value in zip(slots, dtypes, strict=True)}


def read_dtype(dtype: DtypeLike) -> torch.dtype:
    """A dtype, also by its name: ``"long"`` is ``torch.long``."""
    if isinstance(dtype, torch.dtype):
        return dtype
    found = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else None
    if isinstance(found, torch.dtype):
        return found
    names = [name for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)]
    raise InputError(f"{_show(dtype)} is no dtype: write torch.float32, torch.long, …{_nearest(str(dtype), names)}")


def _on_device(value: Any, device: torch.device | None) -> Any:
    """Tensors on ``device``, in nested lists, tuples and dicts; the rest as it is."""
    if device is None:
        return value
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict) and type(value) is dict:
        return {key: _on_device(item, device) for key, item in value.items()}
    if type(value) is list or type(value) is tuple:
        return type(value)(_on_device(item, device) for item in value)
    return value


def _is_numpy(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _holds_tensor(value: object) -> bool:
    if isinstance(value, Tensor) or _is_numpy(value):
        return True
    if isinstance(value, Mapping):
        return any(_holds_tensor(item) for item in value.values())
    return isinstance(value, list | tuple) and any(_holds_tensor(item) for item in value)


def _parameter_names(model: nn.Module, count: int) -> dict[str, str]:
    """What ``forward`` calls its first ``count`` positional arguments, by place."""
    try:
        parameters = list(inspect.signature(model.forward).parameters)
    except (TypeError, ValueError):
        return {}
    return {f"[{index}]": name for index, name in enumerate(parameters[:count])}


def _check_signature(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments that ``forward`` cannot take, before it runs."""
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):
        return  # a forward without a Python signature (TorchScript, C++): only calling it can tell
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        name = type(model).__name__
        known = [key for key in signature.parameters if key not in ("args", "kwargs")]
        unknown = [key for key in kwargs if key not in signature.parameters]
        hint = _nearest(unknown[0], known) if unknown else ""
        given = [f"{len(args)} positional"] if args else []
        given += [f"{key}=" for key in kwargs]
        raise InputError(
            f"{name}.forward{signature} cannot be called with {' and '.join(given) or 'no input'}: {error}{hint}"
        ) from None


def _nearest(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(repr(name) for name in names) or "none"


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
