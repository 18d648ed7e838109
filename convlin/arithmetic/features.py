"""Layers that work on a last axis of features: linear, bilinear, embeddings, recurrent layers and cells."""

from __future__ import annotations

from convlin._util.torch_behavior import counts_every_bag
from convlin.arithmetic.common import SizeError, certain, declared, differ, page, require_sizes, require_width
from convlin.records import Derivation, Shape, Size, Step
from convlin.sizes.spell import factor, spell, spell_shape


def linear(input_shape: Shape, /, *, out_features: Size, in_features: Size | None = None) -> Derivation:
    """Shape after ``Linear``: ``(*, in_features)`` becomes ``(*, out_features)``.

    Raises `SizeError` for a scalar, and where the features are not ``in_features`` (if given).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html

    >>> linear((1, 2048), out_features=10).shape
    (1, 10)
    """
    if not input_shape:
        raise SizeError("a scalar has no features")
    require_width(input_shape[-1], in_features, "features", "in_features")
    step = declared("features", "out_features", out_features)
    return Derivation((*input_shape[:-1], out_features), (step,), page("nn.Linear"))


def bilinear(
    input_shape: Shape,
    other_shape: Shape,
    /,
    *,
    out_features: Size,
    in1_features: Size | None = None,
    in2_features: Size | None = None,
) -> Derivation:
    """Shape after ``Bilinear`` of ``(*, in1_features)`` and ``(*, in2_features)``: ``(*, out_features)``.

    Raises `SizeError` where the other dimensions differ, or the features do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Bilinear.html

    >>> bilinear((8, 20), (8, 30), out_features=40).shape
    (8, 40)
    """
    if not input_shape or len(input_shape) != len(other_shape):
        raise SizeError(f"{spell_shape(input_shape)} and {spell_shape(other_shape)} differ in their dimensions")
    for index, (one, other) in enumerate(zip(input_shape[:-1], other_shape[:-1], strict=True)):
        if differ(one, other):
            message = f"{spell_shape(input_shape)} and {spell_shape(other_shape)} differ in dim {index}"
            raise SizeError(message, axis=f"dim {index}", size=other)
    require_width(input_shape[-1], in1_features, "features", "in1_features")
    require_width(other_shape[-1], in2_features, "features", "in2_features")
    step = declared("features", "out_features", out_features)
    return Derivation((*input_shape[:-1], out_features), (step,), page("nn.Bilinear"))


def embedding(input_shape: Shape, /, *, embedding_dim: Size) -> Derivation:
    """Shape after ``Embedding``: a vector for every index, so ``(*)`` becomes ``(*, embedding_dim)``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html

    >>> embedding((8, 128), embedding_dim=64).shape
    (8, 128, 64)
    """
    step = declared("features", "embedding_dim", embedding_dim)
    return Derivation((*input_shape, embedding_dim), (step,), page("nn.Embedding"))


def embedding_bag(
    input_shape: Shape,
    /,
    *,
    embedding_dim: Size,
    offsets: Size | None = None,
    include_last_offset: bool = False,
) -> Derivation:
    """Shape after ``EmbeddingBag``: one vector for each bag of indices.

    ``(bags, indices)`` is two-dimensional; one-dimensional indices come with the number of ``offsets``.
    Raises `SizeError` for other ranks, for a second dimension of 0, and where offsets are missing or superfluous.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.EmbeddingBag.html

    >>> embedding_bag((100,), embedding_dim=64, offsets=8).shape
    (8, 64)
    """
    features = declared("features", "embedding_dim", embedding_dim)
    if len(input_shape) == 2 and offsets is None:
        if certain(input_shape[1] < 1):
            raise SizeError("the bags are empty", axis="dim 1", size=input_shape[1], minimum=1)
        if not include_last_offset or counts_every_bag():
            return Derivation((input_shape[0], embedding_dim), (features,), page("nn.EmbeddingBag"))
        offsets = input_shape[0]
    elif len(input_shape) != 1 or offsets is None:
        raise SizeError(f"{spell_shape(input_shape)} is neither (bags, indices) nor indices with offsets")
    bags = declared("dim 0", "offsets", offsets)
    if include_last_offset:
        bags = Step("dim 0", "offsets − 1", f"{spell(offsets)} − 1", offsets - 1, (offsets,))
    if certain(bags.size < 0):
        raise SizeError("include_last_offset needs at least one offset", axis="dim 0", size=offsets, minimum=1)
    return Derivation((bags.size, embedding_dim), (bags, features), page("nn.EmbeddingBag"))


