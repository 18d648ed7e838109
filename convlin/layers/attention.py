"""Attention, and PyTorch's blocks around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from convlin.layers.common import lacks_time, steps_order, with_steps
from convlin.layers.rule import Arrival, LayerRule, Verdict
from convlin.module_tree import modules_of
from convlin.ops.misfit import Misfit
from convlin.ops.op import Family
from convlin.ops.parted import divisor
from convlin.tensors import zeros


def _examine_attention(module: nn.MultiheadAttention, arrival: Arrival) -> Verdict | None:
    names = ("query", "key", "value")
    declared = dict(zip(names, (module.embed_dim, module.kdim, module.vdim), strict=True))
    widths = _widths(names, arrival)
    timeless = _without_time(names, arrival, declared, batch_first=module.batch_first)
    if timeless is not None:
        return timeless
    wrong = [name for name, width in widths.items() if width != declared[name]]
    if not wrong:
        return _batch_second(module, names, arrival) or _padding_of_samples(module, names, arrival)
    kinds = {"query": "embed_dim", "key": "kdim", "value": "vdim"}
    # Where kdim and vdim are not given, they are what embed_dim becomes.
    follow = _follows(module) and "query" in wrong
    misfits: dict[str, Misfit] = {}
    for name in wrong:
        kind, changes = kinds[name], {kinds[name]: widths[name]}
        if follow and name == "query":
            changes |= {kinds[other]: size for other, size in widths.items() if size != widths[name]}
        elif follow:
            continue
        heads = _heads("num_heads", widths[name], module.num_heads) if kind == "embed_dim" else {}
        detail = {"parts": module.num_heads} if heads else {}
        place = _place(name, names, arrival)
        misfits[kind] = Misfit(kind, declared[name], widths[name], "", detail, changes | heads, input=place)
    # The output has the width of the query once the layer is fixed: what is added to it fits.
    follows = widths["query"] if "query" in wrong else None
    return Verdict(tuple(misfits.values()), _fitting(names, arrival, declared), output_size=follows)


def _padding_of_samples(module: nn.MultiheadAttention, names: tuple[str, ...], arrival: Arrival) -> Verdict | None:
    """The verdict on an ``attn_mask`` with a row for each sample, which is what ``key_padding_mask`` takes."""
    given, mask = _given(names, arrival), arrival.kwargs.get("attn_mask")
    tensors: list[Any] = [given.get(name) for name in names]
    if not isinstance(mask, Tensor) or not all(isinstance(each, Tensor) and each.dim() == 3 for each in tensors):
        return None
    query, key, _ = tensors
    batch, time = (0, 1) if module.batch_first else (1, 0)
    wanted, of_samples = (query.shape[time], key.shape[time]), (key.shape[batch], key.shape[time])
    is_free = arrival.kwargs.get("key_padding_mask") is None and len(arrival.args) <= len(names)
    if tuple(mask.shape) != of_samples or of_samples == wanted or not is_free:
        return None
    misfit = Misfit("structure", wanted, of_samples, "padding_mask")
    return Verdict((misfit,), (arrival.args, {**arrival.kwargs, "attn_mask": None, "key_padding_mask": mask}))


def _batch_second(module: nn.MultiheadAttention, names: tuple[str, ...], arrival: Arrival) -> Verdict | None:
    """The verdict on sequences that go together, or with their masks, if the batch is their first axis."""
    given = _given(names, arrival)
    tensors: list[Any] = [given.get(name) for name in names]
    if module.batch_first or not all(isinstance(each, Tensor) and each.dim() == 3 for each in tensors):
        return None
    query, key, _ = tensors
    masks: dict[str, Any] = {name: arrival.kwargs.get(name) for name in ("attn_mask", "key_padding_mask")}
    # As the layer reads them, and as they were meant.
    sizes: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
        "attn_mask": ((query.shape[0], key.shape[0]), (query.shape[1], key.shape[1])),
        "key_padding_mask": ((key.shape[1], key.shape[0]), tuple(key.shape[:2])),
    }
    turned = [name for name, mask in masks.items() if isinstance(mask, Tensor) and mask.dim() == 2]
    turned = [name for name in turned if tuple(masks[name].shape) != sizes[name][0]]
    apart = query.shape[1] != key.shape[1]
    if not (turned or apart) or not all(tuple(masks[name].shape) == sizes[name][1] for name in turned):
        return None
    if query.shape[0] != key.shape[0]:
        return None
    named = turned[0] if turned else ""
    detail = {"shapes": (tuple(query.shape), tuple(key.shape)), "mask": named}
    detail["mask_shape"] = tuple(masks[named].shape) if named else ()
    misfit = Misfit("structure", False, True, "batch_second", detail, {"batch_first": True})
    kwargs = {name: None if name in masks else each for name, each in arrival.kwargs.items()}
    alike = {name: zeros(each, (each.shape[0], query.shape[1], each.shape[2])) for name, each in given.items()}
    args = tuple(alike.get(name, given[name]) for name in names[: len(arrival.args)]) + arrival.args[len(names) :]
    return Verdict((misfit,), (args, {**kwargs, **{name: alike[name] for name in alike if name in kwargs}}))


def _examine_transformer(module: Any, arrival: Arrival) -> Verdict | None:
    """A whole block of PyTorch's own: one width, ``d_model``, for all that is in it."""
    whole = isinstance(module, nn.Transformer)
    declared = module.d_model if whole else module.self_attn.embed_dim
    encodes = isinstance(module, nn.TransformerEncoderLayer)
    names = ("src", "tgt") if whole else ("src",) if encodes else ("tgt", "memory")
    widths = _widths(names, arrival)
    batch_first = module.batch_first if whole else module.self_attn.batch_first
    timeless = _without_time(names, arrival, dict.fromkeys(names, declared), batch_first=batch_first)
    if timeless is not None:
        return timeless
    wrong = [name for name, width in widths.items() if width != declared]
    if not wrong:
        return None
    permuted = _permuted(arrival, declared, batch_first=batch_first) if encodes else None
    if permuted is not None:
        return permuted
    required, place = widths[wrong[0]], _place(wrong[0], names, arrival)
    fitting = _fitting(names, arrival, dict.fromkeys(names, declared))
    if len(set(widths.values())) > 1:
        detail: dict[str, Any] = {"widths": widths}
        misfit = Misfit("embed_dim", declared, tuple(widths.values()), "several_widths", detail, input=place)
        return Verdict((misfit,), fitting)
    heads = next(each.num_heads for each in modules_of(module) if isinstance(each, nn.MultiheadAttention))
    changes = {"d_model": required, **_heads("nhead", required, heads)}
    detail = {"parts": heads} if len(changes) > 1 else {}
    misfit = Misfit("embed_dim", declared, required, "d_model", detail, changes, input=place)
    return Verdict((misfit,), fitting, output_size=required)


