"""On the meta device: what a function returns, without PyTorch's slow meta kernels.

PyTorch works out the sizes of a convolution or a normalization on the meta device in Python, for half
a millisecond each.  Most rules are those of ``results``; here are the ones for functions whose result has an
order of its own on the meta device.  A rule answers for a function, whoever calls it, so hooks,
parametrizations and classes with a ``forward`` of their own are none of its business.  It answers only
for what it knows for certain: plain tensors of one floating dtype in an order that tells that of the result,
no gradients, no other mode in between.  Everything else, and everything that would be refused, goes to PyTorch itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from convlin import arithmetic
from convlin._util.torch_private import is_seen_by_none_but, no_function_modes
from convlin.ops.fake_shapes import KnownSizes, has_its_rank
from convlin.ops.names import op_of
from convlin.ops.op import InLetters, OnMeta
from convlin.ops.results import ON_META, in_order
from convlin.ops.results.products import grouped_product
from convlin.records import Derivation, Shape
from convlin.tensors import flat_tensors, has_channels_last

Rule = Callable[..., "Tensor | None"]

_META = torch.device("meta")
_PLAIN = (Tensor, nn.Parameter)
#: What lays out anew in which order its elements lie.
_OTHERWISE_SHAPED = (InLetters.MAX_POOL, InLetters.ADAPTIVE_POOL, InLetters.RESIZED, InLetters.JOINED)


def answer(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The tensor that ``function`` returns, or None where PyTorch has to be asked.

    To be called from a function mode, which is off meanwhile.

    >>> x, weight = torch.empty(1, 3, 32, 32, device="meta"), torch.empty(16, 3, 3, 3, device="meta")
    >>> with torch.no_grad():
    ...     made = answer(torch.conv2d, (x, weight, None, 2), {})
    >>> made.shape
    torch.Size([1, 16, 15, 15])
    """
    op = op_of(function)
    if op.on_meta is None and op.in_letters not in ON_META:
        return None
    if torch.is_grad_enabled() or not is_seen_by_none_but(KnownSizes):
        return None
    along = {"spatial_dims": op.spatial_dims} if op.spatial_dims else {}
    with no_function_modes():  # or a mode that is left would be asked about every attribute
        try:
            if op.on_meta is not None:
                return _RULES[op.on_meta](*in_order(function, args), **kwargs, **along)
            tensors = flat_tensors(args, kwargs)
            # What a layer norm makes is contiguous whatever it is given: on the CPU, that is, and on a GPU.
            is_plain = _is_plain(*tensors, in_any_order=op.in_letters is InLetters.LAYER_NORM)
            if not is_plain or not all(map(Tensor.numel, tensors)) or not has_its_rank(op, args):
                return None
            if op.in_letters in _OTHERWISE_SHAPED and any(map(has_channels_last, tensors)):
                return None  # although it is contiguous: it has one channel, or a single cell
            made = ON_META[op.in_letters](*args, **kwargs)
            return made if type(made) is Tensor else None  # not a parameter that is written to
        except TypeError:  # other arguments than the rule knows
            return None


def _is_plain(*tensors: Any, in_any_order: bool = False) -> bool:
    """Tensors of one floating dtype on the meta device, contiguous or ``in_any_order``, None left out."""
    dtype = None
    for tensor in tensors:
        if tensor is None:
            continue
        if type(tensor) not in _PLAIN or not tensor.is_meta or not (in_any_order or tensor.is_contiguous()):
            return False
        if dtype is None:
            dtype = tensor.dtype
            if not dtype.is_floating_point or dtype.itemsize == 1:
                return False
        elif tensor.dtype is not dtype:
            return False
    return True


def _made(shape: tuple[Any, ...], like: Tensor) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device=_META)


@lru_cache(maxsize=4096, typed=True)
def _shape(formula: Callable[..., Derivation], *given: Any, **settings: Any) -> Shape | None:
    try:
        return formula(*given, **settings).shape
    except ValueError:
        return None


