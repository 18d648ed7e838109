"""Per layer type: which size it declares, which one it requires, and how to stand in.

``examine`` looks at what is about to reach a layer.  Where it does not fit, the ``Verdict`` names
every misfit and an input that the layer can take, so that the pass goes on: a layer that makes a
new size (Linear, Conv) gets a tensor of the declared size, a layer whose size follows its input (the
normalisations) runs on a stand-in and hands on what came in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import prod
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.utils.rnn import PackedSequence

from convlin.derivations import of_layers
from convlin.nested import dtype_name
from convlin.records import Call, Derivation


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing about an arrival that a layer or function cannot take."""

    kind: str
    declared: Any
    required: Any
    note: str = ""
    """What kind of mistake it looks like (``flatten``, ``channels_last``, ``tuple``, …); read by ``diagnose``."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Constructor arguments of the layer and what they should be."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What reaches a layer, and what is known about where it came from."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    is_model_input: bool
    """The first tensor is an input of the model itself."""
    batch_added: bool
    """convlin put the batch dimension in front of it: its first axis is the batch."""
    is_feature_map: bool
    """It comes straight from a convolution, a pooling or the like: ``(N, C, *sizes)``."""
    must_flatten: bool = False
    """A pass showed that the layer takes it, and that the model was not meant so."""
    is_one_sample: bool = False
    """A pass showed that it is one sample without a batch, which a later layer misses."""

    def first(self, name: str) -> Any:
        """The first argument, however it was passed."""
        return self.args[0] if self.args else self.kwargs.get(name)

    def with_first(self, name: str, value: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the first one replaced."""
        if self.args:
            return (value, *self.args[1:]), dict(self.kwargs)
        return (), {**self.kwargs, name: value}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What does not fit, and arguments that do (None where nothing can stand in)."""

    misfits: tuple[Misfit, ...]
    stand_in: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    keeps_input: bool = False
    """The layer's output is the input as it came: its size follows its input."""
    output_size: int | None = None
    """The last size of the layer's output, where that follows its input and the rest does not."""


Examine = Callable[[Any, Arrival], "Verdict | None"]
Derive = Callable[[Call], "Derivation | None"]