def _without_time(
    names: tuple[str, ...], arrival: Arrival, declared: Mapping[str, int], *, batch_first: bool
) -> Verdict | None:
    """The verdict on a first tensor whose steps are gone, and sequences in place of all that have none."""
    given = _given(names, arrival)
    first = next(iter(given.values()), None)
    if not isinstance(first, Tensor) or first.is_nested:
        return None
    misfit = lacks_time(arrival, first, declared[names[0]], batch_first=batch_first)
    if misfit is None:
        return None
    replaced = {
        name: with_steps(value, misfit.with_detail(width=declared[name]))
        for name, value in given.items()
        if isinstance(value, Tensor) and value.dim() == 2
    }
    args = tuple(replaced.get(name, given[name]) for name in names[: len(arrival.args)]) + arrival.args[len(names) :]
    misfit = misfit.with_detail(follows=True)
    return Verdict((misfit,), (args, {name: replaced.get(name, value) for name, value in arrival.kwargs.items()}))


def _permuted(arrival: Arrival, declared: int, *, batch_first: bool) -> Verdict | None:
    """The verdict on a feature map in a row that has the declared width on the axis of its channels."""
    tensor = arrival.first("src")
    is_row = arrival.is_feature_map or arrival.is_row_of_map
    if not is_row or arrival.is_in_order or tensor.dim() != 3 or tensor.shape[1] != declared:
        return None
    order = steps_order(batch_first=batch_first)
    misfit = Misfit("embed_dim", declared, tensor.shape[2], "permute", {"axis": 1, "order": order, "name": "d_model"})
    return Verdict((misfit,), arrival.with_first("src", tensor.permute(order)))


