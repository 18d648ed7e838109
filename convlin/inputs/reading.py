"""Models, shapes and tensors as the caller writes them, read into a plan.

A shape excludes the batch and becomes a tensor of zeros: zeros are always valid indices, never NaN,
and never the denormals that are slow on a CPU.  A tensor that the caller gives is used as it is.
"""

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from convlin._util.required import call_to_write
from convlin._util.suggest import did_you_mean
from convlin.errors import InputError, OptionError
from convlin.inputs.kinds import DtypeLike, model_device, model_dtype, read_device, read_dtypes
from convlin.inputs.plan import Dummy, Plan
from convlin.inputs.refused import refuse_more, refuse_no_input, refuse_sample_with_label
from convlin.inputs.spelling import counted, show
from convlin.module_tree import children_of

ShapeLike: TypeAlias = Sequence["int | str"]
"""A shape without the batch: integers, and letters for named sizes."""

Input: TypeAlias = Any
"""A shape, a tensor, a list of either, a dict of either by keyword, or nested tensors."""

#: How many other sizes are tried at most where an input has letters, unless the caller says otherwise.
TRIALS = 70

#: PyTorch counts bytes in 64 bits.
_MOST_BYTES = 2**63 - 1

#: Parameters of ``forward`` that hold indices or masks in every library that uses the name.
INDEX_NAMES = frozenset({"input_ids", "decoder_input_ids", "token_type_ids", "position_ids", "attention_mask"})


def check_model(model: object) -> nn.Module:
    """``model`` itself, or an ``InputError`` that says what to pass instead."""
    if isinstance(model, nn.Module):
        children_of(model)  # those of its parts are asked for where the tree is walked
        return model
    if isinstance(model, type) and issubclass(model, nn.Module):
        call = call_to_write(model.__name__, model)
        raise InputError(f"the model is an nn.Module, and {model.__name__} is a class: write {call}")
    got = f"the model is an nn.Module, and {show(model)} is not one"
    if isinstance(model, Mapping) and any(isinstance(value, Tensor) for value in model.values()):
        raise InputError(f"{got}: weights go into a model by model.load_state_dict(...)")
    if isinstance(model, list | tuple) and any(isinstance(value, nn.Module) for value in model):
        raise InputError(f"{got}: write nn.Sequential(...) around them, or one of them")
    owner = getattr(model, "__self__", None)
    if isinstance(owner, nn.Module):
        raise InputError(f"{got}: write the {type(owner).__name__} that it belongs to")
    if callable(model):
        name = getattr(model, "__name__", "")
        write = f"write {call_to_write(name, model)}" if name.isidentifier() else "call it and pass what it returns"
        raise InputError(f"{got}: if it makes a model, {write}")
    raise InputError(f"{got}: the model comes first, as in summarize(model, (3, 32, 32))")


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
        refuse_more(model, (given, *more))
    batch_size = _read_batch_size(batch_size)
    at = read_device(device) if device is not None else model_device(model)
    dtype = model_dtype(model)
    args, keywords = _spread(given)
    extra = _read_kwargs(kwargs, keywords)
    slots: dict[str, Any] = {f"[{index}]": value for index, value in enumerate(args)}
    slots.update(keywords)
    names = _parameter_names(model, len(args))
    wanted = read_dtypes(dtypes, list(slots), names)
    plan: dict[str, Any] = {}
    for place, value in slots.items():
        if _is_shape(value):
            by_name = torch.long if names.get(place, place) in INDEX_NAMES else dtype
            plan[place] = Dummy(
                place, _read_shape(value, is_alone=len(slots) + len(extra) == 1), wanted.get(place, by_name),
                dtype_asked=place in wanted,
            )  # fmt: skip
        else:
            plan[place] = _on_device(value, at if device is not None else None)
    keyword_values = {name: plan[name] for name in keywords} | {
        name: _on_device(value, at if device is not None else None) for name, value in extra.items()
    }
    for value in plan.values():
        if isinstance(value, Dummy):
            _check_bytes(value, batch_size)
    positional = tuple(plan[f"[{index}]"] for index in range(len(args)))
    if Dummy not in map(type, plan.values()):
        _refuse_inner_shapes([*positional, *keyword_values.values()])
    _check_signature(model, positional, keyword_values)
    return Plan(positional, keyword_values, batch_size, at)