@dataclass(frozen=True, slots=True)
class LayerRule:
    """What convlin knows of one family of layers."""

    types: tuple[type[nn.Module], ...]
    settings: tuple[str, ...] = ()
    """Attributes that are recorded with every call."""
    examine: Examine | None = None
    makes_feature_map: bool = False
    """Its output is ``(N, C, *sizes)``: flattening it is what comes before a Linear."""
    derive: Derive | None = None
    """How the size of its output comes about, where ``forward`` is PyTorch's own."""
    output_size_at: int | None = None
    """Where ``forward`` takes an ``output_size``, which is recorded with the settings."""

    def read_call(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The recorded attributes of one layer and what else decides about this call of it."""
        settings = self.read_settings(module)
        at = self.output_size_at
        if at is not None:
            size = args[at] if len(args) > at else kwargs.get("output_size")
            sizes = tuple(size) if isinstance(size, tuple | list) else (size,)
            if all(type(one) is int for one in sizes):  # no letters, which would keep their pass alive
                settings["output_size"] = sizes
        return settings

    def read_settings(self, module: nn.Module) -> dict[str, Any]:
        """The recorded attributes of one layer."""
        if not self.settings:
            return {}
        if len(self.settings) == 1:
            return {self.settings[0]: getattr(module, self.settings[0], None)}
        try:
            return dict(zip(self.settings, attrgetter(*self.settings)(module), strict=True))
        except AttributeError:
            return {name: getattr(module, name, None) for name in self.settings}


def _zeros(like: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
    return torch.zeros(shape, dtype=dtype or like.dtype, device=like.device)


def _replaced(shape: torch.Size, axis: int, size: int) -> tuple[int, ...]:
    sizes = list(shape)
    sizes[axis] = size
    return tuple(sizes)


def _unwrapped(value: Any) -> tuple[Any, tuple[Misfit, ...]]:
    """The first tensor of a tuple that reached a layer which takes one tensor."""
    if isinstance(value, PackedSequence):
        return value.data, (Misfit("structure", "Tensor", "PackedSequence", "packed"),)
    if type(value).__module__ == "numpy" and hasattr(value, "__array__"):
        return torch.as_tensor(value), (Misfit("structure", "Tensor", "ndarray", "array"),)
    if isinstance(value, tuple | list) and value and isinstance(value[0], Tensor):
        return value[0], (Misfit("structure", "Tensor", type(value).__name__, "tuple", {"length": len(value)}),)
    return value, ()


def _stored_weight(module: nn.Module) -> Tensor | None:
    """The weight as it is stored: to read one under a parametrization runs modules, and may change them."""
    weight = module._parameters.get("weight")
    if weight is None and torch.nn.utils.parametrize.is_parametrized(module, "weight"):
        return next(module.parametrizations["weight"].parameters(), None)  # type: ignore[index, union-attr]
    return weight if weight is not None else module.__dict__.get("weight")


def _dtype_misfit(tensor: Tensor, weight: Tensor | None) -> tuple[Tensor, tuple[Misfit, ...]]:
    """The tensor in the dtype of the layer's weight, and whether it came in another one."""
    if weight is None or tensor.dtype == weight.dtype or _casts(tensor):
        return tensor, ()
    if weight.dtype.itemsize == 1 or weight.is_quantized:
        return tensor, ()
    misfit = Misfit("dtype", dtype_name(weight.dtype), dtype_name(tensor.dtype), "cast")
    return tensor.to(weight.dtype), (misfit,)


def _casts(tensor: Tensor) -> bool:
    """Whether autocast takes care of dtypes there; some devices (meta) do not know it and raise."""
    try:
        return torch.is_autocast_enabled(tensor.device.type)
    except RuntimeError:
        return False


def _examine_linear(module: nn.Linear, arrival: Arrival) -> Verdict | None:
    tensor, misfits = _unwrapped(arrival.first("input"))
    if not isinstance(tensor, Tensor) or tensor.dim() == 0:
        return None
    declared = module.in_features
    if tensor.is_nested:  # nothing can stand in: its sizes are many
        required = tensor.size(-1)
        misfit = Misfit("in_features", declared, required, changes={"in_features": required})
        return Verdict((misfit,)) if required != declared else None
    tensor, dtype_misfits = _dtype_misfit(tensor, _stored_weight(module))
    misfits += dtype_misfits
    detail: dict[str, Any] = {}
    if tensor.dim() > 2 and (tensor.shape[-1] != declared or arrival.must_flatten):
        flat = prod(tensor.shape[1:])
        if arrival.is_feature_map and flat != declared:
            detail["flat"] = flat  # whether that is what was meant, what comes behind will tell
        if arrival.must_flatten or (flat == declared and (arrival.is_feature_map or arrival.is_model_input)):
            misfits += (Misfit("structure", declared, flat, "flatten", {"rank": tensor.dim()}),)
            detail = {"flattened": True}
            tensor = tensor.flatten(1)
    if tensor.shape[-1] != declared:
        required = tensor.shape[-1]
        misfits += (Misfit("in_features", declared, required, "", detail, {"in_features": required}),)
        tensor = _zeros(tensor, (*tensor.shape[:-1], declared))
    return Verdict(misfits, arrival.with_first("input", tensor)) if misfits else None


def _examine_bilinear(module: nn.Bilinear, arrival: Arrival) -> Verdict | None:
    if len(arrival.args) != 2 or not all(isinstance(value, Tensor) for value in arrival.args):
        return None
    misfits: tuple[Misfit, ...] = ()
    tensors = []
    for tensor, name in zip(arrival.args, ("in1_features", "in2_features"), strict=True):
        declared = getattr(module, name)
        if tensor.shape[-1] != declared:
            misfits += (Misfit(name, declared, tensor.shape[-1], changes={name: tensor.shape[-1]}),)
            tensor = _zeros(tensor, (*tensor.shape[:-1], declared))
        tensors.append(tensor)
    return Verdict(misfits, (tuple(tensors), dict(arrival.kwargs))) if misfits else None


def _examine_convolution(module: _ConvNd, arrival: Arrival) -> Verdict | None:
    tensor, misfits = _unwrapped(arrival.first("input"))
    if not isinstance(tensor, Tensor):
        return None
    tensor, dtype_misfits = _dtype_misfit(tensor, _stored_weight(module))
    misfits += dtype_misfits
    spatial = len(module.kernel_size)
    tensor, rank_misfits = _with_rank(tensor, spatial, module.in_channels, arrival)
    misfits += rank_misfits
    if tensor.dim() not in (spatial + 1, spatial + 2):
        return Verdict(misfits) if misfits else None
    channels = tensor.dim() - spatial - 1
    declared, required = module.in_channels, tensor.shape[channels]
    if required != declared:
        detail: dict[str, Any] = {}
        note = ""
        others = [axis for axis in range(channels + 1, tensor.dim()) if tensor.shape[axis] == declared]
        if arrival.is_model_input and others and tensor.dim() == spatial + 2:
            axis = others[-1] if others[-1] == tensor.dim() - 1 else others[0]
            note, detail = "permute", {"axis": axis, "order": _moved(tensor.dim(), axis, channels)}
            tensor = tensor.movedim(axis, channels).contiguous()
        else:
            if tensor.dim() == spatial + 1 and not rank_misfits:
                note = "unbatched"
            tensor = _zeros(tensor, _replaced(tensor.shape, channels, declared))
        misfits += (Misfit("in_channels", declared, required, note, detail, {"in_channels": required}),)
    args, kwargs = arrival.with_first("input", tensor)
    if isinstance(module, _ConvTransposeNd):
        args, kwargs, output_misfits = _with_output_size(module, tensor, args, kwargs)
        misfits += output_misfits
    return Verdict(misfits, (args, kwargs)) if misfits else None


def _with_output_size(
    module: _ConvTransposeNd, tensor: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Misfit, ...]]:
    """Arguments whose ``output_size`` the transposed convolution can give, and what was wrong with it."""
    axes = len(module.kernel_size)
    steps = tuple(max(stride, dilation) for stride, dilation in zip(module.stride, module.dilation, strict=True))
    asked = args[1] if len(args) > 1 else kwargs.get("output_size")
    if asked is None:
        if all(extra < step for extra, step in zip(module.output_padding, steps, strict=True)):
            return args, kwargs, ()
        most = tuple(min(extra, step - 1) for extra, step in zip(module.output_padding, steps, strict=True))
        changes = {"output_padding": most if len(set(most)) > 1 else most[0]}
        misfit = Misfit("output_padding", tuple(module.output_padding), most, changes=changes)
        reached = tuple(size + extra for size, extra in zip(_transposed(module, tensor), most, strict=True))
        # An output_size takes the place of the output_padding.
        return args, {**kwargs, "output_size": list(reached)}, (misfit,)
    wanted = tuple(asked)[-axes:]
    smallest = _transposed(module, tensor)
    largest = tuple(size + stride - 1 for size, stride in zip(smallest, module.stride, strict=True))
    possible = tuple(min(max(size, low), high) for size, low, high in zip(wanted, smallest, largest, strict=True))
    if possible == wanted:
        return args, kwargs, ()
    misfit = Misfit("output_size", wanted, (smallest, largest), detail={"nearest": possible})
    if len(args) > 1:
        return (args[0], list(possible), *args[2:]), kwargs, (misfit,)
    return args, {**kwargs, "output_size": list(possible)}, (misfit,)


