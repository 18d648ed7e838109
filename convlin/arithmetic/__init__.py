"""Output-size formulas: a shape and settings in, the new shape and the named steps to it out.

Sizes are integers or closed forms in named sizes; there are no tensors here.  Every function takes
the whole input shape, batch included, and settings under PyTorch's own names, and returns a
`Derivation` or raises `SizeError` where PyTorch would refuse.
"""

from convlin.arithmetic.combining import broadcast, cat, expand, matmul, reduce, repeat, stack
from convlin.arithmetic.common import SizeError
from convlin.arithmetic.features import bilinear, embedding, embedding_bag, linear, rnn, rnn_cell, rnn_state
from convlin.arithmetic.folding import fold, unfold, unfold_dimension
from convlin.arithmetic.padding import pad
from convlin.arithmetic.pooling import adaptive_pool, avg_pool, fractional_max_pool, lp_pool, max_pool, max_unpool
from convlin.arithmetic.receptive_field import Layer, ReceptiveField, extend, join, receptive_field
from convlin.arithmetic.resampling import interpolate, pixel_shuffle, pixel_unshuffle
from convlin.arithmetic.reshapes import (
    chunk,
    flatten,
    permute,
    reshape,
    split,
    squeeze,
    transpose,
    unflatten,
    unsqueeze,
)
from convlin.arithmetic.windows import conv_transpose, convolution
from convlin.sizes.spell import spell

__all__ = [
    "Layer", "ReceptiveField", "SizeError", "adaptive_pool", "avg_pool", "bilinear", "broadcast", "cat", "chunk",
    "conv_transpose", "convolution", "embedding", "embedding_bag", "expand", "extend", "flatten", "fold",
    "fractional_max_pool", "interpolate", "join", "linear", "lp_pool", "matmul", "max_pool", "max_unpool", "pad",
    "permute", "pixel_shuffle", "pixel_unshuffle", "receptive_field", "reduce", "repeat", "reshape", "rnn",
    "rnn_cell", "rnn_state", "spell", "split", "squeeze", "stack", "transpose", "unflatten", "unfold",
    "unfold_dimension", "unsqueeze",
]  # fmt: skip
