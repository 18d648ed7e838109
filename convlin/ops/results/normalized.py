"""Normalizations, whose vectors have as many numbers as there are channels or features."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from convlin.ops.memory_order import (
    empty,
    empty_like,
    is_plain,
    is_usual,
)
from convlin.ops.results.checked import all_are


def batch_normalized(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    *_: Any,
    **__: Any,
) -> Tensor | None:
    """In eval mode, with vectors of as many channels as there are."""
    if training or running_mean is None or running_var is None or not is_plain(input) or input.dim() < 2:
        return None
    channels = input.shape[1]
    if type(channels) is not int or not all_are((channels,), input, running_mean, running_var, weight, bias):
        return None
    # Channels that come last stay there, which only maps and volumes can have.
    return empty_like(input) if input.dim() > 3 else empty(input, input.shape)


def layer_normalized(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: Any = None
) -> Tensor | None:
    shape = tuple(normalized_shape)
    if not shape or not is_plain(input) or not all(type(size) is int for size in shape):
        return None
    last = input.shape[-len(shape) :]
    fits = all(type(size) is int for size in last) and last == shape and all_are(shape, input, weight, bias)
    return empty(input, input.shape) if fits else None


def rms_normalized(input: Any, normalized_shape: Any, weight: Any = None, eps: Any = None) -> Tensor | None:
    """Of the usual order: channels that come last stay there, as a layer norm does not leave them."""
    return layer_normalized(input, normalized_shape, weight, eps=eps) if is_usual(input) else None


def group_normalized(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: Any = None
) -> Tensor | None:
    """With more than one value in a group: of a single one PyTorch asks for another."""
    if not is_plain(input) or input.dim() < 2 or type(num_groups) is not int or num_groups < 1:
        return None
    channels = input.shape[1]
    if type(channels) is not int or channels % num_groups or not all_are((channels,), input, weight, bias):
        return None
    if not any(type(size) is int and size > 1 for size in (channels // num_groups, input.shape[0], *input.shape[2:])):
        return None
    if any(type(size) is int and size == 0 for size in input.shape):
        return None  # refused from torch 2.15 on, and taken before
    return empty_like(input) if input.dim() > 3 else empty(input, input.shape)