def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    spatial_dims: int,
) -> Tensor | None:
    if not _is_plain(input, weight, bias, in_any_order=True) or {input.dim(), weight.dim()} != {spatial_dims + 2}:
        return None
    shape, (out_channels, per_group, *kernel_size) = input.shape, weight.shape
    if shape[1] != per_group * groups or out_channels % groups or 0 in shape or 0 in weight.shape:
        return None
    if isinstance(padding, str) or (bias is not None and bias.shape != (out_channels,)):
        return None
    # Kernels of the CPU and of GPUs leave channels last where map or weight has them so; PyTorch's rule does not.
    last = spatial_dims == 2 and (has_channels_last(input) or has_channels_last(weight))
    if not last and not (_is_usual(input) and _is_usual(weight)):
        return None
    made = _shape(
        arithmetic.convolution, shape, spatial_dims=spatial_dims, out_channels=out_channels,
        kernel_size=tuple(kernel_size), stride=stride, padding=padding, dilation=dilation,
    )  # fmt: skip
    if made is None:
        return None
    order = torch.channels_last if last else torch.contiguous_format
    return torch.empty(made, dtype=input.dtype, device=_META, memory_format=order)


def _together(input: Tensor, other: Any) -> Tensor | None:
    """A tensor and a number, or two that meet element by element, the one of the size of the result."""
    if type(other) is int or type(other) is float:
        return _alike(input) if _is_plain(input, in_any_order=True) else None
    if type(other) not in _PLAIN or not _is_plain(input, other, in_any_order=True):
        return None
    shape, others = input.shape, other.shape
    if shape == others:
        return _alike(input)  # of two orders the first one is taken
    whole, part = (input, other) if len(shape) >= len(others) else (other, input)
    is_part = all(one in (1, size) for one, size in zip(reversed(part.shape), reversed(whole.shape), strict=False))
    if not is_part or 0 in whole.shape or 0 in part.shape:
        return None
    if _is_usual(whole) and _is_usual(part):
        return _made(whole.shape, whole)
    return _alike(input) if whole is input else None  # which is asked first


def _alike(input: Tensor) -> Tensor | None:
    """Of the same shape in the same order; None where there are gaps, or strides that do not tell the order."""
    step = 1
    for stride, size in sorted(zip(input.stride(), input.shape, strict=True)):
        if stride != step or size == 0:
            return None
        step *= size
    if len({*input.stride()}) < input.dim():
        return _made(input.shape, input) if _is_usual(input) else None
    return torch.empty_strided(input.shape, input.stride(), dtype=input.dtype, device=_META)


def _is_usual(input: Tensor) -> bool:
    """Whether the strides are those of a tensor that was just made, also along axes with a single step."""
    step = 1
    for size, stride in zip(reversed(input.shape), reversed(input.stride()), strict=True):
        if stride != step:
            return False
        step *= max(size, 1)
    return True


def _attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: Any = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """As on the CPU: in the order that the query has, where one kernel does it all; else in the usual one."""
    tensors = (query, key, value)
    if None in tensors or not _is_plain(*tensors, in_any_order=True) or dropout_p != 0:
        return None
    if any(tensor.dim() != 4 or not tensor.numel() for tensor in tensors):
        return None
    (rows, heads, length, width), (_, shared, keys, _), made = query.shape, key.shape, value.shape[-1]
    if key.shape != (rows, shared, keys, width) or value.shape != (rows, shared, keys, made):
        return None
    if heads != shared and (not enable_gqa or heads % shared or not _is_usual(query)):  # torch 2.6 has the usual order
        return None
    if attn_mask is not None and (is_causal or not _is_mask(attn_mask, (rows, heads, length, keys), query.dtype)):
        return None
    is_one_kernel = made == width and all(tensor.stride(-1) == 1 for tensor in tensors)
    if not is_one_kernel or (attn_mask is not None and attn_mask.dim() == 3):
        return _made((rows, heads, length, made), query)
    return _alike(query)


def _is_mask(mask: Any, shape: tuple[int, ...], dtype: torch.dtype) -> bool:
    if type(mask) not in _PLAIN or not mask.is_meta or mask.dtype not in (torch.bool, dtype) or mask.dim() > len(shape):
        return False
    return mask.dim() > 1 and all(
        one in (1, size) for one, size in zip(reversed(mask.shape), reversed(shape), strict=False)
    )


def _grouped_product(*args: Any, **kwargs: Any) -> Tensor | None:
    tensors = flat_tensors(args, kwargs)
    if any(type(each) not in _PLAIN or not each.is_meta or not each.numel() for each in tensors):
        return None
    return grouped_product(*args, **kwargs)


_RULES: Mapping[OnMeta, Rule] = {
    OnMeta.CONVOLUTION: _convolution,
    OnMeta.SAME_SHAPES: _together,
    OnMeta.GROUPED_PRODUCT: _grouped_product,
    OnMeta.ATTENTION: _attended,
}
