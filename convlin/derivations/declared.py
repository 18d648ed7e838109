"""Which axis of its input each size is of that a layer declares, by the name that its constructor has for it."""

from __future__ import annotations

from collections.abc import Mapping

#: Of layers that declare one size of the one tensor they take: axis 1, the channels behind the batch, or the last.
AXIS_OF: Mapping[str, int] = {
    "in_features": -1, "input_size": -1, "embed_dim": -1, "in_channels": 1, "num_features": 1, "num_channels": 1,
}  # fmt: skip
#: Of all layers: those of a second tensor, of the last axes together, and of a weight that may be one for all, too.
EVERY_AXIS_OF: Mapping[str, int] = {
    **AXIS_OF,
    "in1_features": -1, "in2_features": -1, "kdim": -1, "vdim": -1, "normalized_shape": -1, "num_parameters": 1,
}  # fmt: skip
#: What layers declare of the tensor that they give, and of which of its axes.
AXIS_GIVEN: Mapping[str, int] = {"out_features": -1, "out_channels": 1, "embedding_dim": -1}
GIVEN = tuple(AXIS_GIVEN)
#: The same, and what a recurrent layer calls it.
GIVEN_OR_HIDDEN = (*GIVEN, "hidden_size")


def noun_of(name: str) -> str:
    """What is counted along that axis; empty for a size of another name.

    >>> noun_of("in_channels"), noun_of("kdim"), noun_of("num_embeddings")
    ('channel', 'feature', '')
    """
    axis = EVERY_AXIS_OF.get(name)
    return "" if axis is None else "channel" if axis == 1 else "feature"