def _read_kwargs(kwargs: object, keywords: Mapping[str, Any]) -> dict[str, Any]:
    if kwargs is None:
        return {}
    if not isinstance(kwargs, Mapping) or not all(isinstance(name, str) for name in kwargs):
        raise InputError(f'kwargs is a dict by name such as {{"mask": mask}}, and {show(kwargs)} is not one')
    for name in keywords.keys() & kwargs.keys():
        raise InputError(f"the input {name!r} is given twice, in the inputs and in kwargs={{...}}")
    return dict(kwargs)


def _read_batch_size(batch_size: object) -> int | str:
    if isinstance(batch_size, str) and batch_size.isidentifier():
        return batch_size
    if _is_index(batch_size) and not isinstance(batch_size, bool):
        number = operator.index(batch_size)  # type: ignore[arg-type]
        if number > 0:
            return number
    raise InputError(
        f'batch_size={show(batch_size)} is not a valid size: write a positive integer, or a name such as "N"'
    )


def _check_bytes(dummy: Dummy, batch_size: int | str) -> None:
    """Whether PyTorch can count the bytes of an input, which it does in 64 bits; of one in letters a sample is made."""
    sizes = [size for size in (batch_size, *dummy.shape) if isinstance(size, int)]
    if prod(sizes) * dummy.dtype.itemsize > _MOST_BYTES:
        batch = "" if batch_size == 1 else f" with batch_size={show(batch_size)}"
        raise InputError(
            f"an input of {show(dummy.shape)}{batch} has more bytes than PyTorch can count: write other sizes"
        )


def check_trials(trials: object, names: Sequence[str]) -> None:
    """Raise an ``InputError`` unless ``trials`` is a number of trials for an input with the letters ``names``."""
    if not isinstance(trials, int) or isinstance(trials, bool) or trials < TRIALS:
        wrong = f"is not a valid number of trials: write {TRIALS} (the default) or more"
        raise OptionError(f"trials={show(trials)} {wrong}", f"--trials {trials} {wrong}")
    if trials != TRIALS and not names:
        is_for, unused = f"{trials} is for named sizes, as in", "and this input has none: leave it out"
        raise OptionError(f'trials={is_for} (3, "H", "W"), {unused}', f"--trials {is_for} 3,H,W, {unused}")