def _given(names: tuple[str, ...], arrival: Arrival) -> dict[str, Any]:
    """The arguments of these names, the first of a call without names."""
    named = {name: arrival.kwargs[name] for name in names if name in arrival.kwargs}
    return dict(zip(names, arrival.args, strict=False)) | named


def _widths(names: tuple[str, ...], arrival: Arrival) -> dict[str, int]:
    """The last size of every argument; none unless all are tensors that can be asked: a nested one cannot."""
    given = _given(names, arrival)
    asked = all(isinstance(value, Tensor) and not value.is_nested and value.dim() > 0 for value in given.values())
    return {name: value.shape[-1] for name, value in given.items()} if asked else {}


def _fitting(
    names: tuple[str, ...], arrival: Arrival, declared: Mapping[str, int]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with zeros of the declared width in place of those that have another."""
    fitting = {
        name: value if value.shape[-1] == declared[name] else zeros(value, (*value.shape[:-1], declared[name]))
        for name, value in _given(names, arrival).items()
    }
    args = tuple(fitting[name] for name in names[: len(arrival.args)]) + arrival.args[len(names) :]
    return args, {name: fitting.get(name, value) for name, value in arrival.kwargs.items()}


def _heads(name: str, width: int, heads: int) -> dict[str, int]:
    """How many heads to give the constructor, where as many as there are do not divide the width."""
    return {name: divisor(width, heads)} if width % heads else {}


def _place(name: str, names: tuple[str, ...], arrival: Arrival) -> int:
    """Which of the tensors that arrived an argument is."""
    given = [*zip(names, arrival.args, strict=False), *arrival.kwargs.items()]
    return [each for each, value in given if isinstance(value, Tensor)].index(name)


def _follows(module: nn.MultiheadAttention) -> bool:
    """Whether keys and values are taken to be as wide as queries."""
    return bool(module.kdim == module.embed_dim and module.vdim == module.embed_dim)


def _attention_arguments(old: nn.MultiheadAttention) -> dict[str, Any]:
    return {
        "embed_dim": old.embed_dim,
        "num_heads": old.num_heads,
        "dropout": old.dropout,
        "bias": old.in_proj_bias is not None,
        "add_bias_kv": old.bias_k is not None,
        "add_zero_attn": old.add_zero_attn,
        "kdim": None if _follows(old) else old.kdim,
        "vdim": None if _follows(old) else old.vdim,
        "batch_first": old.batch_first,
    }


def _block_arguments(old: nn.TransformerEncoderLayer | nn.TransformerDecoderLayer) -> dict[str, Any]:
    return {
        "d_model": old.self_attn.embed_dim,
        "nhead": old.self_attn.num_heads,
        "dim_feedforward": old.linear1.out_features,
        "dropout": old.dropout.p,
        "activation": old.activation,
        "layer_norm_eps": old.norm1.eps,
        "batch_first": old.self_attn.batch_first,
        "norm_first": old.norm_first,
        "bias": old.linear1.bias is not None,
    }


RULES: tuple[LayerRule, ...] = (
    LayerRule(
        (nn.MultiheadAttention,), ("embed_dim", "num_heads", "kdim", "vdim", "batch_first"), _examine_attention,
        takes_sequences=True, family=Family.ATTENTION, arguments=_attention_arguments,
    ),
    LayerRule(
        (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer), (), _examine_transformer, takes_sequences=True,
        arguments=_block_arguments,
    ),
    LayerRule((nn.Transformer,), (), _examine_transformer, takes_sequences=True),
)  # fmt: skip
