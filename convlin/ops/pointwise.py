"""Functions that keep the shape: activations and normalizations, and the recurrent ones behind PyTorch's layers."""

from __future__ import annotations

from convlin.ops.op import Family, InLetters, OnMeta, Op, StandIn, Writes

#: ``F.batch_norm`` and ``torch.batch_norm`` have their vectors in another order, and the flag in the same place.
_STATISTICS = ("running_mean", "running_var", "weight", "bias")
_VECTORS = ("weight", "bias", "running_mean", "running_var")

OPS: tuple[Op, ...] = (
    Op(("relu", "silu"), Family.ELEMENTWISE, on_meta=OnMeta.ACTIVATION, in_letters=InLetters.ACTIVATION),
    Op(("gelu",), Family.ELEMENTWISE, on_meta=OnMeta.GELU, in_letters=InLetters.ACTIVATION),
    Op(("hardtanh",), Family.ELEMENTWISE, on_meta=OnMeta.CLAMP),
    Op(("relu6", "leaky_relu", "hardswish", "hardsigmoid", "mish", "elu", "sigmoid", "tanh"), Family.ELEMENTWISE,
       in_letters=InLetters.ACTIVATION),
    Op(("batch_norm",), Family.NORMALIZATION, None, (*_STATISTICS, "training"), owner="F",
       stand_in=StandIn.NORMALIZATION, on_meta=OnMeta.BATCH_NORM, in_letters=InLetters.BATCH_NORM,
       writes=Writes("training")),
    Op(("batch_norm",), Family.NORMALIZATION, None, (*_VECTORS, "training"), owner="torch",
       stand_in=StandIn.NORMALIZATION, writes=Writes("training")),
    # torch 2.6 writes the statistics back where they are only used, too.
    Op(("instance_norm",), Family.NORMALIZATION, stand_in=StandIn.NORMALIZATION, writes=Writes()),
    Op(("layer_norm", "rms_norm"), Family.NORMALIZATION, owner="F", stand_in=StandIn.NORMALIZATION,
       on_meta=OnMeta.LAYER_NORM),
    Op(("group_norm",), Family.NORMALIZATION, owner="F", stand_in=StandIn.NORMALIZATION, on_meta=OnMeta.GROUP_NORM),
    Op(("layer_norm", "rms_norm", "group_norm"), Family.NORMALIZATION, owner="torch", stand_in=StandIn.NORMALIZATION),
    Op(("lstm", "gru", "rnn_tanh", "rnn_relu"), Family.OTHER, owner="torch", in_letters=InLetters.RECURRENT),
    Op(("fused_moving_avg_obs_fake_quant",), Family.OTHER, owner="torch", writes=Writes()),
)  # fmt: skip