def _spread(given: Input) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The given inputs as positional values and keyword values, shapes still unread."""
    if isinstance(given, Mapping):
        for name in given:
            if not isinstance(name, str):
                raise InputError(
                    f'a dict of inputs goes by the names of forward\'s arguments, such as {{"input_ids": (128,)}}; '
                    f"{show(name)} is not a valid name. To pass the dict itself as one input, write [inputs]"
                )
        return (), dict(given)
    if _is_shape(given) or isinstance(given, Tensor) or _is_numpy(given):
        return (given,), {}
    if isinstance(given, list):
        _check_list(given)
        return tuple(given), {}
    if isinstance(given, tuple) and not hasattr(given, "_fields"):
        if given and all(_is_shape(value) for value in given):
            raise InputError(f"several inputs belong in a list: write summarize(model, {show(list(given))})")
        if _holds_tensor(given) and not any(isinstance(value, int) for value in given):
            return tuple(given), {}
        if not any(isinstance(value, int | float | str | bytes | tuple) or _is_index(value) for value in given):
            listed = ", ".join(map(show, given))
            raise InputError(f"several inputs belong in a list: write summarize(model, [{listed}])")
        refuse_sample_with_label(given)
        _read_shape(given)
    if isinstance(given, int | float | complex | str | bytes | range | set | frozenset):
        spelled = (given,) if isinstance(given, int) and given is not True and given > 0 else (784,)
        if isinstance(given, range | set | frozenset) and given and all(isinstance(size, int) for size in given):
            spelled = tuple(given)
        also = "" if len(spelled) > 1 else " or (3, 32, 32)"
        raise InputError(f"{show(given)} is not a valid input: write the shape without the batch, like {spelled}{also}")
    refuse_no_input(given)
    return (given,), {}


def _check_list(given: list[Any]) -> None:
    """A list holds inputs; a shape in it is a tuple."""
    if not given:
        raise InputError("the list of inputs is empty: write summarize(model, [(3, 32, 32), (10,)])")
    if all(isinstance(size, int | str) for size in given):
        raise InputError(
            f"{show(given)} is a list of inputs, and {show(given[0])} is not a valid shape: "
            f"write the shape as a tuple, {show(tuple(given))}"
        )
    if any(map(_holds_tensor, given)):
        return  # a list of numbers beside tensors is what it is: lengths, say
    for value in given:
        if isinstance(value, list) and value and all(isinstance(size, int | str) for size in value):
            raise InputError(f"{show(value)} is not a valid shape: write it as a tuple, {show(tuple(value))}")


def _refuse_inner_shapes(values: list[Any]) -> None:
    """A shape inside a dict or list stays what it is: where nothing else is given, a tensor was meant."""
    if not all(isinstance(value, dict | list) and not _holds_tensor(value) for value in values):
        return
    shape = next((found for value in values for found in _inner_shapes(value)), None)
    if shape is not None:
        sizes = ", ".join(str(size) if isinstance(size, int) else show(size) for size in (1, *shape))
        raise InputError(
            f"{show(shape)} inside a dict or list is passed as it is: write a tensor there, with the batch, "
            f"such as torch.zeros({sizes})"
        )


def _inner_shapes(value: object) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _inner_shapes(item)
    elif isinstance(value, tuple) and value and _is_shape(value):
        yield value


def _is_shape(value: object) -> bool:
    """Whether this is meant as a shape: a plain tuple that holds numbers or letters and nothing else."""
    return (
        isinstance(value, tuple)
        and not hasattr(value, "_fields")
        and all(isinstance(size, int | float | str) or _is_index(size) for size in value)
    )


def _is_index(size: object) -> bool:
    """An integer of numpy's, which arithmetic on arrays leaves behind; a tensor is an input, never a size."""
    return hasattr(size, "__index__") and not isinstance(size, Tensor) and getattr(size, "ndim", 0) == 0


def _read_shape(shape: tuple[Any, ...], *, is_alone: bool = False) -> tuple[int | str, ...]:
    if not shape and is_alone:  # beside others it is one number a sample, such as the time step of a diffusion model
        raise InputError(
            "the shape () is empty: write the size of one sample without the batch, such as (3, 32, 32); "
            "for one number a sample pass a tensor, such as torch.zeros(1)"
        )
    read: list[int | str] = []
    for size in shape:
        if isinstance(size, str) and size.isidentifier():
            read.append(size)
            continue
        if isinstance(size, bool) or not _is_index(size):
            divided = ". Division with / makes a float: write //" if isinstance(size, float) else ""
            raise InputError(
                f"{show(size)} in the shape {show(shape)} is not a valid size: "
                f'sizes are positive integers, or letters as in (3, "H", "W"){divided}'
            )
        if size <= 0:
            raise InputError(
                f"{size} in the shape {show(shape)} is not a valid size: sizes are positive, without the batch, "
                "as in (3, 32, 32)"
            )
        read.append(operator.index(size))
    return tuple(read)


def _on_device(value: Any, device: torch.device | None) -> Any:
    """Tensors on ``device``, in nested lists, tuples and dicts; the rest as it is."""
    if device is None:
        return value
    from convlin.tensors import map_tensors

    return map_tensors(value, lambda tensor: tensor.to(device))


