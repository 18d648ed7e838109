"""Tensors that are no row in letters, and may be the largest of all: a mask, the weights of every two positions."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convlin._util.torch_private import no_function_modes
from convlin.ops.names import op_of
from convlin.ops.op import Family
from convlin.trace.state import State


def note_unshown(state: State, *made: Any) -> None:
    """What is no row in letters, and may be the largest of all: a mask, the weights of every two positions."""
    state.recording.unshown_shapes += [state.read(each) for each in made if isinstance(each, Tensor)]


def note_weights(state: State, func: Any, args: tuple[Any, ...]) -> None:
    """Those of an attention, for every two positions, which nothing that it returns shows."""
    read = state.read
    if func is F.multi_head_attention_forward and len(args) > 4:  # as nn.MultiheadAttention calls it
        query, key, heads = read(args[0]), read(args[1]), args[4]
        state.recording.unshown_shapes.append((heads * prod(query[1:-1]), query[0], key[0]))
    elif op_of(func).family is Family.ATTENTION and len(args) > 1:
        state.recording.unshown_shapes.append((*read(args[0])[:-1], read(args[1])[-2]))


def note_windows(state: State, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], made: Any) -> None:
    """Those of a convolution or pool that are as large as a letter: each cell made looks at all of one."""
    family = op_of(func).family
    if family is Family.CONVOLUTION:
        weight = args[1] if len(args) > 1 else kwargs["weight"]
        window = tuple(weight.shape[2:])
    elif family is Family.POOL:
        size = args[1] if len(args) > 1 else kwargs["kernel_size"]
        window = tuple(size) if isinstance(size, tuple | list) else (size, size)
    else:
        return
    if any(isinstance(size, torch.SymInt) for size in window):
        first = made if isinstance(made, Tensor) else made[0]
        with no_function_modes():
            note_unshown(state, first.new_empty((*first.shape, *window)))
