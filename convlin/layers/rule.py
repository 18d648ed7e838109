"""What a description of a layer type consists of.

``examine`` looks at what is about to reach a layer.  Where it does not fit, the ``Verdict`` names
every misfit and an input that the layer can take, so that the pass goes on: a layer that makes a
new size (Linear, Conv) gets a tensor of the declared size, a layer whose size follows its input (the
normalizations) runs on a stand-in and hands on what came in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from torch import nn

from convlin.ops.misfit import Misfit
from convlin.ops.op import Family
from convlin.records import Call, Derivation, Shape

Replaced = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of a call, some of them others than were given."""


class Arrival(NamedTuple):
    """What reaches a layer, and what is known about where it came from."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    is_model_input: bool
    """The first tensor is an input of the model itself."""
    batch_added: bool
    """convlin put the batch dimension in front of it: its first axis is the batch."""
    is_feature_map: bool
    """It comes straight from a convolution, a pooling or the like: ``(N, C, *sizes)``."""
    has_features_second: bool = False
    """A layer made its second axis, channels or features, though these may have been parted or moved there since."""
    must_flatten: bool = False
    """A pass showed that the layer takes it, and that the model was not meant so."""
    is_one_sample: bool = False
    """A pass showed that it is one sample without a batch, which a later layer misses."""
    is_in_order: bool = False
    """A pass showed that with its axes in another order more would be wrong."""

    is_row_of_map: bool = False
    """It was made of a feature map and is ``(N, C, L)`` still, with one axis left behind the channels."""
    is_batch_first: bool = False
    """Of two axes that reach a layer of sequences the first is the batch: the layer would read it as time."""
    lacks_time: bool = False
    """A pass showed that what is behind the layer misses the axis of time."""

    turned_back: tuple[int, ...] = ()
    """It is an input of the model with its axes in another order: the order in which they were."""

    @property
    def has_channels_second(self) -> bool:
        """Nobody would take it for a map with its channels last, whatever its sizes are."""
        return self.is_feature_map or self.has_features_second

    def first(self, name: str) -> Any:
        """The first argument, however it was passed."""
        return self.args[0] if self.args else self.kwargs.get(name)

    def with_first(self, name: str, value: Any) -> Replaced:
        """The arguments with the first one replaced."""
        if self.args:
            return (value, *self.args[1:]), dict(self.kwargs)
        return (), {**self.kwargs, name: value}


def with_second(args: tuple[Any, ...], kwargs: dict[str, Any], name: str, value: Any) -> Replaced:
    """The arguments of a call with another second one, however it was passed.

    >>> with_second((1, 2, 3), {}, "hx", 4), with_second((1,), {"hx": 2}, "hx", 4)
    (((1, 4, 3), {}), ((1,), {'hx': 4}))
    """
    return ((args[0], value, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, name: value})


class Verdict(NamedTuple):
    """What does not fit, and arguments that do (None where nothing can stand in)."""

    misfits: tuple[Misfit, ...]
    stand_in: Replaced | None = None
    keeps_input: bool = False
    """The layer's output is the input as it came: its size follows its input."""
    output_size: int | None = None
    """One size of the layer's output, where that follows its input and the rest does not."""
    output_axis: int = -1
    """The axis of that size."""


Examine = Callable[[Any, Arrival], "Verdict | None"]
Derive = Callable[[Call], "Derivation | None"]


class LayerRule(NamedTuple):
    """What convlin knows of one family of layers."""

    types: tuple[type[nn.Module], ...]
    settings: tuple[str, ...] = ()
    """Attributes that are recorded with every call."""
    examine: Examine | None = None
    makes_feature_map: bool = False
    """Its output is ``(N, C, *sizes)``: flattening it is what comes before a Linear."""
    no_feature_map: Callable[[Mapping[str, Any], Shape], bool] | None = None
    """Where its output is none after all, by the settings of a call and the shape of its input."""
    hands_on: bool = False
    """The axes of its output mean what those of its input mean; of a wrong size its output is the input itself."""
    takes_sequences: bool = False
    """Of three axes it takes several sequences, of two a single one without a batch."""
    family: Family = Family.OTHER
    """That of the function which its ``forward`` is."""
    derive: Derive | None = None
    """How the size of its output comes about, where ``forward`` is PyTorch's own."""
    arguments: Callable[[Any], dict[str, Any]] | None = None
    """The arguments that its constructor was given, where they are not attributes of the same names."""
    from_weights: Callable[[Any, Mapping[str, Shape]], dict[str, Any]] | None = None
    """The arguments that the shapes of its tensors, by name, would have come from; empty where they tell nothing."""
    output_size_at: int | None = None
    """Where ``forward`` takes an ``output_size``, which is recorded with the settings."""

    def reader(self) -> Callable[[nn.Module], dict[str, Any]]:
        """What reads the recorded attributes of a layer."""
        names = self.settings
        values = attrgetter(*names) if len(names) > 1 else None

        def read(module: nn.Module) -> dict[str, Any]:
            if values is not None:
                try:
                    return dict(zip(names, values(module), strict=True))
                except AttributeError:
                    pass
            return {name: getattr(module, name, None) for name in names}

        return read

    def read_output_size(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """What else decides about one call of a layer whose ``forward`` takes an ``output_size``."""
        at = self.output_size_at
        if at is None:
            return {}
        size = args[at] if len(args) > at else kwargs.get("output_size")
        sizes = tuple(size) if isinstance(size, tuple | list) else (size,)
        # No letters, which would keep their pass alive.
        return {"output_size": sizes} if all(type(one) is int for one in sizes) else {}


#: Layers of any other kind: recorded as they are, without a story.
PLAIN = LayerRule(())


def by_rank(
    types: tuple[type[nn.Module], ...], settings: tuple[str, ...], family: Family, derive: Any
) -> tuple[LayerRule, ...]:
    """A family in one, two and three spatial dimensions whose settings do not tell how many."""
    return tuple(
        LayerRule((kind,), settings, makes_feature_map=True, family=family, derive=partial(derive, spatial_dims=rank))
        for rank, kind in enumerate(types, start=1)
    )