def rnn(
    input_shape: Shape,
    /,
    *,
    hidden_size: Size,
    bidirectional: bool = False,
    proj_size: Size = 0,
    batch_first: bool = False,
    input_size: Size | None = None,
    kind: str = "LSTM",
) -> Derivation:
    """Shape of the output of ``RNN``, ``LSTM`` or ``GRU`` (``kind``), the first of what they return.

    ``(L, N, features)``, with ``batch_first`` ``(N, L, features)``, or unbatched ``(L, features)``;
    the number of layers does not matter to it.  Raises `SizeError` for an empty sequence, another rank or width,
    and for a ``proj_size`` that is not below ``hidden_size`` or not an LSTM's.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html

    >>> derivation = rnn((8, 100, 32), hidden_size=64, bidirectional=True, batch_first=True)
    >>> derivation.shape, derivation.steps[0].text
    ((8, 100, 128), '2·64 = 128')
    """
    _recurrent_batch(input_shape, batch_first, input_size)
    directions = 2 if bidirectional else 1
    name, width = _width(hidden_size, proj_size, kind)
    text = f"{directions}·{factor(width)}"
    step = Step("features", f"directions·{name}", text, directions * width, (directions, width))
    return Derivation((*input_shape[:-1], step.size), (step,), page(f"nn.{kind}"))


def rnn_state(
    input_shape: Shape,
    /,
    *,
    hidden_size: Size,
    num_layers: int = 1,
    bidirectional: bool = False,
    proj_size: Size = 0,
    batch_first: bool = False,
    input_size: Size | None = None,
    kind: str = "LSTM",
    state: str = "h",
) -> Derivation:
    """Shape of the last hidden state (``state="h"``) or an LSTM's cell state (``"c"``).

    It is ``(directions·num_layers, N, width)`` whatever ``batch_first`` says, without N when unbatched.
    Raises `SizeError` as `rnn` does.
    Formula: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html

    >>> derivation = rnn_state((8, 100, 32), hidden_size=64, num_layers=3, bidirectional=True, batch_first=True)
    >>> derivation.shape, derivation.steps[0].text
    ((6, 8, 64), '2·3 = 6')
    """
    require_sizes("num_layers", (num_layers,))
    batch = _recurrent_batch(input_shape, batch_first, input_size)
    directions = 2 if bidirectional else 1
    name, width = _width(hidden_size, proj_size, kind)
    if state != "h":
        name, width = "hidden_size", hidden_size
    text = f"{directions}·{num_layers}"
    layers = Step("dim 0", "directions·num_layers", text, directions * num_layers, (directions, num_layers))
    return Derivation((layers.size, *batch, width), (layers, declared("features", name, width)), page(f"nn.{kind}"))


def _width(hidden_size: Size, proj_size: Size, kind: str) -> tuple[str, Size]:
    require_sizes("hidden_size", (hidden_size,))
    require_sizes("proj_size", (proj_size,))
    if proj_size != 0 and kind != "LSTM":
        raise SizeError(f"proj_size is {spell(proj_size)}, but only an LSTM projects, not {kind}")
    if certain(proj_size < 0) or certain(proj_size >= hidden_size):
        raise SizeError(f"proj_size is {spell(proj_size)}, but must be at least 0 and less than {spell(hidden_size)}")
    return ("hidden_size", hidden_size) if proj_size == 0 else ("proj_size", proj_size)


def _recurrent_batch(input_shape: Shape, batch_first: bool, input_size: Size | None) -> Shape:
    """The batch dimension, if there is one, of a sequence that a recurrent layer takes."""
    if len(input_shape) not in (2, 3):
        message = f"{spell_shape(input_shape)} has {len(input_shape)} dimensions instead of 2 (unbatched) or 3"
        raise SizeError(message)
    require_width(input_shape[-1], input_size, "features", "input_size")
    batched = len(input_shape) == 3
    length = input_shape[1 if batched and batch_first else 0]
    if certain(length < 1):
        raise SizeError("the sequence is empty", axis="L", size=length, minimum=1)
    return (input_shape[0 if batch_first else 1],) if batched else ()


def rnn_cell(
    input_shape: Shape, /, *, hidden_size: Size, input_size: Size | None = None, kind: str = "LSTMCell"
) -> Derivation:
    """Shape after ``RNNCell``, ``LSTMCell`` or ``GRUCell`` (``kind``); an LSTM's two states are alike.

    ``(N, features)`` or ``(features,)``.  Raises `SizeError` for another rank or width.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html

    >>> rnn_cell((8, 32), hidden_size=64).shape
    (8, 64)
    """
    if len(input_shape) not in (1, 2):
        message = f"{spell_shape(input_shape)} has {len(input_shape)} dimensions instead of 1 (unbatched) or 2"
        raise SizeError(message)
    require_width(input_shape[-1], input_size, "features", "input_size")
    step = declared("features", "hidden_size", hidden_size)
    return Derivation((*input_shape[:-1], hidden_size), (step,), page(f"nn.{kind}"))