def _transposed(module: _ConvTransposeNd, tensor: Tensor) -> tuple[int, ...]:
    """The size of a transposed convolution's output without ``output_padding``."""
    axes = len(module.kernel_size)
    given = tensor.shape[-axes:]
    return tuple(
        (given[axis] - 1) * module.stride[axis]
        - 2 * int(module.padding[axis])
        + module.dilation[axis] * (module.kernel_size[axis] - 1)
        + 1
        for axis in range(axes)
    )


def _moved(rank: int, axis: int, to: int) -> tuple[int, ...]:
    order = [index for index in range(rank) if index != axis]
    order.insert(to, axis)
    return tuple(order)


def _with_rank(tensor: Tensor, spatial: int, channels: int, arrival: Arrival) -> tuple[Tensor, tuple[Misfit, ...]]:
    """A tensor of a rank that the convolution takes, with the dimension that was too many or missing."""
    rank = tensor.dim()
    if rank > spatial + 2:
        note = "batch_in_shape" if arrival.is_model_input and arrival.batch_added else "rank"
        misfit = Misfit("structure", spatial + 2, rank, note, {"shape": tuple(tensor.shape)})
        return tensor.flatten(0, rank - spatial - 2), (misfit,)
    if rank == spatial + 1 and arrival.is_model_input and arrival.batch_added:
        # PyTorch would take this for one sample without a batch; convlin knows that axis 0 is the batch.
        detail = {"shape": tuple(tensor.shape), "channels": channels}
        misfit = Misfit("structure", spatial + 2, rank, "no_channels", detail)
        return _zeros(tensor, (tensor.shape[0], channels, *tensor.shape[1:])), (misfit,)
    if rank == spatial + 1 and arrival.is_one_sample:
        misfit = Misfit("structure", spatial + 2, rank, "one_sample", {"shape": tuple(tensor.shape)})
        return tensor.unsqueeze(0), (misfit,)
    if rank < spatial + 1:
        side = _side(tensor.shape[-1], channels, spatial) if rank == 2 else 0
        if side:
            sizes = (channels, *(side,) * spatial)
            return tensor.reshape(-1, *sizes), (Misfit("structure", spatial + 2, rank, "flat", {"sizes": sizes}),)
        return tensor, (Misfit("structure", spatial + 2, rank, "rank", {"shape": tuple(tensor.shape)}),)
    return tensor, ()


