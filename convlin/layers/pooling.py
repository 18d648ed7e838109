"""Pooling and its way back."""

from __future__ import annotations

from torch import nn

from convlin.derivations import of_layers
from convlin.layers.rule import LayerRule, by_rank
from convlin.ops.op import Family

_POOL = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
_AVG_POOL = ("kernel_size", "stride", "padding", "ceil_mode")
_LP_POOL = ("kernel_size", "stride", "ceil_mode")

RULES: tuple[LayerRule, ...] = (
    *by_rank((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), _POOL, Family.POOL, of_layers.max_pool),
    *by_rank((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), _AVG_POOL, Family.POOL, of_layers.avg_pool),
    *by_rank((nn.LPPool1d, nn.LPPool2d, nn.LPPool3d), _LP_POOL, Family.POOL, of_layers.lp_pool),
    *by_rank(
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
        ("output_size",), Family.ADAPTIVE_POOL, of_layers.adaptive_avg_pool,
    ),
    *by_rank(
        (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
        ("output_size",), Family.ADAPTIVE_POOL, of_layers.adaptive_max_pool,
    ),
    LayerRule(
        (nn.FractionalMaxPool2d, nn.FractionalMaxPool3d), ("kernel_size", "output_size", "output_ratio"),
        makes_feature_map=True, family=Family.FRACTIONAL_POOL, derive=of_layers.fractional_max_pool,
    ),
    LayerRule(
        (nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d), ("kernel_size", "stride", "padding"),
        makes_feature_map=True, family=Family.UNPOOL, derive=of_layers.max_unpool, output_size_at=2,
    ),
)  # fmt: skip