def _is_numpy(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _holds_tensor(value: object) -> bool:
    if isinstance(value, Tensor) or _is_numpy(value):
        return True
    if isinstance(value, Mapping):
        return any(_holds_tensor(item) for item in value.values())
    return isinstance(value, list | tuple) and any(_holds_tensor(item) for item in value)


def names_of_forward(model: nn.Module) -> list[str]:
    """What ``forward`` calls its arguments; nothing where that cannot be told."""
    try:
        return list(_signature(model).parameters)
    except (TypeError, ValueError):
        return []


def _parameter_names(model: nn.Module, count: int) -> dict[str, str]:
    """What ``forward`` calls its first ``count`` positional arguments, by place."""
    return {f"[{index}]": name for index, name in enumerate(names_of_forward(model)[:count])}


def _signature(model: nn.Module) -> inspect.Signature:
    """What ``forward`` takes; that of a ``script_method``, or of a wrapper of a class's, counts the model in."""
    forward: Any = model.forward
    written = inspect.unwrap(forward)
    unbound = isinstance(forward, torch.ScriptMethod) or any(
        vars(kind).get("forward") is written for kind in type(model).__mro__
    )
    if inspect.isfunction(written) and unbound and not inspect.ismethod(forward):
        return inspect.signature(written.__get__(model))
    return inspect.signature(forward)


def _check_signature(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments that ``forward`` cannot take, before it runs."""
    name = type(model).__name__
    if getattr(model.forward, "__func__", None) is nn.Module.forward:
        holds = isinstance(model, nn.ModuleList | nn.ModuleDict)
        near = did_you_mean("forward", vars(type(model))).replace("; did you mean ", "; should it be the name of ")
        advice = "write nn.Sequential(*layers), or call them in a forward" if holds else f"write one{near}"
        raise InputError(f"{name} has no forward, so it cannot be run: {advice}")
    try:
        signature = _signature(model)
    except (TypeError, ValueError):
        return  # a forward without a Python signature (TorchScript, C++): only calling it can tell
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        if not signature.parameters:
            raise InputError(f"{name}.forward{_without_input(model)}") from None
        told = f"{name}.forward{signature} {_unfit(signature, args, kwargs, error)}"
        if any(key not in signature.parameters for key in kwargs):
            is_whole = not args and len(signature.parameters) == 1 and not kwargs.keys() & signature.parameters.keys()
            raise UnknownInputError(told, is_whole=is_whole) from None
        needed = _needed(signature)
        if args and not any(each.kind in _POSITIONAL for each in signature.parameters.values()):
            named = needed[0] if needed else "name"
            raise InputError(
                f'{told}; it takes inputs by name: write summarize(model, {{"{named}": (3, 32, 32)}})'
            ) from None
        of_tensors = len(args) > 1 and all(isinstance(value, Tensor) for value in args)
        raise UnfitInputsError(told, needed, len(args), named=bool(kwargs), of_tensors=of_tensors) from None


_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


def _without_input(model: nn.Module) -> str:
    """What is wrong with a ``forward`` that takes nothing but the model, or its input in the model's place."""
    first = next(iter(inspect.signature(type(model).forward).parameters), "self")
    if first == "self":
        return "(self) takes no input: write summarize(model, {})"
    return f"({first}) has no self: write def forward(self, {first})"


class UnknownInputError(InputError):
    """``forward`` has no argument of this name; ``told`` is what has to be said of it on a command line as well."""

    def __init__(self, told: str, *, is_whole: bool) -> None:
        self.told = told
        hint = ". To pass the dict itself as one input, write [inputs], with tensors in it" if is_whole else ""
        super().__init__(f"{told}{hint}")


class UnfitInputsError(InputError):
    """``forward`` takes other inputs: more, or fewer."""

    def __init__(self, told: str, needed: Sequence[str], given: int, *, named: bool, of_tensors: bool = False) -> None:
        self.told, self.needed, self.given = told, needed, given
        spelled = ", ".join(f'"{name}": (…)' for name in needed)
        right = f"write summarize(model, {{{spelled}}})" if len(needed) > 1 else "write summarize(model, (3, 32, 32))"
        if len(needed) == 1 and given > 1 and not named:
            if of_tensors:
                right = "leave out labels, as in summarize(model, images)"
            right += ", or [[…]] to pass the list itself as one input"
        super().__init__(f"{told}; {right}")


def _needed(signature: inspect.Signature) -> list[str]:
    """The names of what ``forward`` cannot do without."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        name
        for name, parameter in signature.parameters.items()
        if parameter.default is parameter.empty and parameter.kind not in variadic
    ]


def _unfit(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any], error: TypeError) -> str:
    """What is wrong with these arguments."""
    known = [key for key in signature.parameters if key not in ("args", "kwargs")]
    unknown = [key for key in kwargs if key not in signature.parameters]
    if unknown:
        return f"has no {unknown[0]!r}: it takes {', '.join(known)}{did_you_mean(unknown[0], known)}"
    given = [counted(len(args), "input")] if args else []
    given += [f"{key}=" for key in kwargs]
    return f"cannot be called with {' and '.join(given) or 'no input'}: {error}"