def _side(features: int, channels: int, spatial: int) -> int:
    """The side of a square (or cube) image of so many features; 0 where they make none."""
    side = round((features / channels) ** (1 / spatial))
    return side if side > 1 and channels * side**spatial == features else 0


_NORM_RANKS: dict[str, tuple[int, ...]] = {"1d": (2, 3), "2d": (4,), "3d": (5,)}


def _examine_batch_norm(module: _BatchNorm, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    if not isinstance(tensor, Tensor):
        return None
    ranks = next((ranks for end, ranks in _NORM_RANKS.items() if end in _base_name(module)), ())
    tensor, misfits = _dtype_misfit(tensor, _stored_weight(module))
    declared = module.num_features
    if ranks and tensor.dim() not in ranks:
        detail = {"shape": tuple(tensor.shape), "ranks": ranks}
        misfits += (Misfit("structure", ranks[-1], tensor.dim(), "rank", detail),)
    if tensor.dim() > 1 and tensor.shape[1] != declared and _counts_features(module):
        misfits += (_resized("num_features", declared, tensor.shape[1]),)
    elif tensor.dim() > 1 and module.training and tensor.numel() == tensor.shape[1]:
        misfits += (Misfit("batch", 1, 2, "batch_of_one"),)
    if not misfits:
        return None
    rank = ranks[-1] if ranks else max(tensor.dim(), 2)
    stand_in = _zeros(tensor, (2, declared, *(2,) * (rank - 2)))
    keeps = any(misfit.kind != "dtype" for misfit in misfits)
    return Verdict(misfits, arrival.with_first("input", stand_in if keeps else tensor), keeps_input=keeps)


def _resized(name: str, declared: int, required: int) -> Misfit:
    return Misfit(name, declared, required, changes={name: required})


def _base_name(module: nn.Module) -> str:
    """Name of PyTorch's own class behind a subclass."""
    return next((kind.__name__ for kind in type(module).__mro__ if kind.__module__.startswith("torch.")), "")


def _counts_features(module: _BatchNorm | _InstanceNorm) -> bool:
    return bool(module.affine or module.track_running_stats)


def _examine_instance_norm(module: _InstanceNorm, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    if not isinstance(tensor, Tensor):
        return None
    spatial = next((int(end[0]) for end in _NORM_RANKS if end in _base_name(module)), tensor.dim() - 2)
    stand_in = _zeros(tensor, (1, module.num_features, *(2,) * spatial))
    if tensor.dim() not in (spatial + 1, spatial + 2):
        misfit = Misfit("structure", spatial + 2, tensor.dim(), "rank", {"shape": tuple(tensor.shape)})
        return Verdict((misfit,), arrival.with_first("input", stand_in), keeps_input=True)
    channels = tensor.shape[tensor.dim() - spatial - 1]
    if channels != module.num_features and _counts_features(module):
        misfit = _resized("num_features", module.num_features, channels)
        return Verdict((misfit,), arrival.with_first("input", stand_in), keeps_input=True)
    return None


def _examine_group_norm(module: nn.GroupNorm, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    if not isinstance(tensor, Tensor) or tensor.dim() < 2 or tensor.shape[1] == module.num_channels:
        return None
    stand_in = _zeros(tensor, (tensor.shape[0], module.num_channels, *tensor.shape[2:]))
    misfit = _resized("num_channels", module.num_channels, tensor.shape[1])
    if tensor.shape[1] % module.num_groups:
        misfit = Misfit(
            misfit.kind, misfit.declared, misfit.required, "groups", {"num_groups": module.num_groups}, misfit.changes
        )
    return Verdict((misfit,), arrival.with_first("input", stand_in), keeps_input=True)


def _examine_layer_norm(module: nn.LayerNorm | nn.RMSNorm, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    if not isinstance(tensor, Tensor):
        return None
    declared = tuple(module.normalized_shape)
    if tuple(tensor.shape[-len(declared) :]) == declared:
        return None
    required = tuple(tensor.shape[-len(declared) :])
    stand_in = _zeros(tensor, (1, *declared))
    misfit = Misfit("normalized_shape", declared, required, changes={"normalized_shape": required})
    return Verdict((misfit,), arrival.with_first("input", stand_in), keeps_input=True)


def _examine_prelu(module: nn.PReLU, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    declared = module.num_parameters
    if not isinstance(tensor, Tensor) or declared == 1 or tensor.dim() < 2 or tensor.shape[1] == declared:
        return None
    stand_in = _zeros(tensor, (1, declared))
    misfit = _resized("num_parameters", declared, tensor.shape[1])
    return Verdict((misfit,), arrival.with_first("input", stand_in), keeps_input=True)


def _examine_embedding(module: nn.Embedding | nn.EmbeddingBag, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    if not isinstance(tensor, Tensor):
        return None
    if tensor.dtype not in (torch.int64, torch.int32):
        stand_in = _zeros(tensor, tuple(tensor.shape), torch.int64)
        misfit = Misfit("dtype", "int64", dtype_name(tensor.dtype), "index")
        return Verdict((misfit,), arrival.with_first("input", stand_in))
    if tensor.device.type == "meta" or hasattr(tensor, "fake_mode") or tensor.numel() == 0:  # no values to look at
        return None
    largest, smallest = int(tensor.max()), int(tensor.min())
    if smallest < 0 or largest >= module.num_embeddings:
        note = "negative" if smallest < 0 else ""
        misfit = Misfit(
            "num_embeddings", module.num_embeddings, largest + 1, note, changes={"num_embeddings": largest + 1}
        )
        return Verdict((misfit,), arrival.with_first("input", tensor.clamp(0, module.num_embeddings - 1)))
    return None


def _examine_quantised(module: Any, arrival: Arrival) -> Verdict | None:
    """A Linear with packed weights: its width is all that can be asked."""
    tensor = arrival.first("input")
    declared = getattr(module, "in_features", None)
    if not isinstance(tensor, Tensor) or tensor.dim() == 0 or declared in (None, tensor.shape[-1]):
        return None
    required = tensor.shape[-1]
    if tensor.is_quantized:
        return Verdict((Misfit("in_features", declared, required, changes={"in_features": required}),))
    stand_in = _zeros(tensor, (*tensor.shape[:-1], declared))
    misfit = Misfit("in_features", declared, required, changes={"in_features": required})
    return Verdict((misfit,), arrival.with_first("input", stand_in))


def _examine_transformer(module: Any, arrival: Arrival) -> Verdict | None:
    """A whole block of PyTorch's own: one width, ``d_model``, for all that is in it."""
    whole = isinstance(module, nn.Transformer)
    declared = module.d_model if whole else module.self_attn.embed_dim
    encodes = isinstance(module, nn.TransformerEncoderLayer)
    names = ("src", "tgt") if whole else ("src",) if encodes else ("tgt", "memory")
    given = dict(zip(names, arrival.args, strict=False)) | {
        name: arrival.kwargs[name] for name in names if name in arrival.kwargs
    }
    wrong = [name for name, value in given.items() if isinstance(value, Tensor) and value.shape[-1] != declared]
    if not wrong or any(not isinstance(value, Tensor) or value.is_nested for value in given.values()):
        return None
    required = given[wrong[0]].shape[-1]
    mended = {
        name: _zeros(value, (*value.shape[:-1], declared)) if name in wrong else value for name, value in given.items()
    }
    args = tuple(mended[name] for name in names[: len(arrival.args)]) + arrival.args[len(names) :]
    kwargs = {name: mended.get(name, value) for name, value in arrival.kwargs.items()}
    heads = next(each.num_heads for each in module.modules() if isinstance(each, nn.MultiheadAttention))
    misfit = Misfit("embed_dim", declared, required, "d_model", {"num_heads": heads}, {"d_model": required})
    return Verdict((misfit,), (args, kwargs), output_size=required)


def _examine_recurrent(module: nn.RNNBase | nn.RNNCellBase, arrival: Arrival) -> Verdict | None:
    given = arrival.first("input")
    packed = given if isinstance(given, PackedSequence) else None
    tensor, misfits = (packed.data, ()) if packed is not None else _unwrapped(given)
    if not isinstance(tensor, Tensor) or tensor.dim() == 0:
        return None
    weight = next(iter(module.parameters()), None)
    tensor, dtype_misfits = _dtype_misfit(tensor, weight)
    misfits += dtype_misfits
    is_cell = isinstance(module, nn.RNNCellBase)
    ranks = (1, 2) if is_cell else (2, 3)
    if packed is None and tensor.dim() > ranks[-1]:
        misfits += (Misfit("structure", ranks[-1], tensor.dim(), "rank", {"shape": tuple(tensor.shape)}),)
        tensor = tensor.flatten(1, tensor.dim() - 2) if not is_cell else tensor.flatten(0, tensor.dim() - 2)
    declared, required = module.input_size, tensor.shape[-1]
    if required != declared:
        misfits += (_resized("input_size", declared, required),)
        tensor = _zeros(tensor, (*tensor.shape[:-1], declared))
    if not misfits:
        return None
    return Verdict(misfits, arrival.with_first("input", tensor if packed is None else packed._replace(data=tensor)))


def _examine_attention(module: nn.MultiheadAttention, arrival: Arrival) -> Verdict | None:
    names = ("query", "key", "value")
    declared = dict(zip(names, (module.embed_dim, module.kdim, module.vdim), strict=True))
    given = dict(zip(names, arrival.args, strict=False)) | {
        name: arrival.kwargs[name] for name in names if name in arrival.kwargs
    }
    if not all(isinstance(tensor, Tensor) for tensor in given.values()):
        return None
    wrong = {name: tensor for name, tensor in given.items() if tensor.shape[-1] != declared[name]}
    if not wrong:
        return None
    kinds = {"query": "embed_dim", "key": "kdim", "value": "vdim"}
    same = module.kdim == module.embed_dim and module.vdim == module.embed_dim
    misfits: dict[str, Misfit] = {}
    for name, tensor in wrong.items():
        kind = "embed_dim" if same else kinds[name]
        detail = {"num_heads": module.num_heads} if kind == "embed_dim" else {}
        changes = {kind: tensor.shape[-1]}
        misfits.setdefault(kind, Misfit(kind, declared[name], tensor.shape[-1], "", detail, changes))
    mended = {
        name: _zeros(tensor, (*tensor.shape[:-1], declared[name])) if name in wrong else tensor
        for name, tensor in given.items()
    }
    args = tuple(mended[name] for name in names[: len(arrival.args)]) + arrival.args[3:]
    kwargs = {name: mended.get(name, value) for name, value in arrival.kwargs.items()}
    # The output has the width of the query once the layer is mended: what is added to it fits.
    follows = given["query"].shape[-1] if "embed_dim" in misfits and "query" in wrong else None
    return Verdict(tuple(misfits.values()), (args, kwargs), output_size=follows)


def _examine_unflatten(module: nn.Unflatten, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    if not isinstance(tensor, Tensor) or not isinstance(module.dim, int) or not isinstance(tensor.dim(), int):
        return None
    sizes = tuple(module.unflattened_size)
    if not -tensor.dim() <= module.dim < tensor.dim() or not all(isinstance(size, int) for size in sizes):
        return None
    axis = module.dim % tensor.dim()
    arrived = tensor.shape[axis]
    declared = prod(size for size in sizes if size != -1)
    if arrived == declared or (-1 in sizes and arrived % declared == 0):
        return None
    misfit = Misfit("reshape", sizes, arrived, "unflatten", {"dim": axis, "product": declared})
    stand_in = _zeros(tensor, _replaced(tensor.shape, axis, declared))
    return Verdict((misfit,), arrival.with_first("input", stand_in))


_CONVOLUTION = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
_POOL = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
_AVG_POOL = ("kernel_size", "stride", "padding", "ceil_mode")
_RECURRENT = ("input_size", "hidden_size", "num_layers", "batch_first", "bidirectional", "proj_size", "mode")
_CELL = ("input_size", "hidden_size")


def _by_rank(types: tuple[type[nn.Module], ...], settings: tuple[str, ...], derive: Any) -> tuple[LayerRule, ...]:
    """A family in one, two and three spatial dimensions whose settings do not tell how many."""
    return tuple(
        LayerRule((kind,), settings, makes_feature_map=True, derive=partial(derive, spatial_dims=rank))
        for rank, kind in enumerate(types, start=1)
    )


def _padding(types: tuple[type[nn.Module], ...], mode: str) -> LayerRule:
    return LayerRule(types, ("padding",), makes_feature_map=True, derive=partial(of_layers.pad, mode=mode))


RULES: tuple[LayerRule, ...] = (
    LayerRule((nn.Linear,), ("in_features", "out_features"), _examine_linear, derive=of_layers.linear),
    LayerRule(
        (nn.Bilinear,), ("in1_features", "in2_features", "out_features"), _examine_bilinear, derive=of_layers.bilinear
    ),
    LayerRule(
        (_ConvTransposeNd,), (*_CONVOLUTION, "output_padding"), _examine_convolution,
        makes_feature_map=True, derive=of_layers.conv_transpose, output_size_at=1,
    ),
    LayerRule(
        (_ConvNd,), (*_CONVOLUTION, "padding_mode"), _examine_convolution,
        makes_feature_map=True, derive=of_layers.convolution,
    ),
    LayerRule((_InstanceNorm,), ("num_features",), _examine_instance_norm, makes_feature_map=True),
    LayerRule((_BatchNorm,), ("num_features",), _examine_batch_norm, makes_feature_map=True),
    LayerRule((nn.GroupNorm,), ("num_groups", "num_channels"), _examine_group_norm, makes_feature_map=True),
    LayerRule((nn.LayerNorm, nn.RMSNorm), ("normalized_shape",), _examine_layer_norm),
    LayerRule((nn.PReLU,), ("num_parameters",), _examine_prelu),
    LayerRule((nn.GLU,), ("dim",), derive=of_layers.gate),
    LayerRule((nn.Embedding,), ("num_embeddings", "embedding_dim"), _examine_embedding, derive=of_layers.embedding),
    LayerRule(
        (nn.EmbeddingBag,), ("num_embeddings", "embedding_dim", "mode", "include_last_offset"), _examine_embedding,
        derive=of_layers.embedding_bag,
    ),
    LayerRule((nn.RNNBase,), _RECURRENT, _examine_recurrent, derive=of_layers.recurrent),
    LayerRule((nn.RNNCell,), _CELL, _examine_recurrent, derive=partial(of_layers.cell, kind="RNNCell")),
    LayerRule((nn.LSTMCell,), _CELL, _examine_recurrent, derive=partial(of_layers.cell, kind="LSTMCell")),
    LayerRule((nn.GRUCell,), _CELL, _examine_recurrent, derive=partial(of_layers.cell, kind="GRUCell")),
    LayerRule((nn.MultiheadAttention,), ("embed_dim", "num_heads", "kdim", "vdim", "batch_first"), _examine_attention),
    LayerRule((nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, nn.Transformer), (), _examine_transformer),
    LayerRule(
        (nn.Unflatten,), ("dim", "unflattened_size"), _examine_unflatten,
        makes_feature_map=True, derive=of_layers.unflatten,
    ),
    LayerRule((nn.Flatten,), ("start_dim", "end_dim"), derive=of_layers.flatten),
    *_by_rank((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), _POOL, of_layers.max_pool),
    *_by_rank((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), _AVG_POOL, of_layers.avg_pool),
    *_by_rank((nn.LPPool1d, nn.LPPool2d, nn.LPPool3d), ("kernel_size", "stride", "ceil_mode"), of_layers.lp_pool),
    *_by_rank(
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
        ("output_size",), of_layers.adaptive_avg_pool,
    ),
    *_by_rank(
        (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
        ("output_size",), of_layers.adaptive_max_pool,
    ),
    LayerRule(
        (nn.FractionalMaxPool2d, nn.FractionalMaxPool3d), ("kernel_size", "output_size", "output_ratio"),
        makes_feature_map=True, derive=of_layers.fractional_max_pool,
    ),
    LayerRule(
        (nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d), ("kernel_size", "stride", "padding"),
        makes_feature_map=True, derive=of_layers.max_unpool, output_size_at=2,
    ),
    LayerRule(
        (nn.Upsample,), ("size", "scale_factor", "mode", "recompute_scale_factor"),
        makes_feature_map=True, derive=of_layers.upsample,
    ),
    LayerRule((nn.PixelShuffle,), ("upscale_factor",), makes_feature_map=True, derive=of_layers.pixel_shuffle),
    LayerRule((nn.PixelUnshuffle,), ("downscale_factor",), makes_feature_map=True, derive=of_layers.pixel_unshuffle),
    LayerRule(
        (nn.Fold,), ("output_size", "kernel_size", "dilation", "padding", "stride"),
        makes_feature_map=True, derive=of_layers.fold,
    ),
    LayerRule((nn.Unfold,), ("kernel_size", "dilation", "padding", "stride"), derive=of_layers.unfold),
    _padding(
        (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d, nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d), "constant"
    ),
    _padding((nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d), "reflect"),
    _padding((nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d), "replicate"),
    _padding((nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d), "circular"),
)  # fmt: skip

#: Layers of any other kind: recorded as they are, without a story.
PLAIN = LayerRule(())

#: A quantised Linear, known by its name: its package is heavy, and not loaded before someone quantises.
_QUANTISED = LayerRule((), ("in_features", "out_features"), _examine_quantised)
_QUANTISING = "torch.ao.nn.quantized."

_BY_TYPE = {kind: rule for rule in RULES for kind in rule.types}


def rule_for(kind: type) -> LayerRule:
    """The rule of a layer's class or of the nearest class it inherits from."""
    for base in kind.__mro__:
        rule = _BY_TYPE.get(base)
        if rule is not None:
            return rule
        if base.__name__ == "Linear" and base.__module__.startswith(_QUANTISING):
            return _QUANTISED
    return PLAIN


def runs_as_documented(kind: type) -> bool:
    """Whether ``forward`` is PyTorch's own: a subclass with its own may take and give other sizes."""
    for base in kind.__mro__:
        if "forward" in base.__dict__:
            return base.__module__.startswith(("torch.nn.modules.", _QUANTISING))
    return False
