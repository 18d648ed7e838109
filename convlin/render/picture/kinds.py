"""What a layer does, told by its name, and what its result is drawn as, told by shape and company."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from functools import cache
from typing import Any

from convlin.ops.catalog import OPS
from convlin.records import Shape, Size

#: Layers that have no function of the same name.
_OF_LAYERS = {"identity": "reshape", "rearrange": "reshape", "pixelshuffle": "up"}
_RECURRENT = ("lstm", "gru", "rnn")

#: Beside these every layer that keeps the shape and holds no matrix is folded into its neighbor.
ACTIVATIONS = ("relu", "gelu", "silu", "swish", "mish", "elu", "tanh", "sigmoid", "softmax", "activation", "softplus")

_DIMENSIONS = re.compile(r"([123])d$")


def bare(type: str) -> str:
    """The name without where it lives: ``max_pool2d`` for ``F.max_pool2d``."""
    return type.rpartition(".")[2] if not type.endswith("...]") else "[...]"


@cache
def role(type: str) -> str:
    """What a layer or function does: ``conv``, ``up``, ``pool``, ``linear``, …, or ``other``."""
    if type == "Conv1D":  # the GPT-2 of transformers calls its Linear so
        return "linear"
    name = bare(type).lower().removeprefix("lazy")
    known = OPS.called(bare(type)).role or OPS.called(name).role or _OF_LAYERS.get(name)
    if known is not None:
        return known
    if "attention" in name:
        return "attention"
    if name.startswith(("convtranspose", "conv_transpose")) or "upsampl" in name or "unpool" in name:
        return "up"
    if name.startswith("conv"):
        return "conv"
    if "pool" in name:
        return "pool"
    if "linear" in name:
        return "linear"
    if "embedding" in name:
        return "embed"
    return "recurrent" if name.startswith(_RECURRENT) else "other"


def sign(function: str) -> str:
    """``+`` for ``Tensor.add``; a word for a function that has no sign."""
    name = bare(function).lower()
    return OPS.called(name).sign or name


def is_activation(type: str) -> bool:
    """Whether this is a non-linearity, by its name."""
    name = type.lower()
    return any(word in name for word in ACTIVATIONS)


@cache
def dimensions(type: str) -> int:
    """How many spatial axes the name speaks of: 2 for ``Conv2d``, 0 for ``Linear``."""
    if type == "Conv1D":
        return 0
    found = _DIMENSIONS.search(bare(type).lower())
    return int(found[1]) if found else 0


_SPATIAL = {1: "signal", 2: "map", 3: "volume"}
_RANKS = {"signal": 3, "map": 4, "last": 4, "volume": 5, "sheet": 3, "line": 2, "tokens": 2}


def form(type: str, shape: Shape, source: str, wants: Set[str], *, integer: bool) -> str:
    """What a result is drawn as.

    ``map`` (N, C, H, W), ``signal`` (N, C, L), ``volume`` (N, C, D, H, W), ``last`` (N, H, W, C),
    ``sheet`` (N, T, F), ``line`` (N, F), ``tokens`` (N, T) of integers, ``heads`` (N, heads, T, F),
    ``other``.  A shape alone does not tell: (N, C, L) and (N, T, F) look alike.  So the layer's own
    name decides, then what it came from (``source``), then what takes it (``wants``).
    """
    rank = len(shape)
    does = role(type)
    axes = dimensions(type)
    if axes and rank in (axes + 1, axes + 2):
        return _SPATIAL[axes]
    if does in ("linear", "recurrent", "embed", "attention"):
        return {2: "line", 3: "sheet", 4: "last"}.get(rank, "line" if rank < 2 else "other")
    if does != "reshape" and _RANKS.get(source) == rank and source != "tokens":
        return source
    if does == "product" and source in ("heads", "sheet") and rank > 3:
        return "heads"
    return _by_rank(rank, source, wants, integer=integer)


def _by_rank(rank: int, source: str, wants: Set[str], *, integer: bool) -> str:
    wanted = next((axes for axes in (1, 2, 3) if str(axes) in wants and rank in (axes + 1, axes + 2)), 0)
    if wanted and rank > 2:
        return _SPATIAL[wanted]
    if rank <= 2:
        return "tokens" if integer and rank == 2 else "line"
    if rank == 3:
        return "sheet"
    if source in ("sheet", "heads"):
        return "heads"
    if rank == 4:
        return "last" if "features" in wants and source == "last" else "map"
    return "volume" if rank == 5 else "other"


@cache
def wants(type: str) -> str:
    """What a layer takes, in the words of ``form``: the number of its spatial axes, or ``features``."""
    axes = dimensions(type)
    if axes:
        return str(axes)
    return "features" if role(type) in ("linear", "recurrent", "attention") or "layernorm" in type.lower() else ""


def extents(form: str, shape: Shape) -> tuple[Size, tuple[Size, ...]]:
    """Channels and spatial sizes of what is drawn."""
    if form == "tokens" or (form == "line" and not shape):
        return 1, tuple(shape[-1:])
    if form == "line":
        return shape[-1], ()
    if form == "sheet":
        # (T, N, F) of a recurrent layer with a batch of one: the steps stand first.
        return shape[-1], (shape[0] if len(shape) == 3 and shape[1] == 1 else shape[-2],)
    if form == "last":
        return shape[-1], tuple(shape[-3:-1])
    axes = {"signal": 1, "map": 2, "heads": 2, "volume": 3}.get(form)
    if axes is None or len(shape) <= axes:
        return 1, ()
    return shape[-axes - 1], tuple(shape[-axes:])


def detail(type: str, settings: Mapping[str, Any], arrived: Shape | None = None) -> str:
    """Kernel and stride as papers write them (``3×3 /2``), groups, heads of an attention, layers of an LSTM.

    >>> detail("Conv2d", {"kernel_size": (3, 3), "stride": (1, 1), "groups": 8}, (1, 8, 5, 5))
    '3×3 depthwise'
    """
    axes = dimensions(type)
    given = settings.get("kernel_size")
    if given is None and role(type) == "pool" and "adaptive" not in type:
        given = settings.get("1")  # of a function the first argument after the tensor
    kernel = _sizes(given, axes)
    parts = ["×".join(kernel)] if kernel and axes else []
    if parts:
        stride = _sizes(settings.get("stride"), axes) or (kernel if role(type) == "pool" else [])
        if set(stride) - {"1"}:
            parts.append("/" + (stride[0] if len(set(stride)) == 1 else "×".join(stride)))
    groups = settings.get("groups")
    if axes and isinstance(groups, int) and groups > 1:
        channels = arrived[-axes - 1] if arrived is not None and len(arrived) > axes else None
        parts.append("depthwise" if groups == channels else f"{groups} groups")
    if isinstance(settings.get("num_heads"), int):
        parts.append(f"{settings['num_heads']} heads")
    if isinstance(settings.get("num_layers"), int) and settings["num_layers"] > 1:
        parts.append(f"{settings['num_layers']} layers")
    return " ".join(parts)


def _sizes(value: object, axes: int) -> list[str]:
    if isinstance(value, int) and not isinstance(value, bool):
        return [str(value)] * axes
    return [str(size) for size in value] if isinstance(value, tuple | list) else []
