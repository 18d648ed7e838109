"""The entry of one torch function, and the families that entries belong to."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from convlin.derivations.arguments import Given, first, taken
from convlin.records import Call, Derivation

Formula: TypeAlias = "Callable[[Call, Given], Derivation | None]"
"""Derives the output from a call and its plain arguments under PyTorch's names."""


class Family(Enum):
    """What a function or a layer computes, as far as its sizes and what its units see depend on it."""

    CONVOLUTION = "convolution"
    TRANSPOSED_CONVOLUTION = "transposed convolution"
    POOL = "pool"
    ADAPTIVE_POOL = "adaptive pool"
    FRACTIONAL_POOL = "fractional pool"
    UNPOOL = "unpool"
    WINDOWS = "windows"
    RESIZE = "resize"
    PIXEL_SHUFFLE = "pixel shuffle"
    PIXEL_UNSHUFFLE = "pixel unshuffle"
    PAD = "pad"
    LINEAR = "linear"
    RECURRENT = "recurrent"
    EMBEDDING = "embedding"
    ATTENTION = "attention"
    NORMALIZATION = "normalization"
    REARRANGE = "rearrange"
    PART = "part"
    INDEX = "index"
    JOIN = "join"
    PRODUCT = "product"
    REDUCTION = "reduction"
    ELEMENTWISE = "elementwise"
    LOSS = "loss"
    OTHER = "other"


class Cells(Enum):
    """What a function does with the cells of a feature map that keeps its sizes."""

    EACH = "takes several tensors cell by cell"
    CHANNELS = "leaves the spatial axes alone"


class StandIn(Enum):
    """How a pass goes on behind a function that refuses what reached it: ``stand_ins`` has the way of each."""

    RESHAPE = "reshape"
    UNFLATTEN = "unflatten"
    LINEAR = "linear"
    CONVOLUTION = "convolution"
    ELEMENTWISE = "elementwise"
    LOSS = "loss"
    JOIN = "join"
    PRODUCT = "product"
    EINSUM = "einsum"
    NORMALIZATION = "normalization"


class OnMeta(Enum):
    """What tells the result on the meta device, where ``InLetters`` does not: ``meta_shapes`` has the rules."""

    CONVOLUTION = "convolution"
    SAME_SHAPES = "same shapes"
    GROUPED_PRODUCT = "grouped product"
    ATTENTION = "attention"


class InLetters(Enum):
    """How a result in letters is known, or its sizes are: ``results`` or ``fake_shapes`` has the way."""

    ACTIVATION = "activation"
    CLAMP = "clamp"
    CONVOLUTION = "convolution"
    BATCH_NORM = "batch norm"
    LAYER_NORM = "layer norm"
    RMS_NORM = "rms norm"
    GROUP_NORM = "group norm"
    RESIZED = "resized"
    SAMPLED = "sampled"
    PLACES = "places"
    SPACED = "spaced"
    LINEAR = "linear"
    RECURRENT = "recurrent"
    GROUPED_PRODUCT = "grouped product"
    TOGETHER = "together"
    TOGETHER_IN_PLACE = "together in place"
    MAX_POOL = "max pool"
    AVG_POOL = "avg pool"
    ADAPTIVE_POOL = "adaptive pool"
    REDUCED = "reduced"
    JOINED = "joined"
    UNCHANGED = "unchanged"
    AS_ASKED = "as asked"
    FLATTENED = "flattened"
    UNFLATTENED = "unflattened"
    GATHERED = "gathered"


class Writes(NamedTuple):
    """That a function writes to an argument although its name does not say so."""

    flag: str | None = None
    """The parameter that it needs for that; without one every call writes."""
    default: Any = False


class Op(NamedTuple):
    """All that is known of one torch function, or of several that differ in name only.

    >>> Op(("hypot",), Family.ELEMENTWISE).formula is None
    True
    """

    names: tuple[str, ...]
    """Without a prefix, ``flatten``: ``torch.flatten``, ``F.flatten`` and ``Tensor.flatten`` are the same."""
    family: Family
    formula: Formula | None = None
    parameters: tuple[str, ...] | None = ()
    """The parameters behind the first; None for a function that is given its sizes one by one."""
    operators: tuple[str, ...] = ()
    """Names that are recorded without a prefix: ``+``, ``@``."""
    owner: str = ""
    """The prefix that the names need where another owner's function of that name differs: ``F``, ``Tensor``."""
    phrase: str | None = None
    """What an explanation says where no size was computed."""
    role: str | None = None
    """What the picture draws it as."""
    sign: str | None = None
    """What the picture writes for it; its name where that is None."""
    cells: Cells | None = None
    is_activation: bool = False
    """Whether it is a non-linearity: the picture writes it beside what it is applied to, as it does an ``nn.ReLU``."""
    indexes: bool = False
    """Whether a tensor argument is an index, which must hold integers."""
    makes_feature_map: bool = False
    """Whether it gives ``(N, C, *sizes)``."""
    hands_on: bool = False
    """Whether its result is a feature map when its first tensor is one."""
    mixes_cells: bool = False
    """Whether its result sees other cells of a map even where the shape stays and no feature map is made."""
    keeps_memory_order: bool = False
    """Whether it puts the elements into other axes as they lie in memory."""
    merges: bool = False
    """Whether a unit of its result depends on the whole map where the spatial axes are gone."""
    differs_on_meta: bool = False
    """Whether PyTorch's meta device is known to take and refuse other settings than the CPU does."""
    keeps_channels_last: bool = False
    """Whether the CPU leaves channels last where the meta device gives the usual order: it ``differs_on_meta``."""
    looks_at_values: str | None = None
    """How it is written in a message, where it needs a tensor's values and not only its shape."""
    spatial_dims: int = 0
    """Along how many spatial axes it works, where its name says so."""
    rank: int | None = None
    """How many dimensions each of its tensors must have, where it takes no other number."""
    makes_anew: bool = False
    """Whether its result has the dtype and the device of its tensor, and nothing of what is in it."""
    takes_lengths: bool = False
    """Whether its second argument is the length of every sequence of its first."""
    takes_reals: bool = False
    """Whether it refuses complex numbers, in words that differ with PyTorch's version."""
    stand_in: StandIn | None = None
    on_meta: OnMeta | None = None
    in_letters: InLetters | None = None
    writes: Writes | None = None

    @property
    def sees_neighbors(self) -> bool:
        """Whether a cell of the result depends on other cells of a map, even where the shape stays."""
        return self.makes_feature_map or self.mixes_cells


UNKNOWN = Op((), Family.OTHER)
"""What is known of a function that has no entry: nothing."""


def of_first(formula: Callable[..., Derivation], **fixed: Any) -> Formula:
    """The formula, given the shape of the first tensor and those of the call's arguments that it takes.

    >>> from convlin import arithmetic
    >>> from convlin.records import TensorInfo
    >>> call = Call("", "torch.squeeze", (TensorInfo("", (2, 1), "", ""),))
    >>> of_first(arithmetic.squeeze)(call, {"dim": 1, "out": None}).shape
    (2,)
    """
    names = [name for name in inspect.signature(formula).parameters if name not in fixed]

    def derive(call: Call, given: Given) -> Derivation:
        return formula(first(call), **fixed, **taken(given, *names))

    return derive
