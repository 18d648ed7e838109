"""Embeddings, which take indices."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convlin.derivations import of_layers
from convlin.layers.common import by_weight_axes
from convlin.layers.rule import Arrival, LayerRule, Verdict
from convlin.ops.misfit import Misfit
from convlin.ops.op import Family
from convlin.tensors import dtype_name, zeros


def _examine_embedding(module: nn.Embedding | nn.EmbeddingBag, arrival: Arrival) -> Verdict | None:
    tensor = arrival.first("input")
    if not isinstance(tensor, Tensor):
        return None
    if tensor.dtype not in (torch.int64, torch.int32):
        stand_in = zeros(tensor, tuple(tensor.shape), torch.int64)
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


_FROM_WEIGHTS = by_weight_axes(num_embeddings=0, embedding_dim=1)

RULES: tuple[LayerRule, ...] = (
    LayerRule(
        (nn.Embedding,), ("num_embeddings", "embedding_dim"), _examine_embedding,
        family=Family.EMBEDDING, derive=of_layers.embedding, from_weights=_FROM_WEIGHTS,
    ),
    LayerRule(
        (nn.EmbeddingBag,), ("num_embeddings", "embedding_dim", "mode", "include_last_offset"), _examine_embedding,
        family=Family.EMBEDDING, derive=of_layers.embedding_bag, from_weights=_FROM_WEIGHTS,
    ),
)  # fmt: skip
