"""Functions that keep the shape: activations and normalizations, and the recurrent ones behind PyTorch's layers."""

from __future__ import annotations

from convlin.ops.op import Cells, Family, InLetters, Op, StandIn, Writes

#: ``F.batch_norm`` and ``torch.batch_norm`` have their vectors in another order, and the flag in the same place.
_STATISTICS = ("running_mean", "running_var", "weight", "bias")
_VECTORS = ("weight", "bias", "running_mean", "running_var")


def _activations(
    *names: str, in_letters: InLetters | None = InLetters.ACTIVATION, cells: Cells | None = Cells.EACH
) -> tuple[Op, ...]:
    """The entries of non-linearities, and of those that write to their input."""
    return (
        Op(names, Family.ELEMENTWISE, in_letters=in_letters, cells=cells, is_activation=True),
        Op(tuple(f"{name}_" for name in names), Family.ELEMENTWISE, cells=cells, is_activation=True),
    )


OPS: tuple[Op, ...] = (
    *_activations("relu", "silu", "hardswish", "hardsigmoid", "mish", "sigmoid", "tanh", "gelu", "relu6", "leaky_relu",
                  "elu"),
    *_activations("hardtanh", in_letters=InLetters.CLAMP),
    *_activations("selu", "celu", "prelu", "rrelu", "softplus", "softsign", "tanhshrink", "hardshrink", "softshrink",
                  "logsigmoid", "threshold", in_letters=None),
    # Along which axis is not noted, so it is not known which cells of a map each sees.
    *_activations("softmax", "log_softmax", "softmin", "gumbel_softmax", in_letters=None, cells=None),
    Op(("batch_norm",), Family.NORMALIZATION, None, (*_STATISTICS, "training"), owner="F",
       stand_in=StandIn.NORMALIZATION, in_letters=InLetters.BATCH_NORM, writes=Writes("training")),
    Op(("batch_norm",), Family.NORMALIZATION, None, (*_VECTORS, "training"), owner="torch",
       stand_in=StandIn.NORMALIZATION, writes=Writes("training")),
    # torch 2.6 writes the statistics back where they are only used, too.
    Op(("instance_norm",), Family.NORMALIZATION, stand_in=StandIn.NORMALIZATION, writes=Writes()),
    Op(("layer_norm",), Family.NORMALIZATION, owner="F", stand_in=StandIn.NORMALIZATION,
       in_letters=InLetters.LAYER_NORM),
    Op(("rms_norm",), Family.NORMALIZATION, owner="F", stand_in=StandIn.NORMALIZATION, in_letters=InLetters.RMS_NORM),
    Op(("group_norm",), Family.NORMALIZATION, owner="F", stand_in=StandIn.NORMALIZATION,
       in_letters=InLetters.GROUP_NORM, differs_on_meta=True, keeps_channels_last=True),
    Op(("layer_norm", "rms_norm", "group_norm"), Family.NORMALIZATION, owner="torch", stand_in=StandIn.NORMALIZATION),
    Op(("lstm", "gru", "rnn_tanh", "rnn_relu"), Family.OTHER, owner="torch", in_letters=InLetters.RECURRENT),
    Op(("fused_moving_avg_obs_fake_quant",), Family.OTHER, owner="torch", writes=Writes()),
)  # fmt: skip
